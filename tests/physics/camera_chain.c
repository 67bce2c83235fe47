/* SPDX-License-Identifier: MIT */
/*
 * The camera's chain: black level, bit depths, maps, the second polarisation, dark current, what
 * options change, and the kernels against their plain twin.
 */
#include "camera_support.h"

/*
 * Four sigma of black: a dark pixel's read noise keeps its mean and variance but for what lies
 * beyond, E max(0, -4 sigma - x) = 7e-6 sigma. Counts of 1/8 sigma: quantisation adds 1/12.
 */
static void black_level_keeps_the_read_noise_of_dark_pixels(void **state)
{
    (void)state;
    double const read = draw_between(6.0, 20.0);
    double const full_well = 8191.0 / 8.0 * read - 4.0 * read;
    struct opu_sensor const sensor = {
        .full_well_e = full_well, .read_noise_e = read, .black_e = 4.0 * read, .shot_noise = true};
    struct opu_camera const camera = make_camera(&sensor, 13);
    struct moments m = {0, 0, 0};
    expose_evenly(&camera, 0.0, 16, add_count, &m);
    double const n = (double)m.n;
    double const v = 64.0 + 1.0 / 12.0;
    assert_near(moments_mean(&m), 32.0, SIGMAS * sqrt(v / n) + 1e-4, "mean of dark counts");
    assert_near(moments_var(&m), v, SIGMAS * v * sqrt(2.0 / n) + 1e-2, "variance of dark counts");
    /* and the full well above black is full scale */
    struct moments full = {0, 0, 0};
    expose_evenly(&camera, full_well + 8.0 * sqrt(full_well + read * read), 1, add_count, &full);
    assert_near(moments_mean(&full), 8191.0, 1e-9, "count above the full well");
}

/* 2^bits - 1 steps between black and the full well, in one byte for up to 8 bits. */
static void every_bit_depth_spans_the_full_well(void **state)
{
    (void)state;
    static const float dark[OPU_TILE_FLOATS];
    struct opu_sensor const sensor = {.full_well_e = 9000.0, .black_e = 1000.0};
    for (uint32_t bits = 1; bits <= 16; ++bits) {
        struct opu_camera const camera = make_camera(&sensor, bits);
        double const top = exp2(bits) - 1.0;
        uint16_t counts[OPU_TILE_PIXELS];
        memset(counts, 0xa5, sizeof(counts));
        double const lambda = 7777.0;
        struct opu_light const light = {.reference_re = (float)sqrt(lambda)};
        struct opu_exposure const exposure = {.field = dark, .n = 3};
        (void)opu_camera_tile_kernel(opu_isa_best())(&camera, &light, &exposure, counts);
        uint32_t const seen = bits <= 8 ? ((uint8_t *)counts)[2] : counts[2];
        /* half a count, and the float's 2e-7 of 65535 */
        assert_near(seen, top * (lambda + 1000.0) / 10000.0, 0.52, "count");
        assert_int_equal(((uint8_t *)counts)[bits <= 8 ? 3 : 6], 0xa5);
    }
}

