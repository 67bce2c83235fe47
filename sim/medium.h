/* SPDX-License-Identifier: MIT */
/*
 * What light crosses: a fixed complex matrix H [outputs] x [inputs] with E|H_ij|^2 = 1, which may
 * drift with device time. A model is a small table of functions; all its entries are pure functions
 * of the seed and the indices, so any block of H can be had at any time, in any order, by any
 * thread.
 */
#ifndef OPU_SIM_MEDIUM_H
#define OPU_SIM_MEDIUM_H

#include "core/base/cpu.h"
#include "sim/camera.h"
#include "sim/drift.h"

#include <opu/backend.h>

struct opu_medium {
    const struct opu_medium_ops *ops;
    struct opu_context *context;
    uint64_t seed;
    enum opu_isa isa;
};

struct opu_medium_ops {
    const char *name; /* as in the `medium` option and in the identity */

    int (*create)(struct opu_medium **out, struct opu_context *context, uint64_t seed);
    void (*destroy)(struct opu_medium *medium);

    /*
     * A strip of H: inputs first_input .. + n_inputs - 1 (first_input even), outputs first_output
     * .. + 63 (a multiple of 64), at the drift state `mix`. strip [n_inputs][OPU_BLOCK_FLOATS]: for
     * each input 64 real parts, then 64 imaginary parts. Any thread.
     */
    void (*strip)(const struct opu_medium *medium, const struct opu_drift_mix *mix,
                  uint32_t first_output, uint32_t first_input, uint32_t n_inputs, float *strip);
};

enum opu_medium_name { OPU_MEDIUM_GAUSSIAN };

/* Indexed by enum opu_medium_name, whose order is that of the `medium` option. */
extern const struct opu_medium_ops *const opu_media[];

extern const struct opu_medium_ops opu_medium_gaussian;

#endif
