/* SPDX-License-Identifier: MIT */
/*
 * Phase screens: sheets of points [n][n] that turn the phase of what crosses them, as turns of
 * 1/65536. Two kinds.
 *
 * Correlated (what a slice of a scattering medium does): phi real, Gaussian, periodic, with
 *
 *   <phi(0) phi(r)> = sigma^2 exp(-r^2 / lc^2).
 *
 * White complex normal noise is multiplied by exp(-k^2 lc^2 / 8) over the spatial frequencies k and
 * transformed back; real and imaginary part are two independent screens. The scale is that of
 * theory, sigma / sqrt(mean over k of exp(-k^2 lc^2 / 4)), not that of the sample.
 *
 * White (diffusers; correlation_m = 0): each point a phase of its own, uniform.
 *
 * Drift (sim/medium/drift.h): phases are Ornstein-Uhlenbeck processes of correlation time slowness
 * * tau. Correlated screens are such a process; the nodes' noises are mixed before the one
 * transform. To a uniform phase is added what a process of variance sigma^2 has moved since step 0.
 * With rho_phi its correlation, one screen leaves the field correlation exp(-sigma^2 (1 -
 * rho_phi)).
 *
 * Draws: Philox(seed, OPU_STREAM_SCREEN, a = point / points per block, b = screen or pair + node *
 * 2^8): bits that depend on neither threads nor order. The phases of correlated screens pass
 * through a Fourier transform in double of our own: the same bits on every processor.
 */
#ifndef OPU_SIM_SCREENS_H
#define OPU_SIM_SCREENS_H

#include <opu/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opu_screens;

#define OPU_SCREENS_MAX 256

struct opu_screens_setup {
    struct opu_context *context;
    size_t n;             /* points a side: a power of two, at least 64 */
    size_t count;         /* screens, at most OPU_SCREENS_MAX */
    double pitch_m;       /* of the points */
    double correlation_m; /* lc; 0: white */
    double variance;      /* sigma^2 of one screen, rad^2; of a white one: of what drifts */
    uint64_t seed;
    bool drifts;     /* keep what a move needs */
    size_t still;    /* so many white screens, the first ones, do not drift */
    double slowness; /* correlation time of the phases over tau */
};

/* Draws the screens of step 0. On failure *out = NULL. */
OPU_NODISCARD int opu_screens_create(struct opu_screens **out,
                                     const struct opu_screens_setup *setup);
void opu_screens_destroy(struct opu_screens *screens); /* NULL is fine */

/* [n][n] of one screen: lent, and filled anew by a move. */
const uint16_t *opu_screens_phase(const struct opu_screens *screens, size_t screen);

/* Brings all to a drift step, in parallel; nothing to do if they are there or do not drift. */
void opu_screens_move(struct opu_screens *screens, uint64_t step);

/* What they take, the room for moves included. */
size_t opu_screens_bytes(const struct opu_screens *screens);

#endif
