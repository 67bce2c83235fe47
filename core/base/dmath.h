/* SPDX-License-Identifier: MIT */
/*
 * Sine, cosine and exponential in double, the same bits on every processor: the C library's differ
 * in the last place between processors with and without fused multiply-add. Taylor series on
 * reduced arguments, to within 2 ulp; only additions, multiplications and rounding, so a file that
 * includes this must be compiled without contraction (as sim is).
 */
#ifndef OPU_CORE_DMATH_H
#define OPU_CORE_DMATH_H

#include <math.h>

/* sin r and cos r, |r| <= pi/4: the series' next terms are below 1e-17. */
static inline double opu_sin_series(double r)
{
    double const s = r * r;
    double sum = 1.0;
    for (int k = 17; k >= 3; k -= 2) {
        sum = 1.0 - s / (double)(k * (k - 1)) * sum;
    }
    return r * sum;
}

static inline double opu_cos_series(double r)
{
    double const s = r * r;
    double sum = 1.0;
    for (int k = 18; k >= 2; k -= 2) {
        sum = 1.0 - s / (double)(k * (k - 1)) * sum;
    }
    return sum;
}

/* |x| < 1e5: reduced by pi/2 in two parts (Cody & Waite), the first with 33 bits. */
static inline void opu_sincos(double x, double *sine, double *cosine)
{
    double const quarter = rint(x * 0.63661977236758134308);
    double const r =
        (x - quarter * 1.57079632673412561417e+00) - quarter * 6.07710050650619224932e-11;
    double const s = opu_sin_series(r);
    double const c = opu_cos_series(r);
    switch ((long long)quarter & 3) {
    case 0:
        *sine = s, *cosine = c;
        break;
    case 1:
        *sine = c, *cosine = -s;
        break;
    case 2:
        *sine = -s, *cosine = -c;
        break;
    default:
        *sine = -c, *cosine = s;
        break;
    }
}

/* |x| < 700. */
static inline double opu_exp(double x)
{
    double const k = rint(x * 1.44269504088896340736);
    double const r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double sum = 1.0;
    for (int i = 14; i >= 1; --i) {
        sum = 1.0 + r / (double)i * sum;
    }
    return ldexp(sum, (int)k);
}

#endif
