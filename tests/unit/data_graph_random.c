/* SPDX-License-Identifier: MIT */
/* Graphs that are made up, and pairs without repetition. */
#include "data_graph_toy.h"

#include <math.h>

#include <omp.h>

#include "core/base/rng.h"
#include "core/data/graph_edges.h"

static struct opu_context *context;

static const struct opu_graph_random usual = {.nodes = 1000,
                                              .edges = 4000,
                                              .features = 100,
                                              .per_node = 10,
                                              .classes = 7,
                                              .parts = {70, 100, 200},
                                              .seed = 5};

static struct opu_graph_data *made(const struct opu_graph_random *options)
{
    struct opu_graph_data *g;
    assert_int_equal(opu_graph_data_random(&g, context, options), OPU_OK);
    return g;
}

static void a_made_up_graph_has_the_sizes_asked_for(void **state)
{
    (void)state;
    struct opu_graph_data *g = made(&usual);
    assert_int_equal(g->nodes, 1000);
    assert_int_equal(g->edges, 4000);
    assert_int_equal(g->adjacency.count, 8000);
    assert_int_equal(g->x.columns, 100);
    assert_int_equal(g->x.count, 10000);
    for (size_t i = 0; i < g->nodes; i++) {
        assert_int_equal(g->labels[i], i % 7);
        assert_int_equal(g->x.start[i + 1] - g->x.start[i], 10);
        for (uint32_t k = g->x.start[i]; k < g->x.start[i + 1]; k++) {
            assert_true(g->x.index[k] < 100);
            assert_true(k == g->x.start[i] || g->x.index[k] > g->x.index[k - 1]);
            /* More than 1 just where the class favours the column. */
            assert_int_equal(g->x.value[k] > 1, g->x.index[k] % 7 == i % 7);
        }
        for (uint32_t k = g->adjacency.start[i]; k < g->adjacency.start[i + 1]; k++) {
            assert_true(opu_edges_has(&g->adjacency, g->adjacency.index[k], (uint32_t)i));
            assert_int_not_equal(g->adjacency.index[k], i);
        }
    }
    opu_graph_data_close(g);
}

/* The reader's checks are the strictest judge. */
static void a_made_up_graph_passes_the_readers_checks(void **state)
{
    (void)state;
    struct folder const dir = folder_make();
    struct opu_graph_data *a = made(&usual), *b;
    struct opu_graph_data_options const options = {.dir = dir.path, .features = 100};
    assert_int_equal(opu_graph_data_write(a, dir.path), OPU_OK);
    assert_int_equal(opu_graph_data_open(&b, context, "made up", &options), OPU_OK);
    assert_same_csr(&a->adjacency, &b->adjacency);
    assert_same_csr(&a->x, &b->x);
    for (size_t part = 0; part < OPU_NODE_PARTS; part++) {
        assert_int_equal(b->parts[part].n, usual.parts[part]);
    }
    opu_graph_data_close(a);
    opu_graph_data_close(b);
    toy_graph_remove(&dir);
}

static void a_made_up_graph_depends_on_its_seed_alone(void **state)
{
    (void)state;
    int const threads = omp_get_max_threads();
    omp_set_num_threads(1);
    struct opu_graph_data *a = made(&usual);
    omp_set_num_threads(3);
    struct opu_graph_data *b = made(&usual);
    omp_set_num_threads(threads);
    assert_same_csr(&a->adjacency, &b->adjacency);
    assert_same_csr(&a->x, &b->x);
    struct opu_graph_random other = usual;
    other.seed = 6;
    struct opu_graph_data *c = made(&other);
    assert_memory_not_equal(a->adjacency.index, c->adjacency.index, 8000 * sizeof(uint32_t));
    assert_memory_not_equal(a->x.index, c->x.index, 10000 * sizeof(uint32_t));
    opu_graph_data_close(a);
    opu_graph_data_close(b);
    opu_graph_data_close(c);
}

static void every_feature_may_be_there_and_half_of_all_edges(void **state)
{
    (void)state;
    struct opu_graph_random o = usual;
    o.nodes = 20;
    o.edges = 95;
    o.features = o.per_node = 129; /* a third word of bits */
    o.parts[0] = o.parts[1] = o.parts[2] = 5;
    struct opu_graph_data *g = made(&o);
    assert_int_equal(g->adjacency.count, 190);
    for (uint32_t k = 0; k < g->x.count; k++) {
        assert_int_equal(g->x.index[k], k % 129);
    }
    opu_graph_data_close(g);
}

/* Share of edges within a class: chance gives about 1/7, a draw by homophily always. */
static double share_within(const struct opu_graph_data *g)
{
    size_t within = 0;
    for (size_t i = 0; i < g->nodes; i++) {
        for (uint32_t k = g->adjacency.start[i]; k < g->adjacency.start[i + 1]; k++) {
            within += g->labels[g->adjacency.index[k]] == g->labels[i];
        }
    }
    return (double)within / (double)g->adjacency.count;
}

