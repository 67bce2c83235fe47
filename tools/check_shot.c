/* SPDX-License-Identifier: MIT */
/* Frames of one pattern at one exposure, over and over: what speckle, grain and transfer rest on.
 */
#include "tools/check.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The finest counts: quantisation then hides least. */
static uint32_t most_bits(const struct opu_caps *caps)
{
    uint32_t most = caps->default_bits;
    for (uint32_t bits = 1; bits <= 16; bits++) {
        most = (caps->adc_bits >> bits & 1u) != 0 && bits > most ? bits : most;
    }
    return most;
}

static int create(struct check_shot *shot, struct check *check, size_t n_inputs, size_t n_frames,
                  size_t n_pixels, const struct opu_region *region)
{
    const struct opu_caps *const caps = opu_device_caps(check->device);
    *shot = (struct check_shot){
        .check = check,
        .n_frames = n_frames,
        .n_bytes = (n_inputs + 7) / 8,
        .n_pixels = n_pixels < caps->max_pixels || region != NULL ? n_pixels : caps->max_pixels};
    shot->setup = (struct opu_frame_setup){
        .size = sizeof shot->setup,
        .n_inputs = n_inputs,
        .output_kind = region != NULL ? OPU_OUTPUT_REGION : OPU_OUTPUT_PIXELS,
        .n_pixels = region != NULL ? 0 : shot->n_pixels,
        .region = region != NULL ? *region : (struct opu_region){.width = 0},
        .bits = check->bits != 0 ? check->bits : most_bits(caps),
        .n_exposures = 1,
    };
    shot->full = ldexp(1.0, (int)shot->setup.bits) - 1.0;
    if (caps->max_frames != 0 && caps->max_frames < n_frames) {
        return opu_fail(OPU_E_UNSUPPORTED, "a batch has %zu frames, wanted %zu", caps->max_frames,
                        n_frames);
    }
    shot->pattern = calloc(n_frames, shot->n_bytes);
    shot->numbers = calloc(n_frames, sizeof *shot->numbers);
    shot->counts = calloc(n_frames * shot->n_pixels, sizeof *shot->counts);
    shot->mean = calloc(shot->n_pixels, sizeof *shot->mean);
    shot->variance = calloc(shot->n_pixels, sizeof *shot->variance);
    return shot->pattern != NULL && shot->numbers != NULL && shot->counts != NULL &&
                   shot->mean != NULL && shot->variance != NULL
               ? OPU_OK
               : opu_fail(OPU_E_NO_MEMORY, "no memory for %zu frames of %zu pixels", n_frames,
                          shot->n_pixels);
}

int check_shot_create(struct check_shot *shot, struct check *check, size_t n_frames,
                      size_t n_pixels, const struct opu_region *region)
{
    return create(shot, check, check->n_in, n_frames, n_pixels, region);
}

void check_shot_destroy(struct check_shot *shot)
{
    free(shot->pattern);
    free(shot->numbers);
    free(shot->counts);
    free(shot->mean);
    free(shot->variance);
}

void check_shot_pattern(struct check_shot *shot, bool light)
{
    memset(shot->pattern, 0, shot->n_frames * shot->n_bytes);
    for (size_t j = 0; light && j < shot->check->n_in; j++) {
        if ((check_random(shot->check) & 1) != 0) {
            shot->pattern[j / 8] |= (uint8_t)(1u << j % 8);
        }
    }
    for (size_t i = 1; i < shot->n_frames; i++) {
        memcpy(shot->pattern + i * shot->n_bytes, shot->pattern, shot->n_bytes);
    }
}

/* Counts of 8 bits come as bytes: they are spread to 16 where they lie, from the end. */
static void spread(struct check_shot *shot)
{
    const uint8_t *const bytes = (const uint8_t *)shot->counts;
    for (size_t i = shot->n_frames * shot->n_pixels; i-- > 0;) {
        uint16_t const count = bytes[i];
        memcpy((uint8_t *)shot->counts + 2 * i, &count, sizeof count);
    }
}

/* By pixel, over frames; two passes, as variances may be small beside means. */
static void measure(struct check_shot *shot)
{
    size_t const m = shot->n_pixels, n = shot->n_frames;
    for (size_t k = 0; k < m; k++) {
        double sum = 0.0, square = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)shot->counts[i * m + k];
        }
        double const mean = sum / (double)n;
        for (size_t i = 0; i < n; i++) {
            double const off = (double)shot->counts[i * m + k] - mean;
            square += off * off;
        }
        shot->mean[k] = (float)mean;
        shot->variance[k] = (float)(n > 1 ? square / (double)(n - 1) : 0.0);
    }
}

