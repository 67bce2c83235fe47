/* SPDX-License-Identifier: MIT */
/*
 * Sine and cosine of turns in double, branch-free, of + - * and integer operations only: a loop
 * that calls it vectorises, and every processor gives the same bits. The float twin is in
 * core/base/vmath.h. Taylor series within an eighth of a turn; the first term left out is 2e-18.
 */
#ifndef OPU_SIM_WAVE_TURNS_H
#define OPU_SIM_WAVE_TURNS_H

#include "core/base/vmath.h"

#include <stdint.h>
#include <string.h>

static inline uint64_t opu_double_bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double opu_bits_double(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Sine and cosine of 2 pi x for |x| <= 1. Exact at multiples of a quarter. */
static inline void opu_sincos2pi(double x, double *sin_out, double *cos_out)
{
    /* x = q/4 + r, |r| <= 1/8: adding 1.5 * 2^52 rounds 4 x to q, which stands in the low bits */
    double const shifted = x * 4.0 + 0x1.8p52;
    double const r = x - (shifted - 0x1.8p52) * 0.25;
    uint64_t const quadrant = opu_double_bits(shifted);
    double const z = r * r;
    double s = 0.10422916220813984;
    s = s * z + -0.7181223017785006;
    s = s * z + 3.819952584848282;
    s = s * z + -15.09464257682299;
    s = s * z + 42.058693944897655;
    s = s * z + -76.70585975306139;
    s = s * z + 81.60524927607506;
    s = s * z + -41.34170224039976;
    s = s * z + 2.4492935982947064e-16; /* 2 pi less its double */
    double const sine = r * 6.283185307179586 + r * s;
    double c = 0.28200596845579123;
    c = c * z + -1.714390711088672;
    c = c * z + 7.903536371318469;
    c = c * z + -26.4262567833744;
    c = c * z + 60.24464137187666;
    c = c * z + -85.45681720669373;
    c = c * z + 64.9393940226683;
    c = c * z + -19.739208802178716;
    double const cosine = 1.0 + c * z;
    uint64_t const swap = 0u - (quadrant & 1u);
    uint64_t const sin_bits = opu_double_bits(sine);
    uint64_t const cos_bits = opu_double_bits(cosine);
    uint64_t const sin_sign = (quadrant & 2u) << 62;
    uint64_t const cos_sign = ((quadrant + 1u) & 2u) << 62;
    *sin_out = opu_bits_double(((sin_bits & ~swap) | (cos_bits & swap)) ^ sin_sign);
    *cos_out = opu_bits_double(((cos_bits & ~swap) | (sin_bits & swap)) ^ cos_sign);
}

#endif
