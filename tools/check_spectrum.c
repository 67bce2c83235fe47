/* SPDX-License-Identifier: MIT */
/*
 * Singular values of the measured B against the Marchenko-Pastur law. With B of n inputs and m
 * outputs, gamma = m / n (or its inverse, for m < n) and <s^2> = 1:
 *
 *   rho(s) = gamma / (pi s) sqrt((s^2 - a^2)(b^2 - s^2)),   a, b = 1 -+ gamma^-1/2
 *
 * (Marchenko and Pastur 1967; for scattering media Popoff et al., Phys. Rev. Lett. 104, 100601,
 * 2010, who also divide by the rms of each output and input, which takes off the illumination's
 * envelope). The largest singular value of a Gaussian matrix scatters by the Tracy-Widom law
 * (Johnstone, Ann. Statist. 29, 295, 2001).
 */
#include "tools/check.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 32, MOST = 2048 };

/* BLAS: c = alpha a^T a + beta c, or a a^T, one triangle. */
void ssyrk_(const char *uplo, const char *trans, const int *n, const int *k, const float *alpha,
            const float *a, const int *lda, const float *beta, float *c, const int *ldc);

/* LAPACK: all eigenvalues of a symmetric matrix, ascending (divide and conquer). */
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);

#define PI 3.14159265358979324
/* A physical medium has finitely many modes: a block of 1/16 of a unitary matrix has its edges 3 %
 * nearer and bends the spectrum (measured on slabs and cascades: 0.03 to 0.04). */
#define MODES_EDGE 0.04
#define MODES_DISTANCE 0.05
#define COMPUTED_DISTANCE 0.02
/* Tracy-Widom law for real matrices. */
#define TW_MEAN (-1.2065)
#define TW_DEVIATION 1.268

struct spectrum {
    size_t n, m; /* n <= m */
    double gamma, low, high;
    float *gram_f;  /* [n][n] */
    double *gram;   /* [n][n] */
    double *values; /* [n] singular values, ascending, <s^2> = 1 */
};

static double density(const struct spectrum *law, double s)
{
    double const a = law->low, b = law->high, q = s * s;
    return s > a && s < b ? law->gamma / (PI * s) * sqrt((q - a * a) * (b * b - q)) : 0.0;
}

/* Share of singular values below s: the midpoint rule in an angle, where the edges are smooth. */
static double below(const struct spectrum *law, double s)
{
    enum { STEPS = 400 };
    double const middle = 0.5 * (law->low + law->high), half = 0.5 * (law->high - law->low);
    if (s <= law->low || s >= law->high) {
        return s <= law->low ? 0.0 : 1.0;
    }
    double const end = acos((middle - s) / half), step = end / STEPS;
    double sum = 0.0;
    for (int i = 0; i < STEPS; i++) {
        double const angle = ((double)i + 0.5) * step;
        sum += density(law, middle - half * cos(angle)) * half * sin(angle) * step;
    }
    return sum;
}

/* Every output, then every input, to rms 1. An output or input without light stays as it is. */
static void flatten(float *b, size_t n_in, size_t n_out)
{
    for (size_t k = 0; k < n_out; k++) {
        double sum = 0.0;
        for (size_t j = 0; j < n_in; j++) {
            sum += (double)b[j * n_out + k] * (double)b[j * n_out + k];
        }
        double const scale = sum > 0.0 ? sqrt((double)n_in / sum) : 1.0;
        for (size_t j = 0; j < n_in; j++) {
            b[j * n_out + k] = (float)((double)b[j * n_out + k] * scale);
        }
    }
    for (size_t j = 0; j < n_in; j++) {
        double sum = 0.0;
        for (size_t k = 0; k < n_out; k++) {
            sum += (double)b[j * n_out + k] * (double)b[j * n_out + k];
        }
        double const scale = sum > 0.0 ? sqrt((double)n_out / sum) : 1.0;
        for (size_t k = 0; k < n_out; k++) {
            b[j * n_out + k] = (float)((double)b[j * n_out + k] * scale);
        }
    }
}

