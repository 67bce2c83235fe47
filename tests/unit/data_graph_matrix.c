/* SPDX-License-Identifier: MIT */
/* Sparse matrices and normalised adjacencies against dense twins. */
#include "data_graph_toy.h"

#include <math.h>

#include <omp.h>

#include "core/data/graph_edges.h"
#include "core/data/graph_matrix.h"

#define N 40

/* A rounding to float of a value of at most 1. */
#define TOLERANCE 6e-8

static struct opu_context *context;

/* A small linear congruential generator of the test's own. */
static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

/* A dense random symmetric A without diagonal, and its sparse twin; node 7 stays alone. */
static void random_adjacency(double a[N][N], struct opu_csr *adjacency)
{
    uint32_t u[N * N], v[N * N], seed = 3;
    size_t n = 0;
    memset(a, 0, sizeof(double[N][N]));
    /* Backwards, and either direction: the order must not matter. */
    for (uint32_t i = N; i-- > 0;) {
        for (uint32_t j = i; j-- > 0;) {
            if (i != 7 && j != 7 && draw(&seed) % 8 == 0) {
                a[i][j] = a[j][i] = 1;
                u[n] = draw(&seed) % 2 ? i : j;
                v[n] = u[n] == i ? j : i;
                n++;
            }
        }
    }
    assert_int_equal(opu_edges_adjacency(context, adjacency, N, u, v, n, "it"), OPU_OK);
}

/* Rows of a csr as a dense matrix; asserts that columns ascend. */
static void to_dense(const struct opu_csr *m, double out[N][N])
{
    memset(out, 0, sizeof(double[N][N]));
    for (size_t i = 0; i < N; i++) {
        for (uint32_t k = m->start[i]; k < m->start[i + 1]; k++) {
            assert_true(k == m->start[i] || m->index[k] > m->index[k - 1]);
            out[i][m->index[k]] = m->value ? (double)m->value[k] : 1;
        }
    }
}

static void assert_transposed(const struct opu_csr *m)
{
    double rows[N][N], columns[N][N];
    struct opu_csr const t = {.start = m->start_t, .index = m->index_t, .value = m->value_t};
    to_dense(m, rows);
    to_dense(&t, columns);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            assert_true(rows[i][j] == columns[j][i]); /* the same float */
        }
    }
    for (size_t j = 0; m->order_t && j < N; j++) {
        for (uint32_t k = m->start_t[j]; k < m->start_t[j + 1]; k++) {
            uint32_t const entry = m->order_t[k], i = m->index_t[k];
            assert_int_equal(m->index[entry], j);
            assert_true(entry >= m->start[i] && entry < m->start[i + 1]);
        }
    }
}

static void assert_dense(const struct opu_csr *m, double wanted[N][N])
{
    double seen[N][N];
    to_dense(m, seen);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            assert_true(fabs(seen[i][j] - wanted[i][j]) <= TOLERANCE);
        }
    }
    assert_transposed(m);
}

/* Dense D^p of the row sums; 0 where a sum is 0. */
static void degrees(double a[N][N], double power, double d[N])
{
    for (size_t i = 0; i < N; i++) {
        d[i] = 0;
        for (size_t j = 0; j < N; j++) {
            d[i] += a[i][j];
        }
        d[i] = d[i] > 0 ? pow(d[i], power) : 0;
    }
}

static void gcn_is_the_dense_formula(void **state)
{
    (void)state;
    double a[N][N], d[N];
    struct opu_csr adjacency, m;
    random_adjacency(a, &adjacency);
    assert_int_equal(opu_graph_matrix(context, &m, &adjacency, OPU_MATRIX_GCN, false), OPU_OK);
    for (size_t i = 0; i < N; i++) {
        a[i][i] = 1;
    }
    degrees(a, -0.5, d);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            a[i][j] *= d[i] * d[j];
        }
    }
    assert_dense(&m, a);
    assert_int_equal(m.count, adjacency.count + N);
    assert_ptr_equal(m.value_t, m.value); /* symmetric: nothing twice in memory */
    assert_null(m.order_t);
    opu_csr_free(context, &m);
    opu_csr_free(context, &adjacency);
}

/* 2 L / lambda - I from the whole Laplacian. A lonely node's row of L is 0 in some definitions, 1
 * on the diagonal here as in PyTorch Geometric. */
