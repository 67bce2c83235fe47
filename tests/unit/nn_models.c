/* SPDX-License-Identifier: MIT */
/* Models: found by name, built as described, refused where the options make no sense. */
#include "nn_check.h"

#include "core/models/models.h"

static struct opu_model_options const fashion = {
    .size = sizeof fashion,
    .inputs = 784,
    .classes = 10,
    .n_hidden = 2,
    .hidden = {1024, 512},
};

static struct opu_graph *build(void **state, const struct opu_model_options *options,
                               struct opu_model_values *values)
{
    struct opu_graph *graph;
    const struct opu_model *model;
    assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
    assert_int_equal(opu_model_find(&model, "mlp"), OPU_OK);
    assert_int_equal(model->build(graph, options, values), OPU_OK);
    struct opu_graph_plan const plan = {
        .size = sizeof plan, .method = OPU_METHOD_DFA, .max_rows = 2, .seed = 1, .backward = true};
    assert_int_equal(opu_graph_plan(graph, &plan), OPU_OK);
    return graph;
}

static void the_mlp_has_the_shape_it_is_told(void **state)
{
    static const struct {
        const char *name;
        size_t rank, rows, columns;
        double bound;
    } wanted[] = {
        {"layers.0.weight", 2, 1024, 784, 1.0 / 28.0}, {"layers.0.bias", 1, 1024, 0, 1.0 / 28.0},
        {"layers.1.weight", 2, 512, 1024, 1.0 / 32.0}, {"layers.1.bias", 1, 512, 0, 1.0 / 32.0},
        {"layers.2.weight", 2, 10, 512, 0.0441941738}, {"layers.2.bias", 1, 10, 0, 0.0441941738},
    };
    struct opu_model_values values;
    struct opu_graph *const graph = build(state, &fashion, &values);
    assert_int_equal(opu_graph_param_count(graph), 6);
    for (size_t i = 0; i < 6; i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(graph, i);
        assert_string_equal(param.name, wanted[i].name);
        assert_int_equal(param.rank, wanted[i].rank);
        assert_int_equal(param.shape[0], wanted[i].rows);
        assert_int_equal(param.shape[1], wanted[i].columns);
        /* uniform in +-1/sqrt(fan_in): of n draws the largest misses the bound by a share of 20/n
         * in one of e^20 cases */
        size_t const n = wanted[i].rows * (wanted[i].columns > 0 ? wanted[i].columns : 1);
        double largest = 0.0;
        for (size_t k = 0; k < n; k++) {
            largest = fmax(largest, fabs((double)((const float *)param.data)[k]));
        }
        assert_true(largest <= wanted[i].bound * (1.0 + 1e-6));
        assert_true(largest >= wanted[i].bound * (1.0 - 20.0 / (double)n));
    }
    assert_int_equal(opu_graph_param_total(graph),
                     784 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 10 + 10);
    assert_int_equal(opu_graph_columns(graph, values.logits), 10);
    assert_int_equal(opu_graph_error_columns(graph), 10);
    opu_graph_destroy(graph);
}

static void the_mlp_is_tapped_after_each_hidden_layer(void **state)
{
    struct opu_model_values values;
    struct opu_graph *const graph = build(state, &fashion, &values);
    assert_int_equal(opu_graph_taps(graph), 2);
    assert_string_equal(opu_graph_tap_at(graph, 0)->name, "layers.0");
    assert_int_equal(opu_graph_tap_at(graph, 0)->columns, 1024);
    assert_int_equal(opu_graph_tap_at(graph, 1)->columns, 512);
    assert_int_equal(opu_graph_blocks(graph), 3);
    opu_graph_destroy(graph);
}

static void an_mlp_without_hidden_layers_is_linear(void **state)
{
    struct opu_model_options options = fashion;
    struct opu_model_values values;
    options.n_hidden = 0;
    struct opu_graph *const graph = build(state, &options, &values);
    assert_int_equal(opu_graph_taps(graph), 0);
    assert_int_equal(opu_graph_param_count(graph), 2);
    opu_graph_destroy(graph);
}

static void the_activation_is_the_one_asked_for(void **state)
{
    for (int activation = 0; activation < 2; activation++) {
        struct opu_model_options options = fashion;
        struct opu_model_values values;
        options.activation = (enum opu_activation)activation;
        struct opu_graph *const graph = build(state, &options, &values);
        float *const x = opu_graph_input_data(graph, values.input);
        for (size_t i = 0; i < 784; i++) {
            x[i] = 1.0f;
        }
        opu_graph_forward(graph, 1, false, 0);
        /* the value below the head's weights is the second tap */
        const float *const h = opu_graph_value(graph, values.logits - 3);
        assert_int_equal(opu_graph_columns(graph, values.logits - 3), 512);
        size_t negative = 0;
        for (size_t i = 0; i < 512; i++) {
            negative += h[i] < 0.0f;
            assert_true(activation == OPU_ACTIVATION_RELU || fabsf(h[i]) <= 1.0f);
        }
        if (activation == OPU_ACTIVATION_RELU) {
            assert_int_equal(negative, 0);
        } else {
            assert_in_range(negative, 100, 412);
        }
        opu_graph_destroy(graph);
    }
}

static void senseless_options_are_refused(void **state)
{
    struct opu_model_options bad[5] = {fashion, fashion, fashion, fashion, fashion};
    bad[0].inputs = 0;
    bad[1].classes = 1;
    bad[2].n_hidden = OPU_MODEL_MAX_HIDDEN + 1;
    bad[3].hidden[1] = 0;
    bad[4].size = 3;
    for (size_t i = 0; i < 5; i++) {
        struct opu_graph *graph;
        struct opu_model_values values;
        assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
        assert_int_equal(opu_model_mlp(graph, &bad[i], &values), OPU_E_INVALID);
        assert_non_null(strstr(opu_error_message(), "wanted"));
        opu_graph_destroy(graph);
    }
}

static void an_unknown_model_is_told_the_known_ones(void **state)
{
    (void)state;
    const struct opu_model *model;
    assert_int_equal(opu_model_find(&model, "perceptron"), OPU_E_NOT_FOUND);
    assert_null(model);
    assert_non_null(strstr(opu_error_message(), "perceptron"));
    for (size_t i = 0; opu_model_at(i) != NULL; i++) {
        assert_non_null(strstr(opu_error_message(), opu_model_at(i)->name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mlp_has_the_shape_it_is_told),
        cmocka_unit_test(the_mlp_is_tapped_after_each_hidden_layer),
        cmocka_unit_test(an_mlp_without_hidden_layers_is_linear),
        cmocka_unit_test(the_activation_is_the_one_asked_for),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(an_unknown_model_is_told_the_known_ones),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
