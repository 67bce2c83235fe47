/* SPDX-License-Identifier: MIT */
/*
 * What light crosses: a fixed complex matrix H [outputs] x [inputs] with E|H_ij|^2 = 1 over the
 * ensemble, which may drift with device time. A model is a small table of functions. All is a pure
 * function of the seed, the parameters, the set-up and the drift step. A medium carries one
 * polarisation; the second one is a second medium with another seed.
 */
#ifndef OPU_SIM_MEDIUM_H
#define OPU_SIM_MEDIUM_H

#include "core/base/cpu.h"
#include "sim/medium/drift.h"
#include "sim/layout.h"

#include <opu/backend.h>

struct opu_sim_options;

/* What a medium is made for. */
struct opu_medium_setup {
    struct opu_context *context;
    const struct opu_sim_options *options; /* the medium's parameters */
    uint64_t seed;                         /* of this polarisation */
    size_t n_inputs, n_outputs;
    size_t input_columns; /* inputs lie row by row in so many columns (the last row may be short) */
};

struct opu_medium {
    const struct opu_medium_ops *ops;
    struct opu_context *context;
    uint64_t seed;
    enum opu_isa isa;
    size_t n_inputs, n_outputs;
    uint64_t step; /* drift step it stands at */

    /* Facts for the cost model and the description; 0 for a medium without a grid. */
    size_t grid;       /* points a side */
    size_t transforms; /* 2-D Fourier transforms of one propagation */
    size_t bytes;      /* what its screens and buffers take */
    char regime[160];  /* "n_in/N = 1/256, n_out/N = 1/64: Marchenko-Pastur", or "" */
};

struct opu_medium_ops {
    const char *name; /* as in the `medium` option and in the identity */

    /*
     * OPU_E_INVALID where the set-up asks for more than the medium supports (inputs or outputs
     * against the modes of its grid: physics of a block of a unitary matrix, Jacobi ensemble),
     * naming the limit and what to change. On failure *out = NULL.
     */
    int (*create)(struct opu_medium **out, const struct opu_medium_setup *setup);
    void (*destroy)(struct opu_medium *medium); /* NULL is fine */

    /* Adds to a hash all parameters that move an entry (the seed is hashed by the caller). */
    uint64_t (*hash)(uint64_t hash, const struct opu_sim_options *options);

    /* Brings it to a drift step (sim/medium/drift.h); nothing to do if it is there. */
    void (*move)(struct opu_medium *medium, uint64_t step);

    /*
     * (media whose entries can be had one by one, else NULL) A strip of H: inputs first_input .. +
     * n_inputs - 1 (first_input even), outputs first_output .. + 63 (a multiple of 64). strip
     * [n_inputs][OPU_BLOCK_FLOATS]: for each input 64 real parts, then 64 imaginary parts. Any
     * thread.
     */
    void (*strip)(const struct opu_medium *medium, uint32_t first_output, uint32_t first_input,
                  uint32_t n_inputs, float *strip);

    /*
     * (media with a grid, else NULL) out [batch][n_outputs][2] = H in [batch][n_inputs][2], and the
     * adjoint in the other direction; batch <= OPU_MEDIUM_BATCH. Parallel inside, one call at a
     * time.
     */
    void (*apply)(struct opu_medium *medium, const float *in, size_t batch, float *out);
    void (*adjoint)(struct opu_medium *medium, const float *in, size_t batch, float *out);
};

#define OPU_MEDIUM_BATCH 16

enum opu_medium_name {
    OPU_MEDIUM_GAUSSIAN,
    OPU_MEDIUM_SLAB,
    OPU_MEDIUM_CASCADE,
    OPU_MEDIUM_PAINT,
    OPU_MEDIUM_ZNO,
    OPU_MEDIUM_GROUND_GLASS
};

/* Indexed by enum opu_medium_name, whose order is that of the `medium` option; presets are slabs.
 */
extern const struct opu_medium_ops *const opu_media[];

extern const struct opu_medium_ops opu_medium_gaussian, opu_medium_slab, opu_medium_cascade;

/* Columns and rows of any medium, by strips, by apply of unit vectors, or by their adjoint.
 * columns [n][n_outputs][2]; rows [n][n_inputs][2]. */
OPU_NODISCARD int opu_medium_columns(struct opu_medium *medium, size_t first, size_t n,
                                     float *columns);
OPU_NODISCARD int opu_medium_rows(struct opu_medium *medium, size_t first, size_t n, float *rows);

#endif
