/* SPDX-License-Identifier: MIT */
/* Graphs of any size that no file holds, for measurements and tests. */
#include "core/data/graph_data.h"

#include <string.h>

#include <omp.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/data/graph_edges.h"

#define MAX_CLASSES ((size_t)1 << 20)
#define USUAL_PER_NODE 16

/* First counter word of OPU_STREAM_GRAPH. Part of every reproducible result: append only. */
enum { DRAW_EDGE = 0, DRAW_COLUMN = 1, DRAW_VALUE = 2 };

static int check(const struct opu_graph_random *o)
{
    if (o->nodes < 3 || o->nodes > INT32_MAX) {
        return opu_fail(OPU_E_INVALID, "a graph of %zu nodes, wanted 3 to %d", o->nodes, INT32_MAX);
    }
    size_t const most = o->nodes * (o->nodes - 1) / 4;
    if (o->edges > most) {
        return opu_fail(OPU_E_INVALID, "%zu edges among %zu nodes, wanted at most %zu", o->edges,
                        o->nodes, most);
    }
    if (o->features < 1 || o->features > INT32_MAX || o->per_node > o->features) {
        return opu_fail(OPU_E_INVALID, "%zu of %zu features for each node", o->per_node,
                        o->features);
    }
    if (o->classes < 2 || o->classes > o->nodes || o->classes > MAX_CLASSES) {
        return opu_fail(OPU_E_INVALID, "%zu classes, wanted 2 to %zu", o->classes,
                        o->nodes < MAX_CLASSES ? o->nodes : MAX_CLASSES);
    }
    if (!(o->homophily >= 0 && o->homophily <= 1)) {
        return opu_fail(OPU_E_INVALID, "homophily %g, wanted 0 to 1", o->homophily);
    }
    size_t sum = 0;
    for (size_t part = 0; part < OPU_NODE_PARTS; part++) {
        if (o->parts[part] < 1 || o->parts[part] > o->nodes - sum) {
            return opu_fail(OPU_E_INVALID,
                            "%zu, %zu and %zu of %zu nodes train, validate and test, wanted at "
                            "least 1 each and none twice",
                            o->parts[0], o->parts[1], o->parts[2], o->nodes);
        }
        sum += o->parts[part];
    }
    return OPU_OK;
}

/* Any node, then any other, or one of its class. */
static uint64_t draw_edge(const void *user, uint64_t k)
{
    const struct opu_graph_random *o = user;
    struct opu_philox4 const block = opu_philox(o->seed, OPU_STREAM_GRAPH, DRAW_EDGE, k);
    uint32_t const u = opu_below(block.v[0], o->nodes);
    uint32_t v = opu_below(block.v[1], o->nodes);
    if (opu_uniform(block.v[2]) < o->homophily) {
        size_t const class = u % o->classes;
        size_t const members = (o->nodes - class + o->classes - 1) / o->classes;
        v = (uint32_t)(class + o->classes * opu_below(block.v[1], members));
    }
    return u == v ? OPU_NO_PAIR : opu_pair(u, v);
}

static int make_edges(struct opu_graph_data *graph, const struct opu_graph_random *o)
{
    uint64_t *pairs = opu_calloc(graph->context, o->edges, sizeof *pairs);
    uint32_t *ends = opu_calloc(graph->context, 2 * o->edges, sizeof *ends);
    int status = pairs && ends ? OPU_OK : OPU_E_NO_MEMORY;
    if (status == OPU_OK) {
        status = opu_pairs_distinct(graph->context, pairs, o->edges, draw_edge, o,
                                    "edges of a random graph");
    }
    for (size_t i = 0; status == OPU_OK && i < o->edges; i++) {
        ends[i] = (uint32_t)(pairs[i] >> 32);
        ends[o->edges + i] = (uint32_t)pairs[i];
    }
    opu_context_free(graph->context, pairs);
    if (status == OPU_OK) {
        status = opu_edges_adjacency(graph->context, &graph->adjacency, o->nodes, ends,
                                     ends + o->edges, o->edges, "edges of a random graph");
    }
    opu_context_free(graph->context, ends);
    graph->edges = o->edges;
    return status;
}

/*
 * n distinct columns of a node, ascending, by Floyd's method (Bentley, Floyd 1987): each set is as
 * likely. `chosen` has a bit a column, all zero before and after.
 */
