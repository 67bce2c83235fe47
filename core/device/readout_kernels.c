/* SPDX-License-Identifier: MIT */
/*
 * Counts to outputs, compiled once per vector level. Every output is the sum of products in the
 * order that is written here, without contraction: all levels give the same bits.
 */
#include "core/device/readout_kernels.h"

/* The two quadratures of four phase steps: (I0 - I2) and (I1 - I3) times gain times factor. */
#define PHASE4(T, D, suffix) \
    void OPU_KERNEL(opu_phase4_##suffix)(size_t n, const T *restrict counts, size_t stride, \
                                         const float *restrict gain, float factor, int set, \
                                         float *restrict out) \
    { \
        const T *restrict const i0 = counts; \
        const T *restrict const i1 = counts + stride; \
        const T *restrict const i2 = counts + 2 * stride; \
        const T *restrict const i3 = counts + 3 * stride; \
        if (set) { \
            for (size_t k = 0; k < n; k++) { \
                float const g = gain[k] * factor; \
                out[2 * k] = (float)((D)i0[k] - (D)i2[k]) * g; \
                out[2 * k + 1] = (float)((D)i1[k] - (D)i3[k]) * g; \
            } \
        } else { \
            for (size_t k = 0; k < n; k++) { \
                float const g = gain[k] * factor; \
                out[2 * k] += (float)((D)i0[k] - (D)i2[k]) * g; \
                out[2 * k + 1] += (float)((D)i1[k] - (D)i3[k]) * g; \
            } \
        } \
    }

PHASE4(uint8_t, int32_t, u8)
PHASE4(uint16_t, int32_t, u16)
PHASE4(float, float, f32)

/* Frame 0 with the anchor, frame 1 without; offset: the anchor's own light per microsecond. */
#define ANCHOR(T, D, suffix) \
    void OPU_KERNEL(opu_anchor_##suffix)(size_t n, const T *restrict counts, size_t stride, \
                                         const uint32_t *restrict pick, \
                                         const float *restrict gain, const float *restrict offset, \
                                         float time, float factor, int set, float *restrict out) \
    { \
        for (size_t i = 0; i < n; i++) { \
            size_t const k = pick[i]; \
            float const f = (float)((D)counts[k] - (D)counts[stride + k]) - offset[i] * time; \
            float const value = f * (gain[i] * factor); \
            out[i] = set ? value : out[i] + value; \
        } \
    }

ANCHOR(uint8_t, int32_t, u8)
ANCHOR(uint16_t, int32_t, u16)
ANCHOR(float, float, f32)

#define SCALE(T, suffix) \
    void OPU_KERNEL(opu_scale_##suffix)(size_t n, const T *restrict counts, float factor, int set, \
                                        float *restrict out) \
    { \
        for (size_t k = 0; k < n; k++) { \
            float const value = (float)counts[k] * factor; \
            out[k] = set ? value : out[k] + value; \
        } \
    }

SCALE(uint8_t, u8)
SCALE(uint16_t, u16)
