/* SPDX-License-Identifier: MIT */
/* When the firmware's laser shines, by a clock that only the test moves; and its events. */
#include "driver_rig.h"

#include <math.h>

static void on_with_the_first_packet(struct rig *rig)
{
    rig_configure(rig);
    assert_false(host_status(&rig->f).laser);
    rig_round(rig, 2, 0);
    assert_true(host_status(&rig->f).laser);
    assert_true(rig->toy.laser);
    assert_int_equal(rig->toy.switched, 1);
    rig_round(rig, 2, 0);
    assert_int_equal(rig->toy.switched, 1);
}

static void no_frame_is_shown_in_the_dark(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    for (uint64_t k = 0; k < 20; k++) {
        rig_pass(rig, 300000 * k);
        rig_round(rig, 2 * RIG_PATTERNS, 100 * k);
    }
    assert_true(rig->toy.switched > 10);
    assert_int_equal(rig->toy.dark_frames, 0);
}

static void a_whole_reset_puts_it_out_and_a_flush_does_not(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    (void)rig_work(rig);
    assert_true(rig->toy.laser);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    (void)rig_work(rig);
    assert_false(rig->toy.laser);
    assert_false(host_status(&rig->f).laser);
}

static void what_can_not_be_put_out_is_tried_again(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    rig->toy.fails = "laser";
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    (void)rig_work(rig);
    assert_true(host_status(&rig->f).laser);
    assert_message(&rig->f, "the laser can't be switched off");
    rig->toy.fails = NULL;
    rig_pass(rig, 50000);
    assert_false(rig->toy.laser);
    assert_false(host_status(&rig->f).laser);
}

static void a_reset_of_the_bus_puts_it_out_and_flushes(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    assert_true(rig_send(rig, 2, 5) > 0);
    uint32_t const epoch = host_status(&rig->f).epoch;
    rig->f.bus_reset(rig->f.self);
    (void)rig_work(rig);
    assert_false(rig->toy.laser);
    struct opu_wire_status const status = host_status(&rig->f);
    assert_int_equal(status.queued, 0);
    assert_int_equal(status.epoch, epoch + 1);
    assert_int_equal(status.setup, 5);
    rig_round(rig, 2, 0);
}

static void closing_puts_it_out(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    opu_fw_close(rig->fw);
    assert_false(rig->toy.laser);
}

static void two_seconds_without_the_host_put_it_out(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    rig_pass(rig, OPU_FW_HOST_TIMEOUT_US);
    assert_true(rig->toy.laser);
    rig_pass(rig, 1);
    assert_false(rig->toy.laser);
    rig_round(rig, 2, 0);
    assert_true(rig->toy.laser);
}

static void verb_control(struct rig *rig)
{
    (void)host_status(&rig->f);
}

static void verb_out(struct rig *rig)
{
    (void)rig->f.out(rig->f.self, NULL, 0);
}

/* An answer that was ready before. */
static void verb_in(struct rig *rig)
{
    assert_true(rig_send(rig, 2, 0) > 0);
    (void)rig_work(rig);
    rig_pass(rig, 50000);
    assert_true(host_receive(&rig->f).moved > 0);
}

static void verb_clear_halt(struct rig *rig)
{
    rig->f.clear_halt(rig->f.self, 0x82);
}

static void what_moves_is_a_sign_of_the_host(void **state)
{
    struct rig *const rig = *state;
    static void (*const verbs[])(struct rig *) = {verb_control, verb_out, verb_in, verb_clear_halt};
    on_with_the_first_packet(rig);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        rig_pass(rig, 1900000);
        verbs[i](rig);
        rig_pass(rig, 1900000);
        assert_true(rig->toy.laser);
        verbs[i](rig);
    }
}

