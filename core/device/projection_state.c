/* SPDX-License-Identifier: MIT */
/* A projection's calibration as bytes, for checkpoints. */
#include <opu/projection.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/device/projection_internal.h"

/* What precedes the tables in a saved calibration. */
struct state_head {
    char magic[8];
    uint64_t size;
    uint64_t setup; /* hash of all that the tables depend on */
};

static const char state_magic[8] = "opucal2";

static uint64_t setup_hash(const struct opu_projection *p)
{
    char text[OPU_IDENTITY_SIZE + 256];
    int const n = snprintf(text, sizeof text, "%s|%zu|%zu|%zu|%u|%.17g|%.17g|%zu", p->identity,
                           p->layout.n_inputs, p->n_out, p->layout.n_pixels, p->bits, p->variance,
                           p->saturation, p->pilot.every);
    return opu_hash64(OPU_HASH_START, text, n > 0 ? (size_t)n : 0);
}

/* The parts of a saved calibration after its head, in order; returns how many. */
#define STATE_PARTS 7
struct state_part {
    void *data;
    size_t size;
};

/* What is neither a table nor the device's. */
struct state_rest {
    uint64_t has_offset;
    double probe_power;
    char device[OPU_DEVICE_STATE_SIZE];
};

static size_t state_parts(const struct opu_projection *p, struct state_rest *rest,
                          struct state_part parts[STATE_PARTS])
{
    if (p->floats) {
        parts[0] = (struct state_part){rest, sizeof *rest};
        return 1;
    }
    /* One list serves for reading and writing; get does not write through it. */
    parts[0] = (struct state_part){(void *)(uintptr_t)&p->tables, sizeof p->tables};
    parts[1] = (struct state_part){p->gain, p->layout.n_table * sizeof *p->gain};
    parts[2] = (struct state_part){p->offset, 2 * p->layout.n_table * sizeof *p->offset};
    parts[3] = (struct state_part){p->pick, p->n_out * sizeof *p->pick};
    parts[4] = (struct state_part){rest, sizeof *rest};
    size_t n = 5;
    if (p->probe.n_pairs > 0) {
        parts[n++] = (struct state_part){p->probe.answer,
                                         p->probe.n_pairs * p->n_out * sizeof *p->probe.answer};
    }
    if (p->pilot.n_answer > 0) {
        parts[n++] =
            (struct state_part){p->pilot.answer, p->pilot.n_answer * sizeof *p->pilot.answer};
    }
    return n;
}

size_t opu_projection_state_size(const struct opu_projection *p)
{
    struct state_part parts[STATE_PARTS];
    size_t size = sizeof(struct state_head);
    for (size_t n = state_parts(p, NULL, parts), i = 0; i < n; i++) {
        size += parts[i].size;
    }
    return size;
}

void opu_projection_state_get(const struct opu_projection *p, void *bytes)
{
    struct state_rest rest = {.has_offset = p->has_offset, .probe_power = p->probe.power};
    const struct opu_backend_ops *const ops = p->device->backend->ops;
    if (ops->state_get != NULL &&
        ops->state_get(p->device->handle, rest.device, sizeof rest.device) < 0) {
        memset(rest.device, 0, sizeof rest.device);
    }
    struct state_head head = {.size = opu_projection_state_size(p), .setup = setup_hash(p)};
    memcpy(head.magic, state_magic, sizeof head.magic);
    uint8_t *to = bytes;
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    struct state_part parts[STATE_PARTS];
    for (size_t n = state_parts(p, &rest, parts), i = 0; i < n; i++) {
        if (parts[i].size > 0) {
            memcpy(to, parts[i].data, parts[i].size);
        }
        to += parts[i].size;
    }
}

