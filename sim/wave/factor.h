/* SPDX-License-Identifier: MIT */
/*
 * The pointwise factors of free space and lenses, in double. With the signed index k of a grid of n
 * points and pitch p the frequency is f = k / (n p), the position k p; lengths in metres.
 *
 * Free space, z (Goodman, Introduction to Fourier Optics, 3rd ed., eq. 3-74, less the phase k z):
 *   exp(2 pi i z (sqrt(1/lambda^2 - f^2) - 1/lambda)),  0 for f >= 1/lambda (no evanescent waves);
 * beyond |z| = n p^2 / lambda also 0 where |fx| or |fy| exceeds the band limit
 *   1 / (lambda sqrt((2 z / (n p))^2 + 1))  (Matsushima and Shimobaba 2009, eq. 20),
 * above which the sampled factor would alias. z < 0 is the conjugate: never a growing wave.
 * Fresnel: exp(-i pi lambda z f^2). Thin lens: exp(-i pi r^2 / (lambda focal)).
 */
#ifndef OPU_SIM_WAVE_FACTOR_H
#define OPU_SIM_WAVE_FACTOR_H

#include <stdbool.h>
#include <stddef.h>

struct opu_space {
    double z_m;
    double per_wavelength;  /* 1 / lambda */
    double frequency_step;  /* 1 / (n p) */
    double frequency_limit; /* largest |fx|, |fy| */
};

struct opu_space opu_space_make(size_t n, double pitch_m, double wavelength_m, double distance_m);

/* factor[0] + i factor[1] at frequency (kx, ky). */
void opu_space_factor(const struct opu_space *space, double kx, double ky, double factor[2]);

/* Turns of the Fresnel factor and of a lens along one axis at index k: x and y parts multiply. */
double opu_fresnel_turns(size_t n, double pitch_m, double wavelength_m, double distance_m,
                         double k);
double opu_lens_turns(double pitch_m, double wavelength_m, double focal_m, double k);

/*
 * Cosine and sine of 2 pi turns, |turns| < 2^51: below 2e-16 off, exact at multiples of a quarter,
 * by additions and multiplications only, so that every processor gives the same bits (the library's
 * own may not).
 */
void opu_turns_to_phase(double turns, double phase[2]);

/* Index k of n as a signed one: from n / 2 on negative. */
static inline double opu_signed_index(size_t k, size_t n)
{
    return k < n / 2 ? (double)k : (double)k - (double)n;
}

#endif
