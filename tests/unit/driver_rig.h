/* SPDX-License-Identifier: MIT */
/* For tests of the firmware: one with toy optics, worked by hand, on a clock that tests move. */
#ifndef OPU_TESTS_DRIVER_RIG_H
#define OPU_TESTS_DRIVER_RIG_H

#include "driver_toy.h"

enum { RIG_PATTERNS = 40, RIG_QUEUE = 3 };

struct rig {
    struct toy toy;
    uint64_t now_us;
    int depth; /* of the lock */
    unsigned ready, wake;
    void *memory;
    struct opu_fw *fw;
    struct opu_function f;
};

static inline void rig_lock(void *self)
{
    assert_int_equal(((struct rig *)self)->depth++, 0);
}

static inline void rig_unlock(void *self)
{
    assert_int_equal(--((struct rig *)self)->depth, 0);
}

static inline uint64_t rig_now_us(void *self)
{
    return ((struct rig *)self)->now_us;
}

static inline void rig_ready(void *self)
{
    struct rig *const rig = self;
    assert_int_equal(rig->depth, 0);
    rig->ready++;
}

static inline void rig_wake(void *self)
{
    struct rig *const rig = self;
    assert_int_equal(rig->depth, 0);
    rig->wake++;
}

static inline struct opu_fw_options rig_options(struct rig *rig)
{
    return (struct opu_fw_options){.optics = toy_optics(&rig->toy, RIG_PATTERNS),
                                   .platform = {.self = rig,
                                                .lock = rig_lock,
                                                .unlock = rig_unlock,
                                                .now_us = rig_now_us,
                                                .ready = rig_ready,
                                                .wake = rig_wake},
                                   .max_out_bytes = TOY_PACKET - 1000,
                                   .max_in_bytes = TOY_PACKET - 2000,
                                   .queue = RIG_QUEUE,
                                   .serial = "TOY-1"};
}

/* All work there is; how many units. */
static inline unsigned rig_work(struct rig *rig)
{
    unsigned n = 0;
    while (opu_fw_work(rig->fw)) {
        n++;
        assert_int_equal(rig->depth, 0);
        assert_true(n < 1000);
    }
    return n;
}

/* Time passes, with a tick every 50 ms. */
static inline void rig_pass(struct rig *rig, uint64_t us)
{
    for (uint64_t t = 0; t < us; t += 50000) {
        rig->now_us += us - t < 50000 ? us - t : 50000;
        opu_fw_tick(rig->fw);
        (void)rig_work(rig);
    }
}

static inline int rig_setup(void **state)
{
    struct rig *const rig = calloc(1, sizeof *rig);
    rig->now_us = 1000000;
    rig->toy.temperature_c = 30.0;
    struct opu_fw_options const options = rig_options(rig);
    rig->memory = malloc(opu_fw_bytes(&options));
    rig->fw = opu_fw_init(rig->memory, &options);
    assert_non_null(rig->fw);
    rig->f = opu_fw_function(rig->fw);
    (void)rig_work(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *const rig = *state;
    opu_fw_close(rig->fw);
    free(rig->memory);
    free(rig);
    return 0;
}

/* Set-up number 5, in force. */
static inline void rig_configure(struct rig *rig)
{
    struct opu_wire_setup const setup = toy_setup();
    assert_true(host_commit(&rig->f, &setup, 5) > 0);
    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_READY);
    assert_int_equal(host_status(&rig->f).setup, 5);
}

/* The header of a packet that is wanted next. */
static inline struct opu_wire_header rig_header(const struct rig *rig, uint32_t n_frames)
{
    struct opu_wire_status const status = host_status(&rig->f);
    return (struct opu_wire_header){
        .epoch = status.epoch, .sequence = status.next, .setup = 5, .n_frames = n_frames};
}

static inline int rig_send(struct rig *rig, uint32_t n_frames, uint64_t number)
{
    return host_send(&rig->f, rig_header(rig, n_frames), number);
}

/* A packet there and back. */
static inline void rig_round(struct rig *rig, uint32_t n_frames, uint64_t number)
{
    struct opu_wire_header const header = rig_header(rig, n_frames);
    assert_true(host_send(&rig->f, header, number) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_counts(&answer, header.sequence, n_frames, number);
    assert_int_equal(answer.header.epoch, header.epoch);
}

static inline struct opu_wire_event rig_event(const struct rig *rig)
{
    uint8_t data[64];
    struct opu_wire_event event = {0};
    int const n = rig->f.event(rig->f.self, data, sizeof data);
    if (n >= 0) {
        assert_int_equal(opu_wire_get_event(&event, data, (size_t)n), OPU_WIRE_OK);
    }
    return event; /* kind 0: there was none */
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

#endif
