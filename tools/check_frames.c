/* SPDX-License-Identifier: MIT */
/*
 * Acceptance through the frame calls: the contrast of speckle. Fully developed, polarised speckle
 * has an exponential intensity, whose standard deviation is its mean (Goodman, Speckle Phenomena in
 * Optics).
 */
#include "tools/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 16, PIXELS = 8192 };

struct speckle {
    struct check *check;
    size_t n_pixels, n_bytes;
    uint32_t bits;
    uint8_t *pattern;      /* [FRAMES][n_bytes] */
    void *counts;          /* [FRAMES][n_pixels] */
    double mean, variance; /* over pixels, of the mean over frames; noise taken off */
};

static double count_at(const struct speckle *speckle, size_t i)
{
    return speckle->bits == 8 ? (double)((const uint8_t *)speckle->counts)[i]
                              : (double)((const uint16_t *)speckle->counts)[i];
}

/* FRAMES frames of one pattern at one exposure, the reference blocked. */
static int shoot(struct speckle *speckle, double exposure_us)
{
    struct opu_device *const device = speckle->check->device;
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = speckle->check->n_in,
                                          .output_kind = OPU_OUTPUT_PIXELS,
                                          .n_pixels = speckle->n_pixels,
                                          .bits = speckle->bits,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us};
    uint64_t numbers[FRAMES], job = 0;
    uint64_t const clock = opu_device_clock(device);
    struct opu_frame_batch batch = {.size = sizeof batch,
                                    .n_frames = FRAMES,
                                    .bits = speckle->pattern,
                                    .number = numbers,
                                    .counts = speckle->counts};
    for (size_t i = 0; i < FRAMES; i++) {
        numbers[i] = clock + i;
    }
    opu_device_clock_set(device, clock + FRAMES);
    int status = opu_device_configure(device, &setup);
    status = status == OPU_OK ? opu_device_submit(device, &batch, &job) : status;
    return status == OPU_OK ? opu_device_wait(device, job, -1) : status;
}

static void measure(struct speckle *speckle)
{
    size_t const m = speckle->n_pixels;
    double sum = 0.0, square = 0.0, noise = 0.0;
    for (size_t k = 0; k < m; k++) {
        double own = 0.0, own2 = 0.0;
        for (size_t i = 0; i < FRAMES; i++) {
            double const count = count_at(speckle, i * m + k);
            own += count;
            own2 += count * count;
        }
        double const mean = own / FRAMES;
        noise += (own2 - own * mean) / (FRAMES - 1);
        sum += mean;
        square += mean * mean;
    }
    speckle->mean = sum / (double)m;
    speckle->variance =
        square / (double)m - speckle->mean * speckle->mean - noise / (double)m / FRAMES;
}

static void fill(struct speckle *speckle, bool light)
{
    memset(speckle->pattern, 0, FRAMES * speckle->n_bytes);
    for (size_t j = 0; light && j < speckle->check->n_in; j++) {
        bool const on = (check_random(speckle->check) & 1) != 0;
        for (size_t i = 0; on && i < FRAMES; i++) {
            speckle->pattern[i * speckle->n_bytes + j / 8] |= (uint8_t)(1u << j % 8);
        }
    }
}

/* A mean of a tenth of full scale: e^-10 of the pixels would be brighter than the scale. */
static int expose(struct speckle *speckle, double *exposure_us)
{
    const struct opu_caps *const caps = opu_device_caps(speckle->check->device);
    double const wanted = 0.1 * (ldexp(1.0, (int)speckle->bits) - 1.0);
    double const on = 0.5 * (double)speckle->check->n_in;
    double exposure =
        caps->signal_per_us > 0.0 ? 0.1 / (caps->signal_per_us * on) : caps->min_exposure_us;
    for (int round = 0; round < 8; round++) {
        exposure = fmin(fmax(exposure, caps->min_exposure_us),
                        caps->max_exposure_us > 0.0 ? caps->max_exposure_us : exposure);
        int const status = shoot(speckle, exposure);
        if (status < 0) {
            return status;
        }
        measure(speckle);
        if (speckle->mean > 0.7 * wanted && speckle->mean < 1.4 * wanted) {
            break;
        }
        exposure *= fmin(100.0, fmax(0.01, wanted / fmax(speckle->mean, 1e-3)));
    }
    *exposure_us = exposure;
    return OPU_OK;
}

static int contrast(struct speckle *speckle)
{
    double exposure_us = 0.0;
    fill(speckle, true);
    int status = expose(speckle, &exposure_us);
    double const mean = speckle->mean, variance = speckle->variance;
    if (status == OPU_OK) {
        fill(speckle, false);
        status = shoot(speckle, exposure_us);
    }
    if (status < 0) {
        return status;
    }
    measure(speckle);
    double const value = sqrt(fmax(variance, 0.0)) / (mean - speckle->mean);
    double const bar = 3.0 * sqrt(2.0 / (double)speckle->n_pixels);
    check_add(speckle->check, "speckle contrast", value, "",
              check_verdict_of(fabs(value - 1.0) <= bar), "1 +- %.2g (%zu pixels)", bar,
              speckle->n_pixels);
    return OPU_OK;
}

int check_speckle(struct check *check)
{
    const struct opu_caps *const caps = opu_device_caps(check->device);
    struct speckle speckle = {.check = check,
                              .n_bytes = (check->n_in + 7) / 8,
                              .n_pixels = caps->max_pixels < PIXELS ? caps->max_pixels : PIXELS,
                              .bits = caps->default_bits};
    if (caps->max_frames != 0 && caps->max_frames < FRAMES) {
        check_add(check, "speckle contrast", (double)NAN, "", CHECK_NONE, "needs %d frames a batch",
                  FRAMES);
        return OPU_OK;
    }
    speckle.pattern = malloc(FRAMES * speckle.n_bytes);
    speckle.counts = malloc(FRAMES * speckle.n_pixels * sizeof(uint16_t));
    int const status =
        speckle.pattern != NULL && speckle.counts != NULL
            ? contrast(&speckle)
            : opu_fail(OPU_E_NO_MEMORY, "no memory for %zu pixels", speckle.n_pixels);
    free(speckle.pattern);
    free(speckle.counts);
    return status;
}
