/* SPDX-License-Identifier: MIT */
/* Dense products, the only place that calls BLAS. Row-major throughout. Shapes are checked by the
 * planner. */
#ifndef OPU_CORE_GEMM_H
#define OPU_CORE_GEMM_H

#include <stdbool.h>
#include <stddef.h>

struct opu_matrix {
    const float *data;
    size_t stride;  /* elements from one row to the next */
    bool transpose; /* use its transpose */
};

/* c[m][n] = alpha * op(a)[m][k] * op(b)[k][n] + beta * c */
void opu_gemm(size_t m, size_t n, size_t k, float alpha, struct opu_matrix a, struct opu_matrix b,
              float beta, float *c, size_t c_stride);

/*
 * Whether products may run side by side inside an OpenMP region, each on its calling thread alone:
 * OpenBLAS's OpenMP build looks whether it is inside one. Its pthread build would start threads of
 * its own there, its serial build may not be safe at all.
 */
bool opu_gemm_side_by_side(void);

/* One line on the BLAS in use, for the manifest. */
const char *opu_gemm_describe(void);

#endif
