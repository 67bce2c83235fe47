/* SPDX-License-Identifier: MIT */
/*
 * Inside the kernels on lines: the loop over lanes, a complex product, and the kernels' names. Each
 * file that includes this is compiled once per vector level and precision.
 */
#ifndef OPU_SIM_WAVE_LINE_LANES_H
#define OPU_SIM_WAVE_LINE_LANES_H

#include "core/base/isa.h"
#include "sim/wave/lines.h"

#define LANES OPU_LANES
#define POINT OPU_POINT_REALS

/*
 * Iterations are independent: one is one lane. Not to be unrolled before they become vectors: gcc
 * 12 makes scalars of some that are.
 */
/* NOLINTBEGIN(bugprone-macro-parentheses): l is declared here, and can't stand in parentheses */
#if defined(__clang__)
/* Some it leaves scalar for all that; this is a loss of speed, not an error. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define EACH_LANE(l) \
    _Pragma("clang loop vectorize(assume_safety) interleave(disable)") for (int l = 0; l < LANES; \
                                                                            ++l)
#else
#define EACH_LANE(l) _Pragma("GCC ivdep") _Pragma("GCC unroll 1") for (int l = 0; l < LANES; ++l)
#endif
/* NOLINTEND(bugprone-macro-parentheses) */

/* re + i im, times c + i s */
static inline void turn(real *re, real *im, real c, real s)
{
    real const e_re = *re;
    real const e_im = *im;
    *re = e_re * c - e_im * s;
    *im = e_re * s + e_im * c;
}

#define OPU_LINE(name) OPU_KERNEL(OPU_REAL(opu_line_##name))

/* Members of struct opu_line_kernels: line_transforms.c, line_moves.c, line_factors.c. */
void OPU_LINE(from_reversed)(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse);
void OPU_LINE(to_reversed)(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse);
void OPU_LINE(place)(real *tile, const uint16_t *point, size_t n_points, const real *block,
                     real scale, bool across);
void OPU_LINE(collect)(const real *tile, const uint16_t *point, size_t n_points, real *block,
                       bool across);
void OPU_LINE(split)(real *restrict re, real *restrict im, const real *restrict pairs, size_t n);
void OPU_LINE(join)(real *restrict pairs, const real *restrict re, const real *restrict im,
                    size_t n);
void OPU_LINE(phase)(real *tile, size_t n_points, const uint16_t *q, size_t stride, bool across,
                     bool conjugate);
void OPU_LINE(separable)(real *tile, size_t n, const real *c, size_t c_stride, size_t first,
                         bool conjugate);
void OPU_LINE(taper)(real *tile, size_t n, const real *t, size_t first);
void OPU_LINE(aperture)(real *tile, size_t n, const int32_t *square, size_t first, int32_t radius2);
void OPU_LINE(even)(real *tile, size_t n, const real *quarter, size_t stride, size_t first,
                    bool conjugate);

#endif
