/* SPDX-License-Identifier: MIT */
/*
 * The grain of speckle, from pictures of a region. Behind a circular pupil the intensity's
 * autocorrelation is |2 J1(s) / s|^2 with s = pi D r / (lambda f) (Goodman, Speckle Phenomena in
 * Optics, sec. 5.2; Wiener-Khinchin), so its half maximum lies at s = 1.61634; pixels_per_grain is
 * the full width there. Two frames of each pattern are multiplied: their noise is independent and
 * drops out.
 *
 * Behind a real medium the mean intensity is not even over the picture: patterns of mirrors that
 * are on or off have a mean, which scatters about where it came from. Such an envelope would
 * correlate with itself over any distance. Each picture is first divided by it: by the mean over
 * all patterns, smoothed over windows of WINDOW pixels. Grains, too, are part of that mean: half of
 * the light comes from the mean pattern and is the same in all. That takes off (1/4 + 3/4 /
 * PATTERNS) of a grain's area, 19 pixels, over a window's: 0.0024.
 */
#include "tools/check.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 256, POINTS = SIDE * SIDE, PATTERNS = 16, LAGS = 17, WINDOW = 49 };

#define GRAIN 4.0         /* pixels */
#define HALF_AT 1.616340  /* (2 J1(s) / s)^2 = 1/2 */
#define PIXEL_WIDENS 0.03 /* a camera whose pixels average over their own width */

static double airy(double r)
{
    double const s = 2.0 * HALF_AT * r / GRAIN;
    /* J1 by its integral, so that plain C11 will do: (1/pi) int_0^pi cos(t - s sin t) dt. The
     * trapezium rule is exact to rounding for a periodic integrand. */
    enum { STEPS = 64 };
    double sum = 0.0;
    for (int i = 0; i < STEPS; i++) {
        double const t = 6.283185307179586 * ((double)i + 0.5) / STEPS;
        sum += cos(t - s * sin(t)) / STEPS;
    }
    double const half = s > 1e-6 ? 2.0 * sum / s : 1.0;
    return half * half;
}

/* Two frames of every pattern, and the envelope they are divided by. */
struct pictures {
    float frames[2 * PATTERNS][POINTS];
    double envelope[POINTS], half[POINTS];
};

/* Running means over WINDOW of n values `step` apart; the window stays within. */
static void smooth(const double *from, size_t n, size_t step, double *to)
{
    for (size_t i = 0; i < n; i++) {
        size_t const first = i > WINDOW / 2 ? i - WINDOW / 2 : 0;
        size_t const last = i + WINDOW / 2 < n ? i + WINDOW / 2 : n - 1;
        double sum = 0.0;
        for (size_t k = first; k <= last; k++) {
            sum += from[k * step];
        }
        to[i * step] = sum / (double)(last - first + 1);
    }
}

static void flatten(struct pictures *pictures)
{
    double *const envelope = pictures->envelope;
    memset(envelope, 0, sizeof pictures->envelope);
    for (size_t f = 0; f < 2 * PATTERNS; f++) {
        for (size_t i = 0; i < POINTS; i++) {
            envelope[i] += (double)pictures->frames[f][i] / (2 * PATTERNS);
        }
    }
    for (size_t y = 0; y < SIDE; y++) {
        smooth(envelope + y * SIDE, SIDE, 1, pictures->half + y * SIDE);
    }
    for (size_t x = 0; x < SIDE; x++) {
        smooth(pictures->half + x, SIDE, SIDE, envelope + x);
    }
    for (size_t f = 0; f < 2 * PATTERNS; f++) {
        for (size_t i = 0; i < POINTS; i++) {
            pictures->frames[f][i] /= (float)envelope[i];
        }
    }
}

/* Covariance of frame 0 at r with frame 1 at r + lag, along rows and columns; seen[0] becomes 1. */
static void correlate(const float *a, const float *b, double seen[LAGS])
{
    double mean_a = 0.0, mean_b = 0.0;
    for (size_t i = 0; i < POINTS; i++) {
        mean_a += (double)a[i] / POINTS;
        mean_b += (double)b[i] / POINTS;
    }
    for (size_t lag = 0; lag < LAGS; lag++) {
        double sum = 0.0;
        for (size_t y = 0; y < SIDE; y++) {
            for (size_t x = 0; x + lag < SIDE; x++) {
                sum +=
                    ((double)a[y * SIDE + x] - mean_a) * ((double)b[y * SIDE + x + lag] - mean_b);
                sum +=
                    ((double)a[x * SIDE + y] - mean_a) * ((double)b[(x + lag) * SIDE + y] - mean_b);
            }
        }
        seen[lag] = sum / (2.0 * SIDE * (double)(SIDE - lag));
    }
    for (size_t lag = LAGS; lag-- > 0;) {
        seen[lag] /= seen[0];
    }
}

/* Full width at half maximum, by a straight line between the lags on both sides. */
static double width_of(const double seen[LAGS])
{
    for (size_t lag = 1; lag < LAGS; lag++) {
        if (seen[lag] < 0.5) {
            double const share = (seen[lag - 1] - 0.5) / (seen[lag - 1] - seen[lag]);
            return 2.0 * ((double)(lag - 1) + share);
        }
    }
    return (double)NAN;
}

struct grain {
    double width, width_error;      /* pixels, and the deviation of this mean */
    double seen[LAGS], error[LAGS]; /* autocorrelation, and the deviation of this mean */
};

