/* SPDX-License-Identifier: MIT */
/* Frames through the whole bench: the field they show, leakage, speckle, phase steps, saturation.
 */
#include "sim_support.h"

/* |count - rint(|E|^2 gain)| <= 1: half a step of rounding and float's 1e-6 of 65535. */
static void assert_counts(const uint16_t *counts, const float *sum_on, const float *sum_all,
                          size_t n, double scale2, double eps, double gain)
{
    for (size_t p = 0; p < n; ++p) {
        double power = 0.0;
        for (size_t part = 0; part < 2; ++part) {
            double const e =
                (1.0 - eps) * (double)sum_on[2 * p + part] + eps * (double)sum_all[2 * p + part];
            power += e * e;
        }
        double const wanted = fmin(scale2 * power * gain, 65535.0);
        assert_near(counts[p], wanted, 0.5 + 1e-5 * wanted, "count");
    }
}

/*
 * Counts of noise-free 16-bit frames are those of the field that opu_device_field() tells, mirrors'
 * leakage included (sim/dmd.h): patterns from all off to all on, inputs that fill no whole word.
 */
static void check_field_and_leakage(double leakage)
{
    enum { n_frames = 7 };
    struct opu_sim_options options = bench_options();
    options.noise = OPU_SIM_NOISE_NONE;
    options.seed = draw_word();
    options.leakage = leakage;
    struct bench bench = bench_open(&options);
    size_t const n_inputs = draw_size(1, 400);
    size_t const n_pixels = draw_size(1, 700);
    size_t const row_bytes = (n_inputs + 7) / 8;
    double const exposure_us = 3000.0 / (options.flux * (double)n_inputs);
    assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 16, exposure_us, 0.0), OPU_OK);

    uint8_t *const bits = test_alloc(n_frames, row_bytes);
    float *const weights = test_alloc(n_inputs * (n_frames + 1), sizeof(*weights));
    float *const field = test_alloc(n_pixels * 2 * (n_frames + 1), sizeof(*field));
    uint16_t *const counts = test_alloc(n_frames * n_pixels, sizeof(*counts));
    const double densities[n_frames] = {0.0, 1.0, 0.5, 0.02, 0.1, 0.9, 0.3};
    uint64_t number[n_frames];
    for (size_t f = 0; f < n_frames; ++f) {
        number[f] = f;
        draw_patterns(bits + f * row_bytes, 1, n_inputs, densities[f]);
        unpack_pattern(weights + f * n_inputs, bits + f * row_bytes, n_inputs);
    }
    for (size_t j = 0; j < n_inputs; ++j) {
        weights[n_frames * n_inputs + j] = 1.0f;
    }
    assert_int_equal(opu_sim_field(bench.sim, weights, n_frames + 1, field), OPU_OK);
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = n_frames,
                                    .bits = bits,
                                    .number = number,
                                    .counts = counts};
    bench_run(&bench, &batch);
    double const gain = 65535.0 / 13500.0;
    for (size_t f = 0; f < n_frames; ++f) {
        assert_counts(counts + f * n_pixels, field + f * n_pixels * 2,
                      field + n_frames * n_pixels * 2, n_pixels, options.flux * exposure_us,
                      sqrt(leakage), gain);
    }
    free(counts);
    free(field);
    free(weights);
    free(bits);
    bench_close(&bench);
}

static void counts_are_the_field_with_leakage(void **state)
{
    (void)state;
    check_field_and_leakage(0.0);
    check_field_and_leakage(0.001);
    for (int run = 0; run < 3; ++run) {
        check_field_and_leakage(draw_between(0.0, 0.2));
    }
}

/* The field's column sums in float against double: n_on additions, each 2^-24 of a sum of size
 * sqrt(n_on). */
