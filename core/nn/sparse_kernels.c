/* SPDX-License-Identifier: MIT */
/*
 * Inner loops over the rows of a sparse pattern. Compiled once per vector level. A row's result is
 * summed in registers, a panel of columns at a time, in the order of its entries.
 */
#include "core/nn/sparse_kernels.h"

#include "core/base/isa.h"
#include "core/base/vmath.h"

/* Columns kept in registers: wide and narrow panels. */
#define WIDE 64
#define NARROW 16
/* Lanes of a dot product; heads that a softmax treats together. */
#define LANES 16

static inline float weight_of(const struct opu_spmm_rows *work, size_t k, size_t head)
{
    if (work->weights == NULL) {
        return 1.0f;
    }
    size_t const e = work->entry == NULL ? k : work->entry[k];
    return work->weights[e * work->product->heads + head];
}

/* n <= NARROW or n == WIDE columns of one row, from column c on. */
#define PANEL(name, size) \
    static void name(const struct opu_spmm_rows *work, size_t row, size_t head, size_t c, \
                     size_t n) \
    { \
        const struct opu_sparse_product *const p = work->product; \
        float acc[size] = {0}; \
        for (size_t k = work->start[row]; k < work->start[row + 1]; k++) { \
            float const w = weight_of(work, k, head); \
            const float *const x = p->x + work->from[k] * p->x_stride + c; \
            if (n == (size)) { \
                for (size_t j = 0; j < (size); j++) { \
                    acc[j] += w * x[j]; \
                } \
            } else { \
                for (size_t j = 0; j < n; j++) { \
                    acc[j] += w * x[j]; \
                } \
            } \
        } \
        float *const y = p->y + row * p->y_stride + c; \
        for (size_t j = 0; j < n; j++) { \
            y[j] = p->accumulate ? y[j] + acc[j] : acc[j]; \
        } \
    }

PANEL(wide_panel, WIDE)
PANEL(narrow_panel, NARROW)

static void spmm_rows(const struct opu_spmm_rows *work, size_t first, size_t end)
{
    size_t const heads = work->product->heads;
    size_t const width = work->product->width / heads;
    for (size_t row = first; row < end; row++) {
        for (size_t head = 0; head < heads; head++) {
            size_t const from = head * width;
            size_t c = 0;
            for (; c + WIDE <= width; c += WIDE) {
                wide_panel(work, row, head, from + c, WIDE);
            }
            for (; c < width; c += NARROW) {
                narrow_panel(work, row, head, from + c, width - c < NARROW ? width - c : NARROW);
            }
        }
    }
}

static float dot(const float *restrict a, const float *restrict b, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += a[i + l] * b[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lane[l] += a[i] * b[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        sum += lane[l];
    }
    return sum;
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
            float const sum = dot(dy + h * work->width, x + h * work->width, work->width);
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
