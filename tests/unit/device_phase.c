/* SPDX-License-Identifier: MIT */
/*
 * The noise of the linear read-outs against their formulas, to 3 %, and pilots that follow a
 * wandering reference. Noise is the difference to the answer of the same device, in the same
 * calibration, without noise: what is deterministic does not count. Samples of a variance: 65536,
 * whose relative deviation is sqrt(2 / 65536) = 0.55 %, so that 3 % are 5.4 of them. Noise is keyed
 * by seed, frame and pixel, so that cases of one seed are one sample and not several: each case has
 * a seed of its own, and their mean tells a tenth of a term that a formula might lack.
 */
#include "base_support.h"

#include <math.h>
#include <time.h>

#include <opu/projection.h>

#include "core/base/rng.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"
#include "core/device/sideband.h"
#include "sim/reference.h"
#include "sim/sim_options.h"

#define N_IN 64
#define N_OUT 512
#define ROWS 128
#define SAMPLES ((size_t)ROWS * N_OUT)
#define BAR 0.03

static uint64_t test_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *const text = getenv("OPU_TEST_SEED");
        seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
        print_message("# OPU_TEST_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

static double draw_between(double low, double high)
{
    static uint32_t n;
    return low + (high - low) * opu_uniform(opu_philox(test_seed(), OPU_STREAM_TEST, n++, 9).v[0]);
}

struct side {
    struct opu_device *device;
    struct opu_projection *projection;
};

static struct side side_open(const char *uri, const char *readout, size_t rows)
{
    struct side side = {0};
    struct opu_projection_options const options = {
        .size = sizeof options,
        .n_in = N_IN,
        .n_out = N_OUT,
        .max_rows = rows,
        .encode = "binary",
        .readout = readout,
    };
    if (opu_device_open(&side.device, NULL, uri) < 0 ||
        opu_projection_create(&side.projection, side.device, &options) < 0) {
        fail_msg("%s: %s", uri, opu_error_message());
    }
    return side;
}

static void side_close(struct side *side)
{
    opu_projection_destroy(side->projection);
    opu_device_close(side->device);
}

/* Rows of ones and zeros, half and half. */
static float *make_rows(size_t rows)
{
    float *const in = malloc(rows * N_IN * sizeof *in);
    assert_non_null(in);
    for (size_t r = 0; r < rows; r++) {
        uint8_t bits[N_IN / 8];
        opu_random_pattern(bits, N_IN, N_IN / 2, 77 + r);
        for (size_t j = 0; j < N_IN; j++) {
            in[r * N_IN + j] = (float)(bits[j / 8] >> j % 8 & 1);
        }
    }
    return in;
}

/* Photo-electrons of the class that the rows are shown in. */
struct electrons {
    double ns, nr, fixed, mirror;
};

static struct electrons electrons_of(const struct side *side)
{
    const struct opu_tables *const tables = &side->projection->tables;
    const struct opu_caps *const caps = opu_device_caps(side->device);
    size_t const c = opu_class_of(tables, N_IN / 2);
    double const step = caps->full_well_e / (1.0 - caps->black_level) /
                        (double)((1u << side->projection->bits) - 1);
    double const e_per_us = step * tables->exposure_us[c];
    double const a = side->projection->readout->n_references > 0 ? tables->amplitude[c] : 1.0;
    return (struct electrons){
        .ns = e_per_us * tables->signal_rate * N_IN / 2,
        .nr = e_per_us * tables->reference_rate * a * a,
        .fixed = caps->read_noise_e * caps->read_noise_e + step * step / 12.0,
        .mirror = e_per_us * tables->signal_rate,
    };
}

/* Squared difference of output i over its formula's variance, summed over a pair of quadratures. */
static double ratio_of_steps(const struct side *side, const struct electrons *e, const float *out,
                             const float *calm)
{
    double const steps = (double)side->projection->readout->frames;
    double seen = 0.0;
    double formula = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double const d = (double)out[i] - (double)calm[i];
        /* two outputs are sqrt2 Re, sqrt2 Im: half their squares is |S|^2 in mirrors */
        double const ns = (double)calm[i] * (double)calm[i] * e->mirror;
        seen += d * d;
        formula += (ns + e->nr + e->fixed) / (steps * e->nr) / e->mirror;
    }
    return seen / formula;
}

