/* SPDX-License-Identifier: MIT */
/*
 * Edges held out from a graph, and as many pairs without an edge: what an auto-encoder is judged by
 * (Kipf, Welling 2016, arXiv 1611.07308). Counts are those of PyTorch Geometric's
 * train_test_split_edges(): floor(share * edges).
 */
#ifndef OPU_CORE_GRAPH_SPLIT_H
#define OPU_CORE_GRAPH_SPLIT_H

#include "core/base/csr.h"

/* Pairs of nodes, u[i] < v[i]. */
struct opu_pair_list {
    size_t n;
    uint32_t *u, *v;
};

struct opu_edge_split {
    struct opu_context *context;
    uint64_t seed;
    struct opu_csr train;                   /* adjacency of the edges that are left */
    struct opu_pair_list valid, test;       /* held out */
    struct opu_pair_list no_valid, no_test; /* no edges of the whole graph, none twice */
};

struct opu_edge_split_options {
    double valid, test; /* shares of the edges, such as 0.05 and 0.1 */
    uint64_t seed;
};

/*
 * Each draw is keyed by (seed, OPU_STREAM_EDGES, its place). OPU_E_INVALID (a part without edges,
 * or a graph with hardly a pair that is not an edge), OPU_E_NO_MEMORY; *out is then NULL.
 */
OPU_NODISCARD int opu_edge_split_create(struct opu_edge_split **out, struct opu_context *context,
                                        const struct opu_csr *adjacency,
                                        const struct opu_edge_split_options *options);
void opu_edge_split_destroy(struct opu_edge_split *split);

/*
 * n pairs of different nodes that are no training edge, anew for each epoch; some may come twice,
 * and held-out edges may be among them, which training can't know of. Allocates nothing, can't
 * fail; pair i depends on (seed, epoch, i) alone.
 */
void opu_edge_split_negatives(const struct opu_edge_split *split, uint32_t epoch, size_t n,
                              uint32_t *u, uint32_t *v);

#endif
