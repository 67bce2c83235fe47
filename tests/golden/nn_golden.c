/* SPDX-License-Identifier: MIT */
/* A small network against PyTorch in double precision: forward, loss, gradients (gen_mlp.py). */
#include "tests/unit/nn_check.h"

#include <stdio.h>

#include "core/base/safetensors.h"
#include "core/models/models.h"

/*
 * Sums have at most 13 terms, three layers deep; magnitudes stay below 4. Worst case 3 * 14 * 4
 * roundings of 2^-24 = 1e-5; signs are random.
 */
#define TOLERANCE 2e-6

struct golden {
    struct opu_safetensors *file;
    struct opu_graph *graph;
    struct opu_model_values values;
    size_t rows;
};

static const struct opu_tensor_ref *tensor(const struct golden *golden, const char *prefix,
                                           const char *name)
{
    char full[96];
    (void)snprintf(full, sizeof full, "%s%s", prefix, name);
    const struct opu_tensor_ref *const found = opu_safetensors_find(golden->file, full);
    if (found == NULL) {
        fail_msg("the golden file has no tensor %s", full);
    }
    return found;
}

static size_t count(const struct opu_tensor_ref *tensor)
{
    size_t n = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i];
    }
    return n;
}

static void check_values(const struct golden *golden, const char *prefix, const char *name,
                         const float *seen)
{
    const struct opu_tensor_ref *const wanted = tensor(golden, prefix, name);
    for (size_t i = 0; i < count(wanted); i++) {
        float value;
        memcpy(&value, (const char *)wanted->data + i * sizeof value, sizeof value);
        check_within(wanted->name, i, (double)seen[i], (double)value, TOLERANCE);
    }
}

static struct golden open_golden(struct opu_context *context, const char *activation)
{
    struct golden golden = {0};
    char path[1024];
    const char *const folder = getenv("OPU_GOLDEN_DIR");
    assert_non_null(folder);
    (void)snprintf(path, sizeof path, "%s/mlp_%s.safetensors", folder, activation);
    if (opu_safetensors_open(&golden.file, context, path) < 0) {
        fail_msg("%s", opu_error_message());
    }
    const struct opu_tensor_ref *const input = tensor(&golden, "", "input");
    golden.rows = input->shape[0];
    struct opu_model_options const options = {
        .size = sizeof options,
        .inputs = input->shape[1],
        .n_hidden = 2,
        .hidden = {tensor(&golden, "", "layers.0.bias")->shape[0],
                   tensor(&golden, "", "layers.1.bias")->shape[0]},
        .classes = tensor(&golden, "", "layers.2.bias")->shape[0],
        .activation = strcmp(activation, "relu") == 0 ? OPU_ACTIVATION_RELU : OPU_ACTIVATION_TANH,
    };
    assert_int_equal(opu_graph_create(&golden.graph, context), OPU_OK);
    assert_int_equal(opu_model_mlp(golden.graph, &options, &golden.values), OPU_OK);
    struct opu_graph_plan const plan = {
        .size = sizeof plan, .method = OPU_METHOD_BP, .max_rows = golden.rows, .backward = true};
    assert_int_equal(opu_graph_plan(golden.graph, &plan), OPU_OK);
    return golden;
}

static void close_golden(struct golden *golden)
{
    opu_graph_destroy(golden->graph);
    opu_safetensors_close(golden->file);
}

static void load(struct golden *golden)
{
    float *const values = opu_graph_params(golden->graph).values;
    for (size_t i = 0; i < opu_graph_param_count(golden->graph); i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(golden->graph, i);
        const struct opu_tensor_ref *const from = tensor(golden, "", param.name);
        assert_int_equal(count(from), count(&param));
        memcpy(values + ((const float *)param.data - values), from->data,
               count(from) * sizeof(float));
    }
    const struct opu_tensor_ref *const input = tensor(golden, "", "input");
    const struct opu_tensor_ref *const labels = tensor(golden, "", "labels");
    assert_int_equal(labels->dtype, OPU_I32);
    memcpy(opu_graph_input_data(golden->graph, golden->values.input), input->data,
           count(input) * sizeof(float));
    memcpy(opu_graph_input_data(golden->graph, golden->values.labels), labels->data,
           count(labels) * sizeof(int32_t));
}

static void check(struct opu_context *context, const char *activation)
{
    struct golden golden = open_golden(context, activation);
    struct opu_graph *const graph = golden.graph;
    load(&golden);
    opu_graph_forward(graph, golden.rows, true, 0);
    opu_graph_backward(graph, 0);
    float const loss = (float)opu_graph_loss(graph);
    check_values(&golden, "", "loss", &loss);
    check_values(&golden, "", "logits", opu_graph_value(graph, golden.values.logits));
    check_values(&golden, "", "error", opu_graph_error(graph));
    for (size_t t = 0; t < opu_graph_taps(graph); t++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%zu", t);
        check_values(&golden, "tap.", name, opu_graph_tap_at(graph, t)->grad);
    }
    struct opu_params const all = opu_graph_params(graph);
    for (size_t i = 0; i < opu_graph_param_count(graph); i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(graph, i);
        check_values(&golden, "grad.", param.name,
                     all.grads + ((const float *)param.data - all.values));
    }
    close_golden(&golden);
}

static void the_tanh_network_is_that_of_pytorch(void **state)
{
    check(*state, "tanh");
}

static void the_relu_network_is_that_of_pytorch(void **state)
{
    check(*state, "relu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tanh_network_is_that_of_pytorch),
        cmocka_unit_test(the_relu_network_is_that_of_pytorch),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
