/* SPDX-License-Identifier: MIT */
/*
 * Two convolutions by Chebyshev polynomials of the Laplacian, two terms each: M. Defferrard, X.
 * Bresson, P. Vandergheynst 2016, arXiv 1606.09375.
 */
#include "core/models/graph_layers.h"

#include "core/base/fail.h"

/* x W0 + L (x W1) + b; the two weights stand side by side, so x is read once. */
static int convolve(const struct opu_layers *layers, int matrix, int x, const char *name,
                    size_t n_in, size_t n_out)
{
    struct opu_graph *const graph = layers->graph;
    int const weight =
        opu_layers_param(layers, name, "weight", n_in, 2 * n_out, opu_layers_glorot(n_in, n_out));
    int const bias = opu_layers_param(layers, name, "bias", n_out, 0, 0.0);
    int const both = opu_layers_multiply(layers, x, weight);
    int const near =
        opu_graph_spmm(graph, matrix, -1, opu_graph_slice(graph, both, n_out, n_out), false);
    int const sum = opu_graph_add(graph, opu_graph_slice(graph, both, 0, n_out), near);
    return opu_graph_add(graph, sum, bias);
}

int opu_model_cheb(struct opu_graph *graph, const struct opu_model_options *options,
                   struct opu_model_values *values)
{
    static const struct opu_layers_want want = {
        .model = "cheb", .min_hidden = 1, .max_hidden = 1, .classes = true, .normalise = true};
    struct opu_layers layers;
    int l;
    OPU_TRY(opu_layers_begin(&layers, graph, options, values, &want));
    OPU_TRY(opu_layers_matrix(&l, &layers, OPU_MATRIX_CHEB));
    size_t const width = options->hidden[0];
    int x = convolve(&layers, l, OPU_LAYERS_FEATURES, "conv1", options->inputs, width);
    x = opu_layers_tap(&layers, opu_graph_relu(graph, x), "conv1");
    x = opu_layers_dropout(&layers, x, options->dropout);
    opu_layers_classify(&layers, convolve(&layers, l, x, "conv2", width, options->classes));
    return OPU_OK;
}
