/* SPDX-License-Identifier: MIT */
/* The frame boundary: every argument is held against the device's facts before the backend sees it.
 */
#include "core/device/device_internal.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"

static const char *name(const struct opu_device *device)
{
    return device->backend->scheme;
}

static int want_frames(const struct opu_device *device)
{
    if ((device->caps.flags & OPU_CAP_FRAMES) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s: is a device of floats, it takes no frames",
                        name(device));
    }
    return OPU_OK;
}

static int check_count(const struct opu_device *device, const char *what, size_t seen, size_t low,
                       size_t high)
{
    if (seen < low || seen > high) {
        return opu_fail(OPU_E_INVALID, "%s: %s is %zu, wanted %zu to %zu", name(device), what, seen,
                        low, high);
    }
    return OPU_OK;
}

static int check_exposures(const struct opu_device *device, const struct opu_frame_setup *setup)
{
    const struct opu_caps *const caps = &device->caps;
    OPU_TRY(check_count(device, "n_exposures", setup->n_exposures, 1, caps->max_exposures));
    for (size_t i = 0; i < setup->n_exposures; i++) {
        double const t = setup->exposures_us != NULL ? setup->exposures_us[i] : -1.0;
        if (!(t >= caps->min_exposure_us && t <= caps->max_exposure_us)) {
            return opu_fail(OPU_E_INVALID, "%s: exposure %zu is %g us, wanted %g to %g",
                            name(device), i, t, caps->min_exposure_us, caps->max_exposure_us);
        }
    }
    return OPU_OK;
}

static int check_references(const struct opu_device *device, const struct opu_frame_setup *setup)
{
    const struct opu_caps *const caps = &device->caps;
    if (setup->n_references == 0) {
        return OPU_OK;
    }
    if ((caps->flags & OPU_CAP_REFERENCE) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s: has no reference arm, saw %zu reference states",
                        name(device), setup->n_references);
    }
    OPU_TRY(check_count(device, "n_references", setup->n_references, 1, caps->max_references));
    for (size_t i = 0; i < setup->n_references; i++) {
        double const a = setup->references != NULL ? setup->references[i].amplitude : -1.0;
        double const phase = setup->references != NULL ? setup->references[i].phase_rad : 0.0;
        if (!(a >= 0.0 && a <= 1.0) || !isfinite(phase)) {
            return opu_fail(
                OPU_E_INVALID,
                "%s: reference state %zu is %g at %g rad, wanted an amplitude from 0 to 1",
                name(device), i, a, phase);
        }
        if (a > 0.0 && a < 1.0 && (caps->flags & OPU_CAP_REFERENCE_LEVELS) == 0) {
            return opu_fail(
                OPU_E_UNSUPPORTED,
                "%s: reference state %zu has amplitude %g, this arm knows 0 and 1 alone",
                name(device), i, a);
        }
    }
    return OPU_OK;
}

/* Fills in n_pixels of a region. */
static int check_outputs(const struct opu_device *device, struct opu_frame_setup *setup)
{
    const struct opu_caps *const caps = &device->caps;
    if (setup->output_kind == OPU_OUTPUT_REGION) {
        const struct opu_region *const region = &setup->region;
        if ((caps->flags & OPU_CAP_REGION) == 0) {
            return opu_fail(OPU_E_UNSUPPORTED, "%s: can't read a region of the camera",
                            name(device));
        }
        if (region->width == 0 || region->height == 0 || region->stride == 0 ||
            region->binning == 0 ||
            !(region->pixels_per_grain >= 1.0 || region->pixels_per_grain <= 0.0)) {
            return opu_fail(
                OPU_E_INVALID,
                "%s: region %u x %u, stride %u, binning %u, %g pixels a grain: wanted all "
                "of them at least 1 (grain: or 0)",
                name(device), region->width, region->height, region->stride, region->binning,
                region->pixels_per_grain);
        }
        double const carrier = fmax(fabs(region->carrier_x), fabs(region->carrier_y));
        if (!(fabs(region->carrier_x) <= 0.5 && fabs(region->carrier_y) <= 0.5)) {
            return opu_fail(OPU_E_INVALID,
                            "%s: region with a carrier of (%g, %g) cycles a pixel, wanted at most "
                            "0.5 each",
                            name(device), region->carrier_x, region->carrier_y);
        }
        if (carrier > 0.0 && (caps->flags & OPU_CAP_CARRIER) == 0) {
            return opu_fail(OPU_E_UNSUPPORTED,
                            "%s: can't tilt the reference arm, saw a carrier of (%g, %g)",
                            name(device), region->carrier_x, region->carrier_y);
        }
        size_t const area = (size_t)region->width * region->height;
        if (setup->n_pixels != 0 && setup->n_pixels != area) {
            return opu_fail(OPU_E_INVALID, "%s: n_pixels is %zu, wanted 0 or %u x %u = %zu",
                            name(device), setup->n_pixels, region->width, region->height, area);
        }
        setup->n_pixels = area;
    } else if (setup->output_kind != OPU_OUTPUT_PIXELS) {
        return opu_fail(OPU_E_INVALID, "%s: output kind %d is unknown", name(device),
                        (int)setup->output_kind);
    }
    return check_count(device, "n_pixels", setup->n_pixels, 1, caps->max_pixels);
}

