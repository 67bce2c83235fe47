/* SPDX-License-Identifier: MIT */
/* Edges held out, and pairs without one. */
#include "data_graph_toy.h"

#include <math.h>

#include <omp.h>

#include "core/data/graph_edges.h"
#include "core/data/graph_split.h"

static struct opu_context *context;
static struct opu_graph_data *graph;

/* As many edges as Cora. */
static int set_up(void **state)
{
    (void)state;
    struct opu_graph_random const options = {.nodes = 2708,
                                             .edges = 5278,
                                             .features = 10,
                                             .classes = 7,
                                             .parts = {140, 500, 1000},
                                             .seed = 2};
    return opu_graph_data_random(&graph, context, &options);
}

static int tear_down(void **state)
{
    (void)state;
    opu_graph_data_close(graph);
    return 0;
}

static struct opu_edge_split *made(uint64_t seed)
{
    struct opu_edge_split *split;
    struct opu_edge_split_options const options = {.valid = 0.05, .test = 0.1, .seed = seed};
    assert_int_equal(opu_edge_split_create(&split, context, &graph->adjacency, &options), OPU_OK);
    return split;
}

/* floor(0.05 * 5278) = 263, floor(0.1 * 5278) = 527. */
static void counts_are_those_of_pytorch_geometric(void **state)
{
    (void)state;
    struct opu_edge_split *split = made(1);
    assert_int_equal(split->valid.n, 263);
    assert_int_equal(split->test.n, 527);
    assert_int_equal(split->no_valid.n, 263);
    assert_int_equal(split->no_test.n, 527);
    assert_int_equal(split->train.count, 2 * (5278 - 263 - 527));
    opu_edge_split_destroy(split);
}

static void every_edge_is_in_one_part(void **state)
{
    (void)state;
    struct opu_edge_split *split = made(1);
    const struct opu_pair_list *held[2] = {&split->valid, &split->test};
    /* Edges of the graph that training does not have: they are as many as all that is left out, so
     * it is enough that each of these is another one. */
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < held[part]->n; i++) {
            uint32_t const u = held[part]->u[i], v = held[part]->v[i];
            assert_true(u < v);
            assert_true(opu_edges_has(&graph->adjacency, u, v));
            assert_false(opu_edges_has(&split->train, u, v));
            for (size_t k = 0; k < (part == 0 ? i : split->valid.n); k++) {
                assert_false(split->valid.u[k] == u && split->valid.v[k] == v);
            }
            for (size_t k = 0; part == 1 && k < i; k++) {
                assert_false(split->test.u[k] == u && split->test.v[k] == v);
            }
        }
    }
    for (uint32_t i = 0; i < graph->nodes; i++) {
        for (uint32_t k = split->train.start[i]; k < split->train.start[i + 1]; k++) {
            assert_true(opu_edges_has(&graph->adjacency, i, split->train.index[k]));
        }
    }
    opu_edge_split_destroy(split);
}

static void negatives_are_no_edges_and_all_different(void **state)
{
    (void)state;
    struct opu_edge_split *split = made(1);
    const struct opu_pair_list *lists[2] = {&split->no_valid, &split->no_test};
    uint64_t seen[263 + 527];
    size_t n = 0;
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < lists[part]->n; i++) {
            uint32_t const u = lists[part]->u[i], v = lists[part]->v[i];
            assert_true(u < v && v < graph->nodes);
            assert_false(opu_edges_has(&graph->adjacency, u, v));
            for (size_t k = 0; k < n; k++) {
                assert_true(seen[k] != opu_pair(u, v));
            }
            seen[n++] = opu_pair(u, v);
        }
    }
    opu_edge_split_destroy(split);
}

/* The smaller end of a uniform pair has mean (n - 2) / 3, here 902, and deviation n / sqrt(18),
 * here 638: were the two lists cut from ascending pairs, validation would have all small ones. */
static void parts_are_drawn_without_order(void **state)
{
    (void)state;
    struct opu_edge_split *split = made(1);
    const struct opu_pair_list *lists[4] = {&split->valid, &split->test, &split->no_valid,
                                            &split->no_test};
    for (size_t l = 0; l < 4; l++) {
        double sum = 0;
        for (size_t i = 0; i < lists[l]->n; i++) {
            sum += lists[l]->u[i];
        }
        double const n = (double)lists[l]->n;
        assert_true(fabs(sum / n - 902) <= 4 * 638 / sqrt(n)); /* four deviations of a mean */
    }
    opu_edge_split_destroy(split);
}

static void assert_same_pairs(const struct opu_pair_list *a, const struct opu_pair_list *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->u, b->u, a->n * sizeof *a->u);
    assert_memory_equal(a->v, b->v, a->n * sizeof *a->v);
}

static void a_split_depends_on_its_seed_alone(void **state)
{
    (void)state;
    int const threads = omp_get_max_threads();
    omp_set_num_threads(1);
    struct opu_edge_split *a = made(1);
    omp_set_num_threads(3);
    struct opu_edge_split *b = made(1), *c = made(2);
    omp_set_num_threads(threads);
    assert_same_csr(&a->train, &b->train);
    assert_same_pairs(&a->valid, &b->valid);
    assert_same_pairs(&a->no_valid, &b->no_valid);
    assert_same_pairs(&a->test, &b->test);
    assert_same_pairs(&a->no_test, &b->no_test);
    assert_memory_not_equal(a->valid.u, c->valid.u, a->valid.n * sizeof(uint32_t));
    assert_memory_not_equal(a->no_test.u, c->no_test.u, a->no_test.n * sizeof(uint32_t));
    opu_edge_split_destroy(a);
    opu_edge_split_destroy(b);
    opu_edge_split_destroy(c);
}

