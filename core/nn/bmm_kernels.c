/* SPDX-License-Identifier: MIT */
/* Products of small matrices. Compiled once per vector level. Every sum runs over k in order, or
 * in lanes of a fixed number. */
#include "core/nn/bmm_kernels.h"

#include "core/base/isa.h"
#include "core/nn/lanes.h"

/* Columns of c kept in registers. */
#define WIDE 64
#define NARROW 16

#define PANEL(name, size) \
    static void name(const struct opu_small_gemm *g, size_t i, size_t j, size_t n) \
    { \
        float acc[size] = {0}; \
        for (size_t p = 0; p < g->k; p++) { \
            float const a = g->a[i * g->a_row + p * g->a_step]; \
            const float *const b = g->b + p * g->b_stride + j; \
            if (n == (size)) { \
                for (size_t l = 0; l < (size); l++) { \
                    acc[l] += a * b[l]; \
                } \
            } else { \
                for (size_t l = 0; l < n; l++) { \
                    acc[l] += a * b[l]; \
                } \
            } \
        } \
        float *const c = g->c + i * g->c_stride + j; \
        for (size_t l = 0; l < n; l++) { \
            c[l] = g->accumulate ? c[l] + acc[l] : acc[l]; \
        } \
    }

PANEL(wide_panel, WIDE)
PANEL(narrow_panel, NARROW)

static void dots(const struct opu_small_gemm *g)
{
    for (size_t i = 0; i < g->m; i++) {
        float *const c = g->c + i * g->c_stride;
        for (size_t j = 0; j < g->n; j++) {
            float const sum = opu_lanes_dot(g->a + i * g->a_row, g->b + j * g->b_stride, g->k);
            c[j] = g->accumulate ? c[j] + sum : sum;
        }
    }
}

static void gemm(const struct opu_small_gemm *g)
{
    if (g->b_transposed) {
        dots(g);
        return;
    }
    for (size_t i = 0; i < g->m; i++) {
        size_t j = 0;
        for (; j + WIDE <= g->n; j += WIDE) {
            wide_panel(g, i, j, WIDE);
        }
        for (; j < g->n; j += NARROW) {
            narrow_panel(g, i, j, g->n - j < NARROW ? g->n - j : NARROW);
        }
    }
}

extern const struct opu_bmm_kernels OPU_KERNEL(opu_bmm_kernels);
const struct opu_bmm_kernels OPU_KERNEL(opu_bmm_kernels) = {.gemm = gemm};