/* gram = B B^T / m over the longer side. */
static void fill_gram(struct spectrum *law, const float *b, size_t n_in, size_t n_out)
{
    /* In Fortran's order B is its own transpose, and its lower triangle our upper one. */
    float *const gram = law->gram_f;
    assert(gram != NULL && law->gram != NULL);
    int const n = (int)law->n, m = (int)law->m, rows = (int)n_out;
    float const scale = 1.0f / (float)law->m, zero = 0.0f;
    ssyrk_("L", n_in <= n_out ? "T" : "N", &n, &m, &scale, b, &rows, &zero, gram, &n);
    for (size_t i = 0; i < law->n; i++) {
        for (size_t j = i; j < law->n; j++) {
            law->gram[i * law->n + j] = law->gram[j * law->n + i] = (double)gram[i * law->n + j];
        }
    }
}

static int decompose(struct spectrum *law)
{
    int const n = (int)law->n, lwork = 2 * n + 1, liwork = 1;
    int info = 0, integer = 0;
    double *const work = malloc((size_t)lwork * sizeof *work);
    if (work == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for %d singular values", n);
    }
    dsyevd_("N", "U", &n, law->gram, &n, law->values, work, &lwork, &integer, &liwork, &info);
    free(work);
    if (info != 0) {
        return opu_fail(OPU_E_NUMERIC, "singular values: LAPACK's dsyevd says %d", info);
    }
    double sum = 0.0;
    for (size_t i = 0; i < law->n; i++) {
        sum += fmax(law->values[i], 0.0);
    }
    for (size_t i = 0; i < law->n; i++) {
        law->values[i] = sqrt(fmax(law->values[i], 0.0) * (double)law->n / sum);
    }
    return OPU_OK;
}

static void judge_distance(struct check *check, const struct spectrum *law)
{
    double x[BINS], seen[BINS], wanted[BINS], worst = 0.0;
    size_t const n = law->n;
    double const low = fmax(0.0, law->low - 0.15), width = (law->high + 0.15 - low) / BINS;
    for (size_t b = 0; b < BINS; b++) {
        double const left = low + (double)b * width;
        x[b] = left + 0.5 * width;
        seen[b] = 0.0;
        wanted[b] = (below(law, left + width) - below(law, left)) / width;
    }
    for (size_t i = 0; i < n; i++) {
        double const bin = (law->values[i] - low) / width, share = below(law, law->values[i]);
        if (bin >= 0.0 && bin < BINS) {
            seen[(size_t)bin] += 1.0 / ((double)n * width);
        }
        worst = fmax(worst, fmax(fabs(share - (double)i / (double)n),
                                 fabs(share - (double)(i + 1) / (double)n)));
    }
    struct opu_check_curve const curve = {.title = "Singular values against Marchenko-Pastur",
                                          .x_label = "singular value / rms",
                                          .y_label = "density",
                                          .n = BINS,
                                          .x = x,
                                          .measured = seen,
                                          .expected = wanted};
    /* The spectrum is rigid: Gaussian matrices of 256 stay below 0.01; it falls as 1 / n. */
    double const bar = check->frames ? MODES_DISTANCE : COMPUTED_DISTANCE;
    check_take(check,
               &(struct opu_check_row){
                   .name = "distance from Marchenko-Pastur",
                   .formula = "rho(s) = gamma/(pi s) sqrt((s^2-a^2)(b^2-s^2)), a, b = 1 -+ "
                              "gamma^-1/2 (Popoff et al., PRL 104, 100601, 2010)",
                   .value = worst,
                   .low = -(double)INFINITY,
                   .high = bar * fmax(1.0, 256.0 / (double)n),
                   .samples = (double)n * (double)law->m,
                   .curve = &curve},
               false,
               check->frames ? "Kolmogorov-Smirnov; 0.05 for media of finitely many modes"
                             : "Kolmogorov-Smirnov; 0.02 at 256 inputs");
    struct check_curve *const drawn = check_latest_curve(check);
    if (drawn != NULL) {
        drawn->shape = CHECK_HISTOGRAM;
    }
}

