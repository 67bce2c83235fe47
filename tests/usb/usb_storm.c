/* SPDX-License-Identifier: MIT */
/*
 * A storm of faults on a virtual clock, over the real libusb by the fast route: each projection
 * gives what a device without faults gives, bit for bit, or fails with a sentence; each call comes
 * back in its time; nothing leaks, and nothing is freed while the node still writes to it (both
 * seen by the address sanitizer). usb_storm [PROJECTIONS [SEED]]
 */
#include "support.h"

#include "core/base/rng.h"

#include <unistd.h>

#define N_IN 40
#define N_OUT 96
#define MOST_ROWS 7
#define CASES 64
#define RATES \
    "stall=0.01,short=0.01,zlp=0.01,partial=0.004,corrupt=0.01,stale=0.01,trigger=0.01," \
    "silence=0.002,unplug=0.002"
/* driver/session.h: (T + 1) (answer_ms + C / 4 + 3 C) + 2 s, unplugged replug_ms + 4 C more, with
 * the session's own patience; for each of the two batches that a call may be, and three times over
 * for frames that were lost. */
#define JOB_S (6.0 * (1.0 + 0.25 + 3.0) + 2.0 + 5.0 + 4.0)
#define CALL_S (4.0 * JOB_S)
#define REAL_S 20.0 /* of a machine that does something else as well */
#define HANG_S 100

static unsigned n_projections = 6000;
static uint64_t seed;
static struct usb_rig rig;

/* ---- Cases ---- */

struct storm_case {
    uint64_t clock;
    size_t rows;
    float in[MOST_ROWS * N_IN], out[MOST_ROWS * N_OUT];
};

static struct storm_case cases[CASES];

static uint32_t draw(uint64_t i)
{
    return opu_philox(seed, OPU_STREAM_TEST, 0, i).v[0];
}

static struct opu_projection *project(struct opu_device *device)
{
    struct opu_projection_options const options = {
        .size = sizeof options, .n_in = N_IN, .n_out = N_OUT, .max_rows = MOST_ROWS};
    struct opu_projection *projection = NULL;
    opu_device_clock_set(device, 1000000000);
    if (opu_projection_create(&projection, device, &options) < 0) {
        printf("# no projection: %s\n", opu_error_message());
    }
    return projection;
}

