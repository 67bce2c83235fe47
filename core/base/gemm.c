/* SPDX-License-Identifier: MIT */
/* Dense products by OpenBLAS. */
#include "core/base/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* BLAS insists on a stride of at least one row even where there is only one row. */
static blasint leading(size_t stride, size_t rows, size_t columns)
{
    size_t const least = columns > 0 ? columns : 1;
    assert(rows <= 1 || stride >= least);
    (void)rows;
    size_t const ld = stride > least ? stride : least;
    assert(ld <= INT_MAX);
    return (blasint)ld;
}

/* c = beta * c, and zero where beta is, whatever stood there. */
static void scale(size_t m, size_t n, float beta, float *c, size_t c_stride)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            c[i * c_stride + j] = beta == 0.0f ? 0.0f : beta * c[i * c_stride + j];
        }
    }
}

void opu_gemm(size_t m, size_t n, size_t k, float alpha, struct opu_matrix a, struct opu_matrix b,
              float beta, float *c, size_t c_stride)
{
    if (m == 0 || n == 0) {
        return;
    }
    if (k == 0) {
        scale(m, n, beta, c, c_stride);
        return;
    }
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    blasint const lda = a.transpose ? leading(a.stride, k, m) : leading(a.stride, m, k);
    blasint const ldb = b.transpose ? leading(b.stride, n, k) : leading(b.stride, k, n);
    cblas_sgemm(CblasRowMajor, a.transpose ? CblasTrans : CblasNoTrans,
                b.transpose ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha,
                a.data, lda, b.data, ldb, beta, c, leading(c_stride, m, n));
}

bool opu_gemm_side_by_side(void)
{
    return openblas_get_parallel() == OPENBLAS_OPENMP;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char line[256];

static void compose(void)
{
    static const char *const pools[] = {"serial", "pthread", "OpenMP"};
    int const parallel = openblas_get_parallel();
    /* The configuration starts with name and version: "OpenBLAS 0.3.21 ...". */
    const char *const config = openblas_get_config();
    const char *const blank = strchr(config, ' ');
    const char *const second = blank != NULL ? strchr(blank + 1, ' ') : NULL;
    int const length = second != NULL ? (int)(second - config) : (int)strlen(config);
    (void)snprintf(line, sizeof line, "%.*s (%s, %s)", length < 64 ? length : 64, config,
                   parallel >= 0 && parallel < 3 ? pools[parallel] : "unknown threads",
                   openblas_get_corename());
}

const char *opu_gemm_describe(void)
{
    (void)pthread_once(&once, compose);
    return line;
}
