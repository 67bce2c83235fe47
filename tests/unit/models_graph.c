/* SPDX-License-Identifier: MIT */
/* The models of graphs: shapes, taps, finite differences with dropout, nodes without edges,
 * refusals. Values are held against PyTorch by tests/golden. */
#include "nn_check.h"

#include <stdio.h>

#include "core/models/models.h"

#define NODES 30
#define INPUTS 11
#define CLASSES 3
#define PAIRS 20

struct toy {
    struct opu_csr adjacency, features;
    struct opu_graph_store *store;
};

/* A pair of nodes is an edge in one of four cases; the last node has none. */
static bool is_edge(size_t i, size_t j)
{
    size_t const low = i < j ? i : j;
    size_t const high = i < j ? j : i;
    return low != high && high + 1 < NODES && (low * 7 + high * high * 5) % 4 == 0;
}

static void make_toy(struct toy *toy, bool edges)
{
    uint32_t n = 0;
    uint32_t index[NODES * NODES] = {0};
    struct opu_csr *const a = &toy->adjacency;
    struct opu_csr *const x = &toy->features;
    size_t const most = edges ? NODES * NODES : 0;
    assert_int_equal(opu_csr_alloc(NULL, a, NODES, NODES, most, false), OPU_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t j = 0; edges && j < NODES; j++) {
            index[n] = j;
            n += is_edge(i, j);
        }
        a->start[i + 1] = n;
    }
    a->count = n;
    memcpy(a->index, index, n * sizeof *index);
    unsigned const flags = (unsigned)OPU_CSR_SYMMETRIC | (unsigned)OPU_CSR_SYMMETRIC_PATTERN;
    assert_int_equal(opu_csr_transpose(NULL, a, flags), OPU_OK);
    /* each third column of a row, shifted */
    n = 0;
    assert_int_equal(opu_csr_alloc(NULL, x, NODES, INPUTS, NODES * INPUTS, true), OPU_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t j = i % 3; j < INPUTS; j += 3) {
            x->index[n] = j;
            x->value[n++] = 0.3f + (float)((i * j) % 5);
        }
        x->start[i + 1] = n;
    }
    x->count = n;
    assert_int_equal(opu_graph_store_create(&toy->store, NULL, a, x), OPU_OK);
}

static void free_toy(struct toy *toy)
{
    opu_graph_store_destroy(toy->store);
    opu_csr_free(NULL, &toy->features);
    opu_csr_free(NULL, &toy->adjacency);
}

static int open_toy(void **state)
{
    static struct toy toy;
    make_toy(&toy, true);
    *state = &toy;
    return 0;
}

static int close_toy(void **state)
{
    free_toy(*state);
    return 0;
}

/* A model with the widths it is tried at, and how many parameters that makes. */
struct trial {
    const char *name;
    size_t n_hidden, width, heads;
    size_t params;
};

static const struct trial trials[] = {
    {"gcn", 1, 8, 0, INPUTS * 8 + 8 + 8 * CLASSES + CLASSES},
    {"cheb", 1, 8, 0, 2 * INPUTS * 8 + 8 + 2 * 8 * CLASSES + CLASSES},
    {"spline", 1, 8, 0, 3 * INPUTS * 8 + 8 + 3 * 8 * CLASSES + CLASSES},
    /* 2 heads: weight, att of both ends, bias; then one head */
    {"gat", 1, 8, 2, INPUTS * 16 + 3 * 16 + 16 * CLASSES + 3 * CLASSES},
    /* 3 convolutions of q, k, v: 4 groups of 2 x 2 and a bias */
    {"dna", 4, 8, 2, INPUTS * 8 + 8 + 3 * 3 * (4 * 2 * 2 + 8) + 8 * CLASSES + CLASSES},
    {"gae", 2, 8, 0, INPUTS * 8 + 8 + 8 * 8 + 8},
};

#define N_TRIALS (sizeof trials / sizeof trials[0])

