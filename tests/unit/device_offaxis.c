/* SPDX-License-Identifier: MIT */
/* The side band of a tilted reference: its filter against a plain Fourier sum, and the operator. */
#include "base_support.h"

#include <math.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <opu/projection.h>

#include "core/base/rng.h"
#include "core/device/projection_internal.h"
#include "core/device/sideband.h"
#include "sim/layout.h"
#include "sim/region.h"

#define PI 3.14159265358979323846
#define SEED UINT64_C(91)

static double normal(uint32_t i, uint64_t j)
{
    float z[4];
    opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, i / 4, j), z);
    return (double)z[i % 4];
}

static void pictures_grow_with_the_outputs(void **state)
{
    (void)state;
    struct opu_region region;
    uint32_t last = 0;
    for (size_t n = 1; n < 200000; n = n * 3 / 2 + 1) {
        assert_true(opu_sideband_region(&region, n));
        assert_true(region.width >= last && region.width == region.height);
        /* Whole cycles; side bands clear of |S|^2, and inside what pixels resolve. */
        double const f = region.carrier_x;
        double const cycles = f * region.width;
        assert_true(fabs(cycles - rint(cycles)) < 1e-9);
        assert_true(sqrt(2.0) * f >= 3.0 * OPU_SIDEBAND_RADIUS);
        assert_true(f + OPU_SIDEBAND_RADIUS <= 0.5 + 1e-12);
        assert_true(fabs(region.pixels_per_grain - 3.43) < 1e-9);
        if (n > 1000) { /* not many more pixels than modes fill the pupil */
            assert_true((double)n / ((double)region.width * region.height) > 0.045);
        }
        last = region.width;
    }
    assert_false(opu_sideband_region(&region, (size_t)1 << 30));
}

/* A mode alone, exp(2 pi i q r), gives itself and nothing elsewhere; its conjugate stays out. */
static void a_mode_gives_itself(void **state)
{
    (void)state;
    struct opu_region region;
    enum { modes = 40 };
    assert_true(opu_sideband_region(&region, modes));
    struct opu_sideband *band;
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    assert_int_equal(opu_sideband_create(&band, context, &region, modes, 1), OPU_OK);
    size_t const w = region.width;
    size_t const h = region.height;
    /* The modes nearest to the middle come first: (0, 0), then a neighbour of it, ... */
    static const int order[5][2] = {{0, 0}, {0, -1}, {-1, 0}, {1, 0}, {0, 1}};
    for (size_t q = 0; q < 5; q++) {
        double const z[2] = {normal((uint32_t)(2 * q), 1), normal((uint32_t)(2 * q + 1), 1)};
        float *const picture = opu_sideband_picture(band, 0);
        for (size_t y = 0; y < h; y++) {
            for (size_t x = 0; x < w; x++) {
                double const phase =
                    2.0 * PI *
                    (((double)order[q][0] / (double)w - region.carrier_x) * (double)x +
                     ((double)order[q][1] / (double)h - region.carrier_y) * (double)y);
                double const s = z[0] * cos(phase) - z[1] * sin(phase);
                /* 2 Re(S exp(-2 pi i f r)), and light that is even */
                picture[y * opu_sideband_stride(band) + x] = (float)(2.0 * s + 3.0);
            }
        }
        const float *const out = opu_sideband_filter(band, 0);
        for (size_t m = 0; m < modes; m++) {
            double const scale = (double)opu_sideband_scale(band, m) * (double)(w * h);
            for (size_t part = 0; part < 2; part++) {
                double const wanted = m == q ? z[part] * scale : 0.0;
                /* a Fourier transform in floats: log2(w h) 2^-24 of the largest mode, 3 scale */
                assert_true(fabs((double)out[2 * m + part] - wanted) < 2e-6 * 3.0 * scale);
            }
        }
    }
    opu_sideband_destroy(band);
    opu_context_destroy(context);
}

struct rig {
    struct opu_device *device;
    struct opu_projection *projection;
};

static struct rig open_rig(const char *uri, size_t n_in, size_t n_out, uint32_t bits)
{
    struct rig rig = {0};
    struct opu_projection_options options = {.size = sizeof options,
                                             .n_in = n_in,
                                             .n_out = n_out,
                                             .max_rows = 64,
                                             .encode = "binary",
                                             .readout = "offaxis",
                                             .rescale = -1,
                                             .bits = bits};
    if (opu_device_open(&rig.device, NULL, uri) < 0 ||
        opu_projection_create(&rig.projection, rig.device, &options) < 0) {
        fail_msg("%s: %s", uri, opu_error_message());
    }
    return rig;
}

