/* SPDX-License-Identifier: MIT */
/* Drift of the medium: an Ornstein-Uhlenbeck process at random access (notes sec. 2, T11). */
#include "sim_support.h"

#include "core/base/cpu.h"

/* Correlation of two mixes, summed exactly: nodes are independent, of variance 1. */
static double mix_correlation(uint64_t a, uint64_t b)
{
    struct opu_drift_mix x;
    struct opu_drift_mix y;
    opu_drift_mix_at(&x, a);
    opu_drift_mix_at(&y, b);
    double sum = 0.0;
    for (size_t k = 0; k < x.n; ++k) {
        for (size_t l = 0; l < y.n; ++l) {
            sum += x.node[k] == y.node[l] ? x.weight[k] * y.weight[l] : 0.0;
        }
    }
    return sum;
}

/*
 * No sampling: the weights are exact up to double rounding (1e-13 after 13 bisections) and to the
 * ends of the coarsest interval, whose correlation e^-32 = 1e-14 is left out.
 */
static void correlation_is_exponential_to_rounding(void **state)
{
    (void)state;
    uint64_t const lags[] = {0, 1, 2, 5, 64, 255, 256, 300, 1000, 5000, 9000, 20000};
    for (int run = 0; run < 300; ++run) {
        uint64_t const step = draw_size(0, 1u << (4 + run % 20));
        for (size_t k = 0; k < sizeof(lags) / sizeof(lags[0]); ++k) {
            double const wanted = exp(-(double)lags[k] / OPU_DRIFT_STEPS_PER_TAU);
            assert_near(mix_correlation(step, step + lags[k]), wanted, 1e-12, "<H(t) H*(t')>");
        }
    }
}

static void nodes_of_a_mix_are_distinct(void **state)
{
    (void)state;
    for (int run = 0; run < 1000; ++run) {
        struct opu_drift_mix mix;
        opu_drift_mix_at(&mix, draw_size(0, 1u << 22));
        assert_in_range(mix.n, 1, OPU_DRIFT_TERMS);
        for (size_t k = 0; k < mix.n; ++k) {
            for (size_t l = 0; l < k; ++l) {
                assert_true(mix.node[k] != mix.node[l]);
            }
        }
    }
}

/* Beyond 2^43 two nodes would share the counters of their draws. */
static void the_last_step_has_nodes_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(opu_drift_step(3.0, 0.0), 0);
    assert_int_equal(opu_drift_step(3.0, 1.5), 512);
    double const times[] = {1e9, 1e30, (double)INFINITY};
    for (size_t i = 0; i < 3; ++i) {
        uint64_t const step = opu_drift_step(times[i], 1e-12);
        struct opu_drift_mix mix;
        opu_drift_mix_at(&mix, step);
        assert_true(step >= UINT64_C(1) << 42);
        for (size_t k = 0; k < mix.n; ++k) {
            assert_true(mix.node[k] < UINT64_C(1) << 43);
        }
    }
}

#define INPUTS 64
#define BLOCKS 32
#define FLOATS ((size_t)BLOCKS * INPUTS * OPU_BLOCK_FLOATS)

static float *matrix_at(uint64_t seed, uint64_t step)
{
    struct opu_medium *const medium = gaussian_medium(seed, opu_isa_best(), step);
    float *const h = test_alloc(FLOATS, sizeof(*h));
    for (uint32_t b = 0; b < BLOCKS; ++b) {
        medium->ops->strip(medium, b * OPU_BLOCK_PIXELS, 0, INPUTS,
                           h + (size_t)b * INPUTS * OPU_BLOCK_FLOATS);
    }
    medium->ops->destroy(medium);
    return h;
}

/*
 * Field correlation rho, intensity correlation rho^2 over n = 131072 entries. The estimate of Re<a
 * b*> has variance (1 + rho^2) / (2 n), that of <I I'> - 1 at most <I^2 I'^2> / n <= 24 / n, of
 * <|H|^2> 1 / n.
 */
