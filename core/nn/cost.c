/* SPDX-License-Identifier: MIT */
/*
 * What a block's backward and update cost, so that blocks can be shared out among cores before any
 * of them has run. Multiplications of the dense products count one each; what waits for memory
 * counts by the element, at a rate at which a core multiplies meanwhile.
 */
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/nn/graph_impl.h"

/* Multiplications that one thread of OpenBLAS does (some 40 in a ns) while an element of a cheap
 * loop goes by, an entry's column of a sparse product, and a parameter through Adam. */
#define ELEMENT 16.0
#define ENTRY 32.0
#define PARAMETER 64.0

static double elements(const struct opu_graph *graph, const struct opu_shape *shape)
{
    double const rows = (double)shape->rows * (shape->batch ? (double)graph->plan.max_rows : 1.0);
    return rows * (shape->columns > 0 ? (double)shape->columns : 1.0);
}

/* Of one gradient that a node hands down. */
static double cost_of(const struct opu_graph *graph, const struct opu_value *node, size_t k)
{
    const struct opu_shape *const first = &graph->values[node->in[0]].shape;
    double const out = elements(graph, &node->shape);
    if (first->sparse) {
        return ENTRY * (double)first->entries * (double)node->shape.columns;
    }
    if (k < 2 && node->op == &opu_op_linear) {
        return out * (double)first->columns;
    }
    if (k < 2 && node->op == &opu_op_bmm) {
        return out * (double)first->columns / node->attr[1];
    }
    return ELEMENT * (out + elements(graph, &graph->values[node->in[k]].shape));
}

static double cost_of_block(const struct opu_graph *graph, size_t block)
{
    double sum = PARAMETER * (double)graph->blocks[block].count;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct opu_value *const node = &graph->values[i];
        for (size_t k = 0; node->runs_in == block && k < node->n_in; k++) {
            sum += graph->values[node->in[k]].wants_grad ? cost_of(graph, node, k) : 0.0;
        }
    }
    return sum;
}

int opu_graph_weigh(struct opu_graph *graph)
{
    if (graph->n_blocks < 2) {
        return OPU_OK;
    }
    struct opu_block_cost *const costs =
        opu_calloc(graph->context, graph->n_blocks - 1, sizeof *costs);
    if (costs == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t b = 1; b < graph->n_blocks; b++) {
        struct opu_block_cost const next = {b, cost_of_block(graph, b)};
        size_t at = b - 1;
        for (; at > 0 && costs[at - 1].cost < next.cost; at--) {
            costs[at] = costs[at - 1];
        }
        costs[at] = next;
    }
    graph->costs = costs;
    return OPU_OK;
}

const struct opu_block_cost *opu_graph_block_costs(const struct opu_graph *graph)
{
    return graph->costs;
}
