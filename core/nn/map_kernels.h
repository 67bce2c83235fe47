/* SPDX-License-Identifier: MIT */
/* Inner loops over elements, one set per vector level; all give the same bits. */
#ifndef OPU_CORE_MAP_KERNELS_H
#define OPU_CORE_MAP_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/cpu.h"

/* A function of one element with two numbers beside it, and its slope told from the result. */
struct opu_map {
    /* y = f(x); y may be x */
    void (*values)(float *y, const float *x, size_t n, float a, float b);
    /* dx = or += dy f'(x), with f' told from y = f(x); dx apart from dy and y */
    void (*grad)(float *dx, const float *dy, const float *y, size_t n, float a, bool accumulate);
};

/* Draws of a dropout: element i takes its word from Philox by (seed, ordinal, step, i). */
struct opu_dropout {
    uint64_t seed, step;
    uint32_t ordinal;   /* of the node among the dropouts of its graph */
    uint32_t threshold; /* dropped where the word is below */
    float scale;        /* of what is kept */
};

/* Elements that one run of Philox blocks covers; dropout starts at a multiple. */
#define OPU_DROPOUT_CHUNK 256

/* Of rows of groups x width columns: element (i, g width + t). */
struct opu_row_sums {
    float *sums; /* [groups] = or += the sum over rows and t of x, or of x times with */
    const float *x, *with;
    size_t x_stride, with_stride;
    size_t rows, groups, width;
    bool accumulate;
};

struct opu_map_kernels {
    struct opu_map elu, leaky_relu, sigmoid, affine;
    /* y = x scale where kept, else 0; kept[n] 1 or 0; y may be x. first: number of element 0 */
    void (*dropout)(float *y, uint8_t *kept, const float *x, size_t first, size_t n,
                    const struct opu_dropout *how);
    void (*dropout_grad)(float *dx, const float *dy, const uint8_t *kept, size_t n, float scale,
                         bool accumulate);
    /* y[g width + t] = a[g width + t] + b[g]; y may be a */
    void (*add_row)(float *y, const float *a, const float *b, size_t groups, size_t width);
    /* y[g width + t] = or += a[g width + t] b[g]; apart */
    void (*mul_row)(float *y, const float *a, const float *b, size_t groups, size_t width,
                    bool accumulate);
    /* y[g width + t] = or += b[g] */
    void (*spread_row)(float *y, const float *b, size_t groups, size_t width, bool accumulate);
    void (*row_sums)(const struct opu_row_sums *work);
};

const struct opu_map_kernels *opu_map_kernels_at(enum opu_isa level);
const struct opu_map_kernels *opu_map_kernels_best(void);

#endif
