/* SPDX-License-Identifier: MIT */
/*
 * Elementary functions as branch-free float polynomials: only + - * /, square root, integer
 * operations and selects, so that a compiler can vectorise the loops that call them and every
 * machine and vector level gives the same bits. A file that calls them is built with
 * -ffp-contract=off (as all kernels are; without FMA in the target, as in the baseline build,
 * nothing can contract). Errors against libm are bounded in ULP by tests/unit/base_vmath.c.
 * Coefficients: minimax fits of the relative error, made for this file.
 */
#ifndef OPU_CORE_VMATH_H
#define OPU_CORE_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static inline uint32_t opu_float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float opu_bits_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* 1.5 * 2^23: adding it rounds a float below 2^22 to the nearest integer, which then stands in the
 * low bits. */
#define OPU_ROUND_MAGIC 12582912.0f
#define OPU_ROUND_BITS 0x4b400000u

/* Natural logarithm of a normal x in (0, inf). log(1) is exactly 0. */
static inline float opu_logf(float x)
{
    /* x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)) */
    uint32_t const shifted = opu_float_bits(x) - 0x3f3504f3u;
    float const k = (float)((int32_t)shifted >> 23);
    float const f = opu_bits_float((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = -7.634493022e-02f;
    p = p * f + 1.276157564e-01f;
    p = p * f + -1.316018306e-01f;
    p = p * f + 1.420175823e-01f;
    p = p * f + -1.662335730e-01f;
    p = p * f + 2.000122687e-01f;
    p = p * f + -2.500082104e-01f;
    p = p * f + 3.333333171e-01f;
    float const f2 = f * f;
    /* ln 2 in two parts: the first has 16 bits, so k times it is exact. */
    float const tail = p * (f2 * f) + (k * 1.42860677e-6f - 0.5f * f2);
    return k * 0.693145752f + (f + tail);
}

/* x = k ln 2 + r, |r| <= ln(2) / 2; *k_out = k, and returns e^r. For |x| below 2^21. */
static inline float opu_exp_reduced(float x, int32_t *k_out)
{
    float const shifted = x * 1.44269504f + OPU_ROUND_MAGIC;
    float const n = shifted - OPU_ROUND_MAGIC;
    float const r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    float p = 1.381446674e-03f;
    p = p * r + 8.368780429e-03f;
    p = p * r + 4.166839422e-02f;
    p = p * r + 1.666652011e-01f;
    p = p * r + 4.999999341e-01f;
    *k_out = (int32_t)(opu_float_bits(shifted) - OPU_ROUND_BITS);
    return 1.0f + (r + p * (r * r));
}

/* e^x for any finite x; 0 and infinity beyond the float range. */
static inline float opu_expf(float x)
{
    float const low = x < -104.0f ? -104.0f : x;
    float const t = low > 89.0f ? 89.0f : low;
    int32_t k;
    float const y = opu_exp_reduced(t, &k);
    /* Two factors, because 2^k alone may lie outside the normal floats. */
    int32_t const half = k >> 1;
    float const a = opu_bits_float((uint32_t)(half + 127) << 23);
    float const b = opu_bits_float((uint32_t)(k - half + 127) << 23);
    return (y * a) * b;
}

/* Hyperbolic tangent of any finite x: odd, and never beyond 1 in magnitude. */
static inline float opu_tanhf(float x)
{
    uint32_t const sign = opu_float_bits(x) & 0x80000000u;
    float const magnitude = opu_bits_float(opu_float_bits(x) ^ sign);
    /* tanh(9.02) rounds to 1 */
    float const a = magnitude > 9.02f ? 9.02f : magnitude;
    /* Away from 0: 1 - 2 / (e^2a + 1). */
    int32_t k;
    float const y = opu_exp_reduced(a + a, &k);
    float const e = y * opu_bits_float((uint32_t)(k + 127) << 23);
    float const large = 1.0f - 2.0f / (e + 1.0f);
    /* Near 0: a + a^3 P(a^2). */
    float const z = a * a;
    float p = -6.274239096e-03f;
    p = p * z + 2.107167870e-02f;
    p = p * z + -5.385230980e-02f;
    p = p * z + 1.333258614e-01f;
    p = p * z + -3.333331756e-01f;
    float const small = a + p * (z * a);
    float const result = a < 0.55f ? small : large;
    return opu_bits_float(opu_float_bits(result) | sign);
}

/* Sine and cosine of 2 pi x for |x| <= 1. Exact at multiples of a quarter. */
static inline void opu_sincos2pif(float x, float *sin_out, float *cos_out)
{
    /* x = q/4 + r, |r| <= 1/8; the difference is exact */
    float const shifted = x * 4.0f + OPU_ROUND_MAGIC;
    float const r = x - (shifted - OPU_ROUND_MAGIC) * 0.25f;
    uint32_t const quadrant = opu_float_bits(shifted);
    float const z = r * r;
    float s = -7.540206791e+01f;
    s = s * z + 8.159255354e+01f;
    s = s * z + -4.134166263e+01f;
    s = s * z + -1.941579198e-07f; /* 2 pi less its float */
    float const sine = r * 6.28318548f + r * s;
    float c = 5.924596400e+01f;
    c = c * z + -8.544374172e+01f;
    c = c * z + 6.493932647e+01f;
    c = c * z + -1.973920869e+01f;
    float const cosine = 1.0f + c * z;
    /* Odd quadrants swap the two; bit 1 flips signs. */
    uint32_t const swap = 0u - (quadrant & 1u);
    uint32_t const sin_bits = opu_float_bits(sine);
    uint32_t const cos_bits = opu_float_bits(cosine);
    uint32_t const sin_sign = (quadrant & 2u) << 30;
    uint32_t const cos_sign = ((quadrant + 1u) & 2u) << 30;
    *sin_out = opu_bits_float(((sin_bits & ~swap) | (cos_bits & swap)) ^ sin_sign);
    *cos_out = opu_bits_float(((cos_bits & ~swap) | (sin_bits & swap)) ^ cos_sign);
}

/*
 * Two independent standard normal draws from two uniform words (Box and Muller 1958). The radius
 * takes the upper 31 bits of u0 (so |z| <= 6.66), the angle the upper 24 bits of u1.
 */
static inline void opu_box_muller(uint32_t u0, uint32_t u1, float *z0, float *z1)
{
    /* In (0, 1]: rounding may give 1, whose logarithm is exactly 0. A signed conversion is one
     * instruction. */
    float const uniform = (float)(int32_t)(u0 >> 1) * 0x1p-31f + 0x1p-32f;
    float const radius = sqrtf(-2.0f * opu_logf(uniform));
    float const angle = (float)(int32_t)(u1 >> 8) * 0x1p-24f;
    float sine;
    float cosine;
    opu_sincos2pif(angle, &sine, &cosine);
    *z0 = radius * cosine;
    *z1 = radius * sine;
}

#endif
