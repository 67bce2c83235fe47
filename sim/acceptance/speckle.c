/* SPDX-License-Identifier: MIT */
/*
 * Acceptance tests of speckle with resolved grains, in pictures of sim/region.h: the grain's shape
 * (T4) and what pixels average over it (T3).
 *
 *   autocovariance of I over <I>^2:  |mu(r)|^2 = |2 J1(s) / s|^2,  s = 2 pi f_c r
 *   contrast of pixels of a x a points:  C^2 = 1 / M = sum over u, v of (a - |u|)(a - |v|)
 *                                              |mu(u, v)|^2 / a^4
 *
 * with f_c = 1.0290 / (2 grain) the pupil's edge. The second is the integral of Goodman's M, summed
 * over points. Pixels share the light of a picture of `grains` = area pi f_c^2 coherence areas.
 */
#include "sim/acceptance/statistics.h"

#include "core/base/mem.h"
#include "sim/region.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PI 3.14159265358979323846
#define CASES 3
#define SIDE 192
#define PATTERNS 8
#define INPUTS_EACH 4
#define INPUTS (PATTERNS * INPUTS_EACH)
#define LAGS 24

struct speckle {
    struct opu_acceptance *acceptance;
    double grain, cut_off;
    double grains; /* of all pictures together */
    size_t pixel;  /* side of a large pixel, in points */
    double *power; /* [PATTERNS][SIDE][SIDE], mean 1 each */
    char drawn[160];
};

/* J1(x) = 1/pi of the integral of cos(t - x sin t) over 0..pi; the trapezoid rule is exact for
 * these x to rounding. */
static double bessel_j1(double x)
{
    enum { STEPS = 128 };
    double sum = 0.5 * (1.0 + cos(PI));
    for (int k = 1; k < STEPS; ++k) {
        double const t = PI * (double)k / STEPS;
        sum += cos(t - x * sin(t));
    }
    return sum / STEPS;
}

static double coherence(const struct speckle *s, double r)
{
    double const x = 2.0 * PI * s->cut_off * r;
    double const mu = x < 1e-6 ? 1.0 : 2.0 * bessel_j1(x) / x;
    return mu * mu;
}

static int grain_shape(struct speckle *s)
{
    double x[LAGS];
    double seen[LAGS];
    double wanted[LAGS];
    double worst = 0.0;
    for (size_t lag = 0; lag < LAGS; ++lag) {
        double sum = 0.0;
        size_t n = 0;
        for (size_t p = 0; p < PATTERNS; ++p) {
            const double *const picture = s->power + p * SIDE * SIDE;
            for (size_t a = 0; a < SIDE; ++a) {
                for (size_t b = 0; b + lag < SIDE; ++b, n += 2) {
                    sum += (picture[a * SIDE + b] - 1.0) * (picture[a * SIDE + b + lag] - 1.0);
                    sum += (picture[b * SIDE + a] - 1.0) * (picture[(b + lag) * SIDE + a] - 1.0);
                }
            }
        }
        x[lag] = (double)lag;
        seen[lag] = sum / (double)n;
        wanted[lag] = coherence(s, (double)lag);
        worst = fmax(worst, fabs(seen[lag] - wanted[lag]));
    }
    struct opu_check_curve const curve = {.title = "speckle grain",
                                          .x_label = "distance, pixels",
                                          .y_label = "autocovariance of I over <I>^2",
                                          .n = LAGS,
                                          .x = x,
                                          .measured = seen,
                                          .expected = wanted};
    /* the contrast's spread, 1 / sqrt(grains), doubled for its square; correlated points count for
     * more than one grain in the square's average, by half at least */
    return opu_accept(
        s->acceptance,
        (struct opu_check_row){.test = "T4",
                               .name = "grain: largest deviation of the autocovariance",
                               .formula = "|2 J1(s) / s|^2, s = 2 pi f_c r (Goodman, Speckle, 5)",
                               .drawn = s->drawn,
                               .value = worst,
                               .low = 0.0,
                               .high = ACCEPT_SIGMAS * sqrt(2.0 / s->grains),
                               .samples = s->grains,
                               .curve = &curve});
}

static double averaged_contrast(const struct speckle *s)
{
    double const a = (double)s->pixel;
    ptrdiff_t const most = (ptrdiff_t)s->pixel - 1;
    double sum = 0.0;
    for (ptrdiff_t y = -most; y <= most; ++y) {
        for (ptrdiff_t x = -most; x <= most; ++x) {
            double const u = (double)x, v = (double)y;
            sum += (a - fabs(u)) * (a - fabs(v)) * coherence(s, hypot(u, v));
        }
    }
    return sqrt(sum) / (a * a);
}

static double light_of_pixel(const struct speckle *s, size_t picture, size_t x, size_t y)
{
    const double *const corner = s->power + (picture * SIDE + y * s->pixel) * SIDE + x * s->pixel;
    double sum = 0.0;
    for (size_t v = 0; v < s->pixel; ++v) {
        for (size_t u = 0; u < s->pixel; ++u) {
            sum += corner[v * SIDE + u];
        }
    }
    return sum / (double)(s->pixel * s->pixel);
}

