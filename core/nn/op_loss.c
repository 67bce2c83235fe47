/* SPDX-License-Identifier: MIT */
/*
 * softmax_xent: mean over rows of -log softmax(logits)[label]. Its forward leaves the gradient too,
 * e = (softmax - onehot) / rows, because the projection of e waits for it. Each row is shifted by
 * its largest logit; the losses of the rows are summed in double in their order, for any number of
 * threads.
 */
#include "core/nn/ops.h"

#include <math.h>

#include "core/base/fail.h"
#include "core/nn/nn_kernels.h"

/* Logits below which one thread does all. */
#define PARALLEL_ABOVE 8192

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    (void)n_in;
    (void)attr;
    if (in[0].dtype != OPU_F32 || in[0].columns == 0 || in[1].dtype != OPU_I32 ||
        in[1].columns != 1 || in[0].batch != in[1].batch || in[0].rows != in[1].rows) {
        char logits[OPU_OP_SHAPE_TEXT_SIZE];
        char labels[OPU_OP_SHAPE_TEXT_SIZE];
        return opu_fail(OPU_E_INVALID,
                        "softmax_xent: logits %s and labels %s, wanted a matrix of float32 and a "
                        "column of int32 with the same rows",
                        opu_op_shape_text(&in[0], logits), opu_op_shape_text(&in[1], labels));
    }
    *out = (struct opu_shape){.dtype = OPU_F64, .rows = 1, .columns = 0};
    return OPU_OK;
}

static size_t saved(const struct opu_shape *in, size_t n_in)
{
    (void)in;
    (void)n_in;
    return sizeof(struct opu_softmax_row);
}

static void finish(const struct opu_op_call *call, const struct opu_softmax_row *each)
{
    size_t const rows = call->in[0].rows;
    double sum = 0.0;
    size_t correct = 0;
    for (size_t i = 0; i < rows; i++) {
        sum += each[i].loss;
        correct += each[i].correct;
    }
    *(struct opu_loss *)call->out.data = (struct opu_loss){sum / (double)rows, correct};
}

static void forward(const struct opu_op_call *call)
{
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    size_t const rows = call->in[0].rows;
    size_t const columns = call->in[0].columns;
    size_t const stride = call->in[0].grad_stride;
    const float *const x = call->in[0].data;
    const int32_t *const labels = call->in[1].data;
    float *const e = call->in[0].grad;
    struct opu_softmax_row *const each = call->saved;
    float const scale = 1.0f / (float)rows;
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        each[i] = kernels->softmax_row(e != NULL ? e + i * stride : NULL, x + i * columns, columns,
                                       labels[i], scale);
    }
    finish(call, each);
}

static struct opu_softmax_row row_ref(double *e, const double *x, size_t n, size_t label,
                                      double scale)
{
    double shift = x[0];
    size_t top = 0;
    for (size_t j = 1; j < n; j++) {
        if (x[j] > shift) {
            shift = x[j];
            top = j;
        }
    }
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) {
        sum += exp(x[j] - shift);
    }
    for (size_t j = 0; e != NULL && j < n; j++) {
        e[j] = scale * (exp(x[j] - shift) / sum - (j == label ? 1.0 : 0.0));
    }
    return (struct opu_softmax_row){.loss = log(sum) + shift - x[label], .correct = top == label};
}

static void forward_ref(const struct opu_op_call *call)
{
    size_t const rows = call->in[0].rows;
    size_t const columns = call->in[0].columns;
    double *const e = call->in[0].grad;
    struct opu_softmax_row *const each = call->saved;
    for (size_t i = 0; i < rows; i++) {
        each[i] = row_ref(e != NULL ? e + i * call->in[0].grad_stride : NULL,
                          (const double *)call->in[0].data + i * columns, columns,
                          (size_t)((const int32_t *)call->in[1].data)[i], 1.0 / (double)rows);
    }
    finish(call, each);
}

const struct opu_op opu_op_softmax_xent = {
    .name = "softmax_xent",
    .flags = OPU_OP_LOSS,
    .infer = infer,
    .saved = saved,
    .forward = forward,
    .forward_ref = forward_ref,
};
