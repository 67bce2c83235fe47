/* SPDX-License-Identifier: MIT */
/* opu_gemm against the triple loop in double, every transposition, and the shapes at the edge. */
#include "base_support.h"

#include <math.h>

#include "core/base/gemm.h"
#include "core/base/rng.h"

#define SIDE 40

static float uniform_at(uint32_t i)
{
    return 2.0f * opu_uniformf(opu_philox(7, OPU_STREAM_TEST, i, 0).v[0]) - 1.0f;
}

static float element(struct opu_matrix m, size_t row, size_t column)
{
    return m.transpose ? m.data[column * m.stride + row] : m.data[row * m.stride + column];
}

static void check(size_t m, size_t n, size_t k, bool ta, bool tb, float alpha, float beta)
{
    static float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE], before[SIDE * SIDE];
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        a[i] = uniform_at(i);
        b[i] = uniform_at(i + 10000);
        c[i] = before[i] = uniform_at(i + 20000);
    }
    struct opu_matrix const left = {a, SIDE, ta};
    struct opu_matrix const right = {b, SIDE - 1, tb};
    opu_gemm(m, n, k, alpha, left, right, beta, c, SIDE);
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++) {
            double wanted = (double)before[i * SIDE + j];
            if (i < m && j < n) {
                wanted *= (double)beta;
                for (size_t l = 0; l < k; l++) {
                    wanted +=
                        (double)alpha * (double)element(left, i, l) * (double)element(right, l, j);
                }
            }
            /* k products below 1 and as many sums, each rounded to 2^-24 of at most k */
            double const bar = (double)(k + 2) * (double)(k + 2) * 0x1p-24;
            assert_true(fabs((double)c[i * SIDE + j] - wanted) <= (i < m && j < n ? bar : 0.0));
        }
    }
}

static void product_is_that_of_the_triple_loop(void **state)
{
    (void)state;
    size_t const shapes[][3] = {{1, 1, 1}, {5, 7, 3}, {33, 17, 39}, {1, 39, 20}, {39, 1, 20}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int t = 0; t < 4; t++) {
            check(shapes[i][0], shapes[i][1], shapes[i][2], (t & 1) != 0, (t & 2) != 0, 1.0f, 0.0f);
            check(shapes[i][0], shapes[i][1], shapes[i][2], (t & 1) != 0, (t & 2) != 0, -0.5f,
                  2.0f);
        }
    }
}

static void an_empty_sum_scales_and_an_empty_result_does_nothing(void **state)
{
    (void)state;
    check(5, 7, 0, false, false, 1.0f, 0.0f);
    check(5, 7, 0, true, false, 1.0f, 0.5f);
    check(0, 7, 3, false, true, 1.0f, 0.0f);
    check(5, 0, 3, false, false, 1.0f, 0.0f);
}

static void beta_0_overwrites_nan(void **state)
{
    (void)state;
    float const one = 1.0f;
    struct opu_matrix const matrix = {&one, 1, false};
    for (size_t k = 0; k < 2; k++) {
        float c = NAN;
        opu_gemm(1, 1, k, 1.0f, matrix, matrix, 0.0f, &c, 1);
        assert_true(c == (float)k);
    }
}

/* A row vector whose stride says nothing. */
static void one_row_needs_no_stride(void **state)
{
    (void)state;
    float const row[3] = {1.0f, 2.0f, 3.0f};
    float c = 0.0f;
    opu_gemm(1, 1, 3, 1.0f, (struct opu_matrix){row, 0, false}, (struct opu_matrix){row, 1, false},
             0.0f, &c, 0);
    assert_true(c == 14.0f);
}

static void the_library_names_itself(void **state)
{
    (void)state;
    assert_memory_equal(opu_gemm_describe(), "OpenBLAS ", 9);
    assert_null(strchr(opu_gemm_describe(), '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product_is_that_of_the_triple_loop),
        cmocka_unit_test(an_empty_sum_scales_and_an_empty_result_does_nothing),
        cmocka_unit_test(beta_0_overwrites_nan),
        cmocka_unit_test(one_row_needs_no_stride),
        cmocka_unit_test(the_library_names_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