/* Exposures, amplitudes and rates: what indexes or divides. */
static bool tables_sane(const struct opu_projection *p, const struct opu_tables *tables)
{
    const struct opu_caps *const caps = &p->device->caps;
    uint32_t const classes = opu_class_count(p->n_in);
    bool const arm = p->readout->n_references > 0;
    bool sane = tables->n_classes > 0 && tables->n_classes <= OPU_CLASSES_MAX &&
                tables->n_classes <= classes && tables->lowest == classes - tables->n_classes &&
                tables->signal_rate > 0.0 && isfinite(tables->signal_rate) &&
                tables->leak_rate >= 0.0 && isfinite(tables->leak_rate) &&
                (!arm || tables->reference_rate > 0.0) && isfinite(tables->reference_rate) &&
                isfinite(tables->saturated_share);
    for (size_t c = 0; sane && c < tables->n_classes; c++) {
        sane = tables->exposure_us[c] >= caps->min_exposure_us &&
               tables->exposure_us[c] <= caps->max_exposure_us && tables->amplitude[c] <= 1.0 &&
               (arm ? tables->amplitude[c] > 0.0 : tables->amplitude[c] >= 0.0);
    }
    return sane;
}

static bool floats_sane(const uint8_t *from, const uint8_t *end)
{
    bool sane = true;
    for (; sane && from < end; from += sizeof(float)) {
        float value;
        memcpy(&value, from, sizeof value);
        sane = isfinite(value);
    }
    return sane;
}

/* Bytes from a file may say anything: they are looked at, from behind the head to the end, before
 * one is taken. */
static bool parts_sane(const struct opu_projection *p, const uint8_t *from, const uint8_t *end)
{
    struct opu_tables tables;
    struct state_rest rest;
    memcpy(&tables, from, sizeof tables);
    from += sizeof tables;
    const uint8_t *const pick =
        from + p->layout.n_table * (sizeof *p->gain + 2 * sizeof *p->offset);
    const uint8_t *const after = pick + p->n_out * sizeof *p->pick;
    memcpy(&rest, after, sizeof rest);
    bool sane = tables_sane(p, &tables) && floats_sane(from, pick) && isfinite(rest.probe_power) &&
                floats_sane(after + sizeof rest, end);
    for (size_t i = 0; sane && i < p->n_out; i++) {
        uint32_t pixel;
        memcpy(&pixel, pick + i * sizeof pixel, sizeof pixel);
        sane = pixel < p->layout.n_pixels;
    }
    for (size_t i = 0; sane && p->layout.n_anchor > 0 && i < p->n_out; i++) {
        float gain; /* the probe divides by it */
        memcpy(&gain, from + i * sizeof gain, sizeof gain);
        sane = gain > 0.0f;
    }
    return sane;
}

int opu_projection_state_set(struct opu_projection *p, const void *bytes, size_t size)
{
    struct state_head head;
    size_t const wanted = opu_projection_state_size(p);
    if (p->under_way) {
        return opu_fail(OPU_E_BUSY, "calibration: a projection is under way; wait for it first");
    }
    if (size != wanted) {
        return opu_fail(OPU_E_MISMATCH, "calibration: saw %zu bytes, wanted %zu", size, wanted);
    }
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.magic, state_magic, sizeof head.magic) != 0 || head.size != wanted ||
        head.setup != setup_hash(p)) {
        return opu_fail(OPU_E_MISMATCH,
                        "calibration: the bytes are of another set-up than \"%s, %s\"", p->identity,
                        p->describe);
    }
    struct state_rest rest;
    const uint8_t *from = (const uint8_t *)bytes + sizeof head;
    if (!p->floats && !parts_sane(p, from, (const uint8_t *)bytes + size)) {
        return opu_fail(OPU_E_MISMATCH,
                        "calibration: the bytes hold impossible exposures, rates, gains or pixels");
    }
    struct state_part parts[STATE_PARTS];
    for (size_t n = state_parts(p, &rest, parts), i = 0; i < n; i++) {
        if (parts[i].size > 0) {
            memcpy(parts[i].data, from, parts[i].size);
        }
        from += parts[i].size;
    }
    rest.device[sizeof rest.device - 1] = '\0';
    p->has_offset = rest.has_offset != 0;
    p->probe.power = rest.probe_power;
    if (!p->floats) {
        OPU_TRY(opu_tables_install(p));
    }
    if (p->device->backend->ops->state_set != NULL && rest.device[0] != '\0') {
        OPU_TRY(p->device->backend->ops->state_set(p->device->handle, rest.device));
    }
    opu_projection_redescribe(p);
    return OPU_OK;
}
