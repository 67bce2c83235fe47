/* SPDX-License-Identifier: MIT */
/*
 * The driver through the real libusb, in good days and bad: each kind of fault alone, unplugging,
 * cancelling, closing, memory; and the faults that others shipped (each test names whose). On the
 * virtual clock where a fault takes seconds.
 */
#include "load.h"

#include "driver/session.h"

#define CLOSE_S (3.0 * 1e-3 * OPU_SESSION_CONTROL_MS) /* of driver/session.h */
#define SLACK_S 1.0                                   /* of a machine that does other work */

static bool fast_route;
static struct usb_rig rig;
static struct opu_device *device;
static struct load loads[8];

static void start_as(struct usb_rig_options options, const char *uri)
{
    options.fast = fast_route;
    options.serial = options.serial != NULL ? options.serial : "A-1";
    assert_int_equal(usb_rig_open(&rig, &options), 0);
    assert_true(usb_rig_seen(&rig));
    assert_ok(opu_device_open(&device, NULL, uri));
    assert_ok(load_configure(device));
}

static void start(bool virtual_clock)
{
    start_as((struct usb_rig_options){.virtual_clock = virtual_clock}, "usb:transfer_bytes=4096");
}

static int tear_down(void **state)
{
    (void)state;
    opu_device_close(device);
    device = NULL;
    if (rig.node != NULL) {
        assert_int_equal(usb_node_counts(rig.node).n_under_way, 0);
    }
    usb_rig_close(&rig);
    return 0;
}

/* A batch goes through, and is what it should be. */
static void works(uint64_t number)
{
    load_fill(&loads[0], number);
    assert_ok(load_run(device, &loads[0]));
    assert_right(&loads[0]);
}

/* ---- Good days ---- */

static void a_repeated_batch_returns_the_same_counts(void **state)
{
    (void)state;
    start(false);
    works(10);
    works(9000);
    works(10);
}

/* rtl-sdr-rs issue 33: a gap between transfers that follow one by one loses samples. */
static void several_transfers_are_under_way(void **state)
{
    (void)state;
    start(false);
    works(10);
    assert_true(usb_node_counts(rig.node).most_under_way >= 6);
}

static void eight_batches_are_under_way_at_once(void **state)
{
    uint64_t jobs[8];
    (void)state;
    start(false);
    for (size_t i = 0; i < 8; i++) {
        load_fill(&loads[i], 1000 * i);
        assert_ok(opu_device_submit(device, &loads[i].batch, &jobs[i]));
    }
    for (size_t i = 0; i < 8; i++) {
        assert_ok(opu_device_wait(device, jobs[i], -1));
        assert_right(&loads[i]);
    }
}

/* aravis issue 314: payloads cut to the size of a transfer. */
static void frames_longer_than_the_wished_transfer_are_whole(void **state)
{
    (void)state;
    start_as((struct usb_rig_options){.fast = fast_route}, "usb:transfer_bytes=512");
    works(10); /* 500 pixels and their heads are more than 512 bytes */
}

static void transfers_in_pieces_of_16_kib_are_whole(void **state)
{
    (void)state;
    start_as((struct usb_rig_options){.splits = true}, "usb:");
    works(10);
    assert_int_equal(usb_node_counts(rig.node).largest, 16384);
    works(2000);
}

/* aravis issue 1014, libusb issue 1303: -11 where usbfs' 16 MB are used up. */
static void usbfs_memory_is_respected(void **state)
{
    (void)state;
    start_as((struct usb_rig_options){.virtual_clock = false}, "usb:transfer_bytes=4194304");
    works(10);
    assert_true(usb_node_counts(rig.node).most_bytes <= 16u << 20);
    assert_int_equal(usb_node_counts(rig.node).refused, 0);
}

static void memory_that_others_use_up_means_fewer_transfers(void **state)
{
    (void)state;
    start_as((struct usb_rig_options){.memory_limit = 14000}, "usb:transfer_bytes=4096");
    works(10);
    assert_true(usb_node_counts(rig.node).refused > 0);
    works(2000);
}

