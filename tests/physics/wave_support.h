/* SPDX-License-Identifier: MIT */
/* For the tests of wave propagation: a chain of planes step by step in double, by the formulas of
 * sim/wave/factor.h with the library's sine and cosine and a radix-2 transform: slow and plain. */
#ifndef OPU_TEST_WAVE_SUPPORT_H
#define OPU_TEST_WAVE_SUPPORT_H

#include "sim/wave/chain.h"
#include "tests/physics/sim_support.h"

#include <assert.h>
#include <complex.h>

#define TWO_PI 6.283185307179586
#define IMAGINARY ((double complex)I)

static inline void plain_line(double complex *x, double complex *work, size_t n, double sign)
{
    if (n == 1) {
        return;
    }
    size_t const half = n / 2;
    for (size_t k = 0; k < half; ++k) {
        work[k] = x[2 * k];
        work[half + k] = x[2 * k + 1];
    }
    memcpy(x, work, n * sizeof(*x));
    plain_line(x, work, half, sign);
    plain_line(x + half, work, half, sign);
    for (size_t k = 0; k < half; ++k) {
        double complex const turned =
            cexp(sign * TWO_PI * IMAGINARY * (double)k / (double)n) * x[half + k];
        double complex const kept = x[k];
        x[k] = kept + turned;
        x[half + k] = kept - turned;
    }
}

static inline void plain_transform(double complex *field, size_t n, double sign)
{
    double complex *const line = test_alloc(2 * n, sizeof(*line));
    for (int axis = 0; axis < 2; ++axis) {
        size_t const step = axis == 0 ? 1 : n;
        for (size_t i = 0; i < n; ++i) {
            double complex *const first = field + i * (axis == 0 ? n : 1);
            for (size_t k = 0; k < n; ++k) {
                line[k] = first[k * step];
            }
            plain_line(line, line + n, n, sign);
            for (size_t k = 0; k < n; ++k) {
                first[k * step] = line[k] / sqrt((double)n);
            }
        }
    }
    free(line);
}

static inline double complex plain_space(const struct opu_chain_setup *s, double z, double kx,
                                         double ky)
{
    double const width = (double)s->n * s->pitch_m;
    double const fx = kx / width;
    double const fy = ky / width;
    double const along2 = 1.0 / (s->wavelength_m * s->wavelength_m) - fx * fx - fy * fy;
    double const slope = 2.0 * z / width;
    double const limit = 1.0 / (s->wavelength_m * sqrt(slope * slope + 1.0));
    bool const beyond =
        fabs(z) > width * s->pitch_m / s->wavelength_m && (fabs(fx) > limit || fabs(fy) > limit);
    if (along2 <= 0.0 || beyond) {
        return 0.0;
    }
    return cexp(IMAGINARY * TWO_PI * fmod(z * (sqrt(along2) - 1.0 / s->wavelength_m), 1.0));
}

static inline double complex plain_factor(const struct opu_chain_setup *s,
                                          const struct opu_step *step, size_t x, size_t y)
{
    size_t const n = s->n;
    double const kx = (double)x - (x < n / 2 ? 0.0 : (double)n);
    double const ky = (double)y - (y < n / 2 ? 0.0 : (double)n);
    double const k2 = kx * kx + ky * ky;
    double const width = (double)n * s->pitch_m;
    switch (step->kind) {
    case OPU_STEP_PHASE:
        return cexp(IMAGINARY * TWO_PI * step->phase[y * n + x] / 65536.0);
    case OPU_STEP_SPACE:
        return plain_space(s, step->distance_m, kx, ky);
    case OPU_STEP_FRESNEL:
        return cexp(-IMAGINARY * TWO_PI / 2.0 * s->wavelength_m * step->distance_m * k2 /
                    (width * width));
    case OPU_STEP_LENS:
        return cexp(-IMAGINARY * TWO_PI / 2.0 * k2 * s->pitch_m * s->pitch_m /
                    (s->wavelength_m * step->focal_m));
    case OPU_STEP_TAPER:
        return step->taper[x] * step->taper[y];
    case OPU_STEP_APERTURE:
        return k2 <= step->radius * step->radius ? 1.0 : 0.0;
    default:
        return 1.0;
    }
}

/* in [from.height][from.width] -> out [to.height][to.width]. */
static inline void plain_chain(const struct opu_chain_setup *s, bool adjoint,
                               const double complex *in, double complex *out)
{
    struct opu_window const from = adjoint ? s->out : s->in;
    struct opu_window const to = adjoint ? s->in : s->out;
    size_t const n = s->n;
    assert(n > 0 && from.width > 0);
    double complex *const field = test_alloc(n * n, sizeof(*field));
    for (size_t i = 0; i < from.width * from.height; ++i) {
        field[(from.y + i / from.width) % n * n + (from.x + i % from.width) % n] = in[i];
    }
    for (size_t i = 0; i < s->n_steps; ++i) {
        const struct opu_step *const step = &s->steps[adjoint ? s->n_steps - 1 - i : i];
        if (step->kind == OPU_STEP_FORWARD || step->kind == OPU_STEP_INVERSE) {
            plain_transform(field, n, (step->kind == OPU_STEP_FORWARD) != adjoint ? -1.0 : 1.0);
            continue;
        }
        for (size_t k = 0; k < n * n; ++k) {
            double complex const factor = plain_factor(s, step, k % n, k / n);
            field[k] *= adjoint ? conj(factor) : factor;
        }
    }
    for (size_t i = 0; i < to.width * to.height; ++i) {
        out[i] = field[(to.y + i / to.width) % n * n + (to.x + i % to.width) % n];
    }
    free(field);
}

#endif
