/* SPDX-License-Identifier: MIT */
/* Faults at will: each kind does what fault.h says of it, when it is asked to or by chance. */
#include "driver_rig.h"

#include <math.h>

#include "driver/firmware/fault.h"

struct faulty {
    struct rig *rig;
    struct opu_fault *fault;
    struct opu_function f;
    unsigned unplugged;
    uint64_t unplugged_us;
};

static uint64_t faulty_now_us(void *self)
{
    return ((const struct faulty *)self)->rig->now_us;
}

static void faulty_unplug(void *self, uint64_t us)
{
    struct faulty *const faulty = self;
    faulty->unplugged++;
    faulty->unplugged_us = us;
}

static struct opu_fault *wrap(struct faulty *faulty, struct opu_fault_plan plan, bool parts)
{
    struct opu_fault_options const options = {.inner = faulty->rig->f,
                                              .plan = plan,
                                              .platform = faulty,
                                              .now_us = faulty_now_us,
                                              .unplug = faulty_unplug,
                                              .max_in_bytes = TOY_PACKET,
                                              .parts = parts};
    faulty->fault = opu_fault_create(&options);
    assert_non_null(faulty->fault);
    faulty->f = opu_fault_function(faulty->fault);
    return faulty->fault;
}

static int setup(void **state)
{
    struct faulty *const faulty = calloc(1, sizeof *faulty);
    assert_int_equal(rig_setup((void **)&faulty->rig), 0);
    rig_configure(faulty->rig);
    (void)wrap(faulty, (struct opu_fault_plan){.seed = 1}, true);
    *state = faulty;
    return 0;
}

static int teardown(void **state)
{
    struct faulty *const faulty = *state;
    opu_fault_destroy(faulty->fault);
    assert_int_equal(rig_teardown((void **)&faulty->rig), 0);
    free(faulty);
    return 0;
}

/* Packet k of this epoch, sent and worked off; its answer waits. */
static void work_one(struct faulty *faulty, uint32_t k)
{
    struct opu_wire_header header = rig_header(faulty->rig, 4);
    assert_int_equal(header.sequence, k);
    assert_true(host_send(&faulty->f, header, 10 * k) > 0);
    (void)rig_work(faulty->rig);
}

static void assert_struck(const struct faulty *faulty, enum opu_fault_kind kind, uint64_t n)
{
    uint64_t counts[OPU_FAULT_KINDS];
    opu_fault_counts(faulty->fault, counts);
    for (size_t i = 0; i < OPU_FAULT_KINDS; i++) {
        assert_int_equal(counts[i], i == kind ? n : 0);
    }
}

static void without_a_plan_nothing_happens(void **state)
{
    struct faulty *const faulty = *state;
    for (uint32_t k = 0; k < 50; k++) {
        work_one(faulty, k);
        struct host_answer const answer = host_receive(&faulty->f);
        assert_counts(&answer, k, 4, 10 * k);
        assert_int_equal(host_receive(&faulty->f).moved, OPU_FN_NAK);
    }
    assert_struck(faulty, OPU_FAULT_STALL, 0);
    assert_int_equal(opu_fault_silent_until_us(faulty->fault), 0);
}

static void stall_halts_an_endpoint_and_loses_nothing_of_an_answer(void **state)
{
    struct faulty *const faulty = *state;
    opu_fault_strike(faulty->fault, OPU_FAULT_STALL);
    assert_int_equal(host_send(&faulty->f, rig_header(faulty->rig, 4), 0), OPU_FN_STALL);
    assert_int_equal(host_status(&faulty->f).next, 0);
    faulty->f.clear_halt(faulty->f.self, 0x01);
    work_one(faulty, 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_STALL);
    assert_int_equal(host_receive(&faulty->f).moved, OPU_FN_STALL);
    struct host_answer const answer = host_receive(&faulty->f);
    assert_counts(&answer, 0, 4, 0);
    assert_struck(faulty, OPU_FAULT_STALL, 2);
}

