/* SPDX-License-Identifier: MIT */
/* The one batch of frames that a projection fills, sends and reads again and again, in bounded
 * memory. */
#include "core/device/projection_internal.h"

#include <assert.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define BUFFER_LIMIT ((size_t)64 << 20) /* bytes of one buffer of counts, and of bits */
#define CALIBRATION_FRAMES 64           /* small calls still calibrate in batches of this many */
#define TRIES 5                         /* a lost frame is sent again this often */

/* As many frames as a call can want, as memory allows and the device takes; whole patterns. */
static size_t capacity(const struct opu_projection *p, size_t frame_bytes)
{
    size_t const per_pattern = p->readout->frames;
    size_t wanted;
    size_t const patterns = p->max_rows * p->patterns.per_row;
    size_t const pilots = p->pilot.every > 0 ? patterns / p->pilot.every + 2 : 0;
    if (!opu_size_mul(&wanted, patterns + pilots, per_pattern)) {
        wanted = SIZE_MAX;
    }
    wanted = wanted > CALIBRATION_FRAMES ? wanted : CALIBRATION_FRAMES;
    size_t const fits = BUFFER_LIMIT / frame_bytes;
    wanted = wanted < fits ? wanted : fits;
    /* A pattern, also between two pilots, and a calibration's frames at two phases always fit. */
    size_t const least = p->pilot.every > 0 || per_pattern == 1 ? 3 * per_pattern : per_pattern;
    wanted = wanted > least ? wanted : least;
    size_t const most = p->device->caps.max_frames;
    wanted = wanted < most ? wanted : most;
    return wanted / per_pattern * per_pattern;
}

int opu_chunk_create(struct opu_projection *p)
{
    struct opu_chunk *const chunk = &p->chunk;
    chunk->frame_bytes = (p->layout.n_inputs + 7) / 8;
    chunk->count_bytes = p->layout.n_pixels * (p->bits <= 8 ? 1 : 2);
    chunk->capacity = capacity(p, chunk->count_bytes > chunk->frame_bytes ? chunk->count_bytes
                                                                          : chunk->frame_bytes);
    if (chunk->capacity == 0) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "%s: takes %zu frames at a time, read-out %s wants %zu for one pattern",
                        p->device->backend->scheme, p->device->caps.max_frames, p->readout->name,
                        p->readout->frames);
    }
    size_t bytes;
    if (!opu_size_mul(&bytes, chunk->capacity, chunk->count_bytes)) {
        return opu_fail(OPU_E_INVALID, "projection: %zu pixels are too many for one batch",
                        p->layout.n_pixels);
    }
    size_t const n = chunk->capacity;
    bool const two = opu_pilot_batch(p) < p->max_rows * p->patterns.per_row;
    chunk->bits = opu_calloc(p->context, n, chunk->frame_bytes);
    chunk->reference = opu_calloc(p->context, n, sizeof *chunk->reference);
    chunk->exposure = opu_calloc(p->context, n, sizeof *chunk->exposure);
    chunk->number = opu_calloc(p->context, n, sizeof *chunk->number);
    chunk->saturated = opu_calloc(p->context, n, sizeof *chunk->saturated);
    chunk->status = opu_calloc(p->context, n, sizeof *chunk->status);
    chunk->counts[0] = opu_calloc(p->context, 1, bytes);
    chunk->counts[1] = two ? opu_calloc(p->context, 1, bytes) : NULL;
    if (chunk->bits == NULL || chunk->reference == NULL || chunk->exposure == NULL ||
        chunk->number == NULL || chunk->saturated == NULL || chunk->status == NULL ||
        chunk->counts[0] == NULL || (two && chunk->counts[1] == NULL)) {
        return OPU_E_NO_MEMORY;
    }
    return OPU_OK;
}

void opu_chunk_destroy(struct opu_projection *p)
{
    struct opu_chunk *const chunk = &p->chunk;
    if (chunk->under_way) {
        /* The device writes into our buffers until the batch has been waited for. */
        (void)opu_device_cancel(p->device, chunk->job);
        int const ended = opu_device_wait(p->device, chunk->job, -1);
        (void)ended; /* however it ended, it has */
    }
    opu_context_free(p->context, chunk->bits);
    opu_context_free(p->context, chunk->reference);
    opu_context_free(p->context, chunk->exposure);
    opu_context_free(p->context, chunk->number);
    opu_context_free(p->context, chunk->saturated);
    opu_context_free(p->context, chunk->status);
    opu_context_free(p->context, chunk->counts[0]);
    opu_context_free(p->context, chunk->counts[1]);
    *chunk = (struct opu_chunk){0};
}

