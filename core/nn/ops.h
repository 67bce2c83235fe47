/* SPDX-License-Identifier: MIT */
/*
 * What an operation of the graph is: how it infers its result's shape, forward, backward, and plain
 * twins of both in double precision that the tests hold it against. One table lists them all.
 *
 * Operations get plain pointers and can't fail: shapes were checked by infer. A twin gets the same
 * call with doubles where the operation has floats (labels stay int32_t).
 */
#ifndef OPU_CORE_OPS_H
#define OPU_CORE_OPS_H

#include <opu/npy.h>

#include "core/nn/sparse.h"

#define OPU_OP_INPUTS 8
#define OPU_OP_ATTRS 4

/*
 * Shape of a value. batch: its leading dimension is `rows` for each row of the run (1 where nothing
 * was reshaped); else `rows`, whatever is run. columns 0: a vector of `rows`. sparse: a matrix of
 * core/base/csr.h with its transpose.
 */
struct opu_shape {
    enum opu_dtype dtype;
    bool batch;
    size_t rows, columns;
    bool sparse;
    bool ordered;   /* with order_t: its values may stand apart */
    size_t entries; /* of a sparse one */
};

/*
 * A value as an operation sees it. Rows of data are packed; those of grad are grad_stride apart.
 * The same value may stand in several places of `in`: then the first overwrites its gradient and
 * the others add, so gradients are written in the order of the inputs.
 */
struct opu_operand {
    void *data; /* of a sparse value: const struct opu_csr *; of int32 values: int32_t * */
    void *grad; /* NULL: no gradient is wanted (in), or none has arrived (out) */
    size_t rows, columns;
    bool batch; /* its rows move with those of the run */
    size_t grad_stride;
    bool accumulate; /* backward adds to grad instead of overwriting it */
};

struct opu_op_call {
    size_t rows; /* of this run */
    bool training;
    uint64_t seed, step; /* key the draws of a training run */
    const double *attr;  /* [OPU_OP_ATTRS], what the builder function gave */
    size_t n_in;
    struct opu_operand in[OPU_OP_INPUTS];
    struct opu_operand out;
    void *saved; /* from forward to backward, see opu_op.saved */
};

/* What a loss has in place of an array. */
struct opu_loss {
    double mean;
    size_t correct;
};

enum opu_op_flag {
    OPU_OP_IN_PLACE = 1 << 0,  /* out may be in[0]'s memory: backward reads out, not in[0] */
    OPU_OP_READS_OUT = 1 << 1, /* backward reads out: nobody may write over it */
    OPU_OP_PASS = 1 << 2,      /* out is in[0] */
    OPU_OP_LOSS = 1 << 3,      /* out is struct opu_loss; forward writes in[0].grad, no backward */
    OPU_OP_VIEW = 1 << 4       /* out is in[0]'s memory in another shape; its gradient is its own */
};

struct opu_op {
    const char *name;
    unsigned flags;
    /* Sets *out, or fails with a sentence that names the shapes. */
    int (*infer)(struct opu_shape *out, const struct opu_shape *in, size_t n_in,
                 const double *attr);
    /* (optional) Bytes a row that forward leaves for backward, or needs on its way. */
    size_t (*saved)(const struct opu_shape *in, size_t n_in);
    void (*forward)(const struct opu_op_call *call);
    void (*backward)(const struct opu_op_call *call);
    void (*forward_ref)(const struct opu_op_call *call);
    void (*backward_ref)(const struct opu_op_call *call);
};

extern const struct opu_op opu_op_linear, opu_op_bmm;
extern const struct opu_op opu_op_relu, opu_op_tanh, opu_op_tap;
extern const struct opu_op opu_op_elu, opu_op_leaky_relu, opu_op_sigmoid, opu_op_affine;
extern const struct opu_op opu_op_dropout;
extern const struct opu_op opu_op_add, opu_op_mul;
extern const struct opu_op opu_op_sum_columns, opu_op_sum_rows;
extern const struct opu_op opu_op_concat, opu_op_slice, opu_op_reshape;
extern const struct opu_op opu_op_gather, opu_op_scatter_add;
extern const struct opu_op opu_op_spmm, opu_op_edge_softmax;
extern const struct opu_op opu_op_softmax, opu_op_log_softmax;
extern const struct opu_op opu_op_softmax_xent, opu_op_nll, opu_op_bce;

/* The table; NULL past its end. */
const struct opu_op *opu_op_at(size_t i);

/* Whether a value holds a matrix of float32. */
bool opu_op_is_matrix(const struct opu_shape *shape);
/* Fails with "NAME: operands SHAPE, SHAPE, wanted ...". */
int opu_op_refuse(const char *name, const struct opu_shape *in, size_t n_in, const char *wanted);
/* to->grad [rows][grad_stride], columns first to first + columns - 1, = or += from[rows][stride].
 */
void opu_op_hand_down(const struct opu_operand *to, size_t first, size_t columns, const float *from,
                      size_t stride);
/* The same for twins. */
void opu_op_hand_down_ref(const struct opu_operand *to, size_t first, size_t columns,
                          const double *from, size_t stride);

#define OPU_OP_SHAPE_TEXT_SIZE 96

/* "[rows, 784] float32", "[3 rows, 16] float32" or "[70, 70] of 352 entries" into text, which is
 * returned. */
const char *opu_op_shape_text(const struct opu_shape *shape, char text[OPU_OP_SHAPE_TEXT_SIZE]);

#endif
