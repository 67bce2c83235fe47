/* SPDX-License-Identifier: MIT */
/*
 * What the read-outs make of the simulator's counts: the operator, the converter's steps, photon
 * and read noise, each against its formula (readout_steps.c, readout_anchor.c,
 * readout_intensity.c).
 */
#include "base_support.h"

#include <math.h>

#include <opu/projection.h>

#include "core/base/rng.h"
#include "core/device/projection_internal.h"

#define N_IN 64
#define N_ON 40 /* in the class of up to 64 */
#define N_OUT 512
#define ROWS 100
#define SAMPLES (ROWS * N_OUT)

/* One device by frames and as mathematics, a row set, and what both made of it. */
struct bench {
    struct opu_device *device, *exact;
    struct opu_projection *projection, *oracle;
    float *in, *out, *wanted;
};

static struct opu_projection *create(struct opu_device *device, const char *readout, uint32_t bits)
{
    struct opu_projection_options const options = {
        .size = sizeof options,
        .n_in = N_IN,
        .n_out = N_OUT,
        .max_rows = ROWS,
        .encode = "binary",
        .readout = readout,
        .bits = (device->caps.flags & OPU_CAP_FRAMES) != 0 ? bits : 0,
    };
    struct opu_projection *projection;
    if (opu_projection_create(&projection, device, &options) < 0) {
        fail_msg("%s: %s", opu_device_uri(device), opu_error_message());
    }
    return projection;
}

static struct opu_device *open_device(const char *uri)
{
    struct opu_device *device;
    if (opu_device_open(&device, NULL, uri) < 0) {
        fail_msg("%s: %s", uri, opu_error_message());
    }
    return device;
}

/* All pixels alike: what they do to an answer is no noise. */
#define UNIFORM "prnu=0,dsnu=0,dark=0"

/* Rows of N_ON ones: their code is themselves, with weight 1. */
static struct bench bench_make(const char *uri, const char *readout, uint32_t bits)
{
    struct bench bench;
    char of[300];
    (void)snprintf(of, sizeof of, "exact:of=%s", uri);
    bench.device = open_device(uri);
    bench.exact = open_device(of);
    bench.oracle = create(bench.exact, readout, bits);
    bench.projection = create(bench.device, readout, bits);
    bench.in = calloc(ROWS * N_IN, sizeof(float));
    bench.out = malloc(SAMPLES * sizeof(float));
    bench.wanted = malloc(SAMPLES * sizeof(float));
    assert_true(bench.in != NULL && bench.out != NULL && bench.wanted != NULL);
    for (size_t r = 0; r < ROWS; r++) {
        uint32_t left = N_ON;
        for (size_t j = 0; j < N_IN; j++) {
            double const u = opu_uniform(opu_philox(3, OPU_STREAM_TEST, (uint32_t)j, r).v[0]);
            bool const on = u * (double)(N_IN - j) < (double)left;
            left -= on;
            bench.in[r * N_IN + j] = on ? 1.0f : 0.0f;
        }
    }
    assert_int_equal(opu_project(bench.oracle, bench.in, N_IN, ROWS, bench.wanted, N_OUT), OPU_OK);
    assert_int_equal(opu_project(bench.projection, bench.in, N_IN, ROWS, bench.out, N_OUT), OPU_OK);
    return bench;
}

static void bench_free(struct bench *bench)
{
    opu_projection_destroy(bench->projection);
    opu_projection_destroy(bench->oracle);
    opu_device_close(bench->device);
    opu_device_close(bench->exact);
    free(bench->in);
    free(bench->out);
    free(bench->wanted);
}

/* Mean square of out - wanted, and of wanted. */
static double mean_error(const struct bench *bench, double *size)
{
    double sum = 0.0;
    *size = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double const d = (double)bench->out[i] - (double)bench->wanted[i];
        sum += d * d / SAMPLES;
        *size += (double)bench->wanted[i] * (double)bench->wanted[i] / SAMPLES;
    }
    return sum;
}

