/* SPDX-License-Identifier: MIT */
/* The emulator by its public calls: what it refuses, and a run that another thread stops. */
#include "tests/unit/base_support.h"

#include <opu/emulate.h>

#include <pthread.h>
#include <signal.h>

static struct opu_context *context;
static struct opu_device *optics;

static int set_up(void **state)
{
    struct opu_context_options const options = {.size = sizeof options};
    (void)state;
    return opu_context_create(&context, &options) == OPU_OK &&
                   opu_device_open(&optics, context, "sim:seed=3") == OPU_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    opu_device_close(optics);
    opu_context_destroy(context);
    return 0;
}

static void what_contradicts_itself_is_refused(void **state)
{
    static const struct {
        struct opu_emulator_options options;
        int status;
        const char *part;
    } cases[] = {
        {{.port = (enum opu_emulate_port)9}, OPU_E_INVALID, "port: saw 9"},
        {{.port = OPU_EMULATE_USBREDIR}, OPU_E_INVALID, "wanted the path of a socket"},
        {{.port = OPU_EMULATE_FUNCTIONFS, .path = ""}, OPU_E_INVALID, "functionfs folder"},
        {{.port = OPU_EMULATE_LISTEN, .rate_hz = -1.0}, OPU_E_INVALID, "rate_hz: saw -1"},
        {{.port = OPU_EMULATE_LISTEN, .serial = ""}, OPU_E_INVALID, "serial: saw 0"},
        {{.port = OPU_EMULATE_LISTEN, .serial = "a b"}, OPU_E_INVALID, "serial: saw 'a b'"},
        {{.port = OPU_EMULATE_LISTEN, .faults = "seed"}, OPU_E_INVALID, "'seed' isn't understood"},
        {{.port = OPU_EMULATE_FUNCTIONFS, .path = "/nowhere"}, OPU_E_IO, "/nowhere/ep0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct opu_emulator_options options = cases[i].options;
        struct opu_emulator *emulator = (struct opu_emulator *)&options;
        options.size = sizeof options;
        assert_refused(opu_emulator_create(&emulator, context, optics, &options), cases[i].status,
                       cases[i].part);
        assert_null(emulator);
    }
}

static void optics_of_floats_are_refused(void **state)
{
    struct opu_emulator_options const options = {.size = sizeof options,
                                                 .port = OPU_EMULATE_LISTEN};
    struct opu_device *exact;
    struct opu_emulator *emulator;
    (void)state;
    assert_int_equal(opu_device_open(&exact, context, "exact:"), OPU_OK);
    assert_int_equal(opu_emulator_create(&emulator, context, exact, &options), OPU_E_UNSUPPORTED);
    opu_device_close(exact);
}

/* Some port above the ones that are given out; the next one where it is taken. */
static struct opu_emulator *listening(struct opu_emulator_options options)
{
    struct opu_emulator *emulator = NULL;
    int status = OPU_E_BUSY;
    for (unsigned i = 0; status == OPU_E_BUSY && i < 100; i++) {
        options.tcp_port = (uint16_t)(23000 + (unsigned)getpid() % 5000 + i);
        status = opu_emulator_create(&emulator, context, optics, &options);
    }
    assert_int_equal(status, OPU_OK);
    return emulator;
}

static void *serve(void *user)
{
    return opu_emulator_run(user) == OPU_OK ? user : NULL;
}

static void another_thread_stops_a_run(void **state)
{
    struct opu_emulator_stats stats = {.size = sizeof stats, .frames = 7, .laser = true};
    struct opu_emulator *const emulator =
        listening((struct opu_emulator_options){.size = sizeof(struct opu_emulator_options),
                                                .port = OPU_EMULATE_LISTEN,
                                                .vendor_id = 0x1234,
                                                .product_id = 0xabcd,
                                                .faults = "all=0.1"});
    pthread_t thread;
    void *result = NULL;
    (void)state;
    assert_ptr_equal(strstr(opu_emulator_describe(emulator), "usb 1234:abcd, serial SIM-"),
                     opu_emulator_describe(emulator));
    assert_int_equal(pthread_create(&thread, NULL, serve, emulator), 0);
    assert_int_equal(opu_emulator_statistics(emulator, &stats), OPU_OK);
    assert_int_equal(stats.frames, 0);
    assert_int_equal(stats.faults, 0);
    assert_false(stats.laser);
    opu_emulator_stop(emulator);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, emulator);
    opu_emulator_destroy(emulator);
}

static struct opu_emulator *handled;

static void on_alarm(int number)
{
    (void)number;
    opu_emulator_stop(handled);
}

static void a_signal_handler_stops_a_run(void **state)
{
    struct sigaction const action = {.sa_handler = on_alarm};
    struct sigaction before;
    (void)state;
    handled = listening((struct opu_emulator_options){.size = sizeof(struct opu_emulator_options),
                                                      .port = OPU_EMULATE_LISTEN});
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    alarm(1);
    assert_int_equal(opu_emulator_run(handled), OPU_OK);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    opu_emulator_destroy(handled);
}

static void shorter_structs_are_filled_as_far_as_they_go(void **state)
{
    struct opu_emulator_stats stats = {
        .size = offsetof(struct opu_emulator_stats, packets), .frames = 7, .packets = 7};
    struct opu_emulator *const emulator = listening(
        (struct opu_emulator_options){.size = offsetof(struct opu_emulator_options, vendor_id),
                                      .port = OPU_EMULATE_LISTEN,
                                      .vendor_id = 0x4321,
                                      .faults = "nonsense that lies beyond the size"});
    (void)state;
    assert_non_null(strstr(opu_emulator_describe(emulator), "usb 1209:0001"));
    assert_int_equal(opu_emulator_statistics(emulator, &stats), OPU_OK);
    assert_int_equal(stats.frames, 0);
    assert_int_equal(stats.packets, 7);
    opu_emulator_destroy(emulator);
    opu_emulator_destroy(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(optics_of_floats_are_refused),
        cmocka_unit_test(another_thread_stops_a_run),
        cmocka_unit_test(a_signal_handler_stops_a_run),
        cmocka_unit_test(shorter_structs_are_filled_as_far_as_they_go),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
