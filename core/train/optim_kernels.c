/* SPDX-License-Identifier: MIT */
/*
 * Fused passes over parameters, gradients and moments: each is read and written once, so the pass
 * runs at the speed of the memory that holds them. Plain loops, compiled once per vector level.
 */
#include "core/train/optim_kernels.h"

#include <math.h>
#include <string.h>

#include "core/base/isa.h"

#define EXPONENT UINT32_C(0x7f800000)

/* 1 for NaN and infinity: all bits of the exponent are set. */
static inline uint32_t not_finite(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & EXPONENT) == EXPONENT;
}

uint32_t OPU_KERNEL(opu_adam)(size_t n, const struct opu_adam_step *step,
                              const float *restrict grad, float *restrict value,
                              float *restrict mean, float *restrict square)
{
    struct opu_adam_step const s = *step;
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        float const g = grad[i] + s.decay * value[i];
        float const m = s.beta1 * mean[i] + s.rest1 * g;
        float const v = s.beta2 * square[i] + s.rest2 * (g * g);
        float const root = sqrtf(v) * s.root_scale + s.eps;
        float const next = value[i] - s.step_size * (m / root);
        mean[i] = m;
        square[i] = v;
        value[i] = next;
        bad |= not_finite(next);
    }
    return bad;
}

uint32_t OPU_KERNEL(opu_sgd)(size_t n, const struct opu_sgd_step *step, const float *restrict grad,
                             float *restrict value, float *restrict velocity)
{
    struct opu_sgd_step const s = *step;
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        float const g = grad[i] + s.decay * value[i];
        float const v = s.momentum * velocity[i] + g;
        float const next = value[i] - s.lr * v;
        velocity[i] = v;
        value[i] = next;
        bad |= not_finite(next);
    }
    return bad;
}
