/* SPDX-License-Identifier: MIT */
/*
 * What media that live on a grid share: how large a grid inputs and outputs ask for, where on it
 * they lie, and propagation by a chain (sim/wave/chain.h).
 *
 * H is sqrt(N) times a block of a unitary matrix of N = n x n modes. Such a block's squared
 * singular values tau fill
 *
 *   (sqrt(a (1 - b)) -/+ sqrt(b (1 - a)))^2,   a = n_in / N, b = n_out / N
 *
 * (Jacobi ensemble), which tends to Marchenko-Pastur where a and b are small: up to 1/16 each a
 * grid is taken without asking. Inputs and outputs lie as compact windows around the axis, inputs
 * row by row as on the mirror array.
 */
#ifndef OPU_SIM_MEDIUM_GRID_H
#define OPU_SIM_MEDIUM_GRID_H

#include "sim/medium/medium.h"
#include "sim/medium/screens.h"
#include "sim/wave/chain.h"

#define OPU_GRID_MIN 64
#define OPU_GRID_MAX 16384
#define OPU_GRID_SHARE 16 /* inputs and outputs: at most 1/16 of the modes each */

/* Where inputs and outputs lie. */
struct opu_grid_fit {
    size_t n; /* points a side */
    struct opu_window in, out;
    char regime[160];
};

/* Finds the grid, or refuses the one that the options give. name: of the medium, for the sentence.
 */
OPU_NODISCARD int opu_grid_fit(struct opu_grid_fit *fit, const struct opu_medium_setup *setup,
                               const char *name);

struct opu_grid_medium {
    struct opu_medium base;
    struct opu_grid_fit fit;
    struct opu_screens *screens;
    struct opu_step *steps; /* [n_steps] */
    size_t n_steps;
    double *taper;                /* [n], or NULL */
    double pitch_m, wavelength_m; /* of the chain */
    double scale;                 /* H over the chain's block */
    size_t batch;                 /* fields of one call of the chain */
    struct opu_chain_f32 *chain;
    float *in, *out; /* [batch] windows, where inputs or outputs do not fill theirs */
};

/* Facts and sizes; the chain comes with opu_grid_medium_plan(). On failure *out = NULL. */
OPU_NODISCARD int opu_grid_medium_create(struct opu_grid_medium **out,
                                         const struct opu_medium_ops *ops,
                                         const struct opu_medium_setup *setup, size_t max_steps);

/* With screens, steps, pitch, wavelength and scale in place: plans the chain. */
OPU_NODISCARD int opu_grid_medium_plan(struct opu_grid_medium *medium);

/* The chain that stands for a medium, for one in double or with other windows. */
struct opu_chain_setup opu_grid_medium_chain(const struct opu_medium *medium);

/* Entries of the table of functions. */
void opu_grid_medium_destroy(struct opu_medium *medium);
void opu_grid_medium_move(struct opu_medium *medium, uint64_t step);
void opu_grid_medium_apply(struct opu_medium *medium, const float *in, size_t batch, float *out);
void opu_grid_medium_adjoint(struct opu_medium *medium, const float *in, size_t batch, float *out);

#endif
