/* SPDX-License-Identifier: MIT */
/* A session whose device, cable or bus misbehaves: every count is right, or an error says so, and
 * every call ends. */
#include "driver_session_rig.h"

static const struct inprocess_options plain = {0};
static const struct opu_session_options usual = {0};

/* One fault amid a batch, after some answers have come. */
static void suffer(enum opu_fault_kind kind)
{
    rig_ready(plain, usual);
    assert_int_equal(rig_run(0), 0);
    inprocess_strike(rig.port, kind);
    uint64_t const before = inprocess_now_us(rig.port);
    size_t const lost = rig_run(1);
    assert_int_equal(lost, kind == OPU_FAULT_TRIGGER ? 1 : 0);
    assert_int_equal(rig_counts().recoveries > 0, kind != OPU_FAULT_TRIGGER);
    assert_true(inprocess_now_us(rig.port) - before < 8000000);
    assert_int_equal(rig_run(2), 0);
    rig_close();
}

static void a_halted_endpoint_is_cleared(void **state)
{
    (void)state;
    suffer(OPU_FAULT_STALL);
}

static void a_short_answer_is_asked_for_again(void **state)
{
    (void)state;
    suffer(OPU_FAULT_SHORT);
}

static void a_zero_length_packet_is_no_answer(void **state)
{
    (void)state;
    suffer(OPU_FAULT_ZLP);
}

static void a_part_of_an_answer_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    suffer(OPU_FAULT_PARTIAL);
}

static void a_corrupt_byte_is_noticed(void **state)
{
    (void)state;
    suffer(OPU_FAULT_CORRUPT);
}

static void a_stale_answer_is_not_taken_for_another(void **state)
{
    (void)state;
    suffer(OPU_FAULT_STALE);
}

static void a_lost_trigger_is_passed_on(void **state)
{
    (void)state;
    suffer(OPU_FAULT_TRIGGER);
}

static void two_seconds_of_silence_are_survived(void **state)
{
    (void)state;
    suffer(OPU_FAULT_SILENCE);
}

static void unplugged_and_back_the_batch_goes_on(void **state)
{
    (void)state;
    suffer(OPU_FAULT_UNPLUG);
}

static void a_frame_that_was_lost_comes_again_where_nobody_is_told(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    rig.loads[0].batch.status = NULL;
    inprocess_strike(rig.port, OPU_FAULT_TRIGGER);
    assert_int_equal(rig_run(0), 0);
    assert_int_equal(rig_counts().recoveries, 1);
    rig.toy.lose = 2005; /* for good */
    rig.loads[1].batch.status = NULL;
    uint64_t const job = rig_submit(1);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_DEVICE, "frame 2005 was lost");
    assert_int_equal(rig_run(2), 0);
    rig_close();
}

static void many_faults_at_random_leave_every_count_right(void **state)
{
    (void)state;
    struct opu_fault_plan plan = {.seed = 20};
    size_t failed = 0;
    for (size_t kind = 0; kind < OPU_FAULT_KINDS; kind++) {
        plan.rate[kind] = 0.01;
    }
    rig_ready((struct inprocess_options){.faults = &plan}, usual);
    for (size_t round = 0; round < 200; round++) {
        uint64_t jobs[4];
        for (size_t i = 0; i < 4; i++) {
            load_fill(&rig.loads[i], 1000 + round * 4000 + i * 1000);
            jobs[i] = rig_submit(i);
        }
        for (size_t i = 0; i < 4; i++) {
            int const status = opu_session_wait(rig.session, jobs[i], -1);
            if (status == OPU_OK) {
                (void)load_check(&rig.loads[i]);
            } else {
                assert_true(status == OPU_E_DEVICE || status == OPU_E_GONE);
                failed++;
            }
        }
    }
    /* About 9 % of transfers suffer: five rounds in a row without progress are rare. */
    assert_true(failed < 40);
    struct opu_session_counts const counts = rig_counts();
    print_message("seed 20: %llu recoveries, %llu replugs, %zu of 800 batches failed\n",
                  (unsigned long long)counts.recoveries, (unsigned long long)counts.replugs,
                  failed);
    assert_true(counts.recoveries > 100 && counts.replugs > 10);
    rig_close();
}

