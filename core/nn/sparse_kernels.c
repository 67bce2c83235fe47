/* SPDX-License-Identifier: MIT */
/*
 * Inner loops over the rows of a sparse pattern. Compiled once per vector level. A row's result is
 * summed in registers, a panel of columns at a time, in the order of its entries.
 */
#include "core/nn/sparse_kernels.h"

#include "core/base/isa.h"
#include "core/base/vmath.h"
#include "core/nn/lanes.h"

/* Heads that a softmax treats together. */
#define LANES 16
/* Entries ahead whose rows of x are asked for: about a miss of all caches at ten cycles each. */
#define AHEAD 24

/* The entries of one row's product for one head. */
struct entries {
    size_t first, end, last; /* last: of the pattern, so that looking ahead stays inside */
    const uint32_t *from, *entry;
    const float *weights, *x;
    size_t stride, heads;
};

static inline float weight_at(const struct entries *e, size_t k)
{
    if (e->weights == NULL) {
        return 1.0f;
    }
    return e->weights[(e->entry == NULL ? k : e->entry[k]) * e->heads];
}

static inline const float *row_at(const struct entries *e, size_t k)
{
    size_t const next = k + AHEAD < e->last ? k + AHEAD : e->last;
    __builtin_prefetch(e->x + e->from[next] * e->stride);
    return e->x + e->from[k] * e->stride;
}

/* y[0 .. width) */
static void sum_entries(struct entries e, float *y, size_t width, bool accumulate)
{
    for (; width >= OPU_WIDE; width -= OPU_WIDE, e.x += OPU_WIDE, y += OPU_WIDE) {
        OPU_SUM_WIDE(y, accumulate, e.first, e.end, weight_at(&e, k), row_at(&e, k));
    }
    size_t done;
    for (; width > 0; width -= done, e.x += done, y += done) {
        OPU_SUM_SOME(done, y, width, accumulate, e.first, e.end, weight_at(&e, k), row_at(&e, k));
    }
}

static void spmm_rows(const struct opu_spmm_rows *work, size_t first, size_t end)
{
    const struct opu_sparse_product *const p = work->product;
    size_t const width = p->width / p->heads;
    size_t const last = work->start[end] > 0 ? work->start[end] - 1 : 0;
    for (size_t row = first; row < end; row++) {
        for (size_t head = 0; head < p->heads; head++) {
            struct entries const e = {
                .first = work->start[row],
                .end = work->start[row + 1],
                .last = last,
                .from = work->from,
                .entry = work->entry,
                .weights = work->weights == NULL ? NULL : work->weights + head,
                .x = p->x + head * width,
                .stride = p->x_stride,
                .heads = p->heads,
            };
            sum_entries(e, p->y + row * p->y_stride + head * width, width, p->accumulate);
        }
    }
}

/* The entries of row i. */
static void row_dots(const struct opu_edge_dots *work, size_t i)
{
    const struct opu_csr *const m = work->matrix;
    for (size_t e = m->start[i]; e < m->start[i + 1]; e++) {
        size_t const j = m->index[e];
        const float *const dy = work->dy + (work->transpose ? j : i) * work->dy_stride;
        const float *const x = work->x + (work->transpose ? i : j) * work->x_stride;
        float *const dw = work->dw + e * work->dw_stride;
        for (size_t h = 0; h < work->heads; h++) {
            float const sum = opu_lanes_dot(dy + h * work->width, x + h * work->width, work->width);
            dw[h] = work->accumulate ? dw[h] + sum : sum;
        }
    }
}

static void edge_dots(const struct opu_edge_dots *work, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        row_dots(work, i);
    }
}

/* Heads head to head + n - 1 of one row's entries. */
static void softmax_heads(const struct opu_edge_softmax *work, size_t row, size_t head, size_t n)
{
    size_t const first = work->start[row];
    size_t const end = work->start[row + 1];
    size_t const heads = work->heads;
    float top[LANES];
    float sum[LANES] = {0};
    for (size_t h = 0; h < n; h++) {
        top[h] = work->x[first * heads + head + h];
    }
    for (size_t e = first; e < end; e++) {
        const float *const x = work->x + e * heads + head;
        for (size_t h = 0; h < n; h++) {
            top[h] = x[h] > top[h] ? x[h] : top[h];
        }
    }
    for (size_t e = first; e < end; e++) {
        const float *const x = work->x + e * heads + head;
        float *const y = work->y + e * heads + head;
        for (size_t h = 0; h < n; h++) {
            float const part = opu_expf(x[h] - top[h]);
            y[h] = part;
            sum[h] += part;
        }
    }
    for (size_t h = 0; h < n; h++) {
        sum[h] = 1.0f / sum[h];
    }
    for (size_t e = first; e < end; e++) {
        float *const y = work->y + e * heads + head;
        for (size_t h = 0; h < n; h++) {
            y[h] *= sum[h];
        }
    }
}

static void edge_softmax(const struct opu_edge_softmax *work, size_t first, size_t end)
{
    for (size_t row = first; row < end; row++) {
        if (work->start[row] == work->start[row + 1]) {
            continue;
        }
        for (size_t head = 0; head < work->heads; head += LANES) {
            size_t const left = work->heads - head;
            softmax_heads(work, row, head, left < LANES ? left : LANES);
        }
    }
}

static void grad_heads(const struct opu_edge_softmax *work, size_t row, size_t head, size_t n)
{
    size_t const first = work->start[row];
    size_t const end = work->start[row + 1];
    float mean[LANES] = {0};
    for (size_t e = first; e < end; e++) {
        const float *const y = work->x + e * work->heads + head;
        const float *const dy = work->dy + e * work->dy_stride + head;
        for (size_t h = 0; h < n; h++) {
            mean[h] += y[h] * dy[h];
        }
    }
    for (size_t e = first; e < end; e++) {
        const float *const y = work->x + e * work->heads + head;
        const float *const dy = work->dy + e * work->dy_stride + head;
        float *const dx = work->dx + e * work->dx_stride + head;
        for (size_t h = 0; h < n; h++) {
            float const slope = y[h] * (dy[h] - mean[h]);
            dx[h] = work->accumulate ? dx[h] + slope : slope;
        }
    }
}

static void edge_softmax_grad(const struct opu_edge_softmax *work, size_t first, size_t end)
{
    for (size_t row = first; row < end; row++) {
        for (size_t head = 0; head < work->heads; head += LANES) {
            size_t const left = work->heads - head;
            grad_heads(work, row, head, left < LANES ? left : LANES);
        }
    }
}

extern const struct opu_sparse_kernels OPU_KERNEL(opu_sparse_kernels);
const struct opu_sparse_kernels OPU_KERNEL(opu_sparse_kernels) = {
    .spmm_rows = spmm_rows,
    .edge_dots = edge_dots,
    .edge_softmax = edge_softmax,
    .edge_softmax_grad = edge_softmax_grad,
};
