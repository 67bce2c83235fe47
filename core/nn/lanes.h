/* SPDX-License-Identifier: MIT */
/*
 * For kernel files: sums in registers, written in vectors because a loop over the columns of a
 * panel inside one over its entries is turned inside out by compilers. Orders are fixed, so every
 * vector level gives the same bits.
 */
#ifndef OPU_CORE_LANES_H
#define OPU_CORE_LANES_H

#include <stddef.h>

/* Lanes of a dot product. */
#define OPU_DOT_LANES 16
/* Columns that OPU_SUM_WIDE sums at once. */
#define OPU_WIDE 64

typedef float opu_lanes16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float opu_lanes8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float opu_lanes4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float opu_lanes2 __attribute__((vector_size(8), aligned(4), may_alias));

/* The sums of a panel: y[c] = or += sum over k of weight * row[c], where weight and row are
 * expressions of k. */

/* OPU_WIDE columns. */
#define OPU_SUM_WIDE(y, accumulate, first, end, weight, row) \
    do { \
        opu_lanes16 s0_ = {0}, s1_ = {0}, s2_ = {0}, s3_ = {0}; \
        opu_lanes16 *const y_ = (opu_lanes16 *)(y); \
        for (size_t k = (first); k < (end); k++) { \
            float const w_ = (weight); \
            const opu_lanes16 *const x_ = (const opu_lanes16 *)(row); \
            s0_ += w_ * x_[0]; \
            s1_ += w_ * x_[1]; \
            s2_ += w_ * x_[2]; \
            s3_ += w_ * x_[3]; \
        } \
        if (accumulate) { \
            s0_ += y_[0]; \
            s1_ += y_[1]; \
            s2_ += y_[2]; \
            s3_ += y_[3]; \
        } \
        y_[0] = s0_; \
        y_[1] = s1_; \
        y_[2] = s2_; \
        y_[3] = s3_; \
    } while (0)

/* As many columns as `type` has lanes, or up to twice as many: two vectors, which overlap where it
 * is less. */
#define OPU_SUM_PAIR(type, y, columns, accumulate, first, end, weight, row) \
    do { \
        size_t const far_ = (columns) - sizeof(type) / sizeof(float); \
        type s0_ = {0}, s1_ = {0}; \
        for (size_t k = (first); k < (end); k++) { \
            float const w_ = (weight); \
            const float *const x_ = (row); \
            s0_ += w_ * *(const type *)x_; \
            s1_ += w_ * *(const type *)(x_ + far_); \
        } \
        if (accumulate) { \
            s0_ += *(type *)(y); \
            s1_ += *(type *)((y) + far_); \
        } \
        *(type *)(y) = s0_; \
        *(type *)((y) + far_) = s1_; \
    } while (0)

/* One column. */
#define OPU_SUM_ONE(y, accumulate, first, end, weight, row) \
    do { \
        float s_ = 0.0f; \
        for (size_t k = (first); k < (end); k++) { \
            s_ += (weight) * *(row); \
        } \
        *(y) = (accumulate) ? *(y) + s_ : s_; \
    } while (0)

/* Fewer than OPU_WIDE columns from 1 on: the first few of them, how many goes into `done`. */
#define OPU_SUM_SOME(done, y, columns, accumulate, first, end, weight, row) \
    do { \
        (done) = (columns) < 2 * 16 ? (columns) : 2 * 16; \
        if ((done) >= 16) { \
            OPU_SUM_PAIR(opu_lanes16, y, done, accumulate, first, end, weight, row); \
        } else if ((done) >= 8) { \
            OPU_SUM_PAIR(opu_lanes8, y, done, accumulate, first, end, weight, row); \
        } else if ((done) >= 4) { \
            OPU_SUM_PAIR(opu_lanes4, y, done, accumulate, first, end, weight, row); \
        } else if ((done) >= 2) { \
            OPU_SUM_PAIR(opu_lanes2, y, done, accumulate, first, end, weight, row); \
        } else { \
            OPU_SUM_ONE(y, accumulate, first, end, weight, row); \
        } \
    } while (0)

static inline float opu_lanes_dot(const float *a, const float *b, size_t n)
{
    float lane[OPU_DOT_LANES] = {0};
    opu_lanes16 sums = {0};
    size_t i = 0;
    for (; i + OPU_DOT_LANES <= n; i += OPU_DOT_LANES) {
        sums += *(const opu_lanes16 *)(a + i) * *(const opu_lanes16 *)(b + i);
    }
    *(opu_lanes16 *)lane = sums;
    for (size_t l = 0; i < n; i++, l++) {
        lane[l] += a[i] * b[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < OPU_DOT_LANES; l++) {
        sum += lane[l];
    }
    return sum;
}

#endif
