/* SPDX-License-Identifier: MIT */
/* Measured transmission matrices and their singular values. */
#include "sim/acceptance/measured.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <math.h>
#include <stdlib.h>

/* OpenBLAS; Fortran passes the lengths of its character arguments at the end. */
void zherk_(const char *uplo, const char *trans, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *beta, double *c, const int *ldc,
            size_t uplo_length, size_t trans_length);
void zheev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, double *rwork, int *info, size_t jobz_length,
            size_t uplo_length);

#define PI 3.14159265358979323846
#define BLOCK 16 /* of columns in zheev's reduction */

int opu_measured_init(struct opu_measured *measured, struct opu_context *context,
                      const struct opu_sim_options *options, uint64_t seed, size_t n, size_t m)
{
    *measured = (struct opu_measured){.context = context, .n = n, .m = m};
    struct opu_medium_setup const setup = {.context = context,
                                           .options = options,
                                           .seed = seed,
                                           .n_inputs = n,
                                           .n_outputs = m,
                                           .input_columns = (size_t)ceil(sqrt((double)n))};
    int status = opu_media[options->medium]->create(&measured->medium, &setup);
    if (status == OPU_OK) {
        measured->h = opu_calloc(context, n * m, 2 * sizeof(*measured->h));
        status = measured->h == NULL ? OPU_E_NO_MEMORY : opu_measured_again(measured);
    }
    if (status != OPU_OK) {
        opu_measured_fini(measured);
    }
    return status;
}

void opu_measured_fini(struct opu_measured *measured)
{
    if (measured->medium != NULL) {
        measured->medium->ops->destroy(measured->medium);
    }
    if (measured->context != NULL) {
        opu_context_free(measured->context, measured->h);
    }
    *measured = (struct opu_measured){.context = NULL};
}

int opu_measured_again(struct opu_measured *measured)
{
    return opu_medium_columns(measured->medium, 0, measured->n, measured->h);
}

/* Eigenvalues of the Gram matrix, ascending. room: matrix, Gram, work, real work, one behind the
 * other. */
static int eigenvalues(const struct opu_measured *measured, double *room, double *values)
{
    int const n = (int)measured->n;
    int const m = (int)measured->m;
    size_t const entries = measured->n * measured->m * 2;
    size_t const square = measured->n * measured->n * 2;
    double *const gram = room + entries;
    double *const work = gram + square;
    int const n_work = n * (BLOCK + 1);
    double const one = 1.0;
    double const zero = 0.0;
    int info = 0;
    for (size_t e = 0; e < entries; ++e) {
        room[e] = (double)measured->h[e];
    }
    zherk_("U", "C", &n, &m, &one, room, &m, &zero, gram, &n, 1, 1);
    zheev_("N", "U", &n, gram, &n, values, work, &n_work, work + 2 * n_work, &info, 1, 1);
    return info == 0 ? OPU_OK
                     : opu_fail(OPU_E_NUMERIC, "eigenvalues of a %d x %d matrix: zheev says %d", n,
                                n, info);
}

int opu_measured_singular(const struct opu_measured *measured, double *s)
{
    size_t const n = measured->n;
    size_t const doubles = n * measured->m * 2 + n * n * 2 + n * (BLOCK + 1) * 2 + 3 * n;
    double *const room = opu_calloc(measured->context, doubles, sizeof(*room));
    if (room == NULL) {
        return OPU_E_NO_MEMORY;
    }
    int const status = eigenvalues(measured, room, s);
    opu_context_free(measured->context, room);
    double sum = 0.0;
    for (size_t k = 0; k < n; ++k) {
        s[k] = s[k] < 0.0 ? 0.0 : s[k]; /* not fmax(), which drops a NaN */
        sum += s[k];
    }
    for (size_t k = 0; k < n; ++k) {
        s[k] = sqrt(s[k] * (double)n / sum);
    }
    return status;
}

/*
 * rho(s) = gamma / (pi s) sqrt((s^2 - low^2)(high^2 - s^2)), low, high = 1 -/+ 1/sqrt(gamma),
 * integrated by the midpoint rule over angles, s^2 = mean - half width * cos(angle), in which it is
 * smooth: 4096 steps are exact to 1e-6.
 */
double opu_marchenko_pastur_distance(const double *s, size_t n, double gamma)
{
    enum { STEPS = 4096 };
    double const middle = 1.0 + 1.0 / gamma;
    double const half = 2.0 / sqrt(gamma);
    double below = 0.0;
    double worst = 0.0;
    size_t k = 0;
    for (int step = 0; step < STEPS; ++step) {
        double const t = PI * ((double)step + 0.5) / STEPS;
        double const end = middle - half * cos(PI * ((double)step + 1.0) / STEPS);
        double const x = middle - half * cos(t);
        double const density = gamma * half * half * sin(t) * sin(t) / (2.0 * PI * x);
        double const last = below;
        below += density * PI / STEPS;
        for (; k < n && s[k] * s[k] <= end; ++k) {
            worst = opu_accept_worse(worst, fabs(below - (double)k / (double)n));
            worst = opu_accept_worse(worst, fabs(last - (double)(k + 1) / (double)n));
        }
    }
    return opu_accept_worse(worst, 1.0 - (double)k / (double)n);
}

void opu_estimate_add(struct opu_estimate *estimate, double x)
{
    ++estimate->n;
    estimate->sum += x;
    estimate->sum2 += x * x;
}

double opu_estimate_mean(const struct opu_estimate *estimate)
{
    return estimate->sum / (double)estimate->n;
}

double opu_estimate_error(const struct opu_estimate *estimate)
{
    double const mean = opu_estimate_mean(estimate);
    double const n = (double)estimate->n;
    return sqrt(fmax(estimate->sum2 / n - mean * mean, 0.0) / (n - 1.0));
}

double opu_accept_sigmas(size_t n)
{
    double const freedom = (double)n - 1.0;
    double const z = ACCEPT_SIGMAS * (8.0 * freedom + 3.0) / (8.0 * freedom + 1.0);
    return sqrt(freedom * expm1(z * z / freedom));
}

static int ascending(const void *a, const void *b)
{
    double const x = *(const double *)a;
    double const y = *(const double *)b;
    return (x > y) - (x < y);
}

double opu_accept_kolmogorov(double *x, size_t n, double (*distribution)(double))
{
    double worst = 0.0;
    qsort(x, n, sizeof(*x), ascending);
    for (size_t i = 0; i < n; ++i) {
        double const f = distribution(x[i]);
        worst = opu_accept_worse(worst, fabs(f - (double)i / (double)n));
        worst = opu_accept_worse(worst, fabs(f - (double)(i + 1) / (double)n));
    }
    return sqrt((double)n) * worst;
}
