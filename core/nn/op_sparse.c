/* SPDX-License-Identifier: MIT */
/*
 * spmm: y = P(w) x, or with the transpose; dx = the other direction with dy, and for each entry and
 * head dw = dy[row] . x[column] over the head's columns. edge_softmax: alpha = softmax over the
 * entries of a row; ds = alpha (dalpha - sum alpha dalpha).
 */
#include "core/nn/ops.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/nn/sparse_kernels.h"

static int infer_spmm(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                      const double *attr)
{
    bool const transpose = attr[0] != 0.0;
    size_t const from = transpose ? in[0].rows : in[0].columns;
    bool fit = in[0].sparse && opu_op_is_matrix(&in[1]) && !in[1].batch && in[1].rows == from;
    if (n_in == 3) {
        fit = fit && in[0].ordered && opu_op_is_matrix(&in[2]) && !in[2].batch &&
              in[2].rows == in[0].entries && in[1].columns % in[2].columns == 0;
    }
    if (!fit) {
        return opu_op_refuse(
            "spmm", in, n_in,
            "a sparse matrix, a matrix of as many fixed rows as it has columns (rows, "
            "transposed), and, if any, a row of weights an entry, whose columns "
            "divide the matrix's; then order_t too");
    }
    *out = (struct opu_shape){
        .dtype = OPU_F32, .rows = transpose ? in[0].columns : in[0].rows, .columns = in[1].columns};
    return OPU_OK;
}

static int infer_softmax(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                         const double *attr)
{
    (void)attr;
    if (!in[0].sparse || !opu_op_is_matrix(&in[1]) || in[1].batch || in[1].rows != in[0].entries) {
        return opu_op_refuse("edge_softmax", in, n_in,
                             "a sparse matrix and a row of scores for each of its entries");
    }
    *out = in[1];
    return OPU_OK;
}

static size_t heads_of(const struct opu_op_call *call)
{
    return call->n_in == 3 ? call->in[2].columns : 1;
}

static void spmm_forward(const struct opu_op_call *call)
{
    struct opu_sparse_product const product = {
        .matrix = call->in[0].data,
        .transpose = call->attr[0] != 0.0,
        .weights = call->n_in == 3 ? call->in[2].data : NULL,
        .heads = heads_of(call),
        .x = call->in[1].data,
        .x_stride = call->in[1].columns,
        .y = call->out.data,
        .y_stride = call->out.columns,
        .width = call->out.columns,
    };
    opu_sparse_multiply(&product);
}

static void weights_backward(const struct opu_op_call *call)
{
    const struct opu_sparse_kernels *const kernels = opu_sparse_kernels_best();
    const struct opu_csr *const matrix = call->in[0].data;
    const struct opu_operand *const w = &call->in[2];
    struct opu_edge_dots const work = {
        .matrix = matrix,
        .transpose = call->attr[0] != 0.0,
        .dy = call->out.grad,
        .x = call->in[1].data,
        .dy_stride = call->out.grad_stride,
        .x_stride = call->in[1].columns,
        .heads = w->columns,
        .width = call->out.columns / w->columns,
        .dw = w->grad,
        .dw_stride = w->grad_stride,
        .accumulate = w->accumulate,
    };
    size_t const pieces = opu_sparse_pieces(matrix->start, matrix->rows);
#pragma omp parallel for schedule(static) if (pieces > 1)
    for (size_t p = 0; p < pieces; p++) {
        kernels->edge_dots(&work, opu_sparse_piece_row(matrix->start, matrix->rows, p),
                           opu_sparse_piece_row(matrix->start, matrix->rows, p + 1));
    }
}

static void spmm_backward(const struct opu_op_call *call)
{
    const struct opu_operand *const x = &call->in[1];
    if (x->grad != NULL) {
        struct opu_sparse_product const product = {
            .matrix = call->in[0].data,
            .transpose = call->attr[0] == 0.0,
            .weights = call->n_in == 3 ? call->in[2].data : NULL,
            .heads = heads_of(call),
            .x = call->out.grad,
            .x_stride = call->out.grad_stride,
            .y = x->grad,
            .y_stride = x->grad_stride,
            .width = x->columns,
            .accumulate = x->accumulate,
        };
        opu_sparse_multiply(&product);
    }
    if (call->n_in == 3 && call->in[2].grad != NULL) {
        weights_backward(call);
    }
}

typedef void (*softmax_fn)(const struct opu_edge_softmax *work, size_t first, size_t end);

static void over_rows(const struct opu_op_call *call, softmax_fn fn,
                      const struct opu_edge_softmax *work)
{
    size_t const rows = ((const struct opu_csr *)call->in[0].data)->rows;
    size_t const pieces = opu_sparse_pieces(work->start, rows);
#pragma omp parallel for schedule(static) if (pieces > 1)
    for (size_t p = 0; p < pieces; p++) {
        fn(work, opu_sparse_piece_row(work->start, rows, p),
           opu_sparse_piece_row(work->start, rows, p + 1));
    }
}

static void softmax_forward(const struct opu_op_call *call)
{
    const struct opu_csr *const matrix = call->in[0].data;
    struct opu_edge_softmax const work = {
        .start = matrix->start,
        .heads = call->out.columns,
        .x = call->in[1].data,
        .y = call->out.data,
    };
    over_rows(call, opu_sparse_kernels_best()->edge_softmax, &work);
}

