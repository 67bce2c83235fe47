/* SPDX-License-Identifier: MIT */
/* The gaussian medium: moments of a circular Gaussian matrix, independence, entries by index. */
#include "sim_support.h"

#include "core/base/cpu.h"

#define N 512 /* inputs and outputs: 262144 entries */

/* H as [output][input][2]. */
static double *measure(uint64_t seed, enum opu_isa isa, uint64_t step)
{
    struct opu_medium *const medium = gaussian_medium(seed, isa, step);
    float *const strip = test_alloc((size_t)N * OPU_BLOCK_FLOATS, sizeof(*strip));
    double *const h = test_alloc((size_t)N * N * 2, sizeof(*h));
    for (uint32_t i0 = 0; i0 < N; i0 += OPU_BLOCK_PIXELS) {
        medium->ops->strip(medium, i0, 0, N, strip);
        for (size_t j = 0; j < N; ++j) {
            for (size_t k = 0; k < OPU_BLOCK_PIXELS; ++k) {
                double *const t = h + ((i0 + k) * N + j) * 2;
                t[0] = (double)strip[j * OPU_BLOCK_FLOATS + k];
                t[1] = (double)strip[j * OPU_BLOCK_FLOATS + OPU_BLOCK_PIXELS + k];
            }
        }
    }
    free(strip);
    medium->ops->destroy(medium);
    return h;
}

/*
 * Circular Gaussian (notes sec. 2, T1; Goodman, Statistical Optics, sec. 2.8): <t> = <t^2> = 0,
 * <I^k> = k!. n |<t>|^2 and n |<t^2>|^2 / 2 are exponential with mean 1: a bar of 14 is passed with
 * p = 1 - 8e-7. The variance of I^k is (2k)! - k!^2.
 */
static void check_moments(const double *h)
{
    double const n = (double)N * N;
    double t[2] = {0, 0};
    double t2[2] = {0, 0};
    double intensity[4] = {0, 0, 0, 0};
    for (size_t e = 0; e < (size_t)N * N; ++e) {
        double const x = h[2 * e];
        double const y = h[2 * e + 1];
        double const i = x * x + y * y;
        t[0] += x / n;
        t[1] += y / n;
        t2[0] += (x * x - y * y) / n;
        t2[1] += 2.0 * x * y / n;
        intensity[1] += i / n;
        intensity[2] += i * i / n;
        intensity[3] += i * i * i / n;
    }
    assert_near(n * (t[0] * t[0] + t[1] * t[1]), 0.0, 14.0, "n |<t>|^2");
    assert_near(n * (t2[0] * t2[0] + t2[1] * t2[1]) / 2.0, 0.0, 14.0, "n |<t^2>|^2 / 2");
    assert_near(intensity[1], 1.0, SIGMAS * sqrt(1.0 / n), "<I>");
    assert_near(intensity[2], 2.0, SIGMAS * sqrt(20.0 / n), "<I^2>");
    assert_near(intensity[3], 6.0, SIGMAS * sqrt(684.0 / n), "<I^3>");
}

static void entries_are_circular_gaussian(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        double *const h = measure(draw_word(), opu_isa_best(), 0);
        check_moments(h);
        double *const x = test_alloc((size_t)N * N, sizeof(*x));
        for (int part = 0; part < 2; ++part) {
            for (size_t e = 0; e < (size_t)N * N; ++e) {
                x[e] = h[2 * e + (size_t)part] * sqrt(2.0);
            }
            assert_near(kolmogorov(x, (size_t)N * N, normal_distribution), 0.0, KOLMOGOROV,
                        "sqrt(n) D against N(0, 1)");
        }
        free(x);
        free(h);
    }
}

