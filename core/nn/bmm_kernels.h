/* SPDX-License-Identifier: MIT */
/* Products of small matrices, one set per vector level; all give the same bits. */
#ifndef OPU_CORE_BMM_KERNELS_H
#define OPU_CORE_BMM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/cpu.h"

/* c[m][n] = or += a[m][k] b[k][n]; element (i, p) of a is a[i a_row + p a_step]. */
struct opu_small_gemm {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t b_stride;
    bool b_transposed; /* b is [n][b_stride] and a_step 1: c's elements are dots of rows */
    float *c;
    size_t c_stride;
    bool accumulate;
};

struct opu_bmm_kernels {
    void (*gemm)(const struct opu_small_gemm *g);
};

const struct opu_bmm_kernels *opu_bmm_kernels_at(enum opu_isa level);
const struct opu_bmm_kernels *opu_bmm_kernels_best(void);

#endif
