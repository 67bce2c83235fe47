/* SPDX-License-Identifier: MIT */
/* Holds edges out and finds pairs without one, by rejection: real graphs have few edges. */
#include "core/data/graph_split.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/data/graph_edges.h"

/*
 * First counter word of OPU_STREAM_EDGES; negatives of an epoch count their tries upwards from
 * DRAW_EPOCH. Part of every reproducible result: append only.
 */
enum { DRAW_HELD = 0, DRAW_NONE = 1, DRAW_ORDER = 2, DRAW_EPOCH = 16 };

static int alloc_pairs(struct opu_context *context, struct opu_pair_list *list, size_t n)
{
    list->n = n;
    list->u = opu_calloc(context, n, sizeof *list->u);
    list->v = opu_calloc(context, n, sizeof *list->v);
    return list->u && list->v ? OPU_OK : OPU_E_NO_MEMORY;
}

static void free_pairs(struct opu_context *context, struct opu_pair_list *list)
{
    opu_context_free(context, list->u);
    opu_context_free(context, list->v);
}

static void swap_pairs(struct opu_pair_list *list, size_t i, size_t k)
{
    uint32_t const u = list->u[i], v = list->v[i];
    list->u[i] = list->u[k];
    list->v[i] = list->v[k];
    list->u[k] = u;
    list->v[k] = v;
}

/* Fisher-Yates as far as place n: a random choice of n comes first, in random order. */
static void shuffle_first(struct opu_pair_list *list, size_t n, uint64_t seed, uint32_t what)
{
    struct opu_philox4 block = {{0}};
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            block = opu_philox(seed, OPU_STREAM_EDGES, what, i / 4);
        }
        swap_pairs(list, i, i + opu_below(block.v[i % 4], list->n - i));
    }
}

static int copy_pairs(struct opu_context *context, struct opu_pair_list *to,
                      const struct opu_pair_list *from, size_t first, size_t n)
{
    OPU_TRY(alloc_pairs(context, to, n));
    memcpy(to->u, from->u + first, n * sizeof *to->u);
    memcpy(to->v, from->v + first, n * sizeof *to->v);
    return OPU_OK;
}

static int hold_out(struct opu_edge_split *split, struct opu_pair_list *all, size_t n_valid,
                    size_t n_test, size_t nodes)
{
    size_t const held = n_valid + n_test;
    shuffle_first(all, held, split->seed, DRAW_HELD);
    OPU_TRY(copy_pairs(split->context, &split->valid, all, 0, n_valid));
    OPU_TRY(copy_pairs(split->context, &split->test, all, n_valid, n_test));
    return opu_edges_adjacency(split->context, &split->train, nodes, all->u + held, all->v + held,
                               all->n - held, "training edges");
}

struct stranger {
    const struct opu_csr *adjacency;
    uint64_t seed;
};

static uint64_t draw_stranger(const void *user, uint64_t k)
{
    const struct stranger *s = user;
    struct opu_philox4 const block = opu_philox(s->seed, OPU_STREAM_EDGES, DRAW_NONE, k);
    uint32_t const u = opu_below(block.v[0], s->adjacency->rows);
    uint32_t const v = opu_below(block.v[1], s->adjacency->rows);
    return u == v || opu_edges_has(s->adjacency, u, v) ? OPU_NO_PAIR : opu_pair(u, v);
}

static int find_strangers(struct opu_edge_split *split, const struct opu_csr *adjacency)
{
    size_t const n_valid = split->valid.n, n_test = split->test.n, n = n_valid + n_test;
    struct stranger const user = {adjacency, split->seed};
    struct opu_pair_list all = {0};
    uint64_t *pairs = opu_calloc(split->context, n, sizeof *pairs);
    int status = pairs ? alloc_pairs(split->context, &all, n) : OPU_E_NO_MEMORY;
    if (status == OPU_OK) {
        status = opu_pairs_distinct(split->context, pairs, n, draw_stranger, &user,
                                    "pairs without an edge");
    }
    if (status == OPU_OK) {
        for (size_t i = 0; i < n; i++) {
            all.u[i] = (uint32_t)(pairs[i] >> 32);
            all.v[i] = (uint32_t)pairs[i];
        }
        shuffle_first(&all, n, split->seed, DRAW_ORDER); /* they come ascending */
        status = copy_pairs(split->context, &split->no_valid, &all, 0, n_valid);
    }
    if (status == OPU_OK) {
        status = copy_pairs(split->context, &split->no_test, &all, n_valid, n_test);
    }
    free_pairs(split->context, &all);
    opu_context_free(split->context, pairs);
    return status;
}

