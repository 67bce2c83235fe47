/* SPDX-License-Identifier: MIT */
/*
 * The probe: 1 for a matrix that stands still, exp(-dt / tau) for one that drifts, through every
 * kind of read-out; and calibrating again.
 */
#include "base_support.h"

#include <math.h>

#include <opu/projection.h>

#include "core/base/rng.h"
#include "core/device/projection_internal.h"
#include "core/device/readout.h"

/* So slow that calibration ends within the first of the 256 steps in which the simulator's medium
 * moves through tau: 391 s are 781250 frames. */
#define TAU_S 1e5
#define RATE_HZ 2000.0
#define STEPS 256.0

struct rig {
    struct opu_device *device;
    struct opu_projection *projection;
};

struct rig_case {
    const char *readout, *more;
    uint64_t seed;
    size_t n_in, n_out, max_rows;
};

static struct rig rig_make(const struct rig_case *c)
{
    struct rig rig = {NULL, NULL};
    char uri[200];
    (void)snprintf(uri, sizeof uri, "sim:seed=%llu,tau=1e5%s", (unsigned long long)c->seed,
                   c->more);
    struct opu_projection_options const options = {
        .size = sizeof options,
        .n_in = c->n_in,
        .n_out = c->n_out,
        .max_rows = c->max_rows,
        .readout = c->readout,
    };
    if (opu_device_open(&rig.device, NULL, uri) < 0 ||
        opu_projection_create(&rig.projection, rig.device, &options) < 0) {
        fail_msg("%s: %s", uri, opu_error_message());
    }
    assert_true((double)opu_device_clock(rig.device) < TAU_S / STEPS * RATE_HZ);
    return rig;
}

static void rig_free(struct rig *rig)
{
    opu_projection_destroy(rig->projection);
    opu_device_close(rig->device);
}

static void wait_until(struct rig *rig, double taus)
{
    opu_device_clock_set(rig->device, (uint64_t)(taus * TAU_S * RATE_HZ) + 1);
}

static double probe(struct rig *rig)
{
    double correlation = -2.0;
    if (opu_projection_probe(rig->projection, &correlation) < 0) {
        fail_msg("%s", opu_error_message());
    }
    return correlation;
}

/* Independent products that a probe sums: outputs times patterns, less what the patterns share. */
static double samples(const struct rig *rig)
{
    const struct opu_projection *p = rig->projection;
    double const pairs = (double)p->probe.n_pairs;
    return (double)p->n_out * pairs / (1.0 + (pairs - 1.0) / (double)p->n_in);
}

/* What the estimator of core/device/probe.c has for a mean where the field has decorrelated to rho,
 * and that of what it has told. */
static double covariance(const struct opu_projection *p, double rho)
{
    if (p->readout->n_references > 0) {
        return rho;
    }
    double const m = p->layout.n_anchor > 0 ? 1.0 + OPU_ANCHOR_FLOOR : 1.0;
    return copysign(rho * rho * sqrt(m / (1.0 + (m - 1.0) * rho * rho)), rho);
}

/*
 * Five standard deviations of a correlation of n pairs of numbers: (1 - c^2) / sqrt n for Gaussian
 * ones, 1.7 times that for products of two (at most sqrt 3: such a product has kurtosis 9, the
 * spread of a sample's correlation grows with the root of a third of it). Noise adds 0.65 v / sqrt
 * n (core/device/probe.c), v below 0.02 at the default light.
 */
static double bar(const struct rig *rig, double c)
{
    double const shape = rig->projection->readout->n_references > 0 ? 1.0 : sqrt(3.0);
    return 5.0 * (shape * (1.0 - c * c) + 0.65 * 0.02) / sqrt(samples(rig));
}

static void check_drift(const struct rig_case *given, double taus)
{
    struct rig rig = rig_make(given);
    wait_until(&rig, taus);
    double const seen = covariance(rig.projection, probe(&rig));
    double const wanted = covariance(rig.projection, exp(-floor(taus * STEPS) / STEPS));
    double const allowed = bar(&rig, wanted);
    if (!(fabs(seen - wanted) <= allowed)) {
        fail_msg("%s%s, seed %llu, %zu x %zu, %g tau: saw %g, wanted %g +- %g (%.0f samples)",
                 given->readout, given->more, (unsigned long long)given->seed, given->n_out,
                 given->n_in, taus, seen, wanted, allowed, samples(&rig));
    }
    rig_free(&rig);
}

static const char *const readouts[] = {"phase4", "anchor", "intensity"};
#define N_READOUTS (sizeof readouts / sizeof readouts[0])

