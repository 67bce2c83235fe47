/* SPDX-License-Identifier: MIT */
/*
 * What graph networks multiply by, made from one graph when it is first asked for and kept: every
 * net of a run (training, evaluation, the twin of the alignment) reads the same matrices.
 */
#ifndef OPU_CORE_GRAPH_STORE_H
#define OPU_CORE_GRAPH_STORE_H

#include "core/base/csr.h"
#include "core/data/graph_matrix.h"

struct opu_graph_store;

/* adjacency (symmetric, no self edges) and features are borrowed and must outlive the store. */
OPU_NODISCARD int opu_graph_store_create(struct opu_graph_store **out, struct opu_context *context,
                                         const struct opu_csr *adjacency,
                                         const struct opu_csr *features);
/* NULL is fine. Everything below is gone with it. */
void opu_graph_store_destroy(struct opu_graph_store *store);

size_t opu_graph_store_nodes(const struct opu_graph_store *store);
const struct opu_csr *opu_graph_store_adjacency(const struct opu_graph_store *store);

/*
 * The features [nodes][columns] with their transpose; normalise: every row divided by its sum;
 * order: with order_t, for weights in place of the values. OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_graph_store_features(struct opu_graph_store *store, bool normalise,
                                           bool order, const struct opu_csr **out);

/* As opu_graph_matrix(), of the store's adjacency. OPU_E_INVALID, OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_graph_store_matrix(struct opu_graph_store *store,
                                         enum opu_graph_matrix_kind kind, bool order,
                                         const struct opu_csr **out);

/* [entries] the row of each entry of that matrix: an index for gather and scatter_add. */
OPU_NODISCARD int opu_graph_store_rows(struct opu_graph_store *store,
                                       enum opu_graph_matrix_kind kind, const int32_t **out);

/* [nodes] each node's degree over the largest one, 0 where there are no edges at all: a pseudo
 * coordinate for spline kernels (Fey and others 2018, arXiv 1711.08920). */
OPU_NODISCARD int opu_graph_store_degree(struct opu_graph_store *store, const float **out);

#endif