/* All pictures, less what is dark. */
static int take(struct check_shot *shot, struct pictures *pictures)
{
    for (size_t p = 0; p < PATTERNS; p++) {
        check_shot_pattern(shot, true);
        int const status = p == 0 ? check_shot_expose(shot, 0.1) : check_shot_take(shot);
        if (status < 0) {
            return status;
        }
        assert(shot->counts != NULL && pictures->frames != NULL);
        for (size_t i = 0; i < POINTS; i++) {
            pictures->frames[2 * p][i] = (float)shot->counts[i];
            pictures->frames[2 * p + 1][i] = (float)shot->counts[POINTS + i];
        }
    }
    check_shot_pattern(shot, false);
    shot->exposure_us = opu_device_caps(shot->check->device)->min_exposure_us;
    int const status = check_shot_take(shot);
    float const dark = (float)check_shot_mean(shot);
    for (size_t f = 0; f < 2 * PATTERNS; f++) {
        for (size_t i = 0; i < POINTS; i++) {
            pictures->frames[f][i] -= dark;
        }
    }
    return status;
}

static void measure(struct pictures *pictures, struct grain *grain)
{
    double sum[LAGS] = {0.0}, square[LAGS] = {0.0}, width = 0.0, width2 = 0.0;
    flatten(pictures);
    for (size_t p = 0; p < PATTERNS; p++) {
        double seen[LAGS];
        correlate(pictures->frames[2 * p], pictures->frames[2 * p + 1], seen);
        for (size_t lag = 0; lag < LAGS; lag++) {
            sum[lag] += seen[lag] / PATTERNS;
            square[lag] += seen[lag] * seen[lag] / PATTERNS;
        }
        double const one = width_of(seen);
        width += one / PATTERNS;
        width2 += one * one / PATTERNS;
    }
    grain->width = width;
    grain->width_error = sqrt(fmax(width2 - width * width, 0.0) / (PATTERNS - 1));
    for (size_t lag = 0; lag < LAGS; lag++) {
        grain->seen[lag] = sum[lag];
        grain->error[lag] = sqrt(fmax(square[lag] - sum[lag] * sum[lag], 0.0) / (PATTERNS - 1));
    }
}

static void judge(struct check *check, const struct grain *grain)
{
    static const char formula[] = "|2 J1(s) / s|^2, s = 3.2327 r / grain: circular pupil (Goodman, "
                                  "sec. 5.2)";
    double const samples = PATTERNS * (SIDE / GRAIN) * (SIDE / GRAIN);
    double x[LAGS], wanted[LAGS], worst = 0.0, error = 0.0;
    for (size_t lag = 0; lag < LAGS; lag++) {
        x[lag] = (double)lag;
        wanted[lag] = airy(x[lag]);
        double const off = fabs(grain->seen[lag] - wanted[lag]);
        worst = fmax(worst, off);
        error = fmax(error, grain->error[lag]);
    }
    struct opu_check_curve const curve = {.title = "Autocorrelation of speckle",
                                          .x_label = "distance (pixels)",
                                          .y_label = "correlation of intensities",
                                          .n = LAGS,
                                          .x = x,
                                          .measured = grain->seen,
                                          .expected = wanted};
    double const bar = PIXEL_WIDENS * GRAIN + 4.0 * grain->width_error;
    check_take(check,
               &(struct opu_check_row){.name = "grain, full width at half maximum",
                                       .formula = formula,
                                       .value = grain->width,
                                       .unit = "px",
                                       .low = GRAIN - bar,
                                       .high = GRAIN + bar,
                                       .samples = samples},
               false, "3 %, 4 deviations; picture over its smoothed mean of 16 patterns");
    check_take(check,
               &(struct opu_check_row){.name = "autocorrelation off Airy's formula",
                                       .formula = formula,
                                       .value = worst,
                                       .low = -(double)INFINITY,
                                       .high = PIXEL_WIDENS + 4.0 * error,
                                       .samples = samples,
                                       .curve = &curve},
               false, "3 %, 4 deviations; 17 lags; pictures as above");
}

int check_grain(struct check *check)
{
    if ((opu_device_caps(check->device)->flags & OPU_CAP_REGION) == 0) {
        check_add(check, "grain", (double)NAN, "", CHECK_NONE, "the camera reads no region");
        return OPU_OK;
    }
    struct opu_region const region = {
        .width = SIDE, .height = SIDE, .stride = 1, .binning = 1, .pixels_per_grain = GRAIN};
    struct check_shot shot;
    struct grain grain;
    struct pictures *const pictures = malloc(sizeof *pictures);
    int status = check_shot_create(&shot, check, 2, (size_t)SIDE * SIDE, &region);
    if (status == OPU_OK && pictures == NULL) {
        status = opu_fail(OPU_E_NO_MEMORY, "no memory for the autocorrelation");
    }
    status = status == OPU_OK ? take(&shot, pictures) : status;
    if (status == OPU_OK) {
        measure(pictures, &grain);
        judge(check, &grain);
    } else if (status == OPU_E_UNSUPPORTED) {
        check_add(check, "grain", (double)NAN, "", CHECK_NONE, "%s", opu_error_message());
        status = OPU_OK;
    }
    check_shot_destroy(&shot);
    free(pictures);
    return status;
}
