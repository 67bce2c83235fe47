/* SPDX-License-Identifier: MIT */
/* The plain multi-layer perceptron. */
#include <math.h>
#include <stdio.h>

#include "core/base/fail.h"
#include "core/models/models.h"

#define NAME_SIZE 48

static int check(const struct opu_model_options *options)
{
    if (options->size != sizeof *options) {
        return opu_fail(OPU_E_INVALID, "mlp: options of size %zu, wanted %zu", options->size,
                        sizeof *options);
    }
    if (options->inputs == 0 || options->classes < 2 || options->n_hidden > OPU_MODEL_MAX_HIDDEN) {
        return opu_fail(OPU_E_INVALID,
                        "mlp: %zu inputs, %zu classes and %zu hidden layers, wanted at least 1, at "
                        "least 2 and at most %d",
                        options->inputs, options->classes, options->n_hidden, OPU_MODEL_MAX_HIDDEN);
    }
    for (size_t i = 0; i < options->n_hidden; i++) {
        if (options->hidden[i] == 0) {
            return opu_fail(OPU_E_INVALID, "mlp: hidden layer %zu is 0 wide, wanted at least 1", i);
        }
    }
    return OPU_OK;
}

static int layer(struct opu_graph *graph, int x, size_t i, size_t n_in, size_t n_out)
{
    char name[NAME_SIZE];
    struct opu_init const init = {.bound = 1.0 / sqrt((double)n_in)};
    (void)snprintf(name, sizeof name, "layers.%zu.weight", i);
    int const weight = opu_graph_param(graph, name, n_out, n_in, init);
    (void)snprintf(name, sizeof name, "layers.%zu.bias", i);
    int const bias = opu_graph_param(graph, name, n_out, 0, init);
    return opu_graph_linear(graph, x, weight, bias);
}

int opu_model_mlp(struct opu_graph *graph, const struct opu_model_options *options,
                  struct opu_model_values *values)
{
    OPU_TRY(check(options));
    *values = (struct opu_model_values){.n_hidden = options->n_hidden};
    values->input = opu_graph_input(graph, "input", OPU_F32, options->inputs);
    values->labels = opu_graph_input(graph, "labels", OPU_I32, 1);
    int x = values->input;
    size_t width = options->inputs;
    for (size_t i = 0; i < options->n_hidden; i++) {
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof name, "layers.%zu", i);
        x = layer(graph, x, i, width, options->hidden[i]);
        x = options->activation == OPU_ACTIVATION_RELU ? opu_graph_relu(graph, x)
                                                       : opu_graph_tanh(graph, x);
        x = opu_graph_tap(graph, x, name);
        values->hidden[i] = x;
        width = options->hidden[i];
    }
    values->logits = layer(graph, x, options->n_hidden, width, options->classes);
    values->loss = opu_graph_softmax_xent(graph, values->logits, values->labels);
    return OPU_OK;
}