static void no_memory_at_all_is_told(void **state)
{
    (void)state;
    start_as((struct usb_rig_options){.memory_limit = 4200, .virtual_clock = true},
             "usb:transfer_bytes=4096");
    load_fill(&loads[0], 1);
    assert_says(load_run(device, &loads[0]), OPU_E_DEVICE, "memory");
}

/* ---- Each kind of fault, alone, at the third packet ---- */

static void strike(enum opu_fault_kind kind)
{
    uint64_t counts[OPU_FAULT_KINDS];
    start(true);
    works(10);
    double const real_s = real_seconds();
    for (int i = 0; i < 3; i++) {
        usb_rig_strike(&rig, kind);
        works(2000 + 200 * (uint64_t)i);
    }
    works(10);
    usb_rig_faults(&rig, counts);
    assert_int_equal(counts[kind], 3);
    assert_true(real_seconds() - real_s < 10.0); /* 6 s of silence cost nothing here */
}

#define STRIKE(name, kind) \
    static void name(void **state) \
    { \
        (void)state; \
        strike(kind); \
    }

STRIKE(a_stalled_endpoint_is_cleared, OPU_FAULT_STALL)
STRIKE(a_short_answer_is_asked_for_again, OPU_FAULT_SHORT)
STRIKE(a_zero_length_packet_is_no_answer, OPU_FAULT_ZLP)
STRIKE(an_answer_that_breaks_off_is_asked_for_again, OPU_FAULT_PARTIAL)
STRIKE(a_byte_that_is_another_is_found, OPU_FAULT_CORRUPT)
STRIKE(an_old_answer_is_not_taken_for_a_new_one, OPU_FAULT_STALE)
STRIKE(two_seconds_of_silence_pass, OPU_FAULT_SILENCE)
STRIKE(a_device_unplugged_amid_a_batch_goes_on_with_it, OPU_FAULT_UNPLUG)
/* libiio issue 113: "trigger timeout, then everything is broken". */
STRIKE(a_lost_trigger_is_shot_again_and_nothing_is_broken, OPU_FAULT_TRIGGER)

/* ---- Plugging ---- */

static void a_device_plugged_in_again_is_set_up_as_before(void **state)
{
    (void)state;
    start(false);
    works(10);
    unsigned const address = usb_node_address(rig.node);
    usb_node_unplug_for(rig.node, 100000);
    nap_ms(20);
    works(2000);
    assert_true(usb_node_address(rig.node) > address);
}

/* libiio issue 1359: a pulled cable blocks for ever, whatever the time-out. */
static void a_pulled_cable_ends_the_wait(void **state)
{
    uint64_t job;
    (void)state;
    start_as((struct usb_rig_options){.rate_hz = 50.0}, "usb:transfer_bytes=4096,replug_ms=300");
    load_fill(&loads[0], 1);
    assert_ok(opu_device_submit(device, &loads[0].batch, &job));
    nap_ms(50);
    double const real_s = real_seconds();
    usb_node_unplug(rig.node);
    assert_says(opu_device_wait(device, job, -1), OPU_E_GONE, "A-1");
    assert_true(real_seconds() - real_s < 0.3 + SLACK_S);
    load_fill(&loads[0], 1);
    assert_int_equal(load_run(device, &loads[0]), OPU_E_GONE); /* and says so again */
    usb_node_plug(rig.node);
    assert_true(usb_rig_seen(&rig));
    works(10); /* back after all */
}

static void another_serial_is_not_taken_for_the_same_device(void **state)
{
    static struct usb_rig other;
    (void)state;
    start_as((struct usb_rig_options){.serial = "A-1"}, "usb:replug_ms=300");
    works(10);
    usb_node_unplug(rig.node);
    struct usb_rig_options const options = {.serial = "B-2", .fast = fast_route, .port = 2};
    assert_int_equal(usb_rig_open(&other, &options), 0);
    load_fill(&loads[0], 1);
    int const status = load_run(device, &loads[0]);
    struct usb_node_counts const counts = usb_node_counts(other.node);
    usb_rig_close(&other);
    assert_says(status, OPU_E_GONE, "A-1");
    assert_int_equal(counts.claims, 0);
}

/* ---- Cancelling and closing ---- */

