/* SPDX-License-Identifier: MIT */
/* What the device "sim:" tells about itself and what it refuses; and its pictures. */
#include "sim_support.h"

static void identity_names_the_matrix_alone(void **state)
{
    (void)state;
    char first[64];
    char other[64];
    struct opu_sim_options options = bench_options();
    options.seed = draw_word();
    struct bench bench = bench_open(&options);
    assert_int_equal(opu_backend_sim.ops->identity(bench.sim, first, sizeof(first)), OPU_OK);
    assert_int_equal(opu_backend_sim.ops->identity(bench.sim, other, 10), OPU_E_INVALID);
    bench_close(&bench);
    assert_int_equal(strncmp(first, "sim:gaussian:", 13), 0);
    assert_int_equal(strlen(first), 13 + 16);

    options.camera = OPU_SENSOR_IDEAL;
    options.noise = OPU_SIM_NOISE_NONE;
    options.tau_s = 3.0;
    options.flux = 2.0;
    options.leakage = 0.0;
    options.bits = 12;
    bench = bench_open(&options);
    assert_int_equal(opu_backend_sim.ops->identity(bench.sim, other, sizeof(other)), OPU_OK);
    bench_close(&bench);
    assert_string_equal(first, other);

    options.seed += UINT64_C(1) << 40;
    bench = bench_open(&options);
    assert_int_equal(opu_backend_sim.ops->identity(bench.sim, other, sizeof(other)), OPU_OK);
    bench_close(&bench);
    assert_string_not_equal(first, other);
}

static void caps_tell_the_light_budget(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.full_well_e = 20000.0;
    options.black_e = 500.0;
    options.flux = 2.0;
    options.leakage = 0.01;
    struct bench bench = bench_open(&options);
    struct opu_caps caps = {.size = sizeof(caps)};
    assert_int_equal(opu_backend_sim.ops->caps(bench.sim, &caps), OPU_OK);
    assert_near(caps.signal_per_us, 0.81 * 2.0 / 20500.0, 1e-15, "signal");
    assert_near(caps.reference_per_us, 4194304.0 * 2.0 / 20500.0, 1e-9, "reference");
    assert_near(caps.full_well_e, 20000.0, 0.0, "full well");
    assert_near(caps.black_level, 500.0 / 20500.0, 1e-15, "black level");
    assert_int_equal(caps.adc_bits, 0x1fffe);
    assert_near(caps.read_noise_e, 13.0, 0.0, "read noise");
    assert_true(caps.shot_noise);
    assert_int_equal(caps.flags & OPU_CAP_DRIFT, 0);
    assert_near(caps.max_exposure_us, 500.0, 1e-9, "longest exposure: a frame of 2 kHz");
    bench_close(&bench);

    options.rate_hz = 0.1; /* frames of 10 s, which the sensor does not expose for */
    options.tau_s = 1.0;
    options.noise = OPU_SIM_NOISE_NONE;
    options.reference = 77.0;
    bench = bench_open(&options);
    assert_int_equal(opu_backend_sim.ops->caps(bench.sim, &caps), OPU_OK);
    assert_near(caps.reference_per_us, 77.0 / 20500.0, 1e-12, "reference");
    assert_near(caps.read_noise_e, 0.0, 0.0, "read noise");
    assert_false(caps.shot_noise);
    assert_near(caps.max_exposure_us, 1e5, 0.0, "longest exposure");
    assert_true(caps.flags & OPU_CAP_DRIFT);
    bench_close(&bench);
}

static void a_matrix_beyond_memory_is_refused_with_its_bytes(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.memory_mib = 64;
    options.way = OPU_SIM_WAY_MATRIX;
    struct bench bench = bench_open(&options);
    assert_int_equal(bench_configure(&bench, 50000, 4096, 8, 10.0, 0.0), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "1563 MiB"));
    assert_non_null(strstr(opu_error_message(), "64 MiB"));
    assert_int_equal(bench_configure(&bench, 1u << 20, 1u << 21, 8, 10.0, 0.0), OPU_E_INVALID);
    /* and it serves on */
    assert_int_equal(bench_configure(&bench, 500, 4096, 8, 10.0, 0.0), OPU_OK);
    bench_close(&bench);
}

