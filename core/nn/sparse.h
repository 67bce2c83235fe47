/* SPDX-License-Identifier: MIT */
/*
 * Products with sparse matrices (core/base/csr.h), whose values may stand apart: entries x heads,
 * because they may be trained, dropped out or computed. For graphs: row = the node that receives,
 * column = the node that sends.
 */
#ifndef OPU_CORE_SPARSE_H
#define OPU_CORE_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/csr.h"

/* y = or += A x, or with the transpose. Strides in floats. */
struct opu_sparse_product {
    const struct opu_csr
        *matrix; /* transposed: with start_t, and order_t where weights are given */
    bool transpose;
    const float *weights; /* [count][heads] in place of the matrix's values; NULL: its own */
    size_t heads;         /* head h weighs columns h width / heads onwards of x; own values: 1 */
    const float *x;       /* [columns][x_stride], or [rows] where transposed */
    size_t x_stride;
    float *y; /* [rows][y_stride], or [columns]; apart from x */
    size_t y_stride;
    size_t width;    /* columns of x and y, a multiple of heads */
    bool accumulate; /* y += instead of y = */
};

/* Each element's sum runs in the order of the entries: the same bits for any number of threads. */
void opu_sparse_multiply(const struct opu_sparse_product *product);

/* row[count]: the row of each entry, an index for gather and scatter_add; that of the columns is
 * matrix->index. */
void opu_sparse_rows(const struct opu_csr *matrix, int32_t *row);

#endif
