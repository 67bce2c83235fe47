/* SPDX-License-Identifier: MIT */
/*
 * Acceptance tests of the speckle's statistics (Goodman, Speckle Phenomena in Optics, 2nd ed.), on
 * the medium of the device under test: contrast, singular values, the kernel of its features, its
 * linear projections. The entries are in entries.c, pictures in speckle.c. Bars are 5 standard
 * deviations of independent samples, unless they say otherwise.
 */
#include "sim/acceptance/statistics.h"

#include "core/base/mem.h"
#include "core/base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES 3
#define MAX_INPUTS 256
#define MAX_OUTPUTS 1024
#define PATTERNS 4 /* of disjoint inputs: independent fields */

struct statistics {
    struct opu_acceptance *acceptance;
    struct opu_measured measured;
    struct opu_measured crossed; /* the other polarisation: a second seed */
    bool ideal;                  /* entries are drawn one by one */
    double *room;                /* [2 n m] or more */
    char drawn[160];
};

static int row(const struct statistics *s, struct opu_check_row row)
{
    row.drawn = s->drawn;
    return opu_accept(s->acceptance, row);
}

/* <|t|^2> of the entries. */
static double mean_power(const struct opu_measured *measured)
{
    double const entries = (double)(measured->n * measured->m);
    double sum = 0.0;
    for (size_t e = 0; e < 2 * measured->n * measured->m; ++e) {
        sum += (double)measured->h[e] * (double)measured->h[e] / entries;
    }
    return sum;
}

/* power[m] += |sum over inputs first, first + step, ..|^2. */
static void add_light(const struct opu_measured *measured, size_t first, size_t step, double *power)
{
    for (size_t i = 0; i < measured->m; ++i) {
        double re = 0.0;
        double im = 0.0;
        for (size_t j = first; j < measured->n; j += step) {
            re += (double)measured->h[(j * measured->m + i) * 2];
            im += (double)measured->h[(j * measured->m + i) * 2 + 1];
        }
        power[i] += re * re + im * im;
    }
}

static double exponential_distribution(double x)
{
    return x > 0.0 ? 1.0 - exp(-x) : 0.0;
}

/* Standard deviation over mean; leaves the powers divided by their mean. */
static double contrast_of(double *power, size_t n)
{
    double mean = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < n; ++i) {
        mean += power[i] / (double)n;
    }
    for (size_t i = 0; i < n; ++i) {
        power[i] /= mean;
        squares += (power[i] - 1.0) * (power[i] - 1.0) / (double)(n - 1);
    }
    return sqrt(squares);
}

/*
 * Contrast of one and of two polarisations. Its estimate over M grains has variance C^2 ((kurtosis
 * - 1) / 4 + C^2 - C skewness) / M: 1 / M for one speckle, 0.375 / M for two (gamma distributions).
 */
static int contrast(struct statistics *s)
{
    size_t const m = s->measured.m;
    size_t const grains = m * PATTERNS;
    double *const power = s->room;
    double seen[2];
    double kolmogorov = 0.0;
    memset(power, 0, grains * sizeof(*power));
    for (size_t p = 0; p < PATTERNS; ++p) {
        add_light(&s->measured, p, PATTERNS, power + p * m);
    }
    memcpy(power + grains, power, grains * sizeof(*power));
    for (size_t p = 0; p < PATTERNS; ++p) {
        add_light(&s->crossed, p, PATTERNS, power + grains + p * m);
    }
    seen[0] = contrast_of(power, grains);
    seen[1] = contrast_of(power + grains, grains);
    kolmogorov = opu_accept_kolmogorov(power, grains, exponential_distribution);
    static const struct {
        const char *name, *formula;
        double wanted, spread;
    } rows[2] = {
        {"contrast of speckle behind a polariser", "std(I) / <I> = 1 (Goodman, Speckle, 3)", 1.0,
         1.0},
        {"contrast without polariser", "two speckles: 1 / sqrt 2 (Goodman, Speckle, 3)", 0.70710678,
         0.6124},
    };
    for (int k = 0; k < 2; ++k) {
        double const bar = ACCEPT_SIGMAS * rows[k].spread / sqrt((double)grains);
        ACCEPT_TRY(row(s, (struct opu_check_row){.test = "T2",
                                                 .name = rows[k].name,
                                                 .formula = rows[k].formula,
                                                 .value = seen[k],
                                                 .low = rows[k].wanted - bar,
                                                 .high = rows[k].wanted + bar,
                                                 .samples = (double)grains}));
    }
    return row(s, (struct opu_check_row){.test = "T2",
                                         .name = "sqrt(M) D of intensities against exp(-I / <I>)",
                                         .formula = "p(I) = exp(-I / <I>) / <I> (Goodman, Speckle, "
                                                    "3); Kolmogorov: above 2.7 once in 10^6",
                                         .value = kolmogorov,
                                         .low = 0.0,
                                         .high = ACCEPT_KOLMOGOROV,
                                         .samples = (double)grains});
}

