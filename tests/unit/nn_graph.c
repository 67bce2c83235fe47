/* SPDX-License-Identifier: MIT */
/* Building and planning a graph: failures that stick, blocks, layout of parameters, memory. */
#include "nn_check.h"

#include "core/base/fail.h"
#include "core/nn/graph.h"

#define assert_fails(status, call, ...) \
    do { \
        assert_int_equal((call), (status)); \
        check_says((const char *const[]){__VA_ARGS__, NULL}); \
    } while (0)

static void check_says(const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strstr(opu_error_message(), words[i]) == NULL) {
            fail_msg("saw \"%s\", wanted it to say \"%s\"", opu_error_message(), words[i]);
        }
    }
}

static struct opu_init const small = {.bound = 0.1};

static struct opu_graph *new_graph(void **state)
{
    struct opu_graph *graph;
    assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
    return graph;
}

static int plan(struct opu_graph *graph, enum opu_method method)
{
    struct opu_graph_plan const how = {
        .size = sizeof how, .method = method, .max_rows = 4, .seed = 1, .backward = true};
    return opu_graph_plan(graph, &how);
}

/* x -> linear -> tanh */
static int layer(struct opu_graph *graph, int x, const char *weight, size_t n_in, size_t n_out)
{
    return opu_graph_tanh(
        graph, opu_graph_linear(graph, x, opu_graph_param(graph, weight, n_out, n_in, small), -1));
}

static void finish(struct opu_graph *graph, int x, size_t width)
{
    int const labels = opu_graph_input(graph, "labels", OPU_I32, 1);
    int const weight = opu_graph_param(graph, "top", 3, width, small);
    (void)opu_graph_softmax_xent(graph, opu_graph_linear(graph, x, weight, -1), labels);
}

/* x 5 -> a 6 -> tap -> b 7 -> tap -> top 3 */
static void build_chain(struct opu_graph *graph)
{
    int x = opu_graph_input(graph, "x", OPU_F32, 5);
    x = opu_graph_tap(graph, layer(graph, x, "a", 5, 6), "first");
    x = opu_graph_tap(graph, layer(graph, x, "b", 6, 7), "second");
    finish(graph, x, 7);
}

/* The block whose range of parameters holds the named one; OPU_NO_BLOCK if none does. */
static size_t block_of(struct opu_graph *graph, const char *name)
{
    size_t found = OPU_NO_BLOCK;
    for (size_t i = 0; i < opu_graph_param_count(graph); i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(graph, i);
        if (strcmp(param.name, name) != 0) {
            continue;
        }
        for (size_t b = 0; b < opu_graph_blocks(graph); b++) {
            struct opu_params const range = opu_graph_block_params(graph, b);
            const float *const data = param.data;
            if (range.count > 0 && data >= range.values && data < range.values + range.count) {
                assert_int_equal(found, OPU_NO_BLOCK);
                found = b;
            }
        }
    }
    return found;
}

static void shape_errors_name_both_shapes(void **state)
{
    struct opu_graph *graph = new_graph(state);
    int const x = opu_graph_input(graph, "x", OPU_F32, 784);
    int const w = opu_graph_param(graph, "w", 1024, 785, small);
    assert_int_equal(opu_graph_linear(graph, x, w, -1), -1);
    assert_fails(OPU_E_INVALID, plan(graph, OPU_METHOD_BP), "linear", "[rows, 784]", "[1024, 785]");
    opu_graph_destroy(graph);

    graph = new_graph(state);
    int const input = opu_graph_input(graph, "x", OPU_F32, 5);
    int const weight = opu_graph_param(graph, "w", 7, 5, small);
    int const bias = opu_graph_param(graph, "b", 6, 0, small);
    assert_int_equal(opu_graph_linear(graph, input, weight, bias), -1);
    assert_fails(OPU_E_INVALID, plan(graph, OPU_METHOD_BP), "bias", "[6]", "[7, 5]");
    opu_graph_destroy(graph);

    graph = new_graph(state);
    int const logits = opu_graph_input(graph, "x", OPU_F32, 5);
    int const labels = opu_graph_input(graph, "labels", OPU_I32, 2);
    assert_int_equal(opu_graph_softmax_xent(graph, logits, labels), -1);
    assert_fails(OPU_E_INVALID, plan(graph, OPU_METHOD_BP), "[rows, 5] float32", "[rows, 2] int32");
    opu_graph_destroy(graph);
}

