/* SPDX-License-Identifier: MIT */
/* The models of graphs against PyTorch in double precision (gen_models.py): result, loss, error and
 * the gradient of every parameter, by back-propagation and with what the taps are fed. */
#include "tests/unit/nn_check.h"

#include <stdio.h>

#include "core/base/safetensors.h"
#include "core/models/models.h"

/*
 * dna is deepest: 3 layers of 7 roundings over sums of at most 8 neighbours by 8 columns; values
 * stay below 10. At random signs sqrt(3 * 7 * 64) * 10 roundings of 2^-24 = 2e-5 at most; e and
 * gradients carry 1 / rows.
 */
#define TOLERANCE 1e-5

struct golden {
    struct opu_safetensors *file;
    const char *model;
    struct opu_csr adjacency, x;
    struct opu_graph_store *store;
};

static const struct opu_tensor_ref *find(const struct golden *golden, const char *name)
{
    const struct opu_tensor_ref *const found = opu_safetensors_find(golden->file, name);
    if (!found) {
        fail_msg("the golden file has no tensor %s", name);
    }
    return found;
}

/* MODEL.prefix.name */
static const struct opu_tensor_ref *of_model(const struct golden *golden, const char *prefix,
                                             const char *name)
{
    char full[96];
    (void)snprintf(full, sizeof full, "%s.%s%s", golden->model, prefix, name);
    return find(golden, full);
}

static size_t count(const struct opu_tensor_ref *tensor)
{
    size_t n = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i];
    }
    return n;
}

static void read_matrix(const struct golden *golden, struct opu_csr *out, const char *prefix,
                        size_t rows, size_t columns)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%sindex", prefix);
    const struct opu_tensor_ref *const index = find(golden, name);
    (void)snprintf(name, sizeof name, "%sstart", prefix);
    bool const values = prefix[0] != '\0';
    assert_int_equal(opu_csr_alloc(NULL, out, rows, columns, count(index), values), OPU_OK);
    memcpy(out->start, find(golden, name)->data, (rows + 1) * sizeof *out->start);
    memcpy(out->index, index->data, count(index) * sizeof *out->index);
    if (values) {
        memcpy(out->value, find(golden, "x_value")->data, count(index) * sizeof *out->value);
    }
}

static int open_golden(void **state)
{
    static struct golden golden;
    char path[1024];
    const char *const folder = getenv("OPU_GOLDEN_DIR");
    assert_non_null(folder);
    (void)snprintf(path, sizeof path, "%s/models.safetensors", folder);
    if (opu_safetensors_open(&golden.file, NULL, path) < 0) {
        fail_msg("%s", opu_error_message());
    }
    size_t const nodes = count(find(&golden, "labels"));
    read_matrix(&golden, &golden.adjacency, "", nodes, nodes);
    unsigned const flags = (unsigned)OPU_CSR_SYMMETRIC | (unsigned)OPU_CSR_SYMMETRIC_PATTERN;
    assert_int_equal(opu_csr_transpose(NULL, &golden.adjacency, flags), OPU_OK);
    golden.model = "gcn";
    read_matrix(&golden, &golden.x, "x_", nodes, of_model(&golden, "", "conv1.weight")->shape[0]);
    assert_int_equal(opu_graph_store_create(&golden.store, NULL, &golden.adjacency, &golden.x),
                     OPU_OK);
    *state = &golden;
    return 0;
}

static int close_golden(void **state)
{
    struct golden *const golden = *state;
    opu_graph_store_destroy(golden->store);
    opu_csr_free(NULL, &golden->x);
    opu_csr_free(NULL, &golden->adjacency);
    opu_safetensors_close(golden->file);
    return 0;
}

static void fill(const struct golden *golden, struct opu_graph *graph, int input, const char *name)
{
    const struct opu_tensor_ref *const from = find(golden, name);
    memcpy(opu_graph_input_data(graph, input), from->data, count(from) * 4);
}