static double ratio_of_offaxis(const struct side *side, const struct electrons *e, const float *out,
                               const float *calm)
{
    const struct opu_region *const region = &side->projection->layout.region;
    double const area = (double)region->width * (double)region->height;
    double ns = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        ns += (double)calm[i] * (double)calm[i] * e->mirror / (double)SAMPLES;
    }
    double seen = 0.0;
    double formula = 0.0;
    double share = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double const d = (double)out[i] - (double)calm[i];
        double const scale = (double)opu_sideband_scale(side->projection->sideband, i % N_OUT / 2);
        /* area scale^2 = eta / v */
        double const eta = area * scale * scale;
        seen += d * d;
        formula += eta * (ns + e->nr + e->fixed) / e->nr / e->mirror;
        share += 0.0706858 / eta / (double)SAMPLES;
    }
    print_message("# picture %u x %u, v %.3f\n", region->width, region->height, share);
    return seen / formula;
}

/* Fields of the rows at every pixel, and the anchor's in the last row. */
static void tell_fields(const struct side *side, const float *in, float **fields)
{
    size_t const n_all = side->projection->layout.n_inputs;
    size_t const pixels = side->projection->layout.n_pixels;
    float *const inputs = calloc((ROWS + 1) * n_all, sizeof *inputs);
    *fields = malloc((ROWS + 1) * pixels * 2 * sizeof **fields);
    assert_true(inputs != NULL && *fields != NULL);
    for (size_t r = 0; r < ROWS; r++) {
        memcpy(inputs + r * n_all, in + r * N_IN, N_IN * sizeof *inputs);
    }
    for (size_t j = N_IN; j < n_all; j++) {
        inputs[ROWS * n_all + j] = 1.0f;
    }
    assert_int_equal(opu_device_field(side->device, inputs, ROWS + 1, *fields), OPU_OK);
    free(inputs);
}

static double ratio_of_anchor(const struct side *side, const struct electrons *e, const float *in,
                              const float *out, const float *calm)
{
    size_t const pixels = side->projection->layout.n_pixels;
    float *fields;
    tell_fields(side, in, &fields);
    double seen = 0.0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double const d = (double)out[i] - (double)calm[i];
        size_t const k = side->projection->pick[i % N_OUT];
        const float *const a = fields + (ROWS * pixels + k) * 2;
        const float *const s = fields + (i / N_OUT * pixels + k) * 2;
        double const sa[2] = {(double)s[0] + (double)a[0], (double)s[1] + (double)a[1]};
        double const s2 = (double)s[0] * (double)s[0] + (double)s[1] * (double)s[1];
        double const a2 = (double)a[0] * (double)a[0] + (double)a[1] * (double)a[1];
        double const photons = e->mirror * (sa[0] * sa[0] + sa[1] * sa[1] + s2);
        /* (|S + A|^2 + |S|^2 + 2 sr^2 + 2 sq^2) / (4 |A|^2), in units of an output */
        double const variance =
            (photons + 2.0 * e->fixed) / (4.0 * e->mirror * a2) * 2.0 / e->mirror;
        seen += d * d / variance / (double)SAMPLES;
    }
    free(fields);
    return seen;
}

/* The options but for read_noise, which a camera without noise refuses. */
static void calm_options(char *text, size_t n, const char *options)
{
    const char *const from = strstr(options, "read_noise=");
    const char *const to = from != NULL ? from + strcspn(from, ",") : NULL;
    (void)snprintf(text, n, "%.*s%s", (int)(from != NULL ? from - options : (long)strlen(options)),
                   options, to != NULL && *to == ',' ? to + 1 : "");
}

