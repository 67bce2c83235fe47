/* SPDX-License-Identifier: MIT */
/* A session over a port in the process: what it promises where all is well, and how calls end. */
#include "driver_session_rig.h"

static const struct inprocess_options plain = {0};
static const struct opu_session_options usual = {0};

static void counts_are_those_of_the_optics(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    assert_int_equal(rig_run(0), 0);
    struct opu_session_counts const counts = rig_counts();
    assert_true(counts.packets > 1 && counts.packets == counts.answers);
    assert_int_equal(counts.recoveries + counts.resent_packets + counts.stale, 0);
    rig_close();
}

static void a_repeated_batch_returns_the_same_counts(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    assert_int_equal(rig_run(0), 0);
    struct load const first = rig.loads[0];
    load_fill(&rig.loads[0], 1000);
    assert_int_equal(rig_run(0), 0);
    assert_memory_equal(first.counts, rig.loads[0].counts, sizeof first.counts);
    rig_close();
}

static void sixteen_bit_counts_come_in_the_hosts_order(void **state)
{
    (void)state;
    rig_open(plain, usual);
    rig.setup.bits = 10;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(0), 0);
    uint16_t first;
    memcpy(&first, rig.loads[0].counts, sizeof first);
    assert_int_equal(first >> 8, 1);
    rig_close();
}

static void optional_arrays_may_be_missing(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    struct opu_frame_batch *const batch = &rig.loads[0].batch;
    batch->reference = batch->exposure = NULL;
    batch->time_s = NULL;
    batch->saturated = NULL;
    batch->status = NULL;
    assert_int_equal(rig_run(0), 0);
    rig_close();
}

static void one_frame_of_one_pixel_goes_through(void **state)
{
    (void)state;
    rig_open(plain, usual);
    rig.setup.n_pixels = 1;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    rig.loads[0].batch.n_frames = 1;
    assert_int_equal(rig_run(0), 0);
    rig_close();
}

/* Whatever the number of frames, the packet must end short of a full one: pads are met here. */
static void every_length_goes_through(void **state)
{
    (void)state;
    rig_ready(plain, (struct opu_session_options){.transfer_bytes = 65536});
    for (size_t n = 1; n <= RIG_FRAMES; n++) {
        load_fill(&rig.loads[0], 1000 * n);
        rig.loads[0].batch.n_frames = n;
        assert_int_equal(rig_run(0), 0);
    }
    assert_int_equal(rig_counts().recoveries, 0);
    rig_close();
}

static void the_largest_frames_go_one_a_packet(void **state)
{
    (void)state;
    struct inprocess_options const small = {.max_out_bytes = 4096, .max_in_bytes = 8192};
    rig_open(small, usual);
    enum { PIXELS = 8192 - OPU_WIRE_HEADER_BYTES - 4 - OPU_WIRE_COUNT_BYTES };
    static uint8_t counts[3][PIXELS];
    rig.setup.n_pixels = PIXELS;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_counts().frames_per_packet, 1);
    rig.loads[0].batch.n_frames = 3;
    rig.loads[0].batch.counts = counts;
    uint64_t const job = rig_submit(0);
    assert_int_equal(opu_session_wait(rig.session, job, -1), OPU_OK);
    for (size_t i = 0; i < 3; i++) {
        for (size_t p = 0; p < PIXELS; p++) {
            assert_int_equal(counts[i][p],
                             toy_count(1000 + i, rig.loads[0].bits + i * RIG_ROW,
                                       rig.loads[0].reference[i], rig.loads[0].exposure[i], p));
        }
    }
    rig.setup.n_pixels = PIXELS + 1;
    assert_refused(opu_session_configure(rig.session, &rig.setup), OPU_E_UNSUPPORTED, "8192");
    rig_close();
}