/* n |<t t'*>|^2 is exponential with mean 1 for independent entries, as is n |<t t'>|^2. */
static void assert_independent(const double *h, size_t di, size_t dj, const char *what)
{
    double re[2] = {0, 0};
    double im[2] = {0, 0};
    size_t n = 0;
    for (size_t i = 0; i + di < N; ++i) {
        for (size_t j = 0; j + dj < N; ++j, ++n) {
            const double *const a = h + (i * N + j) * 2;
            const double *const b = h + ((i + di) * N + j + dj) * 2;
            re[0] += a[0] * b[0] + a[1] * b[1];
            im[0] += a[1] * b[0] - a[0] * b[1];
            re[1] += a[0] * b[0] - a[1] * b[1];
            im[1] += a[1] * b[0] + a[0] * b[1];
        }
    }
    for (int k = 0; k < 2; ++k) {
        assert_near((re[k] * re[k] + im[k] * im[k]) / (double)n, 0.0, 14.0, what);
    }
}

static void neighbours_are_independent(void **state)
{
    (void)state;
    double *const h = measure(draw_word(), opu_isa_best(), 0);
    assert_independent(h, 0, 1, "next input");
    assert_independent(h, 0, 2, "next pair of inputs");
    assert_independent(h, 1, 0, "next output");
    assert_independent(h, 64, 0, "next block of outputs");
    assert_independent(h, 1, 1, "diagonal");
    free(h);
}

/* Header of sim/medium/medium_gaussian.c, word for word, at three random places and the corners. */
static void entry_is_the_documented_draw(void **state)
{
    (void)state;
    uint64_t const seed = ((uint64_t)draw_word() << 32) | draw_word();
    double *const h = measure(seed, opu_isa_best(), 0);
    for (int run = 0; run < 7; ++run) {
        size_t const i = run < 4 ? (size_t)(run / 2) * (N - 1) : draw_size(0, N - 1);
        size_t const j = run < 4 ? (size_t)(run % 2) * (N - 1) : draw_size(0, N - 1);
        float z[4];
        opu_normal4(opu_philox(seed, OPU_STREAM_MATRIX, (uint32_t)(j / 2), i), z);
        for (size_t part = 0; part < 2; ++part) {
            float const wanted = 0.70710678f * z[2 * (j % 2) + part];
            assert_true(h[(i * N + j) * 2 + part] == (double)wanted);
        }
    }
    free(h);
}

static void every_vector_level_gives_the_same_bits(void **state)
{
    (void)state;
    uint64_t const seed = draw_word();
    uint64_t const steps[2] = {0, draw_size(1, 1u << 20)};
    for (size_t s = 0; s < 2; ++s) {
        double *const plain = measure(seed, OPU_ISA_BASE, steps[s]);
        for (int isa = OPU_ISA_AVX2; isa < OPU_ISA_COUNT; ++isa) {
            if (opu_isa_usable((enum opu_isa)isa)) {
                double *const fast = measure(seed, (enum opu_isa)isa, steps[s]);
                assert_memory_equal(fast, plain, (size_t)N * N * 2 * sizeof(*fast));
                free(fast);
            }
        }
        free(plain);
    }
}

/* An odd number of inputs, and a strip that starts elsewhere, hold the same entries. */
static void smaller_strips_are_parts_of_larger_ones(void **state)
{
    (void)state;
    struct opu_medium *const medium = gaussian_medium(draw_word(), opu_isa_best(), 0);
    float *const large = test_alloc(101 * OPU_BLOCK_FLOATS, sizeof(*large));
    float *const part = test_alloc(7 * OPU_BLOCK_FLOATS, sizeof(*part));
    medium->ops->strip(medium, 128, 0, 101, large);
    medium->ops->strip(medium, 128, 94, 7, part);
    assert_memory_equal(part, large + 94 * OPU_BLOCK_FLOATS, 7 * OPU_BLOCK_FLOATS * sizeof(*part));
    free(part);
    free(large);
    medium->ops->destroy(medium);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_circular_gaussian),
        cmocka_unit_test(neighbours_are_independent),
        cmocka_unit_test(entry_is_the_documented_draw),
        cmocka_unit_test(every_vector_level_gives_the_same_bits),
        cmocka_unit_test(smaller_strips_are_parts_of_larger_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