/* 62.5 MiB once, 125 MiB where the polariser leaks. */
static void two_polarisations_share_the_memory(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.memory_mib = 64;
    options.way = OPU_SIM_WAY_MATRIX;
    struct bench bench = bench_open(&options);
    assert_int_equal(bench_configure(&bench, 4000, 2048, 8, 10.0, 0.0), OPU_OK);
    bench_close(&bench);
    options.extinction = 0.5;
    bench = bench_open(&options);
    assert_int_equal(bench_configure(&bench, 4000, 2048, 8, 10.0, 0.0), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "125 MiB"));
    bench_close(&bench);
}

static int configure_picture(struct bench *bench, struct opu_region region, uint32_t n_inputs,
                             double exposure_us)
{
    struct opu_frame_setup const setup = {.size = sizeof(setup),
                                          .n_inputs = n_inputs,
                                          .output_kind = OPU_OUTPUT_REGION,
                                          .region = region,
                                          .bits = 16,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us};
    return opu_backend_sim.ops->configure(bench->sim, &setup);
}

static void a_region_that_is_not_simulated_is_refused(void **state)
{
    (void)state;
    struct opu_sim_options const options = bench_options();
    struct bench bench = bench_open(&options);
    struct opu_region region = {64, 64, 2, 1, 4.0, 0.0, 0.0};
    assert_int_equal(configure_picture(&bench, region, 10, 10.0), OPU_E_UNSUPPORTED);
    region = (struct opu_region){64, 64, 1, 2, 4.0, 0.0, 0.0};
    assert_int_equal(configure_picture(&bench, region, 10, 10.0), OPU_E_UNSUPPORTED);
    region = (struct opu_region){64, 64, 1, 1, 0.5, 0.0, 0.0};
    assert_int_equal(configure_picture(&bench, region, 10, 10.0), OPU_E_INVALID);
    region = (struct opu_region){64, 0, 1, 1, 2.0, 0.0, 0.0};
    assert_int_equal(configure_picture(&bench, region, 10, 10.0), OPU_E_INVALID);
    bench_close(&bench);
}

/* Where the intensity's autocovariance along x falls to half, doubled; lags between pixels by a
 * straight line. */
static double grain_size(const uint16_t *counts, size_t width, size_t height)
{
    struct moments m = {0, 0, 0};
    for (size_t p = 0; p < width * height; ++p) {
        moments_add(&m, (double)counts[p]);
    }
    double const mean = moments_mean(&m);
    double previous = 1.0;
    for (size_t lag = 1; lag < width / 2; ++lag) {
        double sum = 0.0;
        for (size_t y = 0; y < height; ++y) {
            const uint16_t *const row = counts + y * width;
            for (size_t x = 0; x + lag < width; ++x) {
                sum += ((double)row[x] - mean) * ((double)row[x + lag] - mean);
            }
        }
        double const c = sum / (double)(height * (width - lag)) / moments_var(&m);
        if (c < 0.5) {
            return 2.0 * ((double)(lag - 1) + (previous - 0.5) / (previous - c));
        }
        previous = c;
    }
    return 0.0;
}

/*
 * Fully developed speckle (T2, T4): contrast 1, P(I > I0) = 1/e, grain as asked within 10 %. A
 * picture of width^2 pixels holds M = (width / g)^2 independent grains; contrast is good to about
 * sqrt(2 / M), the mean to sqrt(1 / M).
 */
