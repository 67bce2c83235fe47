/* SPDX-License-Identifier: MIT */
/* Inner loops of the operations over elements, sparse rows and small blocks: every vector level
 * gives the bits of the base level. That they are right is nn_ops' matter. */
#include "nn_check.h"

#include "core/nn/bmm_kernels.h"
#include "core/nn/map_kernels.h"
#include "core/nn/nn_kernels.h"
#include "core/nn/sparse_kernels.h"

#define N 2131
#define ROOM (40 * N)

/* Writes results one after the other into out, which has ROOM floats of zeros. */
typedef void (*run_fn)(enum opu_isa level, const float *x, const float *y, float *out);

static void check_levels(run_fn run)
{
    struct numbers numbers = {.seed = 77};
    float *const x = make_numbers(&numbers, 8 * N);
    float *const y = make_numbers(&numbers, 8 * N);
    float *const wanted = make(ROOM, sizeof *wanted);
    float *const seen = make(ROOM, sizeof *seen);
    for (size_t i = 0; i < 8 * N; i++) {
        x[i] *= 6.0f;
    }
    run(OPU_ISA_BASE, x, y, wanted);
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (opu_isa_usable((enum opu_isa)level)) {
            memset(seen, 0, ROOM * sizeof *seen);
            run((enum opu_isa)level, x, y, seen);
            assert_memory_equal(seen, wanted, ROOM * sizeof *seen);
        }
    }
    free(x);
    free(y);
    free(wanted);
    free(seen);
}

static void run_maps(enum opu_isa level, const float *x, const float *y, float *out)
{
    const struct opu_map_kernels *const k = opu_map_kernels_at(level);
    const struct opu_map *const maps[] = {&k->elu, &k->leaky_relu, &k->sigmoid, &k->affine};
    for (size_t m = 0; m < 4; m++) {
        float *const to = out + 3 * m * N;
        maps[m]->values(to, x, N, 0.3f, 0.7f);
        maps[m]->grad(to + N, y, to, N, 0.3f, false);
        maps[m]->grad(to + 2 * N, y, to, N, 0.3f, false);
        maps[m]->grad(to + 2 * N, x, to, N, 0.3f, true);
    }
}

static void maps_give_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_maps);
}

static void run_dropout(enum opu_isa level, const float *x, const float *y, float *out)
{
    const struct opu_map_kernels *const k = opu_map_kernels_at(level);
    struct opu_dropout const how = {
        .seed = 0x123456789abcdefu, .step = 41, .ordinal = 2, .threshold = 1u << 30, .scale = 1.5f};
    uint8_t *const kept = make(N, 1);
    k->dropout(out, kept, x, 3 * OPU_DROPOUT_CHUNK, N, &how);
    k->dropout_grad(out + N, y, kept, N, how.scale, false);
    k->dropout_grad(out + N, x, kept, N, how.scale, true);
    memcpy(out + 2 * N, x, N * sizeof *out);
    k->dropout(out + 2 * N, kept, out + 2 * N, 3 * OPU_DROPOUT_CHUNK, N, &how);
    free(kept);
}

static void dropout_gives_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_dropout);
}

static void run_rows(enum opu_isa level, const float *x, const float *y, float *out)
{
    static const size_t widths[] = {1, 2, 7, 16, 33, 70};
    const struct opu_map_kernels *const k = opu_map_kernels_at(level);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        size_t const groups = N / widths[w];
        float *const to = out + 5 * w * N;
        k->add_row(to, x, y, groups, widths[w]);
        k->mul_row(to + N, x, y, groups, widths[w], false);
        k->mul_row(to + N, y, x, groups, widths[w], true);
        k->spread_row(to + 2 * N, y, groups, widths[w], false);
        k->spread_row(to + 2 * N, x, groups, widths[w], true);
        for (size_t with = 0; with < 2; with++) {
            struct opu_row_sums const sums = {.sums = to + (3 + with) * N,
                                              .x = x,
                                              .with = with == 1 ? y : NULL,
                                              .x_stride = 7,
                                              .with_stride = 11,
                                              .rows = 300,
                                              .groups = 100 / widths[w] + 1,
                                              .width = widths[w]};
            k->row_sums(&sums);
        }
    }
}

static void rows_give_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_rows);
}

static void run_softmax(enum opu_isa level, const float *x, const float *y, float *out)
{
    static const size_t widths[] = {1, 7, 16, 70, 1000};
    const struct opu_nn_kernels *const k = opu_nn_kernels_at(level);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        size_t const n = widths[w];
        float *const to = out + 6 * w * N;
        k->softmax(to, x, n, false);
        k->softmax(to + N, x, n, true);
        k->softmax_grad(to + 2 * N, y, to, n, false);
        k->softmax_grad(to + 2 * N, y, to + N, n, true);
        k->log_softmax(to + 3 * N, x, n);
        k->log_softmax_grad(to + 4 * N, y, to + 3 * N, n, false);
        k->log_softmax_grad(to + 4 * N, x, to + 3 * N, n, true);
        to[6 * N - 1] = (float)k->bce_row(to + 5 * N, x, y, n, 0.5f).loss;
    }
}

