/* SPDX-License-Identifier: MIT */
/* Two layers of graph attention: P. Velickovic and others 2018, arXiv 1710.10903. */
#include "core/models/graph_layers.h"

#include "core/base/fail.h"

#define SLOPE 0.2

/* Who attends to whom: every node to its neighbours and itself. */
struct edges {
    int matrix, to, from;
};

/* Of one layer; the output is heads width wide. */
struct attention {
    const char *name;
    size_t n_in, heads, width;
    double dropout;
};

static int find_edges(const struct opu_layers *layers, struct edges *out)
{
    struct opu_graph_store *const store = layers->options->nodes;
    const struct opu_csr *self;
    const int32_t *rows;
    OPU_TRY(opu_graph_store_matrix(store, OPU_MATRIX_SELF, true, &self));
    OPU_TRY(opu_graph_store_rows(store, OPU_MATRIX_SELF, &rows));
    out->matrix = opu_graph_sparse(layers->graph, self);
    out->to = opu_graph_constant(layers->graph, OPU_I32, self->count, 1, rows);
    out->from = opu_graph_constant(layers->graph, OPU_I32, self->count, 1, self->index);
    return OPU_OK;
}

/* a . h by head, brought to one end of every edge. */
static int score(const struct opu_layers *layers, const struct attention *a, int h, int end,
                 const char *name)
{
    struct opu_graph *const graph = layers->graph;
    double const bound = opu_layers_glorot(a->heads, 2 * a->width);
    int const vector = opu_layers_param(layers, a->name, name, 1, a->heads * a->width, bound);
    int const of_node = opu_graph_sum_columns(graph, opu_graph_mul(graph, h, vector), a->heads);
    return opu_graph_gather(graph, of_node, end);
}

static int attend(const struct opu_layers *layers, const struct edges *edges, int x,
                  const struct attention *a)
{
    struct opu_graph *const graph = layers->graph;
    size_t const n_out = a->heads * a->width;
    int const weight = opu_layers_param(layers, a->name, "weight", a->n_in, n_out,
                                        opu_layers_glorot(a->n_in, n_out));
    int const h = opu_layers_multiply(layers, x, weight);
    int const to = score(layers, a, h, edges->to, "att_i");
    int const from = score(layers, a, h, edges->from, "att_j");
    int const bias = opu_layers_param(layers, a->name, "bias", n_out, 0, 0.0);
    int alpha = opu_graph_leaky_relu(graph, opu_graph_add(graph, to, from), SLOPE);
    alpha = opu_graph_edge_softmax(graph, edges->matrix, alpha);
    alpha = opu_layers_dropout(layers, alpha, a->dropout);
    return opu_graph_add(graph, opu_graph_spmm(graph, edges->matrix, alpha, h, false), bias);
}

int opu_model_gat(struct opu_graph *graph, const struct opu_model_options *options,
                  struct opu_model_values *values)
{
    static const struct opu_layers_want want = {.model = "gat",
                                                .min_hidden = 1,
                                                .max_hidden = 1,
                                                .classes = true,
                                                .heads = true,
                                                .normalise = true};
    struct opu_layers layers;
    struct edges edges;
    OPU_TRY(opu_layers_begin(&layers, graph, options, values, &want));
    OPU_TRY(find_edges(&layers, &edges));
    struct attention const first = {
        "conv1", options->inputs, options->heads, options->hidden[0], options->dropout_attention,
    };
    struct attention const second = {
        "conv2", first.heads * first.width, 1, options->classes, options->dropout_attention_last,
    };
    int x = attend(&layers, &edges, OPU_LAYERS_FEATURES, &first);
    x = opu_layers_tap(&layers, opu_graph_elu(graph, x), "conv1");
    x = opu_layers_dropout(&layers, x, options->dropout);
    opu_layers_classify(&layers, attend(&layers, &edges, x, &second));
    return OPU_OK;
}
