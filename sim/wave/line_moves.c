/* SPDX-License-Identifier: MIT */
/*
 * Points on their way between the grid's blocks and tiles of lines, rows or columns, and between
 * tiles and pairs of reals. No arithmetic but a scale. See sim/wave/lines.h.
 */
#include "sim/wave/line_transpose.h"

/* to = from * scale, a point */
static inline void move_point(real *to, const real *from, real scale)
{
    for (int v = 0; v < 2 * LANES; v += VECTOR_REALS) {
        *(reals *)(to + v) = *(const reals *)(from + v) * scale;
    }
}

void OPU_LINE(place)(real *tile, const uint16_t *point, size_t n_points, const real *block,
                     real scale, bool across)
{
    real turned[LANES * POINT];
    if (across) {
        transpose(turned, POINT, block, POINT);
        transpose(turned + LANES, POINT, block + LANES, POINT);
        block = turned;
    }
    for (size_t r = 0; r < n_points; ++r) {
        move_point(tile + point[r] * POINT, block + r * POINT, scale);
    }
}

void OPU_LINE(collect)(const real *tile, const uint16_t *point, size_t n_points, real *block,
                       bool across)
{
    real rows[LANES * POINT];
    real *const to = across ? rows : block;
    for (size_t r = 0; r < (across ? (size_t)LANES : n_points); ++r) {
        move_point(to + r * POINT, tile + point[r < n_points ? r : 0] * POINT, 1);
    }
    if (across) {
        transpose(block, POINT, rows, POINT);
        transpose(block + LANES, POINT, rows + LANES, POINT);
    }
}

void OPU_LINE(split)(real *restrict re, real *restrict im, const real *restrict pairs, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        re[i] = pairs[2 * i];
        im[i] = pairs[2 * i + 1];
    }
}

void OPU_LINE(join)(real *restrict pairs, const real *restrict re, const real *restrict im,
                    size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        pairs[2 * i] = re[i];
        pairs[2 * i + 1] = im[i];
    }
}