/* libiio issues 1171, 1211: dequeue and destroy hang after a cancel. Issue 985: busy for three
 * seconds after it. */
static void a_cancelled_batch_ends_and_the_next_one_starts_at_once(void **state)
{
    uint64_t job;
    (void)state;
    start_as((struct usb_rig_options){.rate_hz = 200.0}, "usb:transfer_bytes=4096");
    load_fill(&loads[1], 1);
    assert_ok(opu_device_submit(device, &loads[1].batch, &job));
    nap_ms(30);
    double const real_s = real_seconds();
    assert_ok(opu_device_cancel(device, job));
    assert_int_equal(opu_device_wait(device, job, -1), OPU_E_CANCELLED);
    assert_true(real_seconds() - real_s < SLACK_S);
    works(10);
    /* 96 frames at 200 Hz, and a packet that was under way. */
    assert_true(real_seconds() - real_s < 0.48 + 0.1 + SLACK_S);
}

/* libiio issue 1530: tear-down hangs where a cancel races a submit. */
static void a_cancel_may_come_at_any_moment(void **state)
{
    uint64_t job;
    (void)state;
    start(false);
    unsigned cancelled = 0;
    for (unsigned i = 0; i < 60; i++) {
        struct timespec const pause = {.tv_nsec = 20000L * (i % 20)};
        load_fill(&loads[0], 100 + i);
        assert_ok(opu_device_submit(device, &loads[0].batch, &job));
        (void)nanosleep(&pause, NULL);
        (void)opu_device_cancel(device, job);
        int const status = opu_device_wait(device, job, 5000);
        assert_true(status == OPU_OK || status == OPU_E_CANCELLED);
        cancelled += status == OPU_E_CANCELLED;
        if (status == OPU_OK && i % 10 == 0) {
            assert_right(&loads[0]);
        }
    }
    assert_true(cancelled > 0);
    works(10);
}

/* libiio issue 1532: with a writer at work, the reader's transfer was not cancelled. */
static void both_directions_are_cancelled(void **state)
{
    uint64_t job;
    (void)state;
    start_as((struct usb_rig_options){.rate_hz = 5.0}, "usb:transfer_bytes=1024");
    load_fill(&loads[1], 1);
    assert_ok(opu_device_submit(device, &loads[1].batch, &job));
    nap_ms(50);
    assert_true(usb_node_counts(rig.node).n_under_way >= 3);
    assert_ok(opu_device_cancel(device, job));
    double const real_s = real_seconds();
    assert_int_equal(opu_device_wait(device, job, 5000), OPU_E_CANCELLED);
    assert_true(real_seconds() - real_s < SLACK_S);
}

/* libiio issue 981: after a time-out the context was of no use. */
static void a_wait_that_runs_out_of_time_can_be_repeated(void **state)
{
    uint64_t job;
    (void)state;
    start_as((struct usb_rig_options){.rate_hz = 300.0}, "usb:transfer_bytes=4096");
    load_fill(&loads[0], 1);
    assert_ok(opu_device_submit(device, &loads[0].batch, &job));
    assert_int_equal(opu_device_wait(device, job, 10), OPU_E_TIMEOUT);
    assert_int_equal(opu_device_wait(device, job, 0), OPU_E_TIMEOUT);
    assert_ok(opu_device_wait(device, job, -1));
    assert_right(&loads[0]);
    works(2000);
}

/* hackrf issues 804, 805, rtl-sdr issues 90, 91, libusb issue 1043: freed while under way. */
static void closing_waits_for_what_is_under_way(void **state)
{
    uint64_t job;
    (void)state;
    for (int i = 0; i < 5; i++) {
        start_as((struct usb_rig_options){.rate_hz = 100.0}, "usb:transfer_bytes=1024");
        load_fill(&loads[0], 1);
        assert_ok(opu_device_submit(device, &loads[0].batch, &job));
        nap_ms((unsigned)(5 * i));
        double const real_s = real_seconds();
        assert_true(i == 0 || usb_node_counts(rig.node).n_under_way > 1);
        assert_int_equal(tear_down(NULL), 0);
        assert_true(real_seconds() - real_s < SLACK_S);
    }
}

