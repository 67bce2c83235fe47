/* SPDX-License-Identifier: MIT */
/* Factors of free space and lenses. Formulas: sim/wave/factor.h. */
#include "sim/wave/factor.h"

#include "sim/wave/turns.h"

#include <math.h>

struct opu_space opu_space_make(size_t n, double pitch_m, double wavelength_m, double distance_m)
{
    double const width = (double)n * pitch_m;
    double const critical = width * pitch_m / wavelength_m;
    struct opu_space space = {.z_m = distance_m,
                              .per_wavelength = 1.0 / wavelength_m,
                              .frequency_step = 1.0 / width,
                              .frequency_limit = (double)INFINITY};
    if (fabs(distance_m) > critical) {
        double const slope = 2.0 * distance_m / width;
        space.frequency_limit = 1.0 / (wavelength_m * sqrt(slope * slope + 1.0));
    }
    return space;
}

void opu_space_factor(const struct opu_space *space, double kx, double ky, double factor[2])
{
    double const fx = kx * space->frequency_step;
    double const fy = ky * space->frequency_step;
    double const f2 = fx * fx + fy * fy;
    double const along2 = space->per_wavelength * space->per_wavelength - f2;
    if (along2 <= 0.0 || fabs(fx) > space->frequency_limit || fabs(fy) > space->frequency_limit) {
        factor[0] = 0.0;
        factor[1] = 0.0;
        return;
    }
    /* sqrt(a - f^2) - sqrt(a), written so that nothing cancels */
    opu_turns_to_phase(-space->z_m * f2 / (sqrt(along2) + space->per_wavelength), factor);
}

double opu_fresnel_turns(size_t n, double pitch_m, double wavelength_m, double distance_m, double k)
{
    double const f = k / ((double)n * pitch_m);
    return -0.5 * wavelength_m * distance_m * f * f;
}

double opu_lens_turns(double pitch_m, double wavelength_m, double focal_m, double k)
{
    double const r = k * pitch_m;
    return -0.5 * r * r / (wavelength_m * focal_m);
}

void opu_turns_to_phase(double turns, double phase[2])
{
    double const whole = nearbyint(turns);
    opu_sincos2pi(turns - whole, &phase[1], &phase[0]);
}
