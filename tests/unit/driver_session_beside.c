/* SPDX-License-Identifier: MIT */
/* Callers beside the event thread, on a board with a thread of its own: who waits takes answers,
 * others' too, and nobody may be left waiting for what another has put down. */
#include "driver_session_rig.h"

#include <pthread.h>
#include <time.h>

static const struct opu_session_options usual = {0};

/* As load_check(), but says so instead of ending the test: for threads. */
static bool is_right(const struct load *load)
{
    for (size_t i = 0; i < load->batch.n_frames; i++) {
        for (size_t p = 0; p < rig.setup.n_pixels; p++) {
            if (load->counts[i * rig.setup.n_pixels + p] !=
                toy_count(load->number[i], load->bits + i * RIG_ROW, load->reference[i],
                          load->exposure[i], p)) {
                return false;
            }
        }
    }
    return true;
}

/* Looks without waiting, ten seconds at most. */
static void ends_by_itself(uint64_t job)
{
    for (int k = 0; opu_session_wait(rig.session, job, 0) != OPU_OK; k++) {
        assert_true(k < 10000);
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000L}, NULL);
    }
}

static int holds(void *self, uint8_t *data, size_t n)
{
    (void)self;
    (void)data;
    (void)n;
    return OPU_FN_NAK;
}

static void *wait_for(void *job)
{
    int const status = opu_session_wait(rig.session, *(uint64_t *)job, 20000);
    return status == OPU_OK ? job : NULL;
}

/* All answers under way come at once; who takes the first is not there for the others, and more is
 * to be sent. */
static void a_caller_who_leaves_hands_on_what_is_there(void **state)
{
    (void)state;
    struct opu_session_options const patient = {.answer_ms = 20000};
    rig_ready((struct inprocess_options){.real = true}, patient);
    struct opu_function holding = inprocess_function(rig.port);
    holding.in = holds;
    rig.loads[0].batch.n_frames = 1;
    for (size_t round = 0; round < 20; round++) {
        pthread_t waiter;
        void *waited;
        load_fill(&rig.loads[1], 1000 * (round + 2));
        inprocess_replace(rig.port, &holding);
        uint64_t first = rig_submit(0);
        uint64_t const second = rig_submit(1);
        assert_int_equal(pthread_create(&waiter, NULL, wait_for, &first), 0);
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000L}, NULL);
        inprocess_replace(rig.port, NULL);
        assert_int_equal(pthread_join(waiter, &waited), 0);
        assert_non_null(waited);
        ends_by_itself(second);
        assert_true(is_right(&rig.loads[0]) && is_right(&rig.loads[1]));
    }
    assert_int_equal(rig_counts().recoveries, 0);
    rig_close();
}

/* ---- Many callers ---- */

struct caller {
    pthread_t thread;
    size_t index;
    size_t wrong, cancelled;
    bool cancels;
};

static void *call(void *user)
{
    struct caller *const caller = user;
    struct load *const load = &rig.loads[caller->index];
    for (size_t round = 0; round < 60; round++) {
        uint64_t job = 0;
        load_fill(load, 1000 * (caller->index + 1) + 100000 * round);
        if (opu_session_submit(rig.session, &load->batch, &job) != OPU_OK) {
            caller->wrong++;
            continue;
        }
        if (caller->cancels && round % 3 == 0 && opu_session_cancel(rig.session, job) == OPU_OK &&
            opu_session_wait(rig.session, job, 20000) == OPU_E_CANCELLED) {
            struct load const left = *load;
            (void)nanosleep(&(struct timespec){.tv_nsec = 200000L}, NULL);
            caller->wrong += memcmp(&left, load, sizeof left) != 0;
            caller->cancelled++;
            continue;
        }
        bool const came = caller->cancels && round % 3 == 0; /* it had ended before the cancel */
        int status = OPU_OK;
        while (!came &&
               (status = opu_session_wait(rig.session, job, (int)(round % 4))) == OPU_E_TIMEOUT) {
        }
        caller->wrong += status != OPU_OK || !is_right(load);
    }
    return NULL;
}

static void run_callers(struct caller callers[OPU_SESSION_JOBS])
{
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        callers[i].index = i;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].wrong, 0);
    }
}

static void callers_take_each_others_answers(void **state)
{
    (void)state;
    struct caller callers[OPU_SESSION_JOBS] = {0};
    rig_ready((struct inprocess_options){.real = true}, usual);
    run_callers(callers);
    assert_int_equal(rig_counts().recoveries, 0);
    rig_close();
}

static void a_cancel_leaves_arrays_alone_that_another_caller_was_filling(void **state)
{
    (void)state;
    struct caller callers[OPU_SESSION_JOBS] = {0};
    rig_ready((struct inprocess_options){.real = true}, usual);
    for (size_t i = 0; i < OPU_SESSION_JOBS; i += 2) {
        callers[i].cancels = true;
    }
    run_callers(callers);
    assert_true(callers[0].cancelled + callers[2].cancelled > 0);
    rig_close();
}

static void callers_come_through_faults(void **state)
{
    (void)state;
    struct caller callers[OPU_SESSION_JOBS] = {0};
    struct opu_fault_plan plan = {.seed = 11};
    plan.rate[OPU_FAULT_STALL] = plan.rate[OPU_FAULT_SHORT] = plan.rate[OPU_FAULT_CORRUPT] =
        plan.rate[OPU_FAULT_ZLP] = plan.rate[OPU_FAULT_STALE] = 0.002;
    rig_ready((struct inprocess_options){.real = true, .faults = &plan}, usual);
    run_callers(callers);
    assert_true(rig_counts().recoveries > 0);
    rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caller_who_leaves_hands_on_what_is_there),
        cmocka_unit_test(callers_take_each_others_answers),
        cmocka_unit_test(a_cancel_leaves_arrays_alone_that_another_caller_was_filling),
        cmocka_unit_test(callers_come_through_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