/* The documented draws, the same for a larger sensor, and their rms to a sample's bar. */
static void maps_are_the_documented_draws(void **state)
{
    (void)state;
    struct opu_sensor const sensor = {
        .full_well_e = 1e4, .prnu = draw_between(0.001, 0.03), .dsnu_e = draw_between(1.0, 30.0)};
    struct opu_camera_setup setup = {
        .sensor = &sensor, .bits = 8, .n_pixels = 100, .seed = draw_word(), .isa = OPU_ISA_BASE};
    struct opu_camera small;
    struct opu_camera large;
    assert_int_equal(opu_camera_init(&small, &setup), OPU_OK);
    setup.n_pixels = (size_t)TILES * OPU_TILE_PIXELS;
    setup.isa = opu_isa_best();
    assert_int_equal(opu_camera_init(&large, &setup), OPU_OK);
    struct moments gain = {0, 0, 0};
    struct moments offset = {0, 0, 0};
    for (uint32_t p = 0; p < setup.n_pixels; ++p) {
        uint32_t const a = p / 256 * 64 + p % 64;
        float z[2][4];
        for (uint64_t b = 0; b < 2; ++b) {
            opu_normal4(opu_philox(setup.seed, OPU_STREAM_PIXEL, a, b), z[b]);
        }
        float const prnu = (float)sensor.prnu * z[0][p / 64 % 4];
        assert_true(large.pixel_gain[p] == 1.0f + prnu);
        assert_true(large.pixel_offset[p] == (float)sensor.dsnu_e * z[1][p / 64 % 4]);
        moments_add(&gain, (double)large.pixel_gain[p] - 1.0);
        moments_add(&offset, (double)large.pixel_offset[p]);
    }
    assert_memory_equal(small.pixel_gain, large.pixel_gain, 100 * sizeof(float));
    assert_memory_equal(small.pixel_offset, large.pixel_offset, 100 * sizeof(float));
    double const bar = SIGMAS * sqrt(0.5 / (double)gain.n); /* relative, of an rms */
    assert_near(sqrt(moments_var(&gain)) / sensor.prnu, 1.0, bar, "PRNU");
    assert_near(sqrt(moments_var(&offset)) / sensor.dsnu_e, 1.0, bar, "DSNU");
    opu_camera_fini(&small);
    opu_camera_fini(&large);
}

/* Both intensities add, without interference; dark current adds to them, untouched by the gain. */
static void crossed_light_and_dark_current_add_to_the_electrons(void **state)
{
    (void)state;
    struct opu_sensor const sensor = {.full_well_e = 65535.0};
    struct opu_camera const camera = make_camera(&sensor, 16);
    float field[OPU_TILE_FLOATS];
    float crossed[OPU_TILE_FLOATS];
    for (size_t v = 0; v < OPU_TILE_FLOATS; ++v) {
        field[v] = (float)draw_between(-1.0, 1.0);
        crossed[v] = (float)draw_between(-1.0, 1.0);
    }
    struct opu_light const light = {.scale = 100.0f,
                                    .scale_y = 70.0f,
                                    .reference_re = 30.0f,
                                    .reference_im = -50.0f,
                                    .dark_e = 123.0f};
    struct opu_exposure const exposure = {.field = field, .crossed = crossed, .n = 256};
    uint16_t counts[OPU_TILE_PIXELS];
    (void)opu_camera_tile_kernel(opu_isa_best())(&camera, &light, &exposure, counts);
    for (size_t p = 0; p < OPU_TILE_PIXELS; ++p) {
        size_t const at = p / 64 * 128 + p % 64;
        double const x = 100.0 * (double)field[at] + 30.0;
        double const y = 100.0 * (double)field[at + 64] - 50.0;
        double const u = 70.0 * (double)crossed[at];
        double const v = 70.0 * (double)crossed[at + 64];
        assert_near(counts[p], x * x + y * y + u * u + v * v + 123.0, 0.51, "count");
    }
}

/* The options' overrides, noise that is off, and the doubling of dark current in 8 degrees. */
static void options_change_the_sensor(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    struct opu_sensor sensor;
    const struct opu_sensor *const preset = &opu_sensors[OPU_SENSOR_CMV2000];
    opu_sensor_init(&sensor, &options);
    assert_near(sensor.black_e, 4.0 * hypot(preset->read_noise_e, preset->dsnu_e), 1e-9, "black");
    assert_near(sensor.dark_e_per_s, preset->dark_e_per_s, 1e-9, "dark current");
    options.temperature_c = 25.0 - 16.0;
    options.read_noise_e = 2.5;
    options.dsnu_e = 0.0;
    options.prnu = 0.03;
    options.full_well_e = 1000.0;
    opu_sensor_init(&sensor, &options);
    assert_near(sensor.dark_e_per_s, preset->dark_e_per_s / 4.0, 1e-9, "dark current at 9 degrees");
    assert_near(sensor.black_e, 10.0, 1e-9, "black");
    assert_true(sensor.prnu == 0.03 && sensor.full_well_e == 1000.0 && sensor.shot_noise);
    options.noise = OPU_SIM_NOISE_NONE;
    opu_sensor_init(&sensor, &options);
    assert_true(sensor.prnu == 0.0 && sensor.dsnu_e == 0.0 && sensor.read_noise_e == 0.0);
    assert_true(sensor.dark_e_per_s == 0.0 && sensor.black_e == 0.0 && !sensor.shot_noise);
    options.noise = OPU_SIM_NOISE_READ;
    options.black_e = 77.0;
    opu_sensor_init(&sensor, &options);
    assert_true(sensor.read_noise_e == 2.5 && sensor.black_e == 77.0 && !sensor.shot_noise);
}

