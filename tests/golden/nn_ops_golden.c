/* SPDX-License-Identifier: MIT */
/* Small compositions of the graph's operations against PyTorch in double precision (gen_ops.py):
 * result, loss, error and the gradient of every parameter. */
#include "tests/unit/nn_check.h"

#include <stdio.h>

#include "core/base/safetensors.h"
#include "core/nn/graph.h"

/*
 * Sums have at most 8 terms, four operations deep; magnitudes stay below 20 (squares of normal
 * draws). Worst case 4 * 9 * 20 roundings of 2^-24 = 4e-5; signs are random, and gradients carry
 * 1 / rows.
 */
#define TOLERANCE 5e-6

struct golden {
    struct opu_safetensors *file;
    struct opu_graph *graph;
    const char *name;
    struct opu_csr matrix;
    int32_t *rows; /* of the matrix's entries */
};

static const struct opu_tensor_ref *find(const struct golden *golden, const char *prefix,
                                         const char *name)
{
    char full[96];
    (void)snprintf(full, sizeof full, "%s.%s%s", golden->name, prefix, name);
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

static size_t columns_of(const struct opu_tensor_ref *tensor)
{
    return tensor->rank > 1 ? tensor->shape[1] : 0;
}

static int param(struct golden *golden, const char *name)
{
    const struct opu_tensor_ref *const from = find(golden, "", name);
    return opu_graph_param(golden->graph, name, from->shape[0], columns_of(from),
                           (struct opu_init){0});
}

static int constant(struct golden *golden, const char *name)
{
    const struct opu_tensor_ref *const from = find(golden, "", name);
    return opu_graph_constant(golden->graph, from->dtype, from->shape[0], columns_of(from),
                              from->data);
}

static int classify(struct golden *golden, int x)
{
    (void)opu_graph_softmax_xent(golden->graph, x, constant(golden, "labels"));
    return x;
}

static int matrix(struct golden *golden, size_t rows, size_t columns, const char *values)
{
    const struct opu_tensor_ref *const index = find(golden, "", "index");
    struct opu_csr *const m = &golden->matrix;
    assert_int_equal(opu_csr_alloc(NULL, m, rows, columns, count(index), values != NULL), OPU_OK);
    memcpy(m->index, index->data, count(index) * sizeof *m->index);
    memcpy(m->start, find(golden, "", "start")->data, (rows + 1) * sizeof *m->start);
    if (values != NULL) {
        memcpy(m->value, find(golden, "", values)->data, count(index) * sizeof *m->value);
    }
    assert_int_equal(opu_csr_transpose(NULL, m, OPU_CSR_ORDER), OPU_OK);
    golden->rows = make(m->count, sizeof *golden->rows);
    opu_sparse_rows(m, golden->rows);
    return opu_graph_sparse(golden->graph, m);
}

/* --- the cases of gen_ops.py --- */

static int build_maps(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const x = param(golden, "x");
    int const all[] = {opu_graph_elu(g, x), opu_graph_leaky_relu(g, x, 0.2),
                       opu_graph_sigmoid(g, x), opu_graph_affine(g, x, -2.0, 0.5)};
    return classify(golden, opu_graph_concat(g, all, 4));
}

static int build_attention(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const q = param(golden, "q");
    int const k = param(golden, "k");
    int const v = param(golden, "v");
    int x = opu_graph_affine(g, opu_graph_bmm(g, q, k, 3, 2, true), 0.5, 0.0);
    x = opu_graph_softmax(g, opu_graph_add(g, x, constant(golden, "mask")), 2, false);
    return classify(golden, opu_graph_bmm(g, x, v, 3, 2, false));
}

static int build_grouped(struct golden *golden)
{
    int const x = param(golden, "x");
    int const w = param(golden, "w");
    return classify(golden, opu_graph_bmm(golden->graph, x, w, 0, 3, false));
}

static int build_spare(struct golden *golden)
{
    return classify(golden, opu_graph_softmax(golden->graph, param(golden, "x"), 2, true));
}

static int build_broadcast(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const a = param(golden, "a");
    int const heads = param(golden, "heads");
    int const bias = param(golden, "bias");
    int const place = param(golden, "place");
    int const y = opu_graph_add(g, opu_graph_mul(g, a, heads), bias);
    return classify(golden, opu_graph_add(g, opu_graph_mul(g, y, place), opu_graph_mul(g, a, a)));
}

static int build_sums(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const x = param(golden, "x");
    int const columns = opu_graph_sum_columns(g, opu_graph_slice(g, x, 2, 6), 3);
    int const both[] = {opu_graph_reshape(g, columns, 6), opu_graph_sum_rows(g, x, 2)};
    return classify(golden, opu_graph_concat(g, both, 2));
}

static int build_machine(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const table = param(golden, "table");
    int const e = opu_graph_reshape(g, opu_graph_gather(g, table, constant(golden, "index")), 3);
    int const sum = opu_graph_sum_rows(g, e, 4);
    int const squares = opu_graph_sum_rows(g, opu_graph_mul(g, e, e), 4);
    int const pairs =
        opu_graph_add(g, opu_graph_mul(g, sum, sum), opu_graph_affine(g, squares, -1.0, 0.0));
    int const logits = opu_graph_affine(g, opu_graph_sum_columns(g, pairs, 1), 0.5, 0.0);
    (void)opu_graph_bce(g, logits, constant(golden, "target"), -1);
    return logits;
}

static int build_products(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const m = matrix(golden, 6, 5, "values");
    int const x = param(golden, "x");
    int const back = opu_graph_spmm(g, m, -1, param(golden, "z"), true);
    return classify(golden, opu_graph_spmm(g, m, -1, opu_graph_add(g, x, back), false));
}

static int build_attending(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    int const m = matrix(golden, 6, 6, NULL);
    int const h = param(golden, "h");
    int const a = opu_graph_sum_columns(g, opu_graph_mul(g, h, param(golden, "a")), 2);
    int const b = opu_graph_sum_columns(g, opu_graph_mul(g, h, param(golden, "b")), 2);
    size_t const n = golden->matrix.count;
    int const to = opu_graph_constant(g, OPU_I32, n, 1, golden->rows);
    int const from = opu_graph_constant(g, OPU_I32, n, 1, golden->matrix.index);
    int const scores = opu_graph_leaky_relu(
        g, opu_graph_add(g, opu_graph_gather(g, a, to), opu_graph_gather(g, b, from)), 0.2);
    return classify(golden, opu_graph_spmm(g, m, opu_graph_edge_softmax(g, m, scores), h, false));
}

static int build_scatter(struct golden *golden)
{
    int const x = param(golden, "x");
    return classify(golden, opu_graph_scatter_add(golden->graph, x, constant(golden, "index"), 4));
}

static int build_masked(struct golden *golden)
{
    int const x = param(golden, "x");
    (void)opu_graph_softmax_xent_masked(golden->graph, x, constant(golden, "labels"),
                                        constant(golden, "mask"));
    return x;
}

static int build_likelihood(struct golden *golden)
{
    int const x = opu_graph_log_softmax(golden->graph, param(golden, "x"));
    (void)opu_graph_nll(golden->graph, x, constant(golden, "labels"), constant(golden, "mask"));
    return x;
}

static int build_decoder(struct golden *golden)
{
    struct opu_graph *const g = golden->graph;
    /* a linear layer wants its weight [out, in]: the product in one group takes it as it is */
    int const x = param(golden, "x");
    int const z = opu_graph_bmm(g, x, param(golden, "w"), 0, 1, false);
    int const pairs = opu_graph_mul(g, opu_graph_gather(g, z, constant(golden, "from")),
                                    opu_graph_gather(g, z, constant(golden, "to")));
    int const logits = opu_graph_sum_columns(g, pairs, 1);
    (void)opu_graph_bce(g, logits, constant(golden, "target"), -1);
    opu_graph_error_at(g, z);
    return logits;
}

static const struct {
    const char *name;
    int (*build)(struct golden *golden);
} cases[] = {
    {"maps", build_maps},       {"attention", build_attention}, {"grouped", build_grouped},
    {"spare", build_spare},     {"broadcast", build_broadcast}, {"sums", build_sums},
    {"machine", build_machine}, {"products", build_products},   {"attending", build_attending},
    {"scatter", build_scatter}, {"masked", build_masked},       {"likelihood", build_likelihood},
    {"decoder", build_decoder},
};

/* --- running one --- */

static void check_values(const struct golden *golden, const char *prefix, const char *name,
                         const float *seen)
{
    const struct opu_tensor_ref *const wanted = find(golden, prefix, name);
    for (size_t i = 0; i < count(wanted); i++) {
        float value;
        memcpy(&value, (const char *)wanted->data + i * sizeof value, sizeof value);
        check_within(wanted->name, i, (double)seen[i], (double)value,
                     TOLERANCE * fmax(1.0, fabs((double)value)));
    }
}

static void load(struct golden *golden)
{
    float *const values = opu_graph_params(golden->graph).values;
    for (size_t i = 0; i < opu_graph_param_count(golden->graph); i++) {
        struct opu_tensor_ref const to = opu_graph_param_at(golden->graph, i);
        const struct opu_tensor_ref *const from = find(golden, "", to.name);
        memcpy(values + ((const float *)to.data - values), from->data, count(from) * sizeof(float));
    }
}

static void check_case(struct golden *golden, int (*build)(struct golden *golden))
{
    assert_int_equal(opu_graph_create(&golden->graph, NULL), OPU_OK);
    struct opu_graph *const graph = golden->graph;
    int const result = build(golden);
    struct opu_graph_plan const plan = {.size = sizeof plan, .max_rows = 1, .backward = true};
    if (opu_graph_plan(graph, &plan) < 0) {
        fail_msg("%s: %s", golden->name, opu_error_message());
    }
    load(golden);
    opu_graph_forward(graph, 1, true, 0);
    check_values(golden, "", "out", opu_graph_value(graph, result));
    check_values(golden, "", "error", opu_graph_error(graph));
    opu_graph_backward(graph, 0);
    float const loss = (float)opu_graph_loss(graph);
    check_values(golden, "", "loss", &loss);
    struct opu_params const all = opu_graph_params(graph);
    for (size_t i = 0; i < opu_graph_param_count(graph); i++) {
        struct opu_tensor_ref const of = opu_graph_param_at(graph, i);
        check_values(golden, "grad.", of.name, all.grads + ((const float *)of.data - all.values));
    }
    opu_graph_destroy(graph);
    opu_csr_free(NULL, &golden->matrix);
    free(golden->rows);
}

static void each_composition_is_that_of_pytorch(void **state)
{
    (void)state;
    char path[1024];
    const char *const folder = getenv("OPU_GOLDEN_DIR");
    assert_non_null(folder);
    (void)snprintf(path, sizeof path, "%s/ops.safetensors", folder);
    struct opu_safetensors *file;
    if (opu_safetensors_open(&file, NULL, path) < 0) {
        fail_msg("%s", opu_error_message());
    }
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct golden golden = {.file = file, .name = cases[c].name};
        check_case(&golden, cases[c].build);
    }
    opu_safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_composition_is_that_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
