/* SPDX-License-Identifier: MIT */
/*
 * add and mul: y = a + b or a b in the shape of a. Row i of a meets row (i / repeat) % rows of b,
 * column j column j / width. da = dy or dy b, db the sums of dy or dy a over what b stood for.
 */
#include "core/nn/ops.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/nn/map_kernels.h"

/* Elements below which a loop is not worth waking the other threads for. */
#define PARALLEL_ABOVE 16384
/* Columns of b whose gradients are one piece of work. */
#define PANEL 16

static bool rows_fit(const struct opu_shape *a, const struct opu_shape *b)
{
    size_t const rows = b->columns == 0 ? 1 : b->rows;
    return rows > 0 && a->rows % rows == 0 && (a->batch || !b->batch);
}

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    (void)attr;
    size_t const columns = in[1].columns == 0 ? in[1].rows : in[1].columns;
    bool const same = in[0].batch == in[1].batch && in[0].rows == in[1].rows;
    if (!opu_op_is_matrix(&in[0]) || in[1].dtype != OPU_F32 || columns == 0 ||
        in[0].columns % columns != 0 || !(same || rows_fit(&in[0], &in[1]))) {
        return opu_op_refuse("add or mul", in, n_in,
                             "a matrix of float32, and one whose rows and columns divide its own");
    }
    *out = in[0];
    return OPU_OK;
}

/* How b lies under a. */
struct spread {
    size_t rows, repeat; /* of b */
    size_t groups, width;
};

static struct spread spread_of(const struct opu_op_call *call)
{
    const struct opu_operand *const a = &call->in[0];
    const struct opu_operand *const b = &call->in[1];
    size_t const groups = b->columns == 0 ? b->rows : b->columns;
    /* Where there are no rows there is nothing to spread, and nothing divides by them. */
    size_t const rows = b->columns == 0 || b->rows == 0 ? 1 : b->rows;
    return (struct spread){
        .rows = rows,
        .repeat = a->batch && b->batch ? a->rows / rows : 1,
        .groups = groups,
        .width = a->columns / groups,
    };
}

static const float *row_of_b(const struct opu_op_call *call, const struct spread *s, size_t i)
{
    return (const float *)call->in[1].data + i / s->repeat % s->rows * s->groups;
}

static void add_forward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    struct spread const s = spread_of(call);
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    float *const y = call->out.data;
    const float *const a = call->in[0].data;
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        kernels->add_row(y + i * columns, a + i * columns, row_of_b(call, &s, i), s.groups,
                         s.width);
    }
}

static void mul_forward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    struct spread const s = spread_of(call);
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    float *const y = call->out.data;
    const float *const a = call->in[0].data;
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        kernels->mul_row(y + i * columns, a + i * columns, row_of_b(call, &s, i), s.groups, s.width,
                         false);
    }
}

/* db: sums of dy, or of dy times with. */
static void sum_under_b(const struct opu_op_call *call, const float *with)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    struct spread const s = spread_of(call);
    const struct opu_operand *const b = &call->in[1];
    size_t const columns = call->out.columns;
    size_t const stride = call->out.grad_stride;
    const float *const dy = call->out.grad;
    float *const db = b->grad;
    size_t const b_stride = b->columns == 0 ? s.groups : b->grad_stride;
    size_t const panels = (s.groups + PANEL - 1) / PANEL;
    /* rows of a that meet row r of b: neighbours, or every s.rows-th */
    bool const neighbours = s.repeat > 1;
    size_t const step = neighbours ? 1 : s.rows;
#pragma omp parallel for schedule(static) if (call->out.rows * columns > PARALLEL_ABOVE)
    for (size_t t = 0; t < s.rows * panels; t++) {
        size_t const r = t / panels;
        size_t const g = t % panels * PANEL;
        size_t const first = neighbours ? r * s.repeat : r;
        struct opu_row_sums const work = {
            .sums = db + r * b_stride + g,
            .x = dy + first * stride + g * s.width,
            .with = with == NULL ? NULL : with + first * columns + g * s.width,
            .x_stride = step * stride,
            .with_stride = step * columns,
            .rows = neighbours ? s.repeat : call->out.rows / s.rows,
            .groups = s.groups - g < PANEL ? s.groups - g : PANEL,
            .width = s.width,
            .accumulate = b->accumulate,
        };
        kernels->row_sums(&work);
    }
}

