/* SPDX-License-Identifier: MIT */
/*
 * relu and tanh, element by element: y = f(x), dx = dy f'(x), where f' is told from y so that y may
 * lie over x. And tap, which passes its value on and its gradient down.
 */
#include "core/nn/ops.h"

#include <math.h>

#include "core/base/fail.h"
#include "core/nn/nn_kernels.h"

/* Elements of one piece of work; below two pieces one thread does it. */
#define PIECE 8192

typedef void (*map_fn)(float *y, const float *x, size_t n);
typedef void (*grad_fn)(float *dx, const float *dy, const float *y, size_t n, bool accumulate);

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    (void)n_in;
    (void)attr;
    if (!opu_op_is_matrix(&in[0])) {
        char text[OPU_OP_SHAPE_TEXT_SIZE];
        return opu_fail(OPU_E_INVALID, "activation or tap: input %s, wanted a matrix of float32",
                        opu_op_shape_text(&in[0], text));
    }
    *out = in[0];
    return OPU_OK;
}

static void map(const struct opu_op_call *call, map_fn fn)
{
    float *const y = call->out.data;
    const float *const x = call->in[0].data;
    size_t const n = call->out.rows * call->out.columns;
#pragma omp parallel for schedule(static) if (n >= 2 * PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        fn(y + i, x + i, n - i < PIECE ? n - i : PIECE);
    }
}

static void map_grad(const struct opu_op_call *call, grad_fn fn)
{
    const struct opu_operand *const in = &call->in[0];
    const float *const y = call->out.data;
    const float *const dy = call->out.grad;
    float *const dx = in->grad;
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    if (dx == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (rows * columns >= 2 * PIECE)
    for (size_t i = 0; i < rows; i++) {
        fn(dx + i * in->grad_stride, dy + i * call->out.grad_stride, y + i * columns, columns,
           in->accumulate);
    }
}

static void tanh_forward(const struct opu_op_call *call)
{
    map(call, opu_nn_kernels_best()->tanh);
}

static void tanh_backward(const struct opu_op_call *call)
{
    map_grad(call, opu_nn_kernels_best()->tanh_grad);
}

static void relu_forward(const struct opu_op_call *call)
{
    map(call, opu_nn_kernels_best()->relu);
}

static void relu_backward(const struct opu_op_call *call)
{
    map_grad(call, opu_nn_kernels_best()->relu_grad);
}

static void copy(float *dx, const float *dy, const float *y, size_t n, bool accumulate)
{
    (void)y;
    for (size_t i = 0; i < n; i++) {
        dx[i] = accumulate ? dx[i] + dy[i] : dy[i];
    }
}

static void tap_forward(const struct opu_op_call *call)
{
    (void)call;
}

static void tap_backward(const struct opu_op_call *call)
{
    map_grad(call, copy);
}

typedef double (*map_ref_fn)(double x);
typedef double (*slope_ref_fn)(double y);

static double relu_ref(double x)
{
    return x > 0.0 ? x : 0.0;
}

static double relu_slope_ref(double y)
{
    return y > 0.0 ? 1.0 : 0.0;
}

static double tanh_slope_ref(double y)
{
    return 1.0 - y * y;
}

static double tap_slope_ref(double y)
{
    (void)y;
    return 1.0;
}

static void map_ref(const struct opu_op_call *call, map_ref_fn fn)
{
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows * call->out.columns; i++) {
        y[i] = fn(x[i]);
    }
}

static void map_grad_ref(const struct opu_op_call *call, slope_ref_fn slope)
{
    const struct opu_operand *const in = &call->in[0];
    double *const grad = in->grad;
    for (size_t i = 0; grad != NULL && i < call->out.rows; i++) {
        const double *const dy = (const double *)call->out.grad + i * call->out.grad_stride;
        const double *const y = (const double *)call->out.data + i * call->out.columns;
        double *const dx = grad + i * in->grad_stride;
        for (size_t j = 0; j < call->out.columns; j++) {
            dx[j] = (in->accumulate ? dx[j] : 0.0) + dy[j] * slope(y[j]);
        }
    }
}

static void tanh_forward_ref(const struct opu_op_call *call)
{
    map_ref(call, tanh);
}

static void tanh_backward_ref(const struct opu_op_call *call)
{
    map_grad_ref(call, tanh_slope_ref);
}

static void relu_forward_ref(const struct opu_op_call *call)
{
    map_ref(call, relu_ref);
}

static void relu_backward_ref(const struct opu_op_call *call)
{
    map_grad_ref(call, relu_slope_ref);
}

static void tap_backward_ref(const struct opu_op_call *call)
{
    map_grad_ref(call, tap_slope_ref);
}

const struct opu_op opu_op_relu = {
    .name = "relu",
    .flags = OPU_OP_IN_PLACE | OPU_OP_READS_OUT,
    .infer = infer,
    .forward = relu_forward,
    .backward = relu_backward,
    .forward_ref = relu_forward_ref,
    .backward_ref = relu_backward_ref,
};

const struct opu_op opu_op_tanh = {
    .name = "tanh",
    .flags = OPU_OP_IN_PLACE | OPU_OP_READS_OUT,
    .infer = infer,
    .forward = tanh_forward,
    .backward = tanh_backward,
    .forward_ref = tanh_forward_ref,
    .backward_ref = tanh_backward_ref,
};

const struct opu_op opu_op_tap = {
    .name = "tap",
    .flags = OPU_OP_PASS,
    .infer = infer,
    .forward = tap_forward,
    .backward = tap_backward,
    .forward_ref = tap_forward,
    .backward_ref = tap_backward_ref,
};
