/* SPDX-License-Identifier: MIT */
/*
 * For tests of the device side: optics out of nothing that count their calls and fail on demand, a
 * clock that only tests move, and a host that speaks the wire by hand.
 */
#ifndef OPU_TESTS_DRIVER_TOY_H
#define OPU_TESTS_DRIVER_TOY_H

#include "base_support.h"

#include "driver/firmware/fw.h"

enum { TOY_INPUTS = 20, TOY_PIXELS = 7, TOY_EXPOSURES = 3, TOY_REFERENCES = 2 };

/* ---- Optics ---- */

struct toy {
    struct opu_wire_setup setup;
    const struct opu_optics_frame *frames;
    size_t n_frames, longest;
    unsigned configured, loaded, armed, started, stopped, switched, calibrated;
    unsigned dark_frames; /* started with the laser off */
    bool laser, open;
    double temperature_c;
    double level;             /* saturated share of pixels */
    uint64_t lose;            /* number of a frame whose trigger is lost */
    const char *fails;        /* name of the call that fails */
    void (*amid)(void *user); /* called while the optics are at it */
    void *user;
    struct opu_pattern_ops pattern_ops;
};

static inline int toy_end(const struct toy *toy, const char *call)
{
    return toy->fails != NULL && strcmp(toy->fails, call) == 0 ? -8 : 0;
}

static inline int toy_configure(void *self, const struct opu_wire_setup *setup)
{
    struct toy *const toy = self;
    toy->setup = *setup;
    toy->configured++;
    if (toy->amid != NULL) {
        toy->amid(toy->user);
    }
    return toy_end(toy, "configure");
}

static inline int toy_load(void *self, const struct opu_optics_frame *frames, size_t n,
                           struct opu_optics_upload *upload)
{
    struct toy *const toy = self;
    toy->frames = frames;
    toy->n_frames = n;
    toy->longest = n > toy->longest ? n : toy->longest;
    toy->loaded++;
    upload->bytes = 10 * n;
    upload->s = 0.25;
    return toy_end(toy, "load");
}

static inline int toy_start(void *self)
{
    struct toy *const toy = self;
    toy->started++;
    toy->dark_frames += !toy->laser;
    if (toy->amid != NULL) {
        toy->amid(toy->user);
    }
    return toy_end(toy, "start");
}

static inline int toy_stop(void *self)
{
    struct toy *const toy = self;
    toy->stopped++;
    return toy_end(toy, "stop");
}

static inline int toy_configure_nothing(void *self, const struct opu_wire_setup *setup)
{
    (void)self;
    (void)setup;
    return 0;
}

static inline int toy_arm(void *self, const struct opu_optics_frame *frames, size_t n,
                          uint8_t *counts)
{
    struct toy *const toy = self;
    assert_ptr_equal(frames, toy->frames);
    assert_int_equal(n, toy->n_frames);
    assert_non_null(counts);
    toy->armed++;
    return toy_end(toy, "arm");
}

/* What pixel p of a frame shows: anything that tells one frame from another. */
static inline unsigned toy_count(uint64_t number, const uint8_t *bits, unsigned reference,
                                 unsigned exposure, size_t p)
{
    return (unsigned)(number * 7 + bits[p % 3] * 3u + reference * 50 + exposure * 11 + p) & 0xff;
}

static inline int toy_read(void *self, size_t i, struct opu_wire_count *head, uint8_t *counts)
{
    const struct toy *const toy = self;
    const struct opu_optics_frame *const frame = &toy->frames[i];
    for (size_t p = 0; p < toy->setup.n_pixels; p++) {
        unsigned const count =
            toy_count(frame->number, frame->bits, frame->reference, frame->exposure, p);
        if (toy->setup.bits <= 8) {
            counts[p] = (uint8_t)count;
        } else {
            counts[2 * p] = (uint8_t)count;
            counts[2 * p + 1] = 1;
        }
    }
    head->time_s = (double)frame->number * 0.5;
    head->saturated = (uint32_t)(toy->level * (double)toy->setup.n_pixels);
    head->status = frame->number == toy->lose && toy->lose != 0 ? 1 : 0;
    return toy_end(toy, "read");
}

static inline int toy_load_references(void *self, const struct opu_optics_frame *frames, size_t n)
{
    (void)frames;
    (void)n;
    return toy_end(self, "reference");
}

static inline int toy_laser(void *self, bool on)
{
    struct toy *const toy = self;
    toy->switched++;
    if (toy_end(toy, "laser") < 0) {
        return -8;
    }
    toy->laser = on;
    return 0;
}

static inline bool toy_open(void *self)
{
    return ((const struct toy *)self)->open;
}

static inline double toy_temperature_c(void *self)
{
    return ((const struct toy *)self)->temperature_c;
}