static void add_backward(const struct opu_op_call *call)
{
    if (call->in[0].grad != NULL) {
        opu_op_hand_down(&call->in[0], 0, call->out.columns, call->out.grad, call->out.grad_stride);
    }
    if (call->in[1].grad != NULL) {
        sum_under_b(call, NULL);
    }
}

static void mul_backward(const struct opu_op_call *call)
{
    const struct opu_map_kernels *const kernels = opu_map_kernels_best();
    const struct opu_operand *const a = &call->in[0];
    struct spread const s = spread_of(call);
    size_t const rows = call->out.rows;
    size_t const columns = call->out.columns;
    const float *const dy = call->out.grad;
    float *const da = a->grad;
    if (da != NULL) {
#pragma omp parallel for schedule(static) if (rows * columns > PARALLEL_ABOVE)
        for (size_t i = 0; i < rows; i++) {
            kernels->mul_row(da + i * a->grad_stride, dy + i * call->out.grad_stride,
                             row_of_b(call, &s, i), s.groups, s.width, a->accumulate);
        }
    }
    if (call->in[1].grad != NULL) {
        sum_under_b(call, a->data);
    }
}

static void forward_ref(const struct opu_op_call *call, bool product)
{
    struct spread const s = spread_of(call);
    const double *const a = call->in[0].data;
    const double *const b = call->in[1].data;
    double *const y = call->out.data;
    for (size_t i = 0; i < call->out.rows; i++) {
        for (size_t j = 0; j < call->out.columns; j++) {
            double const left = a[i * call->out.columns + j];
            double const right = b[i / s.repeat % s.rows * s.groups + j / s.width];
            y[i * call->out.columns + j] = product ? left * right : left + right;
        }
    }
}

static void backward_ref(const struct opu_op_call *call, bool product)
{
    struct spread const s = spread_of(call);
    const double *const a = call->in[0].data;
    const double *const b = call->in[1].data;
    double *const da = call->in[0].grad;
    double *const db = call->in[1].grad;
    size_t const columns = call->out.columns;
    size_t const b_stride = call->in[1].columns == 0 ? s.groups : call->in[1].grad_stride;
    for (size_t i = 0; da != NULL && i < call->out.rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            double const dy = ((const double *)call->out.grad)[i * call->out.grad_stride + j];
            double *const to = &da[i * call->in[0].grad_stride + j];
            *to = (call->in[0].accumulate ? *to : 0.0) +
                  dy * (product ? b[i / s.repeat % s.rows * s.groups + j / s.width] : 1.0);
        }
    }
    for (size_t r = 0; db != NULL && !call->in[1].accumulate && r < s.rows; r++) {
        memset(db + r * b_stride, 0, s.groups * sizeof *db);
    }
    for (size_t i = 0; db != NULL && i < call->out.rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            double const dy = ((const double *)call->out.grad)[i * call->out.grad_stride + j];
            db[i / s.repeat % s.rows * b_stride + j / s.width] +=
                dy * (product ? a[i * columns + j] : 1.0);
        }
    }
}

static void add_forward_ref(const struct opu_op_call *call)
{
    forward_ref(call, false);
}

static void add_backward_ref(const struct opu_op_call *call)
{
    backward_ref(call, false);
}

static void mul_forward_ref(const struct opu_op_call *call)
{
    forward_ref(call, true);
}

static void mul_backward_ref(const struct opu_op_call *call)
{
    backward_ref(call, true);
}

const struct opu_op opu_op_add = {
    .name = "add",
    .flags = OPU_OP_IN_PLACE,
    .infer = infer,
    .forward = add_forward,
    .backward = add_backward,
    .forward_ref = add_forward_ref,
    .backward_ref = add_backward_ref,
};

const struct opu_op opu_op_mul = {
    .name = "mul",
    .infer = infer,
    .forward = mul_forward,
    .backward = mul_backward,
    .forward_ref = mul_forward_ref,
    .backward_ref = mul_backward_ref,
};