static void check_lag(const float *a, uint64_t seed, uint64_t from, uint64_t lag)
{
    float *const b = matrix_at(seed, from + lag);
    double const n = (double)FLOATS / 2.0;
    double field = 0.0;
    double intensity = 0.0;
    double power = 0.0;
    for (size_t e = 0; e < FLOATS; e += OPU_BLOCK_FLOATS) {
        for (size_t k = 0; k < OPU_BLOCK_PIXELS; ++k) {
            double const ar = (double)a[e + k];
            double const ai = (double)a[e + OPU_BLOCK_PIXELS + k];
            double const br = (double)b[e + k];
            double const bi = (double)b[e + OPU_BLOCK_PIXELS + k];
            field += (ar * br + ai * bi) / n;
            intensity += (ar * ar + ai * ai) * (br * br + bi * bi) / n;
            power += (br * br + bi * bi) / n;
        }
    }
    double const rho = exp(-(double)lag / OPU_DRIFT_STEPS_PER_TAU);
    assert_near(field, rho, SIGMAS * sqrt((1.0 + rho * rho) / (2.0 * n)), "field correlation");
    assert_near(intensity - 1.0, rho * rho, SIGMAS * sqrt(24.0 / n), "intensity correlation");
    assert_near(power, 1.0, SIGMAS * sqrt(1.0 / n), "<|H|^2>");
    free(b);
}

static void matrices_decorrelate_as_the_law_says(void **state)
{
    (void)state;
    uint64_t const lags[] = {1, 13, 64, 256, 512, 1500};
    for (int run = 0; run < 3; ++run) {
        uint64_t const seed = draw_word();
        uint64_t const from = run == 0 ? 0 : draw_size(1, 100000);
        float *const a = matrix_at(seed, from);
        for (size_t k = 0; k < sizeof(lags) / sizeof(lags[0]); ++k) {
            check_lag(a, seed, from, lags[k]);
        }
        free(a);
    }
}

static void time_falls_into_steps_of_tau_over_256(void **state)
{
    (void)state;
    assert_int_equal(opu_drift_step(1e6, 0.0), 0);
    assert_int_equal(opu_drift_step(0.0, 2.0), 0);
    assert_int_equal(opu_drift_step(2.0, 2.0), 256);
    assert_int_equal(opu_drift_step(2.0 / 256.0 * 0.999, 2.0), 0);
    assert_int_equal(opu_drift_step(2.0 / 256.0 * 1.001, 2.0), 1);
}

/* Frame numbers visited forwards, backwards and alone see the same matrix: equal counts without
 * noise. */
static void order_of_visits_does_not_matter(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.tau_s = draw_between(0.05, 0.5);
    options.noise = OPU_SIM_NOISE_NONE;
    struct bench bench = bench_open(&options);
    enum { n_inputs = 70, n_pixels = 300, n_frames = 12 };
    assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 16, 20.0, 0.0), OPU_OK);
    uint8_t bits[9 * n_frames];
    draw_patterns(bits, 1, n_inputs, 0.5);
    uint64_t number[n_frames] = {0};
    static uint16_t together[n_frames][n_pixels];
    static uint16_t alone[n_pixels];
    for (size_t f = 0; f < n_frames; ++f) {
        memcpy(bits + 9 * f, bits, 9);
        number[f] = f > 0 ? number[f - 1] + draw_size(60, 100) : 0;
    }
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = n_frames,
                                    .bits = bits,
                                    .number = number,
                                    .counts = together};
    bench_run(&bench, &batch);
    assert_true(memcmp(together[0], together[n_frames - 1], sizeof(alone)) != 0);
    for (size_t k = n_frames; k > 0; --k) {
        struct opu_frame_batch one = batch;
        one.n_frames = 1;
        one.number = &number[k - 1];
        one.counts = alone;
        bench_run(&bench, &one);
        assert_memory_equal(alone, together[k - 1], sizeof(alone));
    }
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correlation_is_exponential_to_rounding),
        cmocka_unit_test(nodes_of_a_mix_are_distinct),
        cmocka_unit_test(the_last_step_has_nodes_of_its_own),
        cmocka_unit_test(matrices_decorrelate_as_the_law_says),
        cmocka_unit_test(time_falls_into_steps_of_tau_over_256),
        cmocka_unit_test(order_of_visits_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