static void column_sums_are_accurate(void **state)
{
    (void)state;
    enum { n_inputs = 1500, n_pixels = 128 };
    struct bench bench;
    struct opu_sim_options options = bench_options();
    options.leakage = 0.0;
    options.seed = draw_word();
    bench = bench_open(&options);
    assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 8, 10.0, 0.0), OPU_OK);
    static uint8_t bits[3][(n_inputs + 7) / 8];
    static float weights[n_inputs];
    static float wanted[n_pixels * 2];
    static float sums[3][OPU_BLOCK_FLOATS];
    const double densities[3] = {0.5, 0.01, 1.0};
    const uint32_t frames[3] = {0, 1, 2};
    for (size_t f = 0; f < 3; ++f) {
        draw_patterns(bits[f], 1, n_inputs, densities[f]);
    }
    struct opu_patterns const patterns = {bits[0], frames, 3};
    opu_sim_matrix_field(&bench.sim->fields[0].matrix, patterns, 1, 1, sums[0], OPU_BLOCK_FLOATS);
    for (size_t f = 0; f < 3; ++f) {
        unpack_pattern(weights, bits[f], n_inputs);
        assert_int_equal(opu_sim_field(bench.sim, weights, 1, wanted), OPU_OK);
        double const bar = 1e-5 * sqrt(densities[f] * n_inputs);
        for (size_t p = 0; p < OPU_BLOCK_PIXELS; ++p) {
            const float *const e = wanted + 2 * (OPU_BLOCK_PIXELS + p);
            assert_near((double)sums[f][p], (double)e[0], bar, "real part");
            assert_near((double)sums[f][OPU_BLOCK_PIXELS + p], (double)e[1], bar, "imaginary part");
        }
    }
    bench_close(&bench);
}

/* Negative exponential speckle, contrast 1 (T2), from 20000 pixels; quantised to 1e-4 of the mean.
 */
static void speckle_is_exponential(void **state)
{
    (void)state;
    enum { n_pixels = 20000 };
    static uint16_t counts[n_pixels];
    static double intensity[n_pixels];
    for (int run = 0; run < 3; ++run) {
        struct opu_sim_options options = bench_options();
        options.noise = OPU_SIM_NOISE_NONE;
        options.leakage = 0.0;
        options.seed = draw_word();
        size_t const n_inputs = draw_size(100, 300);
        struct bench bench = bench_open(&options);
        uint8_t bits[40];
        draw_patterns(bits, 1, n_inputs, 0.5);
        float weights[320];
        unpack_pattern(weights, bits, n_inputs);
        double on = 0.0;
        for (size_t j = 0; j < n_inputs; ++j) {
            on += (double)weights[j];
        }
        /* mean = full well / 20: e^-20 of the pixels saturate */
        double const exposure_us = 13500.0 / 20.0 / (options.flux * on);
        assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 16, exposure_us, 0.0), OPU_OK);
        uint64_t const number = 5;
        struct opu_frame_batch batch = {.size = sizeof(batch),
                                        .n_frames = 1,
                                        .bits = bits,
                                        .number = &number,
                                        .counts = counts};
        bench_run(&bench, &batch);
        struct moments m = {0, 0, 0};
        for (size_t p = 0; p < n_pixels; ++p) {
            intensity[p] = (double)counts[p] / (65535.0 / 20.0);
            moments_add(&m, intensity[p]);
        }
        double const contrast = sqrt(moments_var(&m)) / moments_mean(&m);
        assert_near(moments_mean(&m), 1.0, SIGMAS / sqrt(n_pixels), "<I> / I0");
        assert_near(contrast, 1.0, SIGMAS * sqrt(2.0 / n_pixels), "contrast");
        assert_near(kolmogorov(intensity, n_pixels, exponential_distribution), 0.0, KOLMOGOROV,
                    "sqrt(n) D against exp(-I/I0)");
        bench_close(&bench);
    }
}

struct stepping {
    double error;     /* mean |S - S0|^2, electrons */
    double predicted; /* notes sec. 4 */
    double power;     /* mean |S0|^2 */
    uint64_t saturated;
};

