/* SPDX-License-Identifier: MIT */
/*
 * An open device as optics: load keeps the frames, arm the place for their counts, and start has
 * the device expose them all, counts straight into the packet that will carry them.
 */
#include "driver/optics_device.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "driver/firmware/fw_internal.h"

#include <string.h>

/* Longest sequence: the firmware's status moves between sequences, so that a host sees that a slow
 * simulation is at work. */
#define SEQUENCE 1024u

_Static_assert((int)OPU_FW_E_INVALID == (int)OPU_E_INVALID &&
                   (int)OPU_FW_E_FORMAT == (int)OPU_E_FORMAT &&
                   (int)OPU_FW_E_UNSUPPORTED == (int)OPU_E_UNSUPPORTED,
               "the firmware's failures are those of opu/status.h");
_Static_assert((int)OPU_FW_CAP_REFERENCE == (int)OPU_CAP_REFERENCE &&
                   (int)OPU_FW_CAP_LEVELS == (int)OPU_CAP_REFERENCE_LEVELS &&
                   (int)OPU_FW_CAP_REGION == (int)OPU_CAP_REGION &&
                   (int)OPU_FW_CAP_CARRIER == (int)OPU_CAP_CARRIER,
               "the firmware's flags are those of opu/device.h");

struct optics {
    struct opu_context *context;
    struct opu_device *device;
    struct opu_pattern_ops pattern_ops; /* with this device's max_patterns */
    struct opu_reference references[OPU_WIRE_TABLE_MAX];
    size_t row; /* bytes of a frame's bits */
    struct opu_frame_batch batch;
    uint64_t number[SEQUENCE];
    uint16_t reference[SEQUENCE], exposure[SEQUENCE];
    double time_s[SEQUENCE];
    uint32_t saturated[SEQUENCE];
    int32_t status[SEQUENCE];
};

static int info(void *self, struct opu_wire_info *to)
{
    const struct optics *const optics = self;
    const struct opu_caps *const caps = opu_device_caps(optics->device);
    *to = (struct opu_wire_info){
        /* what goes over the wire is counts, never fields */
        .flags = caps->flags & ~(uint32_t)OPU_CAP_FIELD,
        .adc_bits = caps->adc_bits,
        .default_bits = caps->default_bits,
        .max_inputs = (uint32_t)caps->max_inputs,
        .max_pixels = (uint32_t)caps->max_pixels,
        .max_exposures = (uint32_t)caps->max_exposures,
        .max_references = (uint32_t)caps->max_references,
        .shot_noise = caps->shot_noise,
        .min_exposure_us = caps->min_exposure_us,
        .max_exposure_us = caps->max_exposure_us,
        .frame_rate_hz = caps->frame_rate_hz,
        .upload_bytes_per_s = caps->upload_bytes_per_s,
        .power_w = caps->power_w,
        .signal_per_us = caps->signal_per_us,
        .reference_per_us = caps->reference_per_us,
        .full_well_e = caps->full_well_e,
        .read_noise_e = caps->read_noise_e,
        .black_level = caps->black_level,
    };
    const char *const identity = opu_device_identity(optics->device);
    size_t const n = strnlen(identity, sizeof to->identity - 1);
    memcpy(to->identity, identity, n);
    return 0;
}

static const char *message(void *self)
{
    (void)self;
    return opu_error_message(); /* of the thread that works, which is the one that asks */
}

static int nothing(void *self, const struct opu_wire_setup *setup)
{
    (void)self;
    (void)setup;
    return 0;
}

static int configure(void *self, const struct opu_wire_setup *setup)
{
    struct optics *const optics = self;
    for (uint32_t i = 0; i < setup->n_references; i++) {
        optics->references[i] = (struct opu_reference){
            .phase_rad = setup->references[i].phase_rad,
            .amplitude = setup->references[i].amplitude,
        };
    }
    optics->row = (setup->n_inputs + 7) / 8;
    struct opu_frame_setup const frames = {
        .size = sizeof frames,
        .n_inputs = setup->n_inputs,
        .output_kind = (enum opu_output_kind)setup->output_kind,
        .n_pixels = setup->n_pixels,
        .region = {.width = setup->width,
                   .height = setup->height,
                   .stride = setup->stride,
                   .binning = setup->binning,
                   .pixels_per_grain = setup->pixels_per_grain,
                   .carrier_x = setup->carrier_x,
                   .carrier_y = setup->carrier_y},
        .bits = setup->bits,
        .n_exposures = setup->n_exposures,
        .exposures_us = setup->exposures_us,
        .n_references = setup->n_references,
        .references = optics->references,
    };
    return opu_device_configure(optics->device, &frames);
}

