/* SPDX-License-Identifier: MIT */
/*
 * One result by every way: a matrix measured once, drawn anew, or each pattern propagated. And the
 * second polarisation that a polariser lets through.
 */
#include "sim_support.h"

enum { n_inputs = 90, n_pixels = 600, n_frames = 24 };

static const int media[] = {OPU_MEDIUM_GAUSSIAN, OPU_MEDIUM_SLAB, OPU_MEDIUM_CASCADE};

static struct opu_sim_options quiet_options(int medium)
{
    struct opu_sim_options options = bench_options();
    options.seed = draw_word();
    options.medium = medium;
    options.noise = OPU_SIM_NOISE_NONE;
    options.dead = 0.05;
    options.beam = 0.9;
    return options;
}

static void run(struct opu_sim_options options, const uint8_t *bits, uint16_t *counts,
                const float *weights, float *field)
{
    uint64_t number[n_frames];
    for (size_t f = 0; f < n_frames; ++f) {
        number[f] = f;
    }
    struct bench bench = bench_open(&options);
    assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 16, 20.0, 0.0), OPU_OK);
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = n_frames,
                                    .bits = bits,
                                    .number = number,
                                    .counts = counts};
    bench_run(&bench, &batch);
    assert_int_equal(opu_sim_field(bench.sim, weights, 1, field), OPU_OK);
    bench_close(&bench);
}

/* sqrt(sum |a - b|^2 / sum |b|^2) */
static double relative_distance(const float *a, const float *b, size_t n)
{
    double wrong = 0.0;
    double all = 0.0;
    for (size_t i = 0; i < n; ++i) {
        double const d = (double)a[i] - (double)b[i];
        wrong += d * d;
        all += (double)b[i] * (double)b[i];
    }
    return sqrt(wrong / all);
}

static void matrix_and_propagation_agree(void **state)
{
    (void)state;
    static uint16_t counts[2][n_frames * n_pixels];
    static float field[2][n_pixels * 2];
    uint8_t bits[n_frames * ((n_inputs + 7) / 8)];
    float weights[n_inputs];
    for (size_t m = 0; m < sizeof(media) / sizeof(media[0]); ++m) {
        struct opu_sim_options options = quiet_options(media[m]);
        draw_patterns(bits, n_frames, n_inputs, 0.5);
        for (size_t j = 0; j < n_inputs; ++j) {
            weights[j] = (float)draw_between(-1.0, 1.0);
        }
        options.way = OPU_SIM_WAY_MATRIX;
        run(options, bits, counts[0], weights, field[0]);
        options.way = OPU_SIM_WAY_FREE;
        run(options, bits, counts[1], weights, field[1]);
        double const fields = relative_distance(field[1], field[0], sizeof(field[0]) / 4);
        printf("# medium %d: fields differ by %.2g\n", media[m], fields);
        assert_true(fields < 1e-4);
        /* an intensity moves by 2 |E| dE: 2e-4 of the count, and a step of rounding */
        for (size_t i = 0; i < (size_t)n_frames * n_pixels; ++i) {
            assert_near(counts[1][i], counts[0][i], 1.0 + 4e-4 * counts[0][i], "count");
        }
    }
}

/* What is chosen is said; and of a sample, what its slab does not match. */
static void the_way_is_chosen_by_cost_and_told(void **state)
{
    (void)state;
    static const struct {
        int medium, way;
        double tau_s;
        const char *told;
    } cases[] = {
        {OPU_MEDIUM_GAUSSIAN, OPU_SIM_WAY_AUTO, 0.0, "drawn once and kept"},
        {OPU_MEDIUM_GAUSSIAN, OPU_SIM_WAY_FREE, 0.0, "drawn anew"},
        {OPU_MEDIUM_CASCADE, OPU_SIM_WAY_AUTO, 0.0, "measured by columns"},
        {OPU_MEDIUM_CASCADE, OPU_SIM_WAY_AUTO, 1.0, "matrix-free"}, /* moves every 8 frames */
        {OPU_MEDIUM_CASCADE, OPU_SIM_WAY_MATRIX, 1.0, "measured by columns"},
        {OPU_MEDIUM_PAINT, OPU_SIM_WAY_AUTO, 0.0, "not matched: spectral width"},
        {OPU_MEDIUM_ZNO, OPU_SIM_WAY_AUTO, 0.0, "PRL 104, 100601"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct opu_sim_options options = quiet_options(cases[i].medium);
        char text[1024];
        options.way = cases[i].way;
        options.tau_s = cases[i].tau_s;
        struct bench bench = bench_open(&options);
        assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 16, 20.0, 0.0), OPU_OK);
        assert_int_equal(opu_backend_sim.ops->describe(bench.sim, text, sizeof(text)), OPU_OK);
        if (strstr(text, cases[i].told) == NULL) {
            fail_msg("case %zu: saw \"%s\", wanted \"%s\"", i, text, cases[i].told);
        }
        bench_close(&bench);
    }
}

/*
 * Contrast of speckle with intensities 1 and e in two polarisations, uncorrelated: C = sqrt((1 +
 * P^2) / 2), P = (1 - e) / (1 + e) (Goodman, Speckle Phenomena, 2nd ed., sec. 3.4). C^2 of n
 * exponential intensities is estimated to sqrt(8 / n); n = 24 x 4096.
 */
static void the_polariser_sets_the_contrast(void **state)
{
    (void)state;
    enum { pixels = 4096, frames = 24 };
    static uint16_t counts[frames * pixels];
    uint8_t bits[frames * 16];
    uint64_t number[frames];
    double const leaks[] = {0.0, draw_between(0.05, 0.9), 1.0};
    draw_patterns(bits, frames, 128, 0.5);
    for (size_t f = 0; f < frames; ++f) {
        number[f] = f;
    }
    for (size_t k = 0; k < 3; ++k) {
        struct opu_sim_options options = bench_options();
        options.seed = draw_word();
        options.noise = OPU_SIM_NOISE_NONE;
        options.extinction = leaks[k];
        struct bench bench = bench_open(&options);
        assert_int_equal(bench_configure(&bench, 128, pixels, 16, 1.0, 0.0), OPU_OK);
        struct opu_frame_batch batch = {.size = sizeof(batch),
                                        .n_frames = frames,
                                        .bits = bits,
                                        .number = number,
                                        .counts = counts};
        bench_run(&bench, &batch);
        bench_close(&bench);
        double square = 0.0;
        for (size_t f = 0; f < frames; ++f) {
            struct moments m = {0, 0.0, 0.0};
            for (size_t i = 0; i < pixels; ++i) {
                moments_add(&m, (double)counts[f * pixels + i]);
            }
            square += moments_var(&m) / (moments_mean(&m) * moments_mean(&m)) / frames;
        }
        double const p = (1.0 - leaks[k]) / (1.0 + leaks[k]);
        assert_near(square, 0.5 * (1.0 + p * p), SIGMAS * sqrt(8.0 / (frames * pixels)), "C^2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_and_propagation_agree),
        cmocka_unit_test(the_way_is_chosen_by_cost_and_told),
        cmocka_unit_test(the_polariser_sets_the_contrast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