/* ---- The cable ---- */

/* libiio#1359: not for ever. */
static void a_device_that_does_not_come_back_ends_the_job_and_may_come_later(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0},
              (struct opu_session_options){.replug_ms = 3000});
    inprocess_stop_clock(rig.port, true);
    uint64_t const job = rig_submit(0);
    inprocess_unplug(rig.port, UINT64_MAX);
    uint64_t const before = inprocess_now_us(rig.port);
    inprocess_stop_clock(rig.port, false);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_GONE, "T-1 was unplugged");
    uint64_t const took = inprocess_now_us(rig.port) - before;
    assert_true(took >= 2500000 && took < 4500000);
    /* Gone for good, later calls don't wait again. */
    uint64_t const again = inprocess_now_us(rig.port);
    uint64_t const second = rig_submit(1);
    assert_refused(opu_session_wait(rig.session, second, -1), OPU_E_GONE, "not back");
    assert_refused(opu_session_configure(rig.session, &rig.setup), OPU_E_GONE, "not back");
    assert_true(inprocess_now_us(rig.port) - again < 1000000);
    inprocess_plug(rig.port);
    assert_int_equal(rig_run(2), 0);
    assert_int_equal(rig_counts().replugs, 1);
    rig_close();
}

static void an_idle_device_may_be_unplugged_and_come_back(void **state)
{
    (void)state;
    char text[64];
    rig_ready(plain, usual);
    assert_int_equal(rig_run(0), 0);
    assert_int_equal(opu_session_state_set(rig.session, "{\"frames\":5000}"), OPU_OK);
    inprocess_unplug(rig.port, 300000);
    while (rig_counts().replugs == 0) {
        assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    }
    assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    assert_string_equal(text, "{\"frames\":5000}"); /* the state was restored */
    assert_int_equal(rig_run(1), 0);
    rig_close();
}

static void another_device_in_its_place_is_refused(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0}, usual);
    struct toy other_toy = {0};
    struct opu_optics const optics = toy_optics(&other_toy, 400);
    struct opu_board_options const options = {
        .optics = &optics, .serial = "T-2", .inline_work = true};
    struct opu_board *other = NULL;
    assert_int_equal(opu_board_create(&other, &options), OPU_OK);
    struct opu_function const function = opu_board_function(other);
    inprocess_stop_clock(rig.port, true);
    uint64_t const job = rig_submit(0);
    inprocess_unplug(rig.port, 100000);
    inprocess_replace_later(rig.port, &function);
    inprocess_stop_clock(rig.port, false);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_GONE,
                   "serial T-2 is there now, wanted T-1");
    inprocess_replace_later(rig.port, NULL);
    assert_int_equal(rig_run(1), 0);
    rig_close();
    opu_board_destroy(other);
}

/* ---- Devices of bad manners ---- */

static struct opu_function inner;

static int no_answer(void *self, uint8_t *data, size_t n)
{
    (void)self;
    (void)data;
    (void)n;
    return OPU_FN_NAK;
}

static int no_control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    (void)self;
    (void)setup;
    (void)data;
    return OPU_FN_NAK;
}

static int no_out(void *self, const uint8_t *data, size_t n)
{
    (void)self;
    (void)data;
    (void)n;
    return OPU_FN_NAK;
}

