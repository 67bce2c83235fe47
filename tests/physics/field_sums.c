/* SPDX-License-Identifier: MIT */
/*
 * Fields as sums of columns (sim/matrix.h) against plain twins in the documented order, bit for
 * bit: every vector level, every density and batch, stored and drawn; and matrices measured by
 * columns and by rows of a medium that is a known matrix.
 */
#include "sim_support.h"

#include "sim/field_kernels.h"
#include "sim/matrix.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static struct opu_context *context;

static void use_threads(int n)
{
#ifdef _OPENMP
    omp_set_num_threads(n);
#else
    (void)n;
#endif
}

/* A dense complex matrix that plays a medium with a grid. */
struct known {
    struct opu_medium base;
    float *h; /* [n_outputs][n_inputs][2] */
    size_t applied, adjoined;
};

static void known_move(struct opu_medium *medium, uint64_t step)
{
    medium->step = step;
}

/* Unit vectors are all that a measurement sends: no rounding here. */
static void known_apply(struct opu_medium *medium, const float *in, size_t batch, float *out)
{
    struct known *const known = (struct known *)medium;
    size_t const n = medium->n_inputs;
    known->applied += batch;
    for (size_t k = 0; k < batch; ++k) {
        for (size_t i = 0; i < medium->n_outputs; ++i) {
            float sum[2] = {0.0f, 0.0f};
            for (size_t j = 0; j < n; ++j) {
                const float *const h = known->h + 2 * (i * n + j);
                const float *const x = in + 2 * (k * n + j);
                sum[0] += h[0] * x[0] - h[1] * x[1];
                sum[1] += h[0] * x[1] + h[1] * x[0];
            }
            memcpy(out + 2 * (k * medium->n_outputs + i), sum, sizeof(sum));
        }
    }
}

static void known_adjoint(struct opu_medium *medium, const float *in, size_t batch, float *out)
{
    struct known *const known = (struct known *)medium;
    size_t const n = medium->n_inputs;
    known->adjoined += batch;
    for (size_t k = 0; k < batch; ++k) {
        for (size_t j = 0; j < n; ++j) {
            float sum[2] = {0.0f, 0.0f};
            for (size_t i = 0; i < medium->n_outputs; ++i) {
                const float *const h = known->h + 2 * (i * n + j);
                const float *const x = in + 2 * (k * medium->n_outputs + i);
                sum[0] += h[0] * x[0] + h[1] * x[1];
                sum[1] += h[0] * x[1] - h[1] * x[0];
            }
            memcpy(out + 2 * (k * n + j), sum, sizeof(sum));
        }
    }
}

static const struct opu_medium_ops known_ops = {
    .name = "known", .move = known_move, .apply = known_apply, .adjoint = known_adjoint};

static struct opu_medium *gaussian(size_t n_inputs, size_t n_outputs)
{
    static const struct opu_sim_options options;
    struct opu_medium_setup const setup = {.context = context,
                                           .options = &options,
                                           .seed = draw_word(),
                                           .n_inputs = n_inputs,
                                           .n_outputs = n_outputs,
                                           .input_columns = 32};
    struct opu_medium *medium;
    assert_int_equal(opu_medium_gaussian.create(&medium, &setup), OPU_OK);
    return medium;
}

static void mirrors(struct opu_dmd *dmd, size_t n_inputs, bool leak)
{
    struct opu_dmd_setup const setup = {.context = context,
                                        .chip = &opu_dmd_chips[OPU_DMD_DLP7000],
                                        .n_inputs = n_inputs,
                                        .leakage = leak ? 0.003 : 0.0,
                                        .dead = leak ? 0.05 : 0.0,
                                        .beam = leak ? 1.0 : 0.0,
                                        .seed = draw_word()};
    assert_int_equal(opu_dmd_init(dmd, &setup), OPU_OK);
}

