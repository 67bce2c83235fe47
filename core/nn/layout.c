/* SPDX-License-Identifier: MIT */
/*
 * Planning, second half: memory. Parameters lie in one block of floats and their gradients in
 * another, those of a graph block side by side; activations and their gradients in one arena.
 */
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/nn/graph_impl.h"

/* Floats of a cache line: where a parameter may start. */
#define LINE (OPU_ALIGNMENT / sizeof(float))

/* Places things one after the other; without a base it only measures. */
struct arena {
    char *base;
    size_t used;
    bool overflow;
};

static void *place(struct arena *arena, size_t rows, size_t row_bytes)
{
    size_t bytes;
    size_t end;
    if (!opu_size_mul(&bytes, rows, row_bytes) || !opu_size_add(&end, arena->used, bytes) ||
        !opu_size_add(&end, end, OPU_ALIGNMENT - 1)) {
        arena->overflow = true;
        return NULL;
    }
    void *const at = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used = end / OPU_ALIGNMENT * OPU_ALIGNMENT;
    return at;
}

static bool param_size(size_t *size, const struct opu_shape *shape)
{
    return opu_size_mul(size, shape->rows, shape->columns > 0 ? shape->columns : 1);
}

/* --- parameters --- */

static int place_params(struct opu_graph *graph, size_t *total)
{
    *total = 0;
    /* blocks in their order, then what no block trains */
    for (size_t b = 0; b <= graph->n_blocks; b++) {
        size_t const block = b < graph->n_blocks ? b : OPU_NO_BLOCK;
        for (size_t i = 0; i < graph->n_values; i++) {
            struct opu_value *const value = &graph->values[i];
            size_t const of = value->wants_grad ? value->block : OPU_NO_BLOCK;
            size_t size;
            if (value->kind != OPU_VALUE_PARAM || of != block) {
                continue;
            }
            value->param_offset = *total;
            if (!param_size(&size, &value->shape) || !opu_size_add(total, *total, size) ||
                !opu_size_add(total, *total, LINE - 1)) {
                return opu_fail(OPU_E_INVALID,
                                "graph: parameter \"%s\" of %zu x %zu is larger than memory",
                                value->name, value->shape.rows, value->shape.columns);
            }
            *total = *total / LINE * LINE;
        }
    }
    return OPU_OK;
}

static const struct opu_value *next_param(const struct opu_graph *graph, size_t *i)
{
    for (; *i < graph->n_values; ++*i) {
        if (graph->values[*i].kind == OPU_VALUE_PARAM) {
            return &graph->values[(*i)++];
        }
    }
    return NULL;
}

/* The other graph's places, after a check that it is of the same model. */
static int adopt_params(struct opu_graph *graph, size_t *total)
{
    const struct opu_graph *const owner = graph->plan.params_of;
    size_t theirs = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        if (value->kind != OPU_VALUE_PARAM) {
            continue;
        }
        const struct opu_value *const other = next_param(owner, &theirs);
        char mine_text[OPU_OP_SHAPE_TEXT_SIZE];
        char other_text[OPU_OP_SHAPE_TEXT_SIZE] = "none";
        if (other == NULL || strcmp(other->name, value->name) != 0 ||
            other->shape.rows != value->shape.rows ||
            other->shape.columns != value->shape.columns) {
            return opu_fail(OPU_E_MISMATCH,
                            "graph: parameter \"%s\" %s, but the graph that shares its parameters "
                            "has \"%s\" %s there",
                            value->name, opu_op_shape_text(&value->shape, mine_text),
                            other == NULL ? "" : other->name,
                            other == NULL ? other_text
                                          : opu_op_shape_text(&other->shape, other_text));
        }
        value->param_offset = other->param_offset;
    }
    if (next_param(owner, &theirs) != NULL) {
        return opu_fail(OPU_E_MISMATCH,
                        "graph: the graph that shares its parameters has more of them");
    }
    *total = owner->all.count;
    return OPU_OK;
}