static void eight_jobs_are_under_way_and_answered_in_order(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 10000.0}, usual);
    uint64_t jobs[OPU_SESSION_JOBS], ninth = 0;
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        jobs[i] = rig_submit(i);
    }
    assert_refused(opu_session_submit(rig.session, &rig.loads[OPU_SESSION_JOBS].batch, &ninth),
                   OPU_E_BUSY, "8 batches");
    /* When the last is there, so are all before it. */
    assert_int_equal(opu_session_wait(rig.session, jobs[OPU_SESSION_JOBS - 1], -1), OPU_OK);
    for (size_t i = 0; i + 1 < OPU_SESSION_JOBS; i++) {
        assert_int_equal(opu_session_wait(rig.session, jobs[i], 0), OPU_OK);
    }
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        assert_int_equal(load_check(&rig.loads[i]), 0);
    }
    rig_close();
}

static void several_packets_are_under_way_and_no_more_than_the_device_takes(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.queue = 3, .rate_hz = 1000.0}, usual);
    assert_int_equal(rig_counts().n_slots, 3);
    assert_int_equal(rig_run(0), 0);
    /* Three packets, three answers, one event. */
    assert_true(inprocess_counts(rig.port).most_under_way <= 7);
    assert_true(inprocess_counts(rig.port).most_under_way >= 5);
    rig_close();
}

static void memory_that_runs_out_means_fewer_packets_at_once(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.memory_there = 2500, .rate_hz = 10000.0}, usual);
    assert_int_equal(rig_run(0), 0);
    assert_int_equal(rig_run(1), 0);
    assert_true(inprocess_counts(rig.port).no_memory > 0);
    assert_int_equal(rig_counts().recoveries, 0);
    rig_close();
}

static void no_memory_at_all_is_told_in_the_end(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.memory_there = 600}, usual);
    uint64_t const job = rig_submit(0);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_DEVICE, "no memory");
    rig_close();
}

static void buffers_stay_within_what_the_port_allows(void **state)
{
    (void)state;
    struct inprocess_options const tight = {.memory_limit = 20000};
    rig_open(tight, (struct opu_session_options){.transfer_bytes = 65536});
    rig.setup.n_pixels = 1000;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    struct opu_session_counts const counts = rig_counts();
    assert_true(counts.memory_bytes <= 20000 && counts.n_slots >= 4);
    rig_close();
}

static void a_slow_device_is_given_time(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 20.0, .real = true},
              (struct opu_session_options){.answer_ms = 100});
    uint64_t const before = inprocess_now_us(rig.port);
    rig.loads[0].batch.n_frames = 12;
    assert_int_equal(rig_run(0), 0);
    assert_true(inprocess_now_us(rig.port) - before >= 500000);
    assert_int_equal(rig_counts().recoveries, 0);
    rig_close();
}

static void a_wait_ends_in_time_and_the_job_goes_on(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0, .real = true}, usual);
    uint64_t const job = rig_submit(0);
    uint64_t const before = inprocess_now_us(rig.port);
    assert_refused(opu_session_wait(rig.session, job, 100), OPU_E_TIMEOUT, "100 ms");
    uint64_t const took = inprocess_now_us(rig.port) - before;
    assert_true(took >= 100000 && took < 1000000); /* the job wants 1.2 s */
    assert_int_equal(opu_session_wait(rig.session, job, -1), OPU_OK);
    assert_int_equal(load_check(&rig.loads[0]), 0);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_INVALID, "no batch");
    rig_close();
}

/* libiio#1171, #1211: nothing hangs after a cancel; #985: nor is anything busy. */
static void a_cancelled_job_ends_at_once_and_leaves_its_arrays_alone(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0}, usual);
    inprocess_stop_clock(rig.port, true);
    uint64_t const first = rig_submit(0), second = rig_submit(1);
    uint64_t const before = inprocess_now_us(rig.port);
    assert_int_equal(opu_session_cancel(rig.session, first), OPU_OK);
    assert_refused(opu_session_wait(rig.session, first, -1), OPU_E_CANCELLED, "cancelled");
    assert_true(inprocess_now_us(rig.port) - before < 1000000);
    struct load const left = rig.loads[0];
    inprocess_stop_clock(rig.port, false);
    assert_int_equal(opu_session_wait(rig.session, second, -1), OPU_OK);
    assert_int_equal(load_check(&rig.loads[1]), 0);
    assert_memory_equal(&left, &rig.loads[0], sizeof left);
    assert_int_equal(opu_session_cancel(rig.session, first), OPU_E_NOT_FOUND);
    rig.setup.n_pixels = 3;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(2), 0);
    rig_close();
}

