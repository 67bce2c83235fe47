/* SPDX-License-Identifier: MIT */
/* The firmware's set-ups and calibrations: out of pieces, within limits, swapped while the optics
 * are at it. */
#include "driver_rig.h"

#include <math.h>

static double many_exposures_us[500];

static struct opu_wire_setup large_setup(void)
{
    struct opu_wire_setup setup = toy_setup();
    for (size_t i = 0; i < 500; i++) {
        many_exposures_us[i] = 1.0 + (double)i;
    }
    setup.n_exposures = 500; /* 4096 bytes: five pieces */
    setup.exposures_us = many_exposures_us;
    return setup;
}

static int send_commit(const struct rig *rig, struct opu_wire_commit commit)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    size_t const n = opu_wire_put_commit(data, &commit);
    return host_request(&rig->f, false, OPU_WIRE_CONFIGURE, 0, data, n);
}

static int send_piece(const struct rig *rig, unsigned i, const uint8_t *bytes, size_t n)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    size_t const wrapped = opu_wire_put_bytes(data, bytes, n);
    return host_request(&rig->f, false, OPU_WIRE_PIECE, i, data, wrapped);
}

static void a_set_up_is_put_together_from_its_pieces(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup const setup = large_setup();
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_IDLE);
    assert_true(host_commit(&rig->f, &setup, 77) > 0);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_BUSY);
    assert_int_equal(host_status(&rig->f).setup, 0);
    assert_int_equal(rig->toy.configured, 0);
    (void)rig_work(rig);
    struct opu_wire_status const status = host_status(&rig->f);
    assert_int_equal(status.state, OPU_WIRE_READY);
    assert_int_equal(status.setup, 77);
    assert_int_equal(status.result, 0);
    assert_int_equal(rig->toy.configured, 1);
    assert_int_equal(rig->toy.setup.n_inputs, TOY_INPUTS);
    assert_int_equal(rig->toy.setup.n_exposures, 500);
    assert_memory_equal(rig->toy.setup.exposures_us, many_exposures_us, sizeof many_exposures_us);
    assert_memory_equal(rig->toy.setup.references, toy_references, sizeof toy_references);
}

static void wrong_pieces_are_refused_and_change_nothing(void **state)
{
    struct rig *const rig = *state;
    static uint8_t block[OPU_WIRE_SETUP_MAX];
    struct opu_wire_setup const setup = large_setup();
    uint32_t const n = (uint32_t)opu_wire_put_setup(block, &setup);
    struct opu_wire_commit const good = {.setup = 9, .bytes = n, .crc = opu_crc32c(0, block, n)};
    rig_configure(rig);

    assert_int_equal(send_piece(rig, 25, block, 5), OPU_FN_STALL);
    assert_message(&rig->f, "piece 25");
    assert_int_equal(send_piece(rig, 0, block, 0), OPU_FN_STALL);

    assert_int_equal(send_commit(rig, good), OPU_FN_STALL);
    assert_message(&rig->f, "piece 0 of the set-up has 0 bytes, wanted 1008");

    host_pieces(&rig->f, block, n);
    assert_true(send_piece(rig, 2, block, 100) > 0);
    assert_int_equal(send_commit(rig, good), OPU_FN_STALL);
    assert_message(&rig->f, "piece 2 of the set-up has 100 bytes, wanted 1008");

    host_pieces(&rig->f, block, n);
    assert_int_equal(send_commit(rig, (struct opu_wire_commit){9, n - 8, good.crc}), OPU_FN_STALL);
    assert_message(&rig->f, "piece 4");

    host_pieces(&rig->f, block, n);
    assert_int_equal(send_commit(rig, (struct opu_wire_commit){9, n, good.crc + 1}), OPU_FN_STALL);
    assert_message(&rig->f, "the set-up's CRC is");

    host_pieces(&rig->f, block, n);
    assert_int_equal(send_commit(rig, (struct opu_wire_commit){0, n, good.crc}), OPU_FN_STALL);
    host_pieces(&rig->f, block, n);
    assert_int_equal(
        send_commit(rig, (struct opu_wire_commit){9, OPU_WIRE_SETUP_MAX + 1, good.crc}),
        OPU_FN_STALL);
    assert_message(&rig->f, "a commit of 12 bytes: a value is outside its range");
    assert_int_equal(host_status(&rig->f).result, -6);

    block[4] = block[5] = block[6] = block[7] = 0; /* no pixels */
    host_pieces(&rig->f, block, n);
    assert_int_equal(send_commit(rig, (struct opu_wire_commit){9, n, opu_crc32c(0, block, n)}),
                     OPU_FN_STALL);
    assert_message(&rig->f, "a value is outside its range");

    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).setup, 5);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_READY);
    rig_round(rig, 3, 0);
}

