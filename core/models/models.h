/* SPDX-License-Identifier: MIT */
/* The models by name. A model's file composes a graph and does nothing else. */
#ifndef OPU_CORE_MODELS_H
#define OPU_CORE_MODELS_H

#include "core/nn/graph.h"

#define OPU_MODEL_MAX_HIDDEN 16

enum opu_activation { OPU_ACTIVATION_TANH = 0, OPU_ACTIVATION_RELU = 1 };

struct opu_model_options {
    size_t size;
    size_t inputs, classes;
    size_t n_hidden;
    size_t hidden[OPU_MODEL_MAX_HIDDEN]; /* widths, from the input up */
    enum opu_activation activation;
};

/* Values of the graph; -1 where building failed, which opu_graph_plan() will say. */
struct opu_model_values {
    int input, labels; /* opu_graph_input_data() */
    int logits, loss;
};

struct opu_model {
    const char *name;
    const char *summary;
    /* OPU_E_INVALID: options out of range. */
    int (*build)(struct opu_graph *graph, const struct opu_model_options *options,
                 struct opu_model_values *values);
};

/* The table; NULL past its end. */
const struct opu_model *opu_model_at(size_t i);
/* OPU_E_NOT_FOUND: the sentence lists the names. */
OPU_NODISCARD int opu_model_find(const struct opu_model **out, const char *name);

/*
 * "mlp": linear and activation for every hidden width, a tap after each, a linear layer to the
 * classes, and softmax cross-entropy. Weights and biases start uniform in +-1/sqrt(fan_in).
 * Parameters are "layers.I.weight" [out, in] and "layers.I.bias", taps "layers.I".
 */
OPU_NODISCARD int opu_model_mlp(struct opu_graph *graph, const struct opu_model_options *options,
                                struct opu_model_values *values);

#endif
