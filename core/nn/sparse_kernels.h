/* SPDX-License-Identifier: MIT */
/* Inner loops over the rows of a sparse pattern, one set per vector level; all give the same bits.
 */
#ifndef OPU_CORE_SPARSE_KERNELS_H
#define OPU_CORE_SPARSE_KERNELS_H

#include "core/base/cpu.h"
#include "core/nn/sparse.h"

/* A pattern's rows as a product runs over them: row i sums x[from[k]] by weights[entry[k]], k from
 * start[i]; entry NULL: k itself. */
struct opu_spmm_rows {
    const uint32_t *start;
    const uint32_t *from;
    const uint32_t *entry;
    const float *weights; /* NULL: ones */
    const struct opu_sparse_product *product;
};

/* Values on entries against values of rows and columns: the gradient of the weights of a product.
 */
struct opu_edge_dots {
    const struct opu_csr *matrix;
    bool transpose; /* dy belongs to columns and x to rows */
    const float *dy, *x;
    size_t dy_stride, x_stride;
    size_t heads, width; /* of one head */
    float *dw;
    size_t dw_stride; /* at least heads */
    bool accumulate;
};

/* scores and results [entries][heads]: over the entries of each row, by head. */
struct opu_edge_softmax {
    const uint32_t *start;
    size_t heads;
    const float *x; /* scores; backward: the forward's results */
    float *y;
    /* backward */
    const float *dy;
    float *dx;
    size_t dy_stride, dx_stride;
    bool accumulate;
};

struct opu_sparse_kernels {
    /* rows first to end - 1 */
    void (*spmm_rows)(const struct opu_spmm_rows *work, size_t first, size_t end);
    void (*edge_dots)(const struct opu_edge_dots *work, size_t first, size_t end);
    void (*edge_softmax)(const struct opu_edge_softmax *work, size_t first, size_t end);
    void (*edge_softmax_grad)(const struct opu_edge_softmax *work, size_t first, size_t end);
};

const struct opu_sparse_kernels *opu_sparse_kernels_at(enum opu_isa level);
const struct opu_sparse_kernels *opu_sparse_kernels_best(void);

/* Work shared out evenly: the pieces of a pattern's rows, and the first row of each (of one past
 * the last: rows). */
size_t opu_sparse_pieces(const uint32_t *start, size_t rows);
size_t opu_sparse_piece_row(const uint32_t *start, size_t rows, size_t piece);

#endif
