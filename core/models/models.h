/* SPDX-License-Identifier: MIT */
/* The models by name. A model's file composes a graph and does nothing else. */
#ifndef OPU_CORE_MODELS_H
#define OPU_CORE_MODELS_H

#include "core/data/graph_store.h"
#include "core/nn/graph.h"

#define OPU_MODEL_MAX_HIDDEN 16

enum opu_activation { OPU_ACTIVATION_TANH = 0, OPU_ACTIVATION_RELU = 1 };

struct opu_model_options {
    size_t size;
    size_t inputs, classes;
    size_t n_hidden;
    size_t hidden[OPU_MODEL_MAX_HIDDEN]; /* widths, from the input up */
    enum opu_activation activation;
    /* Models of graphs; the store outlives the net. n_hidden widths there too: of each head where
     * there are heads. */
    struct opu_graph_store *nodes;
    size_t heads;
    double dropout;           /* before the last convolution, or between layers */
    double dropout_features;  /* of the features themselves */
    double dropout_attention; /* of attention's weights */
    size_t pairs;             /* auto-encoder: pairs of nodes that a step decodes */
};

/* Values of the graph; -1 where building failed, which opu_graph_plan() will say. */
struct opu_model_values {
    int input, labels; /* opu_graph_input_data(); labels: of pairs where those are decoded */
    int logits, loss;
    /* Models of graphs alone, 0 else. */
    int mask; /* [nodes, 1]: which rows count */
    int pair; /* auto-encoder: int32 [pairs, 2], nodes to decode; labels are then floats */
};

/* What a model reads. */
enum opu_model_data {
    OPU_MODEL_ROWS = 0,  /* rows of a table, each with a label */
    OPU_MODEL_NODES = 1, /* a graph, its nodes with labels */
    OPU_MODEL_LINKS = 2  /* a graph, its edges to be told from pairs without one */
};

struct opu_model {
    const char *name;
    const char *summary;
    enum opu_model_data data;
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
