/* SPDX-License-Identifier: MIT */
/*
 * Photon transfer (EMVA 1288, release 4.0, sec. 2.2): electrons are Poisson, so that over repeated
 * frames a pixel's variance grows with its mean,
 *
 *   variance = K^2 sd^2 + 1/12 + K (mean - dark),   K = counts per electron,
 *
 * with sd the read noise and 1/12 the converter's rounding. K follows from the device's facts: full
 * scale less black level, over the full well. Speckle gives every mean at once; a laser whose power
 * flickers moves a whole frame, so frames are first brought to one mean.
 */
#include "tools/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 32, PIXELS = 8192, EXPOSURES = 6, BINS = 16 };

#define TOP 0.7 /* of full scale: brighter pixels would be clipped now and then */

struct transfer {
    double n[BINS], mean[BINS], variance[BINS]; /* sums over pixels and exposures, by mean */
    double step_e;                              /* electrons a count */
};

/* Removes what a whole frame has in common: laser power. Dark frames stay as they are. */
static void level(struct check_shot *shot, double dark, double *scale)
{
    size_t const m = shot->n_pixels, n = shot->n_frames;
    double const all = check_shot_mean(shot) - dark;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < m; k++) {
            sum += (double)shot->counts[i * m + k];
        }
        scale[i] = all / (sum / (double)m - dark);
    }
    for (size_t k = 0; k < m; k++) {
        double mean = 0.0, square = 0.0;
        for (size_t i = 0; i < n; i++) {
            mean += ((double)shot->counts[i * m + k] - dark) * scale[i] / (double)n;
        }
        for (size_t i = 0; i < n; i++) {
            double const off = ((double)shot->counts[i * m + k] - dark) * scale[i] - mean;
            square += off * off;
        }
        shot->mean[k] = (float)mean;
        shot->variance[k] = (float)(square / (double)(n - 1));
    }
}

static void sort_in(struct transfer *transfer, const struct check_shot *shot)
{
    double const width = TOP * shot->full / BINS;
    for (size_t k = 0; k < shot->n_pixels; k++) {
        double const mean = (double)shot->mean[k];
        double const bin = fmax(mean, 0.0) / width;
        if (bin < BINS) {
            size_t const b = (size_t)bin;
            transfer->n[b] += 1.0;
            transfer->mean[b] += mean;
            transfer->variance[b] += (double)shot->variance[k];
        }
    }
}

/* A straight line through the bins, weighted by how well each variance is known. */
struct line {
    double slope, slope_error, intercept;
};

static struct line fit(const struct transfer *transfer)
{
    double s = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0;
    for (size_t b = 0; b < BINS; b++) {
        if (transfer->n[b] > 0.0) {
            double const x = transfer->mean[b] / transfer->n[b];
            double const y = transfer->variance[b] / transfer->n[b];
            /* Var of a variance over FRAMES is 2 y^2 / (FRAMES - 1) for a Gaussian. */
            double const w = transfer->n[b] * (FRAMES - 1) / (2.0 * y * y + 1e-12);
            s += w;
            sx += w * x;
            sy += w * y;
            sxx += w * x * x;
            sxy += w * x * y;
        }
    }
    double const det = s * sxx - sx * sx;
    double const slope = (s * sxy - sx * sy) / det;
    return (struct line){slope, sqrt(s / det), (sy - slope * sx) / s};
}

