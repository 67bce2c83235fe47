/* SPDX-License-Identifier: MIT */
/* The reference arm's faults: wrong steps, wandering, vibration, tilt; formulas of sim/reference.h.
 */
#include "sim_support.h"

#include "sim/medium/drift.h"

static void steps_are_wrong_by_the_share_asked(void **state)
{
    (void)state;
    double const error = draw_between(-0.2, 0.2);
    double const phase = draw_between(0.0, 6.0);
    struct opu_reference const step = {phase, 0.5};
    struct opu_sim_reference const arm = opu_sim_reference_arm(step, 16.0, error);
    assert_near(arm.re, 2.0 * cos(phase * (1.0 + error)), 1e-12, "real part");
    assert_near(arm.im, 2.0 * sin(phase * (1.0 + error)), 1e-12, "imaginary part");
}

/*
 * <w(t) w(t + dt)> = s^2 exp(-dt / tau): means over n points 40 tau apart, so that they are as good
 * as independent. A product of two normals of correlation c has the deviation sqrt(1 + c^2).
 */
static void wandering_is_an_autoregressive_process(void **state)
{
    (void)state;
    enum { n = 20000 };
    struct opu_sim_options options = bench_options();
    options.seed = draw_word();
    options.phase_noise_rad = draw_between(0.1, 2.0);
    options.phase_noise_tau_s = exp(draw_between(log(1e-3), log(10.0)));
    double const tau = options.phase_noise_tau_s;
    double const s2 = options.phase_noise_rad * options.phase_noise_rad;
    static const double lags[] = {0.0, 0.1, 0.5, 1.0, 2.0};
    for (size_t k = 0; k < sizeof(lags) / sizeof(lags[0]); ++k) {
        double sum = 0.0;
        double mean = 0.0;
        for (size_t i = 0; i < n; ++i) {
            double const t = (40.0 * (double)i + 0.3) * tau;
            double const a = opu_sim_reference_phase(&options, t);
            sum += a * opu_sim_reference_phase(&options, t + lags[k] * tau) / n;
            mean += a / n;
        }
        double const c = exp(-lags[k]);
        /* time goes in steps of tau / 256 */
        assert_near(sum / s2, c, SIGMAS * sqrt((1.0 + c * c) / n) + 1.0 / 256.0, "correlation");
        assert_near(mean, 0.0, SIGMAS * sqrt(s2 / n), "mean");
    }
}

static void vibration_is_a_sine_of_device_time(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.vibration_rad = draw_between(0.05, 0.5);
    options.vibration_hz = draw_between(50.0, 200.0);
    for (int i = 0; i < 100; ++i) {
        double const t = draw_between(0.0, 100.0);
        double const wanted =
            options.vibration_rad * sin(6.28318530717958647692 * options.vibration_hz * t);
        assert_near(opu_sim_reference_phase(&options, t), wanted, 1e-9, "phase");
    }
}

static void an_arm_without_faults_stands_still(void **state)
{
    (void)state;
    struct opu_sim_options const options = bench_options();
    assert_near(opu_sim_reference_phase(&options, draw_between(0.0, 1e6)), 0.0, 0.0, "phase");
    struct opu_sim_reference const arm = {draw_between(-2.0, 2.0), draw_between(-2.0, 2.0)};
    struct opu_sim_reference const turned = opu_sim_reference_turn(arm, 0.0);
    assert_memory_equal(&arm, &turned, sizeof(arm));
}

/* |S exp(-2 pi i f r) + R|^2 of the field told, count by count; a wandering arm turns R. */
static void a_tilted_arm_makes_fringes(void **state)
{
    (void)state;
    enum { width = 41, height = 30, n_inputs = 9 };
    static uint16_t counts[width * height];
    static float field[width * height * 2];
    struct opu_sim_options options = bench_options();
    options.noise = OPU_SIM_NOISE_NONE;
    options.leakage = 0.0;
    options.reference = 60.0;
    options.vibration_rad = 0.4;
    options.seed = draw_word();
    struct bench bench = bench_open(&options);
    double const f[2] = {draw_between(-0.5, 0.5), draw_between(-0.5, 0.5)};
    double const exposure_us = 20.0;
    struct opu_reference const arm = {draw_between(0.0, 6.0), 1.0};
    struct opu_frame_setup const setup = {.size = sizeof(setup),
                                          .n_inputs = n_inputs,
                                          .output_kind = OPU_OUTPUT_REGION,
                                          .region = {width, height, 1, 1, 3.43, f[0], f[1]},
                                          .bits = 16,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us,
                                          .n_references = 1,
                                          .references = &arm};
    assert_int_equal(opu_backend_sim.ops->configure(bench.sim, &setup), OPU_OK);
    uint8_t bits[2];
    float weights[n_inputs];
    draw_patterns(bits, 1, n_inputs, 0.5);
    unpack_pattern(weights, bits, n_inputs);
    assert_int_equal(opu_sim_field(bench.sim, weights, 1, field), OPU_OK);
    uint64_t const number = 7;
    struct opu_frame_batch batch = {
        .size = sizeof(batch), .n_frames = 1, .bits = bits, .number = &number, .counts = counts};
    bench_run(&bench, &batch);
    struct opu_caps caps = {.size = sizeof(caps)};
    assert_int_equal(opu_backend_sim.ops->caps(bench.sim, &caps), OPU_OK);
    assert_true(caps.flags & OPU_CAP_CARRIER);
    double const full = 65535.0;
    double const k = (1.0 - caps.black_level) * full / caps.full_well_e;
    double const phase = arm.phase_rad + opu_sim_reference_phase(&options, 7.0 / options.rate_hz);
    for (size_t p = 0; p < (size_t)width * height; ++p) {
        size_t const row = p / width;
        double const turn =
            6.28318530717958647692 * (f[0] * (double)(p % width) + f[1] * (double)row);
        double const s = sqrt(options.flux * exposure_us);
        double const r = sqrt(options.reference * exposure_us);
        double const re = s * (double)field[2 * p] + r * cos(phase + turn);
        double const im = s * (double)field[2 * p + 1] + r * sin(phase + turn);
        double const wanted = caps.black_level * full + k * (re * re + im * im);
        assert_near(counts[p], fmin(wanted, full), 0.5 + 1e-5 * wanted, "count");
    }
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_wrong_by_the_share_asked),
        cmocka_unit_test(wandering_is_an_autoregressive_process),
        cmocka_unit_test(vibration_is_a_sine_of_device_time),
        cmocka_unit_test(an_arm_without_faults_stands_still),
        cmocka_unit_test(a_tilted_arm_makes_fringes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