static void closing_an_unplugged_device_is_quick(void **state)
{
    uint64_t job;
    (void)state;
    start_as((struct usb_rig_options){.rate_hz = 100.0}, "usb:transfer_bytes=1024");
    load_fill(&loads[0], 1);
    assert_ok(opu_device_submit(device, &loads[0].batch, &job));
    usb_node_unplug(rig.node);
    double const real_s = real_seconds();
    opu_device_close(device);
    device = NULL;
    assert_true(real_seconds() - real_s < SLACK_S);
}

/* aravis issue 113: to stop took as long as the camera said. */
static void closing_a_silent_device_ends_in_its_time(void **state)
{
    uint64_t job;
    (void)state;
    start(true);
    load_fill(&loads[0], 1);
    usb_rig_strike(&rig, OPU_FAULT_SILENCE);
    assert_ok(opu_device_submit(device, &loads[0].batch, &job));
    double const from_s = 1e-6 * (double)usb_rig_now_us(&rig);
    opu_device_close(device);
    device = NULL;
    assert_true(1e-6 * (double)usb_rig_now_us(&rig) - from_s <= CLOSE_S);
}

/* aravis issue 761: a time-out that can't be chosen is too short for somebody. */
static void patience_can_be_chosen(void **state)
{
    (void)state;
    start_as((struct usb_rig_options){.virtual_clock = true},
             "usb:transfer_bytes=4096,answer_ms=100");
    double const from_s = 1e-6 * (double)usb_rig_now_us(&rig);
    usb_rig_strike(&rig, OPU_FAULT_PARTIAL);
    works(10);
    double const took_s = 1e-6 * (double)usb_rig_now_us(&rig) - from_s;
    assert_true(took_s >= 0.1 && took_s < 1.0);
}

int main(int argc, char **argv)
{
    fast_route = argc > 1 && strcmp(argv[1], "fast") == 0;
#define DRIVER_TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        DRIVER_TEST(a_repeated_batch_returns_the_same_counts),
        DRIVER_TEST(several_transfers_are_under_way),
        DRIVER_TEST(eight_batches_are_under_way_at_once),
        DRIVER_TEST(frames_longer_than_the_wished_transfer_are_whole),
        DRIVER_TEST(transfers_in_pieces_of_16_kib_are_whole),
        DRIVER_TEST(usbfs_memory_is_respected),
        DRIVER_TEST(memory_that_others_use_up_means_fewer_transfers),
        DRIVER_TEST(no_memory_at_all_is_told),
        DRIVER_TEST(a_stalled_endpoint_is_cleared),
        DRIVER_TEST(a_short_answer_is_asked_for_again),
        DRIVER_TEST(a_zero_length_packet_is_no_answer),
        DRIVER_TEST(an_answer_that_breaks_off_is_asked_for_again),
        DRIVER_TEST(a_byte_that_is_another_is_found),
        DRIVER_TEST(an_old_answer_is_not_taken_for_a_new_one),
        DRIVER_TEST(two_seconds_of_silence_pass),
        DRIVER_TEST(a_device_unplugged_amid_a_batch_goes_on_with_it),
        DRIVER_TEST(a_lost_trigger_is_shot_again_and_nothing_is_broken),
        DRIVER_TEST(a_device_plugged_in_again_is_set_up_as_before),
        DRIVER_TEST(a_pulled_cable_ends_the_wait),
        DRIVER_TEST(another_serial_is_not_taken_for_the_same_device),
        DRIVER_TEST(a_cancelled_batch_ends_and_the_next_one_starts_at_once),
        DRIVER_TEST(a_cancel_may_come_at_any_moment),
        DRIVER_TEST(both_directions_are_cancelled),
        DRIVER_TEST(a_wait_that_runs_out_of_time_can_be_repeated),
        DRIVER_TEST(closing_waits_for_what_is_under_way),
        DRIVER_TEST(closing_an_unplugged_device_is_quick),
        DRIVER_TEST(closing_a_silent_device_ends_in_its_time),
        DRIVER_TEST(patience_can_be_chosen),
    };
    return no_nodes() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