/* Draw k of a parameter is word k % 4 of Philox block (its place among the parameters, k / 4). */
static void initialise(const struct opu_value *value, uint64_t seed, uint32_t place_among)
{
    float *const data = value->data;
    size_t n;
    (void)param_size(&n, &value->shape);
    if (value->init.bound == 0.0) {
        for (size_t k = 0; k < n; k++) {
            data[k] = (float)value->init.constant;
        }
        return;
    }
    for (size_t k = 0; k < n; k += 4) {
        struct opu_philox4 const draw = opu_philox(seed, OPU_STREAM_INIT, place_among, k / 4);
        for (size_t w = 0; w < 4 && k + w < n; w++) {
            data[k + w] =
                (float)(value->init.bound * (2.0 * (double)opu_uniformf(draw.v[w]) - 1.0));
        }
    }
}

static int make_params(struct opu_graph *graph)
{
    bool const own = graph->plan.params_of == NULL;
    bool const grads = graph->plan.backward && !graph->plan.no_param_grads;
    size_t total = 0;
    OPU_TRY(own ? place_params(graph, &total) : adopt_params(graph, &total));
    graph->all.count = total;
    if (own) {
        graph->own_values = opu_calloc(graph->context, total, sizeof(float));
        graph->all.values = graph->own_values;
    } else {
        graph->all.values = graph->plan.params_of->all.values;
    }
    if (grads) {
        graph->all.grads = opu_calloc(graph->context, total, sizeof(float));
    }
    if (graph->all.values == NULL || (grads && graph->all.grads == NULL)) {
        return OPU_E_NO_MEMORY;
    }
    uint32_t place_among = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        if (value->kind != OPU_VALUE_PARAM) {
            continue;
        }
        value->data = graph->all.values + value->param_offset;
        value->grad = value->wants_grad ? graph->all.grads + value->param_offset : NULL;
        value->grad_stride = value->shape.columns > 0 ? value->shape.columns : 1;
        if (own) {
            initialise(value, graph->plan.seed, place_among);
        }
        place_among++;
    }
    return OPU_OK;
}

/* The range of each block's parameters; with another graph's places it may not be one range. */
static int make_blocks(struct opu_graph *graph)
{
    graph->blocks = opu_calloc(graph->context, graph->n_blocks, sizeof *graph->blocks);
    if (graph->blocks == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t b = 0; b < graph->n_blocks; b++) {
        size_t first = SIZE_MAX;
        size_t end = 0;
        size_t inside = 0;
        for (size_t i = 0; i < graph->n_values; i++) {
            const struct opu_value *const value = &graph->values[i];
            if (value->kind != OPU_VALUE_PARAM || !value->wants_grad || value->block != b) {
                continue;
            }
            size_t size;
            (void)param_size(&size, &value->shape);
            size = (size + LINE - 1) / LINE * LINE;
            inside += size;
            first = value->param_offset < first ? value->param_offset : first;
            end = value->param_offset + size > end ? value->param_offset + size : end;
        }
        if (inside == 0) {
            continue;
        }
        if (end - first != inside) {
            return opu_fail(OPU_E_UNSUPPORTED,
                            "graph: block %zu would train parameters that lie apart in the graph "
                            "that shares them",
                            b);
        }
        graph->blocks[b] =
            (struct opu_params){graph->all.values + first, graph->all.grads + first, inside};
    }
    return OPU_OK;
}

/* --- activations --- */

static size_t rows_of(const struct opu_graph *graph, const struct opu_shape *shape,
                      struct arena *arena)
{
    size_t rows = shape->rows;
    if (shape->batch && !opu_size_mul(&rows, graph->plan.max_rows, shape->rows)) {
        arena->overflow = true;
    }
    return rows;
}