static void what_a_port_asks_again_is_no_sign_of_the_host(void **state)
{
    struct rig *const rig = *state;
    rig->toy.lose = 1;
    on_with_the_first_packet(rig); /* and an event waits */
    for (unsigned i = 0; i < 4; i++) {
        rig_pass(rig, 450000);
        assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
        (void)rig_event(rig);
    }
    assert_true(rig->toy.laser);
    rig_pass(rig, 250000);
    assert_false(rig->toy.laser);
}

static void packets_wait_until_the_host_is_heard_again(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    assert_true(rig_send(rig, 2, 0) > 0);
    rig->now_us += OPU_FW_HOST_TIMEOUT_US + 1;
    opu_fw_tick(rig->fw);
    (void)rig_work(rig);
    assert_int_equal(rig->toy.started, 0);
    rig->wake = 0;
    assert_int_equal(host_status(&rig->f).queued, 1);
    assert_true(rig->wake > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_counts(&answer, 0, 2, 0);
}

/* ---- Amid a packet ---- */

static void let_time_pass(void *user)
{
    struct rig *const rig = user;
    rig->toy.amid = NULL;
    rig->now_us += OPU_FW_HOST_TIMEOUT_US + 1;
}

static void silence_breaks_a_packet_off_until_the_host_is_heard(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    for (uint32_t k = 0; k < 5; k++) { /* more often than there are slots */
        rig->toy.amid = let_time_pass;
        rig->toy.user = rig;
        uint64_t const before = host_statistics(&rig->f).frames;
        for (uint32_t i = 0; i < RIG_QUEUE; i++) {
            assert_true(rig_send(rig, RIG_PATTERNS, 1000 * i) > 0);
        }
        (void)rig_work(rig);
        assert_false(rig->toy.laser);
        struct opu_wire_statistics seen;
        bool laser;
        opu_fw_peek(rig->fw, &seen, &laser);
        assert_int_equal(seen.frames, before + 1);
        assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
        assert_int_equal(host_status(&rig->f).queued, RIG_QUEUE);
        for (uint32_t i = 0; i < RIG_QUEUE; i++) {
            (void)rig_work(rig);
            struct host_answer const answer = host_receive(&rig->f);
            assert_counts(&answer, RIG_QUEUE * k + i, RIG_PATTERNS, 1000 * i);
        }
    }
    assert_int_equal(rig->toy.dark_frames, 0);
    assert_int_equal(rig->toy.stopped, rig->toy.loaded);
}

static void reset_amid(void *user)
{
    struct rig *const rig = user;
    rig->toy.amid = NULL;
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
}

static void a_reset_breaks_a_packet_off(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.amid = reset_amid;
    rig->toy.user = rig;
    assert_true(rig_send(rig, RIG_PATTERNS, 0) > 0);
    (void)rig_work(rig);
    assert_false(rig->toy.laser);
    assert_int_equal(host_statistics(&rig->f).frames, 1);
    assert_int_equal(host_status(&rig->f).queued, 0);
}

static void open_amid(void *user)
{
    struct rig *const rig = user;
    rig->toy.amid = NULL;
    rig->toy.open = true;
    rig->now_us += 50000;
}

static void the_interlock_is_looked_at_between_frames(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.amid = open_amid;
    rig->toy.user = rig;
    assert_true(rig_send(rig, RIG_PATTERNS, 0) > 0);
    (void)rig_work(rig);
    assert_false(rig->toy.laser);
    struct host_answer const answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_LASER_OFF);
    assert_int_equal(host_statistics(&rig->f).frames, 1);
}

static void its_time_is_reckoned(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    rig->now_us += 500000;
    assert_true(host_statistics(&rig->f).laser_s == 0.5);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    (void)rig_work(rig);
    rig->now_us += 500000;
    assert_true(host_statistics(&rig->f).laser_s == 0.5);
}

/* ---- Interlock and temperature ---- */

static void assert_event(struct rig *rig, unsigned kind, uint32_t value, uint64_t frame)
{
    struct opu_wire_event const event = rig_event(rig);
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.value, value);
    assert_int_equal(event.frame, frame);
}