int opu_device_configure(struct opu_device *device, const struct opu_frame_setup *given)
{
    OPU_TRY(want_frames(device));
    if (given->size < sizeof given->size) {
        return opu_fail(OPU_E_INVALID, "frame set-up: size is %zu, wanted %zu", given->size,
                        sizeof *given);
    }
    for (size_t i = 0; i < OPU_DEVICE_JOBS; i++) {
        if (device->jobs[i].live) {
            return opu_fail(OPU_E_BUSY, "%s: a batch is under way; wait for it before a new set-up",
                            name(device));
        }
    }
    struct opu_frame_setup setup = {.size = sizeof setup};
    memcpy(&setup, given, given->size < sizeof setup ? given->size : sizeof setup);
    setup.size = sizeof setup;
    setup.bits = setup.bits != 0 ? setup.bits : device->caps.default_bits;
    OPU_TRY(check_count(device, "n_inputs", setup.n_inputs, 1, device->caps.max_inputs));
    OPU_TRY(check_outputs(device, &setup));
    OPU_TRY(check_exposures(device, &setup));
    OPU_TRY(check_references(device, &setup));
    if (setup.bits > 16 || (device->caps.adc_bits >> setup.bits & 1) == 0) {
        return opu_fail(OPU_E_INVALID, "%s: has no %u-bit counts (bit depths as a mask: 0x%x)",
                        name(device), setup.bits, device->caps.adc_bits);
    }
    device->generation++;
    device->shape = (struct opu_frame_shape){0};
    device->description[0] = '\0';
    OPU_TRY(device->backend->ops->configure(device->handle, &setup));
    if (device->backend->ops->describe != NULL) {
        OPU_TRY(device->backend->ops->describe(device->handle, device->description,
                                               sizeof device->description));
    }
    device->shape = (struct opu_frame_shape){
        .n_inputs = setup.n_inputs,
        .n_pixels = setup.n_pixels,
        .n_exposures = setup.n_exposures,
        .n_references = setup.n_references,
        .bits = setup.bits,
    };
    return OPU_OK;
}

static int want_configured(const struct opu_device *device)
{
    if (device->shape.n_inputs == 0) {
        return opu_fail(OPU_E_INVALID, "%s: not configured; call opu_device_configure() first",
                        name(device));
    }
    return OPU_OK;
}

static int check_batch(const struct opu_device *device, const struct opu_frame_batch *batch)
{
    const struct opu_frame_shape *const shape = &device->shape;
    if (batch->size < sizeof *batch) {
        return opu_fail(OPU_E_INVALID, "frame batch: size is %zu, wanted %zu", batch->size,
                        sizeof *batch);
    }
    OPU_TRY(check_count(device, "n_frames", batch->n_frames, 1, device->caps.max_frames));
    if (batch->bits == NULL || batch->number == NULL || batch->counts == NULL) {
        return opu_fail(OPU_E_INVALID, "%s: a batch wants bits, frame numbers and counts, saw NULL",
                        name(device));
    }
    size_t const n_references = shape->n_references > 0 ? shape->n_references : 1;
    for (size_t i = 0; i < batch->n_frames; i++) {
        if (i > 0 && batch->number[i] <= batch->number[i - 1]) {
            return opu_fail(OPU_E_INVALID,
                            "%s: frame %zu has number %llu after %llu, wanted ascending",
                            name(device), i, (unsigned long long)batch->number[i],
                            (unsigned long long)batch->number[i - 1]);
        }
        if (batch->exposure != NULL && batch->exposure[i] >= shape->n_exposures) {
            return opu_fail(OPU_E_INVALID, "%s: frame %zu has exposure %u of a table of %zu",
                            name(device), i, batch->exposure[i], shape->n_exposures);
        }
        if (batch->reference != NULL && batch->reference[i] >= n_references) {
            return opu_fail(OPU_E_INVALID, "%s: frame %zu has reference state %u of a table of %zu",
                            name(device), i, batch->reference[i], n_references);
        }
    }
    return OPU_OK;
}