/* libiio#113, #981: a timeout is not the end of everything. */
static void a_device_that_never_answers_ends_the_job_and_not_the_session(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    struct opu_function const whole = inprocess_function(rig.port);
    struct opu_function mute = whole;
    mute.in = no_answer;
    inprocess_replace(rig.port, &mute);
    uint64_t const before = inprocess_now_us(rig.port);
    uint64_t const job = rig_submit(0);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_DEVICE, "no progress in 5 tries");
    /* session.h: (T + 1) (answer_ms + C / 4 + 3 C) + 2 s */
    assert_true(inprocess_now_us(rig.port) - before < 6 * (1000000 + 250000 + 3000000) + 2000000);
    inprocess_replace(rig.port, NULL);
    assert_int_equal(rig_run(1), 0);
    rig_close();
}

static void a_device_that_is_dead_ends_the_job_within_its_bound(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    struct opu_function dead = inprocess_function(rig.port);
    dead.in = no_answer;
    dead.out = no_out;
    inprocess_replace(rig.port, &dead);
    inprocess_mute(rig.port, true);
    uint64_t before = inprocess_now_us(rig.port);
    uint64_t const job = rig_submit(0);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_DEVICE, "no answer within");
    assert_true(inprocess_now_us(rig.port) - before < 6 * (1000000 + 250000 + 3000000) + 2000000);
    before = inprocess_now_us(rig.port);
    char text[64];
    assert_refused(opu_session_state_get(rig.session, text, sizeof text), OPU_E_IO, "no answer");
    assert_true(inprocess_now_us(rig.port) - before < 6 * 1000000 + 2000000);
    before = inprocess_now_us(rig.port);
    assert_refused(opu_session_configure(rig.session, &rig.setup), OPU_E_IO, "no answer");
    assert_true(inprocess_now_us(rig.port) - before < 6 * 5 * 1000000 + 2000000);
    inprocess_replace(rig.port, NULL);
    inprocess_mute(rig.port, false);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(1), 0);
    rig_close();
}

static int other_version(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    int const n = inner.control(self, setup, data);
    if (setup->request == OPU_WIRE_INFO && n > 0) {
        data[0] = 9;
        data[1] = 0;
    }
    return n;
}

static void another_version_of_the_wire_is_refused_by_both_numbers(void **state)
{
    (void)state;
    struct toy toy = {0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    struct inprocess *const port = inprocess_create(&(struct inprocess_options){.optics = &optics});
    struct opu_session *session;
    inner = inprocess_function(port);
    struct opu_function other = inner;
    other.control = other_version;
    inprocess_replace(port, &other);
    assert_refused(opu_session_open(&session, NULL, inprocess_port(port), NULL), OPU_E_UNSUPPORTED,
                   "speaks version 9 of the wire, this library 1");
    assert_null(session);
    assert_true(inprocess_counts(port).closed);
    inprocess_destroy(port);
}

static void a_device_that_does_not_answer_is_not_opened(void **state)
{
    (void)state;
    struct toy toy = {0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    struct inprocess *const port = inprocess_create(&(struct inprocess_options){.optics = &optics});
    struct opu_session *session;
    struct opu_function dead = inprocess_function(port);
    dead.control = no_control;
    inprocess_replace(port, &dead);
    assert_refused(opu_session_open(&session, NULL, inprocess_port(port), NULL), OPU_E_IO,
                   "no answer within 1000 ms");
    assert_true(inprocess_counts(port).closed);
    inprocess_destroy(port);
}

/* ---- Transfers that take their time to end (rtl-sdr, hackrf: freed while under way) ---- */

static void cancelled_transfers_are_waited_for_until_each_has_ended(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0}, usual);
    inprocess_slow_cancel(rig.port, 60);
    inprocess_strike(rig.port, OPU_FAULT_SHORT);
    assert_int_equal(rig_run(0), 0);
    inprocess_stop_clock(rig.port, true);
    uint64_t const job = rig_submit(1);
    assert_int_equal(opu_session_cancel(rig.session, job), OPU_OK);
    assert_int_equal(opu_session_wait(rig.session, job, -1), OPU_E_CANCELLED);
    inprocess_stop_clock(rig.port, false);
    assert_int_equal(rig_run(3), 0);
    inprocess_stop_clock(rig.port, true);
    (void)rig_submit(2);
    rig_close(); /* the port ends the program where something is freed too early */
}

