/* SPDX-License-Identifier: MIT */
/*
 * elu, leaky relu, sigmoid and a x + b, element by element: y = f(x), dx = dy f'(x), where f' is
 * told from y so that y may lie over x.
 */
#include "core/nn/ops.h"

#include <math.h>

#include "core/base/fail.h"
#include "core/nn/map_kernels.h"

/* Elements of one piece of work; below two pieces one thread does it. */
#define PIECE 8192

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    (void)attr;
    if (!opu_op_is_matrix(&in[0])) {
        return opu_op_refuse("elementwise function", in, n_in, "a matrix of float32");
    }
    *out = in[0];
    return OPU_OK;
}

/* The slope has to be told from the result's sign. */
static int infer_leaky(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                       const double *attr)
{
    if (!(attr[0] > 0.0 && attr[0] <= 1.0)) {
        return opu_fail(OPU_E_INVALID, "leaky_relu: slope %g, wanted more than 0, at most 1",
                        attr[0]);
    }
    return infer(out, in, n_in, attr);
}

static void map(const struct opu_op_call *call, const struct opu_map *fn)
{
    float *const y = call->out.data;
    const float *const x = call->in[0].data;
    size_t const n = call->out.rows * call->out.columns;
    float const a = (float)call->attr[0];
    float const b = (float)call->attr[1];
#pragma omp parallel for schedule(static) if (n >= 2 * PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        fn->values(y + i, x + i, n - i < PIECE ? n - i : PIECE, a, b);
    }
}

static void map_grad(const struct opu_op_call *call, const struct opu_map *fn)
{
    const struct opu_operand *const in = &call->in[0];
    const float *const y = call->out.data;
    const float *const dy = call->out.grad;
    float *const dx = in->grad;
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    float const a = (float)call->attr[0];
    if (dx == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (rows * columns >= 2 * PIECE)
    for (size_t i = 0; i < rows; i++) {
        fn->grad(dx + i * in->grad_stride, dy + i * call->out.grad_stride, y + i * columns, columns,
                 a, in->accumulate);
    }
}

/* f of x and its slope at the result y, with the numbers a and b. */
typedef double (*ref_fn)(double x, double a, double b);

static void map_ref(const struct opu_op_call *call, ref_fn fn)
{
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows * call->out.columns; i++) {
        y[i] = fn(x[i], call->attr[0], call->attr[1]);
    }
}

static void map_grad_ref(const struct opu_op_call *call, ref_fn slope)
{
    const struct opu_operand *const in = &call->in[0];
    double *const grad = in->grad;
    for (size_t i = 0; grad != NULL && i < call->out.rows; i++) {
        const double *const dy = (const double *)call->out.grad + i * call->out.grad_stride;
        const double *const y = (const double *)call->out.data + i * call->out.columns;
        double *const dx = grad + i * in->grad_stride;
        for (size_t j = 0; j < call->out.columns; j++) {
            dx[j] =
                (in->accumulate ? dx[j] : 0.0) + dy[j] * slope(y[j], call->attr[0], call->attr[1]);
        }
    }
}

/* The four functions of an operation over its kernel and its pair of plain functions, and its row.
 */
#define MAP_OP(fn, check, value, slope) \
    static double fn##_value_ref(double x, double a, double b) \
    { \
        (void)a; \
        (void)b; \
        return (value); \
    } \
    static double fn##_slope_ref(double y, double a, double b) \
    { \
        (void)y; \
        (void)a; \
        (void)b; \
        return (slope); \
    } \
    static void fn##_forward(const struct opu_op_call *call) \
    { \
        map(call, &opu_map_kernels_best()->fn); \
    } \
    static void fn##_backward(const struct opu_op_call *call) \
    { \
        map_grad(call, &opu_map_kernels_best()->fn); \
    } \
    static void fn##_forward_ref(const struct opu_op_call *call) \
    { \
        map_ref(call, fn##_value_ref); \
    } \
    static void fn##_backward_ref(const struct opu_op_call *call) \
    { \
        map_grad_ref(call, fn##_slope_ref); \
    } \
    const struct opu_op opu_op_##fn = { \
        .name = #fn, \
        .flags = OPU_OP_IN_PLACE | OPU_OP_READS_OUT, \
        .infer = (check), \
        .forward = fn##_forward, \
        .backward = fn##_backward, \
        .forward_ref = fn##_forward_ref, \
        .backward_ref = fn##_backward_ref, \
    };

MAP_OP(elu, infer, x > 0.0 ? x : a * expm1(x), y > 0.0 ? 1.0 : y + a)
MAP_OP(leaky_relu, infer_leaky, x > 0.0 ? x : a * x, y > 0.0 ? 1.0 : a)
MAP_OP(sigmoid, infer, 1.0 / (1.0 + exp(-x)), y *(1.0 - y))
MAP_OP(affine, infer, a *x + b, a)
