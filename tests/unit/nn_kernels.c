/* SPDX-License-Identifier: MIT */
/* Inner loops of the network: every vector level gives the bits of the base level, and the right
 * numbers. */
#include "nn_check.h"

#include "core/nn/nn_kernels.h"

#define N 4099

static float *filled(uint64_t seed, size_t n, float size)
{
    struct numbers numbers = {.seed = seed};
    float *const x = make_numbers(&numbers, n);
    for (size_t i = 0; i < n; i++) {
        x[i] *= size;
    }
    return x;
}

static void run_maps(const struct opu_nn_kernels *kernels, const float *x, const float *dy,
                     float *out)
{
    kernels->tanh(out, x, N);
    kernels->relu(out + N, x, N);
    kernels->tanh_grad(out + 2 * N, dy, out, N, false);
    kernels->relu_grad(out + 3 * N, dy, out + N, N, false);
    memcpy(out + 4 * N, dy, N * sizeof *out);
    kernels->tanh_grad(out + 4 * N, dy, out, N, true);
    memcpy(out + 5 * N, dy, N * sizeof *out);
    kernels->relu_grad(out + 5 * N, dy, out + N, N, true);
    memcpy(out + 6 * N, dy, N * sizeof *out);
    kernels->add(out + 6 * N, x, N);
}

static void maps_give_the_same_bits_at_every_level(void **state)
{
    (void)state;
    float *const x = filled(1, N, 6.0f);
    float *const dy = filled(2, N, 1.0f);
    float *const wanted = make(7 * N, sizeof *wanted);
    float *const seen = make(7 * N, sizeof *seen);
    run_maps(opu_nn_kernels_at(OPU_ISA_BASE), x, dy, wanted);
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (!opu_isa_usable((enum opu_isa)level)) {
            continue;
        }
        run_maps(opu_nn_kernels_at((enum opu_isa)level), x, dy, seen);
        assert_memory_equal(seen, wanted, 7 * N * sizeof *seen);
    }
    free(x);
    free(dy);
    free(wanted);
    free(seen);
}

static void maps_agree_with_libm(void **state)
{
    (void)state;
    float *const x = filled(3, N, 6.0f);
    float *const dy = filled(4, N, 1.0f);
    float *const out = make(7 * N, sizeof *out);
    run_maps(opu_nn_kernels_best(), x, dy, out);
    for (size_t i = 0; i < N; i++) {
        double const t = tanh((double)x[i]);
        /* 4 ULP of vmath's tanh, then y * y, 1 - y * y and the product: 12 roundings of at most 1
         */
        check_within("tanh", i, (double)out[i], t, 8 * 0x1p-24);
        check_within("tanh'", i, (double)out[2 * N + i], (double)dy[i] * (1.0 - t * t),
                     20 * 0x1p-24);
        assert_true(out[N + i] == (x[i] > 0.0f ? x[i] : 0.0f));
        assert_true(out[3 * N + i] == (x[i] > 0.0f ? dy[i] : 0.0f));
        assert_true(out[6 * N + i] == dy[i] + x[i]);
    }
    free(x);
    free(dy);
    free(out);
}

static void nan_passes_through_activations(void **state)
{
    (void)state;
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (!opu_isa_usable((enum opu_isa)level)) {
            continue;
        }
        const struct opu_nn_kernels *const kernels = opu_nn_kernels_at((enum opu_isa)level);
        float x[40];
        float y[40];
        for (size_t i = 0; i < 40; i++) {
            x[i] = i % 3 == 0 ? NAN : 1.0f;
        }
        kernels->tanh(y, x, 40);
        assert_true(isnan(y[0]) && isnan(y[39]) && !isnan(y[1]));
        kernels->relu(y, x, 40);
        assert_true(isnan(y[0]) && isnan(y[39]) && y[1] == 1.0f);
    }
}