static void an_opened_interlock_holds_until_the_device_is_reset(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    rig->toy.open = true;
    rig_pass(rig, 50000);
    assert_false(rig->toy.laser);
    assert_event(rig, OPU_WIRE_INTERLOCK, 1, 0);
    struct opu_wire_status status = host_status(&rig->f);
    assert_int_equal(status.state, OPU_WIRE_FAULT);
    assert_true(status.interlock);
    assert_message(&rig->f, "interlock was opened");
    assert_true(rig_send(rig, 2, 0) > 0);
    (void)rig_work(rig);
    struct host_answer answer = host_receive(&rig->f);
    assert_refusal(answer, status.next, OPU_WIRE_LASER_OFF);

    rig->toy.open = false;
    rig_pass(rig, 50000);
    assert_event(rig, OPU_WIRE_INTERLOCK, 0, 0);
    status = host_status(&rig->f);
    assert_int_equal(status.state, OPU_WIRE_FAULT);
    assert_false(status.interlock);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_true(rig_send(rig, 2, 0) > 0);
    (void)rig_work(rig);
    answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_LASER_OFF);

    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    (void)rig_work(rig);
    rig_configure(rig);
    rig_round(rig, 2, 0);
    assert_int_equal(rig->toy.dark_frames, 0);
}

static void a_reset_does_not_help_while_the_interlock_is_open(void **state)
{
    struct rig *const rig = *state;
    rig->toy.open = true;
    rig_pass(rig, 50000);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    (void)rig_work(rig);
    assert_int_equal(host_status(&rig->f).state, OPU_WIRE_FAULT);
    assert_message(&rig->f, "interlock was opened");
}

static void open_interlock(void *user)
{
    struct rig *const rig = user;
    rig->toy.open = true;
}

static void the_interlock_is_looked_at_between_sequences(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.amid = open_interlock;
    rig->toy.user = rig;
    assert_true(rig_send(rig, 5 * RIG_PATTERNS, 0) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_LASER_OFF);
    assert_int_equal(rig->toy.started, 1);
    assert_false(rig->toy.laser);
}

static void parts_that_are_too_hot_wait_until_they_have_cooled(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    rig->toy.temperature_c = 71.25;
    rig_pass(rig, 100000);
    assert_false(rig->toy.laser);
    assert_event(rig, OPU_WIRE_OVER_TEMPERATURE, 713, 0);
    assert_event(rig, 0, 0, 0); /* told once */
    assert_true(host_status(&rig->f).temperature_c == 71.25);
    static const double temperatures_c[] = {71.25, 69.0, 66.0};
    for (size_t i = 0; i < 3; i++) {
        rig->toy.temperature_c = temperatures_c[i];
        assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
        assert_true(rig_send(rig, 2, 0) > 0);
        (void)rig_work(rig);
        struct host_answer const answer = host_receive(&rig->f);
        assert_refusal(answer, 0, OPU_WIRE_LASER_OFF);
    }
    assert_message(&rig->f, "at 71.2 degrees C, at most 70 are allowed");
    rig->toy.temperature_c = 64.0;
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    rig_round(rig, 2, 0);
}

static void a_sensor_that_fails_puts_the_laser_out(void **state)
{
    struct rig *const rig = *state;
    on_with_the_first_packet(rig);
    rig->toy.temperature_c = (double)NAN;
    rig_pass(rig, 100000);
    assert_false(rig->toy.laser);
    assert_event(rig, OPU_WIRE_OVER_TEMPERATURE, UINT32_MAX, 0);
    assert_event(rig, 0, 0, 0); /* told once */
    assert_true(isnan(host_status(&rig->f).temperature_c));
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_true(rig_send(rig, 2, 0) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_LASER_OFF);
    assert_message(&rig->f, "the temperature can't be read");
    rig->toy.temperature_c = 30.0;
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    rig_round(rig, 2, 0);
}

/* ---- Events of frames ---- */