static bool is_on(const uint8_t *bits, size_t j)
{
    return (bits[j / 8] >> j % 8 & 1) != 0;
}

/* The order of sim/matrix.h, one value at a time. */
static float twin(const struct opu_sim_matrix *matrix, const uint8_t *bits, size_t block, size_t v)
{
    const float *const columns = matrix->entries + block * matrix->n_inputs * OPU_BLOCK_FLOATS + v;
    float sum = matrix->start[block * OPU_BLOCK_FLOATS + v];
    for (size_t group = 0; group < matrix->n_inputs; group += 4) {
        float subset = 0.0f;
        for (size_t j = group; j < group + 4 && j < matrix->n_inputs; ++j) {
            subset = is_on(bits, j) ? subset + columns[j * OPU_BLOCK_FLOATS] : subset;
        }
        sum += subset;
    }
    return sum;
}

static double exact(const struct opu_sim_matrix *matrix, const uint8_t *bits, size_t block,
                    size_t v)
{
    const float *const columns = matrix->entries + block * matrix->n_inputs * OPU_BLOCK_FLOATS + v;
    double sum = (double)matrix->start[block * OPU_BLOCK_FLOATS + v];
    for (size_t j = 0; j < matrix->n_inputs; ++j) {
        sum += is_on(bits, j) ? (double)columns[j * OPU_BLOCK_FLOATS] : 0.0;
    }
    return sum;
}

struct patterns {
    uint8_t *bits;
    uint32_t *frame;
    size_t n;
};

/* Densities from nothing to all; a few patterns twice, in a shuffled order. */
static struct patterns draw_batch(size_t n_inputs, size_t n, double density)
{
    static const double densities[] = {0.5, 0.0, 0.02, 1.0, 0.1, 0.5, 0.3, 0.005};
    size_t const row_bytes = (n_inputs + 7) / 8;
    struct patterns batch = {test_alloc(n, row_bytes + 8), test_alloc(n, sizeof(uint32_t)), n};
    for (size_t p = 0; p < n; ++p) {
        draw_patterns(batch.bits + p * row_bytes, 1, n_inputs,
                      density >= 0.0 ? density : densities[p % 8]);
        batch.frame[p] = (uint32_t)draw_size(0, n - 1);
    }
    return batch;
}

static void free_batch(struct patterns *batch)
{
    free(batch->bits);
    free(batch->frame);
}

static struct opu_patterns view(const struct patterns *batch, size_t first, size_t n)
{
    return (struct opu_patterns){batch->bits, batch->frame + first, n};
}

static void check_against_twin(size_t n_inputs, size_t n_outputs, size_t n, double density)
{
    struct opu_dmd dmd;
    mirrors(&dmd, n_inputs, n % 2 == 0);
    struct opu_medium *const medium = gaussian(n_inputs, n_outputs);
    struct opu_sim_matrix matrix;
    assert_int_equal(opu_sim_matrix_init(&matrix, context, &dmd, medium, true), OPU_OK);
    opu_sim_matrix_load(&matrix, 0);
    struct patterns batch = draw_batch(n_inputs, n, density);
    size_t const stride = matrix.n_blocks * OPU_BLOCK_FLOATS;
    float *const field = test_alloc(n * stride, sizeof(*field));
    for (int isa = 0; isa < OPU_ISA_COUNT; ++isa) {
        if (!opu_isa_usable((enum opu_isa)isa)) {
            continue;
        }
        matrix.isa = (enum opu_isa)isa;
        opu_sim_matrix_field(&matrix, view(&batch, 0, n), 0, matrix.n_blocks, field, stride);
        for (size_t p = 0; p < n; p += 1 + n / 16) {
            const uint8_t *const bits = batch.bits + batch.frame[p] * matrix.row_bytes;
            for (size_t at = p % 7; at < stride; at += 11) {
                size_t const block = at / OPU_BLOCK_FLOATS, v = at % OPU_BLOCK_FLOATS;
                float const wanted = twin(&matrix, bits, block, v);
                assert_memory_equal(&field[p * stride + at], &wanted, sizeof(wanted));
                /* sums of up to n_inputs terms of size one, each addition good to 2^-24 of it */
                assert_near((double)wanted, exact(&matrix, bits, block, v), 1e-6 * (double)n_inputs,
                            "double");
            }
        }
    }
    free(field);
    free_batch(&batch);
    opu_sim_matrix_fini(&matrix);
    medium->ops->destroy(medium);
    opu_dmd_fini(&dmd);
}

