/* SPDX-License-Identifier: MIT */
/* Two graph convolutions: T. N. Kipf, M. Welling 2017, arXiv 1609.02907. */
#include "core/models/graph_layers.h"

#include "core/base/fail.h"

int opu_model_gcn(struct opu_graph *graph, const struct opu_model_options *options,
                  struct opu_model_values *values)
{
    static const struct opu_layers_want want = {
        .model = "gcn", .min_hidden = 1, .max_hidden = 1, .classes = true, .normalise = true};
    struct opu_layers layers;
    int s;
    OPU_TRY(opu_layers_begin(&layers, graph, options, values, &want));
    OPU_TRY(opu_layers_matrix(&s, &layers, OPU_MATRIX_GCN));
    size_t const width = options->hidden[0];
    int x = opu_layers_gcn(&layers, s, OPU_LAYERS_FEATURES, "conv1", options->inputs, width);
    x = opu_layers_tap(&layers, opu_graph_relu(graph, x), "conv1");
    x = opu_layers_dropout(&layers, x, options->dropout);
    opu_layers_classify(&layers, opu_layers_gcn(&layers, s, x, "conv2", width, options->classes));
    return OPU_OK;
}