/* One camera at random, from darkness to beyond the well, against its twin at every level. */
static void check_kernels(void)
{
    struct opu_sensor sensor = opu_sensors[draw_size(0, 2)];
    sensor.full_well_e = draw_between(100.0, 40000.0);
    sensor.shot_noise = draw_word() % 2;
    sensor.black_e = draw_word() % 2 ? draw_between(0.0, 100.0) : 0.0;
    sensor.read_noise_e *= draw_word() % 4 != 0;
    sensor.prnu *= draw_word() % 2;
    sensor.dsnu_e *= draw_word() % 2;
    struct opu_camera camera = make_camera(&sensor, (uint32_t)draw_size(1, 16));
    float field[2][OPU_TILE_FLOATS];
    for (size_t v = 0; v < OPU_TILE_FLOATS; ++v) {
        field[0][v] = (float)draw_between(-1.0, 1.0);
        field[1][v] = (float)draw_between(-1.0, 1.0);
    }
    double const root = sqrt(sensor.full_well_e);
    struct opu_light const light = {.scale = (float)(root * draw_between(0.0, 0.7)),
                                    .scale_y = (float)(root * draw_between(0.0, 0.1)),
                                    .reference_re = (float)(root * draw_between(-0.5, 0.5)),
                                    .reference_im = (float)(root * draw_between(-0.5, 0.5)),
                                    .dark_e = (float)draw_between(0.0, 20.0)};
    struct opu_exposure const exposure = {.field = field[0],
                                          .crossed = draw_word() % 2 ? field[1] : NULL,
                                          .frame = ((uint64_t)draw_word() << 32) | draw_word(),
                                          .tile = (uint32_t)draw_size(0, TILES - 1),
                                          .n = (uint32_t)draw_size(1, OPU_TILE_PIXELS)};
    uint16_t wanted[OPU_TILE_PIXELS] = {0};
    uint32_t const saturated = opu_camera_tile_reference(&camera, &light, &exposure, wanted);
    for (int isa = 0; isa < OPU_ISA_COUNT; ++isa) {
        if (opu_isa_usable((enum opu_isa)isa)) {
            uint16_t seen[OPU_TILE_PIXELS] = {0};
            uint32_t const s =
                opu_camera_tile_kernel((enum opu_isa)isa)(&camera, &light, &exposure, seen);
            assert_memory_equal(seen, wanted, sizeof(wanted));
            assert_int_equal(s, saturated);
        }
    }
    opu_camera_fini(&camera);
}

static void every_vector_level_equals_the_plain_twin(void **state)
{
    (void)state;
    for (int run = 0; run < 2000; ++run) {
        check_kernels();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(black_level_keeps_the_read_noise_of_dark_pixels),
        cmocka_unit_test(every_bit_depth_spans_the_full_well),
        cmocka_unit_test(maps_are_the_documented_draws),
        cmocka_unit_test(crossed_light_and_dark_current_add_to_the_electrons),
        cmocka_unit_test(options_change_the_sensor),
        cmocka_unit_test(every_vector_level_equals_the_plain_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