static void check_picture(double grain)
{
    enum { width = 512, height = 500, n_inputs = 60 };
    static uint16_t counts[width * height];
    struct opu_sim_options options = bench_options();
    options.noise = OPU_SIM_NOISE_NONE;
    options.leakage = 0.0;
    options.seed = draw_word();
    struct bench bench = bench_open(&options);
    struct opu_region const region = {width, height, 1, 1, grain, 0.0, 0.0};
    double const exposure_us = 13500.0 / 15.0 / (options.flux * n_inputs);
    assert_int_equal(configure_picture(&bench, region, n_inputs, exposure_us), OPU_OK);
    uint8_t bits[8];
    memset(bits, 255, sizeof(bits));
    uint64_t const number = 3;
    struct opu_frame_batch batch = {
        .size = sizeof(batch), .n_frames = 1, .bits = bits, .number = &number, .counts = counts};
    bench_run(&bench, &batch);
    struct moments m = {0, 0, 0};
    double bright = 0.0;
    for (size_t p = 0; p < (size_t)width * height; ++p) {
        double const intensity = counts[p] * 15.0 / 65535.0;
        moments_add(&m, intensity);
        bright += (double)(intensity > 1.0) / ((double)width * height);
    }
    double const grains = (double)width * height / (grain * grain);
    double const contrast = sqrt(moments_var(&m)) / moments_mean(&m);
    double const seen = grain_size(counts, width, height);
    printf("# grain %.2f of %.2f pixels, contrast %.3f, mean %.3f, above it %.4f of %.4f\n", seen,
           grain, contrast, moments_mean(&m), bright, exp(-1.0));
    assert_near(moments_mean(&m), 1.0, SIGMAS / sqrt(grains), "mean intensity");
    assert_near(contrast, 1.0, SIGMAS * sqrt(2.0 / grains), "contrast");
    assert_near(bright, exp(-1.0), SIGMAS * sqrt(0.24 / grains), "P(I > I0)");
    assert_near(seen / grain, 1.0, 0.1, "grain");
    bench_close(&bench);
}

static void pictures_show_grains_of_the_size_asked(void **state)
{
    (void)state;
    check_picture(2.0);
    for (int run = 0; run < 3; ++run) {
        check_picture(draw_between(1.5, 8.0));
    }
}

/* The same numbers by both ways out: counts of a picture, and opu_device_field(). */
static void a_picture_shows_the_field_told(void **state)
{
    (void)state;
    enum { width = 37, height = 23, n_inputs = 11 };
    static uint16_t counts[width * height];
    static float field[width * height * 2];
    struct opu_sim_options options = bench_options();
    options.noise = OPU_SIM_NOISE_NONE;
    options.leakage = 0.0;
    options.seed = draw_word();
    struct bench bench = bench_open(&options);
    struct opu_region const region = {width, height, 1, 1, 0.0, 0.0, 0.0};
    assert_int_equal(configure_picture(&bench, region, n_inputs, 30.0), OPU_OK);
    uint8_t bits[2];
    float weights[n_inputs];
    draw_patterns(bits, 1, n_inputs, 0.5);
    unpack_pattern(weights, bits, n_inputs);
    assert_int_equal(opu_sim_field(bench.sim, weights, 1, field), OPU_OK);
    uint64_t const number = 0;
    struct opu_frame_batch batch = {
        .size = sizeof(batch), .n_frames = 1, .bits = bits, .number = &number, .counts = counts};
    bench_run(&bench, &batch);
    for (size_t p = 0; p < (size_t)width * height; ++p) {
        double const re = (double)field[2 * p];
        double const im = (double)field[2 * p + 1];
        double const wanted = (re * re + im * im) * options.flux * 30.0 * 65535.0 / 13500.0;
        assert_near(counts[p], fmin(wanted, 65535.0), 0.5 + 1e-5 * wanted, "count");
    }
    bench_close(&bench);
}

