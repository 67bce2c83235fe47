/* SPDX-License-Identifier: MIT */
/*
 * Two spline convolutions of two kernels and degree 1: M. Fey, J. E. Lenssen, F. Weichert, H.
 * Mueller 2018, arXiv 1711.08920. The pseudo coordinate u of an edge is its target's degree over
 * the largest one, so that the two kernels weigh whole rows of the mean.
 */
#include "core/models/graph_layers.h"

#include <math.h>

#include "core/base/fail.h"

/* (1 - u) M x W0 + u M x W1 + x R + b, with [W0 W1 R] side by side: x is read once. */
static int convolve(const struct opu_layers *layers, int mean, int basis, int x, const char *name,
                    size_t n_in, size_t n_out)
{
    struct opu_graph *const graph = layers->graph;
    double const bound = 1.0 / sqrt(2.0 * (double)n_in);
    int const weight = opu_layers_param(layers, name, "weight", n_in, 3 * n_out, bound);
    int const bias = opu_layers_param(layers, name, "bias", n_out, 0, bound);
    int const all = opu_layers_multiply(layers, x, weight);
    int kernels = opu_graph_spmm(graph, mean, -1, opu_graph_slice(graph, all, 0, 2 * n_out), false);
    kernels = opu_graph_mul(graph, kernels, basis);
    kernels = opu_graph_sum_rows(graph, opu_graph_reshape(graph, kernels, n_out), 2);
    int const root = opu_graph_slice(graph, all, 2 * n_out, n_out);
    return opu_graph_add(graph, opu_graph_add(graph, kernels, root), bias);
}

int opu_model_spline(struct opu_graph *graph, const struct opu_model_options *options,
                     struct opu_model_values *values)
{
    static const struct opu_layers_want want = {
        .model = "spline", .min_hidden = 1, .max_hidden = 1, .classes = true};
    struct opu_layers layers;
    int m;
    const float *degree;
    OPU_TRY(opu_layers_begin(&layers, graph, options, values, &want));
    OPU_TRY(opu_layers_matrix(&m, &layers, OPU_MATRIX_MEAN));
    OPU_TRY(opu_graph_store_degree(options->nodes, &degree));
    int const u = opu_graph_constant(graph, OPU_F32, layers.nodes, 1, degree);
    int const both[] = {opu_graph_affine(graph, u, -1.0, 1.0), u};
    int const basis = opu_graph_concat(graph, both, 2);
    size_t const width = options->hidden[0];
    int x = convolve(&layers, m, basis, OPU_LAYERS_FEATURES, "conv1", options->inputs, width);
    x = opu_layers_tap(&layers, opu_graph_elu(graph, x), "conv1");
    x = opu_layers_dropout(&layers, x, options->dropout);
    opu_layers_classify(&layers, convolve(&layers, m, basis, x, "conv2", width, options->classes));
    return OPU_OK;
}
