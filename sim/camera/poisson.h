/* SPDX-License-Identifier: MIT */
/*
 * A Poisson number of mean lambda < 25 from one uniform u in (0, 1), by inversion: the smallest k
 * with u <= F(k). All in double, as F must come closer to 1 than the largest u that 32 bits can
 * say, 1 - 2^-33.
 */
#ifndef OPU_SIM_POISSON_H
#define OPU_SIM_POISSON_H

/* exp(-x), 0 <= x < 32, by Taylor's series of exp(-x / 64) to x^16 and squaring: the same bits
 * anywhere. */
static inline double opu_exp_minus(double x)
{
    double const y = x / 64.0;
    double sum = 1.0;
    for (int k = 16; k > 0; --k) {
        sum = 1.0 - y / (double)k * sum;
    }
    for (int k = 0; k < 6; ++k) {
        sum *= sum;
    }
    return sum;
}

static inline float opu_poisson(float lambda, double u)
{
    double p = opu_exp_minus((double)lambda);
    double sum = p;
    int k = 0;
    while (u > sum && k < 255) {
        ++k;
        p *= (double)lambda / (double)k;
        sum += p;
    }
    return (float)k;
}

#endif
