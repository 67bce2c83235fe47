/* SPDX-License-Identifier: MIT */
/* Stratified folds of labelled nodes. */
#include "base_support.h"

#include "core/data/graph_folds.h"

#define NODES 203
#define CLASSES 4

static int32_t labels[NODES];

static void make_labels(void)
{
    for (size_t i = 0; i < NODES; i++) {
        labels[i] = i % 10 == 9 ? -1 : (int32_t)((i * i + i / 7) % CLASSES);
    }
}

static void every_labelled_node_is_in_one_part(void **state)
{
    (void)state;
    uint32_t room[NODES];
    struct opu_node_list parts[OPU_NODE_PARTS];
    int seen[NODES] = {0};
    size_t class_of[OPU_NODE_PARTS][CLASSES] = {{0}}, all[CLASSES] = {0};
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    make_labels();
    assert_int_equal(opu_graph_folds(context, labels, NODES, CLASSES, 1, room, parts), OPU_OK);
    for (size_t p = 0; p < OPU_NODE_PARTS; p++) {
        for (size_t i = 0; i < parts[p].n; i++) {
            uint32_t const node = parts[p].node[i];
            assert_true(node < NODES && labels[node] >= 0);
            assert_true(i == 0 || parts[p].node[i - 1] < node);
            seen[node]++;
            class_of[p][labels[node]]++;
        }
    }
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(seen[i], labels[i] >= 0);
        all[labels[i] >= 0 ? labels[i] : 0] += labels[i] >= 0;
    }
    for (size_t c = 0; c < CLASSES; c++) {
        for (size_t p = 0; p < 2; p++) {
            assert_true(class_of[p][c] >= all[c] / OPU_FOLDS &&
                        class_of[p][c] <= all[c] / OPU_FOLDS + 1);
        }
    }
    opu_context_destroy(context);
}

static void another_seed_deals_other_folds(void **state)
{
    (void)state;
    uint32_t room[3][NODES];
    struct opu_node_list parts[OPU_NODE_PARTS];
    uint64_t const seeds[] = {1, 2, 1};
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    make_labels();
    for (size_t i = 0; i < 3; i++) {
        memset(room[i], 0, sizeof room[i]);
        assert_int_equal(opu_graph_folds(context, labels, NODES, CLASSES, seeds[i], room[i], parts),
                         OPU_OK);
    }
    assert_memory_equal(room[0], room[2], sizeof room[0]);
    assert_memory_not_equal(room[0], room[1], sizeof room[0]);
    opu_context_destroy(context);
}

static void too_few_nodes_are_refused(void **state)
{
    (void)state;
    int32_t const few[] = {0, -1, 1};
    uint32_t room[3];
    struct opu_node_list parts[OPU_NODE_PARTS];
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    assert_int_equal(opu_graph_folds(context, few, 3, 2, 1, room, parts), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "data.split"));
    opu_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_labelled_node_is_in_one_part),
        cmocka_unit_test(another_seed_deals_other_folds),
        cmocka_unit_test(too_few_nodes_are_refused),
    };
    return cmocka_run_group_tests_name("folds", tests, NULL, NULL);
}
