/* SPDX-License-Identifier: MIT */
/* Scores of pictures by brute force, and the kernels of every vector level. */
#include "tests/unit/base_support.h"
#include "tests/unit/nn_check.h"

#include "core/embed/packed.h"

static double square(const float *x, size_t d, size_t i, size_t j)
{
    double sum = 0.0;
    for (size_t c = 0; c < d; c++) {
        double const diff = (double)x[i * d + c] - (double)x[j * d + c];
        sum += diff * diff;
    }
    return sum;
}

/* 1 for the nearest; equal distances by number. */
static size_t rank_of(const float *x, size_t d, size_t n, size_t i, size_t j)
{
    size_t rank = 1;
    double const own = square(x, d, i, j);
    for (size_t l = 0; l < n; l++) {
        double const other = square(x, d, i, l);
        rank += l != i && l != j && (other < own || (other == own && l < j));
    }
    return rank;
}

static double plain_trust(const float *high, size_t d, const float *low, size_t n, size_t k)
{
    double owed = 0.0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (j != i && rank_of(low, 2, n, i, j) <= k) {
                double const rank = (double)rank_of(high, d, n, i, j);
                owed += rank > (double)k ? rank - (double)k : 0.0;
            }
        }
    }
    double const m = (double)n, kk = (double)k;
    return 1.0 - owed * (2.0 / (m * kk * (2.0 * m - 3.0 * kk - 1.0)));
}

static double trust(struct opu_context *context, const float *high, size_t d, const float *low,
                    size_t n, size_t k)
{
    struct opu_points const original = {.values = high, .n = n, .d = d};
    struct opu_points const picture = {.values = low, .n = n, .d = 2};
    double score;
    assert_int_equal(opu_embed_trustworthiness(context, &original, &picture, k, &score), OPU_OK);
    return score;
}

static void trustworthiness_is_that_of_the_formula(void **state)
{
    struct numbers numbers = {.seed = 91};
    for (size_t n = 9; n < 90; n += 16) {
        /* whole numbers: sums are exact in floats and doubles, and many distances are equal */
        float *const high = make_numbers(&numbers, n * 3), *const low =
                                                               make_numbers(&numbers, n * 2);
        for (size_t c = 0; c < n * 3; c++) {
            high[c] = rintf(6.0f * high[c]);
            low[c % (2 * n)] = rintf(6.0f * low[c % (2 * n)]);
        }
        for (size_t k = 1; k < 5; k++) {
            check_within("trustworthiness", n, trust(*state, high, 3, low, n, k),
                         plain_trust(high, 3, low, n, k), 1e-12);
        }
        free(low);
        free(high);
    }
}

static void faithful_picture_is_trusted_wholly(void **state)
{
    struct numbers numbers = {.seed = 92};
    float *const x = make_numbers(&numbers, 100);
    assert_true(trust(*state, x, 2, x, 50, 5) == 1.0);
    free(x);
}

static void one_swap_on_a_line_costs_what_it_owes(void **state)
{
    /* Points at 0 1 3 7 15; the picture swaps the first and the last. Neighbours nearest in it:
     * 15 is near 1 (rank 3 of 15, owes 2), 1 near 15 ... each told by hand:
     * i=0 (shown at 15): nearest shown is 3 (at 7), rank of 3 from 0: 3, owes 2
     * i=1 (at 1): nearest shown is 4 (at 0), rank 4, owes 3
     * i=2 (at 3): nearest shown is 1 (at 1), rank 1, owes 0
     * i=3 (at 7): nearest shown is 2, rank 1, owes 0
     * i=4 (shown at 0): nearest shown is 1, rank 3, owes 2 */
    float const high[5] = {0, 1, 3, 7, 15};
    float const low[10] = {15, 0, 1, 0, 3, 0, 7, 0, 0, 0};
    check_within("trustworthiness", 0, trust(*state, high, 1, low, 5, 1),
                 1.0 - 7.0 * 2.0 / (5.0 * 1.0 * (10.0 - 3.0 - 1.0)), 1e-15);
}