#define N_DRAWN 12000

static void training_negatives_are_no_training_edges_and_new_each_epoch(void **state)
{
    (void)state;
    static uint32_t u[3][N_DRAWN], v[3][N_DRAWN];
    struct opu_edge_split *split = made(1);
    int const threads = omp_get_max_threads();
    opu_edge_split_negatives(split, 0, N_DRAWN, u[0], v[0]);
    opu_edge_split_negatives(split, 1, N_DRAWN, u[1], v[1]);
    omp_set_num_threads(1);
    opu_edge_split_negatives(split, 1, N_DRAWN, u[2], v[2]);
    omp_set_num_threads(threads);
    assert_memory_equal(u[1], u[2], sizeof u[1]);
    assert_memory_equal(v[1], v[2], sizeof v[1]);
    size_t same = 0;
    double sum = 0;
    for (size_t i = 0; i < N_DRAWN; i++) {
        assert_true(u[0][i] < graph->nodes && v[0][i] < graph->nodes && u[0][i] != v[0][i]);
        assert_false(opu_edges_has(&split->train, u[0][i], v[0][i]));
        same += u[0][i] == u[1][i] && v[0][i] == v[1][i];
        sum += u[0][i];
    }
    assert_true(same <= 2); /* 12000 / 2708^2 are to be expected */
    /* A uniform node: mean 1353.5, deviation 2708 / sqrt(12); four deviations of a mean. */
    assert_true(fabs(sum / N_DRAWN - 1353.5) <= 4 * 2708 / sqrt(12.0 * N_DRAWN));
    opu_edge_split_destroy(split);
}

/* A triangle with a tail: every pair but four is an edge. */
static void rejection_ends_where_hardly_a_pair_is_left(void **state)
{
    (void)state;
    uint32_t u[40], v[40];
    size_t n = 0;
    struct opu_csr adjacency;
    for (uint32_t i = 0; i < 9; i++) {
        for (uint32_t j = i + 1; j < 9; j++) {
            if (i > 0 || j > 4) {
                u[n] = i;
                v[n++] = j;
            }
        }
    }
    assert_int_equal(n, 32);
    assert_int_equal(opu_edges_adjacency(context, &adjacency, 9, u, v, n, "it"), OPU_OK);
    struct opu_edge_split *split;
    struct opu_edge_split_options options = {.valid = 0.04, .test = 0.04, .seed = 3};
    assert_int_equal(opu_edge_split_create(&split, context, &adjacency, &options), OPU_OK);
    assert_int_equal(split->no_valid.u[0], 0);
    assert_int_equal(split->no_test.u[0], 0);
    assert_true(split->no_valid.v[0] <= 4 && split->no_test.v[0] <= 4);
    opu_edge_split_destroy(split);
    options.test = 0.1;
    assert_refused(opu_edge_split_create(&split, context, &adjacency, &options), OPU_E_INVALID,
                   "4 pairs of nodes have no edge, wanted at least 8");
    opu_csr_free(context, &adjacency);
}

static void a_part_without_edges_is_refused(void **state)
{
    (void)state;
    struct opu_edge_split *split;
    const struct {
        struct opu_edge_split_options options;
        const char *part;
    } cases[] = {
        {{.valid = 0, .test = 0.1}, "0 validate and 527 test"},
        {{.valid = 0.1, .test = 0.0001}, "527 validate and 0 test"},
        {{.valid = 0.6, .test = 0.5}, "3166 validate and 2639 test"},
        {{.valid = -0.1, .test = 0.5}, "shares -0.1 and 0.5"},
        {{.valid = (double)NAN, .test = 0.5}, "wanted 0 to 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(opu_edge_split_create(&split, context, &graph->adjacency, &cases[i].options),
                       OPU_E_INVALID, cases[i].part);
        assert_null(split);
    }
}

static int make_and_destroy(struct opu_context *in, void *user)
{
    struct opu_edge_split *split;
    struct opu_edge_split_options const options = {.valid = 0.05, .test = 0.1};
    int const status = opu_edge_split_create(&split, in, user, &options);
    assert_int_equal(split == NULL, status < 0);
    opu_edge_split_destroy(split);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    assert_survives_no_memory(make_and_destroy, &graph->adjacency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_pytorch_geometric),
        cmocka_unit_test(every_edge_is_in_one_part),
        cmocka_unit_test(negatives_are_no_edges_and_all_different),
        cmocka_unit_test(parts_are_drawn_without_order),
        cmocka_unit_test(a_split_depends_on_its_seed_alone),
        cmocka_unit_test(training_negatives_are_no_training_edges_and_new_each_epoch),
        cmocka_unit_test(rejection_ends_where_hardly_a_pair_is_left),
        cmocka_unit_test(a_part_without_edges_is_refused),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("graph split", tests, set_up, tear_down);
    opu_context_destroy(context);
    return failed;
}