static inline int toy_info(void *self, struct opu_wire_info *info)
{
    *info = (struct opu_wire_info){.flags = 1 << 0 | 1 << 2,
                                   .adc_bits = 1 << 8 | 1 << 10,
                                   .default_bits = 8,
                                   .max_inputs = 4096,
                                   .max_pixels = 100000,
                                   .max_exposures = 500,
                                   .max_references = TOY_REFERENCES,
                                   .min_exposure_us = 1.0,
                                   .max_exposure_us = 1000.0,
                                   .frame_rate_hz = 1000.0,
                                   .identity = "toy:optics"};
    return toy_end(self, "info");
}

static inline int toy_calibrate(void *self)
{
    struct toy *const toy = self;
    toy->calibrated++;
    return toy_end(toy, "calibrate");
}

static inline const char *toy_message(void *self)
{
    (void)self;
    return "the toy fails as the test wanted";
}

static inline struct opu_optics toy_optics(struct toy *toy, size_t max_patterns)
{
    static const struct opu_camera_ops camera_ops = {
        .configure = toy_configure_nothing, .arm = toy_arm, .read = toy_read};
    static const struct opu_reference_ops reference_ops = {.configure = toy_configure_nothing,
                                                           .load = toy_load_references,
                                                           .laser = toy_laser,
                                                           .interlock_open = toy_open,
                                                           .temperature_c = toy_temperature_c};
    toy->pattern_ops = (struct opu_pattern_ops){.max_patterns = max_patterns,
                                                .configure = toy_configure,
                                                .load = toy_load,
                                                .start = toy_start,
                                                .stop = toy_stop};
    return (struct opu_optics){.pattern = toy,
                               .camera = toy,
                               .reference = toy,
                               .pattern_ops = &toy->pattern_ops,
                               .camera_ops = &camera_ops,
                               .reference_ops = &reference_ops,
                               .info = toy_info,
                               .calibrate = toy_calibrate,
                               .message = toy_message,
                               .self = toy};
}

/* ---- A host, by hand: any function will do ---- */

#define TOY_PACKET 65536u

static inline int host_request(const struct opu_function *f, bool in, unsigned request,
                               unsigned value, uint8_t *data, size_t n)
{
    struct opu_fn_setup const setup = {.request_type = in ? 0xc1 : 0x41,
                                       .request = (uint8_t)request,
                                       .value = (uint16_t)value,
                                       .length = (uint16_t)n};
    return f->control(f->self, &setup, data);
}

static inline struct opu_wire_status host_status(const struct opu_function *f)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    struct opu_wire_status status;
    int const n = host_request(f, true, OPU_WIRE_STATUS, 0, data, sizeof data);
    assert_true(n > 0);
    assert_int_equal(opu_wire_get_status(&status, data, (size_t)n), OPU_WIRE_OK);
    return status;
}

static inline struct opu_wire_statistics host_statistics(const struct opu_function *f)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    struct opu_wire_statistics statistics;
    int const n = host_request(f, true, OPU_WIRE_STATISTICS, 0, data, sizeof data);
    assert_true(n > 0);
    assert_int_equal(opu_wire_get_statistics(&statistics, data, (size_t)n), OPU_WIRE_OK);
    return statistics;
}

struct host_text {
    char text[OPU_WIRE_CONTROL_BYTES];
};

static inline struct host_text host_text(const struct opu_function *f, unsigned request)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    struct host_text text = {""};
    const uint8_t *body;
    size_t n_body;
    int const n = host_request(f, true, request, 0, data, sizeof data);
    assert_true(n > 0);
    assert_int_equal(opu_wire_get_bytes(&body, &n_body, data, (size_t)n), OPU_WIRE_OK);
    memcpy(text.text, body, n_body);
    return text;
}

/* MESSAGE holds PART. */
#define assert_message(f, part) \
    do { \
        struct host_text const said_ = host_text((f), OPU_WIRE_MESSAGE); \
        if (strstr(said_.text, (part)) == NULL) { \
            fail_msg("the message \"%s\" lacks \"%s\"", said_.text, (part)); \
        } \
    } while (0)

static inline int host_reset(const struct opu_function *f, enum opu_wire_reset how)
{
    return host_request(f, false, OPU_WIRE_RESET, how, NULL, 0);
}

static const double toy_exposures_us[TOY_EXPOSURES] = {1.0, 10.0, 100.0};
static const struct opu_wire_reference toy_references[TOY_REFERENCES] = {{0.0, 1.0}, {1.5, 0.0}};

static inline struct opu_wire_setup toy_setup(void)
{
    return (struct opu_wire_setup){.n_inputs = TOY_INPUTS,
                                   .n_pixels = TOY_PIXELS,
                                   .bits = 8,
                                   .n_exposures = TOY_EXPOSURES,
                                   .n_references = TOY_REFERENCES,
                                   .exposures_us = toy_exposures_us,
                                   .references = toy_references};
}