static void purity_counts_labels_of_the_nearest(void **state)
{
    /* pairs on a line; the unlabelled point would be everybody's neighbour */
    float const x[7] = {0, 1, 10, 11, 20, 21, 0.5f};
    int32_t const labels[7] = {0, 0, 1, 1, 2, 3, -1};
    struct opu_points const points = {.values = x, .n = 7, .d = 1};
    double purity;
    assert_int_equal(opu_embed_purity(*state, &points, labels, 1, &purity), OPU_OK);
    check_within("purity", 0, purity, 4.0 / 6.0, 1e-15);
    assert_int_equal(opu_embed_purity(*state, &points, labels, 5, &purity), OPU_OK);
    check_within("purity", 1, purity, 4.0 / 30.0, 1e-15);
}

static void scores_without_sense_are_refused(void **state)
{
    float x[20] = {0};
    int32_t labels[10] = {0, 0, 0, -1, -1, -1, -1, -1, -1, -1};
    struct opu_points const points = {.values = x, .n = 10, .d = 2};
    struct opu_points const fewer = {.values = x, .n = 9, .d = 2};
    double score;
    assert_refused(opu_embed_trustworthiness(*state, &points, &fewer, 2, &score), OPU_E_INVALID,
                   "9 points, wanted 10");
    assert_refused(opu_embed_trustworthiness(*state, &points, &points, 5, &score), OPU_E_INVALID,
                   "5 of 10 points");
    assert_refused(opu_embed_trustworthiness(*state, &points, &points, 0, &score), OPU_E_INVALID,
                   "0 of 10 points");
    assert_refused(opu_embed_purity(*state, &points, labels, 3, &score), OPU_E_INVALID,
                   "3 of 3 labelled");
    x[3] = NAN;
    assert_refused(opu_embed_purity(*state, &points, labels, 1, &score), OPU_E_NUMERIC,
                   "coordinate 1 of point 1");
}

static void huge_and_tiny_coordinates_keep_their_ranks(void **state)
{
    struct numbers numbers = {.seed = 93};
    float *const x = make_numbers(&numbers, 60 * 4), *const low = make_numbers(&numbers, 60 * 2);
    double const wanted = trust(*state, x, 4, low, 60, 5);
    for (size_t c = 0; c < 60 * 4; c++) {
        x[c] = ldexpf(x[c], 120);
    }
    assert_true(trust(*state, x, 4, low, 60, 5) == wanted);
    for (size_t c = 0; c < 60 * 4; c++) {
        x[c] = ldexpf(x[c], -200);
    }
    assert_true(trust(*state, x, 4, low, 60, 5) == wanted);
    free(low);
    free(x);
}

static void distances_are_plain_sums_at_every_level(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = 94};
    for (size_t d = 1; d < 200; d += 33) {
        float *const a = make_numbers(&numbers, d * 16), *const b = make_numbers(&numbers, d * 16);
        float base[16 * 16] = {0}, out[16 * 16];
        for (int level = 0; level < OPU_ISA_COUNT; level++) {
            if (!opu_isa_usable(level)) {
                continue;
            }
            opu_embed_kernels_at(level)->distances(level == 0 ? base : out, 16, a, b, d);
            if (level != 0) {
                assert_memory_equal(out, base, sizeof base);
            }
        }
        for (size_t e = 0; e < 256; e++) {
            double sum = 0.0;
            for (size_t c = 0; c < d; c++) {
                double const diff = (double)a[c * 16 + e / 16] - (double)b[c * 16 + e % 16];
                sum += diff * diff;
            }
            /* 64 + 4 additions of positive terms, 2 roundings in each term */
            check_within("distance", e, (double)base[e], sum, 70.0 * (double)FLT_EPSILON * sum);
        }
        free(b);
        free(a);
    }
}