static void every_way_and_level_gives_the_bits_of_the_plain_order(void **state)
{
    (void)state;
    check_against_twin(1, 1, 1, 1.0);
    check_against_twin(3, 65, 200, 0.5);
    check_against_twin(1024, 64, 130, 0.5);
    check_against_twin(2500, 100, 300, -1.0);
    for (int run = 0; run < 6; ++run) {
        check_against_twin(draw_size(1, 300), draw_size(1, 300), draw_size(1, 200), -1.0);
        check_against_twin(draw_size(900, 1400), draw_size(1, 100), draw_size(1, 40),
                           draw_between(0.0, 0.2));
    }
}

/* Batches cut anywhere, and blocks asked for one by one. */
static void batches_and_blocks_may_be_cut_anywhere(void **state)
{
    (void)state;
    size_t const n_inputs = draw_size(500, 1500), n = 190;
    struct opu_dmd dmd;
    mirrors(&dmd, n_inputs, true);
    struct opu_medium *const medium = gaussian(n_inputs, 300);
    struct opu_sim_matrix matrix;
    assert_int_equal(opu_sim_matrix_init(&matrix, context, &dmd, medium, true), OPU_OK);
    opu_sim_matrix_load(&matrix, 0);
    struct patterns batch = draw_batch(n_inputs, n, -1.0);
    size_t const stride = matrix.n_blocks * OPU_BLOCK_FLOATS;
    float *const whole = test_alloc(n * stride, sizeof(*whole));
    float *const parts = test_alloc(n * stride, sizeof(*parts));
    opu_sim_matrix_field(&matrix, view(&batch, 0, n), 0, matrix.n_blocks, whole, stride);
    for (size_t first = 0; first < n;) {
        size_t const some = draw_size(1, 3) == 1 ? 1 : draw_size(1, n - first);
        for (size_t block = 0; block < matrix.n_blocks; ++block) {
            opu_sim_matrix_field(&matrix, view(&batch, first, some), block, 1,
                                 parts + first * stride + block * OPU_BLOCK_FLOATS, stride);
        }
        first += some;
    }
    assert_memory_equal(whole, parts, n * stride * sizeof(*whole));
    free(parts);
    free(whole);
    free_batch(&batch);
    opu_sim_matrix_fini(&matrix);
    medium->ops->destroy(medium);
    opu_dmd_fini(&dmd);
}

/* Stored by one thread, stored by three, and never stored; at a drift step too. */
static void drawn_strips_and_threads_give_the_stored_bits(void **state)
{
    (void)state;
    for (int run = 0; run < 4; ++run) {
        size_t const n_inputs = draw_size(1, 700), n_outputs = draw_size(1, 300), n = 150;
        struct opu_dmd dmd;
        mirrors(&dmd, n_inputs, run % 2 == 0);
        struct opu_medium *const medium = gaussian(n_inputs, n_outputs);
        struct patterns batch = draw_batch(n_inputs, n, -1.0);
        size_t const stride = (n_outputs + 63) / 64 * OPU_BLOCK_FLOATS;
        float *field[3];
        for (int k = 0; k < 3; ++k) {
            struct opu_sim_matrix matrix;
            field[k] = test_alloc(n * stride, sizeof(float));
            use_threads(k == 0 ? 1 : 3);
            assert_int_equal(opu_sim_matrix_init(&matrix, context, &dmd, medium, k < 2), OPU_OK);
            opu_sim_matrix_load(&matrix, run < 2 ? 0 : 77);
            opu_sim_matrix_field(&matrix, view(&batch, 0, n), 0, matrix.n_blocks, field[k], stride);
            opu_sim_matrix_fini(&matrix);
        }
        assert_memory_equal(field[0], field[1], n * stride * sizeof(float));
        assert_memory_equal(field[0], field[2], n * stride * sizeof(float));
        for (int k = 0; k < 3; ++k) {
            free(field[k]);
        }
        free_batch(&batch);
        medium->ops->destroy(medium);
        opu_dmd_fini(&dmd);
    }
}

