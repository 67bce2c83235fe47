/* SPDX-License-Identifier: MIT */
/*
 * A device of frames for tests of core/device: |H p|^2 and an exact quantiser, no noise, with the
 * faults and poverty that real devices have as options. Counts are rint(min(full, (2^bits - 1) t
 * |sqrt(rate) H p + R|^2)).
 */
#ifndef OPU_TESTS_DEVICE_FAKE_H
#define OPU_TESTS_DEVICE_FAKE_H

#include "base_support.h"

#include <math.h>

#include <opu/projection.h>

#include "core/base/fail.h"
#include "core/base/rng.h"

struct fake_options {
    uint64_t seed, max_exposures, max_references, max_frames, lose, lost_tries;
    double rate, reference, leakage;
    bool known, arm, levels;
};

struct fake {
    struct opu_context *context;
    struct fake_options options;
    size_t n_inputs, n_pixels, n_references;
    uint32_t bits;
    double *exposures;
    struct opu_reference *references;
    double *matrix; /* [n_pixels][n_inputs][2] */
    uint64_t jobs, next_number;
    int submit_status; /* next submits fail with it */
    bool status_asked; /* by the latest batch */
};

/* The latest one opened, for tests that look inside. */
static struct fake *fake_latest;

static int fake_open(void **out, struct opu_context *context, const void *options)
{
    struct fake *const fake = opu_context_alloc(context, sizeof *fake);
    if (fake == NULL) {
        return OPU_E_NO_MEMORY;
    }
    *fake = (struct fake){.context = context};
    memcpy(&fake->options, options, sizeof fake->options);
    fake_latest = fake;
    *out = fake;
    return OPU_OK;
}

static void fake_clear(struct fake *fake)
{
    opu_context_free(fake->context, fake->exposures);
    opu_context_free(fake->context, fake->references);
    opu_context_free(fake->context, fake->matrix);
    fake->exposures = NULL;
    fake->references = NULL;
    fake->matrix = NULL;
}

static void fake_close(void *handle)
{
    struct fake *const fake = handle;
    fake_clear(fake);
    opu_context_free(fake->context, fake);
}

static int fake_caps(void *handle, struct opu_caps *caps)
{
    const struct fake *const fake = handle;
    double const step = 1.0 - sqrt(fake->options.leakage);
    caps->flags = OPU_CAP_FRAMES | OPU_CAP_FIELD;
    caps->flags |= fake->options.arm ? OPU_CAP_REFERENCE : 0;
    caps->flags |= fake->options.arm && fake->options.levels ? OPU_CAP_REFERENCE_LEVELS : 0;
    caps->adc_bits = 0x1ff00;
    caps->default_bits = 8;
    caps->max_inputs = 4096;
    caps->max_pixels = 4096;
    caps->max_frames = (size_t)fake->options.max_frames;
    caps->max_exposures = (size_t)fake->options.max_exposures;
    caps->max_references = (size_t)fake->options.max_references;
    caps->min_exposure_us = 0.01;
    caps->max_exposure_us = 1e5;
    caps->frame_rate_hz = 1000.0;
    caps->power_w = 2.0;
    caps->signal_per_us = fake->options.known ? fake->options.rate * step * step : 0.0;
    caps->reference_per_us = fake->options.known ? fake->options.reference : 0.0;
    return OPU_OK;
}

static int fake_identity(void *handle, char *text, size_t n)
{
    const struct fake *const fake = handle;
    (void)snprintf(text, n, "fake:%llu", (unsigned long long)fake->options.seed);
    return OPU_OK;
}

static void *fake_copy(struct fake *fake, const void *from, size_t size)
{
    void *const to = opu_context_alloc(fake->context, size);
    if (to != NULL && size > 0) {
        memcpy(to, from, size);
    }
    return to;
}