static void softmax_gives_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_softmax);
}

/* 61 rows and columns, 5 entries or none a row. */
static struct opu_csr new_matrix(void)
{
    size_t const n = 61;
    struct opu_csr m;
    assert_int_equal(opu_csr_alloc(NULL, &m, n, n, 5 * n, true), OPU_OK);
    for (size_t i = 0, e = 0; i < n; i++) {
        for (size_t k = 0; i % 7 != 2 && k < 5; k++) {
            m.index[e] = (uint32_t)((i + 3 * k) % 12 + 12 * k);
            m.value[e++] = 0.1f * (float)(i + k);
        }
        m.start[i + 1] = (uint32_t)e;
        m.count = e;
    }
    assert_int_equal(opu_csr_transpose(NULL, &m, OPU_CSR_ORDER), OPU_OK);
    return m;
}

static void run_sparse(enum opu_isa level, const float *x, const float *y, float *out)
{
    static const size_t widths[] = {1, 5, 16, 97};
    const struct opu_sparse_kernels *const k = opu_sparse_kernels_at(level);
    struct opu_csr m = new_matrix();
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        size_t const heads = w % 2 + 1;
        size_t const width = widths[w] * heads;
        struct opu_sparse_product const product = {.matrix = &m,
                                                   .heads = heads,
                                                   .x = x,
                                                   .x_stride = width,
                                                   .y = out + 3 * w * N,
                                                   .y_stride = width,
                                                   .width = width,
                                                   .accumulate = w == 3};
        struct opu_spmm_rows const rows = {.start = m.start_t,
                                           .from = m.index_t,
                                           .entry = m.order_t,
                                           .weights = y,
                                           .product = &product};
        k->spmm_rows(&rows, 0, m.columns);
        struct opu_edge_dots const dots = {.matrix = &m,
                                           .dy = x,
                                           .x = y,
                                           .dy_stride = width,
                                           .x_stride = width,
                                           .heads = heads,
                                           .width = widths[w],
                                           .dw = out + (32 + w) * N,
                                           .dw_stride = heads};
        k->edge_dots(&dots, 0, m.rows);
    }
    opu_csr_free(NULL, &m);
}

static void sparse_products_give_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_sparse);
}

static void run_edges(enum opu_isa level, const float *x, const float *y, float *out)
{
    const struct opu_sparse_kernels *const k = opu_sparse_kernels_at(level);
    struct opu_csr m = new_matrix();
    for (size_t heads = 1; heads < 20; heads += 6) {
        struct opu_edge_softmax work = {
            .start = m.start, .heads = heads, .x = x, .y = out + 8 * heads * N / 6};
        k->edge_softmax(&work, 0, m.rows);
        work = (struct opu_edge_softmax){.start = m.start,
                                         .heads = heads,
                                         .x = work.y,
                                         .dy = y,
                                         .dx = work.y + 4 * N,
                                         .dy_stride = heads,
                                         .dx_stride = heads};
        k->edge_softmax_grad(&work, 0, m.rows);
    }
    opu_csr_free(NULL, &m);
}

static void edge_softmax_gives_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_edges);
}

static void run_blocks(enum opu_isa level, const float *x, const float *y, float *out)
{
    const struct opu_bmm_kernels *const k = opu_bmm_kernels_at(level);
    for (size_t t = 0; t < 3; t++) {
        struct opu_small_gemm const g = {.m = 9,
                                         .n = 85,
                                         .k = 37,
                                         .a = x,
                                         .a_row = t == 1 ? 1 : 37,
                                         .a_step = t == 1 ? 9 : 1,
                                         .b = y,
                                         .b_stride = 90,
                                         .b_transposed = t == 2,
                                         .c = out + t * N,
                                         .c_stride = 90,
                                         .accumulate = t == 1};
        k->gemm(&g);
    }
}

static void blocks_give_the_same_bits_at_every_level(void **state)
{
    (void)state;
    check_levels(run_blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_give_the_same_bits_at_every_level),
        cmocka_unit_test(dropout_gives_the_same_bits_at_every_level),
        cmocka_unit_test(rows_give_the_same_bits_at_every_level),
        cmocka_unit_test(softmax_gives_the_same_bits_at_every_level),
        cmocka_unit_test(sparse_products_give_the_same_bits_at_every_level),
        cmocka_unit_test(edge_softmax_gives_the_same_bits_at_every_level),
        cmocka_unit_test(blocks_give_the_same_bits_at_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
