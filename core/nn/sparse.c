/* SPDX-License-Identifier: MIT */
/* Sparse products, shared out by the work in their rows. */
#include "core/nn/sparse.h"

#include "core/nn/sparse_kernels.h"

/* Entries and rows, weighed alike, of one piece of a product's work. */
#define PIECE 4096

size_t opu_sparse_pieces(const uint32_t *start, size_t rows)
{
    return (start[rows] + rows + PIECE - 1) / PIECE;
}

/* By bisection: start[i] + i rises. */
size_t opu_sparse_piece_row(const uint32_t *start, size_t rows, size_t piece)
{
    size_t low = 0;
    size_t high = rows;
    while (low < high) {
        size_t const middle = low + (high - low) / 2;
        if (start[middle] + middle < piece * PIECE) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct opu_spmm_rows rows_of(const struct opu_sparse_product *product)
{
    const struct opu_csr *const m = product->matrix;
    struct opu_spmm_rows rows = {
        .start = m->start, .from = m->index, .weights = m->value, .product = product};
    if (product->transpose) {
        rows = (struct opu_spmm_rows){
            .start = m->start_t, .from = m->index_t, .weights = m->value_t, .product = product};
    }
    if (product->weights != NULL) {
        rows.weights = product->weights;
        rows.entry = product->transpose ? m->order_t : NULL;
    }
    return rows;
}

void opu_sparse_multiply(const struct opu_sparse_product *product)
{
    const struct opu_sparse_kernels *const kernels = opu_sparse_kernels_best();
    struct opu_spmm_rows const work = rows_of(product);
    size_t const rows = product->transpose ? product->matrix->columns : product->matrix->rows;
    size_t const pieces = opu_sparse_pieces(work.start, rows);
#pragma omp parallel for schedule(static) if (pieces > 1)
    for (size_t p = 0; p < pieces; p++) {
        kernels->spmm_rows(&work, opu_sparse_piece_row(work.start, rows, p),
                           opu_sparse_piece_row(work.start, rows, p + 1));
    }
}

void opu_sparse_rows(const struct opu_csr *matrix, int32_t *row)
{
    for (size_t i = 0; i < matrix->rows; i++) {
        for (uint32_t e = matrix->start[i]; e < matrix->start[i + 1]; e++) {
            row[e] = (int32_t)i;
        }
    }
}