static int fake_configure(void *handle, const struct opu_frame_setup *setup)
{
    struct fake *const fake = handle;
    fake_clear(fake);
    fake->n_inputs = setup->n_inputs;
    fake->n_pixels = setup->n_pixels;
    fake->n_references = setup->n_references;
    fake->bits = setup->bits;
    fake->exposures = fake_copy(fake, setup->exposures_us, setup->n_exposures * sizeof(double));
    fake->references =
        fake_copy(fake, setup->references, setup->n_references * sizeof(struct opu_reference));
    fake->matrix =
        opu_context_alloc(fake->context, fake->n_inputs * fake->n_pixels * 2 * sizeof(double));
    if (fake->exposures == NULL || fake->references == NULL || fake->matrix == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t k = 0; k < fake->n_pixels; k++) {
        for (size_t j = 0; j < fake->n_inputs; j++) {
            float z[4];
            opu_normal4(opu_philox(fake->options.seed, OPU_STREAM_TEST, (uint32_t)j, k), z);
            double *const h = fake->matrix + (k * fake->n_inputs + j) * 2;
            h[0] = (double)z[0] * sqrt(0.5);
            h[1] = (double)z[1] * sqrt(0.5);
        }
    }
    return OPU_OK;
}

/* Counts at full precision of pixel k: what a camera with endless resolution would say. */
static double fake_light(const struct fake *fake, const uint8_t *bits, size_t k, double exposure_us,
                         struct opu_reference reference)
{
    double const off = sqrt(fake->options.leakage);
    double const unit = sqrt(fake->options.rate);
    double const arm = reference.amplitude * sqrt(fake->options.reference);
    double re = 0.0;
    double im = 0.0;
    for (size_t j = 0; j < fake->n_inputs; j++) {
        const double *const h = fake->matrix + (k * fake->n_inputs + j) * 2;
        double const mirror = (bits[j / 8] >> j % 8 & 1) != 0 ? 1.0 : off;
        re += mirror * h[0];
        im += mirror * h[1];
    }
    re = unit * re + arm * cos(reference.phase_rad);
    im = unit * im + arm * sin(reference.phase_rad);
    return (double)((1u << fake->bits) - 1) * exposure_us * (re * re + im * im);
}

static uint32_t fake_frame(const struct fake *fake, const struct opu_frame_batch *batch, size_t f)
{
    struct opu_reference dark = {0};
    const uint8_t *const bits = batch->bits + f * ((fake->n_inputs + 7) / 8);
    struct opu_reference const reference =
        fake->n_references > 0
            ? fake->references[batch->reference != NULL ? batch->reference[f] : 0]
            : dark;
    double const exposure_us = fake->exposures[batch->exposure != NULL ? batch->exposure[f] : 0];
    double const full = (double)((1u << fake->bits) - 1);
    uint32_t saturated = 0;
    for (size_t k = 0; k < fake->n_pixels; k++) {
        double const light = rint(fmin(full, fake_light(fake, bits, k, exposure_us, reference)));
        saturated += light >= full;
        if (fake->bits == 8) {
            ((uint8_t *)batch->counts)[f * fake->n_pixels + k] = (uint8_t)light;
        } else {
            ((uint16_t *)batch->counts)[f * fake->n_pixels + k] = (uint16_t)light;
        }
    }
    return saturated;
}

static int fake_submit(void *handle, struct opu_frame_batch *batch, uint64_t *job)
{
    struct fake *const fake = handle;
    if (fake->submit_status < 0) {
        return opu_fail(fake->submit_status, "fake: as the test wanted");
    }
    fake->status_asked = batch->status != NULL;
    for (size_t f = 0; f < batch->n_frames; f++) {
        /* Every lose-th frame is lost in the first lost_tries sendings. A lost frame leaves
         * rubbish. */
        uint64_t const lose = fake->options.lose;
        bool const again = batch->number[f] < fake->next_number;
        bool const lost =
            lose > 0 && batch->number[f] % lose == 0 && (fake->options.lost_tries > 1 || !again);
        uint32_t const saturated = fake_frame(fake, batch, f);
        if (batch->saturated != NULL) {
            batch->saturated[f] = saturated;
        }
        if (lost) {
            size_t const bytes = fake->n_pixels * (fake->bits == 8 ? 1 : 2);
            memset((uint8_t *)batch->counts + f * bytes, 0x55, bytes);
        }
        if (batch->status != NULL) {
            batch->status[f] = lost ? (int32_t)(f % 2 == 0 ? OPU_FRAME_LOST : OPU_FRAME_FAULT)
                                    : (int32_t)OPU_FRAME_OK;
        }
        if (batch->time_s != NULL) {
            batch->time_s[f] = (double)batch->number[f] / 1000.0;
        }
    }
    uint64_t const next = batch->number[batch->n_frames - 1] + 1;
    fake->next_number = next > fake->next_number ? next : fake->next_number;
    *job = ++fake->jobs;
    return OPU_OK;
}