static void spoilt_payloads_of_requests_are_refused_with_a_sentence(void **state)
{
    struct rig *const rig = *state;
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    static const struct {
        size_t offset;
        const char *message;
    } cases[] = {{0, "protocol version 17; this firmware speaks version 1"},
                 {2, "the request's payload:"},
                 {6, "the request's payload:"}};
    for (size_t i = 0; i < 3; i++) {
        size_t const n = opu_wire_put_bytes(data, "0123456789", 10);
        data[cases[i].offset] ^= 0x10;
        assert_int_equal(host_request(&rig->f, false, OPU_WIRE_PIECE, 0, data, n), OPU_FN_STALL);
        assert_message(&rig->f, cases[i].message);
    }
    size_t const n = opu_wire_put_bytes(data, "0123456789", 10); /* a commit has 12 */
    assert_int_equal(host_request(&rig->f, false, OPU_WIRE_CONFIGURE, 0, data, n), OPU_FN_STALL);
    assert_message(&rig->f, "a commit of 10 bytes");
}

static void limits_are_told(void **state)
{
    struct rig *const rig = *state;
    static const double too_long_us[1] = {1000.5};
    static const double too_short_us[1] = {0.5};
    static const struct opu_wire_reference dimmed[1] = {{0.0, 0.5}};
    static const struct opu_wire_reference bright[1] = {{0.0, 1.5}};
    static const struct opu_wire_reference three[3] = {{0}};
    static double many_us[501];
    for (size_t i = 0; i < 501; i++) {
        many_us[i] = 1.0;
    }
    struct opu_wire_setup const good = toy_setup();
    struct {
        struct opu_wire_setup setup;
        const char *message;
        int result;
    } cases[] = {
        {good, "n_inputs is 4097, wanted 1 to 4096", -1},
        {good, "n_pixels is 100001, wanted 1 to 100000", -1},
        {good, "no 9-bit counts", -1},
        {good, "n_exposures is 501, wanted 1 to 500", -1},
        {good, "exposure 0 is 1000.5 us, wanted 1 to 1000", -1},
        {good, "exposure 0 is 0.5 us", -1},
        {good, "the set-up: a value is outside its range", -6},
        {good, "n_references is 3, wanted 0 to 2", -1},
        {good, "has no reference arm that can be dimmed", -7},
        {good, "has no region of the camera", -7},
        {good, "an answer of 80068, at most 64536 and 63536", -1},
    };
    cases[0].setup.n_inputs = 4097;
    cases[1].setup.n_pixels = 100001;
    cases[2].setup.bits = 9;
    cases[3].setup.n_exposures = 501;
    cases[3].setup.exposures_us = many_us;
    cases[4].setup.n_exposures = 1;
    cases[4].setup.exposures_us = too_long_us;
    cases[5].setup.n_exposures = 1;
    cases[5].setup.exposures_us = too_short_us;
    cases[6].setup.n_references = 1;
    cases[6].setup.references = bright;
    cases[7].setup.n_references = 3;
    cases[7].setup.references = three;
    cases[8].setup.n_references = 1;
    cases[8].setup.references = dimmed;
    cases[9].setup.output_kind = 1;
    cases[9].setup.width = 7;
    cases[9].setup.height = 1;
    cases[9].setup.stride = 1;
    cases[9].setup.binning = 1;
    cases[10].setup.n_pixels = 80000;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(host_commit(&rig->f, &cases[i].setup, 3), OPU_FN_STALL);
        assert_message(&rig->f, cases[i].message);
        assert_int_equal(host_status(&rig->f).result, cases[i].result);
        assert_int_equal(host_status(&rig->f).state, OPU_WIRE_IDLE);
    }
    assert_int_equal(rig->toy.configured, 0);
}

static void optics_that_can_not_be_set_up_are_a_fault(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup const setup = toy_setup();
    rig_configure(rig);
    rig->toy.fails = "configure";
    assert_true(host_commit(&rig->f, &setup, 6) > 0);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_BUSY);
    assert_int_equal(host_status(&rig->f).setup, 0);
    (void)rig_work(rig);
    struct opu_wire_status const status = host_status(&rig->f);
    assert_int_equal(status.state, OPU_WIRE_FAULT);
    assert_int_equal(status.result, -8);
    assert_int_equal(status.setup, 0);
    assert_message(&rig->f, "set-up: the toy fails as the test wanted");
    assert_true(rig_send(rig, 2, 0) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_BAD_SETUP);
    rig->toy.fails = NULL;
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    rig_configure(rig);
    rig_round(rig, 2, 0);
}

static void calibration_is_work_and_its_end_is_told(void **state)
{
    struct rig *const rig = *state;
    assert_int_equal(host_request(&rig->f, false, OPU_WIRE_CALIBRATE, 0, NULL, 0), 0);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_BUSY);
    (void)rig_work(rig);
    assert_int_equal(rig->toy.calibrated, 1);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_IDLE);
    assert_int_equal(host_status(&rig->f).result, 0);
    rig->toy.fails = "calibrate";
    assert_int_equal(host_request(&rig->f, false, OPU_WIRE_CALIBRATE, 0, NULL, 0), 0);
    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).result, -8);
    assert_message(&rig->f, "calibration: the toy fails");
}