/* What a full class looks like in photo-electrons. */
struct electrons {
    double ns, nr, sr2, sq2, mirror;
};

static struct electrons electrons_of(const struct bench *bench)
{
    const struct opu_tables *const tables = &bench->projection->tables;
    const struct opu_caps *const caps = opu_device_caps(bench->device);
    size_t const c = opu_class_of(tables, N_ON);
    double const t = tables->exposure_us[c];
    double const counts = (double)((1u << bench->projection->bits) - 1);
    double const e_per_count = caps->full_well_e / (1.0 - caps->black_level) / counts;
    return (struct electrons){
        .ns = e_per_count * t * (tables->signal_rate * N_ON + tables->leak_rate),
        .nr =
            e_per_count * t * tables->reference_rate * tables->amplitude[c] * tables->amplitude[c],
        .sr2 = caps->read_noise_e * caps->read_noise_e,
        .sq2 = e_per_count * e_per_count / 12.0,
        .mirror = e_per_count * t * tables->signal_rate,
    };
}

static void phase4_at_16_bits_is_the_operator_to_a_ten_thousandth(void **state)
{
    (void)state;
    struct bench bench = bench_make("sim:noise=none", "phase4", 16);
    double size;
    double const error = mean_error(&bench, &size);
    assert_true(sqrt(error / size) < 1e-4);
    bench_free(&bench);
}

static void phase4_error_halves_with_every_bit(void **state)
{
    (void)state;
    double last = 0.0;
    for (uint32_t bits = 8; bits <= 12; bits++) {
        struct bench bench = bench_make("sim:noise=none", "phase4", bits);
        double size;
        double const error = mean_error(&bench, &size);
        struct electrons const e = electrons_of(&bench);
        /* Var(S) = sq^2 / (4 nr) over both quadratures; an output is one of them, times sqrt(2 /
         * mirror). */
        double const formula = e.sq2 / (4.0 * e.nr) / e.mirror;
        if (!(fabs(error / formula - 1.0) <= 0.05)) { /* 51200 samples: 0.6 % */
            fail_msg("%u bits: variance %g, the formula says %g", bits, error, formula);
        }
        if (bits > 8 && fabs(sqrt(last / error) - 2.0) > 0.2) {
            fail_msg("%u bits: the error fell by %g, wanted 2 within 10 %%", bits,
                     sqrt(last / error));
        }
        last = error;
        bench_free(&bench);
    }
}

static void phase4_noise_follows_its_formula(void **state)
{
    (void)state;
    static const char *const uris[] = {"sim:" UNIFORM, "sim:noise=shot," UNIFORM,
                                       "sim:noise=read,read_noise=60," UNIFORM,
                                       "sim:full_well=2000,leakage=0," UNIFORM};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        for (uint32_t bits = 8; bits <= 12; bits += 4) {
            struct bench bench = bench_make(uris[i], "phase4", bits);
            struct electrons const e = electrons_of(&bench);
            double const shot = opu_device_caps(bench.device)->shot_noise ? e.ns + e.nr : 0.0;
            double const formula = (shot + e.sr2 + e.sq2) / (4.0 * e.nr) / e.mirror;
            double size;
            double const error = mean_error(&bench, &size);
            /* 5 %: samples 0.6 %, the signal's mean over 256 pixels and 64 inputs 1 %, |R| and
             * S_off 1 % */
            if (!(fabs(error / formula - 1.0) <= 0.05)) {
                fail_msg("%s, %u bits: variance %g, the formula says %g", uris[i], bits, error,
                         formula);
            }
            bench_free(&bench);
        }
    }
}

