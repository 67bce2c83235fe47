/* SPDX-License-Identifier: MIT */
/* Encoders against their formulas (core/device/encode.h), the stochastic one against its
 * expectation. */
#include "base_support.h"

#include <math.h>

#include "core/device/encode.h"

#define N 11
#define BYTES ((N + 7) / 8)

static struct opu_encoder encoder_make(const char *text, bool rescale)
{
    struct opu_encoder encoder = {.rescale = rescale, .seed = 5};
    assert_int_equal(opu_encoder_parse(&encoder, text), OPU_OK);
    return encoder;
}

static const float row[N] = {1.0f,   -0.5f, 0.51f, -2.0f, 0.0f, 1.2f,
                             -1.01f, 0.99f, 2.0f,  1.0f,  -0.1f};

static void assert_pattern(const uint8_t *bits, const char *wanted)
{
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(bits[i / 8] >> i % 8 & 1, wanted[i] == '1');
    }
    /* Bits past the end stay off. */
    assert_int_equal(bits[BYTES - 1] >> N % 8, 0);
}

static double norm(const float *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum);
}

static void texts_are_parsed_and_written_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "float", "binary", "ternary:0.25", "ternary:stochastic", "bitplanes:1", "bitplanes:16"};
    static const size_t patterns[] = {1, 1, 2, 2, 2, 32};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct opu_encoder const encoder = encoder_make(texts[i], true);
        char text[48];
        opu_encoder_format(&encoder, text, sizeof text);
        assert_string_equal(text, texts[i]);
        assert_int_equal(opu_encoder_patterns(&encoder), patterns[i]);
    }
    char text[48];
    struct opu_encoder const encoder = encoder_make("ternary", true);
    opu_encoder_format(&encoder, text, sizeof text);
    assert_string_equal(text, "ternary:0.5");
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "tern",
                                        "ternary:",
                                        "ternary:1",
                                        "ternary:-1",
                                        "ternary:nan",
                                        "ternary:0.5x",
                                        "bitplanes:",
                                        "bitplanes:0",
                                        "bitplanes:17",
                                        "bitplanes:-1",
                                        "bitplanes:4294967297",
                                        "bitplanes",
                                        "Binary"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct opu_encoder encoder;
        assert_refused(opu_encoder_parse(&encoder, texts[i]), OPU_E_INVALID, "encode: saw \"");
        assert_refused(opu_encoder_parse(&encoder, texts[i]), OPU_E_INVALID, "bitplanes:k");
    }
}

static void binary_turns_positive_elements_on(void **state)
{
    (void)state;
    struct opu_encoder const encoder = encoder_make("binary", true);
    uint8_t bits[BYTES];
    struct opu_coded coded;
    assert_int_equal(opu_encode_row(&encoder, row, N, 0, 0, bits, &coded), OPU_OK);
    assert_pattern(bits, "10100101110");
    assert_int_equal(coded.n_on[0], 6);
    /* one rounding to float */
    assert_true(fabs((double)coded.weight[0] - norm(row, N) / sqrt(6.0)) < 1e-6);
}

static void ternary_keeps_what_is_above_its_share_of_the_largest(void **state)
{
    (void)state;
    struct opu_encoder const encoder = encoder_make("ternary:0.5", false);
    uint8_t bits[2 * BYTES];
    struct opu_coded coded;
    assert_int_equal(opu_encode_row(&encoder, row, N, 0, 0, bits, &coded), OPU_OK);
    /* threshold 1: strictly above */
    assert_pattern(bits, "00000100100");
    assert_pattern(bits + BYTES, "00010010000");
    assert_int_equal(coded.n_on[0], 2);
    assert_int_equal(coded.n_on[1], 2);
    assert_true(coded.weight[0] == 1.0f && coded.weight[1] == -1.0f);
}

static void rescale_gives_the_norm_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"ternary:0", "ternary:0.3", "ternary:0.9"};
    for (size_t i = 0; i < 3; i++) {
        struct opu_encoder const encoder = encoder_make(texts[i], true);
        uint8_t bits[2 * BYTES];
        struct opu_coded coded;
        float back[N];
        assert_int_equal(opu_encode_row(&encoder, row, N, 0, 0, bits, &coded), OPU_OK);
        opu_decode_row(&encoder, bits, &coded, N, back);
        /* a float's rounding */
        assert_true(fabs(norm(back, N) / norm(row, N) - 1.0) < 1e-6);
    }
}

static void bit_planes_are_exact_to_half_a_step(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= OPU_PLANES_MAX; k++) {
        char text[16];
        (void)snprintf(text, sizeof text, "bitplanes:%u", k);
        struct opu_encoder const encoder = encoder_make(text, true);
        uint8_t bits[2 * OPU_PLANES_MAX * BYTES];
        struct opu_coded coded;
        float back[N];
        assert_int_equal(opu_encode_row(&encoder, row, N, 0, 0, bits, &coded), OPU_OK);
        opu_decode_row(&encoder, bits, &coded, N, back);
        /* step = max / (2^k - 1), and the sum's rounding */
        double const bar = 0.5 * 2.0 / (double)((1u << k) - 1) + 1e-6;
        for (size_t i = 0; i < N; i++) {
            assert_true(fabs((double)back[i] - (double)row[i]) <= bar);
        }
    }
}

