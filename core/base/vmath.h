/* SPDX-License-Identifier: MIT */
/*
 * Elementary functions as branch-free float polynomials that a compiler can vectorise and that give the same
 * bits on every machine (built with -ffp-contract=off). Each is tested against libm in ULP.
 *
 * opu_logf: x in (0, inf), normal. opu_sincos2pif: sin and cos of 2 pi x for |x| <= 1. opu_tanhf, opu_expf:
 * any finite x.
 */
#ifndef OPU_CORE_VMATH_H
#define OPU_CORE_VMATH_H

#include <stdint.h>

static inline float opu_logf(float x);
static inline float opu_expf(float x);
static inline float opu_tanhf(float x);
static inline void opu_sincos2pif(float x, float *sin_out, float *cos_out);

#endif