static void check_measurement(size_t n_inputs, size_t n_outputs)
{
    struct known known = {
        .base = {
            .ops = &known_ops, .context = context, .n_inputs = n_inputs, .n_outputs = n_outputs}};
    known.h = test_alloc(2 * n_inputs * n_outputs, sizeof(*known.h));
    for (size_t k = 0; k < 2 * n_inputs * n_outputs; ++k) {
        known.h[k] = (float)draw_between(-1.0, 1.0);
    }
    struct opu_dmd dmd;
    mirrors(&dmd, n_inputs, true);
    struct opu_sim_matrix matrix;
    assert_int_equal(opu_sim_matrix_init(&matrix, context, &dmd, &known.base, true), OPU_OK);
    opu_sim_matrix_load(&matrix, 0);
    opu_sim_matrix_load(&matrix, 0);
    assert_int_equal(known.applied, n_inputs <= n_outputs ? n_inputs : 0);
    assert_int_equal(known.adjoined, n_inputs <= n_outputs ? 0 : n_outputs);
    for (size_t i = 0; i < matrix.n_blocks * OPU_BLOCK_PIXELS; ++i) {
        double start[2] = {0.0, 0.0};
        for (size_t part = 0; part < 2; ++part) {
            size_t const block = i / OPU_BLOCK_PIXELS;
            size_t const v = i % OPU_BLOCK_PIXELS + part * OPU_BLOCK_PIXELS;
            for (size_t j = 0; j < n_inputs; ++j) {
                float const h = i < n_outputs ? known.h[2 * (i * n_inputs + j) + part] : 0.0f;
                float const wanted = h * dmd.step[j];
                float const seen = matrix.entries[(block * n_inputs + j) * OPU_BLOCK_FLOATS + v];
                assert_true(seen == wanted); /* one product */
                start[part] += (double)h * (double)dmd.off[j];
            }
            /* n_inputs additions of terms below 0.2 */
            assert_near((double)matrix.start[block * OPU_BLOCK_FLOATS + v], start[part],
                        1e-7 * (double)n_inputs, "start");
        }
    }
    opu_sim_matrix_fini(&matrix);
    assert_int_equal(opu_sim_matrix_init(&matrix, context, &dmd, &known.base, false),
                     OPU_E_UNSUPPORTED);
    free(known.h);
    opu_dmd_fini(&dmd);
}

static void columns_or_rows_are_measured_whichever_are_fewer(void **state)
{
    (void)state;
    check_measurement(1, 1);
    check_measurement(100, 20);
    check_measurement(20, 100);
    for (int run = 0; run < 4; ++run) {
        check_measurement(draw_size(1, 90), draw_size(1, 150));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_and_level_gives_the_bits_of_the_plain_order),
        cmocka_unit_test(batches_and_blocks_may_be_cut_anywhere),
        cmocka_unit_test(drawn_strips_and_threads_give_the_stored_bits),
        cmocka_unit_test(columns_or_rows_are_measured_whichever_are_fewer),
    };
    if (opu_context_create(&context, NULL) != OPU_OK) {
        return 1;
    }
    int const failed = cmocka_run_group_tests(tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