static void options_that_can_have_no_effect_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *says;
    } cases[] = {
        {"sim:thickness=100", "thickness is of a slab, medium=gaussian has none"},
        {"sim:medium=slab,masks=5", "masks is of a cascade, medium=slab has none"},
        {"sim:medium=paint,masks=5", "masks is of a cascade, medium=paint has none"},
        {"sim:medium=cascade,anisotropy=0.9", "anisotropy is of a slab, medium=cascade has none"},
        {"sim:grid=512", "grid is of a medium on a grid"},
        {"sim:incidence=10", "dmd=ideal has none"},
        {"sim:vibration_hz=50", "without vibration"},
        {"sim:phase_noise_tau=1", "phase_noise_tau=1 without phase_noise"},
        {"sim:power_drift_tau=60", "without power_drift"},
        {"sim:depolarised=0.25", "depolarised=0.25 without extinction"},
        {"sim:read_noise=-0.5", "read_noise=-0.5, wanted at least 0, or -1"},
        {"sim:extinction=1,depolarised=-0.25", "depolarised=-0.25, wanted at least 0"},
        {"sim:noise=none,read_noise=3", "read_noise=3 with noise=none"},
        {"sim:noise=none,prnu=0.02", "prnu=0.02 with noise=none"},
        {"sim:noise=none,dsnu=2", "dsnu=2 with noise=none"},
        {"sim:noise=none,dark=2", "dark=2 with noise=none"},
        {"sim:noise=shot,read_noise=3", "read_noise=3 with noise=shot"},
        {"sim:noise=none,temperature=40", "dark current alone"},
        {"sim:camera=ideal,temperature=40", "dark current alone"},
        {"sim:black=13500", "black=13500 e- with a full well of 13500 e-"},
        {"sim:full_well=10,read_noise=11", "read_noise=11 e- with a full well of 10 e-"},
        {"sim:medium=slab,screens=1", "memory effect without end"},
        {"sim:medium=paint,screens=1", "memory effect without end"},
        {"sim:dmd=dlp6500,rate=20000", "at most 9523 patterns a second"},
    };
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct opu_device *device;
        assert_int_equal(opu_device_open(&device, context, cases[i].uri), OPU_E_INVALID);
        if (strstr(opu_error_message(), cases[i].says) == NULL) {
            fail_msg("%s: saw \"%s\", wanted \"%s\"", cases[i].uri, opu_error_message(),
                     cases[i].says);
        }
    }
    opu_context_destroy(context);
}

static void every_option_says_where_its_default_comes_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPU_SIM_N_OPTIONS; ++i) {
        const struct opu_option *const option = &opu_sim_option_table[i];
        if (option->group == NULL || option->source == NULL || option->source[0] == 0 ||
            option->fallback == NULL || option->help == NULL) {
            fail_msg("%s: no group, default, help or source", option->key);
        }
    }
}

/* Noise that is off and said to be 0, a level just below the well, glass of one screen. */
static void options_that_agree_are_taken(void **state)
{
    (void)state;
    static const char *const uris[] = {"sim:noise=none,read_noise=0,prnu=0,dsnu=0,dark=0,black=9",
                                       "sim:noise=read,read_noise=3",
                                       "sim:noise=shot,dark=5,temperature=40",
                                       "sim:camera=ideal,dark=5,temperature=40",
                                       "sim:full_well=100,black=99",
                                       "sim:medium=ground-glass,screens=1",
                                       "sim:medium=slab,screens=2"};
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); ++i) {
        struct opu_device *device;
        if (opu_device_open(&device, context, uris[i]) != OPU_OK) {
            fail_msg("%s: %s", uris[i], opu_error_message());
        }
        opu_device_close(device);
    }
    opu_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_names_the_matrix_alone),
        cmocka_unit_test(caps_tell_the_light_budget),
        cmocka_unit_test(a_matrix_beyond_memory_is_refused_with_its_bytes),
        cmocka_unit_test(two_polarisations_share_the_memory),
        cmocka_unit_test(options_that_can_have_no_effect_are_refused),
        cmocka_unit_test(options_that_agree_are_taken),
        cmocka_unit_test(every_option_says_where_its_default_comes_from),
        cmocka_unit_test(a_region_that_is_not_simulated_is_refused),
        cmocka_unit_test(pictures_show_grains_of_the_size_asked),
        cmocka_unit_test(a_picture_shows_the_field_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
