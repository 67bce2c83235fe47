/* SPDX-License-Identifier: MIT */
/* The table of operations, and the words for shapes. */
#include "core/nn/ops.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

static const struct opu_op *const ops[] = {
    &opu_op_linear,       &opu_op_bmm,                           /* op_linear.c, op_bmm.c */
    &opu_op_relu,         &opu_op_tanh,         &opu_op_tap,     /* op_activation.c */
    &opu_op_elu,          &opu_op_leaky_relu,   &opu_op_sigmoid, /* op_map.c */
    &opu_op_affine,                                              /* op_map.c */
    &opu_op_dropout,                                             /* op_dropout.c */
    &opu_op_add,          &opu_op_mul,                           /* op_broadcast.c */
    &opu_op_sum_columns,  &opu_op_sum_rows,                      /* op_reduce.c */
    &opu_op_concat,       &opu_op_slice,        &opu_op_reshape, /* op_shape.c */
    &opu_op_gather,       &opu_op_scatter_add,                   /* op_gather.c */
    &opu_op_spmm,         &opu_op_edge_softmax,                  /* op_sparse.c */
    &opu_op_softmax,      &opu_op_log_softmax,                   /* op_softmax.c */
    &opu_op_softmax_xent, &opu_op_nll,          &opu_op_bce,     /* op_loss.c */
};

const struct opu_op *opu_op_at(size_t i)
{
    return i < sizeof ops / sizeof ops[0] ? ops[i] : NULL;
}

const char *opu_op_shape_text(const struct opu_shape *shape, char text[OPU_OP_SHAPE_TEXT_SIZE])
{
    char leading[40];
    if (shape->sparse) {
        (void)snprintf(text, OPU_OP_SHAPE_TEXT_SIZE, "[%zu, %zu] of %zu entries", shape->rows,
                       shape->columns, shape->entries);
        return text;
    }
    if (shape->batch && shape->rows <= 1) {
        (void)snprintf(leading, sizeof leading, "rows");
    } else if (shape->batch) {
        (void)snprintf(leading, sizeof leading, "%zu rows", shape->rows);
    } else {
        (void)snprintf(leading, sizeof leading, "%zu", shape->rows);
    }
    if (shape->columns == 0) {
        (void)snprintf(text, OPU_OP_SHAPE_TEXT_SIZE, "[%s] %s", leading,
                       opu_dtype_name(shape->dtype));
    } else {
        (void)snprintf(text, OPU_OP_SHAPE_TEXT_SIZE, "[%s, %zu] %s", leading, shape->columns,
                       opu_dtype_name(shape->dtype));
    }
    return text;
}

bool opu_op_is_matrix(const struct opu_shape *shape)
{
    return shape->dtype == OPU_F32 && shape->columns > 0 && !shape->sparse;
}

int opu_op_refuse(const char *name, const struct opu_shape *in, size_t n_in, const char *wanted)
{
    char all[OPU_OP_INPUTS * OPU_OP_SHAPE_TEXT_SIZE] = "";
    size_t used = 0;
    for (size_t k = 0; k < n_in && used < sizeof all; k++) {
        char text[OPU_OP_SHAPE_TEXT_SIZE];
        int const n = snprintf(all + used, sizeof all - used, "%s%s", k > 0 ? ", " : "",
                               opu_op_shape_text(&in[k], text));
        used += n > 0 ? (size_t)n : 0;
    }
    return opu_fail(OPU_E_INVALID, "%s: operands %.200s, wanted %s", name, all, wanted);
}

/* Elements below which a loop is not worth waking the other threads for. */
#define PARALLEL_ABOVE 16384

void opu_op_hand_down(const struct opu_operand *to, size_t first, size_t columns, const float *from,
                      size_t stride)
{
    float *const grad = to->grad;
    size_t const rows = to->rows;
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        float *const dx = grad + i * to->grad_stride + first;
        const float *const dy = from + i * stride;
        if (!to->accumulate) {
            memcpy(dx, dy, columns * sizeof *dx);
            continue;
        }
        for (size_t j = 0; j < columns; j++) {
            dx[j] += dy[j];
        }
    }
}

void opu_op_hand_down_ref(const struct opu_operand *to, size_t first, size_t columns,
                          const double *from, size_t stride)
{
    double *const grad = to->grad;
    for (size_t i = 0; i < to->rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            double *const dx = &grad[i * to->grad_stride + first + j];
            *dx = (to->accumulate ? *dx : 0.0) + from[i * stride + j];
        }
    }
}
