/* SPDX-License-Identifier: MIT */
/* Inside of the graph, for the files of core/nn alone. */
#ifndef OPU_CORE_GRAPH_IMPL_H
#define OPU_CORE_GRAPH_IMPL_H

#include "core/nn/graph.h"
#include "core/nn/ops.h"

#define OPU_GRAPH_NAME_SIZE 64
#define OPU_GRAPH_MESSAGE_SIZE 512

/* constant: memory of the caller's, read in place; so is a sparse pattern. */
enum opu_value_kind { OPU_VALUE_INPUT, OPU_VALUE_CONSTANT, OPU_VALUE_PARAM, OPU_VALUE_NODE };

struct opu_value {
    char name[OPU_GRAPH_NAME_SIZE]; /* of inputs, parameters and taps */
    enum opu_value_kind kind;
    struct opu_shape shape;
    struct opu_init init; /* parameters */

    const struct opu_op *op; /* nodes */
    size_t n_in;
    int in[OPU_OP_INPUTS]; /* below the node's own number: numbers are a topological order */
    double attr[OPU_OP_ATTRS];
    size_t users; /* nodes that read it, counted once a reading */

    /* Planned. */
    bool depends;    /* moves with a parameter or tap whose gradient is wanted */
    bool wants_grad; /* depends, and moves a loss or tap without crossing a cut */
    int set;         /* parent in the union of values whose gradients depend on each other */
    size_t block;
    size_t runs_in; /* the block whose backward calls this node, or OPU_NO_BLOCK */
    bool accumulate[OPU_OP_INPUTS];
    int data_of; /* the value whose memory this is; itself for its own */
    int grad_of;
    void *data;
    void *saved;
    float *grad; /* NULL: not wanted */
    size_t grad_stride;
    size_t param_offset; /* in floats */
};

struct opu_graph {
    struct opu_context *context;
    struct opu_value *values;
    size_t n_values, room;
    struct opu_tap *taps;
    int *tap_values;
    size_t n_taps;
    int loss;        /* -1: none */
    int error_value; /* whose gradient is projected; -1: the loss's operand */
    size_t n_dropouts;
    int status; /* of the first failure of building */
    char message[OPU_GRAPH_MESSAGE_SIZE];

    /* Planned. */
    bool planned;
    struct opu_graph_plan plan;
    size_t n_blocks;
    struct opu_params *blocks; /* [n_blocks] */
    struct opu_block_cost *costs;
    struct opu_params all;
    float *own_values; /* NULL with params_of */
    void *arena;
    float *error;

    /* Of the last forward. */
    size_t rows;
    bool training;
    uint64_t step;
};

/* Keeps the calling thread's failure; returns the number that failed builders return. */
int opu_graph_keep(struct opu_graph *graph, int status);
/* Appends a shape-checked node; attr: NULL or OPU_OP_ATTRS numbers. -1 after a failure. */
int opu_graph_add_node(struct opu_graph *graph, const char *name, const struct opu_op *op,
                       const int *in, size_t n_in, const double *attr);

/* Whether a node is a tap that nothing crosses backward. */
bool opu_graph_cuts(const struct opu_graph *graph, const struct opu_value *value);

/* plan.c: which gradients are wanted, the blocks, who shares memory and who adds. */
OPU_NODISCARD int opu_graph_analyse(struct opu_graph *graph);
/* layout.c: memory of parameters, gradients and activations; initial values. */
OPU_NODISCARD int opu_graph_lay_out(struct opu_graph *graph);
/* cost.c: what each block costs. */
OPU_NODISCARD int opu_graph_weigh(struct opu_graph *graph);

#endif