static int check(const struct opu_csr *adjacency, const struct opu_edge_split_options *o,
                 size_t *n_valid, size_t *n_test)
{
    size_t const edges = adjacency->count / 2, nodes = adjacency->rows;
    if (!(o->valid >= 0 && o->valid < 1) || !(o->test >= 0 && o->test < 1)) {
        return opu_fail(OPU_E_INVALID, "shares %g and %g of the edges held out, wanted 0 to 1",
                        o->valid, o->test);
    }
    *n_valid = (size_t)(o->valid * (double)edges);
    *n_test = (size_t)(o->test * (double)edges);
    if (*n_valid == 0 || *n_test == 0 || *n_valid + *n_test >= edges) {
        return opu_fail(OPU_E_INVALID,
                        "%zu edges, of which %zu validate and %zu test: wanted at least 1 for each "
                        "and for training",
                        edges, *n_valid, *n_test);
    }
    size_t const none = nodes * (nodes - 1) / 2 - edges;
    if (none < 2 * (*n_valid + *n_test)) {
        return opu_fail(OPU_E_INVALID, "%zu pairs of nodes have no edge, wanted at least %zu", none,
                        2 * (*n_valid + *n_test));
    }
    return OPU_OK;
}

int opu_edge_split_create(struct opu_edge_split **out, struct opu_context *context,
                          const struct opu_csr *adjacency,
                          const struct opu_edge_split_options *options)
{
    *out = NULL;
    size_t n_valid = 0, n_test = 0;
    OPU_TRY(check(adjacency, options, &n_valid, &n_test));
    struct opu_edge_split *split = opu_calloc(context, 1, sizeof *split);
    if (!split) {
        return OPU_E_NO_MEMORY;
    }
    split->context = context;
    split->seed = options->seed;
    struct opu_pair_list all = {0};
    int status = alloc_pairs(context, &all, adjacency->count / 2);
    if (status == OPU_OK) {
        opu_edges_list(adjacency, all.u, all.v);
        status = hold_out(split, &all, n_valid, n_test, adjacency->rows);
    }
    free_pairs(context, &all);
    if (status == OPU_OK) {
        status = find_strangers(split, adjacency);
    }
    if (status < 0) {
        opu_edge_split_destroy(split);
        return status;
    }
    *out = split;
    return OPU_OK;
}

void opu_edge_split_destroy(struct opu_edge_split *split)
{
    if (split) {
        struct opu_context *context = split->context;
        opu_csr_free(context, &split->train);
        free_pairs(context, &split->valid);
        free_pairs(context, &split->test);
        free_pairs(context, &split->no_valid);
        free_pairs(context, &split->no_test);
        opu_context_free(context, split);
    }
}

void opu_edge_split_negatives(const struct opu_edge_split *split, uint32_t epoch, size_t n,
                              uint32_t *u, uint32_t *v)
{
    const struct opu_csr *train = &split->train;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        /* Ends: the split was refused unless many pairs have no edge. */
        for (uint32_t attempt = DRAW_EPOCH; !found; attempt++) {
            struct opu_philox4 const block =
                opu_philox(split->seed, OPU_STREAM_EDGES, attempt, (uint64_t)epoch << 32 | i);
            u[i] = opu_below(block.v[0], train->rows);
            v[i] = opu_below(block.v[1], train->rows);
            found = u[i] != v[i] && !opu_edges_has(train, u[i], v[i]);
        }
    }
}
