/* SPDX-License-Identifier: MIT */
/* Stored counts, and stored answers. */
#include "stored.h"

#include <stdlib.h>
#include <string.h>

/* ---- Optics ---- */

static struct {
    const struct opu_optics_frame *frames;
    uint32_t n_pixels, bytes;
    double rate_hz;
} shown;

static int configure(void *self, const struct opu_wire_setup *setup)
{
    (void)self;
    shown.n_pixels = setup->n_pixels;
    shown.bytes = setup->bits <= 8 ? 1 : 2;
    return 0;
}

static int load(void *self, const struct opu_optics_frame *frames, size_t n,
                struct opu_optics_upload *upload)
{
    (void)self;
    (void)n;
    shown.frames = frames;
    *upload = (struct opu_optics_upload){0};
    return 0;
}

static int nothing(void *self)
{
    (void)self;
    return 0;
}

static int arm(void *self, const struct opu_optics_frame *frames, size_t n, uint8_t *counts)
{
    (void)self;
    (void)frames;
    (void)n;
    (void)counts;
    return 0;
}

static int read_counts(void *self, size_t i, struct opu_wire_count *head, uint8_t *counts)
{
    (void)self;
    *head = (struct opu_wire_count){.time_s = (double)shown.frames[i].number / shown.rate_hz};
    memset(counts, (int)(shown.frames[i].number % 97), (size_t)shown.n_pixels * shown.bytes);
    return 0;
}

static int load_references(void *self, const struct opu_optics_frame *frames, size_t n)
{
    (void)self;
    (void)frames;
    (void)n;
    return 0;
}

static int laser(void *self, bool on)
{
    (void)self;
    (void)on;
    return 0;
}

static int info(void *self, struct opu_wire_info *to)
{
    (void)self;
    *to = (struct opu_wire_info){.adc_bits = 1u << 8 | 1u << 12,
                                 .default_bits = 8,
                                 .max_inputs = 1u << 20,
                                 .max_pixels = 1u << 20,
                                 .max_exposures = 16,
                                 .max_references = 16,
                                 .min_exposure_us = 1.0,
                                 .max_exposure_us = 1e6,
                                 .frame_rate_hz = shown.rate_hz,
                                 .identity = "stored"};
    return 0;
}

static const char *message(void *self)
{
    (void)self;
    return "";
}

struct opu_optics stored_optics(double rate_hz)
{
    static const struct opu_pattern_ops pattern = {400, configure, load, nothing, nothing};
    static const struct opu_camera_ops camera = {configure, arm, read_counts};
    static const struct opu_reference_ops reference = {configure, load_references, laser, NULL,
                                                       NULL};
    shown.rate_hz = rate_hz;
    return (struct opu_optics){.pattern_ops = &pattern,
                               .camera_ops = &camera,
                               .reference_ops = &reference,
                               .info = info,
                               .message = message};
}

/* ---- Answers ---- */

static uint32_t word(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void put_word(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}

static struct stored_answer *find(struct stored *stored, uint64_t number, uint32_t n_frames)
{
    for (size_t i = 0; i < stored->n_answers; i++) {
        struct stored_answer *const answer = &stored->answers[i];
        if (answer->number == number && answer->n_frames == n_frames) {
            return answer;
        }
    }
    return NULL;
}

static int control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    struct stored *const stored = self;
    if (setup->request_type == 0x41 && setup->request == OPU_WIRE_RESET) {
        stored->n_waiting = 0;
    }
    return stored->inner.control(stored->inner.self, setup, data);
}

