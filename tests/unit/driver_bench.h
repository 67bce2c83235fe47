/* SPDX-License-Identifier: MIT */
/* For tests of the emulated board: frames that a device and a board should answer alike, and a host
 * that waits for a board, by hand or by thread. */
#ifndef OPU_TESTS_DRIVER_BENCH_H
#define OPU_TESTS_DRIVER_BENCH_H

#include "driver_toy.h"

#include <pthread.h>
#include <time.h>

#include "driver/board.h"

enum { N_INPUTS = 33, N_PIXELS = 19, N_FRAMES = 1050 };

static const double exposures_us[2] = {3.0, 9.0};
static const struct opu_reference references[3] = {{0.0, 1.0}, {2.0, 0.5}, {0.0, 0.0}};

/* Frames that any test may show. */
struct frames {
    uint8_t bits[N_FRAMES][(N_INPUTS + 7) / 8];
    uint16_t reference[N_FRAMES], exposure[N_FRAMES];
    uint64_t number[N_FRAMES];
    uint16_t counts[N_FRAMES][N_PIXELS];
    double time_s[N_FRAMES];
    uint32_t saturated[N_FRAMES];
};

static inline struct frames *frames_make(void)
{
    struct frames *const frames = calloc(1, sizeof *frames);
    uint32_t x = 1;
    for (size_t i = 0; i < N_FRAMES; i++) {
        for (size_t b = 0; b < sizeof frames->bits[i]; b++) {
            x = x * 1664525u + 1013904223u;
            frames->bits[i][b] = (uint8_t)(x >> 24);
        }
        frames->bits[i][N_INPUTS / 8] &= (1u << N_INPUTS % 8) - 1;
        frames->reference[i] = (uint16_t)(i % 3);
        frames->exposure[i] = (uint16_t)(i / 3 % 2);
        frames->number[i] = 5 + 3 * i;
    }
    return frames;
}

static inline struct opu_device *open_device(const char *uri)
{
    struct opu_device *device;
    if (opu_device_open(&device, NULL, uri) < 0) {
        fail_msg("%s: %s", uri, opu_error_message());
    }
    return device;
}

/* The counts as the device itself gives them. */
static inline void frames_expose(struct frames *frames, struct opu_device *device)
{
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = N_INPUTS,
                                          .n_pixels = N_PIXELS,
                                          .bits = 10,
                                          .n_exposures = 2,
                                          .exposures_us = exposures_us,
                                          .n_references = 3,
                                          .references = references};
    struct opu_frame_batch batch = {.size = sizeof batch,
                                    .n_frames = N_FRAMES,
                                    .bits = frames->bits[0],
                                    .reference = frames->reference,
                                    .exposure = frames->exposure,
                                    .number = frames->number,
                                    .counts = frames->counts,
                                    .time_s = frames->time_s,
                                    .saturated = frames->saturated};
    uint64_t job;
    assert_int_equal(opu_device_configure(device, &setup), OPU_OK);
    assert_int_equal(opu_device_submit(device, &batch, &job), OPU_OK);
    assert_int_equal(opu_device_wait(device, job, -1), OPU_OK);
}

/* The same set-up over the wire. */
static inline struct opu_wire_setup wire_setup(void)
{
    static struct opu_wire_reference arm[3];
    for (size_t i = 0; i < 3; i++) {
        arm[i] = (struct opu_wire_reference){references[i].phase_rad, references[i].amplitude};
    }
    return (struct opu_wire_setup){.n_inputs = N_INPUTS,
                                   .n_pixels = N_PIXELS,
                                   .bits = 10,
                                   .n_exposures = 2,
                                   .exposures_us = exposures_us,
                                   .n_references = 3,
                                   .references = arm};
}

/* Frames first .. first + n - 1 as a packet; its bytes. */
static inline size_t put_packet(uint8_t *to, const struct frames *frames,
                                struct opu_wire_header header, size_t first)
{
    uint8_t *const payload = to + OPU_WIRE_HEADER_BYTES;
    size_t const row = sizeof frames->bits[0];
    for (uint32_t i = 0; i < header.n_frames; i++) {
        struct opu_wire_frame const frame = {.number = frames->number[first + i],
                                             .reference = frames->reference[first + i],
                                             .exposure = frames->exposure[first + i]};
        opu_wire_put_frame(payload + i * OPU_WIRE_FRAME_BYTES, &frame);
        memcpy(payload + header.n_frames * OPU_WIRE_FRAME_BYTES + i * row, frames->bits[first + i],
               row);
    }
    header.payload_bytes = (uint32_t)opu_wire_frames_payload(header.n_frames, N_INPUTS);
    header.payload_crc = opu_crc32c(0, payload, header.payload_bytes);
    return opu_wire_finish_packet(to, true, &header);
}

