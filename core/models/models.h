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
    double dropout;                /* before the last convolution, or between layers */
    double dropout_features;       /* of the features themselves */
    double dropout_attention;      /* of attention's weights */
    size_t pairs;                  /* auto-encoder: pairs of nodes that a step decodes */
    double dropout_attention_last; /* gat: of the last layer's */
    size_t groups;                 /* dna: of columns, each with a linear layer of its own */
};

/* Values of the graph; -1 where building failed, which opu_graph_plan() will say. */
struct opu_model_values {
    int input, labels; /* opu_graph_input_data(); labels: of pairs where those are decoded */
    int logits, loss;
    /* Models of graphs alone, 0 else. */
    int mask;      /* [nodes, 1] or [pairs, 1]: what each row weighs, 0: nothing */
    int pair;      /* auto-encoder: int32 [pairs, 2], nodes to decode; labels are then floats */
    int embedding; /* auto-encoder: [nodes, d], where the error is taken */
    /* All models: the hidden layers, which are the values of the taps, in their order. */
    int hidden[OPU_MODEL_MAX_HIDDEN];
    size_t n_hidden;
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

/*
 * Models of graphs. input is -1: features are those of options->nodes, of `inputs` columns, and
 * every value has a row a node, whatever rows a step runs (1 will do). The caller fills labels and
 * mask; a model of nodes has its loss on the rows with a mask alone, and the tap "conv1" after the
 * first convolution's activation. Weights are [in, out], the name of the layer before them.
 */

/* "gcn": S (x W) + b, relu, dropout, the same to the classes; S = D~^-1/2 (A + I) D~^-1/2; rows of
 * the features sum to 1. One hidden width. Weights +-sqrt(6 / (in + out)), biases 0. */
OPU_NODISCARD int opu_model_gcn(struct opu_graph *graph, const struct opu_model_options *options,
                                struct opu_model_values *values);
/* "cheb": x W0 + L (x W1) + b, else as gcn; L = -D^-1/2 A D^-1/2. Weights [W0 W1] side by side. */
OPU_NODISCARD int opu_model_cheb(struct opu_graph *graph, const struct opu_model_options *options,
                                 struct opu_model_values *values);
/* "spline": (1 - u) M x W0 + u M x W1 + x R + b, elu, dropout, the same to the classes; M the mean
 * over neighbours, u a node's degree over the largest; features as they are. Weights [W0 W1 R]
 * and b +-1 / sqrt(2 in). */
OPU_NODISCARD int opu_model_spline(struct opu_graph *graph, const struct opu_model_options *options,
                                   struct opu_model_values *values);
/*
 * "gat": h = x W, sum of softmax(leaky_relu(att_i . h_i + att_j . h_j)) h_j over neighbours j and i
 * itself, `heads` times hidden[0] wide, + b, elu, dropout, one head to the classes; else as gcn.
 * att +-sqrt(6 / (heads + 2 width)).
 */
OPU_NODISCARD int opu_model_gat(struct opu_graph *graph, const struct opu_model_options *options,
                                struct opu_model_values *values);
/*
 * "dna": x W + b, relu, dropout; n_hidden - 1 (1 to 8) layers in which nodes attend to their
 * neighbours' earlier states, relu; dropout, x W + b, log-softmax. All hidden widths are the same,
 * heads and groups divide them. The error is that of the log-probabilities; features are as they
 * are; taps "lin1", "convs.0" and so on. Weights and biases +-1 / sqrt(in), in of the group.
 */
OPU_NODISCARD int opu_model_dna(struct opu_graph *graph, const struct opu_model_options *options,
                                struct opu_model_values *values);
/*
 * "gae": as gcn to hidden[0] and hidden[1]; a pair of nodes is told an edge by the product of what
 * was found for each, values->embedding, where the error is taken. The caller fills pair, labels (1
 * an edge, 0 none) and mask: with 1/n each among the n edges and among the n others, the loss is
 * half the sum of both means. classes don't count.
 */
OPU_NODISCARD int opu_model_gae(struct opu_graph *graph, const struct opu_model_options *options,
                                struct opu_model_values *values);

#endif
