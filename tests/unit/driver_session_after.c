/* SPDX-License-Identifier: MIT */
/* What a session is like after trouble: in the next call, the next set-up, at the next plug. */
#include "driver_session_rig.h"

#include "driver/session_internal.h"

#include <sched.h>

static const struct inprocess_options plain = {0};
static const struct opu_session_options usual = {0};

static struct opu_function inner; /* the board's, behind those below */

/* ---- Set-ups ---- */

/* A packet may end after its answer: its transfer must not be freed before it has. */
static void a_new_set_up_waits_for_packets_that_end_after_their_answers(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    inprocess_late_out(rig.port, 500);
    assert_int_equal(rig_run(0), 0);
    rig.setup.n_pixels = 3;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(1), 0);
    rig_close(); /* the port ends the program where something is freed too early */
}

static int stalls(void *self, uint8_t *data, size_t n)
{
    (void)self;
    (void)data;
    (void)n;
    return OPU_FN_STALL;
}

/* The fault is found while something else is put right, and no packet is refused for it. */
static void a_fault_that_recovery_finds_is_gone_with_the_next_set_up(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    struct opu_function halting = inprocess_function(rig.port);
    halting.in = stalls;
    inprocess_replace(rig.port, &halting);
    rig.toy.open = true;
    uint64_t const job = rig_submit(0);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_DEVICE, "interlock");
    inprocess_replace(rig.port, NULL);
    rig.toy.open = false;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(1), 0);
    rig_close();
}

static unsigned silenced;

static int silent_configure(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    if (setup->request == OPU_WIRE_CONFIGURE && silenced > 0) {
        return OPU_FN_NAK;
    }
    if (setup->request == OPU_WIRE_RESET && silenced > 0) {
        silenced--; /* before the next attempt */
    }
    return inner.control(self, setup, data);
}

static void the_state_outlives_a_set_up_that_was_tried_twice(void **state)
{
    (void)state;
    char text[64];
    rig_ready(plain, usual);
    inner = inprocess_function(rig.port);
    struct opu_function other = inner;
    other.control = silent_configure;
    assert_int_equal(opu_session_state_set(rig.session, "{\"frames\":5000}"), OPU_OK);
    silenced = 1;
    inprocess_replace(rig.port, &other);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(silenced, 0);
    assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    assert_string_equal(text, "{\"frames\":5000}");
    inprocess_replace(rig.port, NULL);
    rig_close();
}

/* ---- Plugging ---- */

static void plug_again(void)
{
    char text[64];
    uint64_t const before = rig_counts().replugs;
    inprocess_unplug(rig.port, 100000);
    while (rig_counts().replugs == before) {
        assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    }
}

/* At another speed packets are longer: the room for answers has to follow. */
static void packets_may_be_longer_where_it_is_plugged_in_next(void **state)
{
    (void)state;
    rig_ready(plain, (struct opu_session_options){.transfer_bytes = 1500});
    assert_int_equal(rig_counts().packet_in_bytes % 1024, 512);
    assert_int_equal(rig_run(0), 0);
    inprocess_in_packet_later(rig.port, 1024);
    plug_again();
    assert_int_equal(rig_run(1), 0);
    inprocess_in_packet_later(rig.port, 64);
    plug_again();
    assert_int_equal(rig_run(2), 0);
    rig_close();
}

/* Room for answers is rounded up; that says nothing about the device. */
static void a_device_with_odd_limits_is_known_again(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.max_out_bytes = 5000, .max_in_bytes = 5000},
              (struct opu_session_options){.transfer_bytes = 65536});
    rig.setup.n_pixels = 5000 - OPU_WIRE_HEADER_BYTES - 4 - OPU_WIRE_COUNT_BYTES;
    rig.loads[0].batch.n_frames = 1;
    static uint8_t counts[5000];
    rig.loads[0].batch.counts = counts;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_true(rig_counts().packet_in_bytes > 5000);
    plug_again();
    uint64_t const job = rig_submit(0);
    assert_int_equal(opu_session_wait(rig.session, job, -1), OPU_OK);
    rig_close();
}