static int load(void *self, const struct opu_optics_frame *frames, size_t n,
                struct opu_optics_upload *upload)
{
    struct optics *const optics = self;
    for (size_t i = 0; i < n; i++) {
        optics->number[i] = frames[i].number;
        optics->reference[i] = frames[i].reference;
        optics->exposure[i] = frames[i].exposure;
    }
    optics->batch.n_frames = n;
    optics->batch.bits = frames[0].bits;
    double const rate = opu_device_caps(optics->device)->upload_bytes_per_s;
    upload->bytes = n * optics->row;
    upload->s = rate > 0.0 ? (double)upload->bytes / rate : 0.0;
    return 0;
}

static int arm(void *self, const struct opu_optics_frame *frames, size_t n, uint8_t *counts)
{
    struct optics *const optics = self;
    (void)frames;
    (void)n;
    optics->batch.counts = counts;
    return 0;
}

static int start(void *self)
{
    struct optics *const optics = self;
    uint64_t job;
    OPU_TRY(opu_device_submit(optics->device, &optics->batch, &job));
    return opu_device_wait(optics->device, job, -1);
}

static int stop(void *self)
{
    (void)self;
    return 0;
}

static int read_frame(void *self, size_t i, struct opu_wire_count *head, uint8_t *counts)
{
    const struct optics *const optics = self;
    (void)counts; /* they are there */
    head->time_s = optics->time_s[i];
    head->saturated = optics->saturated[i];
    head->status = (uint32_t)optics->status[i];
    return 0;
}

static int load_references(void *self, const struct opu_optics_frame *frames, size_t n)
{
    (void)self;
    (void)frames;
    (void)n;
    return 0;
}

/* An emulated laser harms nobody. */
static int laser(void *self, bool on)
{
    (void)self;
    (void)on;
    return 0;
}

static const struct opu_camera_ops camera_ops = {
    .configure = nothing,
    .arm = arm,
    .read = read_frame,
};

static const struct opu_reference_ops reference_ops = {
    .configure = nothing,
    .load = load_references,
    .laser = laser,
};

int opu_optics_device_create(struct opu_optics *out, struct opu_context *context,
                             struct opu_device *device)
{
    const struct opu_caps *const caps = opu_device_caps(device);
    *out = (struct opu_optics){0};
    if ((caps->flags & OPU_CAP_FRAMES) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "%.80s: is a device of floats; optics to emulate take frames",
                        opu_device_uri(device));
    }
    struct optics *const optics = opu_calloc(context, 1, sizeof *optics);
    if (optics == NULL) {
        return OPU_E_NO_MEMORY;
    }
    optics->context = context;
    optics->device = device;
    optics->pattern_ops = (struct opu_pattern_ops){
        .max_patterns = caps->max_frames < SEQUENCE ? caps->max_frames : SEQUENCE,
        .configure = configure,
        .load = load,
        .start = start,
        .stop = stop};
    optics->batch = (struct opu_frame_batch){.size = sizeof optics->batch,
                                             .reference = optics->reference,
                                             .exposure = optics->exposure,
                                             .number = optics->number,
                                             .time_s = optics->time_s,
                                             .saturated = optics->saturated,
                                             .status = optics->status};
    *out = (struct opu_optics){.pattern = optics,
                               .camera = optics,
                               .reference = optics,
                               .pattern_ops = &optics->pattern_ops,
                               .camera_ops = &camera_ops,
                               .reference_ops = &reference_ops,
                               .info = info,
                               .message = message,
                               .self = optics};
    return OPU_OK;
}

void opu_optics_device_destroy(struct opu_optics *out)
{
    struct optics *const optics = out != NULL ? out->self : NULL;
    if (optics != NULL) {
        opu_context_free(optics->context, optics);
        *out = (struct opu_optics){0};
    }
}