/* Noise over its formula. */
static double check_noise(const char *readout, const char *options)
{
    char uri[256], calmed[128];
    calm_options(calmed, sizeof calmed, options);
    (void)snprintf(uri, sizeof uri, "sim:bits=16,leakage=0,prnu=0,dsnu=0,dark=0,black=250,%s",
                   options);
    struct side noisy = side_open(uri, readout, ROWS);
    (void)snprintf(uri, sizeof uri,
                   "sim:noise=none,bits=16,leakage=0,prnu=0,dsnu=0,dark=0,black=250,%s", calmed);
    struct side calm = side_open(uri, readout, ROWS);
    size_t const size = opu_projection_state_size(noisy.projection);
    uint8_t *const bytes = malloc(size);
    float *const in = make_rows(ROWS);
    float *const out[2] = {malloc(SAMPLES * sizeof(float)), malloc(SAMPLES * sizeof(float))};
    assert_true(bytes != NULL && out[0] != NULL && out[1] != NULL);
    opu_projection_state_get(noisy.projection, bytes);
    assert_int_equal(opu_projection_state_set(calm.projection, bytes, size), OPU_OK);
    assert_int_equal(opu_project(noisy.projection, in, N_IN, ROWS, out[0], N_OUT), OPU_OK);
    assert_int_equal(opu_project(calm.projection, in, N_IN, ROWS, out[1], N_OUT), OPU_OK);
    struct electrons const e = electrons_of(&noisy);
    double ratio;
    if (strcmp(readout, "anchor") == 0) {
        ratio = ratio_of_anchor(&noisy, &e, in, out[0], out[1]);
    } else if (strcmp(readout, "offaxis") == 0) {
        ratio = ratio_of_offaxis(&noisy, &e, out[0], out[1]);
    } else {
        ratio = ratio_of_steps(&noisy, &e, out[0], out[1]);
    }
    print_message("# %s, %s: ns %.4g, nr %.4g, noise %.4f of its formula\n", readout, options, e.ns,
                  e.nr, ratio);
    if (!(fabs(ratio - 1.0) < BAR)) {
        fail_msg("%s, %s: noise is %g of its formula", readout, options, ratio);
    }
    free(out[0]);
    free(out[1]);
    free(in);
    free(bytes);
    side_close(&noisy);
    side_close(&calm);
    return ratio;
}

/*
 * The preset, much read noise, little light, a weak reference; and three draws of all of it.
 * N steps: sum over k of V_k |exp(i d_k)|^2 / (N R)^2 with V_k = |S|^2 + R^2 + 2 Re(R* S exp(-i
 * d_k)) + sr^2 + sq^2, where the cross terms of a full turn of steps cancel for any N >= 3, so that
 * nothing is left out; over 60 seeds phase3 has 1.0006, phase4 1.0000 of it, each +- 0.0008.
 */
static void check_readout(const char *readout)
{
    static const char *const fixed[] = {"seed=1", "read_noise=60,seed=2", "full_well=2000,seed=3",
                                        "reference=48,seed=4"};
    enum { DRAWS = 3, CASES = sizeof fixed / sizeof fixed[0] + DRAWS };
    double mean = 0.0;
    for (size_t i = 0; i < CASES - DRAWS; i++) {
        mean += check_noise(readout, fixed[i]) / CASES;
    }
    for (int run = 0; run < DRAWS; run++) {
        char text[128];
        (void)snprintf(text, sizeof text, "full_well=%.0f,read_noise=%.1f,reference=%.1f,seed=%u",
                       exp(draw_between(log(2000.0), log(60000.0))), draw_between(0.0, 60.0),
                       1.5 * N_IN / 2 * draw_between(0.7, 6.0), (unsigned)draw_between(1.0, 1e9));
        mean += check_noise(readout, text) / CASES;
    }
    print_message("# %s: mean of %d cases %.4f\n", readout, (int)CASES, mean);
    /* 5 deviations of the mean of seven, each 0.0066: sampling, and 256 pixels' calibration */
    if (!(fabs(mean - 1.0) < 5.0 * 0.0066 / sqrt(CASES))) {
        fail_msg("%s: noise is %g of its formula on average", readout, mean);
    }
}

static void noise_of_three_phases_follows_its_formula(void **state)
{
    (void)state;
    check_readout("phase3");
}

static void noise_of_four_phases_follows_its_formula(void **state)
{
    (void)state;
    check_readout("phase4");
}

static void noise_of_anchors_follows_its_formula(void **state)
{
    (void)state;
    check_readout("anchor");
}

static void noise_off_axis_follows_its_formula(void **state)
{
    (void)state;
    check_readout("offaxis");
}

/* |<a, b>| over pairs taken as complex numbers: alike up to one common phase. */
static double coherence(const float *a, const float *b, size_t n)
{
    double re = 0.0;
    double im = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    for (size_t i = 0; i < n; i += 2) {
        double const x[2] = {(double)a[i], (double)a[i + 1]};
        double const y[2] = {(double)b[i], (double)b[i + 1]};
        re += x[0] * y[0] + x[1] * y[1];
        im += x[1] * y[0] - x[0] * y[1];
        aa += x[0] * x[0] + x[1] * x[1];
        bb += y[0] * y[0] + y[1] * y[1];
    }
    return sqrt((re * re + im * im) / (aa * bb));
}

