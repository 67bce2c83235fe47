/* SPDX-License-Identifier: MIT */
/*
 * The matrices that graph convolutions multiply by, from a symmetric adjacency A without self
 * edges; D is its degrees, D~ those of A + I. A node without edges has D^-1 = D^-1/2 = 0.
 */
#ifndef OPU_CORE_GRAPH_MATRIX_H
#define OPU_CORE_GRAPH_MATRIX_H

#include "core/base/csr.h"

enum opu_graph_matrix_kind {
    OPU_MATRIX_GCN = 0,  /* D~^-1/2 (A + I) D~^-1/2 (Kipf, Welling 2017, arXiv 1609.02907) */
    OPU_MATRIX_CHEB = 1, /* 2 L / lambda - I at lambda = 2, L = I - D^-1/2 A D^-1/2: that is
                            -D^-1/2 A D^-1/2, with no diagonal (Defferrard, Bresson, Vandergheynst
                            2016, arXiv 1606.09375) */
    OPU_MATRIX_MEAN = 2, /* D^-1 A: the mean over neighbours */
    OPU_MATRIX_SELF = 3, /* A + I, no values: who attends to whom */
    OPU_MATRIX_KINDS = 4
};

/*
 * Makes one with its transpose; order: with order_t too. Values are rounded once from double. The
 * caller frees it by opu_csr_free(). On failure *out is all zero. OPU_E_INVALID (too many entries),
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_graph_matrix(struct opu_context *context, struct opu_csr *out,
                                   const struct opu_csr *adjacency, enum opu_graph_matrix_kind kind,
                                   bool order);

/*
 * 2 L / lambda - I for any lambda > 0: off the diagonal -2/lambda D^-1/2 A D^-1/2, on it
 * 2/lambda - 1, which is stored unless it is 0.
 */
OPU_NODISCARD int opu_graph_cheb(struct opu_context *context, struct opu_csr *out,
                                 const struct opu_csr *adjacency, double lambda);

/* Neighbours of a node, itself left out. */
static inline uint32_t opu_graph_degree(const struct opu_csr *adjacency, size_t node)
{
    return adjacency->start[node + 1] - adjacency->start[node];
}

/* The largest of them; 0 without nodes. */
uint32_t opu_graph_max_degree(const struct opu_csr *adjacency);

/* Divides every row by its sum; a row whose sum is 0 stays. For a matrix that has values and no
 * transpose yet. */
void opu_csr_normalise_rows(struct opu_csr *csr);

#endif
