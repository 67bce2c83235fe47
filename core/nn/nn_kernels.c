/* SPDX-License-Identifier: MIT */
/*
 * Inner loops of the operations. Compiled once per vector level. Sums run in lanes of a fixed
 * number, so that they vectorise without a change of order: every level gives the same bits.
 */
#include "core/nn/nn_kernels.h"

#include <math.h>

#include "core/base/isa.h"
#include "core/base/vmath.h"

/* Lanes of a sum over a row, and columns that column_sums() keeps in registers. */
#define LANES 16
#define SUM_COLUMNS 64
/* Rows summed in one float before they are added to the total: bounds the rounding of long columns.
 */
#define SUM_ROWS 256

/* In place and apart are two loops, because the compiler tests y against x for overlap. */
static void tanh_values(float *y, const float *x, size_t n)
{
    if (y == x) {
        for (size_t i = 0; i < n; i++) {
            y[i] = opu_tanhf(y[i]);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        y[i] = opu_tanhf(x[i]);
    }
}

static void relu_values(float *y, const float *x, size_t n)
{
    if (y == x) {
        for (size_t i = 0; i < n; i++) {
            /* written so that NaN passes on */
            y[i] = y[i] <= 0.0f ? 0.0f : y[i];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] <= 0.0f ? 0.0f : x[i];
    }
}

static void tanh_grad(float *restrict dx, const float *restrict dy, const float *restrict y,
                      size_t n, bool accumulate)
{
    if (accumulate) {
        for (size_t i = 0; i < n; i++) {
            dx[i] += dy[i] * (1.0f - y[i] * y[i]);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        dx[i] = dy[i] * (1.0f - y[i] * y[i]);
    }
}

static void relu_grad(float *restrict dx, const float *restrict dy, const float *restrict y,
                      size_t n, bool accumulate)
{
    if (accumulate) {
        for (size_t i = 0; i < n; i++) {
            dx[i] += y[i] > 0.0f ? dy[i] : 0.0f;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    }
}

static void add(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

/* Up to SUM_COLUMNS columns: total[] of all rows. */
static void sum_panel(float total[SUM_COLUMNS], const float *x, size_t stride, size_t rows,
                      size_t columns)
{
    for (size_t j = 0; j < SUM_COLUMNS; j++) {
        total[j] = 0.0f;
    }
    for (size_t first = 0; first < rows; first += SUM_ROWS) {
        size_t const end = rows - first < SUM_ROWS ? rows : first + SUM_ROWS;
        float part[SUM_COLUMNS] = {0};
        if (columns == SUM_COLUMNS) {
            for (size_t i = first; i < end; i++) {
                const float *const row = x + i * stride;
                for (size_t j = 0; j < SUM_COLUMNS; j++) {
                    part[j] += row[j];
                }
            }
        } else {
            for (size_t i = first; i < end; i++) {
                const float *const row = x + i * stride;
                for (size_t j = 0; j < columns; j++) {
                    part[j] += row[j];
                }
            }
        }
        for (size_t j = 0; j < SUM_COLUMNS; j++) {
            total[j] += part[j];
        }
    }
}

static void column_sums(float *sums, const float *x, size_t stride, size_t rows, size_t columns,
                        bool accumulate)
{
    for (size_t j = 0; j < columns; j += SUM_COLUMNS) {
        size_t const n = columns - j < SUM_COLUMNS ? columns - j : SUM_COLUMNS;
        float total[SUM_COLUMNS];
        sum_panel(total, x + j, stride, rows, n);
        for (size_t k = 0; k < n; k++) {
            sums[j + k] = accumulate ? sums[j + k] + total[k] : total[k];
        }
    }
}

static float row_max(const float *x, size_t n)
{
    float lane[LANES];
    for (size_t l = 0; l < LANES; l++) {
        lane[l] = x[0];
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
        }
    }
    float best = lane[0];
    for (size_t l = 1; l < LANES; l++) {
        best = lane[l] > best ? lane[l] : best;
    }
    for (; i < n; i++) {
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

/* Sum of exp(x - shift), written to e too unless it is NULL. *finite: 0, or NaN if an x is not
 * finite. */
static double exp_sum(float *e, const float *x, size_t n, float shift, double *finite)
{
    double sum[LANES] = {0};
    float zero[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        float part[LANES];
        for (size_t l = 0; l < LANES; l++) {
            part[l] = opu_expf(x[i + l] - shift);
            zero[l] += x[i + l] * 0.0f;
            sum[l] += (double)part[l];
        }
        if (e != NULL) {
            for (size_t l = 0; l < LANES; l++) {
                e[i + l] = part[l];
            }
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        float const part = opu_expf(x[i] - shift);
        zero[l] += x[i] * 0.0f;
        sum[l] += (double)part;
        if (e != NULL) {
            e[i] = part;
        }
    }
    double total = 0.0;
    *finite = 0.0;
    for (size_t l = 0; l < LANES; l++) {
        total += sum[l];
        *finite += (double)zero[l];
    }
    return total;
}

static bool label_is_top(const float *x, size_t n, size_t label)
{
    bool top = true;
    for (size_t i = 0; i < n; i++) {
        top = top && (i < label ? x[i] < x[label] : x[i] <= x[label]);
    }
    return top;
}

static struct opu_softmax_row softmax_row(float *e, const float *x, size_t columns, int32_t label,
                                          float scale)
{
    if (label < 0 || (size_t)label >= columns) {
        for (size_t i = 0; e != NULL && i < columns; i++) {
            e[i] = 0.0f;
        }
        return (struct opu_softmax_row){.loss = (double)NAN};
    }
    float const shift = row_max(x, columns);
    double finite;
    double const sum = exp_sum(e, x, columns, shift, &finite);
    if (e != NULL) {
        float const factor = (float)((double)scale / sum);
        for (size_t i = 0; i < columns; i++) {
            e[i] *= factor;
        }
        e[label] -= scale;
    }
    return (struct opu_softmax_row){
        .loss = log(sum) + ((double)shift - (double)x[label]) + finite,
        .correct = label_is_top(x, columns, (size_t)label),
    };
}

static void softmax(float *y, const float *x, size_t n, bool spare)
{
    float const top = row_max(x, n);
    float const shift = spare && top < 0.0f ? 0.0f : top;
    double finite;
    double const sum = exp_sum(y, x, n, shift, &finite);
    double const all = spare ? sum + (double)opu_expf(-shift) : sum;
    float const factor = (float)(1.0 / all + finite);
    for (size_t i = 0; i < n; i++) {
        y[i] *= factor;
    }
}

/* The sum of a b. */
static double lane_dot(const float *a, const float *b, size_t n)
{
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += (double)a[i + l] * (double)b[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lane[l] += (double)a[i] * (double)b[i];
    }
    double sum = 0.0;
    for (size_t l = 0; l < LANES; l++) {
        sum += lane[l];
    }
    return sum;
}

static void softmax_grad(float *restrict dx, const float *restrict dy, const float *restrict y,
                         size_t n, bool accumulate)
{
    float const mean = (float)lane_dot(dy, y, n);
    for (size_t i = 0; i < n; i++) {
        float const slope = y[i] * (dy[i] - mean);
        dx[i] = accumulate ? dx[i] + slope : slope;
    }
}

static void log_softmax(float *y, const float *x, size_t n)
{
    float const shift = row_max(x, n);
    double finite;
    double const sum = exp_sum(NULL, x, n, shift, &finite);
    float const level = (float)(log(sum) + finite);
    for (size_t i = 0; i < n; i++) {
        y[i] = (x[i] - shift) - level;
    }
}

static void log_softmax_grad(float *restrict dx, const float *restrict dy, const float *restrict y,
                             size_t n, bool accumulate)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)dy[i];
    }
    float const all = (float)sum;
    for (size_t i = 0; i < n; i++) {
        float const slope = dy[i] - opu_expf(y[i]) * all;
        dx[i] = accumulate ? dx[i] + slope : slope;
    }
}

/* max(x, 0) - x t + log(1 + e^-|x|), which never overflows. */
static struct opu_softmax_row bce_row(float *e, const float *x, const float *target, size_t columns,
                                      float scale)
{
    double loss = 0.0;
    bool correct = true;
    for (size_t i = 0; i < columns; i++) {
        double const v = (double)x[i];
        loss += (v <= 0.0 ? 0.0 : v) - v * (double)target[i] + log1p(exp(-fabs(v)));
        correct = correct && (x[i] > 0.0f) == (target[i] > 0.5f);
    }
    for (size_t i = 0; e != NULL && i < columns; i++) {
        e[i] = scale * (1.0f / (1.0f + opu_expf(-x[i])) - target[i]);
    }
    return (struct opu_softmax_row){.loss = loss, .correct = correct};
}

extern const struct opu_nn_kernels OPU_KERNEL(opu_nn_kernels);
const struct opu_nn_kernels OPU_KERNEL(opu_nn_kernels) = {
    .tanh = tanh_values,
    .relu = relu_values,
    .tanh_grad = tanh_grad,
    .relu_grad = relu_grad,
    .add = add,
    .column_sums = column_sums,
    .softmax_row = softmax_row,
    .softmax = softmax,
    .softmax_grad = softmax_grad,
    .log_softmax = log_softmax,
    .log_softmax_grad = log_softmax_grad,
    .bce_row = bce_row,
};