static void dense_cheb(double a[N][N], double lambda)
{
    double d[N];
    degrees(a, -0.5, d);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double const laplacian = (i == j) - d[i] * a[i][j] * d[j];
            a[i][j] = 2 * laplacian / lambda - (i == j);
        }
    }
}

static void chebyshevs_laplacian_is_the_dense_formula(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        double const lambda = 2 - 0.25 * i;
        double a[N][N];
        struct opu_csr adjacency, m;
        random_adjacency(a, &adjacency);
        assert_int_equal(opu_graph_cheb(context, &m, &adjacency, lambda), OPU_OK);
        dense_cheb(a, lambda);
        assert_dense(&m, a);
        assert_int_equal(m.count, adjacency.count + (i > 0 ? N : 0));
        if (i == 0) {
            struct opu_csr two;
            assert_int_equal(opu_graph_matrix(context, &two, &adjacency, OPU_MATRIX_CHEB, false),
                             OPU_OK);
            assert_same_csr(&m, &two);
            opu_csr_free(context, &two);
        }
        opu_csr_free(context, &m);
        opu_csr_free(context, &adjacency);
    }
}

static void an_eigenvalue_that_is_none_is_refused(void **state)
{
    (void)state;
    double a[N][N];
    struct opu_csr adjacency, m;
    random_adjacency(a, &adjacency);
    assert_refused(opu_graph_cheb(context, &m, &adjacency, 0), OPU_E_INVALID, "eigenvalue 0");
    assert_int_equal(opu_graph_cheb(context, &m, &adjacency, (double)NAN), OPU_E_INVALID);
    opu_csr_free(context, &adjacency);
}

static void mean_of_neighbours_is_the_dense_formula(void **state)
{
    (void)state;
    double a[N][N], d[N];
    struct opu_csr adjacency, m;
    random_adjacency(a, &adjacency);
    assert_int_equal(opu_graph_matrix(context, &m, &adjacency, OPU_MATRIX_MEAN, true), OPU_OK);
    degrees(a, -1, d);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            a[i][j] *= d[i];
        }
    }
    assert_dense(&m, a);
    assert_ptr_equal(m.index_t, m.index);
    assert_non_null(m.order_t);
    opu_csr_free(context, &m);
    opu_csr_free(context, &adjacency);
}

static void self_edges_stand_in_their_place(void **state)
{
    (void)state;
    double a[N][N];
    struct opu_csr adjacency, m;
    random_adjacency(a, &adjacency);
    assert_int_equal(opu_graph_matrix(context, &m, &adjacency, OPU_MATRIX_SELF, true), OPU_OK);
    for (size_t i = 0; i < N; i++) {
        a[i][i] = 1;
    }
    assert_dense(&m, a);
    assert_null(m.value);
    for (uint32_t k = 0; k < m.count; k++) {
        assert_int_equal(m.order_t[m.order_t[k]], k); /* a mirror */
    }
    opu_csr_free(context, &m);
    opu_csr_free(context, &adjacency);
}

static void degrees_count_neighbours(void **state)
{
    (void)state;
    double a[N][N], d[N];
    struct opu_csr adjacency;
    random_adjacency(a, &adjacency);
    degrees(a, 1, d);
    double most = 0;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(opu_graph_degree(&adjacency, i), d[i]);
        most = d[i] > most ? d[i] : most;
    }
    assert_int_equal(opu_graph_max_degree(&adjacency), most);
    assert_int_equal(opu_graph_degree(&adjacency, 7), 0);
    opu_csr_free(context, &adjacency);
}

static void neighbours_are_found_and_listed(void **state)
{
    (void)state;
    double a[N][N];
    uint32_t u[N * N], v[N * N];
    struct opu_csr adjacency;
    random_adjacency(a, &adjacency);
    opu_edges_list(&adjacency, u, v);
    for (uint32_t i = 0, n = 0; i < N; i++) {
        for (uint32_t j = 0; j < N; j++) {
            bool const there = a[i][j] > 0;
            assert_int_equal(opu_edges_has(&adjacency, i, j), there);
            if (there && i < j) {
                assert_int_equal(u[n], i);
                assert_int_equal(v[n++], j);
            }
        }
    }
    opu_csr_free(context, &adjacency);
}

/* N x N, but not symmetric. */
static void random_csr(struct opu_csr *m)
{
    uint32_t seed = 9, at = 0;
    assert_int_equal(opu_csr_alloc(context, m, N, N, N * N, true), OPU_OK);
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < N; j++) {
            if (i != 5 && draw(&seed) % 3 == 0) {
                m->index[at] = j;
                m->value[at++] = (float)(1 + draw(&seed) % 100) / 7.0f;
            }
        }
        m->start[i + 1] = at;
    }
    m->count = at;
}