static void a_drifted_matrix_answers_exp_of_minus_time_over_tau(void **state)
{
    (void)state;
    double const taus[] = {0.1, 1.0, 3.0};
    for (size_t r = 0; r < N_READOUTS; r++) {
        for (size_t t = 0; t < sizeof taus / sizeof taus[0]; t++) {
            check_drift(&(struct rig_case){readouts[r], "", 5, 64, 1024, 64}, taus[t]);
        }
    }
}

static void drawn_cases_answer_the_same_law(void **state)
{
    (void)state;
    const char *const wish = getenv("OPU_TEST_SEED");
    uint64_t const seed = wish != NULL ? strtoull(wish, NULL, 10) : 1;
    print_message("# OPU_TEST_SEED=%llu\n", (unsigned long long)seed);
    const char *const more[] = {"", ",rin=0.01", ",bits=10,leakage=0.005"};
    for (uint64_t i = 0; i < 3 * N_READOUTS; i++) {
        struct opu_philox4 const draw = opu_philox(seed, OPU_STREAM_TEST, 0, i);
        struct rig_case const given = {
            readouts[i % N_READOUTS], more[i / N_READOUTS],   draw.v[0],
            32 + draw.v[1] % 200,     100 + draw.v[2] % 1000, 1 + draw.v[1] % 20};
        check_drift(&given, 2.0 * opu_uniform(draw.v[3]));
    }
}

/* Noise over signal power of one reading of differences of patterns, from two of them. */
static double noise_share(struct rig *rig, size_t n_in, size_t n_out)
{
    float *const in = calloc(4 * n_in, sizeof *in);
    float *const out = calloc(4 * n_out, sizeof *out);
    for (size_t i = 0; i < 2 * n_in; i++) {
        in[i] = in[i + 2 * n_in] = (i < n_in) == (i % 2 == 0) ? 1.0f : 0.0f;
    }
    assert_int_equal(opu_project(rig->projection, in, n_in, 4, out, n_out), OPU_OK);
    double noise = 0.0;
    double power = 0.0;
    for (size_t i = 0; i < n_out; i++) {
        double const a = (double)out[i] - (double)out[n_out + i];
        double const b = (double)out[2 * n_out + i] - (double)out[3 * n_out + i];
        noise += 0.5 * (a - b) * (a - b);
        power += a * b;
    }
    free(in);
    free(out);
    return noise / power;
}

/* What is left of the noise: see core/device/probe.c. The share v is known to 10 % from 1024
 * outputs and is taken half as large again. */
static void check_still(const char *readout, const char *more, double least)
{
    struct rig_case const given = {readout, more, 6, 64, 1024, 64};
    struct rig rig = rig_make(&given);
    double const v = noise_share(&rig, 64, 1024);
    double const seen = covariance(rig.projection, probe(&rig));
    double const allowed = 5.0 * 0.65 * 1.5 * v / sqrt(samples(&rig));
    if (!(fabs(seen - 1.0) <= allowed && v >= least)) {
        fail_msg("%s%s: saw %.6f, wanted 1 +- %.2g; noise %g of the signal, wanted at least %g",
                 readout, more, seen, allowed, v, least);
    }
    rig_free(&rig);
}

static void a_still_matrix_answers_one(void **state)
{
    (void)state;
    for (size_t r = 0; r < N_READOUTS; r++) {
        check_still(readouts[r], "", 1e-5);
    }
}

static void noise_does_not_look_like_drift(void **state)
{
    (void)state;
    /* Uncorrected, a tenth of noise would read (1 + v / 4)^-1/2 (1 + v / 2)^-1/2 = 0.96. */
    check_still("phase4", ",full_well=300,read_noise=15", 0.1);
    check_still("anchor", ",full_well=500,read_noise=15", 0.1);
    check_still("intensity", ",full_well=300,read_noise=15", 0.1);
}

static void devices_without_drift_answer_one_without_a_frame(void **state)
{
    (void)state;
    const char *const uris[] = {"sim:seed=2", "exact:seed=2", "exact:of=sim:tau=5", "null:"};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        struct rig rig = {NULL, NULL};
        struct opu_projection_options const options = {
            .size = sizeof options, .n_in = 20, .n_out = 30, .max_rows = 4};
        assert_int_equal(opu_device_open(&rig.device, NULL, uris[i]), OPU_OK);
        assert_int_equal(opu_projection_create(&rig.projection, rig.device, &options), OPU_OK);
        uint64_t const clock = opu_device_clock(rig.device);
        assert_true(probe(&rig) == 1.0);
        assert_int_equal(opu_device_clock(rig.device), clock);
        assert_int_equal(opu_projection_recalibrate(rig.projection), OPU_OK);
        rig_free(&rig);
    }
}