void opu_chunk_add(struct opu_projection *p, const uint8_t *bits, size_t reference, size_t exposure)
{
    struct opu_chunk *const chunk = &p->chunk;
    assert(chunk->n < chunk->capacity && !chunk->under_way);
    memcpy(chunk->bits + chunk->n * chunk->frame_bytes, bits, chunk->frame_bytes);
    chunk->reference[chunk->n] = (uint16_t)reference;
    chunk->exposure[chunk->n] = (uint16_t)exposure;
    chunk->n++;
}

void opu_chunk_add_pattern(struct opu_projection *p, const uint8_t *pattern, size_t class_index)
{
    struct opu_chunk *const chunk = &p->chunk;
    size_t const bytes = (p->n_in + 7) / 8;
    size_t const per_class = p->readout->n_references;
    assert(chunk->n + p->readout->frames <= chunk->capacity && !chunk->under_way);
    for (size_t k = 0; k < p->readout->frames; k++) {
        uint8_t *const bits = chunk->bits + chunk->n * chunk->frame_bytes;
        memcpy(bits, pattern, bytes);
        memset(bits + bytes, 0, chunk->frame_bytes - bytes);
        for (size_t i = 0; p->layout.n_anchor > 0 && k == 0 && i < chunk->frame_bytes; i++) {
            bits[i] |= p->anchor[i];
        }
        chunk->reference[chunk->n] = (uint16_t)(per_class > 0 ? class_index * per_class + k : 0);
        chunk->exposure[chunk->n] = (uint16_t)class_index;
        chunk->n++;
    }
}

int opu_chunk_submit(struct opu_projection *p, uint64_t number, size_t side)
{
    struct opu_chunk *const chunk = &p->chunk;
    for (size_t i = 0; i < chunk->n; i++) {
        chunk->number[i] = number + i;
    }
    chunk->batch = (struct opu_frame_batch){
        .size = sizeof chunk->batch,
        .n_frames = chunk->n,
        .bits = chunk->bits,
        .reference = chunk->reference,
        .exposure = chunk->exposure,
        .number = chunk->number,
        .counts = chunk->counts[side],
        .saturated = chunk->saturated,
        .status = chunk->status,
    };
    int const status = opu_device_submit(p->device, &chunk->batch, &chunk->job);
    if (status < 0) {
        chunk->n = 0;
        return status;
    }
    chunk->under_way = true;
    return OPU_OK;
}

/* Frames [first, end) once more, with the same numbers and into the same places. */
static int resend(struct opu_projection *p, size_t first, size_t end)
{
    struct opu_chunk *const chunk = &p->chunk;
    struct opu_frame_batch part = chunk->batch;
    part.n_frames = end - first;
    part.bits += first * chunk->frame_bytes;
    part.reference += first;
    part.exposure += first;
    part.number += first;
    part.saturated += first;
    part.status += first;
    part.counts = (uint8_t *)part.counts + first * chunk->count_bytes;
    p->device->stats.retries += part.n_frames;
    uint64_t job;
    OPU_TRY(opu_device_submit(p->device, &part, &job));
    return opu_device_wait(p->device, job, -1);
}

/* One pass over the frames that are not there; *missing tells how many were seen. */
static int resend_missing(struct opu_projection *p, size_t *missing)
{
    const struct opu_chunk *const chunk = &p->chunk;
    *missing = 0;
    for (size_t i = 0; i < chunk->n;) {
        size_t end = i;
        while (end < chunk->n && chunk->status[end] != OPU_FRAME_OK) {
            end++;
        }
        if (end > i) {
            *missing += end - i;
            OPU_TRY(resend(p, i, end));
        }
        i = end + 1;
    }
    return OPU_OK;
}

int opu_chunk_wait(struct opu_projection *p)
{
    struct opu_chunk *const chunk = &p->chunk;
    chunk->under_way = false;
    int status = opu_device_wait(p->device, chunk->job, -1);
    size_t missing = 0;
    for (int tries = 0; status == OPU_OK; tries++) {
        if (tries == TRIES) {
            size_t i = 0;
            while (i < chunk->n && chunk->status[i] == OPU_FRAME_OK) {
                i++;
            }
            if (i < chunk->n) {
                status =
                    opu_fail(OPU_E_DEVICE, "%s: frame %llu was %s %d times running",
                             p->device->backend->scheme, (unsigned long long)chunk->number[i],
                             chunk->status[i] == OPU_FRAME_LOST ? "lost" : "at fault", TRIES + 1);
            }
            break;
        }
        status = resend_missing(p, &missing);
        if (missing == 0) {
            break;
        }
    }
    chunk->n = 0;
    return status;
}

int opu_chunk_fire(struct opu_projection *p, size_t *n)
{
    *n = p->chunk.n;
    if (*n == 0) {
        return OPU_OK;
    }
    OPU_TRY(opu_chunk_submit(p, p->device->clock, 0));
    return opu_chunk_wait(p);
}