static void all_jobs_may_be_cancelled_and_the_next_set_up_comes_at_once(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0}, usual);
    uint64_t jobs[4];
    inprocess_stop_clock(rig.port, true);
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = rig_submit(i);
    }
    assert_refused(opu_session_configure(rig.session, &rig.setup), OPU_E_BUSY, "under way");
    for (size_t i = 4; i-- > 0;) {
        assert_int_equal(opu_session_cancel(rig.session, jobs[i]), OPU_OK);
        assert_int_equal(opu_session_wait(rig.session, jobs[i], -1), OPU_E_CANCELLED);
    }
    inprocess_stop_clock(rig.port, false);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(5), 0);
    rig_close();
}

static void close_ends_what_is_under_way(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 10.0}, usual);
    inprocess_stop_clock(rig.port, true);
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        (void)rig_submit(i);
    }
    rig_close(); /* the port watches that nothing is left, the rig that the laser is off */
}

static void a_set_up_that_the_device_refuses_is_told_in_its_words(void **state)
{
    (void)state;
    static const double long_us[] = {1e9};
    rig_open(plain, usual);
    rig.setup.n_exposures = 1;
    rig.setup.exposures_us = long_us;
    assert_refused(opu_session_configure(rig.session, &rig.setup), OPU_E_INVALID, "exposure 0");
    uint64_t job;
    assert_refused(opu_session_submit(rig.session, &rig.loads[0].batch, &job), OPU_E_INVALID,
                   "not configured");
    rig.setup.n_exposures = TOY_EXPOSURES;
    rig.setup.exposures_us = toy_exposures_us;
    rig.toy.fails = "configure";
    assert_refused(opu_session_configure(rig.session, &rig.setup), OPU_E_DEVICE,
                   "as the test wanted");
    rig.toy.fails = NULL;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(0), 0);
    rig_close();
}

static void optics_that_fail_are_not_tried_again(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    rig.toy.fails = "start";
    uint64_t const job = rig_submit(0);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_DEVICE, "as the test wanted");
    assert_int_equal(rig.toy.started, 1);
    rig.toy.fails = NULL;
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(1), 0);
    rig_close();
}

static void an_open_interlock_ends_the_jobs_until_a_new_set_up(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0}, usual);
    assert_int_equal(rig_run(0), 0);
    rig.toy.open = true;
    uint64_t const first = rig_submit(1);
    assert_refused(opu_session_wait(rig.session, first, -1), OPU_E_DEVICE, "interlock");
    rig.toy.open = false;
    uint64_t const second = rig_submit(2);
    assert_refused(opu_session_wait(rig.session, second, -1), OPU_E_DEVICE, "interlock");
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(3), 0);
    assert_true(rig_counts().events > 0);
    rig_close();
}

static void a_device_that_is_too_hot_says_so(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    rig.toy.temperature_c = 90.0;
    uint64_t const job = rig_submit(0);
    int const status = opu_session_wait(rig.session, job, -1);
    assert_int_equal(status, OPU_E_DEVICE);
    assert_non_null(strstr(opu_error_message(), "90"));
    rig_close();
}

static void a_lost_trigger_is_told_by_status_and_by_an_event(void **state)
{
    (void)state;
    rig_ready(plain, usual);
    rig.toy.lose = 1005;
    assert_int_equal(rig_run(0), 1);
    assert_int_equal(rig.loads[0].status[5], OPU_FRAME_LOST);
    assert_int_equal(rig_run(1), 0);
    assert_true(rig_counts().events > 0);
    rig_close();
}