static void phase4_algebra_on_float_intensities_is_the_operator(void **state)
{
    (void)state;
    struct bench bench = bench_make("sim:", "phase4", 8);
    enum { pixels = N_OUT / 2 };
    float *const field = malloc(ROWS * pixels * 2 * sizeof *field);
    float intensities[4 * pixels];
    float gain[pixels];
    float out[N_OUT];
    static const float step[8] = {1.0f, 0.0f, 0.0f, 1.0f, -1.0f, 0.0f, 0.0f, -1.0f};
    assert_non_null(field);
    assert_int_equal(opu_device_field(bench.device, bench.in, ROWS, field), OPU_OK);
    double error = 0.0;
    double size = 0.0;
    double const r = 2.0 * sqrt((double)N_ON);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < pixels; k++) {
            double const re = (double)field[(i * pixels + k) * 2];
            double const im = (double)field[(i * pixels + k) * 2 + 1];
            intensities[k] = (float)((re + r) * (re + r) + im * im);
            intensities[pixels + k] = (float)(re * re + (im + r) * (im + r));
            intensities[2 * pixels + k] = (float)((re - r) * (re - r) + im * im);
            intensities[3 * pixels + k] = (float)(re * re + (im - r) * (im - r));
            gain[k] = (float)(sqrt(2.0) / (4.0 * r));
        }
        opu_readout_kernels(OPU_ISA_BASE)
            ->steps_f32(pixels, intensities, pixels, 4, step, gain, 1.0f, 1, out);
        for (size_t k = 0; k < N_OUT; k++) {
            double const w = (double)bench.wanted[i * N_OUT + k];
            error += ((double)out[k] - w) * ((double)out[k] - w);
            size += w * w;
        }
    }
    assert_true(sqrt(error / size) < 1e-5);
    free(field);
    bench_free(&bench);
}

/* [ROWS + 1][pixels][2]: the field of every row, then that of the anchor; units of one mirror. */
static float *fields_read(const struct bench *bench)
{
    size_t const n_all = bench->projection->layout.n_inputs;
    size_t const pixels = bench->projection->layout.n_pixels;
    float *const inputs = calloc((ROWS + 1) * n_all, sizeof *inputs);
    float *const field = malloc((ROWS + 1) * pixels * 2 * sizeof *field);
    assert_true(inputs != NULL && field != NULL);
    for (size_t r = 0; r < ROWS; r++) {
        memcpy(inputs + r * n_all, bench->in + r * N_IN, N_IN * sizeof *inputs);
    }
    for (size_t j = N_IN; j < n_all; j++) {
        inputs[ROWS * n_all + j] = 1.0f;
    }
    assert_int_equal(opu_device_field(bench->device, inputs, ROWS + 1, field), OPU_OK);
    free(inputs);
    return field;
}

static double light(const float *a, const float *b)
{
    double const re = (double)a[0] + (b != NULL ? (double)b[0] : 0.0);
    double const im = (double)a[1] + (b != NULL ? (double)b[1] : 0.0);
    return re * re + im * im;
}

/* Re(conj(A) / |A| S) from three intensities in floats, against exact:of. */
static void anchor_algebra_on_float_intensities_is_the_operator(void **state)
{
    (void)state;
    struct bench bench = bench_make("sim:", "anchor", 8);
    size_t const pixels = bench.projection->layout.n_pixels;
    float *const field = fields_read(&bench);
    double error = 0.0;
    double size = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t const k =
            bench.projection->pick[i % N_OUT]; /* the very pixels that calibration chose */
        const float *const a = field + (ROWS * pixels + k) * 2;
        const float *const s = field + (i / N_OUT * pixels + k) * 2;
        float const counts[2] = {(float)light(s, a), (float)light(s, NULL)};
        float const gain = (float)(sqrt(2.0) / (2.0 * sqrt(light(a, NULL))));
        float const offset = (float)light(a, NULL);
        uint32_t const pick = 0;
        float out;
        opu_readout_kernels(OPU_ISA_BASE)
            ->anchor_f32(1, counts, 1, &pick, &gain, &offset, 1.0f, 1.0f, 1, &out);
        double const w = (double)bench.wanted[i];
        error += ((double)out - w) * ((double)out - w);
        size += w * w;
    }
    assert_true(sqrt(error / size) < 1e-5);
    free(field);
    bench_free(&bench);
}

