/* SPDX-License-Identifier: MIT */
/* The session over a port in the process. */
#include "driver_toy.h"

#include "driver_inprocess.h"

#include "driver/session.h"

enum { FRAMES = 200 };

struct rig {
    struct toy toy;
    struct opu_optics optics;
    struct inprocess *port;
    struct opu_session *session;
    struct opu_frame_setup setup;
    struct opu_reference references[TOY_REFERENCES];
    uint8_t bits[FRAMES * 3];
    uint16_t reference[FRAMES], exposure[FRAMES];
    uint64_t number[FRAMES];
    uint8_t counts[FRAMES * TOY_PIXELS];
    double time_s[FRAMES];
    uint32_t saturated[FRAMES];
    int32_t status[FRAMES];
    struct opu_frame_batch batch;
};
static struct rig rig;

static void open_rig(struct inprocess_options options, struct opu_session_options session)
{
    memset(&rig, 0, sizeof rig);
    rig.optics = toy_optics(&rig.toy, 400);
    options.optics = &rig.optics;
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
    for (size_t i = 0; i < FRAMES; i++) {
        rig.number[i] = 1000 + i;
        rig.reference[i] = (uint16_t)(i % TOY_REFERENCES);
        rig.exposure[i] = (uint16_t)(i % TOY_EXPOSURES);
        for (size_t b = 0; b < 3; b++) {
            rig.bits[3 * i + b] = (uint8_t)(i * 7 + b);
        }
    }
    rig.batch = (struct opu_frame_batch){.size = sizeof rig.batch,
                                         .n_frames = FRAMES,
                                         .bits = rig.bits,
                                         .reference = rig.reference,
                                         .exposure = rig.exposure,
                                         .number = rig.number,
                                         .counts = rig.counts,
                                         .time_s = rig.time_s,
                                         .saturated = rig.saturated,
                                         .status = rig.status};
}

static void close_rig(void)
{
    opu_session_close(rig.session);
    assert_true(inprocess_counts(rig.port).closed);
    inprocess_destroy(rig.port);
}

static void smoke(void **state)
{
    (void)state;
    open_rig((struct inprocess_options){0}, (struct opu_session_options){.transfer_bytes = 1000});
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    uint64_t job;
    assert_int_equal(opu_session_submit(rig.session, &rig.batch, &job), OPU_OK);
    assert_int_equal(opu_session_wait(rig.session, job, -1), OPU_OK);
    for (size_t i = 0; i < FRAMES; i++)
        for (size_t p = 0; p < TOY_PIXELS; p++)
            assert_int_equal(
                rig.counts[i * TOY_PIXELS + p],
                toy_count(rig.number[i], rig.bits + 3 * i, rig.reference[i], rig.exposure[i], p));
    struct opu_session_counts c;
    opu_session_counts(rig.session, &c);
    print_message("packets %d slots %d per %d\n", (int)c.packets, (int)c.n_slots,
                  (int)c.frames_per_packet);
    close_rig();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smoke),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
