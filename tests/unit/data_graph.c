/* SPDX-License-Identifier: MIT */
/* Graphs in files: what is read, that everything else is refused, and the published data sets. */
#include "data_graph_toy.h"

#include <math.h>

#include "core/data/graph_edges.h"

static struct opu_context *context;
static struct folder dir;

static int set_up(void **state)
{
    (void)state;
    dir = folder_make();
    toy_graph_save(&dir, &toy_plain);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    toy_graph_remove(&dir);
    return 0;
}

static int open_with(struct opu_graph_data **graph, size_t features, size_t classes)
{
    struct opu_graph_data_options const options = {
        .dir = dir.path, .features = features, .classes = classes};
    return opu_graph_data_open(graph, context, "toy", &options);
}

/* The bent graph is refused with a sentence that names the file and holds the part. */
static void refused(const struct toy_graph *bent, const char *file, const char *part)
{
    struct opu_graph_data *graph;
    toy_graph_save(&dir, bent);
    assert_refused(open_with(&graph, TOY_FEATURES, 2), OPU_E_FORMAT, part);
    assert_null(graph);
    assert_non_null(strstr(opu_error_message(), file));
}

static void a_graph_is_read_and_its_adjacency_is_symmetric(void **state)
{
    (void)state;
    struct opu_graph_data *g;
    assert_int_equal(open_with(&g, 0, 0), OPU_OK);
    assert_int_equal(g->nodes, TOY_NODES);
    assert_int_equal(g->edges, TOY_EDGES);
    assert_int_equal(g->classes, 2);
    assert_int_equal(g->x.columns, TOY_FEATURES);
    assert_memory_equal(g->x.start, toy_plain.indptr, sizeof toy_plain.indptr);
    assert_memory_equal(g->x.index, toy_plain.indices, sizeof toy_plain.indices);
    assert_memory_equal(g->x.value, toy_plain.values, sizeof toy_plain.values);
    assert_memory_equal(g->labels, toy_plain.labels, sizeof toy_plain.labels);
    uint32_t const start[] = {0, 2, 4, 7, 9, 10, 10}, index[] = {1, 2, 0, 2, 0, 1, 3, 2, 4, 3};
    assert_int_equal(g->adjacency.count, 10);
    assert_memory_equal(g->adjacency.start, start, sizeof start);
    assert_memory_equal(g->adjacency.index, index, sizeof index);
    assert_ptr_equal(g->adjacency.index_t, g->adjacency.index);
    assert_null(g->adjacency.value);
    assert_int_equal(g->parts[OPU_NODES_TEST].n, 2);
    assert_int_equal(g->parts[OPU_NODES_TEST].node[0], 4);
    assert_int_equal(g->n_files, 8);
    assert_string_equal(g->files[4].name, "edges.npy");
    assert_true(g->files[4].hash != g->files[3].hash);
    opu_graph_data_close(g);
}

static void columns_and_classes_can_be_more_than_occur(void **state)
{
    (void)state;
    struct opu_graph_data *g;
    assert_int_equal(open_with(&g, 9, 4), OPU_OK);
    assert_int_equal(g->x.columns, 9);
    assert_int_equal(g->classes, 4);
    opu_graph_data_close(g);
}

static void a_graph_without_edges_is_read(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    struct opu_graph_data *g;
    bent.n_edges = 0;
    toy_graph_save(&dir, &bent);
    assert_int_equal(open_with(&g, 0, 0), OPU_OK);
    assert_int_equal(g->adjacency.count, 0);
    opu_graph_data_close(g);
}

static void edges_that_are_none_are_refused(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    bent.edges[TOY_EDGES + 3] = TOY_NODES;
    refused(&bent, "edges.npy", "edge 3 is (1, 6), wanted nodes 0 to 5");
    bent.edges[TOY_EDGES + 3] = -1;
    refused(&bent, "edges.npy", "edge 3 is (1, -1), wanted nodes 0 to 5");
    bent.edges[TOY_EDGES + 3] = 1;
    refused(&bent, "edges.npy", "edge 3 joins node 1 with itself");
    bent.edges[TOY_EDGES + 3] = 0; /* (1, 0) once more */
    bent.edges[1] = 1;             /* was (0, 1), its place is edge 1 */
    bent.edges[TOY_EDGES + 1] = 0;
    refused(&bent, "edges.npy", "edge 3 is (1, 0), as edge 1 is; wanted each edge once");
    bent.edges[3] = 0; /* the other direction is the same edge */
    bent.edges[TOY_EDGES + 3] = 1;
    refused(&bent, "edges.npy", "edge 3 is (0, 1), as edge 1 is");
}