/* libiio#1530: a submit beside the cancel. */
static void cancel_and_submit_may_race(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.real = true}, usual);
    for (size_t round = 0; round < 60; round++) {
        uint64_t const first = rig_submit(0), second = rig_submit(1);
        (void)opu_session_cancel(rig.session, first);
        uint64_t const third = rig_submit(2);
        int const ended = opu_session_wait(rig.session, first, -1);
        assert_true(ended == OPU_OK || ended == OPU_E_CANCELLED);
        assert_int_equal(opu_session_wait(rig.session, second, -1), OPU_OK);
        assert_int_equal(opu_session_wait(rig.session, third, -1), OPU_OK);
        assert_int_equal(load_check(&rig.loads[1]) + load_check(&rig.loads[2]), 0);
        load_fill(&rig.loads[1], 2000 + round);
        load_fill(&rig.loads[2], 3000 + round);
    }
    assert_int_equal(rig_counts().recoveries, 0);
    rig_close();
}

static void a_threaded_board_answers_through_faults(void **state)
{
    (void)state;
    struct opu_fault_plan plan = {.seed = 4};
    plan.rate[OPU_FAULT_STALL] = plan.rate[OPU_FAULT_SHORT] = plan.rate[OPU_FAULT_CORRUPT] =
        plan.rate[OPU_FAULT_ZLP] = plan.rate[OPU_FAULT_STALE] = 0.02;
    rig_ready((struct inprocess_options){.real = true, .faults = &plan}, usual);
    for (size_t round = 0; round < 20; round++) {
        uint64_t jobs[4];
        for (size_t i = 0; i < 4; i++) {
            load_fill(&rig.loads[i], 1000 + round * 4000 + i * 1000);
            jobs[i] = rig_submit(i);
        }
        for (size_t i = 0; i < 4; i++) {
            int const status = opu_session_wait(rig.session, jobs[i], -1);
            if (status != OPU_OK) {
                fail_msg("%s: %s", opu_status_name(status), opu_error_message());
            }
            assert_int_equal(load_check(&rig.loads[i]), 0);
        }
    }
    inprocess_unplug(rig.port, 20000);
    assert_int_equal(rig_run(0), 0);
    rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halted_endpoint_is_cleared),
        cmocka_unit_test(a_short_answer_is_asked_for_again),
        cmocka_unit_test(a_zero_length_packet_is_no_answer),
        cmocka_unit_test(a_part_of_an_answer_is_not_waited_for_for_ever),
        cmocka_unit_test(a_corrupt_byte_is_noticed),
        cmocka_unit_test(a_stale_answer_is_not_taken_for_another),
        cmocka_unit_test(a_lost_trigger_is_passed_on),
        cmocka_unit_test(two_seconds_of_silence_are_survived),
        cmocka_unit_test(unplugged_and_back_the_batch_goes_on),
        cmocka_unit_test(a_frame_that_was_lost_comes_again_where_nobody_is_told),
        cmocka_unit_test(many_faults_at_random_leave_every_count_right),
        cmocka_unit_test(a_device_that_does_not_come_back_ends_the_job_and_may_come_later),
        cmocka_unit_test(an_idle_device_may_be_unplugged_and_come_back),
        cmocka_unit_test(another_device_in_its_place_is_refused),
        cmocka_unit_test(a_device_that_never_answers_ends_the_job_and_not_the_session),
        cmocka_unit_test(a_device_that_is_dead_ends_the_job_within_its_bound),
        cmocka_unit_test(another_version_of_the_wire_is_refused_by_both_numbers),
        cmocka_unit_test(a_device_that_does_not_answer_is_not_opened),
        cmocka_unit_test(cancelled_transfers_are_waited_for_until_each_has_ended),
        cmocka_unit_test(cancel_and_submit_may_race),
        cmocka_unit_test(a_threaded_board_answers_through_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
