/* SPDX-License-Identifier: MIT */
/*
 * The micro-mirror array: mirrors that are on send amplitude 1 into the medium, mirrors that are
 * off still send eps = sqrt(leakage) (coherent leakage of a DMD, 1 : 1000 to 1 : 2000 in
 * intensity):
 *
 *   E_i = sum_on H_ij + eps sum_off H_ij = (1 - eps) [ sum_on H_ij + eps / (1 - eps) sum_all H_ij ]
 *
 * so that leakage costs no work per frame. Frames that follow one another with the same pattern
 * (phase steps) share one field.
 */
#ifndef OPU_SIM_DMD_H
#define OPU_SIM_DMD_H

#include <stddef.h>
#include <stdint.h>

struct opu_dmd {
    double gain;       /* 1 - eps */
    double leak_ratio; /* eps / (1 - eps) */
};

/* leakage: intensity of an off mirror relative to one that is on, 0 <= leakage < 1. */
struct opu_dmd opu_dmd_make(double leakage);

/*
 * Runs of equal patterns in [first, end): run r covers frames start[r] .. start[r + 1] - 1. start
 * has room for end - first + 1. Returns the number of runs.
 */
size_t opu_dmd_runs(uint32_t *start, const uint8_t *bits, size_t row_bytes, size_t first,
                    size_t end);

#endif
