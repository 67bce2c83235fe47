/* SPDX-License-Identifier: MIT */
/*
 * Dynamic neighbourhood aggregation: M. Fey 2019, arXiv 1904.04849. For every edge the last state
 * of the node that receives attends to all earlier states of the node that sends; what it finds is
 * weighed by the edge's norm and added up. Keys and values are made by node; only keys are brought
 * to the edges, and values are summed over them by a product with a sparse matrix.
 */
#include "core/models/graph_layers.h"

#include <math.h>
#include <stdio.h>

#include "core/base/fail.h"

/* A concatenation takes 8 states. */
#define MAX_LAYERS 9
#define NAME_SIZE 32

struct dna {
    struct opu_layers layers;
    size_t width, heads, groups;
    int matrix, norm, to, from; /* norm: [edges, 1] */
};

/* x W + b in groups of columns, for each of n states. */
static void project(const struct dna *dna, const char *layer, char kind, int *y, const int *x,
                    size_t n)
{
    struct opu_graph *const graph = dna->layers.graph;
    size_t const n_in = dna->width / dna->groups;
    double const bound = 1.0 / sqrt((double)n_in);
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "multi_head.lin_%c.weight", kind);
    int const weight = opu_layers_param(&dna->layers, layer, name, n_in, dna->width, bound);
    (void)snprintf(name, sizeof name, "multi_head.lin_%c.bias", kind);
    int const bias = opu_layers_param(&dna->layers, layer, name, dna->width, 0, bound);
    for (size_t i = 0; i < n; i++) {
        y[i] =
            opu_graph_add(graph, opu_graph_bmm(graph, x[i], weight, 0, dna->groups, false), bias);
    }
}

/* n states of [nodes, heads d] -> [nodes, heads n d]: those of a head side by side. */
static int by_head(const struct dna *dna, const int *states, size_t n)
{
    struct opu_graph *const graph = dna->layers.graph;
    size_t const d = dna->width / dna->heads;
    int rows[MAX_LAYERS];
    for (size_t i = 0; i < n; i++) {
        rows[i] = opu_graph_reshape(graph, states[i], d);
    }
    return opu_graph_reshape(graph, opu_graph_concat(graph, rows, n), dna->heads * n * d);
}

static int convolve(const struct dna *dna, const int *states, size_t n)
{
    struct opu_graph *const graph = dna->layers.graph;
    size_t const d = dna->width / dna->heads;
    char layer[NAME_SIZE];
    int query;
    int keys[MAX_LAYERS];
    int contents[MAX_LAYERS];
    (void)snprintf(layer, sizeof layer, "convs.%zu", n - 1);
    project(dna, layer, 'q', &query, &states[n - 1], 1);
    project(dna, layer, 'k', keys, states, n);
    project(dna, layer, 'v', contents, states, n);
    query = opu_graph_affine(graph, query, 1.0 / sqrt((double)d), 0.0);
    query = opu_graph_reshape(graph, opu_graph_gather(graph, query, dna->to), d);
    int key = opu_graph_gather(graph, by_head(dna, keys, n), dna->from);
    key = opu_graph_reshape(graph, key, d);
    /* [edges heads, d] against [edges heads n, d] */
    int alpha = opu_graph_softmax(graph, opu_graph_bmm(graph, query, key, 1, 1, true), 1, true);
    alpha = opu_graph_reshape(graph, alpha, dna->heads * n);
    alpha = opu_layers_dropout(&dna->layers, alpha, dna->layers.options->dropout_attention);
    alpha = opu_graph_mul(graph, alpha, dna->norm);
    int y = opu_graph_spmm(graph, dna->matrix, alpha, by_head(dna, contents, n), false);
    y = opu_graph_sum_rows(graph, opu_graph_reshape(graph, y, d), n);
    return opu_graph_reshape(graph, y, dna->width);
}

static int linear(const struct dna *dna, int x, const char *name, size_t n_in, size_t n_out)
{
    double const bound = 1.0 / sqrt((double)n_in);
    int const weight = opu_layers_param(&dna->layers, name, "weight", n_in, n_out, bound);
    int const bias = opu_layers_param(&dna->layers, name, "bias", n_out, 0, bound);
    return opu_graph_add(dna->layers.graph, opu_layers_multiply(&dna->layers, x, weight), bias);
}

static int check(const struct opu_model_options *options)
{
    size_t const width = options->hidden[0];
    size_t const heads = options->heads;
    size_t const groups = options->groups;
    for (size_t i = 1; i < options->n_hidden; i++) {
        if (options->hidden[i] != width) {
            return opu_fail(OPU_E_INVALID, "dna: hidden layer %zu is %zu wide, wanted %zu as all",
                            i, options->hidden[i], width);
        }
    }
    if (groups == 0 || width % heads != 0 || width % groups != 0) {
        return opu_fail(OPU_E_INVALID,
                        "dna: %zu heads and %zu groups, wanted divisors of the width %zu", heads,
                        groups, width);
    }
    return OPU_OK;
}

static int begin(struct dna *out, struct opu_graph *graph, const struct opu_model_options *options,
                 struct opu_model_values *values)
{
    static const struct opu_layers_want want = {
        .model = "dna", .min_hidden = 2, .max_hidden = MAX_LAYERS, .classes = true, .heads = true};
    const struct opu_csr *s;
    const int32_t *rows;
    OPU_TRY(opu_layers_begin(&out->layers, graph, options, values, &want));
    OPU_TRY(check(options));
    OPU_TRY(opu_graph_store_matrix(options->nodes, OPU_MATRIX_GCN, true, &s));
    OPU_TRY(opu_graph_store_rows(options->nodes, OPU_MATRIX_GCN, &rows));
    out->width = options->hidden[0];
    out->heads = options->heads;
    out->groups = options->groups;
    out->matrix = opu_graph_sparse(graph, s);
    out->norm = opu_graph_constant(graph, OPU_F32, s->count, 1, s->value);
    out->to = opu_graph_constant(graph, OPU_I32, s->count, 1, rows);
    out->from = opu_graph_constant(graph, OPU_I32, s->count, 1, s->index);
    return OPU_OK;
}

int opu_model_dna(struct opu_graph *graph, const struct opu_model_options *options,
                  struct opu_model_values *values)
{
    struct dna dna;
    OPU_TRY(begin(&dna, graph, options, values));
    struct opu_layers *const layers = &dna.layers;
    int states[MAX_LAYERS];
    int x = linear(&dna, OPU_LAYERS_FEATURES, "lin1", options->inputs, dna.width);
    x = opu_layers_tap(layers, opu_graph_relu(graph, x), "lin1");
    states[0] = opu_layers_dropout(layers, x, options->dropout);
    for (size_t n = 1; n < options->n_hidden; n++) {
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof name, "convs.%zu", n - 1);
        states[n] = opu_layers_tap(layers, opu_graph_relu(graph, convolve(&dna, states, n)), name);
    }
    x = opu_layers_dropout(layers, states[options->n_hidden - 1], options->dropout);
    opu_layers_tables(layers, OPU_I32, layers->nodes);
    values->logits =
        opu_graph_log_softmax(graph, linear(&dna, x, "lin2", dna.width, options->classes));
    values->loss = opu_graph_nll(graph, values->logits, values->labels, values->mask);
    return OPU_OK;
}
