/* SPDX-License-Identifier: MIT */
/* The table of operations, the table of their kernels, and the words for shapes. */
#include "core/nn/ops.h"

#include <stdio.h>

#include "core/nn/nn_kernels.h"

static const struct opu_op *const ops[] = {
    &opu_op_linear, &opu_op_relu, &opu_op_tanh, &opu_op_tap, &opu_op_softmax_xent,
};

extern const struct opu_nn_kernels opu_nn_kernels_base, opu_nn_kernels_avx2, opu_nn_kernels_avx512;

static const struct opu_nn_kernels *const kernels[OPU_ISA_COUNT] = {
    [OPU_ISA_BASE] = &opu_nn_kernels_base,
#if defined(__x86_64__)
    [OPU_ISA_AVX2] = &opu_nn_kernels_avx2,
    [OPU_ISA_AVX512] = &opu_nn_kernels_avx512,
#endif
};

const struct opu_op *opu_op_at(size_t i)
{
    return i < sizeof ops / sizeof ops[0] ? ops[i] : NULL;
}

const struct opu_nn_kernels *opu_nn_kernels_at(enum opu_isa level)
{
    return kernels[level];
}

const struct opu_nn_kernels *opu_nn_kernels_best(void)
{
    return kernels[opu_isa_best()];
}

const char *opu_op_shape_text(const struct opu_shape *shape, char text[OPU_OP_SHAPE_TEXT_SIZE])
{
    char leading[24];
    if (shape->batch) {
        (void)snprintf(leading, sizeof leading, "rows");
    } else {
        (void)snprintf(leading, sizeof leading, "%zu", shape->rows);
    }
    if (shape->columns == 0) {
        (void)snprintf(text, OPU_OP_SHAPE_TEXT_SIZE, "[%s] %s", leading,
                       opu_dtype_name(shape->dtype));
    } else {
        (void)snprintf(text, OPU_OP_SHAPE_TEXT_SIZE, "[%s, %zu] %s", leading, shape->columns,
                       opu_dtype_name(shape->dtype));
    }
    return text;
}