/* ---- While the optics are at it ---- */

static void flush_once(void *user)
{
    struct rig *const rig = user;
    assert_int_equal(rig->depth, 0); /* requests are answered meanwhile */
    rig->toy.amid = NULL;
    assert_int_equal(host_status(&rig->f).queued, 1);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_true(rig_send(rig, 3, 500) > 0);
}

static void what_a_flush_overtakes_is_thrown_away(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    for (size_t i = 0; i < 10; i++) { /* more often than there are slots */
        rig->toy.amid = flush_once;
        rig->toy.user = rig;
        assert_true(rig_send(rig, 2, 0) > 0);
        (void)rig_work(rig);
        struct host_answer const answer = host_receive(&rig->f);
        assert_counts(&answer, 0, 3, 500);
        assert_int_equal(answer.header.epoch, host_status(&rig->f).epoch);
        assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
    }
    assert_int_equal(host_statistics(&rig->f).refused, 0);
}

static void long_packets_are_given_up_after_a_flush(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.amid = flush_once;
    rig->toy.user = rig;
    assert_true(rig_send(rig, 10 * RIG_PATTERNS, 0) > 0);
    (void)rig_work(rig);
    assert_int_equal(rig->toy.started, 2); /* one of ten, and the packet sent meanwhile */
    assert_int_equal(rig->toy.stopped, rig->toy.loaded);
}

static void configure_once(void *user)
{
    struct rig *const rig = user;
    struct opu_wire_setup const setup = toy_setup();
    rig->toy.amid = NULL;
    assert_true(host_commit(&rig->f, &setup, 6) > 0);
}

static void counts_of_the_former_set_up_are_not_sent(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.amid = configure_once;
    rig->toy.user = rig;
    assert_true(rig_send(rig, 2, 0) > 0);
    assert_true(rig_send(rig, 2, 2) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_BAD_SETUP);
    assert_message(&rig->f, "another set-up came while it was worked off");
    assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
    assert_int_equal(host_status(&rig->f).setup, 6);
}

static void of_two_set_ups_the_later_one_holds(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup const setup = large_setup();
    rig->toy.amid = configure_once;
    rig->toy.user = rig;
    assert_true(host_commit(&rig->f, &setup, 5) > 0);
    assert_true(opu_fw_work(rig->fw));
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_BUSY);
    assert_int_equal(host_status(&rig->f).setup, 0);
    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).setup, 6);
    assert_int_equal(rig->toy.setup.n_exposures, TOY_EXPOSURES);
}

static void a_refused_set_up_is_not_made_in_place_of_one_that_waits(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup setup = toy_setup();
    rig_configure(rig);
    assert_true(host_commit(&rig->f, &setup, 6) > 0);
    setup.n_inputs = 4097;
    assert_int_equal(host_commit(&rig->f, &setup, 7), OPU_FN_STALL);
    (void)rig_work(rig);
    struct opu_wire_status const status = host_status(&rig->f);
    assert_int_equal(rig->toy.configured, 1);
    assert_int_equal(status.state, OPU_WIRE_FAULT);
    assert_int_equal(status.setup, 0);
    assert_true(status.result < 0);
    assert_message(&rig->f, "n_inputs is 4097");
    setup.n_inputs = TOY_INPUTS;
    assert_true(host_commit(&rig->f, &setup, 8) > 0);
    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_READY);
    assert_int_equal(host_status(&rig->f).setup, 8);
}

static void reset_once(void *user)
{
    struct rig *const rig = user;
    rig->toy.amid = NULL;
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
}

static void a_reset_drops_the_set_up_also_while_it_is_made(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup const setup = toy_setup();
    rig_configure(rig);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_IDLE);
    assert_int_equal(host_status(&rig->f).setup, 0);
    rig->toy.amid = reset_once;
    rig->toy.user = rig;
    assert_true(host_commit(&rig->f, &setup, 5) > 0);
    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_IDLE);
    assert_int_equal(host_status(&rig->f).setup, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_set_up_is_put_together_from_its_pieces),
        RIG_TEST(wrong_pieces_are_refused_and_change_nothing),
        RIG_TEST(spoilt_payloads_of_requests_are_refused_with_a_sentence),
        RIG_TEST(limits_are_told),
        RIG_TEST(optics_that_can_not_be_set_up_are_a_fault),
        RIG_TEST(calibration_is_work_and_its_end_is_told),
        RIG_TEST(what_a_flush_overtakes_is_thrown_away),
        RIG_TEST(long_packets_are_given_up_after_a_flush),
        RIG_TEST(counts_of_the_former_set_up_are_not_sent),
        RIG_TEST(of_two_set_ups_the_later_one_holds),
        RIG_TEST(a_refused_set_up_is_not_made_in_place_of_one_that_waits),
        RIG_TEST(a_reset_drops_the_set_up_also_while_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