/*
 * Four phase steps: S = ((I0 - I2) + i (I1 - I3)) / (4 R), against the field without noise;
 * variance (ns + nr + read^2 + q^2) / (4 nr), q^2 = 1 / (12 gain^2) (notes sec. 4). Leakage adds
 * the same field of the off mirrors to every pattern; it is switched off here.
 */
static struct stepping step_phases(const struct opu_sim_options *options, uint32_t bits_per_count,
                                   size_t n_inputs, size_t n_pixels, double reference_share)
{
    struct bench bench = bench_open(options);
    uint8_t *const bits = test_alloc(4, (n_inputs + 7) / 8);
    float *const weights = test_alloc(n_inputs, sizeof(*weights));
    float *const field = test_alloc(n_pixels * 2, sizeof(*field));
    uint16_t *const counts = test_alloc(4 * n_pixels, sizeof(*counts));
    size_t const row_bytes = (n_inputs + 7) / 8;
    draw_patterns(bits, 1, n_inputs, 0.5);
    unpack_pattern(weights, bits, n_inputs);
    double on = 0.0;
    for (size_t j = 0; j < n_inputs; ++j) {
        on += (double)weights[j];
    }
    /* reference at its share of the well, signal an eighth of that */
    double const full_well = bench.sim->sensor.full_well_e;
    double const nr = reference_share * full_well;
    double const exposure_us = nr / 8.0 / (options->flux * fmax(on, 1.0));
    double const arm_e = bench.sim->reference_e_per_us * exposure_us;
    assert_int_equal(
        bench_configure(&bench, n_inputs, n_pixels, bits_per_count, exposure_us, sqrt(nr / arm_e)),
        OPU_OK);
    assert_int_equal(opu_sim_field(bench.sim, weights, 1, field), OPU_OK);
    uint16_t steps[4];
    uint64_t number[4];
    uint32_t saturated[4];
    for (size_t k = 0; k < 4; ++k) {
        memcpy(bits + k * row_bytes, bits, row_bytes);
        steps[k] = (uint16_t)k;
        number[k] = 1000 + k;
    }
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = 4,
                                    .bits = bits,
                                    .reference = steps,
                                    .number = number,
                                    .counts = counts,
                                    .saturated = saturated};
    bench_run(&bench, &batch);
    double const gain = (exp2(bits_per_count) - 1.0) / (full_well + bench.sim->sensor.black_e);
    double const scale = sqrt(options->flux * exposure_us);
    struct stepping result = {0, 0, 0, 0};
    for (size_t p = 0; p < n_pixels; ++p) {
        double i[4];
        for (size_t k = 0; k < 4; ++k) {
            size_t const at = k * n_pixels + p;
            i[k] = (bits_per_count <= 8 ? ((const uint8_t *)counts)[at] : counts[at]) / gain;
        }
        double const re = scale * (double)field[2 * p];
        double const im = scale * (double)field[2 * p + 1];
        double const dre = (i[0] - i[2]) / (4.0 * sqrt(nr)) - re;
        double const dim = (i[1] - i[3]) / (4.0 * sqrt(nr)) - im;
        result.error += (dre * dre + dim * dim) / (double)n_pixels;
        result.power += (re * re + im * im) / (double)n_pixels;
    }
    double const q2 = 1.0 / (12.0 * gain * gain);
    double const photons = bench.sim->camera.draws ? result.power + nr : 0.0;
    double const read = (double)bench.sim->camera.read_noise;
    result.predicted = (photons + read * read + q2) / (4.0 * nr);
    for (size_t k = 0; k < 4; ++k) {
        result.saturated += saturated[k];
    }
    free(counts);
    free(field);
    free(weights);
    free(bits);
    bench_close(&bench);
    return result;
}

/*
 * Without noise only the converter's steps are left, for 8 to 16 bits. The squared error is a sum
 * of two nearly Gaussian parts a pixel (four uniform ones): relative error of its mean about sqrt(1
 * / n). At 8 bits the field must spread the counts over many steps, which it does: sqrt(nr ns) is
 * 25 counts.
 */
