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

/* -2 ln u, u = (floor(word / 2) + 1/2) / 2^31 in (0, 1], where it is exactly 0. */
static inline float opu_normal_power(uint32_t word)
{
    /* x = 2^31 u = 2^(k + 31) (1 + f), 1 + f in [sqrt(1/2), sqrt(2)). A signed conversion is one
     * instruction. */
    float const x = (float)(int32_t)(word >> 1) + 0.5f;
    uint32_t const shifted = opu_float_bits(x) - 0x4eb504f3u;
    float const k = (float)((int32_t)shifted >> 23);
    float const f = opu_bits_float((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    /* -2 ln(1 + f) / f to 1.7e-7, as even(f^2) + f odd(f^2): two short chains, not a long one */
    float const z = f * f;
    float even = -3.244507961e-01f;
    even = even * z + -3.980034319e-01f;
    even = even * z + -6.667011744e-01f;
    even = even * z + -1.999999891e+00f;
    float odd = 2.021354807e-01f;
    odd = odd * z + 3.450170243e-01f;
    odd = odd * z + 4.993981586e-01f;
    odd = odd * z + 1.000007303e+00f;
    return k * -1.38629436f + (odd * f + even) * f;
}

/* sqrt(-2 ln u). */
static inline float opu_normal_radius(uint32_t word)
{
    return sqrtf(opu_normal_power(word));
}

/*
 * A point of the unit circle: the lower 30 bits of the word place it in the octant about (1, 0),
 * the upper two reflect it, by the y axis and by the diagonal.
 */
static inline void opu_normal_direction(uint32_t word, float *x, float *y)
{
    float const r = (float)(int32_t)(word << 2) * 3.657295198e-10f; /* 2 pi / 2^34 */
    float const z = r * r;
    float s = -1.951729707e-04f;
    s = s * z + 8.332178130e-03f;
    s = s * z + -1.666665494e-01f;
    float c = -1.359185182e-03f;
    c = c * z + 4.165577689e-02f;
    c = c * z + -4.999988474e-01f;
    uint32_t const sine = opu_float_bits(r + (r * z) * s);
    uint32_t const cosine = opu_float_bits(1.0f + c * z) ^ (word & 0x80000000u);
    /* cppcheck-suppress shiftTooManyBitsSigned ; bit 30 in all places, in one instruction */
    uint32_t const swap = (uint32_t)((int32_t)(word << 1) >> 31);
    *x = opu_bits_float((cosine & ~swap) | (sine & swap));
    *y = opu_bits_float((sine & ~swap) | (cosine & swap));
}

/* Two independent standard normal draws from two uniform words (Box and Muller 1958); |z| <= 6.66.
 */
static inline void opu_box_muller(uint32_t u0, uint32_t u1, float *z0, float *z1)
{
    float const radius = opu_normal_radius(u0);
    float x;
    float y;
    opu_normal_direction(u1, &x, &y);
    *z0 = radius * x;
    *z1 = radius * y;
}

#endif