#define LONG 512

static double seen_coherence(const char *readout, const char *extra, uint64_t *start)
{
    char uri[256];
    (void)snprintf(uri, sizeof uri,
                   "sim:noise=none,leakage=0,bits=12,phase_noise=0.7,phase_noise_tau=0.05%s",
                   extra);
    struct side side = side_open(uri, readout, LONG);
    (void)snprintf(uri, sizeof uri, "exact:of=sim:");
    struct side exact = side_open(uri, readout, LONG);
    float *const in = make_rows(LONG);
    float *const out = malloc(LONG * N_OUT * sizeof *out);
    float *const wanted = malloc(LONG * N_OUT * sizeof *wanted);
    assert_true(out != NULL && wanted != NULL);
    *start = opu_device_clock(side.device);
    assert_int_equal(opu_project(side.projection, in, N_IN, LONG, out, N_OUT), OPU_OK);
    assert_int_equal(opu_project(exact.projection, in, N_IN, LONG, wanted, N_OUT), OPU_OK);
    double const c = coherence(out, wanted, LONG * N_OUT);
    free(in);
    free(out);
    free(wanted);
    side_close(&side);
    side_close(&exact);
    return c;
}

/* |mean of exp(i phase)| over the frames that were shown. */
static double told_coherence(uint64_t start, size_t frames)
{
    struct opu_sim_options const options = {
        .seed = 1, .phase_noise_rad = 0.7, .phase_noise_tau_s = 0.05};
    double re = 0.0;
    double im = 0.0;
    for (size_t f = 0; f < frames; f++) {
        double const phase = opu_sim_reference_phase(&options, (double)(start + f) / 2000.0);
        re += cos(phase) / (double)frames;
        im += sin(phase) / (double)frames;
    }
    return sqrt(re * re + im * im);
}

/*
 * Without pilots answers keep the mean phasor of the frames, about exp(-0.7^2 / 2) = 0.78 (what the
 * steps of a pattern see apart from each other turns into the conjugate, and takes a little more).
 * Pilots every second pattern, 3 patterns or at most 6 ms of 50 apart, leave the bridge between
 * them: a variance of 0.49 x 6 / 50 / 3 = 0.02 on average, a coherence of 0.99.
 */
static void pilots_follow_a_wandering_reference(void **state)
{
    (void)state;
    static const char *const readouts[] = {"phase3", "phase4", "offaxis"};
    for (size_t i = 0; i < 3; i++) {
        uint64_t start;
        double const without = seen_coherence(readouts[i], "", &start);
        double const told = told_coherence(start, LONG * opu_readout_find(readouts[i])->frames);
        double const with = seen_coherence(readouts[i], ",pilot=2", &start);
        print_message("# %s: %.4f without pilots (phases: %.4f), %.4f with them\n", readouts[i],
                      without, told, with);
        assert_true(fabs(without - told) < 0.02);
        assert_true(without < 0.95);
        assert_true(with > 0.975);
    }
}

static void pilots_cost_frames_and_are_told(void **state)
{
    (void)state;
    struct side side = side_open("sim:pilot=4", "phase4", 10);
    float *const in = make_rows(10);
    float out[10 * N_OUT];
    uint64_t const clock = opu_device_clock(side.device);
    assert_int_equal(opu_project(side.projection, in, N_IN, 10, out, N_OUT), OPU_OK);
    /* 10 patterns; pilots before 0, 4, 8 and after the last */
    assert_int_equal(opu_device_clock(side.device) - clock, (10 + 4) * 4);
    assert_non_null(strstr(opu_projection_describe(side.projection), "pilot every 4"));
    free(in);
    side_close(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_of_three_phases_follows_its_formula),
        cmocka_unit_test(noise_of_four_phases_follows_its_formula),
        cmocka_unit_test(noise_of_anchors_follows_its_formula),
        cmocka_unit_test(noise_off_axis_follows_its_formula),
        cmocka_unit_test(pilots_follow_a_wandering_reference),
        cmocka_unit_test(pilots_cost_frames_and_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
