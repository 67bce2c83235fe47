/* SPDX-License-Identifier: MIT */
/* Kernels of the gaussian medium, one per vector level; see sim/medium/medium_gaussian.c. */
#ifndef OPU_SIM_MEDIUM_GAUSSIAN_H
#define OPU_SIM_MEDIUM_GAUSSIAN_H

#include "sim/medium/drift.h"

#define OPU_GAUSSIAN_KERNELS(level) \
    void opu_gaussian_strip_##level(uint64_t seed, const struct opu_drift_mix *mix, \
                                    uint32_t first_output, uint32_t first_input, \
                                    uint32_t n_inputs, float *strip);

OPU_GAUSSIAN_KERNELS(base)
OPU_GAUSSIAN_KERNELS(avx2)
OPU_GAUSSIAN_KERNELS(avx512)

#endif