static void short_ends_an_answer_early(void **state)
{
    struct faulty *const faulty = *state;
    static uint8_t data[TOY_PACKET];
    for (uint32_t k = 0; k < 20; k++) {
        work_one(faulty, k);
        opu_fault_strike(faulty->fault, OPU_FAULT_SHORT);
        int const moved = faulty->f.in(faulty->f.self, data, sizeof data);
        size_t const whole = opu_wire_packet_bytes(opu_wire_counts_payload(4, TOY_PIXELS, 8));
        assert_true(moved > 0 && (size_t)moved < whole);
        assert_int_equal(moved % 2, 1); /* the last USB packet isn't full: the transfer ends */
        assert_int_equal(host_receive(&faulty->f).moved, OPU_FN_NAK);
    }
    assert_struck(faulty, OPU_FAULT_SHORT, 20);
}

static void zlp_comes_before_the_answer(void **state)
{
    struct faulty *const faulty = *state;
    static uint8_t data[TOY_PACKET];
    work_one(faulty, 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_ZLP);
    assert_int_equal(faulty->f.in(faulty->f.self, data, sizeof data), 0);
    struct host_answer const answer = host_receive(&faulty->f);
    assert_counts(&answer, 0, 4, 0);
    assert_struck(faulty, OPU_FAULT_ZLP, 1);
}

static void partial_breaks_off_until_a_reset(void **state)
{
    struct faulty *const faulty = *state;
    static uint8_t data[TOY_PACKET];
    for (int parts = 1; parts >= 0; parts--) {
        opu_fault_destroy(faulty->fault);
        (void)wrap(faulty, (struct opu_fault_plan){.seed = 1}, parts != 0);
        assert_int_equal(host_reset(&faulty->f, OPU_WIRE_FLUSH), 0);
        work_one(faulty, 0);
        opu_fault_strike(faulty->fault, OPU_FAULT_PARTIAL);
        int const moved = faulty->f.in(faulty->f.self, data, sizeof data);
        if (parts != 0) {
            assert_true((moved & OPU_FN_PART) != 0);
            int const n = moved & ~OPU_FN_PART;
            assert_true(n > 0 && n < 200);
        } else {
            assert_int_equal(moved, OPU_FN_NAK);
        }
        work_one(faulty, 1);
        assert_int_equal(faulty->f.in(faulty->f.self, data, sizeof data), OPU_FN_NAK);
        assert_int_equal(host_reset(&faulty->f, OPU_WIRE_FLUSH), 0);
        work_one(faulty, 0);
        struct host_answer const answer = host_receive(&faulty->f);
        assert_counts(&answer, 0, 4, 0);
        assert_struck(faulty, OPU_FAULT_PARTIAL, 1);
    }
}

static void corrupt_changes_one_byte_out_or_in(void **state)
{
    struct faulty *const faulty = *state;
    static uint8_t good[TOY_PACKET];
    static uint8_t bad[TOY_PACKET];
    work_one(faulty, 0);
    int const n = faulty->f.in(faulty->f.self, good, sizeof good);
    for (unsigned k = 0; k < 20; k++) {
        /* in: the same packet again in another epoch differs in the header and one byte more */
        assert_int_equal(host_reset(&faulty->f, OPU_WIRE_FLUSH), 0);
        work_one(faulty, 0);
        opu_fault_strike(faulty->fault, OPU_FAULT_CORRUPT);
        assert_int_equal(faulty->f.in(faulty->f.self, bad, sizeof bad), n);
        struct opu_wire_header header;
        int const fault = opu_wire_get_header(&header, false, bad, (size_t)n);
        unsigned differ = 0;
        for (int i = OPU_WIRE_HEADER_BYTES; i < n; i++) {
            differ += bad[i] != good[i];
        }
        assert_int_equal(differ, fault == OPU_WIRE_OK ? 1 : 0);
    }
    assert_int_equal(host_reset(&faulty->f, OPU_WIRE_FLUSH), 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_CORRUPT);
    work_one(faulty, 0);
    struct host_answer const answer = host_receive(&faulty->f);
    assert_int_equal(answer.header.kind, OPU_WIRE_REFUSED);
    assert_true(answer.header.code == OPU_WIRE_BAD_HEADER ||
                answer.header.code == OPU_WIRE_BAD_PAYLOAD);
    assert_struck(faulty, OPU_FAULT_CORRUPT, 21);
}