static void the_state_outlives_a_replug_before_the_first_set_up(void **state)
{
    (void)state;
    char text[64];
    rig_open(plain, usual);
    assert_int_equal(opu_session_state_set(rig.session, "{\"frames\":5000}"), OPU_OK);
    plug_again();
    assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    assert_string_equal(text, "{\"frames\":5000}");
    rig_close();
}

/* Tries are counted against work that makes no progress, not over a session's life. */
static void replugs_while_idle_use_up_no_tries(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    for (int i = 0; i < OPU_SESSION_TRIES + 2; i++) {
        plug_again();
    }
    inprocess_strike(rig.port, OPU_FAULT_SHORT);
    assert_int_equal(rig_run(0), 0);
    rig_close();
}

static int no_control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    (void)self;
    (void)setup;
    (void)data;
    return OPU_FN_NAK;
}

/* Back, but mute at first: the set-up that finds it has the events run again, too. */
static void events_come_again_after_a_set_up_has_found_the_device(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    struct opu_function mute = inprocess_function(rig.port);
    mute.control = no_control;
    uint64_t const reopens = inprocess_counts(rig.port).reopens;
    inprocess_replace_later(rig.port, &mute);
    inprocess_unplug(rig.port, 100000);
    struct opu_wire_statistics statistics;
    assert_int_equal(opu_session_statistics(rig.session, &statistics), OPU_E_IO);
    assert_true(inprocess_counts(rig.port).reopens > reopens);
    inprocess_replace(rig.port, NULL);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    rig.toy.lose = 1005;
    assert_int_equal(rig_run(0), 1);
    assert_int_equal(opu_session_statistics(rig.session, &statistics), OPU_OK);
    assert_true(rig_counts().events > 0);
    rig_close();
}

/* ---- Calls amid trouble ---- */

static void *reset_it(void *user)
{
    int *const status = user;
    *status = opu_session_reset(rig.session);
    return NULL;
}

static bool is_asked(void)
{
    (void)pthread_mutex_lock(&rig.session->lock);
    bool const asked = rig.session->command != NULL;
    (void)pthread_mutex_unlock(&rig.session->lock);
    return asked;
}

/* The clock stands still until the reset waits amid the first try. */
static void a_reset_does_not_wait_for_all_tries_of_a_job(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    struct opu_function halting = inprocess_function(rig.port);
    halting.in = stalls;
    inprocess_stop_clock(rig.port, true);
    inprocess_replace(rig.port, &halting);
    inprocess_mute(rig.port, true);
    uint64_t const job = rig_submit(0), before = inprocess_now_us(rig.port);
    while (rig_counts().recoveries == 0) {
        assert_int_equal(opu_session_wait(rig.session, job, 0), OPU_E_TIMEOUT);
    }
    pthread_t thread;
    int status = 1;
    assert_int_equal(pthread_create(&thread, NULL, reset_it, &status), 0);
    while (!is_asked()) {
        (void)sched_yield();
    }
    inprocess_stop_clock(rig.port, false);
    (void)pthread_join(thread, NULL);
    assert_int_equal(status, OPU_E_IO);
    /* session.h: (T + 5) C + 2 s */
    assert_true(inprocess_now_us(rig.port) - before < 10 * 1000000 + 2000000);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_CANCELLED, "reset");
    inprocess_replace(rig.port, NULL);
    inprocess_mute(rig.port, false);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(1), 0);
    rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_set_up_waits_for_packets_that_end_after_their_answers),
        cmocka_unit_test(a_fault_that_recovery_finds_is_gone_with_the_next_set_up),
        cmocka_unit_test(the_state_outlives_a_set_up_that_was_tried_twice),
        cmocka_unit_test(packets_may_be_longer_where_it_is_plugged_in_next),
        cmocka_unit_test(a_device_with_odd_limits_is_known_again),
        cmocka_unit_test(the_state_outlives_a_replug_before_the_first_set_up),
        cmocka_unit_test(replugs_while_idle_use_up_no_tries),
        cmocka_unit_test(events_come_again_after_a_set_up_has_found_the_device),
        cmocka_unit_test(a_reset_does_not_wait_for_all_tries_of_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