static void labels_out_of_range_are_refused(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    bent.labels[3] = 2;
    refused(&bent, "labels.npy", "element 3 is 2, wanted 0 to 1, or -1");
    bent.labels[3] = -2;
    refused(&bent, "labels.npy", "element 3 is -2");
    bent = toy_plain;
    bent.n_labels = 5;
    refused(&bent, "labels.npy", "5 elements, wanted 6, one for each node");
}

static void without_a_number_of_classes_a_gap_in_the_labels_is_refused(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    struct opu_graph_data *g;
    bent.labels[3] = 3;
    toy_graph_save(&dir, &bent);
    assert_refused(open_with(&g, 0, 0), OPU_E_FORMAT, "element 3 is 3, but no node has label 2");
    bent.labels[3] = 1000000;
    toy_graph_save(&dir, &bent);
    assert_refused(open_with(&g, 0, 0), OPU_E_FORMAT, "element 3 is 1000000, wanted 0 to 5");
    assert_null(g);
}

static void a_node_in_two_parts_or_twice_in_one_is_refused(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    bent.part[OPU_NODES_TEST][1] = 1;
    refused(&bent, "test_idx.npy", "element 1 is 1, which is in train_idx.npy already");
    bent.part[OPU_NODES_TEST][1] = 4;
    refused(&bent, "test_idx.npy", "element 1 is 4, which is in test_idx.npy already");
}

static void parts_hold_labelled_nodes_of_the_graph_and_are_not_empty(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    bent.part[OPU_NODES_VALID][0] = TOY_NODES;
    refused(&bent, "val_idx.npy", "element 0 is 6, wanted nodes 0 to 5");
    bent.part[OPU_NODES_VALID][0] = -3;
    refused(&bent, "val_idx.npy", "element 0 is -3");
    bent.part[OPU_NODES_VALID][0] = 5;
    refused(&bent, "val_idx.npy", "element 0 is 5, which has no label");
    for (size_t part = 0; part < 3; part++) {
        bent = toy_plain;
        bent.n_part[part] = 0;
        refused(&bent, toy_files[5 + part], "0 nodes, wanted at least 1");
    }
}

static void features_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    bent.values[4] = NAN;
    refused(&bent, "x_values.npy", "element 4 (node 2, feature 4) is ");
    assert_non_null(strstr(opu_error_message(), "nan, wanted a finite number"));
    bent.values[4] = -INFINITY;
    refused(&bent, "x_values.npy", "element 4 (node 2, feature 4) is -inf");
}

static void rows_of_features_must_fit_together(void **state)
{
    (void)state;
    struct toy_graph bent = toy_plain;
    bent.indices[5] = TOY_FEATURES;
    refused(&bent, "x_indices.npy", "element 5 (of node 3) is 5, wanted 0 to 4");
    bent.indices[5] = -1;
    refused(&bent, "x_indices.npy", "element 5 (of node 3) is -1");
    bent.indices[5] = 2;
    bent.indices[4] = 1; /* column 1 of node 2 twice */
    refused(&bent, "x_indices.npy", "element 4 (of node 2) is 1, wanted more than 1");
    bent = toy_plain;
    bent.indptr[0] = 1;
    refused(&bent, "x_indptr.npy", "element 0 is 1, wanted 0");
    bent.indptr[0] = 0;
    bent.indptr[3] = 2;
    refused(&bent, "x_indptr.npy", "element 3 is 2, wanted at least 3");
    bent = toy_plain;
    bent.indptr[TOY_NODES] = 9; /* past the end */
    refused(&bent, "x_indptr.npy", "element 6 is 9, wanted 8 as x_indices.npy has");
    bent = toy_plain;
    bent.n_indptr = 1;
    refused(&bent, "x_indptr.npy", "1 elements");
}

static void arrays_of_another_kind_are_refused(void **state)
{
    (void)state;
    int64_t const wide[TOY_NODES] = {0};
    float const values[7] = {0};
    struct opu_graph_data *g;
    toy_save(&dir, "labels.npy", OPU_I64, 0, TOY_NODES, wide);
    assert_refused(open_with(&g, 0, 0), OPU_E_FORMAT, "labels.npy: ");
    assert_non_null(strstr(opu_error_message(), "wanted int32 with 1"));
    toy_graph_save(&dir, &toy_plain);
    toy_save(&dir, "x_values.npy", OPU_F32, 0, 7, values);
    assert_refused(open_with(&g, 0, 0), OPU_E_FORMAT, "x_values.npy: 7 elements, wanted 8");
    toy_graph_save(&dir, &toy_plain);
    toy_save(&dir, "edges.npy", OPU_I32, 5, 2, toy_plain.edges);
    assert_refused(open_with(&g, 0, 0), OPU_E_FORMAT, "edges.npy: 5 rows, wanted 2");
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct opu_graph_data *g;
    for (size_t i = 0; i < OPU_GRAPH_DATA_FILES; i++) {
        struct path const path = folder_path(&dir, toy_files[i]);
        assert_int_equal(unlink(path.text), 0);
        assert_refused(open_with(&g, 0, 0), OPU_E_NOT_FOUND, toy_files[i]);
        assert_null(g);
        toy_graph_save(&dir, &toy_plain);
    }
}

