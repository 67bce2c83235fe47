/* SPDX-License-Identifier: MIT */
/*
 * Two principal components by orthogonal iteration with a few directions to spare (Halko,
 * Martinsson and Tropp, SIAM Review 53, 2011), without a matrix of d x d; or normal draws.
 */
#include "core/embed/start.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/embed/embed_kernels.h"

#define M OPU_EMBED_DIRECTIONS
#define DEVIATION 1e-4
#define ROUNDS 20
#define SWEEPS 12
/* Columns that one thread gathers over all rows. */
#define COLUMNS 64

struct search {
    struct opu_context *context;
    const struct opu_points *points;
    const struct opu_embed_kernels *kernels;
    size_t stride;
    double *mean;       /* [d] */
    double *directions; /* [d][M], orthonormal columns */
    double *along;      /* [n][M] */
};

static void draw(float *to, size_t n, uint64_t seed, uint32_t which)
{
    for (size_t i = 0; i < n; i += 4) {
        float z[4];
        opu_normal4(opu_philox(seed, OPU_STREAM_EMBED, which, i / 4), z);
        for (size_t l = 0; l < 4 && i + l < n; l++) {
            to[i + l] = (float)DEVIATION * z[l];
        }
    }
}

/* Modified Gram-Schmidt on columns; one that depends on those before becomes 0. */
static void orthonormalise(double *columns, size_t d)
{
    for (size_t m = 0; m < M; m++) {
        double before = 0.0, square = 0.0;
        for (size_t c = 0; c < d; c++) {
            before += columns[c * M + m] * columns[c * M + m];
        }
        for (size_t other = 0; other < m; other++) {
            double dot = 0.0;
            for (size_t c = 0; c < d; c++) {
                dot += columns[c * M + m] * columns[c * M + other];
            }
            for (size_t c = 0; c < d; c++) {
                columns[c * M + m] -= dot * columns[c * M + other];
            }
        }
        for (size_t c = 0; c < d; c++) {
            square += columns[c * M + m] * columns[c * M + m];
        }
        double const scale = square > 1e-20 * before ? 1.0 / sqrt(square) : 0.0;
        for (size_t c = 0; c < d; c++) {
            columns[c * M + m] *= scale;
        }
    }
}

static const float *row_of(const struct search *search, size_t i)
{
    return search->points->values + i * search->stride;
}

static void find_mean(const struct search *search)
{
    size_t const n = search->points->n, d = search->points->d;
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < d; c++) {
            search->mean[c] += (double)row_of(search, i)[c] / (double)n;
        }
    }
}

static void project(const struct search *search)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < search->points->n; i++) {
        search->kernels->project(search->along + i * M, row_of(search, i), search->mean,
                                 search->directions, search->points->d);
    }
}

static void gather(const struct search *search)
{
    size_t const d = search->points->d;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < d; c += COLUMNS) {
        size_t const width = d - c < COLUMNS ? d - c : COLUMNS;
        memset(search->directions + c * M, 0, width * M * sizeof *search->directions);
        for (size_t i = 0; i < search->points->n; i++) {
            search->kernels->gather(search->directions + c * M, row_of(search, i) + c,
                                    search->mean + c, search->along + i * M, width);
        }
    }
}

