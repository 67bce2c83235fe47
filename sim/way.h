/* SPDX-License-Identifier: MIT */
/*
 * How the fields of frames come about, and what that costs. Three ways to one result:
 *
 * - stored: the transmission matrix is measured once (min(n, m) propagations, or n m draws) and
 *   kept; a frame then costs 4 m n FLOP
 * - drawn: entries by index, drawn anew for each batch of patterns: nothing is kept
 * - free: each pattern is propagated, S transforms of N points, 5 S N log2 N FLOP
 *
 * The cheaper is chosen for OPU_WAY_PATTERNS patterns - or for those between two steps of the
 * drift, if these are fewer - with fixed rates below, not with measured ones: the ways differ in
 * the last bits, and a run must not depend on how busy the machine was when it began.
 */
#ifndef OPU_SIM_WAY_H
#define OPU_SIM_WAY_H

#include "sim/medium/medium.h"
#include "sim/sim_options.h"

#include <stdbool.h>
#include <stddef.h>

enum opu_way_kind { OPU_WAY_STORED, OPU_WAY_DRAWN, OPU_WAY_FREE };

#define OPU_WAY_PATTERNS 100000.0

/* Rates of two cores of 2.8 GHz with AVX-512 (`opu bench sim`). */
#define OPU_WAY_FFT_FLOPS 2e10
#define OPU_WAY_FIELD_FLOPS 2.5e11
#define OPU_WAY_NORMALS 1.2e9

struct opu_way {
    enum opu_way_kind kind;
    bool by_rows;     /* stored, with a grid: rows of the adjoint instead of columns */
    double bytes;     /* of one stored matrix */
    double measure_s; /* to measure it once; 0 for the other ways */
    double pattern_s; /* a pattern, then */
    double other_s;   /* a pattern by the way not taken; 0: there is none */
    double patterns;  /* reckoned with */
};

/*
 * Chooses, for a matrix that shares `memory` with those of other polarisations, n_matrices in all.
 * OPU_E_INVALID where the way that the options ask for is impossible: stored matrices beyond
 * `memory`.
 */
OPU_NODISCARD int opu_way_choose(struct opu_way *way, const struct opu_medium *medium,
                                 const struct opu_sim_options *options, size_t n_matrices);

/* "matrix measured by columns: 1000 propagations of 512 x 512 (about 3.1 s once), then ..." */
void opu_way_describe(const struct opu_way *way, const struct opu_medium *medium, char *text,
                      size_t n);

#endif
