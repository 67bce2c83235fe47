/* SPDX-License-Identifier: MIT */
/*
 * Counts to outputs, compiled once per vector level. Every output is the sum of products in the
 * order that is written here, without contraction: all levels give the same bits.
 */
#include "core/device/readout_kernels.h"

/*
 * N phase steps: (sum of I_k c_k) times gain times factor, c_k complex. The number of steps is a
 * constant of each copy of the loop, or the compiler would not unroll the sums.
 */
#define STEPS_LOOP(T, STEPS, assign) \
    for (size_t k = 0; k < n; k++) { \
        float const g = gain[k] * factor; \
        float re = step[0] * (float)counts[k]; \
        float im = step[1] * (float)counts[k]; \
        for (size_t s = 1; s < (STEPS); s++) { \
            float const i = (float)counts[s * stride + k]; \
            re += step[2 * s] * i; \
            im += step[2 * s + 1] * i; \
        } \
        out[2 * k] assign re *g; \
        out[2 * k + 1] assign im *g; \
    }

#define STEPS(T, suffix) \
    void OPU_KERNEL(opu_steps_##suffix)(size_t n, const T *restrict counts, size_t stride, \
                                        size_t n_steps, const float *restrict step, \
                                        const float *restrict gain, float factor, int set, \
                                        float *restrict out) \
    { \
        if (n_steps == 4 && set) { \
            STEPS_LOOP(T, 4, =) \
        } else if (n_steps == 4) { \
            STEPS_LOOP(T, 4, +=) \
        } else if (n_steps == 3 && set) { \
            STEPS_LOOP(T, 3, =) \
        } else if (n_steps == 3) { \
            STEPS_LOOP(T, 3, +=) \
        } else if (set) { \
            STEPS_LOOP(T, n_steps, =) \
        } else { \
            STEPS_LOOP(T, n_steps, +=) \
        } \
    }

STEPS(uint8_t, u8)
STEPS(uint16_t, u16)
STEPS(float, f32)

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
    void OPU_KERNEL(opu_scale_##suffix)(size_t n, const T *restrict counts, float black, \
                                        float factor, int set, float *restrict out) \
    { \
        for (size_t k = 0; k < n; k++) { \
            float const value = ((float)counts[k] - black) * factor; \
            out[k] = set ? value : out[k] + value; \
        } \
    }

SCALE(uint8_t, u8)
SCALE(uint16_t, u16)

/* A picture with its black level taken off and every pixel's own gain put on. */
#define FLAT(T, suffix) \
    void OPU_KERNEL(opu_flat_##suffix)(size_t n, const T *restrict counts, float black, \
                                       const float *restrict gain, float *restrict out) \
    { \
        for (size_t k = 0; k < n; k++) { \
            out[k] = ((float)counts[k] - black) * gain[k]; \
        } \
    }

FLAT(uint8_t, u8)
FLAT(uint16_t, u16)