static int fake_wait(void *handle, uint64_t job, int timeout_ms)
{
    (void)handle;
    (void)job;
    (void)timeout_ms;
    return OPU_OK;
}

static int fake_field(void *handle, const float *inputs, size_t rows, float *field)
{
    const struct fake *const fake = handle;
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < fake->n_pixels; k++) {
            double re = 0.0;
            double im = 0.0;
            for (size_t j = 0; j < fake->n_inputs; j++) {
                const double *const h = fake->matrix + (k * fake->n_inputs + j) * 2;
                re += h[0] * (double)inputs[r * fake->n_inputs + j];
                im += h[1] * (double)inputs[r * fake->n_inputs + j];
            }
            field[(r * fake->n_pixels + k) * 2] = (float)re;
            field[(r * fake->n_pixels + k) * 2 + 1] = (float)im;
        }
    }
    return OPU_OK;
}

#define FAKE_UINT(name, value) \
    { \
        .key = #name, .type = OPU_OPTION_UINT, .offset = offsetof(struct fake_options, name), \
        .fallback = value \
    }
#define FAKE_DOUBLE(name, value) \
    { \
        .key = #name, .type = OPU_OPTION_DOUBLE, .offset = offsetof(struct fake_options, name), \
        .fallback = value \
    }
#define FAKE_BOOL(name, value) \
    { \
        .key = #name, .type = OPU_OPTION_BOOL, .offset = offsetof(struct fake_options, name), \
        .fallback = value \
    }

static const struct opu_option fake_table[] = {
    FAKE_UINT(seed, "1"),
    FAKE_UINT(max_exposures, "1024"),
    FAKE_UINT(max_references, "1024"),
    FAKE_UINT(max_frames, "100000"),
    FAKE_UINT(lose, "0"),
    FAKE_UINT(lost_tries, "1"),
    FAKE_DOUBLE(rate, "0.0001"),
    FAKE_DOUBLE(reference, "0.4"),
    FAKE_DOUBLE(leakage, "0"),
    FAKE_BOOL(known, "yes"),
    FAKE_BOOL(arm, "yes"),
    FAKE_BOOL(levels, "yes"),
};

static const struct opu_backend_ops fake_ops = {
    .open = fake_open,
    .close = fake_close,
    .caps = fake_caps,
    .identity = fake_identity,
    .configure = fake_configure,
    .submit = fake_submit,
    .wait = fake_wait,
    .field = fake_field,
};

static const struct opu_backend fake_backend = {
    .api_version = OPU_BACKEND_API,
    .scheme = "fake",
    .summary = "for tests",
    .options = fake_table,
    .n_options = sizeof fake_table / sizeof fake_table[0],
    .options_size = sizeof(struct fake_options),
    .ops = &fake_ops,
};

/* For cmocka_run_group_tests(): the scheme "fake" is there. */
static int fake_register(void **state)
{
    (void)state;
    return opu_backend_register(&fake_backend);
}

static inline struct opu_device *device_open(const char *uri)
{
    struct opu_device *device;
    if (opu_device_open(&device, NULL, uri) < 0) {
        fail_msg("%s: %s", uri, opu_error_message());
    }
    return device;
}

/* For assert_survives_no_memory(): opens user's URI and plans a projection. */
static inline int plan_job(struct opu_context *context, void *user)
{
    struct opu_device *device;
    OPU_TRY(opu_device_open(&device, context, user));
    struct opu_projection *projection;
    struct opu_projection_options const options = {
        .size = sizeof options, .n_in = 3, .n_out = 4, .max_rows = 2};
    int const status = opu_projection_create(&projection, device, &options);
    opu_projection_destroy(projection);
    opu_device_close(device);
    return status;
}

#endif
