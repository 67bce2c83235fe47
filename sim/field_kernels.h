/* SPDX-License-Identifier: MIT */
/* Column sums, one kernel per vector level; see sim/matrix.h. */
#ifndef OPU_SIM_FIELD_KERNELS_H
#define OPU_SIM_FIELD_KERNELS_H

#include "sim/matrix.h"

/* columns [n_inputs][OPU_BLOCK_FLOATS], start [OPU_BLOCK_FLOATS]; see opu_sim_matrix_field(). */
#define OPU_FIELD_KERNELS(level) \
    void opu_field_sum_##level(const float *columns, size_t n_inputs, const float *start, \
                               struct opu_patterns patterns, size_t row_bytes, float *field, \
                               size_t stride);

OPU_FIELD_KERNELS(base)
OPU_FIELD_KERNELS(avx2)
OPU_FIELD_KERNELS(avx512)

#endif
