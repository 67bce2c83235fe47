/* SPDX-License-Identifier: MIT */
/*
 * gather: rows of a table by index; scatter_add: sums of rows by index. Each is the other's
 * backward. Sums are shared out by rows of the result: each thread reads all indices and adds those
 * of its own rows, in their order, so that any number of threads gives the same bits.
 */
#include "core/nn/ops.h"

#include <math.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/base/fail.h"

/* Elements below which a loop is not worth waking the other threads for. */
#define PARALLEL_ABOVE 16384

static int infer_gather(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                        const double *attr)
{
    (void)attr;
    if (!opu_op_is_matrix(&in[0]) || in[1].dtype != OPU_I32 || in[1].columns == 0) {
        return opu_op_refuse("gather", in, n_in, "a matrix of float32 and one of int32");
    }
    *out = in[1];
    out->dtype = OPU_F32;
    if (!opu_size_mul(&out->columns, in[1].columns, in[0].columns)) {
        return opu_op_refuse("gather", in, n_in, "rows that fit memory");
    }
    return OPU_OK;
}

static int infer_scatter(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                         const double *attr)
{
    if (!opu_op_is_matrix(&in[0]) || in[1].dtype != OPU_I32 || in[1].columns != 1 ||
        in[0].batch != in[1].batch || in[0].rows != in[1].rows || !(attr[0] >= 1.0)) {
        return opu_op_refuse("scatter_add", in, n_in,
                             "a matrix of float32, a column of int32 with the same rows, and a row "
                             "to add to");
    }
    *out = (struct opu_shape){.dtype = OPU_F32, .rows = (size_t)attr[0], .columns = in[0].columns};
    return OPU_OK;
}

/* y[n][y_stride] = or += rows of x[rows][x_stride]. */
struct picking {
    const float *x;
    size_t x_stride, rows, columns;
    const int32_t *index;
    size_t n;
    size_t per_row; /* indices a row of y: their rows stand side by side */
    float *y;
    size_t y_stride;
    bool accumulate;
    float missing;
};

static void pick(const struct picking *p)
{
#pragma omp parallel for schedule(static) if (p->n * p->columns > PARALLEL_ABOVE)
    for (size_t e = 0; e < p->n; e++) {
        float *const y = p->y + e / p->per_row * p->y_stride + e % p->per_row * p->columns;
        int32_t const i = p->index[e];
        bool const there = i >= 0 && (size_t)i < p->rows;
        const float *const x = p->x + (there ? (size_t)i : 0) * p->x_stride;
        if (there && !p->accumulate) {
            memcpy(y, x, p->columns * sizeof *y);
            continue;
        }
        for (size_t j = 0; j < p->columns; j++) {
            y[j] = (p->accumulate ? y[j] : 0.0f) + (there ? x[j] : p->missing);
        }
    }
}

/* y[rows][y_stride] = or += the sums of x's n rows, per_row of them in each row of x. */
struct adding {
    const float *x;
    size_t x_stride, per_row, columns;
    const int32_t *index;
    size_t n;
    float *y;
    size_t y_stride, rows;
    bool accumulate;
};

static void add_range(const struct adding *a, size_t first, size_t end)
{
    for (size_t i = first; !a->accumulate && i < end; i++) {
        memset(a->y + i * a->y_stride, 0, a->columns * sizeof *a->y);
    }
    for (size_t e = 0; e < a->n; e++) {
        int32_t const i = a->index[e];
        if (i < 0 || (size_t)i < first || (size_t)i >= end) {
            continue;
        }
        const float *restrict const x =
            a->x + e / a->per_row * a->x_stride + e % a->per_row * a->columns;
        float *restrict const y = a->y + (size_t)i * a->y_stride;
        for (size_t j = 0; j < a->columns; j++) {
            y[j] += x[j];
        }
    }
}

static void add_up(const struct adding *a)
{
#ifdef _OPENMP
#pragma omp parallel if ((a->n + a->rows) * a->columns > PARALLEL_ABOVE)
    {
        size_t const part = (size_t)omp_get_thread_num();
        size_t const parts = (size_t)omp_get_num_threads();
        add_range(a, a->rows * part / parts, a->rows * (part + 1) / parts);
    }
#else
    add_range(a, 0, a->rows);
#endif
}

static void gather_forward(const struct opu_op_call *call)
{
    const struct opu_operand *const index = &call->in[1];
    pick(&(struct picking){.x = call->in[0].data,
                           .x_stride = call->in[0].columns,
                           .rows = call->in[0].rows,
                           .columns = call->in[0].columns,
                           .index = index->data,
                           .n = index->rows * index->columns,
                           .per_row = index->columns,
                           .y = call->out.data,
                           .y_stride = call->out.columns,
                           .missing = NAN});
}

