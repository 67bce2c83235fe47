/* SPDX-License-Identifier: MIT */
/* The graph auto-encoder: T. N. Kipf, M. Welling 2016, arXiv 1611.07308. */
#include "core/models/graph_layers.h"

#include "core/base/fail.h"

int opu_model_gae(struct opu_graph *graph, const struct opu_model_options *options,
                  struct opu_model_values *values)
{
    static const struct opu_layers_want want = {
        .model = "gae", .min_hidden = 2, .max_hidden = 2, .pairs = true, .normalise = true};
    struct opu_layers layers;
    int s;
    OPU_TRY(opu_layers_begin(&layers, graph, options, values, &want));
    OPU_TRY(opu_layers_matrix(&s, &layers, OPU_MATRIX_GCN));
    size_t const width = options->hidden[0];
    size_t const d = options->hidden[1];
    int x = opu_layers_gcn(&layers, s, OPU_LAYERS_FEATURES, "conv1", options->inputs, width);
    x = opu_layers_tap(&layers, opu_graph_relu(graph, x), "conv1");
    x = opu_layers_dropout(&layers, x, options->dropout);
    int const z = opu_layers_gcn(&layers, s, x, "conv2", width, d);
    opu_layers_tables(&layers, OPU_F32, options->pairs);
    values->pair = opu_graph_table(graph, "pair", OPU_I32, options->pairs, 2);
    int const ends = opu_graph_gather(graph, z, values->pair);
    int const products = opu_graph_mul(graph, opu_graph_slice(graph, ends, 0, d),
                                       opu_graph_slice(graph, ends, d, d));
    values->embedding = z;
    values->logits = opu_graph_sum_columns(graph, products, 1);
    values->loss = opu_graph_bce(graph, values->logits, values->labels, values->mask);
    opu_graph_error_at(graph, z);
    return OPU_OK;
}