static struct opu_model_options options_of(const struct toy *toy, const struct trial *trial)
{
    struct opu_model_options options = {
        .size = sizeof options,
        .inputs = INPUTS,
        .classes = CLASSES,
        .n_hidden = trial->n_hidden,
        .nodes = toy->store,
        .heads = trial->heads,
        .groups = 4,
        .pairs = PAIRS,
    };
    for (size_t i = 0; i < trial->n_hidden; i++) {
        options.hidden[i] = trial->width;
    }
    return options;
}

static const struct opu_model *model_of(const struct trial *trial)
{
    const struct opu_model *model;
    assert_int_equal(opu_model_find(&model, trial->name), OPU_OK);
    return model;
}

/* Planned for backward, its labels, mask and pairs filled. */
static struct opu_graph *build(const struct trial *trial, const struct opu_model_options *options,
                               enum opu_method method, struct opu_model_values *values)
{
    const struct opu_model *const model = model_of(trial);
    struct opu_graph *graph;
    struct opu_graph_plan const plan = {
        .size = sizeof plan, .method = method, .max_rows = 1, .seed = 3, .backward = true};
    assert_int_equal(opu_graph_create(&graph, NULL), OPU_OK);
    if (model->build(graph, options, values) < 0 || opu_graph_plan(graph, &plan) < 0) {
        fail_msg("%s: %s", trial->name, opu_error_message());
    }
    bool const links = model->data == OPU_MODEL_LINKS;
    size_t const rows = links ? PAIRS : NODES;
    float *const mask = opu_graph_input_data(graph, values->mask);
    void *const labels = opu_graph_input_data(graph, values->labels);
    for (size_t i = 0; i < rows; i++) {
        mask[i] = (float)(links ? 1 : i % 2);
        if (links) {
            int32_t *const pair = opu_graph_input_data(graph, values->pair);
            pair[2 * i] = (int32_t)(i % NODES);
            pair[2 * i + 1] = (int32_t)(i * i % NODES);
            ((float *)labels)[i] = (float)(i % 3 == 0);
        } else {
            ((int32_t *)labels)[i] = (int32_t)(i % CLASSES);
        }
    }
    return graph;
}

static void each_model_has_the_shape_it_is_told(void **state)
{
    for (size_t t = 0; t < N_TRIALS; t++) {
        struct opu_model_options const options = options_of(*state, &trials[t]);
        struct opu_model_values values;
        struct opu_graph *const graph = build(&trials[t], &options, OPU_METHOD_DFA, &values);
        bool const links = model_of(&trials[t])->data == OPU_MODEL_LINKS;
        opu_graph_forward(graph, 1, false, 0);
        assert_int_equal(opu_graph_param_total(graph), trials[t].params);
        assert_int_equal(values.input, -1);
        assert_int_equal(opu_graph_columns(graph, values.logits), links ? 1 : CLASSES);
        assert_int_equal(opu_graph_value_rows(graph, values.logits), links ? PAIRS : NODES);
        assert_int_equal(opu_graph_error_columns(graph), links ? 8 : CLASSES);
        assert_int_equal(opu_graph_error_rows(graph), NODES);
        if (links) {
            assert_int_equal(opu_graph_columns(graph, values.embedding), 8);
            assert_int_equal(opu_graph_value_rows(graph, values.embedding), NODES);
        }
        opu_graph_destroy(graph);
    }
}

static void hidden_layers_are_tapped(void **state)
{
    static const char *const names[] = {"lin1", "convs.0", "convs.1", "convs.2"};
    for (size_t t = 0; t < N_TRIALS; t++) {
        struct opu_model_options const options = options_of(*state, &trials[t]);
        struct opu_model_values values;
        struct opu_graph *const graph = build(&trials[t], &options, OPU_METHOD_DFA, &values);
        bool const dna = strcmp(trials[t].name, "dna") == 0;
        size_t const taps = dna ? 4 : 1;
        size_t const width = trials[t].width * (trials[t].heads > 0 && !dna ? 2 : 1);
        assert_int_equal(opu_graph_taps(graph), taps);
        assert_int_equal(values.n_hidden, taps);
        assert_int_equal(opu_graph_blocks(graph), taps + 1);
        opu_graph_forward(graph, 1, false, 0);
        for (size_t i = 0; i < taps; i++) {
            const struct opu_tap *const tap = opu_graph_tap_at(graph, i);
            assert_string_equal(tap->name, dna ? names[i] : "conv1");
            assert_int_equal(tap->columns, width);
            assert_int_equal(opu_graph_columns(graph, values.hidden[i]), width);
            assert_int_equal(opu_graph_value_rows(graph, values.hidden[i]), NODES);
        }
        opu_graph_destroy(graph);
    }
}

