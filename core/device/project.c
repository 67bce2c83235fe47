/* SPDX-License-Identifier: MIT */
/*
 * Running a projection. Submit encodes the rows and sends the first chunk of frames; wait decodes
 * chunk by chunk, the next one travelling meanwhile. Nothing is allocated here.
 */
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/device/projection_internal.h"
#include "core/device/sideband.h"

#define PARALLEL_WORK 32768 /* elements below which threads cost more than they bring */

static int check_call(const struct opu_projection *p, const float *in, size_t in_stride,
                      size_t rows)
{
    if (p->generation != p->device->generation) {
        return opu_fail(OPU_E_BUSY, "projection: device %s has been set up for another use since",
                        p->device->uri);
    }
    if (p->under_way) {
        return opu_fail(OPU_E_BUSY, "projection: a call is under way; wait for it first");
    }
    if (rows > p->max_rows) {
        return opu_fail(OPU_E_INVALID, "projection: saw %zu rows, planned for at most %zu", rows,
                        p->max_rows);
    }
    if (rows > 0 && (in == NULL || in_stride < p->n_in)) {
        return opu_fail(OPU_E_INVALID,
                        "projection: saw rows %zu elements apart, wanted at least %zu",
                        in == NULL ? 0 : in_stride, p->n_in);
    }
    return OPU_OK;
}

/* Rows are numbered among all rows ever encoded: calls that send frames start at different clocks.
 */
static uint64_t row_key(const struct opu_projection *p, size_t row)
{
    return p->device->clock * OPU_ROWS_MAX + row;
}

static int stage_row(struct opu_projection *p, const float *x, size_t row, float scale)
{
    float *const to = p->staged + row * p->n_in;
    if (p->encoder.kind == OPU_ENCODE_FLOAT) {
        size_t const bad = opu_first_bad(x, p->n_in);
        if (bad < p->n_in) {
            return opu_fail_numeric(row, bad, x[bad]);
        }
        memcpy(to, x, p->n_in * sizeof *to);
    } else {
        struct opu_coded coded;
        OPU_TRY(opu_encode_row(&p->encoder, x, p->n_in, row_key(p, row), row, p->patterns.bits,
                               &coded));
        opu_decode_row(&p->encoder, p->patterns.bits, &coded, p->n_in, to);
    }
    for (size_t i = 0; (scale < 1.0f || scale > 1.0f) && i < p->n_in; i++) {
        to[i] *= scale;
    }
    return OPU_OK;
}

/* B's variance is put on the smaller side: linear maps and |.|^2 alike take it as sqrt on the
 * input. */
static int stage(struct opu_projection *p, const float *in, size_t in_stride, size_t rows)
{
    float const scale = (float)sqrt(p->variance);
    for (size_t r = 0; r < rows; r++) {
        OPU_TRY(stage_row(p, in + r * in_stride, r, scale));
    }
    p->device->clock += rows;
    return OPU_OK;
}

static int encode_one(struct opu_projection *p, const float *x, size_t row)
{
    struct opu_patterns *const patterns = &p->patterns;
    size_t const first = row * patterns->per_row;
    struct opu_coded coded;
    OPU_TRY(opu_encode_row(&p->encoder, x, p->n_in, row_key(p, row), row,
                           patterns->bits + first * patterns->bytes, &coded));
    for (size_t k = 0; k < patterns->per_row; k++) {
        patterns->weight[first + k] = coded.weight[k];
        patterns->n_on[first + k] = coded.n_on[k];
    }
    return OPU_OK;
}

/* Encodes all rows and lists the patterns that are to be sent, row by row. */
static int encode(struct opu_projection *p, const float *in, size_t in_stride, size_t rows)
{
    struct opu_patterns *const patterns = &p->patterns;
    size_t bad = rows;
#pragma omp parallel for schedule(static) reduction(min : bad) if (rows * p->n_in > PARALLEL_WORK)
    for (size_t r = 0; r < rows; r++) {
        if (encode_one(p, in + r * in_stride, r) < 0) {
            bad = r < bad ? r : bad;
        }
    }
    if (bad < rows) {
        return encode_one(p, in + bad * in_stride, bad); /* once more, for this thread's sentence */
    }
    patterns->n = 0;
    for (size_t r = 0; r < rows; r++) {
        patterns->row_start[r] = (uint32_t)patterns->n;
        for (size_t k = 0; k < patterns->per_row; k++) {
            uint32_t const slot = (uint32_t)(r * patterns->per_row + k);
            if (patterns->n_on[slot] > 0) {
                patterns->slot[patterns->n++] = slot;
            }
        }
    }
    patterns->row_start[rows] = (uint32_t)patterns->n;
    return OPU_OK;
}

/* Fills the chunk with the next patterns and sends it; [first, last) are then under way. */
static int send_next(struct opu_projection *p, size_t side)
{
    const struct opu_patterns *const patterns = &p->patterns;
    size_t const every = p->pilot.every;
    size_t const batch = opu_pilot_batch(p);
    p->first = p->next;
    p->last = patterns->n - p->first < batch ? patterns->n : p->first + batch;
    if (p->last == p->first) {
        return OPU_OK;
    }
    for (size_t i = p->first; i < p->last; i++) {
        size_t const slot = patterns->slot[i];
        if (every > 0 && (i - p->first) % every == 0) {
            opu_pilot_add(p);
        }
        opu_chunk_add_pattern(p, patterns->bits + slot * patterns->bytes,
                              opu_class_of(&p->tables, patterns->n_on[slot]));
    }
    if (every > 0) {
        opu_pilot_add(p);
    }
    p->next = p->last;
    uint64_t const number = p->number;
    p->number += p->chunk.n;
    return opu_chunk_submit(p, number, side);
}

