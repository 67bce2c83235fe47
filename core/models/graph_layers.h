/* SPDX-License-Identifier: MIT */
/*
 * What the models of graphs share: the check of their options, the sparse features, parameters by
 * layer, taps, and the end of a classifier of nodes. As in the graph's builders, values that failed
 * to build are -1.
 */
#ifndef OPU_CORE_GRAPH_LAYERS_H
#define OPU_CORE_GRAPH_LAYERS_H

#include "core/models/models.h"

/* The features, in place of a value: opu_layers_multiply(). */
#define OPU_LAYERS_FEATURES (-2)

/* What a model needs of its options. */
struct opu_layers_want {
    const char *model;
    size_t min_hidden, max_hidden; /* bounds of n_hidden */
    bool classes, heads, pairs;    /* whether these count */
    bool normalise;                /* rows of the features sum to 1 */
};

struct opu_layers {
    struct opu_graph *graph;
    const struct opu_model_options *options;
    struct opu_model_values *values;
    size_t nodes;
    int features, feature_values; /* a sparse matrix, and what stands for its values; -1: they do */
};

/* Checks the options, zeroes *values and brings the features in, dropped out where that is asked
 * for. OPU_E_INVALID, OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_layers_begin(struct opu_layers *out, struct opu_graph *graph,
                                   const struct opu_model_options *options,
                                   struct opu_model_values *values,
                                   const struct opu_layers_want *want);

/* A matrix of the graph. OPU_E_INVALID, OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_layers_matrix(int *out, const struct opu_layers *layers,
                                    enum opu_graph_matrix_kind kind);

/* A parameter "LAYER.NAME". */
int opu_layers_param(const struct opu_layers *layers, const char *layer, const char *name,
                     size_t rows, size_t columns, double bound);
/* sqrt(6 / (n_in + n_out)): Glorot, Bengio 2010 */
double opu_layers_glorot(size_t n_in, size_t n_out);

/* x, or the features, times weight [in, out]. */
int opu_layers_multiply(const struct opu_layers *layers, int x, int weight);
/* Nothing where p is 0. */
int opu_layers_dropout(const struct opu_layers *layers, int x, double p);
/* S (x W) + b: weight [in, out] by Glorot, bias 0. */
int opu_layers_gcn(const struct opu_layers *layers, int matrix, int x, const char *layer,
                   size_t n_in, size_t n_out);

/* A tap whose value counts as a hidden layer. */
int opu_layers_tap(const struct opu_layers *layers, int x, const char *name);
/* Cross-entropy on masked nodes. */
void opu_layers_classify(const struct opu_layers *layers, int logits);
/* The tables of labels and mask of `rows` rows alone. */
void opu_layers_tables(const struct opu_layers *layers, enum opu_dtype labels, size_t rows);

#endif