static void a_probe_counts_its_frames_but_no_rows(void **state)
{
    (void)state;
    /* 4096 / 1024 = 4 patterns and their complements, twice, four frames each. */
    struct rig rig = rig_make(&(struct rig_case){"phase4", "", 1, 64, 1024, 64});
    struct opu_device_stats before = {.size = sizeof before};
    struct opu_device_stats after = {.size = sizeof after};
    uint64_t const clock = opu_device_clock(rig.device);
    assert_int_equal(opu_device_statistics(rig.device, &before), OPU_OK);
    (void)probe(&rig);
    assert_int_equal(opu_device_statistics(rig.device, &after), OPU_OK);
    assert_int_equal(after.frames - before.frames, 4 * 2 * 2 * 4);
    assert_int_equal(opu_device_clock(rig.device) - clock, 64);
    assert_true(after.optical_s > before.optical_s && after.pixels > before.pixels);
    assert_int_equal(after.rows, before.rows);
    rig_free(&rig);
}

static void every_encoder_shows_the_probe(void **state)
{
    (void)state;
    const char *const more[] = {",encode=binary", ",encode=ternary:0.25",
                                ",encode=ternary:stochastic", ",encode=bitplanes:3",
                                ",encode=ternary,rescale=no"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        check_drift(&(struct rig_case){"phase4", more[i], 8, 50, 300, 7}, 0.5);
    }
}

static void rows_of_a_call_do_not_move_a_bit(void **state)
{
    (void)state;
    double seen[3];
    size_t const max_rows[] = {1, 3, 64};
    for (size_t i = 0; i < 3; i++) {
        struct rig rig = rig_make(&(struct rig_case){"phase4", "", 4, 40, 100, max_rows[i]});
        wait_until(&rig, 0.2);
        seen[i] = probe(&rig);
        rig_free(&rig);
    }
    assert_true(seen[0] == seen[1] && seen[1] == seen[2] && seen[0] < 0.95);
}

static void a_single_input_and_output_can_be_probed(void **state)
{
    (void)state;
    /* 16 pairs of the same pattern and an empty one: 1 sample. */
    struct rig rig = rig_make(&(struct rig_case){"phase4", "", 4, 1, 1, 1});
    double const seen = probe(&rig);
    assert_true(fabs(seen - 1.0) < 0.05);
    rig_free(&rig);
}

static void the_state_brings_the_answers_along(void **state)
{
    (void)state;
    for (size_t r = 0; r <= N_READOUTS; r++) {
        /* A pilot's answer is the matrix's too. */
        const char *const readout = r < N_READOUTS ? readouts[r] : "phase3";
        const char *const more = r < N_READOUTS ? ",rin=0.01,leakage=0.005" : ",pilot=5";
        struct rig_case const given = {readout, more, 9, 30, 80, 16};
        float in[4 * 30], out[2][4 * 80];
        double seen[2];
        struct rig first = rig_make(&given);
        wait_until(&first, 1.0);
        assert_int_equal(opu_projection_recalibrate(first.projection), OPU_OK);
        size_t const n = opu_projection_state_size(first.projection);
        uint8_t *const bytes = calloc(n, 1);
        opu_projection_state_get(first.projection, bytes);
        uint64_t const clock = opu_device_clock(first.device);
        struct rig second = rig_make(&given);
        assert_int_equal(opu_projection_state_set(second.projection, bytes, n), OPU_OK);
        opu_device_clock_set(second.device, clock);
        for (size_t i = 0; i < 2; i++) {
            struct rig *const rig = i == 0 ? &first : &second;
            wait_until(rig, 1.2);
            seen[i] = probe(rig);
            for (size_t k = 0; k < 4 * 30; k++) {
                in[k] = (float)((k * 7) % 5) - (readout[0] == 'i' ? 0.0f : 1.5f);
            }
            assert_int_equal(opu_project(rig->projection, in, 30, 4, out[i], 80), OPU_OK);
        }
        /* 0.2 tau after the answers that came along, 1.2 tau after the second's own. */
        assert_true(seen[0] == seen[1] && seen[1] > 0.6);
        assert_memory_equal(out[0], out[1], sizeof out[0]);
        free(bytes);
        rig_free(&first);
        rig_free(&second);
    }
}