static void place_node(struct opu_graph *graph, struct opu_value *value, struct arena *arena)
{
    struct opu_shape shapes[OPU_OP_INPUTS] = {0};
    for (size_t k = 0; k < value->n_in; k++) {
        shapes[k] = graph->values[value->in[k]].shape;
    }
    if (value->op->saved != NULL) {
        value->saved =
            place(arena, rows_of(graph, &shapes[0], arena), value->op->saved(shapes, value->n_in));
    }
}

/* Values whose memory the arena holds. */
static bool in_arena(const struct opu_graph *graph, size_t i)
{
    const struct opu_value *const value = &graph->values[i];
    return (value->kind == OPU_VALUE_INPUT || value->kind == OPU_VALUE_NODE) &&
           value->data_of == (int)i;
}

/* Walks everything that lies in the arena; called twice, to measure and to place. */
static void place_all(struct opu_graph *graph, struct arena *arena)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        bool const loss = (int)i == graph->loss;
        size_t row_bytes;
        if (!opu_size_mul(&row_bytes, value->shape.columns, opu_dtype_size(value->shape.dtype))) {
            arena->overflow = true;
        }
        if (value->kind == OPU_VALUE_NODE) {
            place_node(graph, value, arena);
        }
        if (loss) {
            value->data = place(arena, 1, sizeof(struct opu_loss));
        } else if (in_arena(graph, i)) {
            value->data = place(arena, rows_of(graph, &value->shape, arena), row_bytes);
        }
        if (loss && graph->plan.backward) {
            const struct opu_shape *const logits = &graph->values[value->in[0]].shape;
            value->grad_stride = logits->columns;
            value->grad =
                place(arena, rows_of(graph, logits, arena), logits->columns * sizeof(float));
        } else if (value->kind == OPU_VALUE_NODE && value->grad_of == (int)i &&
                   (value->wants_grad || (graph->plan.backward && value->op == &opu_op_tap &&
                                          graph->plan.method == OPU_METHOD_DFA))) {
            value->grad_stride = value->shape.columns;
            value->grad = place(arena, rows_of(graph, &value->shape, arena), row_bytes);
        }
    }
}

static int make_arena(struct opu_graph *graph)
{
    struct arena arena = {0};
    place_all(graph, &arena);
    if (arena.overflow) {
        return opu_fail(OPU_E_INVALID, "graph: activations of %zu rows are larger than memory",
                        graph->plan.max_rows);
    }
    graph->arena = opu_calloc(graph->context, arena.used, 1);
    if (graph->arena == NULL) {
        return OPU_E_NO_MEMORY;
    }
    arena = (struct arena){.base = graph->arena};
    place_all(graph, &arena);
    return OPU_OK;
}

/* Values that share memory take it from their owner; the taps are described. */
static void link_shared(struct opu_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        if (value->data_of != (int)i) {
            value->data = graph->values[value->data_of].data;
        }
        if (value->grad_of != (int)i) {
            value->grad = graph->values[value->grad_of].grad;
            value->grad_stride = graph->values[value->grad_of].grad_stride;
        }
    }
    for (size_t t = 0; t < graph->n_taps; t++) {
        const struct opu_value *const value = &graph->values[graph->tap_values[t]];
        const struct opu_value *const below = &graph->values[value->in[0]];
        graph->taps[t] = (struct opu_tap){
            .name = value->name,
            .columns = value->shape.columns,
            .block = below->wants_grad ? below->block : OPU_NO_BLOCK,
            .grad = value->grad,
            .grad_stride = value->grad_stride,
        };
    }
    if (graph->error_value >= 0) {
        graph->error = graph->values[graph->error_value].grad;
    } else if (graph->loss >= 0) {
        graph->error = graph->values[graph->loss].grad;
    }
}

int opu_graph_lay_out(struct opu_graph *graph)
{
    OPU_TRY(make_params(graph));
    OPU_TRY(make_blocks(graph));
    OPU_TRY(make_arena(graph));
    link_shared(graph);
    return OPU_OK;
}