static double loss_at(struct opu_graph *graph, const float *from, const float *way, double step)
{
    struct opu_params const all = opu_graph_params(graph);
    for (size_t i = 0; i < all.count; i++) {
        all.values[i] = from[i] + (float)step * way[i];
    }
    opu_graph_forward(graph, 1, true, 5);
    return opu_graph_loss(graph);
}

/*
 * Along a way between the gradient's and a random one, of length about 1, the loss bends by its
 * third derivative, some units, times step^2 / 6 = 2e-7; logits near 1 with 5 roundings of 2^-24
 * make 3e-7 / (2 step) = 2e-4 of the loss; a relu that turns over within the step adds some 1e-3 of
 * the slope, for it is one of 30 nodes by 8 columns.
 */
static void gradients_are_differences_of_the_loss_with_dropout(void **state)
{
    double const step = 1e-3;
    for (size_t t = 0; t < N_TRIALS; t++) {
        struct numbers numbers = {.seed = 29};
        struct opu_model_options options = options_of(*state, &trials[t]);
        struct opu_model_values values;
        options.dropout = 0.4;
        options.dropout_features = 0.3;
        options.dropout_attention = 0.2;
        options.dropout_attention_last = 0.5;
        struct opu_graph *const graph = build(&trials[t], &options, OPU_METHOD_BP, &values);
        struct opu_params const all = opu_graph_params(graph);
        /* biases of 0 would leave nodes without features at the kink of relu */
        float *const from = make_numbers(&numbers, all.count);
        for (size_t i = 0; i < all.count; i++) {
            all.values[i] += 0.1f * from[i];
            from[i] = all.values[i];
        }
        opu_graph_forward(graph, 1, true, 5);
        opu_graph_backward(graph, 0);
        float *const grads = make(all.count, sizeof *grads);
        memcpy(grads, all.grads, all.count * sizeof *grads);
        double norm = 0.0;
        for (size_t i = 0; i < all.count; i++) {
            norm += (double)grads[i] * (double)grads[i];
        }
        norm = sqrt(norm);
        assert_true(norm > 0.02); /* else there would be nothing to compare */
        for (size_t way = 0; way < 8; way++) {
            float *const d = make_numbers(&numbers, all.count);
            double slope = 0.0;
            for (size_t i = 0; i < all.count; i++) {
                d[i] = d[i] * 2.0f / sqrtf((float)all.count) + grads[i] / (float)norm;
                slope += (double)grads[i] * (double)d[i];
            }
            double const ahead = loss_at(graph, from, d, step);
            double const behind = loss_at(graph, from, d, -step);
            check_within(trials[t].name, way, (ahead - behind) / (2.0 * step), slope,
                         2e-4 + 2e-3 * fabs(slope));
            free(d);
        }
        free(grads);
        free(from);
        opu_graph_destroy(graph);
    }
}

static void dropout_is_for_training_alone(void **state)
{
    for (size_t t = 0; t < N_TRIALS; t++) {
        struct opu_model_options options = options_of(*state, &trials[t]);
        struct opu_model_values values;
        struct opu_graph *const plain = build(&trials[t], &options, OPU_METHOD_BP, &values);
        opu_graph_forward(plain, 1, true, 0);
        double const wanted = opu_graph_loss(plain);
        opu_graph_destroy(plain);
        /* each kind by itself moves the loss of the models that have it, while training alone */
        for (size_t kind = 0; kind < 4; kind++) {
            bool const gat = strcmp(trials[t].name, "gat") == 0;
            bool const has = kind < 2 || gat || (kind == 2 && strcmp(trials[t].name, "dna") == 0);
            double *const of[] = {&options.dropout, &options.dropout_features,
                                  &options.dropout_attention, &options.dropout_attention_last};
            *of[kind] = 0.5;
            struct opu_graph *const graph = build(&trials[t], &options, OPU_METHOD_BP, &values);
            opu_graph_forward(graph, 1, true, 0);
            assert_int_equal(fabs(opu_graph_loss(graph) - wanted) > 1e-6, has);
            opu_graph_forward(graph, 1, false, 0);
            /* the same sums, some in another order: products with and without own weights */
            check_within(trials[t].name, kind, opu_graph_loss(graph), wanted, 1e-6);
            opu_graph_destroy(graph);
            *of[kind] = 0.0;
        }
    }
}