static int out(void *self, const uint8_t *data, size_t n)
{
    struct stored *const stored = self;
    if (n >= OPU_WIRE_HEADER_BYTES + OPU_WIRE_FRAME_BYTES) {
        struct opu_wire_frame frame;
        opu_wire_get_frame(&frame, data + OPU_WIRE_HEADER_BYTES);
        if (stored->n_waiting == STORED_WAITING) {
            return OPU_FN_NAK;
        }
        struct stored_waiting const come = {.answer = find(stored, frame.number, word(data + 20)),
                                            .epoch = word(data + 8),
                                            .sequence = word(data + 12),
                                            .setup = word(data + 16),
                                            .number = frame.number,
                                            .n_frames = word(data + 20)};
        if (stored->on && come.answer == NULL) {
            return OPU_FN_STALL;
        }
        int const moved = stored->on ? (int)n : stored->inner.out(stored->inner.self, data, n);
        if (moved >= 0) {
            size_t const last = (stored->first + stored->n_waiting++) % STORED_WAITING;
            uint8_t *const packet = stored->waiting[last].packet;
            stored->waiting[last] = come;
            stored->waiting[last].packet = packet;
            if (stored->on) {
                stored->ready(stored->user);
            } else {
                stored->waiting[last].packet = realloc(packet, n);
                stored->waiting[last].n_packet = n;
                memcpy(stored->waiting[last].packet, data, n);
            }
        }
        return moved;
    }
    return stored->inner.out(stored->inner.self, data, n);
}

static void keep(struct stored *stored, const struct stored_waiting *waiting, const uint8_t *data,
                 size_t n)
{
    if (stored->n_answers < STORED_ANSWERS &&
        find(stored, waiting->number, waiting->n_frames) == NULL) {
        struct stored_answer *const answer = &stored->answers[stored->n_answers++];
        *answer = (struct stored_answer){.number = waiting->number,
                                         .n_frames = waiting->n_frames,
                                         .bytes = malloc(n),
                                         .n = n,
                                         .packet = malloc(waiting->n_packet),
                                         .n_packet = waiting->n_packet};
        memcpy(answer->bytes, data, n);
        memcpy(answer->packet, waiting->packet, waiting->n_packet);
    }
}

static int in(void *self, uint8_t *data, size_t n)
{
    struct stored *const stored = self;
    struct stored_waiting *const waiting = &stored->waiting[stored->first];
    if (!stored->on) {
        int const moved = stored->inner.in(stored->inner.self, data, n);
        if (moved > 0 && stored->n_waiting > 0) {
            keep(stored, waiting, data, (size_t)moved);
            stored->first = (stored->first + 1) % STORED_WAITING;
            stored->n_waiting--;
        }
        return moved;
    }
    if (stored->n_waiting == 0) {
        return OPU_FN_NAK;
    }
    const struct stored_answer *const answer = waiting->answer;
    if (answer->n > n) {
        return OPU_FN_STALL;
    }
    memcpy(data, answer->bytes, answer->n);
    put_word(data + 8, waiting->epoch);
    put_word(data + 12, waiting->sequence);
    put_word(data + 16, waiting->setup);
    put_word(data + 36, opu_crc32c(0, data, 36));
    stored->first = (stored->first + 1) % STORED_WAITING;
    stored->n_waiting--;
    return (int)answer->n;
}

static int event(void *self, uint8_t *data, size_t n)
{
    struct stored *const stored = self;
    return stored->inner.event(stored->inner.self, data, n);
}

static void bus_reset(void *self)
{
    struct stored *const stored = self;
    stored->n_waiting = 0;
    stored->inner.bus_reset(stored->inner.self);
}

static void clear_halt(void *self, uint8_t endpoint)
{
    struct stored *const stored = self;
    stored->inner.clear_halt(stored->inner.self, endpoint);
}

struct opu_function stored_function(struct stored *stored, struct opu_function inner)
{
    stored->inner = inner;
    return (struct opu_function){.self = stored,
                                 .control = control,
                                 .out = out,
                                 .in = in,
                                 .event = event,
                                 .bus_reset = bus_reset,
                                 .clear_halt = clear_halt};
}

void stored_free(struct stored *stored)
{
    for (size_t i = 0; i < stored->n_answers; i++) {
        free(stored->answers[i].bytes);
        free(stored->answers[i].packet);
    }
    for (size_t i = 0; i < STORED_WAITING; i++) {
        free(stored->waiting[i].packet);
        stored->waiting[i].packet = NULL;
    }
    stored->n_answers = 0;
    stored->on = false;
}

void stored_switch(struct stored *stored)
{
    stored->n_waiting = 0;
    stored->on = true;
}