static void a_folder_without_a_graph_is_named_and_help_offered(void **state)
{
    (void)state;
    struct opu_graph_data *g;
    struct opu_graph_data_options const options = {.dir = "no/such/folder"};
    assert_refused(opu_graph_data_open(&g, context, "cora", &options), OPU_E_NOT_FOUND,
                   "no/such/folder");
    assert_non_null(strstr(opu_error_message(), "tools/get-data cora"));
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct opu_graph_data *a, *b;
    assert_int_equal(open_with(&a, 0, 0), OPU_OK);
    assert_int_equal(opu_graph_data_write(a, dir.path), OPU_OK);
    assert_int_equal(open_with(&b, 0, 0), OPU_OK);
    assert_same_csr(&a->adjacency, &b->adjacency);
    assert_same_csr(&a->x, &b->x);
    assert_memory_equal(a->labels, b->labels, TOY_NODES * sizeof *a->labels);
    assert_int_equal(a->files[0].hash, b->files[0].hash);
    opu_graph_data_close(a);
    opu_graph_data_close(b);
}

static int open_and_close(struct opu_context *in, void *user)
{
    struct opu_graph_data *g;
    struct opu_graph_data_options const options = {.dir = user};
    int const status = opu_graph_data_open(&g, in, "toy", &options);
    assert_int_equal(g == NULL, status < 0);
    opu_graph_data_close(g);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    assert_survives_no_memory(open_and_close, dir.path);
}

/* Degree 0, and no label. */
static void count_odd_nodes(const struct opu_graph_data *g, size_t *isolated, size_t *unlabelled)
{
    *isolated = *unlabelled = 0;
    for (size_t i = 0; i < g->nodes; i++) {
        *isolated += g->adjacency.start[i + 1] == g->adjacency.start[i];
        *unlabelled += g->labels[i] < 0;
    }
}

/* The figures of Sen et al. 2008, Namata et al. 2012 and the splits of Yang et al. 2016, doubled
 * citations and self-citations left out. */
static void published_graphs_have_their_published_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t nodes, edges, features, entries, classes, train, isolated, unlabelled;
    } wanted[] = {
        {"cora", 2708, 5278, 1433, 49216, 7, 140, 0, 0},
        {"citeseer", 3327, 4552, 3703, 105165, 6, 120, 48, 15},
        {"pubmed", 19717, 44324, 500, 988031, 3, 60, 0, 0},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct opu_graph_data *g;
        struct opu_graph_data_options const options = {.dir = NULL};
        int const status = opu_graph_data_open(&g, context, wanted[i].name, &options);
        if (status == OPU_E_NOT_FOUND) {
            skip();
        }
        assert_int_equal(status, OPU_OK);
        assert_int_equal(g->nodes, wanted[i].nodes);
        assert_int_equal(g->edges, wanted[i].edges);
        assert_int_equal(g->adjacency.count, 2 * wanted[i].edges);
        assert_int_equal(g->x.columns, wanted[i].features);
        assert_int_equal(g->x.count, wanted[i].entries);
        assert_int_equal(g->classes, wanted[i].classes);
        assert_int_equal(g->parts[OPU_NODES_TRAIN].n, wanted[i].train);
        assert_int_equal(g->parts[OPU_NODES_VALID].n, 500);
        assert_int_equal(g->parts[OPU_NODES_TEST].n, 1000);
        size_t isolated, unlabelled;
        count_odd_nodes(g, &isolated, &unlabelled);
        assert_int_equal(isolated, wanted[i].isolated);
        assert_int_equal(unlabelled, wanted[i].unlabelled);
        opu_graph_data_close(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_graph_is_read_and_its_adjacency_is_symmetric, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(columns_and_classes_can_be_more_than_occur, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_graph_without_edges_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edges_that_are_none_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_out_of_range_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_number_of_classes_a_gap_in_the_labels_is_refused,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_in_two_parts_or_twice_in_one_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(parts_hold_labelled_nodes_of_the_graph_and_are_not_empty,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(features_that_are_no_numbers_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rows_of_features_must_fit_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arrays_of_another_kind_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_is_named, set_up, tear_down),
        cmocka_unit_test(a_folder_without_a_graph_is_named_and_help_offered),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(running_out_of_memory_leaks_nothing, set_up, tear_down),
        cmocka_unit_test(published_graphs_have_their_published_sizes),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("graph", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
