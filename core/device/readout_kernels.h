/* SPDX-License-Identifier: MIT */
/* The names of core/device/readout_kernels.c at every vector level; called through
 * opu_readout_kernels(). */
#ifndef OPU_CORE_READOUT_KERNELS_H
#define OPU_CORE_READOUT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/isa.h"

#define OPU_READOUT_STEPS(T, suffix) \
    void opu_steps_##suffix(size_t n, const T *counts, size_t stride, size_t n_steps, \
                            const float *step, const float *gain, float factor, int set, \
                            float *out);
#define OPU_READOUT_ANCHOR(T, suffix) \
    void opu_anchor_##suffix(size_t n, const T *counts, size_t stride, const uint32_t *pick, \
                             const float *gain, const float *offset, float time, float factor, \
                             int set, float *out);
#define OPU_READOUT_SCALE(T, suffix) \
    void opu_scale_##suffix(size_t n, const T *counts, float black, float factor, int set, \
                            float *out);
#define OPU_READOUT_FLAT(T, suffix) \
    void opu_flat_##suffix(size_t n, const T *counts, float black, const float *gain, float *out);

#define OPU_READOUT_KERNELS(level) \
    OPU_READOUT_STEPS(uint8_t, u8_##level) \
    OPU_READOUT_STEPS(uint16_t, u16_##level) \
    OPU_READOUT_STEPS(float, f32_##level) \
    OPU_READOUT_ANCHOR(uint8_t, u8_##level) \
    OPU_READOUT_ANCHOR(uint16_t, u16_##level) \
    OPU_READOUT_ANCHOR(float, f32_##level) \
    OPU_READOUT_SCALE(uint8_t, u8_##level) \
    OPU_READOUT_SCALE(uint16_t, u16_##level) \
    OPU_READOUT_FLAT(uint8_t, u8_##level) \
    OPU_READOUT_FLAT(uint16_t, u16_##level)

OPU_READOUT_KERNELS(base)
OPU_READOUT_KERNELS(avx2)
OPU_READOUT_KERNELS(avx512)

#endif