static void anchor_noise_follows_its_formula(void **state)
{
    (void)state;
    /* Photon noise and steps of 12 bits; read noise would be cut at 0 counts where a pixel is dark.
     */
    struct bench bench = bench_make("sim:noise=shot,leakage=0," UNIFORM, "anchor", 12);
    struct electrons const e = electrons_of(&bench);
    size_t const pixels = bench.projection->layout.n_pixels;
    float *const field = fields_read(&bench);
    double seen = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double const d = (double)bench.out[i] - (double)bench.wanted[i];
        size_t const k = bench.projection->pick[i % N_OUT];
        const float *const a = field + (ROWS * pixels + k) * 2;
        const float *const s = field + (i / N_OUT * pixels + k) * 2;
        double const photons = e.mirror * (light(s, a) + light(s, NULL));
        /* (|S + A|^2 + |S|^2 + 2 sq^2) / (4 |A|^2), in units of an output */
        double const variance =
            (photons + 2.0 * e.sq2) / (4.0 * e.mirror * light(a, NULL)) * 2.0 / e.mirror;
        seen += d * d / variance / SAMPLES;
    }
    /* 51200 samples of variance 1: 0.6 %; the anchor's own light adds about 1 % */
    if (!(fabs(seen - 1.0) <= 0.05)) {
        fail_msg("variance is %g of what the formula says", seen);
    }
    free(field);
    bench_free(&bench);
}

static void intensity_noise_is_that_of_photons(void **state)
{
    (void)state;
    struct bench bench = bench_make("sim:noise=shot,leakage=0," UNIFORM, "intensity", 12);
    struct electrons const e = electrons_of(&bench);
    double seen = 0.0;
    double formula = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double const d = (double)bench.out[i] - (double)bench.wanted[i];
        seen += d * d;
        formula += ((double)bench.wanted[i] * e.mirror + e.sq2) / (e.mirror * e.mirror);
    }
    if (!(fabs(seen / formula - 1.0) <= 0.05)) {
        fail_msg("variance %g, the formula says %g", seen / SAMPLES, formula / SAMPLES);
    }
    bench_free(&bench);
}

static void entries_have_the_variance_asked_for(void **state)
{
    (void)state;
    static const char *const uris[] = {"sim:noise=none,bits=16",
                                       "sim:noise=none,bits=16,readout=anchor",
                                       "sim:noise=none,bits=16,variance=0.01"};
    for (size_t i = 0; i < 3; i++) {
        struct opu_device *const device = open_device(uris[i]);
        struct opu_projection *const projection = create(device, NULL, 0);
        float unit[N_IN * N_IN] = {0.0f};
        float *const column = malloc(N_IN * N_OUT * sizeof *column);
        assert_non_null(column);
        for (size_t j = 0; j < N_IN; j++) {
            unit[j * N_IN + j] = 1.0f;
        }
        assert_int_equal(opu_project(projection, unit, N_IN, N_IN, column, N_OUT), OPU_OK);
        double mean = 0.0;
        double variance = 0.0;
        double const n = N_IN * N_OUT;
        for (size_t k = 0; k < N_IN * N_OUT; k++) {
            mean += (double)column[k] / n;
            variance += (double)column[k] * (double)column[k] / n;
        }
        double const asked = i == 2 ? 0.01 : 1.0;
        /* 5 deviations of a Gaussian sample's mean and variance */
        assert_true(fabs(mean) < 5.0 * sqrt(asked / n));
        assert_true(fabs(variance / asked - 1.0) < 5.0 * sqrt(2.0 / n));
        free(column);
        opu_projection_destroy(projection);
        opu_device_close(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phase4_at_16_bits_is_the_operator_to_a_ten_thousandth),
        cmocka_unit_test(phase4_error_halves_with_every_bit),
        cmocka_unit_test(phase4_noise_follows_its_formula),
        cmocka_unit_test(phase4_algebra_on_float_intensities_is_the_operator),
        cmocka_unit_test(anchor_algebra_on_float_intensities_is_the_operator),
        cmocka_unit_test(anchor_noise_follows_its_formula),
        cmocka_unit_test(intensity_noise_is_that_of_photons),
        cmocka_unit_test(entries_have_the_variance_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
