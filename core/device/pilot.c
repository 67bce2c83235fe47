/* SPDX-License-Identifier: MIT */
/* Pilot frames: the reference's phase, followed. See struct opu_pilot. */
#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"
#include "core/device/sideband.h"

#define PI 3.14159265358979323846
#define SHOWS 64 /* of the pilot for S_0: its phase is then the mean over that long */
#define DRAW ((uint64_t)1 << 62) /* names the pilot's random pattern */

/* Pilots of n patterns in one chunk. */
static size_t count(const struct opu_pilot *pilot, size_t n)
{
    return pilot->every == 0 || n == 0 ? 0 : (n + pilot->every - 1) / pilot->every + 1;
}

size_t opu_pilot_batch(const struct opu_projection *p)
{
    size_t const room = p->chunk.capacity / p->readout->frames;
    size_t const every = p->pilot.every;
    if (every == 0) {
        return room;
    }
    /* n + ceil(n / every) + 1 <= room */
    size_t const groups = (room - 1) / (every + 1);
    size_t const rest = (room - 1) % (every + 1);
    return groups * every + (rest > 0 ? rest - 1 : 0);
}

size_t opu_pilot_frames(const struct opu_projection *p, size_t n)
{
    return (n + count(&p->pilot, n)) * p->readout->frames;
}

size_t opu_pilot_place(const struct opu_pilot *pilot, size_t i)
{
    return pilot->every == 0 ? i : i + i / pilot->every + 1;
}

/* Where pilot j of a chunk of n patterns lies. */
static size_t pilot_place(const struct opu_pilot *pilot, size_t j, size_t n)
{
    size_t const last = count(pilot, n) - 1;
    return j < last ? j * (pilot->every + 1) : n + last;
}

int opu_pilot_create(struct opu_projection *p)
{
    struct opu_pilot *const pilot = &p->pilot;
    if (pilot->every == 0) {
        return OPU_OK;
    }
    if (opu_pilot_batch(p) == 0 || p->chunk.capacity / p->readout->frames < 3) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "%s: takes %zu frames at a time, a pattern between two pilots wants %zu",
                        p->device->backend->scheme, p->chunk.capacity, 3 * p->readout->frames);
    }
    pilot->n_answer = p->n_out + p->n_out % 2;
    pilot->n_on = (uint32_t)(p->n_in / 2 + p->n_in % 2);
    pilot->bits = opu_calloc(p->context, (p->n_in + 7) / 8, 1);
    pilot->answer = opu_calloc(p->context, pilot->n_answer, sizeof *pilot->answer);
    pilot->seen = opu_calloc(p->context, p->n_threads * pilot->n_answer, sizeof *pilot->seen);
    pilot->phase = opu_calloc(p->context, p->chunk.capacity, sizeof *pilot->phase);
    if (pilot->bits == NULL || pilot->answer == NULL || pilot->seen == NULL ||
        pilot->phase == NULL) {
        return OPU_E_NO_MEMORY;
    }
    opu_random_pattern(pilot->bits, p->n_in, pilot->n_on, DRAW);
    return OPU_OK;
}

void opu_pilot_destroy(struct opu_projection *p)
{
    opu_context_free(p->context, p->pilot.bits);
    opu_context_free(p->context, p->pilot.answer);
    opu_context_free(p->context, p->pilot.seen);
    opu_context_free(p->context, p->pilot.phase);
}

void opu_pilot_add(struct opu_projection *p)
{
    opu_chunk_add_pattern(p, p->pilot.bits, opu_class_of(&p->tables, p->pilot.n_on));
}

/* The answer in the frames at `counts`; leakage stays in, as it does in S_0. */
static void decode(const struct opu_projection *p, const void *counts, size_t thread, float *out)
{
    struct opu_answer const answer = {
        .class_index = opu_class_of(&p->tables, p->pilot.n_on),
        .weight = 1.0f,
        .turn = {1.0f, 0.0f},
        .first = true,
        .counts = counts,
        .n_out = p->pilot.n_answer,
        .thread = thread,
    };
    p->readout->decode(p, &answer, out);
}

int opu_pilot_calibrate(struct opu_projection *p)
{
    struct opu_pilot *const pilot = &p->pilot;
    if (pilot->every == 0) {
        return OPU_OK;
    }
    size_t const frames = p->readout->frames;
    size_t const room = p->chunk.capacity / frames;
    for (size_t i = 0; i < pilot->n_answer; i++) {
        pilot->answer[i] = 0.0f;
    }
    for (size_t first = 0; first < SHOWS; first += room) {
        size_t const n = SHOWS - first < room ? SHOWS - first : room;
        for (size_t i = 0; i < n; i++) {
            opu_pilot_add(p);
        }
        size_t fired;
        OPU_TRY(opu_chunk_fire(p, &fired));
        for (size_t i = 0; i < n; i++) {
            decode(p, p->chunk.counts[0] + i * frames * p->chunk.count_bytes, 0, pilot->seen);
            for (size_t k = 0; k < pilot->n_answer; k++) {
                pilot->answer[k] += pilot->seen[k] / (float)SHOWS;
            }
        }
    }
    return OPU_OK;
}

void opu_pilot_read(struct opu_projection *p, size_t n, const uint8_t *counts)
{
    struct opu_pilot *const pilot = &p->pilot;
    size_t const pilots = count(pilot, n);
    size_t const bytes = p->readout->frames * p->chunk.count_bytes;
#pragma omp parallel for schedule(static) num_threads((int)p->n_threads) if (pilots > 8)
    for (size_t j = 0; j < pilots; j++) {
        size_t const thread = opu_sideband_thread();
        float *const seen = pilot->seen + thread * pilot->n_answer;
        double re = 0.0;
        double im = 0.0;
        decode(p, counts + pilot_place(pilot, j, n) * bytes, thread, seen);
        for (size_t k = 0; k < pilot->n_answer; k += 2) {
            double const s[2] = {(double)seen[k], (double)seen[k + 1]};
            double const s0[2] = {(double)pilot->answer[k], (double)pilot->answer[k + 1]};
            re += s[0] * s0[0] + s[1] * s0[1];
            im += s[1] * s0[0] - s[0] * s0[1];
        }
        pilot->phase[j] = atan2(im, re);
    }
}

void opu_pilot_turn(const struct opu_pilot *pilot, size_t i, size_t n, float turn[2])
{
    turn[0] = 1.0f;
    turn[1] = 0.0f;
    if (pilot->every == 0) {
        return;
    }
    size_t const j = i / pilot->every;
    double const left = (double)pilot_place(pilot, j, n);
    double const right = (double)pilot_place(pilot, j + 1, n);
    double const share = ((double)opu_pilot_place(pilot, i) - left) / (right - left);
    double step = pilot->phase[j + 1] - pilot->phase[j];
    step -= 2.0 * PI * rint(step / (2.0 * PI));
    double const phase = pilot->phase[j] + share * step;
    turn[0] = (float)cos(phase);
    turn[1] = (float)-sin(phase);
}