static void zero_rows_and_empty_halves_have_nothing_on(void **state)
{
    (void)state;
    static const char *const texts[] = {"binary", "ternary", "ternary:stochastic", "bitplanes:3"};
    float const zero[N] = {0.0f, -0.0f};
    float const positive[N] = {0.0f, 3.0f, 3.0f};
    for (size_t i = 0; i < 4; i++) {
        struct opu_encoder const encoder = encoder_make(texts[i], true);
        uint8_t bits[2 * OPU_PLANES_MAX * BYTES];
        struct opu_coded coded;
        size_t const patterns = opu_encoder_patterns(&encoder);
        assert_int_equal(opu_encode_row(&encoder, zero, N, 0, 0, bits, &coded), OPU_OK);
        for (size_t k = 0; k < patterns; k++) {
            assert_int_equal(coded.n_on[k], 0);
        }
        assert_int_equal(opu_encode_row(&encoder, positive, N, 0, 0, bits, &coded), OPU_OK);
        for (size_t k = 0; k < patterns; k++) {
            bool const lower = patterns > 1 && k >= patterns / 2;
            assert_int_equal(coded.n_on[k], lower ? 0 : 2);
        }
    }
}

static void smallest_and_largest_floats_are_encoded(void **state)
{
    (void)state;
    static const char *const texts[] = {"binary", "ternary", "ternary:stochastic", "bitplanes:8"};
    float const sizes[] = {1e-45f, 1e-38f, 1e38f, 3.4e38f};
    for (size_t i = 0; i < 4; i++) {
        for (size_t s = 0; s < 4; s++) {
            struct opu_encoder const encoder = encoder_make(texts[i], true);
            float const x[2] = {sizes[s], 0.0f};
            uint8_t bits[2 * OPU_PLANES_MAX];
            struct opu_coded coded;
            float back[2];
            assert_int_equal(opu_encode_row(&encoder, x, 2, 0, 0, bits, &coded), OPU_OK);
            opu_decode_row(&encoder, bits, &coded, 2, back);
            /* 2^-23 for planes that add up; planes of the smallest denormal are below all floats */
            double const bar = i == 3 && s == 0 ? 1.5e-45 : 1e-6 * (double)sizes[s];
            assert_true(fabs((double)back[0] - (double)sizes[s]) <= bar);
            assert_true(isfinite(back[0]));
        }
    }
}

static void what_is_not_finite_is_refused_by_row_and_column(void **state)
{
    (void)state;
    float const bad[] = {NAN, INFINITY, -INFINITY};
    struct opu_encoder const encoder = encoder_make("ternary", true);
    for (size_t i = 0; i < 3; i++) {
        float x[N] = {0.0f};
        uint8_t bits[2 * BYTES];
        struct opu_coded coded;
        x[9] = bad[i];
        assert_refused(opu_encode_row(&encoder, x, N, 0, 12, bits, &coded), OPU_E_NUMERIC,
                       "row 12, column 9");
    }
}

static void stochastic_rounding_is_unbiased(void **state)
{
    (void)state;
    enum { draws = 20000 };
    struct opu_encoder const encoder = encoder_make("ternary:stochastic", true);
    double sum[N] = {0.0};
    for (uint64_t key = 0; key < draws; key++) {
        uint8_t bits[2 * BYTES];
        struct opu_coded coded;
        float back[N];
        assert_int_equal(opu_encode_row(&encoder, row, N, key, 0, bits, &coded), OPU_OK);
        opu_decode_row(&encoder, bits, &coded, N, back);
        for (size_t i = 0; i < N; i++) {
            sum[i] += (double)back[i];
        }
    }
    for (size_t i = 0; i < N; i++) {
        /* A draw is 2 with probability p = |x| / 2: deviation of the mean 2 sqrt(p (1 - p) /
         * draws); 5 of them for 11 elements at a fixed seed. */
        double const p = fabs((double)row[i]) / 2.0;
        double const bar = 5.0 * 2.0 * sqrt(p * (1.0 - p) / draws) + 1e-9;
        assert_true(fabs(sum[i] / draws - (double)row[i]) <= bar);
    }
}

static void stochastic_draws_depend_on_key_and_seed_alone(void **state)
{
    (void)state;
    struct opu_encoder encoder = encoder_make("ternary:stochastic", true);
    float x[64];
    for (size_t i = 0; i < 64; i++) {
        x[i] = i == 0 ? 1.0f : 0.5f;
    }
    uint8_t bits[4][16];
    struct opu_coded coded;
    assert_int_equal(opu_encode_row(&encoder, x, 64, 3, 0, bits[0], &coded), OPU_OK);
    assert_int_equal(opu_encode_row(&encoder, x, 64, 3, 7, bits[1], &coded), OPU_OK);
    assert_int_equal(opu_encode_row(&encoder, x, 64, 4, 0, bits[2], &coded), OPU_OK);
    encoder.seed++;
    assert_int_equal(opu_encode_row(&encoder, x, 64, 3, 0, bits[3], &coded), OPU_OK);
    assert_memory_equal(bits[0], bits[1], 16);
    assert_memory_not_equal(bits[0], bits[2], 16);
    assert_memory_not_equal(bits[0], bits[3], 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_parsed_and_written_back),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(binary_turns_positive_elements_on),
        cmocka_unit_test(ternary_keeps_what_is_above_its_share_of_the_largest),
        cmocka_unit_test(rescale_gives_the_norm_back),
        cmocka_unit_test(bit_planes_are_exact_to_half_a_step),
        cmocka_unit_test(zero_rows_and_empty_halves_have_nothing_on),
        cmocka_unit_test(smallest_and_largest_floats_are_encoded),
        cmocka_unit_test(what_is_not_finite_is_refused_by_row_and_column),
        cmocka_unit_test(stochastic_rounding_is_unbiased),
        cmocka_unit_test(stochastic_draws_depend_on_key_and_seed_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