static void judge_edges(struct check *check, const struct spectrum *law)
{
    /* Eigenvalues of W = G G^T: centre and scale of the largest, in singular values / rms. */
    double const p = sqrt((double)law->m - 0.5), q = sqrt((double)law->n - 0.5);
    double const scale = (p + q) * cbrt(1.0 / p + 1.0 / q), m = (double)law->m;
    double const top = sqrt(((p + q) * (p + q) + TW_MEAN * scale) / m);
    double const scatter = 0.5 * TW_DEVIATION * scale / m / top;
    double const modes = check->frames ? MODES_EDGE * law->high : 0.0;
    check_take(check,
               &(struct opu_check_row){
                   .name = "largest singular value",
                   .formula = "1 + gamma^-1/2 with Tracy and Widom's shift and scatter (Johnstone, "
                              "Ann. Statist. 29, 295, 2001)",
                   .value = law->values[law->n - 1],
                   .low = top - 4.0 * scatter - modes,
                   .high = top + 4.0 * scatter + modes,
                   .samples = (double)law->n * m},
               false, check->frames ? "4 deviations, 4 % for finitely many modes" : "4 deviations");
    if (law->n == law->m) {
        return; /* the lower edge is 0 */
    }
    double const sharp = (p - q) * cbrt(1.0 / q - 1.0 / p);
    double const bottom = sqrt(((p - q) * (p - q) - TW_MEAN * sharp) / m);
    double const low_scatter = 0.5 * TW_DEVIATION * sharp / m / bottom;
    check_take(check,
               &(struct opu_check_row){
                   .name = "smallest singular value",
                   .formula = "1 - gamma^-1/2 with Tracy and Widom's shift and scatter (as above)",
                   .value = law->values[0],
                   .low = bottom - 4.0 * low_scatter - modes,
                   .high = bottom + 4.0 * low_scatter + modes,
                   .samples = (double)law->n * m},
               false, check->frames ? "4 deviations, 4 % for finitely many modes" : "4 deviations");
}

int check_spectrum(struct check *check)
{
    bool const wide = check->n_in <= check->n_out;
    struct spectrum law = {.n = wide ? check->n_in : check->n_out,
                           .m = wide ? check->n_out : check->n_in};
    if (!(check->variance > 0.0)) {
        check_add(check, "distance from Marchenko-Pastur", (double)NAN, "", CHECK_FAIL,
                  "a matrix that isn't zero");
        return OPU_OK;
    }
    if (law.n > MOST) {
        check_add(check, "distance from Marchenko-Pastur", (double)NAN, "", CHECK_NONE,
                  "at most %d inputs or outputs: the work grows as their cube", (int)MOST);
        return OPU_OK;
    }
    law.gamma = (double)law.m / (double)law.n;
    law.low = 1.0 - 1.0 / sqrt(law.gamma);
    law.high = 1.0 + 1.0 / sqrt(law.gamma);
    law.gram_f = malloc(law.n * law.n * sizeof *law.gram_f);
    law.gram = malloc(law.n * law.n * sizeof *law.gram);
    law.values = malloc(law.n * sizeof *law.values);
    int status = law.gram_f != NULL && law.gram != NULL && law.values != NULL
                     ? OPU_OK
                     : opu_fail(OPU_E_NO_MEMORY, "no memory for %zu singular values", law.n);
    if (status == OPU_OK) {
        flatten(check->out, check->n_in, check->n_out);
        fill_gram(&law, check->out, check->n_in, check->n_out);
        status = decompose(&law);
    }
    if (status == OPU_OK) {
        judge_distance(check, &law);
        judge_edges(check, &law);
    }
    free(law.gram_f);
    free(law.gram);
    free(law.values);
    return status;
}
