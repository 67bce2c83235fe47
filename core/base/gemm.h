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

/* One line on the BLAS in use, for the manifest. */
const char *opu_gemm_describe(void);

#endif