int check_shot_take(struct check_shot *shot)
{
    assert(shot->numbers != NULL && shot->mean != NULL); /* the shot is open */
    struct opu_device *const device = shot->check->device;
    uint64_t const clock = opu_device_clock(device);
    uint64_t job = 0;
    struct opu_frame_batch batch = {.size = sizeof batch,
                                    .n_frames = shot->n_frames,
                                    .bits = shot->pattern,
                                    .number = shot->numbers,
                                    .counts = shot->counts};
    for (size_t i = 0; i < shot->n_frames; i++) {
        shot->numbers[i] = clock + i;
    }
    opu_device_clock_set(device, clock + shot->n_frames);
    shot->setup.exposures_us = &shot->exposure_us;
    int status = opu_device_configure(device, &shot->setup);
    status = status == OPU_OK ? opu_device_submit(device, &batch, &job) : status;
    status = status == OPU_OK ? opu_device_wait(device, job, -1) : status;
    if (status == OPU_OK) {
        if (shot->setup.bits <= 8) {
            spread(shot);
        }
        measure(shot);
    }
    return status;
}

double check_shot_mean(const struct check_shot *shot)
{
    assert(shot->mean != NULL && shot->n_pixels > 0);
    double sum = 0.0;
    for (size_t k = 0; k < shot->n_pixels; k++) {
        sum += (double)shot->mean[k];
    }
    return sum / (double)shot->n_pixels;
}

int check_shot_expose(struct check_shot *shot, double share)
{
    const struct opu_caps *const caps = opu_device_caps(shot->check->device);
    double const on = 0.5 * (double)shot->check->n_in, black = caps->black_level;
    double exposure = caps->signal_per_us > 0.0 ? (share - black) / (caps->signal_per_us * on)
                                                : caps->min_exposure_us;
    for (int round = 0; round < 8; round++) {
        exposure = fmin(fmax(exposure, caps->min_exposure_us),
                        caps->max_exposure_us > 0.0 ? caps->max_exposure_us : exposure);
        shot->exposure_us = exposure;
        int const status = check_shot_take(shot);
        if (status < 0) {
            return status;
        }
        double const seen = check_shot_mean(shot) / shot->full;
        if (seen > 0.8 * share && seen < 1.25 * share) {
            break;
        }
        exposure *= fmin(100.0, fmax(0.01, (share - black) / fmax(seen - black, 1e-5)));
    }
    return OPU_OK;
}

/* Half of the first n inputs, at random, another half in each frame: Fisher and Yates's shuffle,
 * stopped half way. */
static int show_halves(struct check_shot *shot, size_t n)
{
    assert(shot->pattern != NULL);
    size_t *const order = malloc(n * sizeof *order);
    if (order == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for a pattern of %zu inputs", n);
    }
    for (size_t j = 0; j < n; j++) {
        order[j] = j;
    }
    for (size_t i = 0; i < shot->n_frames; i++) {
        for (size_t j = 0; j < n / 2; j++) {
            assert(j < n);
            size_t const other = j + (size_t)(check_random(shot->check) % (n - j));
            size_t const at = order[other];
            order[other] = order[j];
            order[j] = at;
            shot->pattern[i * shot->n_bytes + at / 8] |= (uint8_t)(1u << at % 8);
        }
    }
    free(order);
    return OPU_OK;
}

/*
 * Of n_on of `all` mirrors sends a step's light times (1 + k)^2 n_on + k^2 n_off, as in
 * check_noise.c. A tenth of full scale: e^-10 of the pixels saturate.
 */
static int measure_light(struct check_shot *shot, const struct opu_calibration *found, size_t all,
                         double *light)
{
    const struct opu_caps *const caps = opu_device_caps(shot->check->device);
    size_t const n_on = shot->check->n_in / 2;
    double const on = (double)n_on, off = (double)all - on;
    double const k = sqrt(fmax(0.0, found->leak_per_us) / (found->signal_per_us * (double)all));
    double const steps = (1.0 + k) * (1.0 + k) * on + k * k * off;
    double const expected = found->signal_per_us / (ldexp(1.0, (int)found->bits) - 1.0) * steps;
    double const longest = caps->max_exposure_us > 0.0 ? caps->max_exposure_us : (double)INFINITY;
    shot->exposure_us = fmin(fmax(0.1 / expected, caps->min_exposure_us), longest);
    int status = show_halves(shot, shot->check->n_in);
    status = status == OPU_OK ? check_shot_take(shot) : status;
    if (status < 0) {
        return status;
    }
    double const seen = check_shot_mean(shot) / shot->full - caps->black_level;
    *light = seen / (expected * shot->exposure_us);
    return *light > 0.0 ? OPU_OK : opu_fail(OPU_E_DEVICE, "no light with %g mirrors on", on);
}

int check_shot_light(struct check *check, const struct opu_calibration *found, size_t n_pixels,
                     double *light)
{
    enum { FRAMES = 32 };
    struct check_shot shot;
    size_t const all = check->n_in + found->anchor_mirrors;
    *light = 1.0;
    if (!(found->signal_per_us > 0.0) || found->anchor_mirrors == 0) {
        return OPU_OK;
    }
    int status = create(&shot, check, all, FRAMES, n_pixels, NULL);
    status = status == OPU_OK ? measure_light(&shot, found, all, light) : status;
    check_shot_destroy(&shot);
    return status;
}
