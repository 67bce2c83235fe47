/* SPDX-License-Identifier: MIT */
/* Every operation as the tests call it: shapes and attributes drawn from three sizes. */
#ifndef OPU_TEST_NN_OP_CASES_H
#define OPU_TEST_NN_OP_CASES_H

#include "nn_check.h"

#include "core/nn/ops.h"

/* What an operand holds. Only numbers have gradients. */
enum fill {
    FILL_NUMBERS = 0,
    FILL_INDEX, /* int32 below `below` */
    FILL_UNIT,  /* in (0, 1) */
    FILL_MASK,  /* 0, 1 or 2, not all 0 */
    FILL_SPARSE /* spec.matrix */
};

struct sizes {
    size_t rows, in, out;
};

/* One call. Filled by a case's draw; batch shapes count their rows for each row of the run. */
struct spec {
    size_t rows; /* of the run */
    size_t n_in;
    struct opu_shape in[OPU_OP_INPUTS];
    enum fill fill[OPU_OP_INPUTS];
    size_t below[OPU_OP_INPUTS];
    struct opu_csr matrix;
    double attr[OPU_OP_ATTRS];
    size_t terms; /* the longest sum, forward or backward */
};

struct op_case {
    const struct opu_op *op;
    const char *name;
    void (*draw)(struct spec *spec, const struct sizes *sizes, struct numbers *numbers);
    double least; /* no input lies nearer to zero: a kink there has no derivative */
    /*
     * Rounding of one element: 2^-24 * (terms + plus) * magnitude. magnitude 0: that of the twin
     * run on absolute values, which for sums of products is the sum of magnitudes (Higham,
     * "Accuracy and Stability of Numerical Algorithms", 3.1).
     */
    double plus, magnitude;
    bool blas; /* bits may move with the number of threads */
};

extern const struct op_case op_cases[];
extern const size_t n_op_cases;

#endif