static void close_rig(struct rig *rig)
{
    opu_projection_destroy(rig->projection);
    opu_device_close(rig->device);
}

/* Root of the mean square difference over that of b. */
static double distance(const float *a, const float *b, size_t n)
{
    double d2 = 0.0;
    double b2 = 0.0;
    for (size_t i = 0; i < n; i++) {
        d2 += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        b2 += (double)b[i] * (double)b[i];
    }
    return sqrt(d2 / b2);
}

static double operator_error(const char *options, size_t n_out)
{
    enum { n_in = 40, rows = 64 };
    char uri[200];
    (void)snprintf(uri, sizeof uri, "sim:%s", options);
    struct rig rig = open_rig(uri, n_in, n_out, 16);
    (void)snprintf(uri, sizeof uri, "exact:of=sim:%s", options);
    struct rig exact = open_rig(uri, n_in, n_out, 0);
    float in[rows * n_in];
    for (uint32_t i = 0; i < rows * n_in; i++) {
        in[i] = normal(i, 2) > 0.0 ? 1.0f : 0.0f;
    }
    float *const out = malloc(rows * n_out * sizeof *out);
    float *const wanted = malloc(rows * n_out * sizeof *wanted);
    assert_true(out != NULL && wanted != NULL);
    assert_int_equal(opu_project(rig.projection, in, n_in, rows, out, n_out), OPU_OK);
    assert_int_equal(opu_project(exact.projection, in, n_in, rows, wanted, n_out), OPU_OK);
    assert_string_equal(opu_projection_identity(rig.projection),
                        opu_projection_identity(exact.projection));
    double const d = distance(out, wanted, rows * n_out);
    print_message("# %s, %zu outputs, %s: %.2e from the operator\n", options, n_out,
                  opu_projection_identity(rig.projection), d);
    free(out);
    free(wanted);
    close_rig(&rig);
    close_rig(&exact);
    return d;
}

/*
 * Without noise, 16 bits: what is left is |S|^2 that the picture's edge spills into the side band,
 * 1e-5 to 5e-5 of a mode's power (core/device/sideband.h), so below 1 % of its amplitude.
 */
static void one_frame_gives_the_operator(void **state)
{
    (void)state;
    assert_true(operator_error("noise=none,leakage=0", 200) < 0.01);
    assert_true(operator_error("noise=none,leakage=0", 1001) < 0.01);
    /* Leakage is measured at the same edge, and taken off. */
    assert_true(operator_error("noise=none", 200) < 0.012);
}

static size_t team(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_num_threads();
#else
    return 1;
#endif
}

/* Each thread has its device, as many as the caller likes: theirs are not the library's threads. */
static void a_callers_own_threads_do_no_harm(void **state)
{
    (void)state;
    enum { n_in = 40, n_out = 60 };
    float in[n_in], wanted[n_out], out[n_out];
    for (uint32_t i = 0; i < n_in; i++) {
        in[i] = i % 3 == 0 ? 1.0f : 0.0f;
    }
    static const char uri[] = "sim:noise=none,pilot=4";
    struct rig rig = open_rig(uri, n_in, n_out, 16);
    assert_int_equal(opu_project(rig.projection, in, n_in, 1, wanted, n_out), OPU_OK);
    close_rig(&rig);
    int status = OPU_E_INVALID;
#pragma omp parallel num_threads((int)opu_sideband_threads() + 5)
    {
        /* the last one, also where there is but one */
        if (opu_sideband_thread() + 1 == team()) {
            rig = open_rig(uri, n_in, n_out, 16);
            status = opu_project(rig.projection, in, n_in, 1, out, n_out);
            close_rig(&rig);
        }
    }
    assert_int_equal(status, OPU_OK);
    /* The light's sums may round otherwise with another number of threads: a count of 16 bits. */
    assert_true(distance(out, wanted, n_out) < 1e-3);
}

/* Pixels of unlike gain under one arm: flat-fielded. 1 % PRNU unheeded would be 0.01 sqrt(nr eta /
 * ns) = 0.5 % of a mode, on top of the offsets that go as the square of the arm's amplitude. */
static void unlike_pixels_do_no_harm(void **state)
{
    (void)state;
    double const d = operator_error("prnu=0.02,read_noise=0,full_well=1e8", 400);
    assert_true(d < 0.02);
}

/* Entries of unit variance, all modes alike: 150 x 400 complex entries know it to 0.4 %; a mode's
 * 400 know it to 5 %, and the worst of 150 is within 4.5 deviations. */