static void softmax_backward(const struct opu_op_call *call)
{
    const struct opu_csr *const matrix = call->in[0].data;
    const struct opu_operand *const scores = &call->in[1];
    struct opu_edge_softmax const work = {
        .start = matrix->start,
        .heads = call->out.columns,
        .x = call->out.data,
        .dy = call->out.grad,
        .dx = scores->grad,
        .dy_stride = call->out.grad_stride,
        .dx_stride = scores->grad_stride,
        .accumulate = scores->accumulate,
    };
    if (scores->grad != NULL) {
        over_rows(call, opu_sparse_kernels_best()->edge_softmax_grad, &work);
    }
}

/* The row of an entry. */
static size_t row_ref(const struct opu_csr *m, size_t e)
{
    size_t row = 0;
    while (m->start[row + 1] <= e) {
        row++;
    }
    return row;
}

/* Where entry e reads and writes. */
static void ends_of(const struct opu_op_call *call, size_t e, size_t *to, size_t *from)
{
    const struct opu_csr *const m = call->in[0].data;
    size_t const row = row_ref(m, e);
    bool const transpose = call->attr[0] != 0.0;
    *to = transpose ? m->index[e] : row;
    *from = transpose ? row : m->index[e];
}

static double weight_ref(const struct opu_op_call *call, size_t e, size_t j)
{
    const struct opu_csr *const m = call->in[0].data;
    size_t const heads = heads_of(call);
    if (call->n_in < 3) {
        return m->value == NULL ? 1.0 : (double)m->value[e];
    }
    return ((const double *)call->in[2].data)[e * heads + j / (call->out.columns / heads)];
}

static void spmm_forward_ref(const struct opu_op_call *call)
{
    size_t const columns = call->out.columns;
    const double *const x = call->in[1].data;
    double *const y = call->out.data;
    memset(y, 0, call->out.rows * columns * sizeof *y);
    for (size_t e = 0; e < ((const struct opu_csr *)call->in[0].data)->count; e++) {
        size_t to;
        size_t from;
        ends_of(call, e, &to, &from);
        for (size_t j = 0; j < columns; j++) {
            y[to * columns + j] += weight_ref(call, e, j) * x[from * columns + j];
        }
    }
}

static void clear_ref(const struct opu_operand *operand)
{
    double *const grad = operand->grad;
    for (size_t i = 0; grad != NULL && !operand->accumulate && i < operand->rows; i++) {
        memset(grad + i * operand->grad_stride, 0, operand->columns * sizeof *grad);
    }
}

static void spmm_backward_ref(const struct opu_op_call *call)
{
    size_t const columns = call->out.columns;
    size_t const width = columns / heads_of(call);
    const double *const x = call->in[1].data;
    double *const dx = call->in[1].grad;
    double *const dw = call->n_in == 3 ? call->in[2].grad : NULL;
    clear_ref(&call->in[1]);
    if (dw != NULL) {
        clear_ref(&call->in[2]);
    }
    for (size_t e = 0; e < ((const struct opu_csr *)call->in[0].data)->count; e++) {
        size_t to;
        size_t from;
        ends_of(call, e, &to, &from);
        for (size_t j = 0; j < columns; j++) {
            double const dy = ((const double *)call->out.grad)[to * call->out.grad_stride + j];
            if (dx != NULL) {
                dx[from * call->in[1].grad_stride + j] += weight_ref(call, e, j) * dy;
            }
            if (dw != NULL) {
                dw[e * call->in[2].grad_stride + j / width] += dy * x[from * columns + j];
            }
        }
    }
}

static void softmax_forward_ref(const struct opu_op_call *call)
{
    const struct opu_csr *const m = call->in[0].data;
    size_t const heads = call->out.columns;
    const double *const x = call->in[1].data;
    double *const y = call->out.data;
    for (size_t e = 0; e < m->count; e++) {
        size_t const row = row_ref(m, e);
        for (size_t h = 0; h < heads; h++) {
            double sum = 0.0;
            for (size_t o = m->start[row]; o < m->start[row + 1]; o++) {
                sum += exp(x[o * heads + h] - x[e * heads + h]);
            }
            y[e * heads + h] = 1.0 / sum;
        }
    }
}

static void softmax_backward_ref(const struct opu_op_call *call)
{
    const struct opu_csr *const m = call->in[0].data;
    const struct opu_operand *const in = &call->in[1];
    size_t const heads = call->out.columns;
    const double *const y = call->out.data;
    const double *const dy = call->out.grad;
    double *const dx = in->grad;
    clear_ref(in);
    for (size_t e = 0; dx != NULL && e < m->count; e++) {
        size_t const row = row_ref(m, e);
        for (size_t h = 0; h < heads; h++) {
            for (size_t o = m->start[row]; o < m->start[row + 1]; o++) {
                dx[e * in->grad_stride + h] += y[o * heads + h] *
                                               ((o == e ? 1.0 : 0.0) - y[e * heads + h]) *
                                               dy[o * call->out.grad_stride + h];
            }
        }
    }
}

const struct opu_op opu_op_spmm = {
    .name = "spmm",
    .infer = infer_spmm,
    .forward = spmm_forward,
    .backward = spmm_backward,
    .forward_ref = spmm_forward_ref,
    .backward_ref = spmm_backward_ref,
};

const struct opu_op opu_op_edge_softmax = {
    .name = "edge_softmax",
    .flags = OPU_OP_READS_OUT,
    .infer = infer_softmax,
    .forward = softmax_forward,
    .backward = softmax_backward,
    .forward_ref = softmax_forward_ref,
    .backward_ref = softmax_backward_ref,
};
