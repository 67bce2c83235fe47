/* SPDX-License-Identifier: MIT */
/* Philox against published answers; uniform and normal draws against the moments of their laws. */
#include "base_support.h"

#include <math.h>

#include "core/base/philox.h"
#include "core/base/rng.h"
#include "core/base/vmath.h"

#ifdef OPU_HAVE_RANDOM123
#include <Random123/philox.h>
#endif

#define SEED UINT64_C(20240917)
#define N_BLOCKS ((uint32_t)1 << 18)
#define N_DRAWS (4.0 * (double)N_BLOCKS)
/* A fixed seed decides once; 5 sigma would fail one seed in 2 million, so a failure is a fault. */
#define SIGMAS 5.0

static void assert_words(struct opu_philox4 block, const uint32_t wanted[4])
{
    for (int i = 0; i < 4; i++) {
        assert_int_equal(block.v[i], wanted[i]);
    }
}

/* kat_vectors of Random123. */
static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    assert_words(opu_philox_raw(0, 0, 0, 0, 0, 0),
                 (const uint32_t[4]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    assert_words(
        opu_philox_raw(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff),
        (const uint32_t[4]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    assert_words(
        opu_philox_raw(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0),
        (const uint32_t[4]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void counter_and_key_words_stand_in_the_documented_order(void **state)
{
    (void)state;
    struct opu_philox4 const raw =
        opu_philox_raw(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0);
    struct opu_philox4 const block = opu_philox(UINT64_C(0x299f31d0a4093822), 0x03707344,
                                                0x243f6a88, UINT64_C(0x13198a2e85a308d3));
    assert_words(block, raw.v);
    assert_words(opu_philox_block(UINT64_C(0x299f31d0a4093822), 0x03707344, 0x243f6a88,
                                  UINT64_C(0x13198a2e85a308d3)),
                 raw.v);
}

#ifdef OPU_HAVE_RANDOM123
static void philox_agrees_with_random123(void **state)
{
    (void)state;
    struct opu_philox4 at = {{1, 2, 3, 4}};
    for (int i = 0; i < 10000; i++) {
        uint32_t const k0 = at.v[1] ^ 0x12345678u;
        uint32_t const k1 = at.v[2] + (uint32_t)i;
        philox4x32_ctr_t const ctr = {{at.v[0], at.v[1], at.v[2], at.v[3]}};
        philox4x32_key_t const key = {{k0, k1}};
        philox4x32_ctr_t const wanted = philox4x32(ctr, key);
        at = opu_philox_raw(at.v[0], at.v[1], at.v[2], at.v[3], k0, k1);
        assert_words(at, wanted.v);
    }
}
#endif

static void uniform_never_reaches_0_or_1(void **state)
{
    (void)state;
    uint32_t const words[] = {0, 1, 255, 256, 0x7fffffff, 0x80000000, 0xffffff00, 0xffffffff};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_true(opu_uniform(words[i]) > 0.0 && opu_uniform(words[i]) < 1.0);
        assert_true(opu_uniformf(words[i]) > 0.0f && opu_uniformf(words[i]) < 1.0f);
        /* the float has 24 bits */
        assert_true(fabs(opu_uniform(words[i]) - (double)opu_uniformf(words[i])) <= 0x1p-23);
    }
    assert_true(opu_uniform(0) <= 0x1p-33 && opu_uniform(0xffffffff) >= 1.0 - 0x1p-33);
}

static void uniform_has_the_moments_of_its_law(void **state)
{
    (void)state;
    print_message("# seed %llu\n", (unsigned long long)SEED);
    double sum = 0.0;
    double squares = 0.0;
    for (uint32_t i = 0; i < N_BLOCKS; i++) {
        struct opu_philox4 const block = opu_philox(SEED, OPU_STREAM_TEST, i, 0);
        for (int j = 0; j < 4; j++) {
            double const d = (double)opu_uniformf(block.v[j]) - 0.5;
            sum += d;
            squares += d * d;
        }
    }
    /* variance 1/12; the variance of a squared deviation is 1/80 - 1/144 = 1/180 */
    assert_true(fabs(sum / N_DRAWS) < SIGMAS * sqrt(1.0 / 12.0 / N_DRAWS));
    assert_true(fabs(squares / N_DRAWS - 1.0 / 12.0) < SIGMAS * sqrt(1.0 / 180.0 / N_DRAWS));
}

static void normal_has_the_moments_of_its_law(void **state)
{
    (void)state;
    double m[5] = {0};
    double cross[3] = {0};
    for (uint32_t i = 0; i < N_BLOCKS; i++) {
        float z[4];
        opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, i, 1), z);
        for (int j = 0; j < 4; j++) {
            double power = 1.0;
            for (int k = 1; k < 5; k++) {
                power *= (double)z[j];
                m[k] += power / N_DRAWS;
            }
        }
        for (int j = 0; j < 3; j++) {
            cross[j] += (double)z[j] * (double)z[j + 1] / (double)N_BLOCKS;
        }
    }
    /* Var z^k = E z^2k - (E z^k)^2: 1, 3 - 1, 15, 105 - 9 */
    assert_true(fabs(m[1]) < SIGMAS * sqrt(1.0 / N_DRAWS));
    assert_true(fabs(m[2] - 1.0) < SIGMAS * sqrt(2.0 / N_DRAWS));
    assert_true(fabs(m[3]) < SIGMAS * sqrt(15.0 / N_DRAWS));
    assert_true(fabs(m[4] - 3.0) < SIGMAS * sqrt(96.0 / N_DRAWS));
    for (int j = 0; j < 3; j++) {
        assert_true(fabs(cross[j]) < SIGMAS * sqrt(1.0 / (double)N_BLOCKS));
    }
}

/* 64 equally likely bins by the normal distribution function: chi-square has mean 63, variance 126.
 */
static void normal_fills_equal_bins_equally(void **state)
{
    (void)state;
    double counts[64] = {0};
    for (uint32_t i = 0; i < N_BLOCKS; i++) {
        float z[4];
        opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, i, 2), z);
        for (int j = 0; j < 4; j++) {
            double const p = 0.5 * erfc(-(double)z[j] / sqrt(2.0));
            int const bin = (int)(p * 64.0);
            counts[bin < 63 ? bin : 63] += 1.0;
        }
    }
    double chi2 = 0.0;
    for (int i = 0; i < 64; i++) {
        double const d = counts[i] - N_DRAWS / 64.0;
        chi2 += d * d / (N_DRAWS / 64.0);
    }
    assert_true(fabs(chi2 - 63.0) < SIGMAS * sqrt(126.0));
}

static int ascending(const void *a, const void *b)
{
    float const x = *(const float *)a;
    float const y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov: sqrt(n) D exceeds 2.7 with probability 2 exp(-2 * 2.7^2) = 1e-6. */
static void normal_follows_its_distribution_function(void **state)
{
    (void)state;
    enum { n = 1 << 20 };
    float *const z = malloc(n * sizeof *z);
    assert_non_null(z);
    for (uint32_t i = 0; i < n / 4; i++) {
        opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, i, 3), z + 4 * (size_t)i);
    }
    qsort(z, n, sizeof *z, ascending);
    double worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        double const f = 0.5 * erfc(-(double)z[i] / sqrt(2.0));
        worst = fmax(worst, fmax(f - (double)i / n, (double)(i + 1) / n - f));
    }
    assert_true(sqrt(n) * worst < 2.7);
    free(z);
}