static int spectrum(struct statistics *s)
{
    size_t const n = s->measured.n;
    double const gamma = (double)s->measured.m / (double)n;
    double values[MAX_INPUTS];
    ACCEPT_TRY(opu_measured_singular(&s->measured, values));
    return row(s, (struct opu_check_row){
                      .test = "T5",
                      .name = "singular values against Marchenko-Pastur, largest distance",
                      .formula = "rho(s) = gamma / (pi s) sqrt((s^2 - s-^2)(s+^2 - s^2)); a rigid "
                                 "spectrum: .02 for independent entries, .05 for physical media "
                                 "(Marchenko and Pastur, Math. USSR Sb. 1, 457, 1967)",
                      .value = opu_marchenko_pastur_distance(values, n, gamma),
                      .low = 0.0,
                      .high = s->ideal ? 0.02 : 0.05,
                      .samples = (double)n});
}

/* A pattern of 0, 1 (or of -1, 1) drawn by bits, the same for the same `which`. */
static void draw_pattern(const struct statistics *s, uint32_t which, bool is_signed, double *x)
{
    for (size_t j = 0; j < s->measured.n; ++j) {
        uint32_t const word =
            opu_philox(s->acceptance->seed, OPU_STREAM_TEST, which, j + ((uint64_t)1 << 40)).v[0];
        double const bit = (double)(word >> 31);
        x[j] = is_signed ? 2.0 * bit - 1.0 : bit;
    }
}

static void field_of(const struct opu_measured *measured, const double *x, double *field)
{
    memset(field, 0, measured->m * 2 * sizeof(*field));
    for (size_t j = 0; j < measured->n; ++j) {
        const float *const column = measured->h + j * measured->m * 2;
        for (size_t i = 0; x[j] != 0.0 && i < 2 * measured->m; ++i) {
            field[i] += x[j] * (double)column[i];
        }
    }
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0.0;
    for (size_t j = 0; j < n; ++j) {
        sum += x[j] * y[j];
    }
    return sum;
}

/* products[m] += I_x I_y over its expectation, for one pair of patterns. */
static void add_products(const struct statistics *s, uint32_t pair, double scale, double *products)
{
    size_t const n = s->measured.n;
    size_t const m = s->measured.m;
    double x[MAX_INPUTS];
    double y[MAX_INPUTS];
    double *const fx = s->room;
    double *const fy = s->room + 2 * m;
    draw_pattern(s, 2 * pair, false, x);
    draw_pattern(s, 2 * pair + 1, false, y);
    field_of(&s->measured, x, fx);
    field_of(&s->measured, y, fy);
    double const overlap = dot(x, y, n);
    double const wanted = dot(x, x, n) * dot(y, y, n) + overlap * overlap;
    for (size_t i = 0; i < m; ++i) {
        double const ix = scale * (fx[2 * i] * fx[2 * i] + fx[2 * i + 1] * fx[2 * i + 1]);
        double const iy = scale * (fy[2 * i] * fy[2 * i] + fy[2 * i + 1] * fy[2 * i + 1]);
        products[i] += ix * iy / wanted;
    }
}

/* Intensities as random features. Outputs are the samples, each the mean over some pairs; the error
 * is the sample's own. */
static int kernel(struct statistics *s)
{
    enum { PAIRS = 16 };
    size_t const m = s->measured.m;
    double *const products = s->room + 4 * m;
    double const scale = 1.0 / mean_power(&s->measured);
    memset(products, 0, m * sizeof(*products));
    for (uint32_t pair = 0; pair < PAIRS; ++pair) {
        add_products(s, pair, scale, products);
    }
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < m; ++i) {
        double const product = products[i] / PAIRS;
        sum += product / (double)m;
        squares += product * product / (double)m;
    }
    double const bar = ACCEPT_SIGMAS * sqrt((squares - sum * sum) / (double)m);
    return row(s, (struct opu_check_row){
                      .test = "T12",
                      .name = "kernel of the features |r x|^2 over its formula",
                      .formula = "<|r x|^2 |r y|^2> = |x|^2 |y|^2 + (x y)^2; arXiv 1910.09880",
                      .value = sum,
                      .low = 1.0 - bar,
                      .high = 1.0 + bar,
                      .samples = (double)m});
}

