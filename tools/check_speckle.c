/* SPDX-License-Identifier: MIT */
/*
 * The statistics of speckle at sparse pixels. Fully developed, polarised speckle has an exponential
 * intensity, exp(-I / I0) / I0, whose standard deviation is its mean (Goodman, Speckle Phenomena in
 * Optics, sec. 3.2).
 */
#include "tools/check.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 16, PIXELS = 16384, BINS = 32 };

#define WIDEST 8.0 /* of the histogram, in mean intensities */

static int ascending(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance between the distribution of n sorted intensities of mean 1 and 1 - exp(-I). */
static double kolmogorov(const double *sorted, size_t n)
{
    double worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        double const wanted = sorted[i] > 0.0 ? 1.0 - exp(-sorted[i]) : 0.0;
        worst = fmax(worst, fmax(fabs(wanted - (double)i / (double)n),
                                 fabs(wanted - (double)(i + 1) / (double)n)));
    }
    return worst;
}

/* Density in bins; an empty one is told as NaN, as its logarithm can't be drawn. */
static void histogram(double x[BINS], double seen[BINS], double wanted[BINS], const double *values,
                      size_t n)
{
    double const width = WIDEST / BINS;
    for (size_t b = 0; b < BINS; b++) {
        x[b] = ((double)b + 0.5) * width;
        seen[b] = 0.0;
        wanted[b] = exp(-x[b]) * sinh(0.5 * width) / (0.5 * width); /* the bin's mean */
    }
    for (size_t i = 0; i < n; i++) {
        double const bin = fmax(values[i], 0.0) / width;
        if (bin < BINS) {
            seen[(size_t)bin] += 1.0 / ((double)n * width);
        }
    }
    for (size_t b = 0; b < BINS; b++) {
        seen[b] = seen[b] > 0.0 ? seen[b] : (double)NAN;
    }
}

static void judge_contrast(struct check *check, const double *values, size_t n, double noise)
{
    double square = 0.0;
    for (size_t i = 0; i < n; i++) {
        square += (values[i] - 1.0) * (values[i] - 1.0);
    }
    double const contrast = sqrt(fmax(square / (double)n - noise, 0.0));
    double const bar = 4.0 / sqrt((double)n);
    char why[64];
    snprintf(why, sizeof why, "%zu pixels, 4 deviations", n);
    check_take(check,
               &(struct opu_check_row){
                   .name = "speckle contrast",
                   .formula = "C = standard deviation / mean = 1; relative deviation of C is "
                              "1 / sqrt(pixels) (Goodman, sec. 3.2)",
                   .value = contrast,
                   .low = 1.0 - bar,
                   .high = 1.0 + bar,
                   .samples = (double)n},
               false, why);
}

static void judge_density(struct check *check, double *values, size_t n, double step)
{
    double x[BINS], seen[BINS], wanted[BINS];
    assert(values != NULL);
    qsort(values, n, sizeof *values, ascending);
    histogram(x, seen, wanted, values, n);
    struct opu_check_curve const curve = {.title = "Intensity of speckle against exp(-I / I0)",
                                          .x_label = "intensity / mean",
                                          .y_label = "probability density",
                                          .n = BINS,
                                          .x = x,
                                          .measured = seen,
                                          .expected = wanted};
    /* Kolmogorov's distribution: above 1.95 / sqrt n once in a thousand. */
    double const bar = 1.95 / sqrt((double)n) + 0.5 * step;
    char why[96];
    snprintf(why, sizeof why, "Kolmogorov-Smirnov, p = 1e-3, %zu pixels%s", n,
             step > 0.002 ? ", half a count" : "");
    check_take(check,
               &(struct opu_check_row){.name = "distance from exp(-I/I0)",
                                       .formula = "P(I) = 1 - exp(-I / I0): fully developed, "
                                                  "polarised speckle (Goodman, sec. 3.2)",
                                       .value = kolmogorov(values, n),
                                       .low = -(double)INFINITY,
                                       .high = bar,
                                       .samples = (double)n,
                                       .curve = &curve},
               false, why);
    struct check_curve *const drawn = check_latest_curve(check);
    if (drawn != NULL) {
        drawn->shape = CHECK_HISTOGRAM;
        drawn->log_y = true;
    }
}

/* Means over the frames, the dark level of each pixel taken off, in units of their own mean. */
static int measure(struct check_shot *shot, double *values)
{
    size_t const n = shot->n_pixels;
    /* Mean at a tenth of full scale: e^-10 of the pixels would be brighter than the scale. */
    check_shot_pattern(shot, true);
    int status = check_shot_expose(shot, 0.1);
    if (status < 0) {
        return status;
    }
    double noise = 0.0, mean = 0.0;
    assert(values != NULL);
    for (size_t k = 0; k < n; k++) {
        values[k] = (double)shot->mean[k];
        noise += (double)shot->variance[k] / FRAMES / (double)n;
    }
    check_shot_pattern(shot, false);
    status = check_shot_take(shot);
    if (status < 0) {
        return status;
    }
    for (size_t k = 0; k < n; k++) {
        noise += (double)shot->variance[k] / FRAMES / (double)n;
        values[k] -= (double)shot->mean[k];
        mean += values[k] / (double)n;
    }
    for (size_t k = 0; k < n; k++) {
        values[k] /= mean;
    }
    judge_contrast(shot->check, values, n, noise / (mean * mean));
    judge_density(shot->check, values, n, 1.0 / mean);
    return OPU_OK;
}

int check_speckle(struct check *check)
{
    struct check_shot shot;
    int status = check_shot_create(&shot, check, FRAMES, PIXELS, NULL);
    double *const values = malloc((shot.n_pixels + 1) * sizeof *values);
    if (status == OPU_OK && values == NULL) {
        status = opu_fail(OPU_E_NO_MEMORY, "no memory for %zu pixels", shot.n_pixels);
    }
    status = status == OPU_OK ? measure(&shot, values) : status;
    if (status == OPU_E_UNSUPPORTED) {
        check_add(check, "speckle contrast", (double)NAN, "", CHECK_NONE, "%s",
                  opu_error_message());
        status = OPU_OK;
    }
    free(values);
    check_shot_destroy(&shot);
    return status;
}
