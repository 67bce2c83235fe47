/* SPDX-License-Identifier: MIT */
/*
 * Lines of a grid, OPU_LANES of them side by side, and what is done to them while they are in
 * cache. One line is in each lane:
 *
 *   tile  [n points][re of all lanes | im of all lanes]       a point is 128 bytes
 *   block [lanes rows][re | im of as many columns]            how the grid lies in memory
 *
 * The transform is decimation in frequency, points in order to digits reversed, or its transpose,
 * decimation in time, digits reversed to in order (Cooley and Tukey 1965; Gentleman and Sande
 * 1966), in place, by radix 8 with up to two of radix 4, depth first so that the inner stages stay
 * in the first-level cache. The reversal costs nothing: points are moved anyway when a tile is
 * filled and emptied. Every lane does the same arithmetic, so there are no shuffles, and the bits
 * are the same at every vector level.
 */
#ifndef OPU_SIM_WAVE_LINES_H
#define OPU_SIM_WAVE_LINES_H

#include "core/base/cpu.h"
#include "sim/wave/real.h"

#include <opu/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPU_POINT_REALS ((size_t)2 * OPU_LANES)
#define OPU_BLOCK_REALS ((size_t)OPU_LANES * OPU_POINT_REALS)
#define OPU_MAX_STAGES 6 /* 4 4 8 8 8 is the longest */

/* A transform of n points. */
struct OPU_REAL(opu_line_plan) {
    struct opu_context *context;
    size_t n;
    size_t n_stages;
    struct {
        size_t radix, m;      /* radix parts of m points */
        const real *twiddles; /* [m][radix - 1][2]: exp(-2 pi i k q / (radix m)) */
    } stages[OPU_MAX_STAGES];
    real *twiddles;
    uint16_t *reversed; /* [n] where frequency k stands */
    uint16_t *in_order; /* [n] k */
    size_t bytes;
};

int OPU_REAL(opu_line_plan_init)(struct OPU_REAL(opu_line_plan) * plan, struct opu_context *context,
                                 size_t n);
void OPU_REAL(opu_line_plan_fini)(struct OPU_REAL(opu_line_plan) * plan);

struct OPU_REAL(opu_line_kernels) {
    /* Digits reversed -> in order, and in order -> digits reversed; not scaled. */
    void (*from_reversed)(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse);
    void (*to_reversed)(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse);

    /* Row (or, `across`, column) r of a block, times scale, to point[r] of a tile, r < n_points;
     * and back. */
    void (*place)(real *tile, const uint16_t *point, size_t n_points, const real *block, real scale,
                  bool across);
    void (*collect)(const real *tile, const uint16_t *point, size_t n_points, real *block,
                    bool across);

    /* [n][2] <-> [re n], [im n] */
    void (*split)(real *restrict re, real *restrict im, const real *restrict pairs, size_t n);
    void (*join)(real *restrict pairs, const real *restrict re, const real *restrict im, size_t n);

    /* n_points points times exp(+-2 pi i q / 65536): point r, lane l takes q[r * stride + l], or,
     * `across`, q[l * stride + r] (then n_points = lanes). */
    void (*phase)(real *tile, size_t n_points, const uint16_t *q, size_t stride, bool across,
                  bool conjugate);
    /* All n points times c[point] c[lane]; c as [re n | im n], `first` the lane's. */
    void (*separable)(real *tile, size_t n, const real *c, size_t c_stride, size_t first,
                      bool conjugate);
    void (*taper)(real *tile, size_t n, const real *t, size_t first);
    /* 0 where square[point] + square[lane] > radius2. */
    void (*aperture)(real *tile, size_t n, const int32_t *square, size_t first, int32_t radius2);
    /* Times a factor that is even along both axes and symmetric: quarter [n / 2 + 1][re | im],
     * halves of `stride`. */
    void (*even)(real *tile, size_t n, const real *quarter, size_t stride, size_t first,
                 bool conjugate);
};

/* Those of a level that this processor runs. */
const struct OPU_REAL(opu_line_kernels) * OPU_REAL(opu_line_kernels_of)(enum opu_isa isa);

#endif
