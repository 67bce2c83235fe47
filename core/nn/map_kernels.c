/* SPDX-License-Identifier: MIT */
/* Inner loops over elements. Compiled once per vector level. In place and apart are two loops,
 * because the compiler tests y against x for overlap. */
#include "core/nn/map_kernels.h"

#include "core/base/isa.h"
#include "core/base/philox.h"
#include "core/base/vmath.h"

/* Lanes of a sum along a row; groups kept in registers; rows summed before they join the total. */
#define LANES 16
#define PANEL 64
#define SUM_ROWS 256

/* f of v with a and b, and its slope at the result r. */
#define MAP(name, f, slope) \
    static void name##_values(float *y, const float *x, size_t n, float a, float b) \
    { \
        (void)a; \
        (void)b; \
        if (y == x) { \
            for (size_t i = 0; i < n; i++) { \
                float const v = y[i]; \
                y[i] = (f); \
            } \
            return; \
        } \
        for (size_t i = 0; i < n; i++) { \
            float const v = x[i]; \
            y[i] = (f); \
        } \
    } \
    static void name##_grad(float *restrict dx, const float *restrict dy, const float *restrict y, \
                            size_t n, float a, bool accumulate) \
    { \
        (void)a; \
        if (accumulate) { \
            for (size_t i = 0; i < n; i++) { \
                float const r = y[i]; \
                (void)r; \
                dx[i] += dy[i] * (slope); \
            } \
            return; \
        } \
        for (size_t i = 0; i < n; i++) { \
            float const r = y[i]; \
            (void)r; \
            dx[i] = dy[i] * (slope); \
        } \
    }

MAP(elu, v > 0.0f ? v : a * (opu_expf(v) - 1.0f), r > 0.0f ? 1.0f : r + a)
MAP(leaky_relu, v > 0.0f ? v : a * v, r > 0.0f ? 1.0f : a)
MAP(sigmoid, 1.0f / (1.0f + opu_expf(-v)), r *(1.0f - r))
MAP(affine, a *v + b, a)

static void draw_words(uint32_t words[OPU_DROPOUT_CHUNK], size_t first,
                       const struct opu_dropout *how)
{
    uint64_t const block = how->step << 32 | first / 4;
    for (size_t l = 0; l < OPU_DROPOUT_CHUNK / 4; l++) {
        struct opu_philox4 const draw =
            opu_philox_block(how->seed, OPU_STREAM_DROPOUT, how->ordinal, block + l);
        for (size_t w = 0; w < 4; w++) {
            words[w * (OPU_DROPOUT_CHUNK / 4) + l] = draw.v[w];
        }
    }
}

static void dropout(float *y, uint8_t *kept, const float *x, size_t first, size_t n,
                    const struct opu_dropout *how)
{
    uint32_t words[OPU_DROPOUT_CHUNK];
    for (size_t c = 0; c < n; c += OPU_DROPOUT_CHUNK) {
        size_t const m = n - c < OPU_DROPOUT_CHUNK ? n - c : OPU_DROPOUT_CHUNK;
        draw_words(words, first + c, how);
        if (y == x) {
            for (size_t i = 0; i < m; i++) {
                y[c + i] = words[i] >= how->threshold ? y[c + i] * how->scale : 0.0f;
            }
        } else {
            for (size_t i = 0; i < m; i++) {
                y[c + i] = words[i] >= how->threshold ? x[c + i] * how->scale : 0.0f;
            }
        }
        for (size_t i = 0; i < m; i++) {
            kept[c + i] = words[i] >= how->threshold;
        }
    }
}

