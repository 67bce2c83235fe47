/* SPDX-License-Identifier: MIT */
/* Vectorised inner loops of the operations, one set per vector level; all sets give the same bits.
 */
#ifndef OPU_CORE_NN_KERNELS_H
#define OPU_CORE_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/cpu.h"

/* Of one row of logits. */
struct opu_softmax_row {
    double loss;  /* -log softmax(x)[label]; NaN if a logit is not finite or the label is out of
                     range */
    bool correct; /* the label is the first of the largest logits */
};

struct opu_nn_kernels {
    /* y = f(x); y may be x */
    void (*tanh)(float *y, const float *x, size_t n);
    void (*relu)(float *y, const float *x, size_t n);
    /* dx = or += dy * f'(x), with f' told from y = f(x); dx apart from dy and y */
    void (*tanh_grad)(float *dx, const float *dy, const float *y, size_t n, bool accumulate);
    void (*relu_grad)(float *dx, const float *dy, const float *y, size_t n, bool accumulate);
    /* y += x */
    void (*add)(float *y, const float *x, size_t n);
    /* sums[columns] = or += the sum over rows of x[rows][stride] */
    void (*column_sums)(float *sums, const float *x, size_t stride, size_t rows, size_t columns,
                        bool accumulate);
    /* e (may be NULL) = scale * (softmax(x) - onehot(label)); zero where the label is out of range
     */
    struct opu_softmax_row (*softmax_row)(float *e, const float *x, size_t columns, int32_t label,
                                          float scale);
    /* y = softmax(x); spare: with one more term e^0 in the denominator. y may not be x. */
    void (*softmax)(float *y, const float *x, size_t n, bool spare);
    /* dx = or += y (dy - sum of y dy), y = softmax(x) */
    void (*softmax_grad)(float *dx, const float *dy, const float *y, size_t n, bool accumulate);
    /* y = x - log(sum of e^x); y may not be x */
    void (*log_softmax)(float *y, const float *x, size_t n);
    /* dx = or += dy - e^y (sum of dy), y = log softmax(x) */
    void (*log_softmax_grad)(float *dx, const float *dy, const float *y, size_t n, bool accumulate);
    /* The sum over columns of the binary cross-entropy of x against targets in [0, 1]; e (may be
     * NULL) = scale * (sigmoid(x) - target). correct: every column on its side of a half. */
    struct opu_softmax_row (*bce_row)(float *e, const float *x, const float *target, size_t columns,
                                      float scale);
};

/* The set of a level that opu_isa_usable(), and of the best one. */
const struct opu_nn_kernels *opu_nn_kernels_at(enum opu_isa level);
const struct opu_nn_kernels *opu_nn_kernels_best(void);

#endif