static int make_cases(void **state)
{
    (void)state;
    struct opu_device *device = NULL;
    assert_ok(opu_device_open(&device, NULL, "sim:"));
    struct opu_projection *const projection = project(device);
    assert_non_null(projection);
    for (size_t c = 0; c < CASES; c++) {
        struct storm_case *const one = &cases[c];
        one->clock = 5000 + 1000 * c;
        one->rows = 1 + draw(c) % MOST_ROWS;
        for (size_t i = 0; i < one->rows * N_IN; i++) {
            one->in[i] = (float)((double)draw(1000 + c * 1000 + i) / 2147483648.0 - 1.0);
        }
        opu_device_clock_set(device, one->clock);
        assert_ok(opu_project(projection, one->in, N_IN, one->rows, one->out, N_OUT));
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
    return 0;
}

/* ---- The storm ---- */

struct tally {
    unsigned right, said;
    double longest_real_s, longest_virtual_s;
};

static void one(struct opu_device *device, struct opu_projection *projection, unsigned i,
                struct tally *tally)
{
    static float out[MOST_ROWS * N_OUT];
    const struct storm_case *const want = &cases[draw(UINT64_C(1) << 32 | i) % CASES];
    double const real_s = real_seconds(), virtual_s = 1e-6 * (double)usb_rig_now_us(&rig);
    opu_device_clock_set(device, want->clock);
    int const status = opu_project(projection, want->in, N_IN, want->rows, out, N_OUT);
    double const took_s = real_seconds() - real_s;
    double const passed_s = 1e-6 * (double)usb_rig_now_us(&rig) - virtual_s;
    tally->longest_real_s = took_s > tally->longest_real_s ? took_s : tally->longest_real_s;
    tally->longest_virtual_s =
        passed_s > tally->longest_virtual_s ? passed_s : tally->longest_virtual_s;
    if (took_s > REAL_S || passed_s > CALL_S) {
        fail_msg("projection %u took %.3f s, %.3f s of the device's clock", i, took_s, passed_s);
    }
    if (status < 0) {
        if (strlen(opu_error_message()) < 20) {
            fail_msg("projection %u: %d says '%s'", i, status, opu_error_message());
        }
        tally->said++;
        if (tally->said <= 5) {
            printf("# projection %u: %s\n", i, opu_error_message());
        }
    } else if (memcmp(out, want->out, want->rows * N_OUT * sizeof *out) != 0) {
        fail_msg("projection %u of %zu rows is not that of a device without faults", i, want->rows);
    } else {
        tally->right++;
    }
}

static void print_faults(unsigned n)
{
    uint64_t counts[OPU_FAULT_KINDS];
    usb_rig_faults(&rig, counts);
    printf("# faults:");
    for (size_t i = 0; i < OPU_FAULT_KINDS; i++) {
        printf(" %s %llu", opu_fault_names[i], (unsigned long long)counts[i]);
        assert_true(n < 1000 || counts[i] >= 2);
    }
    printf("\n");
}

/* n projections under faults at those rates. */
static struct tally storm(const char *rates, unsigned n)
{
    char plan[256];
    struct opu_device *device = NULL;
    struct tally tally = {0};
    (void)snprintf(plan, sizeof plan, "%s,seed=%llu", rates, (unsigned long long)seed);
    struct usb_rig_options const options = {
        .optics = "sim:", .faults = plan, .fast = true, .virtual_clock = true};
    assert_int_equal(usb_rig_open(&rig, &options), 0);
    assert_true(usb_rig_seen(&rig));
    double const start_s = real_seconds();
    /* Small packets: several in flight a call. */
    assert_ok(opu_device_open(&device, NULL, "usb:transfer_bytes=2048"));
    struct opu_projection *projection = NULL;
    for (int tries = 0; tries < 50 && projection == NULL; tries++) {
        projection = project(device); /* it, too, may say why not */
    }
    assert_non_null(projection);
    for (unsigned i = 0; i < n; i++) {
        one(device, projection, i, &tally);
    }
    double const took_s = real_seconds() - start_s;
    struct usb_node_counts const before = usb_node_counts(rig.node);
    opu_projection_destroy(projection);
    opu_device_close(device);
    printf(
        "# %u projections, seed %llu: %u right, %u failed with a sentence; %.1f s here, %.0f s on "
        "the device's clock; a call took at most %.3f s and %.1f s of it\n",
        n, (unsigned long long)seed, tally.right, tally.said, took_s,
        1e-6 * (double)usb_rig_now_us(&rig), tally.longest_real_s, tally.longest_virtual_s);
    printf("# %llu transfers, %zu at once at most, %llu plugged in\n",
           (unsigned long long)before.submitted, before.most_under_way,
           (unsigned long long)before.plugs);
    print_faults(n);
    assert_int_equal(usb_node_counts(rig.node).n_under_way, 0);
    usb_rig_close(&rig);
    return tally;
}

static void every_projection_is_right_or_says_why(void **state)
{
    (void)state;
    struct tally const tally = storm(RATES, n_projections);
    /* A fault in a hundred transfers, five tries each: failures are rare. */
    assert_true(tally.said * 50 <= n_projections);
}

/* Most attempts fail: what can't be had is told, and what is given is right all the same. */
static void a_storm_that_is_too_much_is_told(void **state)
{
    (void)state;
    struct tally const tally = storm("all=0.06", 400);
    assert_true(tally.said > 0 && tally.right > 0);
}

int main(int argc, char **argv)
{
    const char *const given = getenv("OPU_TEST_SEED");
    n_projections = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : n_projections;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10)
                    : (given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL));
    printf("# seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_projection_is_right_or_says_why),
                                       cmocka_unit_test(a_storm_that_is_too_much_is_told)};
    (void)alarm(HANG_S); /* a hang ends here */
    return no_nodes() ? 0 : cmocka_run_group_tests(tests, make_cases, NULL);
}