static void phase_steps_recover_the_field_to_the_last_bit(void **state)
{
    (void)state;
    for (uint32_t bits = 8; bits <= 16; bits += 2) {
        struct opu_sim_options options = bench_options();
        options.noise = OPU_SIM_NOISE_NONE;
        options.leakage = 0.0;
        options.seed = draw_word();
        size_t const n_pixels = 10000;
        struct stepping const s = step_phases(&options, bits, draw_size(20, 300), n_pixels, 0.1);
        assert_int_equal(s.saturated, 0);
        assert_near(s.error / s.predicted, 1.0, SIGMAS / sqrt((double)n_pixels), "error / formula");
        if (bits == 16) {
            assert_true(sqrt(s.error / s.power) < 1e-4);
        }
    }
}

/*
 * All noise on. The variance differs from pixel to pixel with |S|^2 (exponential): its mean over n
 * pixels is good to sqrt(1.1 / n) plus ns / (nr + ns) of sqrt(1 / n).
 */
static void noise_of_phase_steps_is_the_formulas(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        struct opu_sim_options options = bench_options();
        options.camera = run % 2;
        options.leakage = 0.0;
        options.prnu = 0.0; /* the formula knows shot, read and conversion noise */
        options.dsnu_e = 0.0;
        options.dark_e_per_s = 0.0;
        options.black_e = 0.0;
        options.seed = draw_word();
        size_t const n_pixels = 20000;
        struct stepping const s = step_phases(&options, 8 + 2 * (uint32_t)run, draw_size(8, 100),
                                              n_pixels, draw_between(0.1, 0.15));
        printf("# variance of S %.4f, formula %.4f, %llu saturated\n", s.error, s.predicted,
               (unsigned long long)s.saturated);
        assert_near(s.error / s.predicted, 1.0, SIGMAS * sqrt(1.3 / (double)n_pixels),
                    "error / formula");
    }
}

static void saturated_pixels_are_counted(void **state)
{
    (void)state;
    enum { n_inputs = 40, n_pixels = 1000, n_frames = 3 };
    struct opu_sim_options options = bench_options();
    options.seed = draw_word();
    struct bench bench = bench_open(&options);
    /* mean of a frame with all on: the full well, so that e^-1 of the pixels saturate */
    double const exposure_us = 13500.0 / (options.flux * n_inputs);
    assert_int_equal(bench_configure(&bench, n_inputs, n_pixels, 10, exposure_us, 0.0), OPU_OK);
    static uint16_t counts[n_frames][n_pixels];
    uint8_t bits[n_frames][5] = {{0}, {255, 255, 255, 255, 255}, {1}};
    const uint64_t number[n_frames] = {7, 8, 9};
    uint32_t saturated[n_frames] = {99, 99, 99};
    double time_s[n_frames];
    int32_t status[n_frames] = {9, 9, 9};
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = n_frames,
                                    .bits = bits[0],
                                    .number = number,
                                    .counts = counts,
                                    .time_s = time_s,
                                    .saturated = saturated,
                                    .status = status};
    bench_run(&bench, &batch);
    for (size_t f = 0; f < n_frames; ++f) {
        uint32_t top = 0;
        for (size_t p = 0; p < n_pixels; ++p) {
            top += counts[f][p] == 1023;
        }
        assert_int_equal(saturated[f], top);
        assert_int_equal(status[f], OPU_FRAME_OK);
        assert_near(time_s[f], (double)number[f] / 2000.0, 1e-15, "device time");
    }
    assert_int_equal(saturated[0], 0);
    double const share = exp(-1.0);
    assert_near(saturated[1], n_pixels * share, SIGMAS * sqrt(n_pixels * share * (1.0 - share)),
                "saturated pixels");
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_the_field_with_leakage),
        cmocka_unit_test(column_sums_are_accurate),
        cmocka_unit_test(speckle_is_exponential),
        cmocka_unit_test(phase_steps_recover_the_field_to_the_last_bit),
        cmocka_unit_test(noise_of_phase_steps_is_the_formulas),
        cmocka_unit_test(saturated_pixels_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