int opu_device_submit(struct opu_device *device, struct opu_frame_batch *batch, uint64_t *job)
{
    OPU_TRY(want_frames(device));
    OPU_TRY(want_configured(device));
    OPU_TRY(check_batch(device, batch));
    struct opu_device_job *slot = NULL;
    for (size_t i = 0; i < OPU_DEVICE_JOBS && slot == NULL; i++) {
        slot = device->jobs[i].live ? NULL : &device->jobs[i];
    }
    if (slot == NULL) {
        return opu_fail(OPU_E_BUSY, "%s: %d batches are under way; wait for one first",
                        name(device), OPU_DEVICE_JOBS);
    }
    if (batch->status != NULL) {
        memset(batch->status, 0, batch->n_frames * sizeof *batch->status);
    }
    OPU_TRY(device->backend->ops->submit(device->handle, batch, job));
    *slot = (struct opu_device_job){.live = true, .job = *job, .batch = batch};
    uint64_t const next = batch->number[batch->n_frames - 1] + 1;
    device->clock = next > device->clock ? next : device->clock;
    return OPU_OK;
}

static struct opu_device_job *find_job(struct opu_device *device, uint64_t job)
{
    for (size_t i = 0; i < OPU_DEVICE_JOBS; i++) {
        if (device->jobs[i].live && device->jobs[i].job == job) {
            return &device->jobs[i];
        }
    }
    return NULL;
}

/* Of n bytes, those (of `bits` > 8: those pairs) that are full; eight at a time, as saturation is
 * rare and a batch has millions. */
static uint64_t count_full(const uint8_t *counts, size_t n, uint32_t bits)
{
    size_t const size = bits <= 8 ? 1 : 2;
    uint32_t const full = (1u << bits) - 1;
    uint64_t const ones = size == 1 ? UINT64_C(0x0101010101010101) : UINT64_C(0x0001000100010001);
    uint64_t const low = ones * (size == 1 ? 0x7f : 0x7fff); /* all but the topmost bit of each */
    uint64_t found = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, counts + i, sizeof word);
        word ^= ones * full;
        uint64_t const zeros = ~(((word & low) + low) | word | low); /* a topmost bit for each 0 */
        found += zeros != 0 ? (uint64_t)__builtin_popcountll(zeros) : 0;
    }
    for (; i < n; i += size) {
        uint16_t pair = counts[i];
        if (size == 2) {
            memcpy(&pair, counts + i, sizeof pair);
        }
        found += pair == full;
    }
    return found;
}

static uint64_t count_saturated(const struct opu_frame_shape *shape,
                                const struct opu_frame_batch *batch, size_t frame)
{
    size_t const bytes = shape->n_pixels * (shape->bits <= 8 ? 1 : 2);
    return count_full((const uint8_t *)batch->counts + frame * bytes, bytes, shape->bits);
}

/* Counts a batch that has come back. A frame that was lost took its time all the same. */
static void reckon(struct opu_device *device, const struct opu_frame_batch *batch)
{
    const struct opu_frame_shape *const shape = &device->shape;
    struct opu_device_stats *const stats = &device->stats;
    size_t const count_bytes = shape->bits <= 8 ? 1 : 2;
    stats->frames += batch->n_frames;
    stats->bytes_up += batch->n_frames * ((shape->n_inputs + 7) / 8);
    for (size_t i = 0; i < batch->n_frames; i++) {
        if (batch->status != NULL && batch->status[i] != OPU_FRAME_OK) {
            continue;
        }
        stats->pixels += shape->n_pixels;
        stats->bytes_down += shape->n_pixels * count_bytes;
        stats->saturated +=
            batch->saturated != NULL ? batch->saturated[i] : count_saturated(shape, batch, i);
    }
}

int opu_device_wait(struct opu_device *device, uint64_t job, int timeout_ms)
{
    OPU_TRY(want_frames(device));
    struct opu_device_job *const slot = find_job(device, job);
    if (slot == NULL) {
        return opu_fail(OPU_E_INVALID, "%s: no batch %llu is under way", name(device),
                        (unsigned long long)job);
    }
    int const status = device->backend->ops->wait(device->handle, job, timeout_ms);
    if (status == OPU_E_TIMEOUT) {
        return status; /* still under way */
    }
    slot->live = false;
    if (status == OPU_OK) {
        reckon(device, slot->batch);
    }
    return status;
}

int opu_device_cancel(struct opu_device *device, uint64_t job)
{
    OPU_TRY(want_frames(device));
    if (find_job(device, job) == NULL) {
        return opu_fail(OPU_E_NOT_FOUND, "%s: no batch %llu is under way", name(device),
                        (unsigned long long)job);
    }
    /* A backend that can't cancel runs the batch to its end. */
    return device->backend->ops->cancel != NULL ? device->backend->ops->cancel(device->handle, job)
                                                : OPU_OK;
}

int opu_device_field(struct opu_device *device, const float *inputs, size_t rows, float *field)
{
    if ((device->caps.flags & OPU_CAP_FIELD) == 0 || device->backend->ops->field == NULL) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s: can't tell its noise-free field", name(device));
    }
    OPU_TRY(want_configured(device));
    return rows > 0 ? device->backend->ops->field(device->handle, inputs, rows, field) : OPU_OK;
}