/* Frames that a call of n patterns takes. */
static size_t call_frames(const struct opu_projection *p, size_t n)
{
    size_t const batch = opu_pilot_batch(p);
    return n / batch * opu_pilot_frames(p, batch) + opu_pilot_frames(p, n % batch);
}

int opu_project_submit(struct opu_projection *p, const float *in, size_t in_stride, size_t rows)
{
    OPU_TRY(check_call(p, in, in_stride, rows));
    if (p->floats) {
        OPU_TRY(stage(p, in, in_stride, rows));
    } else {
        OPU_TRY(encode(p, in, in_stride, rows));
        uint64_t const start = p->device->clock;
        p->number = start;
        p->next = 0;
        OPU_TRY(send_next(p, 0));
        p->device->clock = start + call_frames(p, p->patterns.n);
    }
    p->rows = rows;
    p->under_way = true;
    p->device->stats.rows += rows;
    return OPU_OK;
}

/* What the patterns [first, last) add to row r; counts are the chunk's. */
static void decode_row(const struct opu_projection *p, size_t r, size_t first, size_t last,
                       const uint8_t *counts, float *out)
{
    const struct opu_patterns *const patterns = &p->patterns;
    size_t const start = patterns->row_start[r];
    size_t const end = patterns->row_start[r + 1];
    float row_weight = 0.0f;
    for (size_t i = start; i < end; i++) {
        row_weight += patterns->weight[patterns->slot[i]];
    }
    for (size_t i = start > first ? start : first; i < end && i < last; i++) {
        size_t const slot = patterns->slot[i];
        size_t const frame = opu_pilot_place(&p->pilot, i - first) * p->readout->frames;
        struct opu_answer answer = {
            .class_index = opu_class_of(&p->tables, patterns->n_on[slot]),
            .weight = patterns->weight[slot],
            .row_weight = row_weight,
            .first = i == start,
            .counts = counts + frame * p->chunk.count_bytes,
            .n_out = p->n_out,
            .thread = opu_sideband_thread(),
        };
        opu_pilot_turn(&p->pilot, i - first, last - first, answer.turn);
        p->readout->decode(p, &answer, out);
    }
}

static void decode(struct opu_projection *p, size_t first, size_t last, const uint8_t *counts,
                   float *out, size_t out_stride)
{
    opu_pilot_read(p, last - first, counts);
    size_t const row_first = p->patterns.slot[first] / p->patterns.per_row;
    size_t const row_last = p->patterns.slot[last - 1] / p->patterns.per_row;
    size_t const work = (last - first) * (p->n_out + p->layout.n_pixels);
#pragma omp parallel for schedule(static) num_threads((int)p->n_threads) if (work > PARALLEL_WORK)
    for (size_t r = row_first; r <= row_last; r++) {
        decode_row(p, r, first, last, counts, out + r * out_stride);
    }
}

static int wait_frames(struct opu_projection *p, float *out, size_t out_stride)
{
    for (size_t r = 0; r < p->rows; r++) {
        if (p->patterns.row_start[r] == p->patterns.row_start[r + 1]) {
            memset(out + r * out_stride, 0, p->n_out * sizeof *out);
        }
    }
    for (size_t side = 0; p->last > p->first; side = 1 - side) {
        size_t const first = p->first;
        size_t const last = p->last;
        OPU_TRY(opu_chunk_wait(p));
        OPU_TRY(send_next(p, 1 - side));
        decode(p, first, last, p->chunk.counts[side], out, out_stride);
    }
    return OPU_OK;
}

int opu_project_wait(struct opu_projection *p, float *out, size_t out_stride)
{
    if (!p->under_way) {
        return opu_fail(OPU_E_INVALID, "projection: nothing is under way; submit first");
    }
    if (p->rows > 0 && (out == NULL || out_stride < p->n_out)) {
        return opu_fail(OPU_E_INVALID,
                        "projection: saw outputs %zu elements apart, wanted at least %zu",
                        out == NULL ? 0 : out_stride, p->n_out);
    }
    p->under_way = false;
    if (!p->floats) {
        return wait_frames(p, out, out_stride);
    }
    if (p->generation != p->device->generation) {
        return opu_fail(OPU_E_BUSY, "projection: device %s has been set up for another use since",
                        p->device->uri);
    }
    return p->rows > 0 ? p->device->backend->ops->project(p->device->handle, p->staged, p->n_in,
                                                          p->rows, out, out_stride)
                       : OPU_OK;
}

int opu_project(struct opu_projection *p, const float *in, size_t in_stride, size_t rows,
                float *out, size_t out_stride)
{
    if (rows > 0 && (out == NULL || out_stride < p->n_out)) {
        return opu_fail(OPU_E_INVALID,
                        "projection: saw outputs %zu elements apart, wanted at least %zu",
                        out == NULL ? 0 : out_stride, p->n_out);
    }
    OPU_TRY(opu_project_submit(p, in, in_stride, rows));
    return opu_project_wait(p, out, out_stride);
}
