/* SPDX-License-Identifier: MIT */
/* Vector maths: ULP against libm in double over dense sweeps, and the same bits at every vector
 * level. */
#include "base_support.h"

#include <math.h>

#include "base_vmath_kernels.h"
#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/base/vmath.h"

/* A prime number of values, so that the loops' remainders run too. */
#define CHUNK 65521

typedef void map_fn(const float *x, size_t n, float *a, float *b);

#ifdef __x86_64__
#define LEVELS(name) \
    { \
        name##_base, name##_avx2, name##_avx512 \
    }
#else
#define LEVELS(name) \
    { \
        name##_base \
    }
#endif

static float in[CHUNK], out_a[CHUNK], out_b[CHUNK], base_a[CHUNK], base_b[CHUNK];

/* Error in units of the last place of the exact result as a float, subnormals included. */
static double ulps(float got, double exact)
{
    int exponent;
    (void)frexp(exact, &exponent);
    int const least = exponent > -125 ? exponent : -125;
    return fabs((double)got - exact) / ldexp(1.0, least - 24);
}

/* All floats from `first` to `last` in bit patterns, `step` apart, through every level. */
static double sweep(map_fn *const levels[OPU_ISA_COUNT], uint32_t first, uint32_t last,
                    uint32_t step, double (*exact)(double))
{
    double worst = 0.0;
    for (uint64_t at = first; at <= last;) {
        size_t n = 0;
        for (; n < CHUNK && at <= last; n++, at += step) {
            in[n] = opu_bits_float((uint32_t)at);
        }
        levels[OPU_ISA_BASE](in, n, base_a, base_b);
        for (size_t i = 0; i < n; i++) {
            double const error = ulps(base_a[i], exact((double)in[i]));
            worst = error > worst || isnan(error) ? error : worst;
        }
        for (int isa = OPU_ISA_BASE + 1; isa < OPU_ISA_COUNT; isa++) {
            if (opu_isa_usable((enum opu_isa)isa)) {
                levels[isa](in, n, out_a, out_b);
                assert_memory_equal(out_a, base_a, n * sizeof(float));
            }
        }
    }
    return worst;
}

/* The bounds: what an exhaustive sweep found (0.96, 1.41, 1.66), rounded up. */
static void exp_is_within_1_ulp_of_libm(void **state)
{
    (void)state;
    map_fn *const levels[OPU_ISA_COUNT] = LEVELS(map_exp);
    assert_true(sweep(levels, 0x00000000u, 0x42b17217u, 1021, exp) <= 1.0); /* to 88.72 */
    assert_true(sweep(levels, 0x80000000u, 0xc2aeac4fu, 1021, exp) <= 1.0); /* to -87.34 */
    assert_true(sweep(levels, 0xc2aeac50u, 0xc2cff1b4u, 7, exp) <= 1.0);    /* subnormal */
}

static void tanh_is_within_2_ulp_of_libm(void **state)
{
    (void)state;
    map_fn *const levels[OPU_ISA_COUNT] = LEVELS(map_tanh);
    assert_true(sweep(levels, 0x00000000u, 0x7f7fffffu, 1021, tanh) <= 2.0);
    assert_true(sweep(levels, 0x80000000u, 0xff7fffffu, 1021, tanh) <= 2.0);
    assert_true(sweep(levels, 0x3f000000u, 0x3f200000u, 3, tanh) <= 2.0); /* where branches meet */
}

/* sin and cos of 2 pi x with the reduction done exactly, so that results near 0 are exact too. */
static void exact_sincos(double x, double *sine, double *cosine)
{
    double const pi = 3.14159265358979323846;
    long const q = lround(4.0 * x);
    double const r = 2.0 * pi * (x - 0.25 * (double)q);
    double const parts[4] = {sin(r), cos(r), -sin(r), -cos(r)};
    *sine = parts[q & 3];
    *cosine = parts[(q + 1) & 3];
}

static void sincos_is_within_2_ulp_of_libm(void **state)
{
    (void)state;
    map_fn *const levels[OPU_ISA_COUNT] = LEVELS(map_sincos);
    double worst = 0.0;
    for (int32_t at = -(1 << 24); at <= 1 << 24;) {
        size_t n = 0;
        for (; n < CHUNK && at <= 1 << 24; n++, at += 11) {
            in[n] = (float)at * 0x1p-24f;
        }
        levels[OPU_ISA_BASE](in, n, base_a, base_b);
        for (size_t i = 0; i < n; i++) {
            double s;
            double c;
            exact_sincos((double)in[i], &s, &c);
            double const error = fmax(ulps(base_a[i], s), ulps(base_b[i], c));
            worst = error > worst || isnan(error) ? error : worst;
        }
        for (int isa = OPU_ISA_BASE + 1; isa < OPU_ISA_COUNT; isa++) {
            if (opu_isa_usable((enum opu_isa)isa)) {
                levels[isa](in, n, out_a, out_b);
                assert_memory_equal(out_a, base_a, n * sizeof(float));
                assert_memory_equal(out_b, base_b, n * sizeof(float));
            }
        }
    }
    assert_true(worst <= 2.0);
}

