/* SPDX-License-Identifier: MIT */
/* For tests of the session: one over the in-process port, with toy optics, and batches whose counts
 * are known. */
#ifndef OPU_TESTS_DRIVER_SESSION_RIG_H
#define OPU_TESTS_DRIVER_SESSION_RIG_H

#include "driver_inprocess.h"
#include "driver_toy.h"

#include "driver/session.h"

enum { RIG_FRAMES = 120, RIG_ROW = (TOY_INPUTS + 7) / 8 };

/* A batch with all that belongs to it. */
struct load {
    uint8_t bits[RIG_FRAMES * RIG_ROW];
    uint16_t reference[RIG_FRAMES], exposure[RIG_FRAMES];
    uint64_t number[RIG_FRAMES];
    uint8_t counts[RIG_FRAMES * TOY_PIXELS * 2];
    double time_s[RIG_FRAMES];
    uint32_t saturated[RIG_FRAMES];
    int32_t status[RIG_FRAMES];
    struct opu_frame_batch batch;
};

struct rig {
    bool real;
    struct toy toy;
    struct opu_optics optics;
    struct inprocess *port;
    struct opu_session *session;
    struct opu_frame_setup setup;
    struct opu_reference references[TOY_REFERENCES];
    struct load loads[OPU_SESSION_JOBS + 1];
};
static struct rig rig;

static inline void load_fill(struct load *load, uint64_t first)
{
    for (size_t i = 0; i < RIG_FRAMES; i++) {
        load->number[i] = first + i;
        load->reference[i] = (uint16_t)(i % TOY_REFERENCES);
        load->exposure[i] = (uint16_t)(i % TOY_EXPOSURES);
        load->time_s[i] = -1.0;
        load->saturated[i] = 77;
        load->status[i] = 77;
        for (size_t b = 0; b < RIG_ROW; b++) {
            load->bits[i * RIG_ROW + b] = (uint8_t)(first * 3 + i * 7 + b);
        }
    }
    memset(load->counts, 0xa5, sizeof load->counts);
    load->batch = (struct opu_frame_batch){.size = sizeof load->batch,
                                           .n_frames = RIG_FRAMES,
                                           .bits = load->bits,
                                           .reference = load->reference,
                                           .exposure = load->exposure,
                                           .number = load->number,
                                           .counts = load->counts,
                                           .time_s = load->time_s,
                                           .saturated = load->saturated,
                                           .status = load->status};
}

/* All of it is as the toy shows it; frames that were lost are only counted. */
static inline size_t load_check(const struct load *load)
{
    size_t lost = 0;
    size_t const bytes = rig.setup.bits <= 8 ? 1 : 2;
    for (size_t i = 0; i < load->batch.n_frames; i++) {
        if (load->batch.status != NULL && load->status[i] != OPU_FRAME_OK) {
            lost++;
            continue;
        }
        for (size_t p = 0; p < rig.setup.n_pixels; p++) {
            const uint8_t *const seen = load->counts + (i * rig.setup.n_pixels + p) * bytes;
            unsigned const wanted =
                toy_count(load->number[i], load->bits + i * RIG_ROW,
                          load->batch.reference != NULL ? load->reference[i] : 0,
                          load->batch.exposure != NULL ? load->exposure[i] : 0, p);
            assert_int_equal(seen[0], wanted);
            assert_int_equal(bytes == 2 ? seen[1] : 1, 1);
        }
        if (load->batch.time_s != NULL) {
            assert_true(load->time_s[i] == (double)load->number[i] * 0.5);
        }
        if (load->batch.saturated != NULL) {
            assert_int_equal(load->saturated[i], 0);
        }
    }
    return lost;
}

static inline void rig_open(struct inprocess_options options, struct opu_session_options session)
{
    memset(&rig, 0, sizeof rig);
    rig.real = options.real;
    rig.optics = toy_optics(&rig.toy, 400);
    options.optics = &rig.optics;
    session.transfer_bytes = session.transfer_bytes > 0 ? session.transfer_bytes : 700;
    session.replug_ms = session.replug_ms > 0 ? session.replug_ms : 5000;
    rig.port = inprocess_create(&options);
    assert_non_null(rig.port);
    assert_int_equal(opu_session_open(&rig.session, NULL, inprocess_port(rig.port), &session),
                     OPU_OK);
    for (size_t i = 0; i < TOY_REFERENCES; i++) {
        rig.references[i] =
            (struct opu_reference){toy_references[i].phase_rad, toy_references[i].amplitude};
    }
    rig.setup = (struct opu_frame_setup){.size = sizeof rig.setup,
                                         .n_inputs = TOY_INPUTS,
                                         .n_pixels = TOY_PIXELS,
                                         .bits = 8,
                                         .n_exposures = TOY_EXPOSURES,
                                         .exposures_us = toy_exposures_us,
                                         .n_references = TOY_REFERENCES,
                                         .references = rig.references};
    for (size_t i = 0; i <= OPU_SESSION_JOBS; i++) {
        load_fill(&rig.loads[i], 1000 * (i + 1));
    }
}

static inline void rig_ready(struct inprocess_options options, struct opu_session_options session)
{
    rig_open(options, session);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
}

static inline void rig_close(void)
{
    opu_session_close(rig.session);
    struct inprocess_counts const counts = inprocess_counts(rig.port);
    assert_true(counts.closed);
    assert_true(rig.real || !rig.toy.laser); /* a board with a thread takes a moment */
    inprocess_destroy(rig.port);
    assert_false(rig.toy.laser);
}

static inline struct opu_session_counts rig_counts(void)
{
    struct opu_session_counts counts;
    opu_session_counts(rig.session, &counts);
    return counts;
}

/* Submits load i; its job. */
static inline uint64_t rig_submit(size_t i)
{
    uint64_t job = 0;
    assert_int_equal(opu_session_submit(rig.session, &rig.loads[i].batch, &job), OPU_OK);
    return job;
}

/* Load i goes through; how many frames were lost. */
static inline size_t rig_run(size_t i)
{
    int const status = opu_session_wait(rig.session, rig_submit(i), -1);
    if (status != OPU_OK) {
        fail_msg("%s: %s", opu_status_name(status), opu_error_message());
    }
    return load_check(&rig.loads[i]);
}

#endif
