/* SPDX-License-Identifier: MIT */
/*
 * dropout: while training, y = x / (1 - p) with probability 1 - p and else 0; a copy otherwise.
 * Element i of the value draws word i of Philox under (seed, OPU_STREAM_DROPOUT, the node's number
 * among the dropouts, step): the same elements drop whatever the threads, and whatever other nodes
 * there are. Which were kept is remembered, a byte each.
 */
#include "core/nn/ops.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/rng.h"
#include "core/nn/map_kernels.h"

/* Elements of one piece of work, whole chunks. */
#define PIECE (32 * OPU_DROPOUT_CHUNK)

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    if (!opu_op_is_matrix(&in[0])) {
        return opu_op_refuse("dropout", in, n_in, "a matrix of float32");
    }
    if (!(attr[0] >= 0.0 && attr[0] < 1.0)) {
        return opu_fail(OPU_E_INVALID, "dropout: p = %g, wanted at least 0, below 1", attr[0]);
    }
    *out = in[0];
    return OPU_OK;
}

static size_t saved(const struct opu_shape *in, size_t n_in)
{
    (void)n_in;
    return in[0].columns;
}

static struct opu_dropout drawing(const struct opu_op_call *call)
{
    return (struct opu_dropout){
        .seed = call->seed,
        .step = call->step,
        .ordinal = (uint32_t)call->attr[1],
        .threshold = (uint32_t)(call->attr[0] * 0x1p32),
        .scale = (float)(1.0 / (1.0 - call->attr[0])),
    };
}

static bool drops(const struct opu_op_call *call)
{
    return call->training && call->attr[0] > 0.0;
}

static void forward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    float *const y = call->out.data;
    const float *const x = call->in[0].data;
    uint8_t *const kept = call->saved;
    size_t const n = call->out.rows * call->out.columns;
    if (!drops(call)) {
        if (y != x) {
            memcpy(y, x, n * sizeof *y);
        }
        return;
    }
    struct opu_dropout const how = drawing(call);
#pragma omp parallel for schedule(static) if (n >= 2 * PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        kernels->dropout(y + i, kept + i, x + i, i, n - i < PIECE ? n - i : PIECE, &how);
    }
}

static void backward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    const struct opu_operand *const in = &call->in[0];
    const float *const dy = call->out.grad;
    const uint8_t *const kept = call->saved;
    float *const dx = in->grad;
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    if (dx == NULL) {
        return;
    }
    if (!drops(call)) {
        opu_op_hand_down(in, 0, columns, dy, call->out.grad_stride);
        return;
    }
    float const scale = drawing(call).scale;
#pragma omp parallel for schedule(static) if (rows * columns >= 2 * PIECE)
    for (size_t i = 0; i < rows; i++) {
        kernels->dropout_grad(dx + i * in->grad_stride, dy + i * call->out.grad_stride,
                              kept + i * columns, columns, scale, in->accumulate);
    }
}

/* 1 / (1 - p) or 0 for element i. Within each chunk of 256 elements, 64 blocks of four words: the
 * blocks' first words come first. */
static double factor_ref(const struct opu_op_call *call, size_t i)
{
    size_t const inside = i % OPU_DROPOUT_CHUNK;
    size_t const blocks = OPU_DROPOUT_CHUNK / 4;
    size_t const lane = inside / blocks;
    uint64_t const block = call->step << 32 | ((i - inside) / 4 + inside % blocks);
    struct opu_philox4 const draw =
        opu_philox(call->seed, OPU_STREAM_DROPOUT, (uint32_t)call->attr[1], block);
    if (!drops(call)) {
        return 1.0;
    }
    return (double)draw.v[lane] < (double)(uint32_t)(call->attr[0] * 0x1p32)
               ? 0.0
               : 1.0 / (1.0 - call->attr[0]);
}

static void forward_ref(const struct opu_op_call *call)
{
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows * call->out.columns; i++) {
        y[i] = x[i] * factor_ref(call, i);
    }
}

static void backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    double *const grad = in->grad;
    for (size_t i = 0; grad != NULL && i < call->out.rows; i++) {
        const double *const dy = (const double *)call->out.grad + i * call->out.grad_stride;
        double *const dx = grad + i * in->grad_stride;
        for (size_t j = 0; j < call->out.columns; j++) {
            dx[j] = (in->accumulate ? dx[j] : 0.0) +
                    dy[j] * factor_ref(call, i * call->out.columns + j);
        }
    }
}

const struct opu_op opu_op_dropout = {
    .name = "dropout",
    .flags = OPU_OP_IN_PLACE,
    .infer = infer,
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .forward_ref = forward_ref,
    .backward_ref = backward_ref,
};
