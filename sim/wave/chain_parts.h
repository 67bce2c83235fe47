/* SPDX-License-Identifier: MIT */
/*
 * Inside a chain: the tables of its steps, and the two programs of passes, out and back, that
 * sim/wave/chain.c works off. The grid lies in memory as blocks of lanes x lanes points, rows of
 * blocks a block apart from a power of two; see sim/wave/lines.h.
 */
#ifndef OPU_SIM_WAVE_CHAIN_PARTS_H
#define OPU_SIM_WAVE_CHAIN_PARTS_H

#include "sim/wave/chain.h"
#include "sim/wave/lines.h"

struct OPU_REAL(opu_wave_step) {
    enum opu_step_kind kind;
    const uint16_t *phase; /* PHASE */
    real *table;           /* SPACE: a quarter plane; FRESNEL, LENS: [2][padded]; TAPER: [padded] */
    double distance_m;     /* SPACE: steps over equal distances share a table */
    bool owned;            /* the table is this step's */
    int32_t radius2;       /* APERTURE */
};

/* All work along lines of one direction. */
struct opu_wave_pass {
    bool columns;      /* lines are columns, else rows */
    int before, after; /* transforms before and after the steps: 1 forward, -1 inverse, 0 */
    size_t first_step, n_steps;
    const uint16_t *lines; /* groups of lanes lines that are to be done */
    size_t n_lines;
};

struct opu_wave_program {
    bool adjoint; /* steps run backwards, conjugated */
    struct opu_window in, out;
    struct opu_wave_pass *passes;
    size_t n_passes;
    bool *live, *wanted;                     /* [blocks] groups of lines of the first, last pass */
    uint16_t *live_list, *wanted_list, *all; /* [blocks] */
};

struct OPU_REAL(opu_wave_parts) {
    struct opu_context *context;
    size_t n, blocks; /* points and blocks a side */
    size_t padded;    /* points a side, whole lanes */
    size_t quarter_stride;
    struct OPU_REAL(opu_wave_step) * steps;
    size_t n_steps;
    int32_t *squares; /* [padded] of the signed index */
    struct opu_wave_program forward, adjoint;
    size_t bytes;
};

int OPU_REAL(opu_wave_parts_init)(struct OPU_REAL(opu_wave_parts) * parts,
                                  const struct opu_chain_setup *setup);
void OPU_REAL(opu_wave_parts_fini)(struct OPU_REAL(opu_wave_parts) * parts);

#endif