static void stale_sends_the_previous_answer_in_place_of_this_one(void **state)
{
    struct faulty *const faulty = *state;
    opu_fault_strike(faulty->fault, OPU_FAULT_STALE);
    for (uint32_t k = 0; k < 3; k++) { /* the first has none before it */
        work_one(faulty, k);
        struct host_answer const answer = host_receive(&faulty->f);
        uint32_t const seen = k == 1 ? 0 : k;
        assert_counts(&answer, seen, 4, 10 * seen);
    }
    assert_struck(faulty, OPU_FAULT_STALE, 1);
}

static void trigger_loses_a_frame_of_a_sound_answer(void **state)
{
    struct faulty *const faulty = *state;
    work_one(faulty, 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_TRIGGER);
    struct host_answer const answer = host_receive(&faulty->f); /* both CRCs are checked */
    assert_counts(&answer, 0, 4, 0);
    unsigned lost = 0;
    for (uint32_t i = 0; i < 4; i++) {
        struct opu_wire_count head;
        opu_wire_get_count(&head, answer.payload + i * OPU_WIRE_COUNT_BYTES);
        lost += head.status == 1;
    }
    assert_int_equal(lost, 1);
    assert_struck(faulty, OPU_FAULT_TRIGGER, 1);
}

static void silence_is_two_seconds_without_an_answer_to_anything(void **state)
{
    struct faulty *const faulty = *state;
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    work_one(faulty, 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_SILENCE);
    assert_int_equal(host_receive(&faulty->f).moved, OPU_FN_NAK);
    uint64_t const until = opu_fault_silent_until_us(faulty->fault);
    assert_int_equal(until, faulty->rig->now_us + 2000000);
    faulty->rig->now_us = until - 1;
    assert_int_equal(host_request(&faulty->f, true, OPU_WIRE_STATUS, 0, data, sizeof data),
                     OPU_FN_NAK);
    assert_int_equal(faulty->f.out(faulty->f.self, data, 10), OPU_FN_NAK);
    assert_int_equal(host_receive(&faulty->f).moved, OPU_FN_NAK);
    assert_int_equal(faulty->f.event(faulty->f.self, data, sizeof data), OPU_FN_NAK);
    faulty->rig->now_us = until;
    assert_int_equal(opu_fault_silent_until_us(faulty->fault), 0);
    assert_int_equal(host_status(&faulty->f).state, OPU_WIRE_READY);
    struct host_answer const answer = host_receive(&faulty->f);
    assert_counts(&answer, 0, 4, 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_SILENCE);
    assert_int_equal(host_send(&faulty->f, rig_header(faulty->rig, 4), 10), OPU_FN_NAK);
    faulty->rig->now_us += 2000000;
    work_one(faulty, 1); /* the transfer comes again and goes through */
    assert_struck(faulty, OPU_FAULT_SILENCE, 2);
}

static void unplug_is_the_ports_to_do(void **state)
{
    struct faulty *const faulty = *state;
    opu_fault_strike(faulty->fault, OPU_FAULT_UNPLUG);
    assert_int_equal(host_send(&faulty->f, rig_header(faulty->rig, 4), 0), OPU_FN_NAK);
    assert_int_equal(faulty->unplugged, 1);
    assert_int_equal(faulty->unplugged_us, 500000);
    faulty->f.bus_reset(faulty->f.self);
    work_one(faulty, 0);
    opu_fault_strike(faulty->fault, OPU_FAULT_UNPLUG);
    assert_int_equal(host_receive(&faulty->f).moved, OPU_FN_NAK);
    assert_struck(faulty, OPU_FAULT_UNPLUG, 2);
}

/* ---- By chance ---- */

/* Faults of n answers, one letter each. */
static void draw_letters(struct faulty *faulty, uint64_t seed, char *letters, uint32_t n)
{
    static uint8_t data[TOY_PACKET];
    struct opu_fault_plan plan = {.seed = seed};
    plan.rate[OPU_FAULT_SHORT] = 0.1;
    plan.rate[OPU_FAULT_ZLP] = 0.2;
    opu_fault_destroy(faulty->fault);
    (void)wrap(faulty, plan, false);
    for (uint32_t k = 0; k < n; k++) {
        work_one(faulty, k);
        int const moved = faulty->f.in(faulty->f.self, data, sizeof data);
        letters[k] = moved == 0 ? 'z' : moved % 2 == 1 ? 's' : '.';
        for (unsigned j = 0; j < k % 3; j++) { /* asking in vain moves nothing */
            (void)faulty->f.in(faulty->f.self, data, sizeof data);
        }
        if (moved == 0 && k % 3 == 0) {
            (void)faulty->f.in(faulty->f.self, data, sizeof data);
        }
    }
    letters[n] = '\0';
}