static inline void assert_same(const struct host_answer *answer, const struct frames *frames,
                               size_t first)
{
    uint32_t const n = answer->header.n_frames;
    assert_int_equal(answer->header.kind, OPU_WIRE_COUNTS);
    const uint8_t *const counts = answer->payload + n * OPU_WIRE_COUNT_BYTES;
    assert_memory_equal(counts, frames->counts[first], n * sizeof frames->counts[0]);
    for (uint32_t i = 0; i < n; i++) {
        struct opu_wire_count head;
        opu_wire_get_count(&head, answer->payload + i * OPU_WIRE_COUNT_BYTES);
        assert_int_equal(head.number, frames->number[first + i]);
        assert_true(head.time_s == frames->time_s[first + i]);
        assert_int_equal(head.saturated, frames->saturated[first + i]);
        assert_int_equal(head.status, 0);
    }
}

/* A board, and how a test waits for it. */
struct bench {
    struct opu_board *board;
    struct opu_function f;
    bool threaded;
    uint64_t now_us; /* inline: the clock */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned readies;
};

static inline uint64_t bench_now_us(void *user)
{
    return ((const struct bench *)user)->now_us;
}

static inline void bench_ready(void *user)
{
    struct bench *const bench = user;
    (void)pthread_mutex_lock(&bench->lock);
    bench->readies++;
    (void)pthread_cond_signal(&bench->moved);
    (void)pthread_mutex_unlock(&bench->lock);
}

static inline void bench_open(struct bench *bench, struct opu_board_options options)
{
    *bench = (struct bench){.threaded = !options.inline_work, .now_us = 1000};
    (void)pthread_mutex_init(&bench->lock, NULL);
    (void)pthread_cond_init(&bench->moved, NULL);
    options.user = bench;
    options.ready = bench_ready;
    options.now_us = options.inline_work ? bench_now_us : NULL;
    if (opu_board_create(&bench->board, &options) < 0) {
        fail_msg("%s", opu_error_message());
    }
    bench->f = opu_board_function(bench->board);
}

static inline void bench_close(struct bench *bench)
{
    opu_board_destroy(bench->board);
    (void)pthread_mutex_destroy(&bench->lock);
    (void)pthread_cond_destroy(&bench->moved);
}

/* Until something may have moved; readies is what was seen before. */
static inline void bench_wait(struct bench *bench, unsigned readies)
{
    if (!bench->threaded) {
        if (!opu_board_step(bench->board)) {
            bench->now_us += 100;
        }
        return;
    }
    (void)pthread_mutex_lock(&bench->lock);
    if (bench->readies == readies) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        (void)pthread_cond_timedwait(&bench->moved, &bench->lock, &until);
    }
    (void)pthread_mutex_unlock(&bench->lock);
}

static inline unsigned bench_readies(struct bench *bench)
{
    (void)pthread_mutex_lock(&bench->lock);
    unsigned const readies = bench->readies;
    (void)pthread_mutex_unlock(&bench->lock);
    return readies;
}

static inline void bench_configure(struct bench *bench, const struct opu_wire_setup *setup)
{
    assert_true(host_commit(&bench->f, setup, 5) > 0);
    for (;;) {
        unsigned const readies = bench_readies(bench);
        uint32_t const state = host_status(&bench->f).state;
        if (state != OPU_WIRE_BUSY) {
            assert_int_equal(state, OPU_WIRE_READY);
            return;
        }
        bench_wait(bench, readies);
    }
}

/* Shows all frames in packets of n, as many in flight as are taken. */
static inline void bench_show(struct bench *bench, const struct frames *frames, uint32_t n)
{
    static uint8_t packet[TOY_PACKET];
    struct opu_wire_status const status = host_status(&bench->f);
    size_t sent = 0;
    size_t seen = 0;
    struct opu_wire_header header = {
        .epoch = status.epoch, .sequence = status.next, .setup = 5, .n_frames = n};
    uint32_t wanted = header.sequence;
    while (seen < N_FRAMES) {
        unsigned const readies = bench_readies(bench);
        bool moved = false;
        if (sent < N_FRAMES) {
            size_t const bytes = put_packet(packet, frames, header, sent);
            if (bench->f.out(bench->f.self, packet, bytes) > 0) {
                sent += n;
                header.sequence++;
                moved = true;
            }
        }
        struct host_answer const answer = host_receive(&bench->f);
        if (answer.moved > 0) {
            assert_int_equal(answer.header.sequence, wanted++);
            assert_same(&answer, frames, seen);
            seen += n;
            moved = true;
        }
        if (!moved) {
            bench_wait(bench, readies);
        }
    }
}

#endif