static void the_first_failure_sticks(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    int const x = opu_graph_input(graph, "x", OPU_F32, 4);
    assert_int_equal(opu_graph_relu(graph, 99), -1);
    (void)opu_fail(OPU_E_IO, "something else went wrong meanwhile");
    assert_int_equal(opu_graph_tanh(graph, x), -1);
    assert_int_equal(opu_graph_input(graph, "x", OPU_F32, 4), -1);
    assert_int_equal(opu_graph_param(graph, "w", 0, 0, small), -1);
    assert_int_equal(opu_graph_tap(graph, -1, "tap"), -1);
    assert_fails(OPU_E_INVALID, plan(graph, OPU_METHOD_BP), "relu", "99");
    opu_graph_destroy(graph);
}

typedef void (*break_fn)(struct opu_graph *graph);

static void break_name_twice(struct opu_graph *graph)
{
    (void)opu_graph_param(graph, "a", 2, 2, small);
}

static void break_no_name(struct opu_graph *graph)
{
    (void)opu_graph_param(graph, "", 2, 2, small);
}

static void break_long_name(struct opu_graph *graph)
{
    (void)opu_graph_param(graph,
                          "a-name-that-is-much-longer-than-any-sensible-parameter-of-a-network-has",
                          2, 2, small);
}

static void break_empty_param(struct opu_graph *graph)
{
    (void)opu_graph_param(graph, "empty", 0, 2, small);
}

static void break_empty_input(struct opu_graph *graph)
{
    (void)opu_graph_input(graph, "empty", OPU_F32, 0);
}

static void break_dtype(struct opu_graph *graph)
{
    (void)opu_graph_input(graph, "double", OPU_F64, 3);
}

static void break_second_loss(struct opu_graph *graph)
{
    (void)opu_graph_softmax_xent(graph, 0, 0);
}

static void break_later_operand(struct opu_graph *graph)
{
    (void)opu_graph_tanh(graph, 1000);
}

static void break_overflow(struct opu_graph *graph)
{
    (void)opu_graph_param(graph, "huge", SIZE_MAX / 2, 4, small);
}

