/* SPDX-License-Identifier: MIT */
/*
 * The graph: built and shape-checked once by a model's file, its memory planned once, then run
 * every step without an allocation.
 *
 * Values are small integers. A builder function takes values and returns a new one, or -1 after a
 * failure; the graph keeps the first failure's sentence and opu_graph_plan() returns it, so models
 * read as composition and check nothing.
 *
 * Taps cut the graph into blocks. A tap passes its value on; backward, in a dfa or shallow plan,
 * nothing crosses it: its gradient *is* its slice of B e, written by the caller. A block is a set
 * of nodes whose gradients depend on each other without crossing a tap (found by union over the
 * taps' upstream cones). The head is the block that holds the loss; its gradient is exact. In a bp
 * plan taps are transparent and all is the head. Blocks never share gradients, so their backward
 * passes may run in any order or side by side.
 *
 * Rows: the leading dimension of every value but parameters; any number up to max_rows may be run.
 */
#ifndef OPU_CORE_GRAPH_H
#define OPU_CORE_GRAPH_H

#include <opu/npy.h>

#include "core/base/safetensors.h"

struct opu_graph;

enum opu_method { OPU_METHOD_BP = 0, OPU_METHOD_DFA = 1, OPU_METHOD_SHALLOW = 2 };

/* Initial values of a parameter: uniform in [-bound, bound), or constant where bound is 0. */
struct opu_init {
    double bound;
    double constant;
};

OPU_NODISCARD int opu_graph_create(struct opu_graph **out, struct opu_context *context);
void opu_graph_destroy(struct opu_graph *graph);
struct opu_context *opu_graph_context(const struct opu_graph *graph);

/* --- building --- */

/* [rows, columns] of OPU_F32, or of OPU_I32 (labels; columns 1). Filled by the caller before
 * forward. */
int opu_graph_input(struct opu_graph *graph, const char *name, enum opu_dtype dtype,
                    size_t columns);
/* A trained parameter, a matrix or (columns 0) a vector of `rows`. Names are unique. */
int opu_graph_param(struct opu_graph *graph, const char *name, size_t rows, size_t columns,
                    struct opu_init init);
/* x [rows, in] * weight [out, in]^T + bias [out] (bias -1: none) -> [rows, out] */
int opu_graph_linear(struct opu_graph *graph, int x, int weight, int bias);
int opu_graph_relu(struct opu_graph *graph, int x);
int opu_graph_tanh(struct opu_graph *graph, int x);
/* Passes x on; a cut for dfa. */
int opu_graph_tap(struct opu_graph *graph, int x, const char *name);
/* Mean over rows of -log softmax(logits)[label] -> the loss. One per graph. Its gradient with
 * respect to the logits, e = (softmax - onehot) / rows, is the error that dfa projects. */
int opu_graph_softmax_xent(struct opu_graph *graph, int logits, int labels);

/* --- planning --- */

struct opu_graph_plan {
    size_t size;
    enum opu_method method;
    size_t max_rows;
    uint64_t seed;       /* of the initial weights and of dropout */
    bool backward;       /* false: forward only (evaluation) */
    bool no_param_grads; /* backward down to the taps only: the alignment twin */
    /* NULL: own parameters, initialised. Else a planned graph of the same model, whose parameters
     * are read; it must outlive this one. */
    struct opu_graph *params_of;
};

/* Once. Checks, lays out memory, initialises parameters; returns the first failure of building, if
 * there was one. */
OPU_NODISCARD int opu_graph_plan(struct opu_graph *graph, const struct opu_graph_plan *plan);

enum opu_method opu_graph_method(const struct opu_graph *graph);
size_t opu_graph_max_rows(const struct opu_graph *graph);

/* --- running: plain pointers, nothing can fail --- */

/* Memory of an input for up to max_rows rows. */
void *opu_graph_input_data(struct opu_graph *graph, int input);
/* Runs the first `rows` rows. training switches dropout and the like; step keys their draws. */
void opu_graph_forward(struct opu_graph *graph, size_t rows, bool training, uint64_t step);
/* Mean loss of the last forward (NaN if a logit was not finite or a label out of range; no loss in
 * the graph: 0), and how many rows had their label on top. */
double opu_graph_loss(const struct opu_graph *graph);
size_t opu_graph_correct(const struct opu_graph *graph);
/* Values of the last forward, [rows][columns]: logits, embeddings. An activation may have been
 * written over the value it was made from, where nothing else uses that. */
const float *opu_graph_value(const struct opu_graph *graph, int value);
size_t opu_graph_columns(const struct opu_graph *graph, int value);

/* e of the last forward, [rows][n_error]; valid until the next forward. Computed by forward when a
 * backward was planned. */
const float *opu_graph_error(const struct opu_graph *graph);
size_t opu_graph_error_columns(const struct opu_graph *graph);

/*
 * Backward through one block: gradients of its parameters are overwritten. Block 0 is the head, the
 * others count from the last tap down to the first. A bp or shallow plan has the head alone, a
 * forward plan none.
 */
size_t opu_graph_blocks(const struct opu_graph *graph);
void opu_graph_backward(struct opu_graph *graph, size_t block);

#define OPU_NO_BLOCK SIZE_MAX

/* Taps in the order they were built. */
struct opu_tap {
    const char *name;
    size_t columns; /* width of its feedback */
    size_t block;   /* whose output the tap is; OPU_NO_BLOCK: nothing below it is trained */
    /* [rows][grad_stride]. dfa: write B e here before opu_graph_backward(); bp: the gradient that
     * arrived; NULL in shallow and forward plans. */
    float *grad;
    size_t grad_stride;
};
size_t opu_graph_taps(const struct opu_graph *graph);
const struct opu_tap *opu_graph_tap_at(const struct opu_graph *graph, size_t i);
/*
 * dfa: instead of copying, let every tap read its gradient from the first columns of one shared
 * feedback [rows][stride] that the caller keeps valid during backward.
 */
void opu_graph_feedback(struct opu_graph *graph, float *feedback, size_t stride);

/* --- parameters: one block of floats, those of a block side by side --- */

struct opu_params {
    float *values, *grads;
    size_t count;
};
/*
 * All parameters, and those of one block. Each starts on a cache line: up to 15 zeros follow it,
 * whose gradients stay zero, and are counted. Parameters that no block trains stand last.
 */
struct opu_params opu_graph_params(struct opu_graph *graph);
struct opu_params opu_graph_block_params(struct opu_graph *graph, size_t block);
/* Named views in the order of building, for checkpoints: data points into the parameters. */
size_t opu_graph_param_count(const struct opu_graph *graph);
struct opu_tensor_ref opu_graph_param_at(const struct opu_graph *graph, size_t i);
/* How many numbers that is, padding left out. */
size_t opu_graph_param_total(const struct opu_graph *graph);

#endif
