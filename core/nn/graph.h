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
 * Design, for chains, graphs of nodes, recommenders, transformers and radiance fields alike:
 * - A value is a matrix. A node reads up to 8 of them and makes one; who reads a value twice gets
 *   its gradient added up. Four kinds: inputs (filled by the caller before forward), constants (the
 *   caller's memory, read in place), parameters, results of nodes.
 * - Rows are those of the run (a batch; any number up to max_rows), a fixed multiple of them after
 *   reshape (tokens of a sentence, fields of a click, samples of a ray), or fixed (nodes, edges).
 * - Third dimensions are groups of columns: heads, fields, basis functions. [rows, heads d] is
 *   packed; reshape turns groups into rows and back without a copy. Add, multiply, sums, softmax
 *   and the batched product take groups, so none of them transposes anything.
 * - A sparse matrix (core/base/csr.h, shared by graphs) holds both directions: backward is forward
 *   with the transpose. Its values are its own, or an ordinary value [entries, heads] in their
 *   stead: computed (attention), dropped out (a bag of words).
 * - Whole recommender: gather of an embedding, FM as (sum)^2 - sum of squares over groups;
 *   attention: bmm, softmax, bmm; a fused block may join the table without a change here.
 * - The error e is the gradient at the loss's operand, or at any value of the head
 *   (opu_graph_error_at: an embedding below a decoder); what lies above runs backward in forward.
 * - Draws are keyed by (seed, node, step, element), sums run in an order that no thread count
 * moves.
 */
#ifndef OPU_CORE_GRAPH_H
#define OPU_CORE_GRAPH_H

#include <opu/npy.h>

#include "core/base/safetensors.h"
#include "core/nn/sparse.h"

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

/* [rows, columns] of OPU_F32, or of OPU_I32 (labels, indices). Filled by the caller before
 * forward. */
int opu_graph_input(struct opu_graph *graph, const char *name, enum opu_dtype dtype,
                    size_t columns);
/* The same with a fixed number of rows: features of nodes, labels, masks. */
int opu_graph_table(struct opu_graph *graph, const char *name, enum opu_dtype dtype, size_t rows,
                    size_t columns);
/* [rows, columns] of the caller's, read in place by every forward; rows may be 0 (no edges). */
int opu_graph_constant(struct opu_graph *graph, enum opu_dtype dtype, size_t rows, size_t columns,
                       const void *data);
/* A sparse matrix with its transpose (opu_csr_transpose()), which must outlive the graph; an
 * operand of spmm and edge_softmax alone. */
int opu_graph_sparse(struct opu_graph *graph, const struct opu_csr *matrix);
/* A trained parameter, a matrix or (columns 0) a vector of `rows`. Names are unique. */
int opu_graph_param(struct opu_graph *graph, const char *name, size_t rows, size_t columns,
                    struct opu_init init);

/* x [rows, in] * weight [out, in]^T + bias [out] (bias -1: none) -> [rows, out] */
int opu_graph_linear(struct opu_graph *graph, int x, int weight, int bias);
/*
 * Batched product over groups of rows and heads of columns. a [batches m, heads k]; b is
 * [batches k, heads n], or with transpose_b [batches n, heads k]; the result [batches m, heads n]:
 * block (s, h) of it is block (s, h) of a times that of b. m = a_rows; 0: all rows of a are one
 * batch, and b one block of fixed rows (a linear layer in groups).
 */
int opu_graph_bmm(struct opu_graph *graph, int a, int b, size_t a_rows, size_t heads,
                  bool transpose_b);

int opu_graph_relu(struct opu_graph *graph, int x);
int opu_graph_tanh(struct opu_graph *graph, int x);
int opu_graph_sigmoid(struct opu_graph *graph, int x);
int opu_graph_elu(struct opu_graph *graph, int x);                        /* e^x - 1 below 0 */
int opu_graph_leaky_relu(struct opu_graph *graph, int x, double slope);   /* slope x below 0 */
int opu_graph_affine(struct opu_graph *graph, int x, double a, double b); /* a x + b */
/* Each element 0 with probability p, else x / (1 - p), while training; x otherwise. */
int opu_graph_dropout(struct opu_graph *graph, int x, double p);
/* Softmax over each of `groups` groups of columns. spare: one more term e^0 in the denominator, so
 * that a group may attend to nothing ("restricted softmax", margin 0). */
int opu_graph_softmax(struct opu_graph *graph, int x, size_t groups, bool spare);
int opu_graph_log_softmax(struct opu_graph *graph, int x); /* over whole rows */

/*
 * a + b and a b, in the shape of a. Each column of b stands for as many neighbouring columns of a
 * as divides them ([rows, heads] against [rows, heads d]). Rows of b: as many as a's; or fixed and
 * a divisor of a's, repeated in turn (a bias [1, columns] or vector, positions of a sentence); or
 * fewer rows for each row of the run, each standing for its neighbours (a ray's samples).
 */
int opu_graph_add(struct opu_graph *graph, int a, int b);
int opu_graph_mul(struct opu_graph *graph, int a, int b);
/* Sums within each of `groups` groups of columns: [rows, groups d] -> [rows, groups]. */
int opu_graph_sum_columns(struct opu_graph *graph, int x, size_t groups);
/* Sums of each `per` neighbouring rows: [rows per, columns] -> [rows, columns]. */
int opu_graph_sum_rows(struct opu_graph *graph, int x, size_t per);

/* Side by side: up to 8 values with the same rows. */
int opu_graph_concat(struct opu_graph *graph, const int *x, size_t n);
/* Columns first to first + columns - 1. */
int opu_graph_slice(struct opu_graph *graph, int x, size_t first, size_t columns);
/* The same numbers in rows of another length. */
int opu_graph_reshape(struct opu_graph *graph, int x, size_t columns);

/* Rows of x by int32 index [m, c] -> [m, c columns]. A row that is not there is NaN. */
int opu_graph_gather(struct opu_graph *graph, int x, int index);
/* [m, columns] by index [m, 1] -> [rows, columns]: row r is the sum of x's rows with index r.
 * Indices out of range are left out. */
int opu_graph_scatter_add(struct opu_graph *graph, int x, int index, size_t rows);
/*
 * sparse [n, m] times x [m, columns] -> [n, columns], or the transpose [m, n] times x. weights
 * [entries, heads] stand in for the matrix's values (-1: its own), head h for the h-th group of
 * columns of x; the matrix then needs order_t.
 */
int opu_graph_spmm(struct opu_graph *graph, int sparse, int weights, int x, bool transpose);
/* scores [entries, heads]: softmax over the entries of each row, by head. */
int opu_graph_edge_softmax(struct opu_graph *graph, int sparse, int scores);

/* Passes x on; a cut for dfa. */
int opu_graph_tap(struct opu_graph *graph, int x, const char *name);

/*
 * Losses, one per graph, mean over rows; its gradient with respect to the first operand, e, is the
 * error that dfa projects. mask [rows, 1] weighs rows (-1: all 1): the mean is sum(mask loss) /
 * sum(mask); rows of mask 0 have e = 0 and no label. Labels are int32 [rows, 1].
 */
/* -log softmax(logits)[label]: e = (softmax - onehot) / rows */
int opu_graph_softmax_xent(struct opu_graph *graph, int logits, int labels);
int opu_graph_softmax_xent_masked(struct opu_graph *graph, int logits, int labels, int mask);
/* -x[label] of log-probabilities: e = -onehot / rows */
int opu_graph_nll(struct opu_graph *graph, int x, int labels, int mask);
/* -t log s(x) - (1 - t) log(1 - s(x)), s the sigmoid, t the targets [rows, columns] of 0 to 1; mean
 * over columns too. "correct" counts rows right in every column. */
int opu_graph_bce(struct opu_graph *graph, int logits, int targets, int mask);
/* Takes e at another value of the head: a result above the taps. */
void opu_graph_error_at(struct opu_graph *graph, int value);

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
size_t opu_graph_value_rows(const struct opu_graph *graph, int value); /* of the last forward */

/* e of the last forward, [rows][n_error]; valid until the next forward. Computed by forward when a
 * backward was planned. */
const float *opu_graph_error(const struct opu_graph *graph);
size_t opu_graph_error_columns(const struct opu_graph *graph);
size_t opu_graph_error_rows(const struct opu_graph *graph); /* of the last forward */

/*
 * Backward through one block: gradients of its parameters are overwritten. Block 0 is the head, the
 * others count from the last tap down to the first. A bp or shallow plan has the head alone, a
 * forward plan none.
 */
size_t opu_graph_blocks(const struct opu_graph *graph);
/* Different blocks may run at the same time, on threads of the caller's (core/dfa/blocks.h). */
void opu_graph_backward(struct opu_graph *graph, size_t block);

/* An estimate, in multiplications: the block's backward over max_rows, and its update. */
struct opu_block_cost {
    size_t block;
    double cost;
};
/* [blocks - 1] All blocks but the head, the costliest first, equal ones in their order. NULL where
 * there is the head alone. */
const struct opu_block_cost *opu_graph_block_costs(const struct opu_graph *graph);

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