/* As gen_models.py draws them. */
static struct opu_graph *build(const struct golden *golden, enum opu_method method,
                               struct opu_model_values *values)
{
    bool const links = strcmp(golden->model, "gae") == 0;
    bool const dna = strcmp(golden->model, "dna") == 0;
    struct opu_model_options options = {
        .size = sizeof options,
        .inputs = golden->x.columns,
        .classes = 4,
        .n_hidden = links ? 2
                    : dna ? 4
                          : 1,
        .hidden = {8, links ? 3 : 8, 8, 8},
        .nodes = golden->store,
        .heads = 2,
        .groups = 4,
        .pairs = count(find(golden, "target")),
    };
    const struct opu_model *model;
    struct opu_graph *graph;
    struct opu_graph_plan const plan = {
        .size = sizeof plan, .method = method, .max_rows = 1, .backward = true};
    assert_int_equal(opu_graph_create(&graph, NULL), OPU_OK);
    assert_int_equal(opu_model_find(&model, golden->model), OPU_OK);
    if (model->build(graph, &options, values) < 0 || opu_graph_plan(graph, &plan) < 0) {
        fail_msg("%s: %s", golden->model, opu_error_message());
    }
    float *const params = opu_graph_params(graph).values;
    for (size_t i = 0; i < opu_graph_param_count(graph); i++) {
        struct opu_tensor_ref const to = opu_graph_param_at(graph, i);
        const struct opu_tensor_ref *const from = of_model(golden, "", to.name);
        assert_int_equal(count(&to), count(from));
        memcpy(params + ((const float *)to.data - params), from->data, count(from) * sizeof(float));
    }
    fill(golden, graph, values->labels, links ? "target" : "labels");
    fill(golden, graph, values->mask, links ? "weight" : "mask");
    if (links) {
        fill(golden, graph, values->pair, "pair");
    }
    return graph;
}

static void compare(const struct opu_tensor_ref *wanted, const float *seen)
{
    for (size_t i = 0; i < count(wanted); i++) {
        float value;
        memcpy(&value, (const char *)wanted->data + i * sizeof value, sizeof value);
        check_within(wanted->name, i, (double)seen[i], (double)value,
                     TOLERANCE * fmax(1.0, fabs((double)value)));
    }
}

static void feed(const struct golden *golden, const struct opu_graph *graph)
{
    for (size_t t = 0; t < opu_graph_taps(graph); t++) {
        char name[32];
        (void)snprintf(name, sizeof name, "tap.%zu", t);
        const struct opu_tensor_ref *const from = of_model(golden, "", name);
        const struct opu_tap *const tap = opu_graph_tap_at(graph, t);
        assert_int_equal(tap->columns, from->shape[1]);
        for (size_t i = 0; i < from->shape[0]; i++) {
            memcpy(tap->grad + i * tap->grad_stride, (const float *)from->data + i * tap->columns,
                   tap->columns * sizeof(float));
        }
    }
}

static void compare_gradients(const struct golden *golden, struct opu_graph *graph,
                              const char *prefix)
{
    struct opu_params const all = opu_graph_params(graph);
    for (size_t block = opu_graph_blocks(graph); block-- > 0;) {
        opu_graph_backward(graph, block);
    }
    for (size_t i = 0; i < opu_graph_param_count(graph); i++) {
        struct opu_tensor_ref const of = opu_graph_param_at(graph, i);
        compare(of_model(golden, prefix, of.name),
                all.grads + ((const float *)of.data - all.values));
    }
}

static void check_model(struct golden *golden, const char *name)
{
    struct opu_model_values values;
    golden->model = name;
    struct opu_graph *graph = build(golden, OPU_METHOD_BP, &values);
    opu_graph_forward(graph, 1, true, 0);
    float const loss = (float)opu_graph_loss(graph);
    compare(of_model(golden, "", "out"), opu_graph_value(graph, values.logits));
    compare(of_model(golden, "", "loss"), &loss);
    compare(of_model(golden, "", "error"), opu_graph_error(graph));
    compare_gradients(golden, graph, "grad.");
    opu_graph_destroy(graph);

    graph = build(golden, OPU_METHOD_DFA, &values);
    assert_int_equal(opu_graph_blocks(graph), opu_graph_taps(graph) + 1);
    opu_graph_forward(graph, 1, true, 0);
    compare(of_model(golden, "", "error"), opu_graph_error(graph));
    feed(golden, graph);
    compare_gradients(golden, graph, "dfa.");
    opu_graph_destroy(graph);
}

static void gcn_is_that_of_pytorch(void **state)
{
    check_model(*state, "gcn");
}

static void cheb_is_that_of_pytorch(void **state)
{
    check_model(*state, "cheb");
}

static void spline_is_that_of_pytorch(void **state)
{
    check_model(*state, "spline");
}

static void gat_is_that_of_pytorch(void **state)
{
    check_model(*state, "gat");
}

static void dna_is_that_of_pytorch(void **state)
{
    check_model(*state, "dna");
}

static void gae_is_that_of_pytorch(void **state)
{
    check_model(*state, "gae");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcn_is_that_of_pytorch),    cmocka_unit_test(cheb_is_that_of_pytorch),
        cmocka_unit_test(spline_is_that_of_pytorch), cmocka_unit_test(gat_is_that_of_pytorch),
        cmocka_unit_test(dna_is_that_of_pytorch),    cmocka_unit_test(gae_is_that_of_pytorch),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