/* One rotation of Jacobi's, on rows and columns a and b of s, and on the columns of v. */
static void rotate(double s[M][M], double v[M][M], size_t a, size_t b)
{
    if (s[a][b] == 0.0) {
        return;
    }
    double const theta = (s[b][b] - s[a][a]) / (2.0 * s[a][b]);
    double const t = (theta < 0.0 ? -1.0 : 1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
    double const cosine = 1.0 / sqrt(t * t + 1.0), sine = t * cosine;
    for (size_t i = 0; i < M; i++) {
        double const p = s[i][a], q = s[i][b];
        s[i][a] = cosine * p - sine * q;
        s[i][b] = sine * p + cosine * q;
    }
    for (size_t i = 0; i < M; i++) {
        double const p = s[a][i], q = s[b][i];
        s[a][i] = cosine * p - sine * q;
        s[b][i] = sine * p + cosine * q;
        double const x = v[i][a], y = v[i][b];
        v[i][a] = cosine * x - sine * y;
        v[i][b] = sine * x + cosine * y;
    }
}

/* Turns the projections to their own axes: v's columns, spread[M] along each. */
static void principal(const struct search *search, double v[M][M], double spread[M])
{
    double s[M][M] = {{0}};
    for (size_t i = 0; i < search->points->n; i++) {
        const double *const t = search->along + i * M;
        for (size_t a = 0; a < M; a++) {
            for (size_t b = 0; b < M; b++) {
                s[a][b] += t[a] * t[b];
            }
        }
    }
    memset(v, 0, sizeof(double[M][M]));
    for (size_t m = 0; m < M; m++) {
        v[m][m] = 1.0;
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (size_t a = 0; a < M; a++) {
            for (size_t b = a + 1; b < M; b++) {
                rotate(s, v, a, b);
            }
        }
    }
    for (size_t m = 0; m < M; m++) {
        spread[m] = s[m][m] > 0.0 ? sqrt(s[m][m] / (double)search->points->n) : 0.0;
    }
}

/* The sign in which the direction's greatest coordinate is positive. */
static double sign_of(const struct search *search, double v[M][M], size_t m)
{
    double most = 0.0;
    for (size_t c = 0; c < search->points->d; c++) {
        double value = 0.0;
        for (size_t a = 0; a < M; a++) {
            value += search->directions[c * M + a] * v[a][m];
        }
        most = fabs(value) > fabs(most) ? value : most;
    }
    return most < 0.0 ? -1.0 : 1.0;
}

static void place(const struct search *search, float *x, float *y)
{
    double v[M][M], spread[M];
    principal(search, v, spread);
    size_t first = 0, second = 1;
    for (size_t m = 1; m < M; m++) {
        first = spread[m] > spread[first] ? m : first;
    }
    second = first == 0 ? 1 : 0;
    for (size_t m = 0; m < M; m++) {
        second = m != first && spread[m] > spread[second] ? m : second;
    }
    size_t const chosen[2] = {first, second};
    float *const to[2] = {x, y};
    for (size_t axis = 0; axis < 2; axis++) {
        /* below 1e-6 of the first it is the arithmetic's noise */
        if (!(spread[chosen[axis]] > 1e-6 * spread[first])) {
            continue;
        }
        double const scale = DEVIATION / spread[first] * sign_of(search, v, chosen[axis]);
        for (size_t i = 0; i < search->points->n; i++) {
            double value = 0.0;
            for (size_t a = 0; a < M; a++) {
                value += search->along[i * M + a] * v[a][chosen[axis]];
            }
            to[axis][i] = (float)(scale * value);
        }
    }
}

static int components(struct search *search, uint64_t seed, float *x, float *y)
{
    size_t const n = search->points->n, d = search->points->d;
    size_t cells, rows;
    if (!opu_size_mul(&cells, d, M) || !opu_size_mul(&rows, n, M)) {
        return opu_fail(OPU_E_NO_MEMORY, "t-SNE: %zu points of %zu coordinates overflow memory", n,
                        d);
    }
    search->mean = opu_calloc(search->context, d, sizeof *search->mean);
    search->directions = search->mean == NULL
                             ? NULL
                             : opu_calloc(search->context, cells, sizeof *search->directions);
    search->along = search->directions == NULL
                        ? NULL
                        : opu_calloc(search->context, rows, sizeof *search->along);
    if (search->along == NULL) {
        return OPU_E_NO_MEMORY;
    }
    find_mean(search);
    for (size_t e = 0; e < cells; e += 4) { /* M is a multiple of 4 */
        float z[4];
        opu_normal4(opu_philox(seed, OPU_STREAM_EMBED, 2, e / 4), z);
        for (size_t l = 0; l < 4; l++) {
            search->directions[e + l] = (double)z[l];
        }
    }
    orthonormalise(search->directions, d);
    for (int round = 0; round < ROUNDS; round++) {
        project(search);
        gather(search);
        orthonormalise(search->directions, d);
    }
    project(search);
    place(search, x, y);
    return OPU_OK;
}

int opu_embed_start(struct opu_context *context, const struct opu_points *points,
                    enum opu_tsne_init init, uint64_t seed, float *x, float *y)
{
    draw(x, points->n, seed, 0);
    draw(y, points->n, seed, 1);
    if (init == OPU_TSNE_RANDOM) {
        return OPU_OK;
    }
    struct search search = {
        .context = context,
        .points = points,
        .kernels = opu_embed_kernels_best(),
        .stride = points->stride != 0 ? points->stride : points->d,
    };
    int const status = components(&search, seed, x, y);
    opu_context_free(context, search.along);
    opu_context_free(context, search.directions);
    opu_context_free(context, search.mean);
    return status;
}