static void column_sums_stay_exact_over_many_rows(void **state)
{
    (void)state;
    size_t const rows = 70001;
    size_t const columns = 67;
    size_t const stride = 70;
    float *const x = filled(5, rows * stride, 1.0f);
    double *const wanted = make(columns, sizeof *wanted);
    float *const base = make(columns, sizeof *base);
    float *const sums = make(columns, sizeof *sums);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            wanted[j] += (double)x[i * stride + j];
        }
    }
    opu_nn_kernels_at(OPU_ISA_BASE)->column_sums(base, x, stride, rows, columns, false);
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (!opu_isa_usable((enum opu_isa)level)) {
            continue;
        }
        opu_nn_kernels_at((enum opu_isa)level)->column_sums(sums, x, stride, rows, columns, false);
        assert_memory_equal(sums, base, columns * sizeof *sums);
        for (size_t j = 0; j < columns; j++) {
            /* Partial sums walk at random up to sqrt(rows / 3) = 150; 274 totals and 256 rows each
             * round by at most half a unit of 150: (274 * 150 + 70001 * 9) * 2^-24 at worst, 0.04;
             * the signs are random, so a tenth of it is ample. */
            check_within("column", j, (double)sums[j], wanted[j], 4e-3);
        }
        opu_nn_kernels_at((enum opu_isa)level)->column_sums(sums, x, stride, rows, columns, true);
        for (size_t j = 0; j < columns; j++) {
            assert_true(sums[j] == 2.0f * base[j]);
        }
    }
    free(x);
    free(wanted);
    free(base);
    free(sums);
}

static void softmax_gives_the_same_bits_at_every_level(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 2, 10, 16, 17, 100, 1000};
    float *const x = filled(6, 1000, 10.0f);
    float base[1000];
    float e[1000];
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        size_t const n = widths[w];
        int32_t const label = (int32_t)(n / 2);
        struct opu_softmax_row const wanted =
            opu_nn_kernels_at(OPU_ISA_BASE)->softmax_row(base, x, n, label, 0.25f);
        for (int level = 0; level < OPU_ISA_COUNT; level++) {
            if (!opu_isa_usable((enum opu_isa)level)) {
                continue;
            }
            const struct opu_nn_kernels *const kernels = opu_nn_kernels_at((enum opu_isa)level);
            struct opu_softmax_row const row = kernels->softmax_row(e, x, n, label, 0.25f);
            assert_memory_equal(e, base, n * sizeof *e);
            assert_true(row.loss == wanted.loss && row.correct == wanted.correct);
            assert_true(kernels->softmax_row(NULL, x, n, label, 0.25f).loss == wanted.loss);
        }
    }
    free(x);
}

static void softmax_of_huge_logits_stays_finite(void **state)
{
    (void)state;
    float const x[3] = {30000.0f, 29999.0f, -30000.0f};
    float e[3];
    struct opu_softmax_row const row = opu_nn_kernels_best()->softmax_row(e, x, 3, 1, 1.0f);
    check_within("loss", 0, row.loss, 1.0 + log1p(exp(-1.0)), 1e-6);
    check_within("e", 1, (double)e[1], exp(-1.0) / (1.0 + exp(-1.0)) - 1.0, 1e-6);
    assert_true(e[2] == 0.0f);
}

static void softmax_tells_bad_rows_by_nan(void **state)
{
    (void)state;
    float e[20];
    float x[20] = {0};
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    assert_true(isnan(kernels->softmax_row(e, x, 20, 20, 1.0f).loss));
    assert_true(e[0] == 0.0f && e[19] == 0.0f);
    assert_true(isnan(kernels->softmax_row(e, x, 20, -1, 1.0f).loss));
    for (size_t i = 0; i < 20; i++) {
        memset(x, 0, sizeof x);
        x[i] = i % 2 == 0 ? NAN : INFINITY;
        assert_true(isnan(kernels->softmax_row(e, x, 20, 7, 1.0f).loss));
    }
}

static void the_first_of_equal_logits_is_on_top(void **state)
{
    (void)state;
    float const x[4] = {1.0f, 2.0f, 2.0f, 0.0f};
    const struct opu_nn_kernels *const kernels = opu_nn_kernels_best();
    assert_false(kernels->softmax_row(NULL, x, 4, 0, 1.0f).correct);
    assert_true(kernels->softmax_row(NULL, x, 4, 1, 1.0f).correct);
    assert_false(kernels->softmax_row(NULL, x, 4, 2, 1.0f).correct);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_give_the_same_bits_at_every_level),
        cmocka_unit_test(maps_agree_with_libm),
        cmocka_unit_test(nan_passes_through_activations),
        cmocka_unit_test(column_sums_stay_exact_over_many_rows),
        cmocka_unit_test(softmax_gives_the_same_bits_at_every_level),
        cmocka_unit_test(softmax_of_huge_logits_stays_finite),
        cmocka_unit_test(softmax_tells_bad_rows_by_nan),
        cmocka_unit_test(the_first_of_equal_logits_is_on_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
