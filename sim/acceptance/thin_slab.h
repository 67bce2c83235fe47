/* SPDX-License-Identifier: MIT */
/* A slab of phase screens without the limits of the `slab` medium, whole in its outputs: what the
 * formulas of single quantities are tested on. */
#ifndef OPU_SIM_ACCEPTANCE_THIN_SLAB_H
#define OPU_SIM_ACCEPTANCE_THIN_SLAB_H

#include "sim/acceptance/measured.h"
#include "sim/medium/medium_slab.h"

/* Wavelength 1 m, so that lengths are in wavelengths. */
struct opu_thin_slab {
    size_t n;      /* points a side */
    size_t inputs; /* plane waves 0 .. inputs - 1 steps off the axis, in x */
    struct opu_slab slab;
    struct opu_context *context;
    struct opu_screens *screens;
    struct opu_chain_f32 *chain;
    struct opu_step *steps;
    float *in;  /* [inputs][inputs][2] unit vectors */
    float *out; /* [inputs][n][n][2] */
};

/* spacing and lc in wavelengths. */
OPU_NODISCARD int opu_thin_slab_init(struct opu_thin_slab *thin, struct opu_context *context,
                                     size_t n, size_t inputs, struct opu_slab slab);
void opu_thin_slab_fini(struct opu_thin_slab *thin);
/* Other screens, and the fields behind them of all inputs. */
OPU_NODISCARD int opu_thin_slab_run(struct opu_thin_slab *thin, uint64_t seed);

/* The slab with screens of a given variance, correlation and spacing. */
struct opu_slab opu_thin_slab_of(size_t screens, double variance, double correlation,
                                 double spacing);

/* The tests of light in a slab, for the media group: M2, M3 (slab.c), and T7 (memory.c). */
int opu_accept_slab(struct opu_acceptance *acceptance);
int opu_accept_memory(struct opu_acceptance *acceptance);

/*
 * The tilt, in the medium, at which a slab's memory effect falls to half, at any angle (memory.c);
 * infinite for one screen.
 */
OPU_NODISCARD int opu_slab_memory_half(struct opu_context *context, const struct opu_slab *slab,
                                       double *tilt);

#endif
