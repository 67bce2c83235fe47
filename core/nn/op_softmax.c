/* SPDX-License-Identifier: MIT */
/*
 * softmax over groups of columns, y = e^x / (sum of e^x, + 1 with a spare term): dx = y (dy - sum
 * of y dy), the spare term's share staying out of it. log_softmax over whole rows: dx = dy - e^y
 * sum dy.
 */
#include "core/nn/ops.h"

#include <math.h>

#include "core/base/fail.h"
#include "core/nn/nn_kernels.h"

/* Elements below which one thread does all. */
#define PARALLEL_ABOVE 8192

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    size_t const groups = (size_t)attr[0];
    if (!opu_op_is_matrix(&in[0]) || groups == 0 || in[0].columns % groups != 0) {
        return opu_op_refuse("softmax", in, n_in,
                             "a matrix of float32 whose columns the groups divide");
    }
    *out = in[0];
    return OPU_OK;
}

static void softmax_forward(const struct opu_op_call *call)
{
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    size_t const n = call->out.columns / (size_t)call->attr[0];
    size_t const all = call->out.rows * call->out.columns;
    const float *const x = call->in[0].data;
    float *const y = call->out.data;
#pragma omp parallel for schedule(static) if (all > PARALLEL_ABOVE)
    for (size_t i = 0; i < all; i += n) {
        kernels->softmax(y + i, x + i, n, call->attr[1] != 0.0);
    }
}

static void softmax_backward(const struct opu_op_call *call)
{
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    const struct opu_operand *const in = &call->in[0];
    size_t const groups = (size_t)call->attr[0];
    size_t const n = call->out.columns / groups;
    size_t const tasks = call->out.rows * groups;
    const float *const y = call->out.data;
    const float *const dy = call->out.grad;
    float *const dx = in->grad;
    if (dx == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (tasks * n > PARALLEL_ABOVE)
    for (size_t t = 0; t < tasks; t++) {
        size_t const i = t / groups;
        size_t const column = t % groups * n;
        kernels->softmax_grad(dx + i * in->grad_stride + column,
                              dy + i * call->out.grad_stride + column, y + t * n, n,
                              in->accumulate);
    }
}

static void log_forward(const struct opu_op_call *call)
{
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    size_t const rows = call->out.rows;
    size_t const n = call->out.columns;
    const float *const x = call->in[0].data;
    float *const y = call->out.data;
#pragma omp parallel for schedule(static) if (rows * n > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        kernels->log_softmax(y + i * n, x + i * n, n);
    }
}

static void log_backward(const struct opu_op_call *call)
{
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    const struct opu_operand *const in = &call->in[0];
    size_t const rows = call->out.rows;
    size_t const n = call->out.columns;
    const float *const y = call->out.data;
    const float *const dy = call->out.grad;
    float *const dx = in->grad;
    if (dx == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (rows * n > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        kernels->log_softmax_grad(dx + i * in->grad_stride, dy + i * call->out.grad_stride,
                                  y + i * n, n, in->accumulate);
    }
}

static void softmax_forward_ref(const struct opu_op_call *call)
{
    size_t const n = call->out.columns / (size_t)call->attr[0];
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows * call->out.columns; i++) {
        double sum = call->attr[1] != 0.0 ? exp(-x[i]) : 0.0;
        for (size_t j = i / n * n; j < i / n * n + n; j++) {
            sum += exp(x[j] - x[i]);
        }
        y[i] = 1.0 / sum;
    }
}

static void softmax_backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    size_t const n = call->out.columns / (size_t)call->attr[0];
    const double *const y = call->out.data;
    double *const grad = in->grad;
    for (size_t i = 0; grad != NULL && i < call->out.rows; i++) {
        for (size_t j = 0; j < call->out.columns; j++) {
            double slope = 0.0;
            for (size_t o = j / n * n; o < j / n * n + n; o++) {
                slope += y[i * call->out.columns + o] *
                         ((o == j ? 1.0 : 0.0) - y[i * call->out.columns + j]) *
                         ((const double *)call->out.grad)[i * call->out.grad_stride + o];
            }
            double *const dx = &grad[i * in->grad_stride + j];
            *dx = (in->accumulate ? *dx : 0.0) + slope;
        }
    }
}

static void log_forward_ref(const struct opu_op_call *call)
{
    softmax_forward_ref(call);
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows * call->out.columns; i++) {
        y[i] = log(y[i]);
    }
}

static void log_backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    double *const grad = in->grad;
    for (size_t i = 0; grad != NULL && i < call->out.rows; i++) {
        const double *const dy = (const double *)call->out.grad + i * call->out.grad_stride;
        const double *const y = (const double *)call->out.data + i * call->out.columns;
        double sum = 0.0;
        for (size_t j = 0; j < call->out.columns; j++) {
            sum += dy[j];
        }
        for (size_t j = 0; j < call->out.columns; j++) {
            double *const dx = &grad[i * in->grad_stride + j];
            *dx = (in->accumulate ? *dx : 0.0) + dy[j] - exp(y[j]) * sum;
        }
    }
}

const struct opu_op opu_op_softmax = {
    .name = "softmax",
    .flags = OPU_OP_READS_OUT,
    .infer = infer,
    .forward = softmax_forward,
    .backward = softmax_backward,
    .forward_ref = softmax_forward_ref,
    .backward_ref = softmax_backward_ref,
};

const struct opu_op opu_op_log_softmax = {
    .name = "log_softmax",
    .flags = OPU_OP_READS_OUT,
    .infer = infer,
    .forward = log_forward,
    .backward = log_backward,
    .forward_ref = log_forward_ref,
    .backward_ref = log_backward_ref,
};