static void special_points_are_exact(void **state)
{
    (void)state;
    assert_true(opu_expf(0.0f) == 1.0f);
    assert_true(opu_expf(-1e30f) == 0.0f && isinf(opu_expf(89.0f)) && isinf(opu_expf(3e38f)));
    assert_true(opu_tanhf(0.0f) == 0.0f && signbit(opu_tanhf(-0.0f)));
    assert_true(opu_tanhf(20.0f) == 1.0f && opu_tanhf(-3e38f) == -1.0f);
    assert_true(isnan(opu_tanhf(NAN)) && isnan(opu_expf(NAN)));
    float const quarters[][3] = {{0.0f, 0.0f, 1.0f},   {0.25f, 1.0f, 0.0f},  {0.5f, 0.0f, -1.0f},
                                 {0.75f, -1.0f, 0.0f}, {1.0f, 0.0f, 1.0f},   {-0.25f, -1.0f, 0.0f},
                                 {-0.5f, 0.0f, -1.0f}, {-0.75f, 1.0f, 0.0f}, {-1.0f, 0.0f, 1.0f}};
    for (size_t i = 0; i < sizeof quarters / sizeof quarters[0]; i++) {
        float s;
        float c;
        opu_sincos2pif(quarters[i][0], &s, &c);
        assert_true(s == quarters[i][1] && c == quarters[i][2]);
    }
}

/*
 * Against libm in double, word by word. u is a float: 2^-24 of itself off, 2^-24 / radius of the
 * radius; the polynomial is good to 1.7e-7 of the logarithm, half of that in the radius, and a few
 * roundings of 6e-8 come on top.
 */
static void normal_radius_is_that_of_libm(void **state)
{
    (void)state;
    for (uint64_t word = 0; word <= UINT32_MAX; word += 65497) {
        uint64_t const odd = word / 2 * 2 + 1;
        double const exact = sqrt(-2.0 * log((double)odd * 0x1p-32));
        double const error = fabs((double)opu_normal_radius((uint32_t)word) - exact);
        assert_true(error <= 3e-7 * exact + 0x1p-24 / exact);
    }
    assert_true(opu_normal_radius(UINT32_MAX) == 0.0f);
    assert_true(fabs((double)opu_normal_radius(0) - sqrt(64.0 * log(2.0))) < 1e-6);
}

/* 2 ULP of 1 in either part; all eight octants, and each word's mirror images. */
static void normal_direction_is_a_point_of_the_circle(void **state)
{
    (void)state;
    double const pi = 3.14159265358979323846;
    for (uint64_t word = 0; word <= UINT32_MAX; word += 65497) {
        uint32_t const w = (uint32_t)word;
        int32_t const low = (int32_t)(w & 0x1fffffffu) - (int32_t)(w & 0x20000000u);
        double const angle = 2.0 * pi * (double)low * 0x1p-32;
        double const mirrored = (w >> 31 != 0 ? -1.0 : 1.0) * cos(angle);
        int const swapped = (w >> 30 & 1u) != 0;
        float x;
        float y;
        opu_normal_direction(w, &x, &y);
        assert_true(fabs((double)x - (swapped ? sin(angle) : mirrored)) <= 0x1p-22);
        assert_true(fabs((double)y - (swapped ? mirrored : sin(angle))) <= 0x1p-22);
    }
}

static void normals_of_a_kernel_are_those_of_the_plain_call(void **state)
{
    (void)state;
    void (*const levels[OPU_ISA_COUNT])(uint64_t, uint32_t, uint64_t, size_t, float *) =
        LEVELS(fill_normal);
    size_t const n_blocks = CHUNK / 4;
    uint64_t const seed = UINT64_C(0x123456789abcdef0);
    for (size_t i = 0; i < n_blocks; i++) {
        opu_normal4(opu_philox(seed, OPU_STREAM_TEST, (uint32_t)i, 77), &base_a[4 * i]);
    }
    for (int isa = OPU_ISA_BASE; isa < OPU_ISA_COUNT; isa++) {
        if (opu_isa_usable((enum opu_isa)isa)) {
            levels[isa](seed, OPU_STREAM_TEST, 77, n_blocks, out_a);
            assert_memory_equal(out_a, base_a, 4 * n_blocks * sizeof(float));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_1_ulp_of_libm),
        cmocka_unit_test(tanh_is_within_2_ulp_of_libm),
        cmocka_unit_test(sincos_is_within_2_ulp_of_libm),
        cmocka_unit_test(special_points_are_exact),
        cmocka_unit_test(normal_radius_is_that_of_libm),
        cmocka_unit_test(normal_direction_is_a_point_of_the_circle),
        cmocka_unit_test(normals_of_a_kernel_are_those_of_the_plain_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