static void each_misuse_fails_with_its_sentence(void **state)
{
    static const struct {
        break_fn fn;
        const char *says;
    } rows[] = {
        {break_name_twice, "taken"},   {break_no_name, "name"},
        {break_long_name, "1 to 63"},  {break_empty_param, "empty"},
        {break_empty_input, "column"}, {break_dtype, "float32 or int32"},
        {break_second_loss, "one"},    {break_later_operand, "1000"},
        {break_overflow, "huge"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct opu_graph *const graph = new_graph(state);
        build_chain(graph);
        rows[i].fn(graph);
        assert_fails(OPU_E_INVALID, plan(graph, OPU_METHOD_BP), rows[i].says);
        opu_graph_destroy(graph);
    }
}

static void bad_plans_are_refused(void **state)
{
    struct opu_graph_plan const good = {
        .size = sizeof good, .method = OPU_METHOD_DFA, .max_rows = 4, .backward = true};
    struct opu_graph_plan bad[4] = {good, good, good, good};
    bad[0].size = 1;
    bad[1].max_rows = 0;
    bad[2].no_param_grads = true;
    bad[3].max_rows = SIZE_MAX / 8;
    for (size_t i = 0; i < 4; i++) {
        struct opu_graph *const graph = new_graph(state);
        build_chain(graph);
        assert_int_equal(opu_graph_plan(graph, &bad[i]), OPU_E_INVALID);
        opu_graph_destroy(graph);
    }
    struct opu_graph *const graph = new_graph(state);
    (void)layer(graph, opu_graph_input(graph, "x", OPU_F32, 3), "a", 3, 4);
    assert_fails(OPU_E_INVALID, plan(graph, OPU_METHOD_BP), "loss");
    opu_graph_destroy(graph);
}

static void a_planned_graph_is_closed(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    build_chain(graph);
    assert_int_equal(plan(graph, OPU_METHOD_BP), OPU_OK);
    assert_int_equal(opu_graph_relu(graph, 0), -1);
    assert_int_equal(plan(graph, OPU_METHOD_BP), OPU_E_INVALID);
    opu_graph_destroy(graph);
}

static void a_chain_has_a_block_between_taps(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    build_chain(graph);
    assert_int_equal(plan(graph, OPU_METHOD_DFA), OPU_OK);
    assert_int_equal(opu_graph_blocks(graph), 3);
    assert_int_equal(opu_graph_taps(graph), 2);
    assert_string_equal(opu_graph_tap_at(graph, 0)->name, "first");
    assert_int_equal(opu_graph_tap_at(graph, 0)->block, 2);
    assert_int_equal(opu_graph_tap_at(graph, 0)->columns, 6);
    assert_int_equal(opu_graph_tap_at(graph, 1)->block, 1);
    assert_null(opu_graph_tap_at(graph, 2));
    assert_int_equal(block_of(graph, "top"), 0);
    assert_int_equal(block_of(graph, "b"), 1);
    assert_int_equal(block_of(graph, "a"), 2);
    opu_graph_destroy(graph);
}

static void taps_with_a_common_root_below_share_a_block(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    int const x = opu_graph_input(graph, "x", OPU_F32, 5);
    int const h = layer(graph, x, "common", 5, 6);
    int const a = opu_graph_tap(graph, layer(graph, h, "a", 6, 7), "left");
    int const b = opu_graph_tap(graph, layer(graph, h, "b", 6, 7), "right");
    int const c = opu_graph_tap(graph, layer(graph, x, "c", 5, 7), "apart");
    (void)b;
    (void)c;
    finish(graph, a, 7);
    assert_int_equal(plan(graph, OPU_METHOD_DFA), OPU_OK);
    /* the input is common to all, but has no gradient to share */
    assert_int_equal(opu_graph_blocks(graph), 3);
    assert_int_equal(opu_graph_tap_at(graph, 2)->block, 1);
    assert_int_equal(opu_graph_tap_at(graph, 0)->block, 2);
    assert_int_equal(opu_graph_tap_at(graph, 1)->block, 2);
    assert_int_equal(block_of(graph, "common"), 2);
    assert_int_equal(block_of(graph, "a"), 2);
    assert_int_equal(block_of(graph, "b"), 2);
    assert_int_equal(block_of(graph, "c"), 1);
    opu_graph_destroy(graph);
}

static void a_shared_weight_joins_blocks(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    int const w = opu_graph_param(graph, "w", 5, 5, small);
    int x = opu_graph_input(graph, "x", OPU_F32, 5);
    x = opu_graph_tap(graph, opu_graph_linear(graph, x, w, -1), "first");
    x = opu_graph_tap(graph, opu_graph_linear(graph, x, w, -1), "second");
    finish(graph, x, 5);
    assert_int_equal(plan(graph, OPU_METHOD_DFA), OPU_OK);
    assert_int_equal(opu_graph_blocks(graph), 2);
    assert_int_equal(opu_graph_tap_at(graph, 0)->block, 1);
    assert_int_equal(opu_graph_tap_at(graph, 1)->block, 1);
    opu_graph_destroy(graph);
}

static void without_taps_all_is_the_head(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    finish(graph, layer(graph, opu_graph_input(graph, "x", OPU_F32, 5), "a", 5, 6), 6);
    assert_int_equal(plan(graph, OPU_METHOD_DFA), OPU_OK);
    assert_int_equal(opu_graph_blocks(graph), 1);
    assert_int_equal(opu_graph_taps(graph), 0);
    assert_int_equal(block_of(graph, "a"), 0);
    assert_int_equal(block_of(graph, "top"), 0);
    opu_graph_destroy(graph);
}

static void a_tap_with_nothing_below_has_no_block(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    int const x = opu_graph_tap(graph, opu_graph_input(graph, "x", OPU_F32, 5), "bare");
    finish(graph, x, 5);
    assert_int_equal(plan(graph, OPU_METHOD_DFA), OPU_OK);
    assert_int_equal(opu_graph_blocks(graph), 1);
    assert_true(opu_graph_tap_at(graph, 0)->block == OPU_NO_BLOCK);
    opu_graph_destroy(graph);
}

static void back_propagation_has_one_block(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    build_chain(graph);
    assert_int_equal(plan(graph, OPU_METHOD_BP), OPU_OK);
    assert_int_equal(opu_graph_blocks(graph), 1);
    assert_int_equal(opu_graph_tap_at(graph, 0)->block, 0);
    assert_int_equal(block_of(graph, "a"), 0);
    assert_int_equal(opu_graph_block_params(graph, 0).count, opu_graph_params(graph).count);
    opu_graph_destroy(graph);
}

static void a_shallow_plan_trains_the_head_alone(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    build_chain(graph);
    assert_int_equal(plan(graph, OPU_METHOD_SHALLOW), OPU_OK);
    assert_int_equal(opu_graph_blocks(graph), 1);
    assert_int_equal(block_of(graph, "top"), 0);
    assert_true(block_of(graph, "a") == OPU_NO_BLOCK);
    assert_true(block_of(graph, "b") == OPU_NO_BLOCK);
    assert_null(opu_graph_tap_at(graph, 0)->grad);
    /* 3 x 7 numbers and their padding */
    assert_int_equal(opu_graph_block_params(graph, 0).count, 32);
    opu_graph_destroy(graph);
}

static void parameters_start_on_cache_lines_and_are_padded_by_zeros(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    build_chain(graph);
    assert_int_equal(plan(graph, OPU_METHOD_DFA), OPU_OK);
    struct opu_params const all = opu_graph_params(graph);
    assert_int_equal(opu_graph_param_count(graph), 3);
    assert_int_equal(opu_graph_param_total(graph), 30 + 42 + 21);
    assert_int_equal(all.count, 32 + 48 + 32);
    size_t zeros = 0;
    for (size_t i = 0; i < all.count; i++) {
        zeros += all.values[i] == 0.0f;
    }
    assert_int_equal(zeros, all.count - opu_graph_param_total(graph));
    for (size_t i = 0; i < 3; i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(graph, i);
        assert_int_equal((uintptr_t)param.data % 64, 0);
        assert_int_equal(param.dtype, OPU_F32);
        assert_int_equal(param.rank, 2);
    }
    assert_string_equal(opu_graph_param_at(graph, 1).name, "b");
    assert_int_equal(opu_graph_param_at(graph, 1).shape[0], 7);
    assert_int_equal(opu_graph_param_at(graph, 1).shape[1], 6);
    opu_graph_destroy(graph);
}

static void initial_values_hang_on_the_seed_alone(void **state)
{
    struct opu_graph *graphs[3];
    static const enum opu_method methods[3] = {OPU_METHOD_BP, OPU_METHOD_DFA, OPU_METHOD_BP};
    for (size_t g = 0; g < 3; g++) {
        graphs[g] = new_graph(state);
        build_chain(graphs[g]);
        struct opu_graph_plan const how = {.size = sizeof how,
                                           .method = methods[g],
                                           .max_rows = 1 + g,
                                           .seed = g == 2 ? 8 : 7,
                                           .backward = true};
        assert_int_equal(opu_graph_plan(graphs[g], &how), OPU_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        struct opu_tensor_ref const bp = opu_graph_param_at(graphs[0], i);
        size_t const bytes = bp.shape[0] * bp.shape[1] * sizeof(float);
        assert_memory_equal(bp.data, opu_graph_param_at(graphs[1], i).data, bytes);
        assert_memory_not_equal(bp.data, opu_graph_param_at(graphs[2], i).data, bytes);
        for (size_t k = 0; k < bytes / sizeof(float); k++) {
            assert_true(fabsf(((const float *)bp.data)[k]) <= 0.1f);
        }
    }
    for (size_t g = 0; g < 3; g++) {
        opu_graph_destroy(graphs[g]);
    }
}

static void initial_values_are_uniform(void **state)
{
    struct opu_graph *const graph = new_graph(state);
    (void)opu_graph_param(graph, "w", 100, 100, (struct opu_init){.bound = 0.5});
    (void)opu_graph_param(graph, "b", 10, 0, (struct opu_init){.constant = 0.75});
    struct opu_graph_plan const how = {.size = sizeof how, .max_rows = 1, .seed = 3};
    assert_int_equal(opu_graph_plan(graph, &how), OPU_OK);
    const float *const w = opu_graph_param_at(graph, 0).data;
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < 10000; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
    }
    /* uniform in +-1/2: variance 1/12, of its square 1/180; five standard errors of 10000 draws */
    check_within("mean", 0, sum / 1e4, 0.0, 5.0 * sqrt(1.0 / 12.0) / 100.0);
    check_within("variance", 0, squares / 1e4, 1.0 / 12.0, 5.0 * sqrt(1.0 / 180.0) / 100.0);
    struct opu_tensor_ref const b = opu_graph_param_at(graph, 1);
    assert_int_equal(b.rank, 1);
    assert_int_equal(b.shape[0], 10);
    assert_true(((const float *)b.data)[9] == 0.75f);
    opu_graph_destroy(graph);
}

static void parameters_of_another_model_are_not_shared(void **state)
{
    struct opu_graph *const owner = new_graph(state);
    build_chain(owner);
    struct opu_graph *const twin = new_graph(state);
    finish(twin, opu_graph_tap(twin, opu_graph_input(twin, "x", OPU_F32, 5), "t"), 5);
    struct opu_graph_plan how = {
        .size = sizeof how, .max_rows = 4, .backward = true, .params_of = owner};
    assert_fails(OPU_E_INVALID, opu_graph_plan(twin, &how), "isn't planned");
    assert_int_equal(plan(owner, OPU_METHOD_DFA), OPU_OK);
    assert_fails(OPU_E_MISMATCH, opu_graph_plan(twin, &how), "\"top\" [3, 5]", "\"a\" [6, 5]");
    opu_graph_destroy(twin);
    opu_graph_destroy(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_errors_name_both_shapes),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(each_misuse_fails_with_its_sentence),
        cmocka_unit_test(bad_plans_are_refused),
        cmocka_unit_test(a_planned_graph_is_closed),
        cmocka_unit_test(a_chain_has_a_block_between_taps),
        cmocka_unit_test(taps_with_a_common_root_below_share_a_block),
        cmocka_unit_test(a_shared_weight_joins_blocks),
        cmocka_unit_test(without_taps_all_is_the_head),
        cmocka_unit_test(a_tap_with_nothing_below_has_no_block),
        cmocka_unit_test(back_propagation_has_one_block),
        cmocka_unit_test(a_shallow_plan_trains_the_head_alone),
        cmocka_unit_test(parameters_start_on_cache_lines_and_are_padded_by_zeros),
        cmocka_unit_test(initial_values_hang_on_the_seed_alone),
        cmocka_unit_test(initial_values_are_uniform),
        cmocka_unit_test(parameters_of_another_model_are_not_shared),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