/* Sends a block in pieces. */
static inline void host_pieces(const struct opu_function *f, const uint8_t *block, size_t n)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    for (size_t at = 0; at < n; at += OPU_WIRE_PIECE_BYTES) {
        size_t const left = n - at < OPU_WIRE_PIECE_BYTES ? n - at : OPU_WIRE_PIECE_BYTES;
        size_t const wrapped = opu_wire_put_bytes(data, block + at, left);
        assert_int_equal(host_request(f, false, OPU_WIRE_PIECE,
                                      (unsigned)(at / OPU_WIRE_PIECE_BYTES), data, wrapped),
                         wrapped);
    }
}

/* Pieces and CONFIGURE; what that returns. */
static inline int host_commit(const struct opu_function *f, const struct opu_wire_setup *setup,
                              uint32_t number)
{
    static uint8_t block[OPU_WIRE_SETUP_MAX];
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    size_t const n = opu_wire_put_setup(block, setup);
    struct opu_wire_commit const commit = {
        .setup = number, .bytes = (uint32_t)n, .crc = opu_crc32c(0, block, n)};
    host_pieces(f, block, n);
    size_t const wrapped = opu_wire_put_commit(data, &commit);
    return host_request(f, false, OPU_WIRE_CONFIGURE, 0, data, wrapped);
}

/* A packet of toy frames, the first of which has `number`; its bytes. */
static inline size_t host_packet(uint8_t *to, struct opu_wire_header header, uint64_t number)
{
    size_t const row = (TOY_INPUTS + 7) / 8;
    uint8_t *const payload = to + OPU_WIRE_HEADER_BYTES;
    for (uint32_t i = 0; i < header.n_frames; i++) {
        struct opu_wire_frame const frame = {.number = number + i,
                                             .reference = (uint16_t)(i % TOY_REFERENCES),
                                             .exposure = (uint16_t)(i % TOY_EXPOSURES)};
        opu_wire_put_frame(payload + i * OPU_WIRE_FRAME_BYTES, &frame);
        for (size_t b = 0; b < row; b++) {
            payload[header.n_frames * OPU_WIRE_FRAME_BYTES + i * row + b] =
                (uint8_t)(number * 5 + i * 3 + b);
        }
    }
    header.payload_bytes = (uint32_t)opu_wire_frames_payload(header.n_frames, TOY_INPUTS);
    header.payload_crc = opu_crc32c(0, payload, header.payload_bytes);
    return opu_wire_finish_packet(to, true, &header);
}

static inline int host_send(const struct opu_function *f, struct opu_wire_header header,
                            uint64_t number)
{
    static uint8_t packet[TOY_PACKET];
    size_t const n = host_packet(packet, header, number);
    int const moved = f->out(f->self, packet, n);
    assert_true(moved < 0 || moved == (int)n);
    return moved;
}

/* The next answer, checked but for its meaning. */
struct host_answer {
    int moved;
    struct opu_wire_header header;
    const uint8_t *payload;
};

static inline struct host_answer host_receive(const struct opu_function *f)
{
    static uint8_t packet[TOY_PACKET];
    struct host_answer answer = {.payload = packet + OPU_WIRE_HEADER_BYTES};
    answer.moved = f->in(f->self, packet, sizeof packet);
    if (answer.moved >= 0) {
        assert_int_equal(opu_wire_get_header(&answer.header, false, packet, (size_t)answer.moved),
                         OPU_WIRE_OK);
        assert_int_equal(opu_crc32c(0, answer.payload, answer.header.payload_bytes),
                         answer.header.payload_crc);
    }
    return answer;
}

/* That these are the counts of the packet that host_packet() makes of the same numbers. */
static inline void assert_counts(const struct host_answer *answer, uint32_t sequence,
                                 uint32_t n_frames, uint64_t number)
{
    assert_true(answer->moved > 0);
    assert_int_equal(answer->header.kind, OPU_WIRE_COUNTS);
    assert_int_equal(answer->header.sequence, sequence);
    assert_int_equal(answer->header.n_frames, n_frames);
    const uint8_t *counts = answer->payload + n_frames * OPU_WIRE_COUNT_BYTES;
    for (uint32_t i = 0; i < n_frames; i++, counts += TOY_PIXELS) {
        struct opu_wire_count head;
        uint8_t bits[3];
        opu_wire_get_count(&head, answer->payload + i * OPU_WIRE_COUNT_BYTES);
        assert_int_equal(head.number, number + i);
        assert_true(head.time_s == (double)(number + i) * 0.5);
        if (head.status != 0) {
            continue;
        }
        for (size_t b = 0; b < 3; b++) {
            bits[b] = (uint8_t)(number * 5 + i * 3 + b);
        }
        for (size_t p = 0; p < TOY_PIXELS; p++) {
            assert_int_equal(counts[p],
                             toy_count(number + i, bits, i % TOY_REFERENCES, i % TOY_EXPOSURES, p));
        }
    }
}

#define assert_refusal(answer, seq, why) \
    do { \
        assert_true((answer).moved > 0); \
        assert_int_equal((answer).header.kind, OPU_WIRE_REFUSED); \
        assert_int_equal((answer).header.code, (why)); \
        assert_int_equal((answer).header.sequence, (seq)); \
    } while (0)

#endif