static void a_transpose_has_the_same_entries(void **state)
{
    (void)state;
    struct opu_csr m;
    random_csr(&m);
    assert_int_equal(opu_csr_transpose(context, &m, 0), OPU_OK);
    assert_null(m.order_t);
    assert_transposed(&m);
    assert_int_equal(opu_csr_transpose(context, &m, OPU_CSR_ORDER), OPU_OK); /* once more */
    assert_non_null(m.order_t);
    assert_transposed(&m);
    opu_csr_free(context, &m);
    assert_null(m.start);
}

static void a_matrix_beyond_32_bits_is_refused(void **state)
{
    (void)state;
    struct opu_csr m;
    assert_refused(opu_csr_alloc(context, &m, 1, 1, OPU_CSR_MAX + 1, false), OPU_E_INVALID,
                   "4294967295 entries");
    assert_null(m.start);
}

static void normalised_rows_sum_to_one_and_empty_ones_stay(void **state)
{
    (void)state;
    struct opu_csr m, raw;
    random_csr(&m);
    random_csr(&raw);
    opu_csr_normalise_rows(&m);
    for (size_t i = 0; i < N; i++) {
        double sum = 0, whole = 0;
        for (uint32_t k = m.start[i]; k < m.start[i + 1]; k++) {
            sum += (double)m.value[k];
            whole += (double)raw.value[k];
        }
        for (uint32_t k = m.start[i]; k < m.start[i + 1]; k++) {
            assert_true(fabs((double)m.value[k] - (double)raw.value[k] / whole) <= TOLERANCE);
        }
        /* At most 40 roundings of values that sum to 1. */
        assert_true(i == 5 ? sum == 0 : fabs(sum - 1) <= TOLERANCE);
    }
    opu_csr_free(context, &m);
    opu_csr_free(context, &raw);
}

static void matrices_do_not_depend_on_the_threads(void **state)
{
    (void)state;
    double a[N][N];
    struct opu_csr adjacency, one, three;
    int const threads = omp_get_max_threads();
    random_adjacency(a, &adjacency);
    for (int kind = 0; kind < OPU_MATRIX_KINDS; kind++) {
        enum opu_graph_matrix_kind const k = (enum opu_graph_matrix_kind)kind;
        omp_set_num_threads(1);
        assert_int_equal(opu_graph_matrix(context, &one, &adjacency, k, true), OPU_OK);
        omp_set_num_threads(3);
        assert_int_equal(opu_graph_matrix(context, &three, &adjacency, k, true), OPU_OK);
        assert_same_csr(&one, &three);
        opu_csr_free(context, &one);
        opu_csr_free(context, &three);
    }
    omp_set_num_threads(threads);
    opu_csr_free(context, &adjacency);
}

static int make_all(struct opu_context *in, void *user)
{
    for (int kind = 0; kind < OPU_MATRIX_KINDS; kind++) {
        struct opu_csr m;
        int const status = opu_graph_matrix(in, &m, user, (enum opu_graph_matrix_kind)kind, true);
        if (status < 0) {
            assert_null(m.start);
            return status;
        }
        opu_csr_free(in, &m);
    }
    return OPU_OK;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    double a[N][N];
    struct opu_csr adjacency;
    random_adjacency(a, &adjacency);
    assert_survives_no_memory(make_all, &adjacency);
    opu_csr_free(context, &adjacency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transpose_has_the_same_entries),
        cmocka_unit_test(a_matrix_beyond_32_bits_is_refused),
        cmocka_unit_test(normalised_rows_sum_to_one_and_empty_ones_stay),
        cmocka_unit_test(neighbours_are_found_and_listed),
        cmocka_unit_test(degrees_count_neighbours),
        cmocka_unit_test(gcn_is_the_dense_formula),
        cmocka_unit_test(chebyshevs_laplacian_is_the_dense_formula),
        cmocka_unit_test(an_eigenvalue_that_is_none_is_refused),
        cmocka_unit_test(mean_of_neighbours_is_the_dense_formula),
        cmocka_unit_test(self_edges_stand_in_their_place),
        cmocka_unit_test(matrices_do_not_depend_on_the_threads),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("graph matrix", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
