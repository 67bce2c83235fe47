/* SPDX-License-Identifier: MIT */
/*
 * Losses, mean over rows: softmax_xent -log softmax(x)[label], nll -x[label], bce the binary
 * cross-entropy of logits. Their forward leaves the gradient e too, because the projection of e
 * waits for it. A mask weighs the rows; the mean is then over its sum. The losses of the rows are
 * summed in double in their order, for any number of threads.
 */
#include "core/nn/ops.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/nn/nn_kernels.h"

/* Logits below which one thread does all. */
#define PARALLEL_ABOVE 8192

static bool same_rows(const struct opu_shape *a, const struct opu_shape *b)
{
    return a->batch == b->batch && a->rows == b->rows;
}

static bool mask_fits(const struct opu_shape *in, size_t n_in)
{
    return n_in < 3 ||
           (opu_op_is_matrix(&in[2]) && in[2].columns == 1 && same_rows(&in[0], &in[2]));
}

static void set_loss(struct opu_shape *out)
{
    *out = (struct opu_shape){.dtype = OPU_F64, .rows = 1, .columns = 0};
}

static int infer_labels(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                        const double *attr)
{
    (void)attr;
    if (!opu_op_is_matrix(&in[0]) || in[1].dtype != OPU_I32 || in[1].columns != 1 ||
        !same_rows(&in[0], &in[1]) || !mask_fits(in, n_in)) {
        return opu_op_refuse("softmax_xent or nll", in, n_in,
                             "a matrix of float32, a column of int32 labels and, if any, a column "
                             "of float32 weights, with the same rows");
    }
    set_loss(out);
    return OPU_OK;
}

static int infer_targets(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                         const double *attr)
{
    (void)attr;
    if (!opu_op_is_matrix(&in[0]) || !opu_op_is_matrix(&in[1]) || in[0].columns != in[1].columns ||
        !same_rows(&in[0], &in[1]) || !mask_fits(in, n_in)) {
        return opu_op_refuse("bce", in, n_in,
                             "two matrices of float32 of the same shape and, if any, a column of "
                             "weights");
    }
    set_loss(out);
    return OPU_OK;
}

static size_t saved(const struct opu_shape *in, size_t n_in)
{
    (void)in;
    (void)n_in;
    return sizeof(struct opu_softmax_row);
}

/* The weights of rows in a run: of floats in the operation, of doubles in its twin. */
struct weighing {
    const float *mask;
    const double *mask_ref;
    double total; /* what the sum of losses is divided by */
};

static double weight(const struct weighing *w, size_t i)
{
    if (w->mask != NULL) {
        return (double)w->mask[i];
    }
    return w->mask_ref != NULL ? w->mask_ref[i] : 1.0;
}

static struct weighing weigh(const struct opu_op_call *call, bool ref)
{
    struct weighing w = {.total = (double)call->in[0].rows};
    if (call->n_in < 3) {
        return w;
    }
    w.mask = ref ? NULL : call->in[2].data;
    w.mask_ref = ref ? call->in[2].data : NULL;
    w.total = 0.0;
    for (size_t i = 0; i < call->in[0].rows; i++) {
        w.total += weight(&w, i);
    }
    return w;
}

static void finish(const struct opu_op_call *call, const struct weighing *w, double columns)
{
    const struct opu_softmax_row *const each = call->saved;
    double sum = 0.0;
    size_t correct = 0;
    for (size_t i = 0; i < call->in[0].rows; i++) {
        double const by = weight(w, i);
        sum += by == 0.0 ? 0.0 : by * each[i].loss;
        correct += by != 0.0 && each[i].correct;
    }
    *(struct opu_loss *)call->out.data = (struct opu_loss){sum / (w->total * columns), correct};
}

/* One row's loss and, in e unless that is NULL, scale times its gradient. */
typedef struct opu_softmax_row (*row_fn)(const struct opu_op_call *call, size_t i, float *e,
                                         float scale);

static void forward(const struct opu_op_call *call, row_fn fn, double columns)
{
    size_t const rows = call->in[0].rows;
    size_t const width = call->in[0].columns;
    size_t const stride = call->in[0].grad_stride;
    float *const grad = call->in[0].grad;
    struct opu_softmax_row *const each = call->saved;
    struct weighing const w = weigh(call, false);
    float const even = 1.0f / (float)(w.total * columns);
#pragma omp parallel for schedule(static) if (rows * width > PARALLEL_ABOVE)
    for (size_t i = 0; i < rows; i++) {
        float *const e = grad != NULL ? grad + i * stride : NULL;
        if (w.mask == NULL) {
            each[i] = fn(call, i, e, even);
        } else if (w.mask[i] != 0.0f) {
            each[i] = fn(call, i, e, (float)((double)w.mask[i] / (w.total * columns)));
        } else {
            each[i] = (struct opu_softmax_row){0};
            if (e != NULL) {
                memset(e, 0, width * sizeof *e);
            }
        }
    }
    finish(call, &w, columns);
}

static struct opu_softmax_row xent_row(const struct opu_op_call *call, size_t i, float *e,
                                       float scale)
{
    size_t const n = call->in[0].columns;
    return opu_nn_kernels_best()->softmax_row(e, (const float *)call->in[0].data + i * n, n,
                                              ((const int32_t *)call->in[1].data)[i], scale);
}