/* Mean square of outputs for rows of variance 1 / n_in. */
static double output_power(struct rig *rig, size_t n_in, size_t n_out)
{
    enum { ROWS = 16 };
    float *const in = calloc(ROWS * n_in, sizeof *in);
    float *const out = calloc(ROWS * n_out, sizeof *out);
    for (size_t i = 0; i < ROWS * n_in; i++) {
        uint32_t const draw = opu_philox(3, OPU_STREAM_TEST, 1, i).v[0];
        in[i] = (draw & 1) != 0 ? 1.0f : -1.0f;
    }
    assert_int_equal(opu_project(rig->projection, in, n_in, ROWS, out, n_out), OPU_OK);
    double sum = 0.0;
    for (size_t i = 0; i < ROWS * n_out; i++) {
        sum += (double)out[i] * (double)out[i];
    }
    free(in);
    free(out);
    return sum / (double)(ROWS * n_out * n_in);
}

static void calibrating_again_puts_the_gains_of_an_anchor_right(void **state)
{
    (void)state;
    struct rig rig = rig_make(&(struct rig_case){"anchor", "", 7, 64, 1024, 64});
    double const fresh = output_power(&rig, 64, 1024);
    wait_until(&rig, 4.0);
    assert_true(fabs(probe(&rig)) < 0.6);
    double const stale = output_power(&rig, 64, 1024);
    assert_int_equal(opu_projection_recalibrate(rig.projection), OPU_OK);
    double const again = output_power(&rig, 64, 1024);
    /*
     * Outputs are divided by the light x that the anchor had and carry the light y that it has:
     * with both exponential, x above f = 0.05, E[y / x] = exp(f) E1(f) = 2.594, E[(y / x)^2] = 2 (1
     * / f - exp(f) E1(f)) = 34.8, so that 1024 pixels scatter by 0.17. Where x and y are the same
     * it is 1; 16 rows of 1024 outputs and 64 inputs of +-1 scatter by sqrt(2 / 16384 + 2 / 65536
     * ...) < 0.02.
     */
    assert_true(fabs(fresh - 1.0) < 0.1);
    assert_true(fabs(stale - 2.594) < 5.0 * 0.17);
    assert_true(fabs(again - 1.0) < 0.1);
    double const seen = probe(&rig);
    assert_true(fabs(seen - 1.0) < 0.01);
    rig_free(&rig);
}

static void a_probe_waits_for_its_turn(void **state)
{
    (void)state;
    struct rig rig = rig_make(&(struct rig_case){"phase4", "", 7, 8, 8, 4});
    float in[8] = {1.0f};
    float out[8];
    double correlation;
    assert_int_equal(opu_project_submit(rig.projection, in, 8, 1), OPU_OK);
    assert_refused(opu_projection_probe(rig.projection, &correlation), OPU_E_BUSY, "under way");
    assert_refused(opu_projection_recalibrate(rig.projection), OPU_E_BUSY, "under way");
    assert_int_equal(opu_project_wait(rig.projection, out, 8), OPU_OK);
    struct opu_projection *other;
    struct opu_projection_options const options = {.size = sizeof options, .n_in = 4, .n_out = 4};
    assert_int_equal(opu_projection_create(&other, rig.device, &options), OPU_OK);
    assert_refused(opu_projection_probe(rig.projection, &correlation), OPU_E_BUSY, "another use");
    assert_refused(opu_projection_recalibrate(rig.projection), OPU_E_BUSY, "another use");
    opu_projection_destroy(other);
    rig_free(&rig);
}

static int create_job(struct opu_context *context, void *user)
{
    struct opu_device *device;
    struct opu_projection *projection;
    struct opu_projection_options const options = {
        .size = sizeof options, .n_in = 4, .n_out = 4, .max_rows = 1};
    (void)user;
    int status = opu_device_open(&device, context, "sim:tau=1e5");
    if (status == OPU_OK) {
        status = opu_projection_create(&projection, device, &options);
        if (status == OPU_OK) {
            status = opu_projection_recalibrate(projection);
        }
        opu_projection_destroy(projection);
    }
    opu_device_close(device);
    return status;
}

static void memory_that_runs_out_is_told(void **state)
{
    (void)state;
    assert_survives_no_memory(create_job, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_still_matrix_answers_one),
        cmocka_unit_test(noise_does_not_look_like_drift),
        cmocka_unit_test(a_drifted_matrix_answers_exp_of_minus_time_over_tau),
        cmocka_unit_test(drawn_cases_answer_the_same_law),
        cmocka_unit_test(devices_without_drift_answer_one_without_a_frame),
        cmocka_unit_test(a_probe_counts_its_frames_but_no_rows),
        cmocka_unit_test(every_encoder_shows_the_probe),
        cmocka_unit_test(rows_of_a_call_do_not_move_a_bit),
        cmocka_unit_test(a_single_input_and_output_can_be_probed),
        cmocka_unit_test(the_state_brings_the_answers_along),
        cmocka_unit_test(calibrating_again_puts_the_gains_of_an_anchor_right),
        cmocka_unit_test(a_probe_waits_for_its_turn),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
