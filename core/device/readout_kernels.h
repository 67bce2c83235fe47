/* SPDX-License-Identifier: MIT */
/* The names of core/device/readout_kernels.c at every vector level; called through
 * opu_readout_kernels(). */
#ifndef OPU_CORE_READOUT_KERNELS_H
#define OPU_CORE_READOUT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/isa.h"

#define OPU_READOUT_KERNELS(level) \
    void opu_phase4_u8_##level(size_t n, const uint8_t *counts, size_t stride, const float *gain, \
                               float factor, int set, float *out); \
    void opu_phase4_u16_##level(size_t n, const uint16_t *counts, size_t stride, \
                                const float *gain, float factor, int set, float *out); \
    void opu_phase4_f32_##level(size_t n, const float *counts, size_t stride, const float *gain, \
                                float factor, int set, float *out); \
    void opu_anchor_u8_##level(size_t n, const uint8_t *counts, size_t stride, \
                               const uint32_t *pick, const float *gain, const float *offset, \
                               float time, float factor, int set, float *out); \
    void opu_anchor_u16_##level(size_t n, const uint16_t *counts, size_t stride, \
                                const uint32_t *pick, const float *gain, const float *offset, \
                                float time, float factor, int set, float *out); \
    void opu_anchor_f32_##level(size_t n, const float *counts, size_t stride, \
                                const uint32_t *pick, const float *gain, const float *offset, \
                                float time, float factor, int set, float *out); \
    void opu_scale_u8_##level(size_t n, const uint8_t *counts, float factor, int set, float *out); \
    void opu_scale_u16_##level(size_t n, const uint16_t *counts, float factor, int set, float *out);

OPU_READOUT_KERNELS(base)
OPU_READOUT_KERNELS(avx2)
OPU_READOUT_KERNELS(avx512)

#endif