static struct opu_softmax_row nll_row(const struct opu_op_call *call, size_t i, float *e,
                                      float scale)
{
    size_t const n = call->in[0].columns;
    const float *const x = (const float *)call->in[0].data + i * n;
    int32_t const label = ((const int32_t *)call->in[1].data)[i];
    bool const known = label >= 0 && (size_t)label < n;
    struct opu_softmax_row row = {.loss = known ? -(double)x[label] : (double)NAN,
                                  .correct = known};
    for (size_t j = 0; j < n; j++) {
        bool const here = known && j == (size_t)label;
        row.correct = row.correct && (j < (size_t)label ? x[j] < x[label] : x[j] <= x[label]);
        if (e != NULL) {
            e[j] = here ? -scale : 0.0f;
        }
    }
    return row;
}

static struct opu_softmax_row bce_row(const struct opu_op_call *call, size_t i, float *e,
                                      float scale)
{
    size_t const n = call->in[0].columns;
    return opu_nn_kernels_best()->bce_row(e, (const float *)call->in[0].data + i * n,
                                          (const float *)call->in[1].data + i * n, n, scale);
}

static void xent_forward(const struct opu_op_call *call)
{
    forward(call, xent_row, 1.0);
}

static void nll_forward(const struct opu_op_call *call)
{
    forward(call, nll_row, 1.0);
}

static void bce_forward(const struct opu_op_call *call)
{
    forward(call, bce_row, (double)call->in[0].columns);
}

typedef struct opu_softmax_row (*row_ref_fn)(const struct opu_op_call *call, size_t i, double *e,
                                             double scale);

static void forward_ref(const struct opu_op_call *call, row_ref_fn fn, double columns)
{
    double *const grad = call->in[0].grad;
    struct opu_softmax_row *const each = call->saved;
    struct weighing const w = weigh(call, true);
    for (size_t i = 0; i < call->in[0].rows; i++) {
        each[i] = fn(call, i, grad != NULL ? grad + i * call->in[0].grad_stride : NULL,
                     weight(&w, i) / (w.total * columns));
    }
    finish(call, &w, columns);
}

static size_t top_of(const double *x, size_t n)
{
    size_t top = 0;
    for (size_t j = 1; j < n; j++) {
        top = x[j] > x[top] ? j : top;
    }
    return top;
}

static struct opu_softmax_row xent_row_ref(const struct opu_op_call *call, size_t i, double *e,
                                           double scale)
{
    size_t const n = call->in[0].columns;
    const double *const x = (const double *)call->in[0].data + i * n;
    size_t const label = (size_t)((const int32_t *)call->in[1].data)[i];
    size_t const top = top_of(x, n);
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) {
        sum += exp(x[j] - x[top]);
    }
    for (size_t j = 0; e != NULL && j < n; j++) {
        e[j] = scale * (exp(x[j] - x[top]) / sum - (j == label ? 1.0 : 0.0));
    }
    return (struct opu_softmax_row){.loss = log(sum) + x[top] - x[label], .correct = top == label};
}

static struct opu_softmax_row nll_row_ref(const struct opu_op_call *call, size_t i, double *e,
                                          double scale)
{
    size_t const n = call->in[0].columns;
    const double *const x = (const double *)call->in[0].data + i * n;
    size_t const label = (size_t)((const int32_t *)call->in[1].data)[i];
    for (size_t j = 0; e != NULL && j < n; j++) {
        e[j] = j == label ? -scale : 0.0;
    }
    return (struct opu_softmax_row){.loss = -x[label], .correct = top_of(x, n) == label};
}

static struct opu_softmax_row bce_row_ref(const struct opu_op_call *call, size_t i, double *e,
                                          double scale)
{
    size_t const n = call->in[0].columns;
    const double *const x = (const double *)call->in[0].data + i * n;
    const double *const t = (const double *)call->in[1].data + i * n;
    struct opu_softmax_row row = {.correct = true};
    for (size_t j = 0; j < n; j++) {
        double const p = 1.0 / (1.0 + exp(-x[j]));
        row.loss -= t[j] * log(p) + (1.0 - t[j]) * log1p(-p);
        row.correct = row.correct && (p > 0.5) == (t[j] > 0.5);
        if (e != NULL) {
            e[j] = scale * (p - t[j]);
        }
    }
    return row;
}

static void xent_forward_ref(const struct opu_op_call *call)
{
    forward_ref(call, xent_row_ref, 1.0);
}

static void nll_forward_ref(const struct opu_op_call *call)
{
    forward_ref(call, nll_row_ref, 1.0);
}

static void bce_forward_ref(const struct opu_op_call *call)
{
    forward_ref(call, bce_row_ref, (double)call->in[0].columns);
}

const struct opu_op opu_op_softmax_xent = {
    .name = "softmax_xent",
    .flags = OPU_OP_LOSS,
    .infer = infer_labels,
    .saved = saved,
    .forward = xent_forward,
    .forward_ref = xent_forward_ref,
};

const struct opu_op opu_op_nll = {
    .name = "nll",
    .flags = OPU_OP_LOSS,
    .infer = infer_labels,
    .saved = saved,
    .forward = nll_forward,
    .forward_ref = nll_forward_ref,
};

const struct opu_op opu_op_bce = {
    .name = "bce",
    .flags = OPU_OP_LOSS,
    .infer = infer_targets,
    .saved = saved,
    .forward = bce_forward,
    .forward_ref = bce_forward_ref,
};