/* One row's forces in double. */
static void plain_forces(double out[5], const float *x, const float *y, const float *p, size_t n,
                         size_t i)
{
    memset(out, 0, 5 * sizeof *out);
    for (size_t j = 0; j < n; j++) {
        double const dx = (double)x[i] - (double)x[j], dy = (double)y[i] - (double)y[j];
        double const q = 1.0 / (1.0 + dx * dx + dy * dy);
        out[0] += q;
        out[1] += q * q * dx;
        out[2] += q * q * dy;
        out[3] += (double)p[i * n + j] * q * dx;
        out[4] += (double)p[i * n + j] * q * dy;
    }
}

static void forces_are_plain_sums_at_every_level(void **state)
{
    (void)state;
    enum { N = 1093 };
    struct numbers numbers = {.seed = 95};
    float *const x = make_numbers(&numbers, N), *const y = make_numbers(&numbers, N);
    float *const p = make_numbers(&numbers, (size_t)N * N);
    double *const base = make(5 * (size_t)N, sizeof *base), *const out =
                                                                make(5 * (size_t)N, sizeof *out);
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (!opu_isa_usable(level)) {
            continue;
        }
        double *const to = level == 0 ? base : out;
        struct opu_embed_forces const work = {.x = x,
                                              .y = y,
                                              .n = N,
                                              .all = p,
                                              .q_sum = to,
                                              .repel_x = to + N,
                                              .repel_y = to + 2 * N,
                                              .attract_x = to + 3 * N,
                                              .attract_y = to + 4 * N};
        opu_embed_kernels_at(level)->forces(&work, 0, N);
        assert_memory_equal(to, base, 5 * N * sizeof *to);
    }
    for (size_t i = 0; i < N; i += 31) {
        double wanted[5];
        plain_forces(wanted, x, y, p, N, i);
        for (size_t e = 0; e < 5; e++) {
            /* 64 terms below 2 in a lane's float, 16 lanes, 2 pieces: 64 * 64 * 2^-24 * 32 at the
             * very most; signs and roundings are random, 1/10 of it */
            check_within("force", i, base[e * N + i], wanted[e], 8e-4);
        }
    }
    free(out);
    free(base);
    free(p);
    free(y);
    free(x);
}

static void other_kernels_have_the_same_bits_at_every_level(void **state)
{
    (void)state;
    enum { N = 1093 };
    struct numbers numbers = {.seed = 96};
    float *const x = make_numbers(&numbers, N);
    float p[N], first[N];
    struct opu_embed_entropy sums = {0};
    for (size_t j = 0; j < N; j++) {
        x[j] = fabsf(x[j]);
    }
    size_t few = 0;
    for (size_t j = 0; j < N; j++) {
        few += x[j] < 0.3f;
    }
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (!opu_isa_usable(level)) {
            continue;
        }
        const struct opu_embed_kernels *const kernels = opu_embed_kernels_at(level);
        assert_int_equal(kernels->below(x, N, 0.3f), few);
        struct opu_embed_entropy const seen = kernels->entropy(level == 0 ? first : p, x, N, 3.0f);
        if (level == 0) {
            sums = seen;
            continue;
        }
        assert_memory_equal(first, p, sizeof p);
        assert_true(seen.sum == sums.sum && seen.moment == sums.moment);
    }
    double sum = 0.0, moment = 0.0;
    for (size_t j = 0; j < N; j++) {
        sum += exp(-3.0 * (double)x[j]);
        moment += (double)x[j] * exp(-3.0 * (double)x[j]);
    }
    check_within("sum", 0, sums.sum, sum, 1e-5 * sum); /* 64 additions of positive floats */
    check_within("moment", 0, sums.moment, moment, 1e-5 * moment);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trustworthiness_is_that_of_the_formula),
        cmocka_unit_test(faithful_picture_is_trusted_wholly),
        cmocka_unit_test(one_swap_on_a_line_costs_what_it_owes),
        cmocka_unit_test(purity_counts_labels_of_the_nearest),
        cmocka_unit_test(scores_without_sense_are_refused),
        cmocka_unit_test(huge_and_tiny_coordinates_keep_their_ranks),
        cmocka_unit_test(distances_are_plain_sums_at_every_level),
        cmocka_unit_test(forces_are_plain_sums_at_every_level),
        cmocka_unit_test(other_kernels_have_the_same_bits_at_every_level),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