static void homophily_is_the_share_of_edges_drawn_within_a_class(void **state)
{
    (void)state;
    for (int i = 0; i <= 4; i++) {
        struct opu_graph_random o = usual;
        o.homophily = 0.25 * i;
        struct opu_graph_data *g = made(&o);
        /* Of n = 4000 independent draws; repeated pairs, under 6 % of those within a class of 143
         * nodes at the most, are drawn again: 2 % of bias. Four deviations. */
        double const wanted = o.homophily + (1 - o.homophily) / 7;
        double const deviation = sqrt(wanted * (1 - wanted) / 4000);
        assert_true(fabs(share_within(g) - wanted) <= 4 * deviation + (i < 4 ? 0.02 : 0));
        opu_graph_data_close(g);
    }
}

/* Degrees of G(n, m) have mean 2 m / n = 8 and a variance of nearly as much. */
static void degrees_spread_as_those_of_a_uniform_graph(void **state)
{
    (void)state;
    struct opu_graph_data *g = made(&usual);
    double squares = 0;
    for (size_t i = 0; i < g->nodes; i++) {
        double const off = (double)(g->adjacency.start[i + 1] - g->adjacency.start[i]) - 8;
        squares += off * off;
    }
    /* A binomial's variance 8 (1 - 2 / 1000); that estimate's own deviation is about
     * sqrt(2 / 1000) of it: five of them. */
    assert_true(fabs(squares / 1000 / 7.98 - 1) <= 5 * sqrt(2.0 / 1000));
    opu_graph_data_close(g);
}

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    struct {
        struct opu_graph_random o;
        const char *part;
    } cases[] = {
        {usual, "a graph of 2 nodes"},
        {usual, "300000 edges among 1000 nodes"},
        {usual, "101 of 100 features"},
        {usual, "1 classes, wanted 2 to 1000"},
        {usual, "homophily 1.5"},
        {usual, "0, 100 and 200 of 1000 nodes"},
        {usual, "900, 100 and 200 of 1000"},
    };
    cases[0].o.nodes = 2;
    cases[1].o.edges = 300000;
    cases[2].o.per_node = 101;
    cases[3].o.classes = 1;
    cases[4].o.homophily = 1.5;
    cases[5].o.parts[0] = 0;
    cases[6].o.parts[0] = 900;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opu_graph_data *g;
        assert_refused(opu_graph_data_random(&g, context, &cases[i].o), OPU_E_INVALID,
                       cases[i].part);
        assert_null(g);
    }
}

/* All edges within classes of two nodes: there are but ten. */
static void pairs_that_do_not_come_are_told(void **state)
{
    (void)state;
    struct opu_graph_random o = usual;
    struct opu_graph_data *g;
    o.nodes = 20;
    o.classes = 10;
    o.homophily = 1;
    o.edges = 11;
    o.parts[0] = o.parts[1] = o.parts[2] = 5;
    assert_refused(opu_graph_data_random(&g, context, &o), OPU_E_INVALID,
                   "gave 10 distinct pairs, wanted 11");
    o.edges = 10;
    g = made(&o);
    opu_graph_data_close(g);
}

static uint64_t few_pairs(const void *user, uint64_t k)
{
    (void)user;
    uint32_t const word = opu_philox(1, OPU_STREAM_TEST, 0, k).v[0];
    return word % 3 == 0 ? OPU_NO_PAIR : opu_pair(word >> 8 & 7, 0x80000000u + (word >> 16 & 7));
}

/* Drawing one by one and keeping what is new gives the same set. */
static void distinct_pairs_are_the_first_of_the_stream(void **state)
{
    (void)state;
    uint64_t one_by_one[40], pairs[40];
    size_t n = 0;
    for (uint64_t k = 0; n < 40; k++) {
        uint64_t const pair = few_pairs(NULL, k);
        bool known = pair == OPU_NO_PAIR;
        for (size_t i = 0; i < n; i++) {
            known = known || one_by_one[i] == pair;
        }
        one_by_one[n] = pair;
        n += !known;
    }
    assert_int_equal(opu_pairs_distinct(context, pairs, 40, few_pairs, NULL, "it"), OPU_OK);
    for (size_t i = 0; i < 40; i++) {
        assert_true(i == 0 || pairs[i] > pairs[i - 1]);
        size_t found = 0;
        for (size_t k = 0; k < 40; k++) {
            found += one_by_one[k] == pairs[i];
        }
        assert_int_equal(found, 1);
    }
}

static int make_and_close(struct opu_context *in, void *user)
{
    struct opu_graph_data *g;
    int const status = opu_graph_data_random(&g, in, user);
    assert_int_equal(g == NULL, status < 0);
    opu_graph_data_close(g);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    struct opu_graph_random options = usual;
    assert_survives_no_memory(make_and_close, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_up_graph_has_the_sizes_asked_for),
        cmocka_unit_test(a_made_up_graph_passes_the_readers_checks),
        cmocka_unit_test(a_made_up_graph_depends_on_its_seed_alone),
        cmocka_unit_test(every_feature_may_be_there_and_half_of_all_edges),
        cmocka_unit_test(homophily_is_the_share_of_edges_drawn_within_a_class),
        cmocka_unit_test(degrees_spread_as_those_of_a_uniform_graph),
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(pairs_that_do_not_come_are_told),
        cmocka_unit_test(distinct_pairs_are_the_first_of_the_stream),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("graph random", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