static void state_and_statistics_are_the_devices(void **state)
{
    (void)state;
    char text[100], short_text[4];
    struct opu_wire_statistics statistics;
    rig_ready(plain, usual);
    assert_int_equal(rig_run(0), 0);
    assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    assert_string_equal(text, "{\"frames\":120}");
    assert_int_equal(opu_session_state_set(rig.session, "{\"frames\":7}"), OPU_OK);
    assert_int_equal(opu_session_state_get(rig.session, text, sizeof text), OPU_OK);
    assert_string_equal(text, "{\"frames\":7}");
    assert_refused(opu_session_state_get(rig.session, short_text, sizeof short_text), OPU_E_INVALID,
                   "room is for 3");
    assert_refused(opu_session_state_set(rig.session, "{}"), OPU_E_DEVICE, "frames");
    assert_int_equal(opu_session_statistics(rig.session, &statistics), OPU_OK);
    assert_int_equal(statistics.frames, 120);
    assert_int_equal(opu_session_info(rig.session)->queue, 16);
    rig_close();
}

static void a_reset_drops_set_up_and_jobs(void **state)
{
    (void)state;
    rig_ready((struct inprocess_options){.rate_hz = 100.0}, usual);
    inprocess_stop_clock(rig.port, true);
    uint64_t const job = rig_submit(0);
    uint64_t next;
    assert_int_equal(opu_session_reset(rig.session), OPU_OK);
    assert_refused(opu_session_wait(rig.session, job, -1), OPU_E_CANCELLED, "reset");
    assert_refused(opu_session_submit(rig.session, &rig.loads[1].batch, &next), OPU_E_INVALID,
                   "not configured");
    inprocess_stop_clock(rig.port, false);
    assert_int_equal(opu_session_configure(rig.session, &rig.setup), OPU_OK);
    assert_int_equal(rig_run(2), 0);
    rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_optics),
        cmocka_unit_test(a_repeated_batch_returns_the_same_counts),
        cmocka_unit_test(sixteen_bit_counts_come_in_the_hosts_order),
        cmocka_unit_test(optional_arrays_may_be_missing),
        cmocka_unit_test(one_frame_of_one_pixel_goes_through),
        cmocka_unit_test(every_length_goes_through),
        cmocka_unit_test(the_largest_frames_go_one_a_packet),
        cmocka_unit_test(eight_jobs_are_under_way_and_answered_in_order),
        cmocka_unit_test(several_packets_are_under_way_and_no_more_than_the_device_takes),
        cmocka_unit_test(memory_that_runs_out_means_fewer_packets_at_once),
        cmocka_unit_test(no_memory_at_all_is_told_in_the_end),
        cmocka_unit_test(buffers_stay_within_what_the_port_allows),
        cmocka_unit_test(a_slow_device_is_given_time),
        cmocka_unit_test(a_wait_ends_in_time_and_the_job_goes_on),
        cmocka_unit_test(a_cancelled_job_ends_at_once_and_leaves_its_arrays_alone),
        cmocka_unit_test(all_jobs_may_be_cancelled_and_the_next_set_up_comes_at_once),
        cmocka_unit_test(close_ends_what_is_under_way),
        cmocka_unit_test(a_set_up_that_the_device_refuses_is_told_in_its_words),
        cmocka_unit_test(optics_that_fail_are_not_tried_again),
        cmocka_unit_test(an_open_interlock_ends_the_jobs_until_a_new_set_up),
        cmocka_unit_test(a_device_that_is_too_hot_says_so),
        cmocka_unit_test(a_lost_trigger_is_told_by_status_and_by_an_event),
        cmocka_unit_test(state_and_statistics_are_the_devices),
        cmocka_unit_test(a_reset_drops_set_up_and_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