static void chance_is_repeated_by_its_seed_and_has_the_rate_asked_for(void **state)
{
    struct faulty *const faulty = *state;
    enum { N = 4000 };
    static char first[N + 1];
    static char again[N + 1];
    static char other[N + 1];
    draw_letters(faulty, 7, first, N);
    uint64_t counts[OPU_FAULT_KINDS];
    opu_fault_counts(faulty->fault, counts);
    (void)host_reset(&faulty->rig->f, OPU_WIRE_FLUSH);
    draw_letters(faulty, 7, again, N);
    (void)host_reset(&faulty->rig->f, OPU_WIRE_FLUSH);
    draw_letters(faulty, 8, other, N);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    /* Binomial counts; the seeds are fixed, so five standard deviations are a matter of course. */
    double const shorts = (double)counts[OPU_FAULT_SHORT];
    double const zlps = (double)counts[OPU_FAULT_ZLP];
    assert_true(fabs(shorts - 0.1 * N) < 5.0 * sqrt(0.1 * 0.9 * N));
    assert_true(fabs(zlps - 0.9 * 0.2 * N) < 5.0 * sqrt(0.18 * 0.82 * N));
}

static void plans_are_read_from_text(void **state)
{
    (void)state;
    struct opu_fault_plan plan;
    const char *bad;
    assert_true(opu_fault_parse(&plan, "stall=0.01,corrupt=1e-3,seed=7", &bad));
    assert_null(bad);
    assert_int_equal(plan.seed, 7);
    assert_true(plan.rate[OPU_FAULT_STALL] == 0.01);
    assert_true(plan.rate[OPU_FAULT_CORRUPT] == 0.001);
    assert_true(plan.rate[OPU_FAULT_UNPLUG] == 0.0);
    assert_true(opu_fault_parse(&plan, "all=.25,unplug=0", &bad));
    for (size_t i = 0; i < OPU_FAULT_KINDS; i++) {
        assert_true(plan.rate[i] == (i == OPU_FAULT_UNPLUG ? 0.0 : 0.25));
    }
    struct opu_fault_plan const before = plan;
    static const struct {
        const char *text;
        size_t bad;
    } cases[] = {
        {"", 0},
        {"stall", 0},
        {"stall=", 0},
        {"stall=1.5", 0},
        {"stall=-1", 0},
        {"stall=0.1,", 10},
        {"stall=0.1,stal=1", 10},
        {"seed=x", 0},
        {"stall=0.1;", 0},
        {"stall=1e-999", 0},
        {"seed=18446744073709551616", 0},
        {"=1", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(opu_fault_parse(&plan, cases[i].text, &bad));
        assert_ptr_equal(bad, cases[i].text + cases[i].bad);
        assert_memory_equal(&plan, &before, sizeof plan);
    }
}

#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(without_a_plan_nothing_happens),
        FAULT_TEST(stall_halts_an_endpoint_and_loses_nothing_of_an_answer),
        FAULT_TEST(short_ends_an_answer_early),
        FAULT_TEST(zlp_comes_before_the_answer),
        FAULT_TEST(partial_breaks_off_until_a_reset),
        FAULT_TEST(corrupt_changes_one_byte_out_or_in),
        FAULT_TEST(stale_sends_the_previous_answer_in_place_of_this_one),
        FAULT_TEST(trigger_loses_a_frame_of_a_sound_answer),
        FAULT_TEST(silence_is_two_seconds_without_an_answer_to_anything),
        FAULT_TEST(unplug_is_the_ports_to_do),
        FAULT_TEST(chance_is_repeated_by_its_seed_and_has_the_rate_asked_for),
        cmocka_unit_test(plans_are_read_from_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
