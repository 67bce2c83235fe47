/* SPDX-License-Identifier: MIT */
/* Inside a chain: what it holds, and the work on one group of lines. */
#ifndef OPU_SIM_WAVE_CHAIN_LINES_H
#define OPU_SIM_WAVE_CHAIN_LINES_H

#include "sim/wave/chain_parts.h"

struct OPU_REAL(opu_chain) {
    struct opu_context *context;
    struct OPU_REAL(opu_wave_parts) parts;
    struct OPU_REAL(opu_line_plan) plan;
    const struct OPU_REAL(opu_line_kernels) * kernels;
    size_t n_threads, n_fields;
    size_t field_reals, tile_reals; /* of one */
    real *fields;                   /* [n_fields] blocks, rows of them padded by one */
    real *tiles;                    /* [n_threads] lines, then one block */
};

/* One field on its way. */
struct OPU_REAL(opu_journey) {
    const struct OPU_REAL(opu_chain) * chain;
    const struct opu_wave_program *program;
    real *field;
    const real *in;
    real *out;
};

/* All that a pass does to one group of lines, lanes of them side by side; `line` counts groups.
 * tile: of a thread, [chain->tile_reals]. */
void OPU_REAL(opu_chain_lines)(const struct OPU_REAL(opu_journey) * journey,
                               const struct opu_wave_pass *pass, size_t line, real *tile);

#endif