static void gather_backward(const struct opu_op_call *call)
{
    const struct opu_operand *const x = &call->in[0];
    const struct opu_operand *const index = &call->in[1];
    if (x->grad != NULL) {
        add_up(&(struct adding){.x = call->out.grad,
                                .x_stride = call->out.grad_stride,
                                .per_row = index->columns,
                                .columns = x->columns,
                                .index = index->data,
                                .n = index->rows * index->columns,
                                .y = x->grad,
                                .y_stride = x->grad_stride,
                                .rows = x->rows,
                                .accumulate = x->accumulate});
    }
}

static void scatter_forward(const struct opu_op_call *call)
{
    add_up(&(struct adding){.x = call->in[0].data,
                            .x_stride = call->in[0].columns,
                            .per_row = 1,
                            .columns = call->in[0].columns,
                            .index = call->in[1].data,
                            .n = call->in[0].rows,
                            .y = call->out.data,
                            .y_stride = call->out.columns,
                            .rows = call->out.rows});
}

static void scatter_backward(const struct opu_op_call *call)
{
    const struct opu_operand *const x = &call->in[0];
    if (x->grad != NULL) {
        pick(&(struct picking){.x = call->out.grad,
                               .x_stride = call->out.grad_stride,
                               .rows = call->out.rows,
                               .columns = x->columns,
                               .index = call->in[1].data,
                               .n = x->rows,
                               .per_row = 1,
                               .y = x->grad,
                               .y_stride = x->grad_stride,
                               .accumulate = x->accumulate});
    }
}

static bool is_there(const struct opu_op_call *call, size_t e, size_t rows)
{
    int32_t const i = ((const int32_t *)call->in[1].data)[e];
    return i >= 0 && (size_t)i < rows;
}

static size_t index_at(const struct opu_op_call *call, size_t e)
{
    return (size_t)((const int32_t *)call->in[1].data)[e];
}

static void gather_forward_ref(const struct opu_op_call *call)
{
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    size_t const columns = call->in[0].columns;
    for (size_t e = 0; e < call->in[1].rows * call->in[1].columns; e++) {
        for (size_t j = 0; j < columns; j++) {
            y[e * columns + j] = is_there(call, e, call->in[0].rows)
                                     ? x[index_at(call, e) * columns + j]
                                     : (double)NAN;
        }
    }
}

static void clear_ref(const struct opu_operand *operand)
{
    double *const grad = operand->grad;
    for (size_t i = 0; !operand->accumulate && i < operand->rows; i++) {
        memset(grad + i * operand->grad_stride, 0, operand->columns * sizeof *grad);
    }
}

static void gather_backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const x = &call->in[0];
    size_t const per = call->in[1].columns;
    double *const dx = x->grad;
    if (dx == NULL) {
        return;
    }
    clear_ref(x);
    for (size_t e = 0; e < call->in[1].rows * per; e++) {
        const double *const dy =
            (const double *)call->out.grad + e / per * call->out.grad_stride + e % per * x->columns;
        for (size_t j = 0; is_there(call, e, x->rows) && j < x->columns; j++) {
            dx[index_at(call, e) * x->grad_stride + j] += dy[j];
        }
    }
}

static void scatter_forward_ref(const struct opu_op_call *call)
{
    const double *const x = call->in[0].data;
    double *const y = call->out.data;
    size_t const columns = call->out.columns;
    memset(y, 0, call->out.rows * columns * sizeof *y);
    for (size_t e = 0; e < call->in[0].rows; e++) {
        for (size_t j = 0; is_there(call, e, call->out.rows) && j < columns; j++) {
            y[index_at(call, e) * columns + j] += x[e * columns + j];
        }
    }
}

static void scatter_backward_ref(const struct opu_op_call *call)
{
    const struct opu_operand *const x = &call->in[0];
    double *const dx = x->grad;
    if (dx == NULL) {
        return;
    }
    clear_ref(x);
    for (size_t e = 0; e < x->rows; e++) {
        for (size_t j = 0; is_there(call, e, call->out.rows) && j < x->columns; j++) {
            dx[e * x->grad_stride + j] +=
                ((const double *)call->out.grad)[index_at(call, e) * call->out.grad_stride + j];
        }
    }
}

const struct opu_op opu_op_gather = {
    .name = "gather",
    .infer = infer_gather,
    .forward = gather_forward,
    .backward = gather_backward,
    .forward_ref = gather_forward_ref,
    .backward_ref = gather_backward_ref,
};

const struct opu_op opu_op_scatter_add = {
    .name = "scatter_add",
    .infer = infer_scatter,
    .forward = scatter_forward,
    .backward = scatter_backward,
    .forward_ref = scatter_forward_ref,
    .backward_ref = scatter_backward_ref,
};