/* The estimate of C has the relative spread 1 / sqrt(samples) at most, that of full contrast. */
static int pixel_average(struct speckle *s)
{
    size_t const side = SIDE / s->pixel;
    double squares = 0.0;
    for (size_t p = 0; p < PATTERNS; ++p) {
        for (size_t k = 0; k < side * side; ++k) {
            double const light = light_of_pixel(s, p, k % side, k / side);
            squares += (light - 1.0) * (light - 1.0);
        }
    }
    double const pixels = (double)(side * side * PATTERNS);
    double const wanted = averaged_contrast(s);
    double const samples = fmin(pixels, s->grains);
    double const bar = ACCEPT_SIGMAS / sqrt(samples);
    return opu_accept(
        s->acceptance,
        (struct opu_check_row){
            .test = "T3",
            .name = "contrast of large pixels over its formula",
            .formula = "C^2 = sum (a - |u|)(a - |v|) |mu(u, v)|^2 / a^4 (Goodman, Speckle, 4)",
            .drawn = s->drawn,
            .value = sqrt(squares / pixels) / wanted,
            .low = 1.0 - bar,
            .high = 1.0 + bar,
            .samples = samples});
}

/* Position of output i's real part in blocks of 64 re, 64 im. */
static size_t block_offset(size_t i)
{
    return i / OPU_BLOCK_PIXELS * OPU_BLOCK_FLOATS + i % OPU_BLOCK_PIXELS;
}

static size_t block_floats(size_t n)
{
    return (n + OPU_BLOCK_PIXELS - 1) / OPU_BLOCK_PIXELS * OPU_BLOCK_FLOATS;
}

/* Sums of INPUTS_EACH columns, through the lens; the ensemble's mean intensity is the number of
 * columns times <|H|^2>. */
static void take_pictures(struct speckle *s, const struct opu_measured *measured,
                          struct opu_sim_region *region, float *modes, float *field)
{
    double mean = 0.0;
    for (size_t p = 0; p < PATTERNS; ++p) {
        double *const picture = s->power + p * SIDE * SIDE;
        for (size_t i = 0; i < measured->m; ++i) {
            float re = 0.0f;
            float im = 0.0f;
            for (size_t k = 0; k < INPUTS_EACH; ++k) {
                const float *const h = measured->h + ((p + k * PATTERNS) * measured->m + i) * 2;
                re += h[0];
                im += h[1];
            }
            modes[block_offset(i)] = re;
            modes[block_offset(i) + OPU_BLOCK_PIXELS] = im;
        }
        opu_sim_region_field(region, modes, false, field);
        for (size_t i = 0; i < (size_t)SIDE * SIDE; ++i) {
            double const re = (double)field[block_offset(i)];
            double const im = (double)field[block_offset(i) + OPU_BLOCK_PIXELS];
            picture[i] = re * re + im * im;
            mean += picture[i] / (double)(PATTERNS * SIDE * SIDE);
        }
    }
    for (size_t i = 0; i < (size_t)PATTERNS * SIDE * SIDE; ++i) {
        s->power[i] /= mean;
    }
}

static int pictures(struct speckle *s, const struct opu_measured *measured,
                    struct opu_sim_region *region)
{
    struct opu_context *const context = s->acceptance->context;
    size_t const points = (size_t)SIDE * SIDE;
    float *const modes =
        opu_calloc(context, block_floats(measured->m) + block_floats(points), sizeof(*modes));
    s->power = opu_calloc(context, PATTERNS * points, sizeof(*s->power));
    int status = OPU_E_NO_MEMORY;
    if (modes != NULL && s->power != NULL) {
        take_pictures(s, measured, region, modes, modes + block_floats(measured->m));
        status = grain_shape(s);
        status = status == OPU_OK ? pixel_average(s) : status;
    }
    opu_context_free(context, s->power);
    opu_context_free(context, modes);
    return status;
}

static int one_case(struct opu_acceptance *acceptance, const struct opu_sim_options *options)
{
    struct speckle s = {.acceptance = acceptance,
                        .grain = opu_accept_draw(acceptance, 4.0, 8.0),
                        .pixel = opu_accept_draw_size(acceptance, 3, 12)};
    uint64_t const seed = opu_accept_draw_seed(acceptance);
    struct opu_region const setup = {
        .width = SIDE, .height = SIDE, .stride = 1, .binning = 1, .pixels_per_grain = s.grain};
    s.cut_off = 1.0290 / (2.0 * s.grain);
    s.grains = PATTERNS * (double)(SIDE * SIDE) * PI * s.cut_off * s.cut_off;
    struct opu_sim_region *region;
    size_t modes;
    ACCEPT_TRY(opu_sim_region_create(&region, &modes, acceptance->context, &setup, false));
    snprintf(s.drawn, sizeof(s.drawn), "%s, grain %.2f px, pixels of %zu, %zu modes",
             opu_media[options->medium]->name, s.grain, s.pixel, modes);
    struct opu_measured measured = {.context = NULL};
    int status = opu_measured_init(&measured, acceptance->context, options, seed, INPUTS, modes);
    if (status == OPU_OK) {
        status = pictures(&s, &measured, region);
    }
    opu_measured_fini(&measured);
    opu_sim_region_destroy(region);
    return status;
}

int opu_accept_speckle(struct opu_acceptance *acceptance, const struct opu_sim_options *options)
{
    struct opu_sim_options free_grid = *options;
    free_grid.grid = 0; /* as large as the pupil's modes ask for */
    for (int k = 0; k < CASES; ++k) {
        ACCEPT_TRY(one_case(acceptance, &free_grid));
    }
    return OPU_OK;
}
