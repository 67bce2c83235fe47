/* SPDX-License-Identifier: MIT */
/*
 * linear: y = x W^T + b. x [rows, in], W [out, in] (the order of checkpoints), b [out] or none.
 * dW = dy^T x, db = the column sums of dy, dx = dy W.
 */
#include "core/nn/ops.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/gemm.h"
#include "core/nn/nn_kernels.h"

/* Elements below which a loop is not worth waking the other threads for. */
#define PARALLEL_ABOVE 16384
/* Columns that one thread sums at a time. */
#define SUM_PANEL 64

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    (void)attr;
    char x[OPU_OP_SHAPE_TEXT_SIZE];
    char w[OPU_OP_SHAPE_TEXT_SIZE];
    if (in[0].dtype != OPU_F32 || in[0].columns == 0 || in[1].dtype != OPU_F32 || in[1].batch ||
        in[1].columns == 0) {
        return opu_fail(OPU_E_INVALID,
                        "linear: input %s and weight %s, wanted two matrices of float32",
                        opu_op_shape_text(&in[0], x), opu_op_shape_text(&in[1], w));
    }
    if (in[0].columns != in[1].columns) {
        return opu_fail(OPU_E_INVALID,
                        "linear: input %s and weight %s, wanted as many columns in both",
                        opu_op_shape_text(&in[0], x), opu_op_shape_text(&in[1], w));
    }
    if (n_in == 3 &&
        (in[2].dtype != OPU_F32 || in[2].batch || in[2].columns != 0 || in[2].rows != in[1].rows)) {
        return opu_fail(OPU_E_INVALID, "linear: bias %s and weight %s, wanted a vector of %zu",
                        opu_op_shape_text(&in[2], x), opu_op_shape_text(&in[1], w), in[1].rows);
    }
    *out = (struct opu_shape){
        .dtype = OPU_F32, .batch = in[0].batch, .rows = in[0].rows, .columns = in[1].rows};
    return OPU_OK;
}

/*
 * The bias is laid out first and the product added to it: OpenBLAS would otherwise clear the result
 * in a pass of its own, so the bias costs nothing.
 */
static void forward(const struct opu_op_call *call)
{
    size_t const rows = call->out.rows;
    size_t const n_out = call->out.columns;
    size_t const n_in = call->in[0].columns;
    float *const y = call->out.data;
    bool const biased = call->n_in == 3;
    if (biased) {
        const float *const bias = call->in[2].data;
#pragma omp parallel for schedule(static) if (rows * n_out > PARALLEL_ABOVE)
        for (size_t i = 0; i < rows; i++) {
            memcpy(y + i * n_out, bias, n_out * sizeof *y);
        }
    }
    opu_gemm(rows, n_out, n_in, 1.0f, (struct opu_matrix){call->in[0].data, n_in, false},
             (struct opu_matrix){call->in[1].data, n_in, true}, biased ? 1.0f : 0.0f, y, n_out);
}

static void sum_columns(const struct opu_operand *bias, const float *dy, size_t stride, size_t rows)
{
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    size_t const n = bias->rows;
    float *const sums = bias->grad;
#pragma omp parallel for schedule(static) if (rows * n > PARALLEL_ABOVE)
    for (size_t j = 0; j < n; j += SUM_PANEL) {
        kernels->column_sums(sums + j, dy + j, stride, rows, n - j < SUM_PANEL ? n - j : SUM_PANEL,
                             bias->accumulate);
    }
}

static void backward(const struct opu_op_call *call)
{
    size_t const rows = call->out.rows;
    size_t const n_out = call->out.columns;
    size_t const n_in = call->in[0].columns;
    const struct opu_operand *const x = &call->in[0];
    const struct opu_operand *const w = &call->in[1];
    const float *const dy = call->out.grad;
    size_t const stride = call->out.grad_stride;
    if (call->n_in == 3 && call->in[2].grad != NULL) {
        sum_columns(&call->in[2], dy, stride, rows);
    }
    if (w->grad != NULL) {
        opu_gemm(n_out, n_in, rows, 1.0f, (struct opu_matrix){dy, stride, true},
                 (struct opu_matrix){x->data, n_in, false}, w->accumulate ? 1.0f : 0.0f, w->grad,
                 w->grad_stride);
    }
    if (x->grad != NULL) {
        opu_gemm(rows, n_in, n_out, 1.0f, (struct opu_matrix){dy, stride, false},
                 (struct opu_matrix){w->data, n_in, false}, x->accumulate ? 1.0f : 0.0f, x->grad,
                 x->grad_stride);
    }
}

static void forward_ref(const struct opu_op_call *call)
{
    size_t const n_out = call->out.columns;
    size_t const n_in = call->in[0].columns;
    const double *const w = call->in[1].data;
    const double *const bias = call->n_in == 3 ? call->in[2].data : NULL;
    for (size_t i = 0; i < call->out.rows; i++) {
        const double *const x = (const double *)call->in[0].data + i * n_in;
        double *const y = (double *)call->out.data + i * n_out;
        for (size_t o = 0; o < n_out; o++) {
            y[o] = bias != NULL ? bias[o] : 0.0;
            for (size_t k = 0; k < n_in; k++) {
                y[o] += x[k] * w[o * n_in + k];
            }
        }
    }
}

static void clear_ref(const struct opu_operand *operand, size_t rows, size_t columns)
{
    double *const grad = operand->grad;
    for (size_t i = 0; grad != NULL && !operand->accumulate && i < rows; i++) {
        memset(grad + i * operand->grad_stride, 0, columns * sizeof *grad);
    }
}

static void backward_ref(const struct opu_op_call *call)
{
    size_t const rows = call->out.rows;
    size_t const n_out = call->out.columns;
    size_t const n_in = call->in[0].columns;
    const double *const x = call->in[0].data;
    const double *const w = call->in[1].data;
    double *const dx = call->in[0].grad;
    double *const dw = call->in[1].grad;
    double *const db = call->n_in == 3 ? call->in[2].grad : NULL;
    clear_ref(&call->in[0], rows, n_in);
    clear_ref(&call->in[1], n_out, n_in);
    if (db != NULL) {
        clear_ref(&call->in[2], 1, n_out);
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t o = 0; o < n_out; o++) {
            double const dy = ((const double *)call->out.grad)[i * call->out.grad_stride + o];
            if (db != NULL) {
                db[o] += dy;
            }
            for (size_t k = 0; k < n_in; k++) {
                if (dx != NULL) {
                    dx[i * call->in[0].grad_stride + k] += dy * w[o * n_in + k];
                }
                if (dw != NULL) {
                    dw[o * call->in[1].grad_stride + k] += dy * x[i * n_in + k];
                }
            }
        }
    }
}

const struct opu_op opu_op_linear = {
    .name = "linear",
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .forward_ref = forward_ref,
    .backward_ref = backward_ref,
};
