/* SPDX-License-Identifier: MIT */
/*
 * A chain of planes: a complex field on a periodic grid of n x n points goes through unitary
 * Fourier transforms and pointwise factors,
 *
 *   out = crop . S_k ... S_2 S_1 . embed in
 *
 * which is what free space, lenses, phase screens and diffusers are made of. Grid index (x, y)
 * stands for the position (or spatial frequency) (x, y) with indices from n/2 on negative, as in a
 * discrete Fourier transform: index 0 is the optical axis. Transforms are unitary, n^-1 times the
 * sum; forward has exp(-i).
 *
 * The chain is worked off in passes over rows and over tiles of columns, each pass doing all that
 * its lines allow (a transform along the line, the factor at that plane, the next transform along
 * the line) while they are in cache: the order of the two axes of each transform alternates, so
 * that S transforms take S + 1 passes over memory instead of 2 S, and rows or columns outside the
 * windows are not transformed at all.
 *
 * Compiled once with real = float (names end in _f32) and once with real = double (_f64); see
 * real.h.
 */
#ifndef OPU_SIM_WAVE_CHAIN_H
#define OPU_SIM_WAVE_CHAIN_H

#include <opu/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which points of the grid carry inputs or outputs: wraps around at n. 1 <= width, height <= n. */
struct opu_window {
    size_t x, y, width, height;
};

enum opu_step_kind {
    OPU_STEP_FORWARD, /* unitary Fourier transform */
    OPU_STEP_INVERSE,
    OPU_STEP_PHASE,    /* times exp(2 pi i phase[y][x] / 65536): screens and masks */
    OPU_STEP_SPACE,    /* times the angular spectrum's transfer function, in the Fourier plane */
    OPU_STEP_FRESNEL,  /* times its paraxial approximation */
    OPU_STEP_TAPER,    /* times taper[y] taper[x]: absorbing rim */
    OPU_STEP_APERTURE, /* times 1 inside the circle of `radius` frequencies or points, else 0 */
    OPU_STEP_LENS      /* times exp(-i k r^2 / (2 focal_m)): a thin lens */
};

struct opu_step {
    enum opu_step_kind kind;
    const uint16_t *phase; /* [n][n], borrowed for the life of the chain; may change between calls;
                            * large ones best from opu_big_alloc() (huge pages) */
    const double *taper;   /* [n], borrowed while the chain is created */
    double distance_m;     /* SPACE, FRESNEL */
    double focal_m;        /* LENS */
    double radius;         /* APERTURE, in grid steps */
};

struct opu_chain_setup {
    struct opu_context *context;
    size_t n;            /* points a side: a power of two, 8..16384 */
    double pitch_m;      /* between points, in the planes that are in space */
    double wavelength_m; /* in the medium: vacuum's over the index */
    const struct opu_step *steps;
    size_t n_steps;
    struct opu_window in, out;
    size_t batch; /* most fields of one call: small grids run side by side, one a thread */
};

/* NOLINTBEGIN(bugprone-macro-parentheses): a type and a part of names */
#define OPU_CHAIN_DECLARE(real, name) \
    struct opu_chain_##name; \
    /* All plans, tables and memory; *bytes (or NULL): what it takes. On failure *out = NULL. */ \
    int opu_chain_create_##name(struct opu_chain_##name **out, \
                                const struct opu_chain_setup *setup, size_t *bytes); \
    void opu_chain_destroy_##name(struct opu_chain_##name *chain); \
    /* in [batch][in.height][in.width][2] -> out [batch][out.height][out.width][2]. Parallel \
     * inside; one call at a time. The same bits for any number of threads and any batch. */ \
    void opu_chain_apply_##name(struct opu_chain_##name *chain, const real *in, size_t batch, \
                                real *out); \
    /* The adjoint: steps reversed and conjugated. out-shaped in, in-shaped out. */ \
    void opu_chain_adjoint_##name(struct opu_chain_##name *chain, const real *in, size_t batch, \
                                  real *out);
/* NOLINTEND(bugprone-macro-parentheses) */

OPU_CHAIN_DECLARE(float, f32)
OPU_CHAIN_DECLARE(double, f64)

#endif