static void judge(struct check *check, const struct transfer *transfer, double dark_variance)
{
    const struct opu_caps *const caps = opu_device_caps(check->device);
    struct line const line = fit(transfer);
    double const gain = caps->full_well_e > 0.0 ? 1.0 / transfer->step_e : line.slope;
    /* In electrons, where they are known, the line is variance = mean. */
    double const step = caps->full_well_e > 0.0 ? transfer->step_e : 1.0;
    double x[BINS], seen[BINS], wanted[BINS], samples = 0.0;
    size_t n = 0;
    for (size_t b = 0; b < BINS; b++) {
        if (transfer->n[b] > 0.0) {
            double const mean = transfer->mean[b] / transfer->n[b];
            x[n] = 1e-3 * step * mean;
            seen[n] = 1e-3 * step * step * transfer->variance[b] / transfer->n[b];
            wanted[n] = 1e-3 * step * step * (dark_variance + gain * mean);
            n++;
            samples += transfer->n[b] * (FRAMES - 1);
        }
    }
    bool const electrons = caps->full_well_e > 0.0;
    struct opu_check_curve const curve = {
        .title = "Photon transfer",
        .x_label = electrons ? "mean above dark (1000 e-)" : "mean above dark (1000 counts)",
        .y_label = electrons ? "variance over frames (1000 e-^2)" : "variance (1000 counts^2)",
        .n = n,
        .x = x,
        .measured = seen,
        .expected = wanted};
    bool const known = electrons && caps->shot_noise;
    double const bar = fmax(0.01, 4.0 * line.slope_error / line.slope);
    char why[96];
    snprintf(why, sizeof why, "%.5g counts an electron; sampling %.2g %%", gain,
             100.0 * line.slope_error / line.slope);
    check_take(check,
               &(struct opu_check_row){
                   .name = "photon transfer: gain",
                   .formula = "variance = K^2 sd^2 + 1/12 + K (mean - dark); slope over the K of "
                              "the full well is 1 (EMVA 1288, sec. 2.2)",
                   .value = line.slope / gain,
                   .low = known ? 1.0 - bar : -(double)INFINITY,
                   .high = known ? 1.0 + bar : (double)INFINITY,
                   .samples = samples,
                   .curve = &curve},
               false, known ? why : "no full well or no photon noise is stated");
    struct check_curve *const drawn = check_latest_curve(check);
    if (drawn != NULL) {
        drawn->shape = CHECK_POINTS;
    }
}

/* Noise without light, in electrons. */
static void judge_dark(struct check *check, double step, double dark_variance, double samples)
{
    const struct opu_caps *const caps = opu_device_caps(check->device);
    double const expected = sqrt(caps->read_noise_e * caps->read_noise_e + step * step / 12.0);
    /* Rounding is uniform only where noise spans it: below half a count nothing is told. */
    bool const fair = caps->read_noise_e > 0.5 * step;
    double const bar = expected * (0.01 + 4.0 / sqrt(2.0 * samples));
    check_take(
        check,
        &(struct opu_check_row){.name = "dark noise",
                                .formula = "sqrt(read noise^2 + step^2 / 12) (EMVA 1288, sec. 2.4)",
                                .value = sqrt(dark_variance) * step,
                                .unit = "e-",
                                .low = fair ? expected - bar : -(double)INFINITY,
                                .high = fair ? expected + bar : (double)INFINITY,
                                .samples = samples},
        false, fair ? "1 %, 4 deviations" : "less than half a count");
}

static double mean_variance(const struct check_shot *shot)
{
    double sum = 0.0;
    for (size_t k = 0; k < shot->n_pixels; k++) {
        sum += (double)shot->variance[k];
    }
    return sum / (double)shot->n_pixels;
}

static int measure(struct check_shot *shot, struct transfer *transfer)
{
    const struct opu_caps *const caps = opu_device_caps(shot->check->device);
    double scale[FRAMES];
    check_shot_pattern(shot, true);
    int status = check_shot_expose(shot, 0.3);
    double const longest = shot->exposure_us;
    check_shot_pattern(shot, false);
    shot->exposure_us = caps->min_exposure_us > 0.0 ? caps->min_exposure_us : 0.01 * longest;
    status = status == OPU_OK ? check_shot_take(shot) : status;
    if (status < 0) {
        return status;
    }
    double const dark = check_shot_mean(shot), dark_variance = mean_variance(shot);
    transfer->step_e = caps->full_well_e / (shot->full * (1.0 - caps->black_level));
    for (int e = 0; status == OPU_OK && e < EXPOSURES; e++) {
        check_shot_pattern(shot, true);
        shot->exposure_us = fmax(longest * (double)(e + 1) / EXPOSURES, caps->min_exposure_us);
        status = check_shot_take(shot);
        if (status == OPU_OK) {
            level(shot, dark, scale);
            sort_in(transfer, shot);
        }
    }
    if (status == OPU_OK) {
        judge(shot->check, transfer, dark_variance);
        if (caps->full_well_e > 0.0) {
            judge_dark(shot->check, transfer->step_e, dark_variance,
                       (double)shot->n_pixels * (FRAMES - 1));
        }
    }
    return status;
}

int check_transfer(struct check *check)
{
    struct check_shot shot;
    struct transfer transfer = {.step_e = 0.0};
    int status = check_shot_create(&shot, check, FRAMES, PIXELS, NULL);
    status = status == OPU_OK ? measure(&shot, &transfer) : status;
    if (status == OPU_E_UNSUPPORTED) {
        check_add(check, "photon transfer", (double)NAN, "", CHECK_NONE, "%s", opu_error_message());
        status = OPU_OK;
    }
    check_shot_destroy(&shot);
    return status;
}