static void draw_columns(const struct opu_graph_random *o, size_t node, size_t n, uint64_t *chosen,
                         uint32_t *columns)
{
    size_t const f = o->features;
    struct opu_philox4 block = {{0}};
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            block =
                opu_philox(o->seed, OPU_STREAM_GRAPH, DRAW_COLUMN, (uint64_t)node << 32 | i / 4);
        }
        size_t const top = f - n + i;
        size_t column = opu_below(block.v[i % 4], top + 1);
        column = chosen[column / 64] >> column % 64 & 1 ? top : column;
        chosen[column / 64] |= UINT64_C(1) << column % 64;
    }
    size_t at = 0;
    for (size_t word = 0; at < n; word++) {
        for (uint64_t bits = chosen[word]; bits != 0; bits &= bits - 1) {
            columns[at++] = (uint32_t)(64 * word + (size_t)__builtin_ctzll(bits));
        }
        chosen[word] = 0;
    }
}

static void draw_values(const struct opu_graph_random *o, size_t node, size_t n,
                        const uint32_t *columns, float *values)
{
    struct opu_philox4 block = {{0}};
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            block = opu_philox(o->seed, OPU_STREAM_GRAPH, DRAW_VALUE, (uint64_t)node << 32 | i / 4);
        }
        float const more = columns[i] % o->classes == node % o->classes ? 1.0f : 0.0f;
        values[i] = opu_uniformf(block.v[i % 4]) + more;
    }
}

static int make_features(struct opu_graph_data *graph, const struct opu_graph_random *o)
{
    size_t const usual = o->features < USUAL_PER_NODE ? o->features : USUAL_PER_NODE;
    size_t const n = o->per_node > 0 ? o->per_node : usual;
    size_t const words = (o->features + 63) / 64;
    size_t const threads = (size_t)omp_get_max_threads();
    size_t count;
    if (!opu_size_mul(&count, n, o->nodes)) {
        count = SIZE_MAX;
    }
    struct opu_csr *x = &graph->x;
    OPU_TRY(opu_csr_alloc(graph->context, x, o->nodes, o->features, count, true));
    uint64_t *chosen = opu_calloc(graph->context, threads * words, sizeof *chosen);
    if (!chosen) {
        return OPU_E_NO_MEMORY;
    }
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < o->nodes; i++) {
        size_t const at = i * n;
        x->start[i + 1] = (uint32_t)(at + n);
        draw_columns(o, i, n, chosen + (size_t)omp_get_thread_num() * words, x->index + at);
        draw_values(o, i, n, x->index + at, x->value + at);
    }
    opu_context_free(graph->context, chosen);
    return OPU_OK;
}

static int make_nodes(struct opu_graph_data *graph, const struct opu_graph_random *o)
{
    graph->nodes = o->nodes;
    graph->classes = o->classes;
    graph->labels = opu_calloc(graph->context, o->nodes, sizeof *graph->labels);
    if (!graph->labels) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < o->nodes; i++) {
        graph->labels[i] = (int32_t)(i % o->classes);
    }
    size_t const first[OPU_NODE_PARTS] = {0, o->parts[0], o->nodes - o->parts[OPU_NODES_TEST]};
    for (size_t part = 0; part < OPU_NODE_PARTS; part++) {
        uint32_t *node = opu_calloc(graph->context, o->parts[part], sizeof *node);
        if (!node) {
            return OPU_E_NO_MEMORY;
        }
        for (size_t i = 0; i < o->parts[part]; i++) {
            node[i] = (uint32_t)(first[part] + i);
        }
        graph->parts[part] = (struct opu_node_list){o->parts[part], node};
    }
    return OPU_OK;
}

int opu_graph_data_random(struct opu_graph_data **out, struct opu_context *context,
                          const struct opu_graph_random *options)
{
    struct opu_graph_data *graph = NULL;
    *out = NULL;
    OPU_TRY(check(options));
    OPU_TRY(opu_graph_data_create(&graph, context));
    int status = make_nodes(graph, options);
    if (status == OPU_OK) {
        status = make_edges(graph, options);
    }
    if (status == OPU_OK) {
        status = make_features(graph, options);
    }
    if (status < 0) {
        opu_graph_data_close(graph);
        return status;
    }
    *out = graph;
    return OPU_OK;
}