static void a_lost_trigger_is_told_in_the_answer_and_by_an_event(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.lose = 13;
    assert_true(rig_send(rig, 5, 10) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_counts(&answer, 0, 5, 10);
    for (uint32_t i = 0; i < 5; i++) {
        struct opu_wire_count head;
        opu_wire_get_count(&head, answer.payload + i * OPU_WIRE_COUNT_BYTES);
        assert_int_equal(head.status, i == 3 ? 1 : 0);
    }
    static const uint8_t nothing[TOY_PIXELS];
    assert_memory_equal(answer.payload + 5 * OPU_WIRE_COUNT_BYTES + 3 * TOY_PIXELS, nothing,
                        TOY_PIXELS);
    assert_event(rig, OPU_WIRE_TRIGGER_LOST, 0, 13);
    assert_event(rig, 0, 0, 0);
    assert_int_equal(host_statistics(&rig->f).triggers_lost, 1);
}

static void over_exposure_is_told_once_a_packet(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup setup = toy_setup();
    setup.n_pixels = 1000;
    assert_true(host_commit(&rig->f, &setup, 5) > 0);
    (void)rig_work(rig);
    rig->toy.level = OPU_FW_OVER_EXPOSED;
    assert_true(rig_send(rig, 3, 20) > 0);
    (void)rig_work(rig);
    assert_event(rig, 0, 0, 0);
    rig->toy.level = OPU_FW_OVER_EXPOSED + 0.01;
    assert_true(rig_send(rig, 3, 20) > 0);
    (void)rig_work(rig);
    assert_event(rig, OPU_WIRE_OVER_EXPOSURE, 60, 20);
    assert_event(rig, 0, 0, 0);
}

static void the_oldest_events_go_first_where_nobody_fetches_them(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    for (uint64_t k = 1; k <= OPU_FW_EVENTS + 4; k++) {
        rig->toy.lose = k;
        rig->ready = 0;
        rig_round(rig, 1, k);
        assert_true(rig->ready > 0);
    }
    uint8_t small[8];
    assert_int_equal(rig->f.event(rig->f.self, small, sizeof small), OPU_FN_STALL);
    for (uint64_t k = 5; k <= OPU_FW_EVENTS + 4; k++) {
        struct opu_wire_event const event = rig_event(rig);
        assert_int_equal(event.frame, k);
        assert_int_equal(event.sequence, k - 1);
    }
    assert_event(rig, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(no_frame_is_shown_in_the_dark),
        RIG_TEST(a_whole_reset_puts_it_out_and_a_flush_does_not),
        RIG_TEST(what_can_not_be_put_out_is_tried_again),
        RIG_TEST(a_reset_of_the_bus_puts_it_out_and_flushes),
        RIG_TEST(closing_puts_it_out),
        RIG_TEST(two_seconds_without_the_host_put_it_out),
        RIG_TEST(what_moves_is_a_sign_of_the_host),
        RIG_TEST(what_a_port_asks_again_is_no_sign_of_the_host),
        RIG_TEST(packets_wait_until_the_host_is_heard_again),
        RIG_TEST(silence_breaks_a_packet_off_until_the_host_is_heard),
        RIG_TEST(a_reset_breaks_a_packet_off),
        RIG_TEST(the_interlock_is_looked_at_between_frames),
        RIG_TEST(its_time_is_reckoned),
        RIG_TEST(an_opened_interlock_holds_until_the_device_is_reset),
        RIG_TEST(a_reset_does_not_help_while_the_interlock_is_open),
        RIG_TEST(the_interlock_is_looked_at_between_sequences),
        RIG_TEST(parts_that_are_too_hot_wait_until_they_have_cooled),
        RIG_TEST(a_sensor_that_fails_puts_the_laser_out),
        RIG_TEST(a_lost_trigger_is_told_in_the_answer_and_by_an_event),
        RIG_TEST(over_exposure_is_told_once_a_packet),
        RIG_TEST(the_oldest_events_go_first_where_nobody_fetches_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
