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

#define OPU_OP_INPUTS 8
#define OPU_OP_ATTRS 4

/* Shape of a value. batch: the leading dimension is the rows of the run. columns 0: a vector of
 * `rows`. */
struct opu_shape {
    enum opu_dtype dtype;
    bool batch;
    size_t rows, columns;
};

/* A value as an operation sees it. Rows of data are packed; those of grad are grad_stride apart. */
struct opu_operand {
    void *data;
    void *grad; /* NULL: no gradient is wanted (in), or none has arrived (out) */
    size_t rows, columns;
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
    OPU_OP_LOSS = 1 << 3       /* out is struct opu_loss; forward writes in[0].grad, no backward */
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

extern const struct opu_op opu_op_linear;
extern const struct opu_op opu_op_relu;
extern const struct opu_op opu_op_tanh;
extern const struct opu_op opu_op_tap;
extern const struct opu_op opu_op_softmax_xent;

/* The table; NULL past its end. */
const struct opu_op *opu_op_at(size_t i);

#define OPU_OP_SHAPE_TEXT_SIZE 64

/* "[rows, 784] float32" into text, which is returned. */
const char *opu_op_shape_text(const struct opu_shape *shape, char text[OPU_OP_SHAPE_TEXT_SIZE]);

#endif