/*
 * Even moments to the sixth and the shares beyond 1 to 5 sigma, each to the bar of 33 million
 * draws. Beyond 5 sigma 19 are expected: Poisson, none with p = 4e-9, more than 54 with p = 1e-10.
 */
static void normal_has_its_tails(void **state)
{
    (void)state;
    uint32_t const n_blocks = 1u << 23;
    double const n = 4.0 * n_blocks;
    double m[3] = {0};
    double beyond[6] = {0};
    for (uint32_t i = 0; i < n_blocks; i++) {
        float z[4];
        opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, i, 4), z);
        for (int j = 0; j < 4; j++) {
            double const square = (double)z[j] * (double)z[j];
            m[0] += square;
            m[1] += square * square;
            m[2] += square * square * square;
            for (int s = 1; s <= 5 && square > (double)(s * s); s++) {
                beyond[s] += 1.0;
            }
        }
    }
    /* Var z^2k = E z^4k - (E z^2k)^2: 2, 105 - 9, 10395 - 225 */
    assert_true(fabs(m[0] / n - 1.0) < SIGMAS * sqrt(2.0 / n));
    assert_true(fabs(m[1] / n - 3.0) < SIGMAS * sqrt(96.0 / n));
    assert_true(fabs(m[2] / n - 15.0) < SIGMAS * sqrt(10170.0 / n));
    for (int s = 1; s <= 4; s++) {
        double const p = erfc(s / sqrt(2.0));
        assert_true(fabs(beyond[s] - n * p) < SIGMAS * sqrt(n * p * (1.0 - p)));
    }
    assert_true(beyond[5] >= 1.0 && beyond[5] <= 54.0);
}

static void normal_is_finite_at_the_extremes(void **state)
{
    (void)state;
    uint32_t const words[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    size_t const n = sizeof words / sizeof words[0];
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            float a;
            float b;
            opu_box_muller(words[i], words[j], &a, &b);
            double const radius = hypot((double)a, (double)b);
            assert_true(isfinite(a) && isfinite(b));
            /* sqrt(-2 ln 2^-32) = 6.66 */
            assert_true(radius <= 6.6605);
            double const u = (floor((double)words[i] / 2.0) + 0.5) * 0x1p-31;
            /* Where u rounds to 1 its radius is 0; else a few ULP of the float pieces. */
            assert_true(u > 1.0 - 0x1p-24 ||
                        fabs(radius - sqrt(-2.0 * log(u))) < 1e-3 + 1e-6 * radius);
        }
    }
}

static void streams_and_seeds_do_not_repeat_each_other(void **state)
{
    (void)state;
    struct opu_philox4 const base = opu_philox(SEED, 1, 0, 0);
    struct opu_philox4 const others[] = {
        opu_philox(SEED + 1, 1, 0, 0), opu_philox(SEED + (UINT64_C(1) << 32), 1, 0, 0),
        opu_philox(SEED, 2, 0, 0),     opu_philox(SEED, 1, 1, 0),
        opu_philox(SEED, 1, 0, 1),     opu_philox(SEED, 1, 0, UINT64_C(1) << 32),
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_memory_not_equal(&base, &others[i], sizeof base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(counter_and_key_words_stand_in_the_documented_order),
#ifdef OPU_HAVE_RANDOM123
        cmocka_unit_test(philox_agrees_with_random123),
#endif
        cmocka_unit_test(uniform_never_reaches_0_or_1),
        cmocka_unit_test(uniform_has_the_moments_of_its_law),
        cmocka_unit_test(normal_has_the_moments_of_its_law),
        cmocka_unit_test(normal_fills_equal_bins_equally),
        cmocka_unit_test(normal_follows_its_distribution_function),
        cmocka_unit_test(normal_has_its_tails),
        cmocka_unit_test(normal_is_finite_at_the_extremes),
        cmocka_unit_test(streams_and_seeds_do_not_repeat_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
