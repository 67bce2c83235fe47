/* SPDX-License-Identifier: MIT */
/*
 * sum_columns: sums within groups of columns; sum_rows: of neighbouring rows. Backward spreads dy
 * over what was summed.
 */
#include "core/nn/ops.h"

#include "core/base/fail.h"
#include "core/nn/map_kernels.h"

/* Elements below which a loop is not worth waking the other threads for. */
#define PARALLEL_ABOVE 16384

static int infer_columns(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                         const double *attr)
{
    size_t const groups = (size_t)attr[0];
    if (!opu_op_is_matrix(&in[0]) || groups == 0 || in[0].columns % groups != 0) {
        return opu_op_refuse("sum_columns", in, n_in,
                             "a matrix of float32 whose columns the groups divide");
    }
    *out = in[0];
    out->columns = groups;
    return OPU_OK;
}

static int infer_rows(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                      const double *attr)
{
    size_t const per = (size_t)attr[0];
    if (!opu_op_is_matrix(&in[0]) || per == 0 || in[0].rows % per != 0) {
        return opu_op_refuse("sum_rows", in, n_in,
                             "a matrix of float32 whose rows are a multiple of those summed");
    }
    *out = in[0];
    out->rows /= per;
    return OPU_OK;
}

static void columns_forward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    size_t const rows = call->out.rows;
    size_t const groups = call->out.columns;
    size_t const columns = call->in[0].columns;
    const float *const x = call->in[0].data;
    float *const y = call->out.data;
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        struct opu_row_sums const work = {.sums = y + i * groups,
                                          .x = x + i * columns,
                                          .rows = 1,
                                          .groups = groups,
                                          .width = columns / groups};
        kernels->row_sums(&work);
    }
}

static void columns_backward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    const struct opu_operand *const in = &call->in[0];
    size_t const rows = call->out.rows;
    size_t const groups = call->out.columns;
    const float *const dy = call->out.grad;
    float *const dx = in->grad;
    if (dx == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (rows * in->columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        kernels->spread_row(dx + i * in->grad_stride, dy + i * call->out.grad_stride, groups,
                            in->columns / groups, in->accumulate);
    }
}

static void rows_forward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    size_t const per = (size_t)call->attr[0];
    const float *const x = call->in[0].data;
    float *const y = call->out.data;
#pragma omp parallel for schedule(static) if (rows * per * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        struct opu_row_sums const work = {.sums = y + i * columns,
                                          .x = x + i * per * columns,
                                          .x_stride = columns,
                                          .rows = per,
                                          .groups = columns,
                                          .width = 1};
        kernels->row_sums(&work);
    }
}

static void rows_backward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    const struct opu_operand *const in = &call->in[0];
    size_t const per = (size_t)call->attr[0];
    const float *const dy = call->out.grad;
    float *const dx = in->grad;
    if (dx == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (in->rows * in->columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < in->rows; i++) {
        kernels->spread_row(dx + i * in->grad_stride, dy + i / per * call->out.grad_stride,
                            in->columns, 1, in->accumulate);
    }
}

/* Both: element (i, j) of x joins element (i / per, j / width) of y. */
static void forward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    size_t const per = call->out.rows == 0 ? 1 : in->rows / call->out.rows;
    size_t const width = in->columns / call->out.columns;
    const double *const x = in->data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows * call->out.columns; i++) {
        y[i] = 0.0;
    }
    for (size_t i = 0; i < in->rows; i++) {
        for (size_t j = 0; j < in->columns; j++) {
            y[i / per * call->out.columns + j / width] += x[i * in->columns + j];
        }
    }
}

static void backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const in = &call->in[0];
    size_t const per = call->out.rows == 0 ? 1 : in->rows / call->out.rows;
    size_t const width = in->columns / call->out.columns;
    const double *const dy = call->out.grad;
    double *const dx = in->grad;
    for (size_t i = 0; dx != NULL && i < in->rows; i++) {
        for (size_t j = 0; j < in->columns; j++) {
            double *const to = &dx[i * in->grad_stride + j];
            *to = (in->accumulate ? *to : 0.0) + dy[i / per * call->out.grad_stride + j / width];
        }
    }
}

const struct opu_op opu_op_sum_columns = {
    .name = "sum_columns",
    .infer = infer_columns,
    .forward = columns_forward,
    .backward = columns_backward,
    .forward_ref = forward_ref,
    .backward_ref = backward_ref,
};

const struct opu_op opu_op_sum_rows = {
    .name = "sum_rows",
    .infer = infer_rows,
    .forward = rows_forward,
    .backward = rows_backward,
    .forward_ref = forward_ref,
    .backward_ref = backward_ref,
};