static void entries_have_one_variance_whatever_the_mode(void **state)
{
    (void)state;
    enum { n_in = 400, n_out = 300 };
    struct rig exact = open_rig("exact:of=sim:", n_in, n_out, 0);
    static float in[50 * n_in];
    static float out[50 * n_out];
    static double power[n_out / 2];
    for (size_t first = 0; first < n_in; first += 50) {
        memset(in, 0, sizeof in);
        for (size_t r = 0; r < 50; r++) {
            in[r * n_in + first + r] = 1.0f;
        }
        assert_int_equal(opu_project(exact.projection, in, n_in, 50, out, n_out), OPU_OK);
        for (size_t i = 0; i < 50 * n_out; i++) {
            power[i % n_out / 2] += (double)out[i] * (double)out[i] / (2.0 * n_in);
        }
    }
    double mean = 0.0;
    double const modes = (double)n_out / 2.0;
    for (size_t m = 0; m < n_out / 2; m++) {
        mean += power[m] / modes;
        if (!(fabs(power[m] - 1.0) <= 4.5 / sqrt(400.0) + 0.02)) {
            fail_msg("mode %zu: entries have the variance %g", m, power[m]);
        }
    }
    print_message("# mean variance of the entries %.4f\n", mean);
    assert_true(fabs(mean - 1.0) < 0.02); /* 5 deviations; the pupil is so many points */
    close_rig(&exact);
}

/* Sum over the pupil's points of the power that each gives mode m: E|F|^2, no sampling in it. */
static void add_point(struct opu_sim_region *region, struct opu_sideband *band, size_t side,
                      size_t point, size_t n_modes, float *room, double *power, double *light)
{
    float *const field = room;
    float *const in = room + 2 * (side * side + OPU_BLOCK_PIXELS);
    float *const picture = opu_sideband_picture(band, 0);
    in[opu_block_offset(point)] = 1.0f;
    opu_sim_region_field(region, in, true, field);
    in[opu_block_offset(point)] = 0.0f;
    for (size_t k = 0; k < side * side; k++) {
        float const re = field[opu_block_offset(k)];
        float const im = field[opu_block_offset(k) + OPU_BLOCK_PIXELS];
        picture[k / side * opu_sideband_stride(band) + k % side] = 2.0f * re;
        *light += ((double)re * (double)re + (double)im * (double)im) / (double)(side * side);
    }
    const float *const modes = opu_sideband_filter(band, 0);
    for (size_t i = 0; i < 2 * n_modes; i++) {
        power[i / 2] += (double)modes[i] * (double)modes[i];
    }
}

/*
 * Modes as bright as the pixels, in small pictures too. The simulator's pupil is one of points, and
 * edges of such are steps: what a numerical sum of the same says of eleven sizes is 0.996 to 1.004
 * on average and 0.990 to 1.018 for single modes; v(q) itself is within 1 % of that for a disc.
 */
static void modes_are_as_bright_as_the_picture(void **state)
{
    (void)state;
    static const size_t sizes[] = {20, 60, 100, 150, 200, 256, 512};
    static double power[512];
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t const n = sizes[i];
        struct opu_region setup;
        struct opu_sim_region *region;
        struct opu_sideband *band;
        size_t points;
        assert_true(opu_sideband_region(&setup, n));
        assert_int_equal(opu_sim_region_create(&region, &points, context, &setup, false), OPU_OK);
        assert_int_equal(opu_sideband_create(&band, context, &setup, n, 1), OPU_OK);
        size_t const side = setup.width;
        float *const room = calloc(2 * (side * side + points + 2 * OPU_BLOCK_PIXELS), sizeof *room);
        assert_non_null(room);
        memset(power, 0, sizeof power);
        double light = 0.0;
        for (size_t k = 0; k < points; k++) {
            add_point(region, band, side, k, n, room, power, &light);
        }
        double mean = 0.0;
        for (size_t m = 0; m < n; m++) {
            mean += power[m] / (double)n;
            assert_true(fabs(power[m] - 1.0) < 0.03);
        }
        print_message("# %zu modes of %zu x %zu pixels, %zu points: light %.5f, modes %.4f\n", n,
                      side, side, points, light, mean);
        assert_true(fabs(light - 1.0) < 1e-4); /* floats */
        assert_true(fabs(mean - 1.0) < 0.006);
        free(room);
        opu_sideband_destroy(band);
        opu_sim_region_destroy(region);
    }
    opu_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_grow_with_the_outputs),
        cmocka_unit_test(a_mode_gives_itself),
        cmocka_unit_test(one_frame_gives_the_operator),
        cmocka_unit_test(a_callers_own_threads_do_no_harm),
        cmocka_unit_test(unlike_pixels_do_no_harm),
        cmocka_unit_test(entries_have_one_variance_whatever_the_mode),
        cmocka_unit_test(modes_are_as_bright_as_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