static void a_graph_without_edges_works(void **state)
{
    (void)state;
    struct toy toy;
    make_toy(&toy, false);
    for (size_t t = 0; t < N_TRIALS; t++) {
        struct opu_model_options const options = options_of(&toy, &trials[t]);
        struct opu_model_values values;
        struct opu_graph *const graph = build(&trials[t], &options, OPU_METHOD_BP, &values);
        opu_graph_forward(graph, 1, true, 0);
        opu_graph_backward(graph, 0);
        assert_true(isfinite(opu_graph_loss(graph)));
        struct opu_params const all = opu_graph_params(graph);
        double sum = 0.0;
        for (size_t i = 0; i < all.count; i++) {
            sum += fabs((double)all.grads[i]);
        }
        assert_true(isfinite(sum) && sum > 0.0);
        opu_graph_destroy(graph);
    }
    free_toy(&toy);
}

/* One field of the options bent for one model. */
static void refuse(const struct trial *trial, const struct opu_model_options *bad)
{
    struct opu_graph *graph;
    struct opu_model_values values;
    assert_int_equal(opu_graph_create(&graph, NULL), OPU_OK);
    assert_int_equal(model_of(trial)->build(graph, bad, &values), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), trial->name));
    assert_non_null(strstr(opu_error_message(), "wanted"));
    opu_graph_destroy(graph);
}

static void senseless_options_are_refused(void **state)
{
    for (size_t t = 0; t < N_TRIALS; t++) {
        struct opu_model_options const good = options_of(*state, &trials[t]);
        struct opu_model_options bad[9] = {good, good, good, good, good, good, good, good, good};
        bad[0].size = 3;
        bad[1].nodes = NULL;
        bad[2].inputs = INPUTS + 1;
        bad[3].n_hidden = 0;
        bad[4].n_hidden = 10;
        bad[5].hidden[0] = 0;
        bad[6].dropout = 1.0;
        bad[7].dropout_features = -0.1;
        bad[8].dropout_attention_last = (double)NAN;
        for (size_t i = 0; i < 9; i++) {
            refuse(&trials[t], &bad[i]);
        }
    }
}

static void what_a_model_has_is_checked(void **state)
{
    struct opu_model_options bad = options_of(*state, &trials[0]);
    bad.classes = 1;
    refuse(&trials[0], &bad);
    bad = options_of(*state, &trials[3]);
    bad.heads = 0;
    refuse(&trials[3], &bad);
    bad = options_of(*state, &trials[4]);
    bad.hidden[2] = 16;
    refuse(&trials[4], &bad);
    bad = options_of(*state, &trials[4]);
    bad.heads = 3;
    refuse(&trials[4], &bad);
    bad = options_of(*state, &trials[4]);
    bad.groups = 0;
    refuse(&trials[4], &bad);
    bad = options_of(*state, &trials[5]);
    bad.pairs = 0;
    refuse(&trials[5], &bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_model_has_the_shape_it_is_told),
        cmocka_unit_test(hidden_layers_are_tapped),
        cmocka_unit_test(gradients_are_differences_of_the_loss_with_dropout),
        cmocka_unit_test(dropout_is_for_training_alone),
        cmocka_unit_test(a_graph_without_edges_works),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(what_a_model_has_is_checked),
    };
    return cmocka_run_group_tests(tests, open_toy, close_toy);
}