/* Both quadratures are rows of B: 2 m of them, entries of variance 1 / (2 m). */
static int projections(struct statistics *s)
{
    enum { PAIRS = 400 }; /* the bar tells a formula from half of it or twice */
    size_t const n = s->measured.n;
    size_t const m = s->measured.m;
    double const scale = 1.0 / ((double)m * mean_power(&s->measured));
    double x[MAX_INPUTS];
    double y[MAX_INPUTS];
    double *const bx = s->room;
    double *const by = s->room + 2 * m;
    double score2 = 0.0;
    double length = 0.0;
    for (uint32_t p = 0; p < PAIRS; ++p) {
        draw_pattern(s, 100 + 2 * p, true, x);
        draw_pattern(s, 101 + 2 * p, true, y);
        field_of(&s->measured, x, bx);
        field_of(&s->measured, y, by);
        double const xy = dot(x, y, n);
        double const variance = ((double)(n * n) + xy * xy) / (2.0 * (double)m);
        double const off = scale * dot(bx, by, 2 * m) - xy;
        score2 += off * off / variance / PAIRS;
        length += scale * dot(bx, bx, 2 * m) / (double)n / PAIRS;
    }
    double const bar2 = ACCEPT_SIGMAS * sqrt(2.0 / PAIRS);
    double const bar = ACCEPT_SIGMAS * sqrt(1.0 / (double)(m * PAIRS));
    ACCEPT_TRY(row(s, (struct opu_check_row){
                          .test = "T13",
                          .name = "inner products kept: mean square error over its formula",
                          .formula = "Var <Bx, By> = (|x|^2 |y|^2 + (x y)^2) / m (fourth moments "
                                     "of normal numbers: Isserlis, Biometrika 12, 134, 1918)",
                          .value = score2,
                          .low = fmax(1.0 - bar2, 0.0),
                          .high = 1.0 + bar2,
                          .samples = PAIRS}));
    return row(s, (struct opu_check_row){
                      .test = "T13",
                      .name = "lengths kept: mean of |Bx|^2 / |x|^2",
                      .formula = "1, spread sqrt(2 / m) (Johnson and Lindenstrauss, 1984)",
                      .value = length,
                      .low = 1.0 - bar,
                      .high = 1.0 + bar,
                      .samples = (double)m * PAIRS});
}

static int all_of(struct statistics *s)
{
    static int (*const tests[])(struct statistics *) = {contrast, spectrum, kernel, projections};
    size_t const doubles = 2 * s->measured.m * s->measured.n;
    s->room = opu_calloc(s->acceptance->context, doubles, sizeof(*s->room));
    if (s->room == NULL) {
        return OPU_E_NO_MEMORY;
    }
    int status = OPU_OK;
    for (size_t k = 0; k < sizeof(tests) / sizeof(tests[0]) && status == OPU_OK; ++k) {
        status = tests[k](s);
    }
    opu_context_free(s->acceptance->context, s->room);
    return status;
}

/* Most outputs that the device's grid takes without Jacobi's law. */
size_t opu_accept_most_outputs(const struct opu_sim_options *options)
{
    size_t const share = (size_t)(options->grid * options->grid / 16);
    return options->grid != 0 && share < MAX_OUTPUTS ? share : MAX_OUTPUTS;
}

void opu_accept_draw_sizes(struct opu_acceptance *acceptance, const struct opu_sim_options *options,
                           size_t *n, size_t *m)
{
    size_t const most = opu_accept_most_outputs(options);
    *m = opu_accept_draw_size(acceptance, most * 3 / 4, most);
    *n = opu_accept_draw_size(acceptance, *m / 5, *m / 4);
}

static int one_case(struct opu_acceptance *acceptance, const struct opu_sim_options *options)
{
    struct statistics s = {.acceptance = acceptance,
                           .ideal = options->medium == OPU_MEDIUM_GAUSSIAN};
    size_t n;
    size_t m;
    opu_accept_draw_sizes(acceptance, options, &n, &m);
    uint64_t const seed = opu_accept_draw_seed(acceptance);
    snprintf(s.drawn, sizeof(s.drawn), "%s, n = %zu, m = %zu, seed %llu",
             opu_media[options->medium]->name, n, m, (unsigned long long)seed);
    int status = opu_measured_init(&s.measured, acceptance->context, options, seed, n, m);
    if (status == OPU_OK) {
        status = opu_measured_init(&s.crossed, acceptance->context, options, ~seed, n, m);
    }
    if (status == OPU_OK) {
        status = all_of(&s);
    }
    opu_measured_fini(&s.crossed);
    opu_measured_fini(&s.measured);
    return status;
}

int opu_accept_statistics(struct opu_acceptance *acceptance)
{
    struct opu_sim_options options = *acceptance->options;
    options.tau_s = 0.0;
    opu_accept_begin(acceptance, "statistics");
    ACCEPT_TRY(opu_accept_entries(acceptance, &options));
    for (int k = 0; k < CASES; ++k) {
        ACCEPT_TRY(one_case(acceptance, &options));
    }
    return opu_accept_speckle(acceptance, &options);
}