static void dropout_grad(float *restrict dx, const float *restrict dy, const uint8_t *restrict kept,
                         size_t n, float scale, bool accumulate)
{
    if (accumulate) {
        for (size_t i = 0; i < n; i++) {
            dx[i] += kept[i] != 0 ? dy[i] * scale : 0.0f;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        dx[i] = kept[i] != 0 ? dy[i] * scale : 0.0f;
    }
}

static void add_row(float *y, const float *a, const float *b, size_t groups, size_t width)
{
    if (width == 1 && y == a) {
        for (size_t i = 0; i < groups; i++) {
            y[i] += b[i];
        }
        return;
    }
    if (width == 1) {
        for (size_t i = 0; i < groups; i++) {
            y[i] = a[i] + b[i];
        }
        return;
    }
    for (size_t g = 0; g < groups; g++) {
        float const shift = b[g];
        for (size_t t = 0; t < width; t++) {
            y[g * width + t] = a[g * width + t] + shift;
        }
    }
}

static void mul_row(float *restrict y, const float *restrict a, const float *restrict b,
                    size_t groups, size_t width, bool accumulate)
{
    if (width == 1 && accumulate) {
        for (size_t i = 0; i < groups; i++) {
            y[i] += a[i] * b[i];
        }
        return;
    }
    if (width == 1) {
        for (size_t i = 0; i < groups; i++) {
            y[i] = a[i] * b[i];
        }
        return;
    }
    for (size_t g = 0; g < groups; g++) {
        float const factor = b[g];
        for (size_t t = 0; t < width; t++) {
            float const product = a[g * width + t] * factor;
            y[g * width + t] = accumulate ? y[g * width + t] + product : product;
        }
    }
}

static void spread_row(float *restrict y, const float *restrict b, size_t groups, size_t width,
                       bool accumulate)
{
    for (size_t g = 0; g < groups; g++) {
        float const value = b[g];
        for (size_t t = 0; t < width; t++) {
            y[g * width + t] = accumulate ? y[g * width + t] + value : value;
        }
    }
}

static void panel_rows(float part[PANEL], const struct opu_row_sums *work, size_t group, size_t n,
                       size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        const float *const x = work->x + i * work->x_stride + group;
        if (work->with == NULL) {
            for (size_t g = 0; g < n; g++) {
                part[g] += x[g];
            }
            continue;
        }
        const float *const with = work->with + i * work->with_stride + group;
        for (size_t g = 0; g < n; g++) {
            part[g] += x[g] * with[g];
        }
    }
}

/* Groups one column wide: sums down columns. */
static void narrow_sums(const struct opu_row_sums *work)
{
    for (size_t group = 0; group < work->groups; group += PANEL) {
        size_t const n = work->groups - group < PANEL ? work->groups - group : PANEL;
        float total[PANEL] = {0};
        for (size_t first = 0; first < work->rows; first += SUM_ROWS) {
            float part[PANEL] = {0};
            size_t const end = work->rows - first < SUM_ROWS ? work->rows : first + SUM_ROWS;
            panel_rows(part, work, group, n, first, end);
            for (size_t g = 0; g < n; g++) {
                total[g] += part[g];
            }
        }
        for (size_t g = 0; g < n; g++) {
            work->sums[group + g] = work->accumulate ? work->sums[group + g] + total[g] : total[g];
        }
    }
}

/* The sum of one group's columns in one row. */
static float along(const float *x, const float *with, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += with == NULL ? x[i + l] : x[i + l] * with[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lane[l] += with == NULL ? x[i] : x[i] * with[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        sum += lane[l];
    }
    return sum;
}

static void row_sums(const struct opu_row_sums *work)
{
    if (work->width == 1) {
        narrow_sums(work);
        return;
    }
    for (size_t g = 0; g < work->groups; g++) {
        float total = 0.0f;
        for (size_t first = 0; first < work->rows; first += SUM_ROWS) {
            float part = 0.0f;
            size_t const end = work->rows - first < SUM_ROWS ? work->rows : first + SUM_ROWS;
            for (size_t i = first; i < end; i++) {
                const float *const with =
                    work->with == NULL ? NULL
                                       : work->with + i * work->with_stride + g * work->width;
                part += along(work->x + i * work->x_stride + g * work->width, with, work->width);
            }
            total += part;
        }
        work->sums[g] = work->accumulate ? work->sums[g] + total : total;
    }
}

extern const struct opu_map_kernels OPU_KERNEL(opu_map_kernels);
const struct opu_map_kernels OPU_KERNEL(opu_map_kernels) = {
    .elu = {elu_values, elu_grad},
    .leaky_relu = {leaky_relu_values, leaky_relu_grad},
    .sigmoid = {sigmoid_values, sigmoid_grad},
    .affine = {affine_values, affine_grad},
    .dropout = dropout,
    .dropout_grad = dropout_grad,
    .add_row = add_row,
    .mul_row = mul_row,
    .spread_row = spread_row,
    .row_sums = row_sums,
};
