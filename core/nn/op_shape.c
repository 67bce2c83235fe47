/* SPDX-License-Identifier: MIT */
/*
 * concat, slice and reshape move numbers and compute none. reshape's value is its input's memory;
 * its gradient is apart, because rows of gradients may be strided.
 */
#include "core/nn/ops.h"

#include <string.h>

#include "core/base/fail.h"

/* Elements below which a loop is not worth waking the other threads for. */
#define PARALLEL_ABOVE 16384

static int infer_concat(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                        const double *attr)
{
    (void)attr;
    bool fit = true;
    *out = in[0];
    out->columns = 0;
    for (size_t k = 0; k < n_in; k++) {
        fit = fit && opu_op_is_matrix(&in[k]) && in[k].batch == in[0].batch &&
              in[k].rows == in[0].rows;
        out->columns += in[k].columns;
    }
    return fit ? OPU_OK
               : opu_op_refuse("concat", in, n_in, "matrices of float32 with the same rows");
}

static int infer_slice(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                       const double *attr)
{
    size_t const first = (size_t)attr[0];
    size_t const columns = (size_t)attr[1];
    if (!opu_op_is_matrix(&in[0]) || columns == 0 || first >= in[0].columns ||
        columns > in[0].columns - first) {
        return opu_op_refuse("slice", in, n_in, "a matrix of float32 that has those columns");
    }
    *out = in[0];
    out->columns = columns;
    return OPU_OK;
}

static int infer_reshape(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                         const double *attr)
{
    size_t const columns = (size_t)attr[0];
    size_t n;
    if (!opu_op_is_matrix(&in[0]) || columns == 0 || !opu_size_mul(&n, in[0].rows, in[0].columns) ||
        n % columns != 0) {
        return opu_op_refuse("reshape", in, n_in,
                             "a matrix of float32 whose numbers fill whole rows");
    }
    *out = in[0];
    out->columns = columns;
    out->rows = n / columns;
    return OPU_OK;
}

static void copy_rows(float *to, size_t to_stride, const float *from, size_t from_stride,
                      size_t rows, size_t columns)
{
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        memcpy(to + i * to_stride, from + i * from_stride, columns * sizeof *to);
    }
}

static void concat_forward(const struct opu_op_call *call)
{
    float *const y = call->out.data;
    size_t first = 0;
    for (size_t k = 0; k < call->n_in; k++) {
        size_t const columns = call->in[k].columns;
        copy_rows(y + first, call->out.columns, call->in[k].data, columns, call->out.rows, columns);
        first += columns;
    }
}

static void concat_backward(const struct opu_op_call *call)
{
    const float *const dy = call->out.grad;
    size_t first = 0;
    for (size_t k = 0; k < call->n_in; k++) {
        if (call->in[k].grad != NULL) {
            opu_op_hand_down(&call->in[k], 0, call->in[k].columns, dy + first,
                             call->out.grad_stride);
        }
        first += call->in[k].columns;
    }
}

static void slice_forward(const struct opu_op_call *call)
{
    copy_rows(call->out.data, call->out.columns,
              (const float *)call->in[0].data + (size_t)call->attr[0], call->in[0].columns,
              call->out.rows, call->out.columns);
}

static void slice_backward(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    float *const dx = in->grad;
    if (dx == NULL) {
        return;
    }
    for (size_t i = 0; !in->accumulate && i < in->rows; i++) {
        memset(dx + i * in->grad_stride, 0, in->columns * sizeof *dx);
    }
    opu_op_hand_down(in, (size_t)call->attr[0], call->out.columns, call->out.grad,
                     call->out.grad_stride);
}

static void reshape_forward(const struct opu_op_call *call)
{
    (void)call;
}

/* Row i of dx, whose numbers may stand in parts of several rows of dy. */
static void reshape_row(const struct opu_op_call *call, size_t i)
{
    const struct opu_operand *const in = &call->in[0];
    size_t const columns = call->out.columns;
    float *const dx = (float *)in->grad + i * in->grad_stride;
    for (size_t j = 0; j < in->columns;) {
        size_t const at = i * in->columns + j;
        const float *const dy =
            (const float *)call->out.grad + at / columns * call->out.grad_stride + at % columns;
        size_t const here = columns - at % columns;
        size_t const n = here < in->columns - j ? here : in->columns - j;
        for (size_t t = 0; t < n; t++) {
            dx[j + t] = in->accumulate ? dx[j + t] + dy[t] : dy[t];
        }
        j += n;
    }
}

static void reshape_backward(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    if (in->grad == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (in->rows * in->columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < in->rows; i++) {
        reshape_row(call, i);
    }
}

static void concat_forward_ref(const struct opu_op_call *call)
{
    double *const y = call->out.data;
    for (size_t i = 0, at = 0; i < call->out.rows; i++) {
        for (size_t k = 0; k < call->n_in; k++) {
            const double *const x = (const double *)call->in[k].data + i * call->in[k].columns;
            for (size_t j = 0; j < call->in[k].columns; j++) {
                y[at++] = x[j];
            }
        }
    }
}

static void concat_backward_ref(const struct opu_op_call *call)
{
    size_t first = 0;
    for (size_t k = 0; k < call->n_in; k++) {
        if (call->in[k].grad != NULL) {
            opu_op_hand_down_ref(&call->in[k], 0, call->in[k].columns,
                                 (const double *)call->out.grad + first, call->out.grad_stride);
        }
        first += call->in[k].columns;
    }
}

static void slice_forward_ref(const struct opu_op_call *call)
{
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows; i++) {
        for (size_t j = 0; j < call->out.columns; j++) {
            y[i * call->out.columns + j] = x[i * call->in[0].columns + (size_t)call->attr[0] + j];
        }
    }
}

static void slice_backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    double *const dx = in->grad;
    size_t const first = (size_t)call->attr[0];
    for (size_t i = 0; dx != NULL && i < in->rows; i++) {
        for (size_t j = 0; j < in->columns; j++) {
            bool const inside = j >= first && j < first + call->out.columns;
            double *const to = &dx[i * in->grad_stride + j];
            *to = (in->accumulate ? *to : 0.0) +
                  (inside ? ((const double *)call->out.grad)[i * call->out.grad_stride + j - first]
                          : 0.0);
        }
    }
}

static void reshape_backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    double *const dx = in->grad;
    for (size_t at = 0; dx != NULL && at < in->rows * in->columns; at++) {
        double *const to = &dx[at / in->columns * in->grad_stride + at % in->columns];
        *to = (in->accumulate ? *to : 0.0) +
              ((const double *)call->out
                   .grad)[at / call->out.columns * call->out.grad_stride + at % call->out.columns];
    }
}

const struct opu_op opu_op_concat = {
    .name = "concat",
    .infer = infer_concat,
    .forward = concat_forward,
    .backward = concat_backward,
    .forward_ref = concat_forward_ref,
    .backward_ref = concat_backward_ref,
};

const struct opu_op opu_op_slice = {
    .name = "slice",
    .infer = infer_slice,
    .forward = slice_forward,
    .backward = slice_backward,
    .forward_ref = slice_forward_ref,
    .backward_ref = slice_backward_ref,
};

const struct opu_op opu_op_reshape = {
    .name = "reshape",
    .flags = OPU_OP_VIEW,
    .infer = infer_reshape,
    .forward = reshape_forward,
    .backward = reshape_backward,
    .forward_ref = reshape_forward,
    .backward_ref = reshape_backward_ref,
};
