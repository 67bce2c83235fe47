/* SPDX-License-Identifier: MIT */
/*
 * Pointwise factors along lines side by side: phases, free space, lenses, rims, apertures. See
 * sim/wave/lines.h.
 */
#include "sim/wave/line_transpose.h"
#include "sim/wave/turns.h"

static void phase_rows(real *tile, size_t n_points, const uint16_t *q, size_t stride, real sign)
{
    for (size_t r = 0; r < n_points; ++r) {
        real *const re = tile + r * POINT;
        real *const im = re + LANES;
        const uint16_t *const words_of_point = q + r * stride;
        /* Widened on its own, and unrolled, so that vectors are whole after it. */
        int32_t turns[LANES];
        for (int l = 0; l < LANES; ++l) {
            turns[l] = words_of_point[l];
        }
        EACH_LANE(l)
        {
            real s;
            real c;
#ifdef OPU_REAL_DOUBLE
            opu_sincos2pi((double)turns[l] * (sign * 0x1p-16), &s, &c);
#else
            opu_sincos2pif((float)turns[l] * (sign * 0x1p-16f), &s, &c);
#endif
            turn(&re[l], &im[l], c, s);
        }
    }
}

void OPU_LINE(phase)(real *tile, size_t n_points, const uint16_t *q, size_t stride, bool across,
                     bool conjugate)
{
    real const sign = conjugate ? -1 : 1;
    if (!across) {
        phase_rows(tile, n_points, q, stride, sign);
        return;
    }
    uint16_t turned[LANES * LANES];
    transpose_words(turned, q, stride);
    phase_rows(tile, n_points, turned, LANES, sign);
}

void OPU_LINE(separable)(real *tile, size_t n, const real *c, size_t c_stride, size_t first,
                         bool conjugate)
{
    const real *const lane_re = c + first;
    const real *const lane_im = c + c_stride + first;
    real const sign = conjugate ? -1 : 1;
    for (size_t k = 0; k < n; ++k) {
        real *const re = tile + k * POINT;
        real *const im = re + LANES;
        real const a = c[k];
        real const b = c[c_stride + k];
        EACH_LANE(l)
        {
            real const f = a * lane_re[l] - b * lane_im[l];
            real const g = sign * (a * lane_im[l] + b * lane_re[l]);
            turn(&re[l], &im[l], f, g);
        }
    }
}

void OPU_LINE(taper)(real *tile, size_t n, const real *t, size_t first)
{
    for (size_t k = 0; k < n; ++k) {
        real *const re = tile + k * POINT;
        real const a = t[k];
        EACH_LANE(l)
        {
            real const f = a * t[first + l];
            re[l] *= f;
            re[LANES + l] *= f;
        }
    }
}

void OPU_LINE(aperture)(real *tile, size_t n, const int32_t *square, size_t first, int32_t radius2)
{
    for (size_t k = 0; k < n; ++k) {
        real *const re = tile + k * POINT;
        int32_t const rest = radius2 - square[k];
        EACH_LANE(l)
        {
            real const f = square[first + l] <= rest ? (real)1 : (real)0;
            re[l] *= f;
            re[LANES + l] *= f;
        }
    }
}

static inline void even_point(real *tile, size_t k, const real *c, const real *s, real sign)
{
    real *const re = tile + k * POINT;
    real *const im = re + LANES;
    EACH_LANE(l)
    {
        turn(&re[l], &im[l], c[l], sign * s[l]);
    }
}

/* For a grid whose lines rise and fall within one point's lanes. */
static void even_small(real *tile, size_t n, const real *quarter, size_t stride, size_t first,
                       real sign)
{
    for (size_t k = 0; k < n; ++k) {
        const real *const row = quarter + (k < n - k ? k : n - k) * 2 * stride;
        real turned[2 * LANES];
        for (size_t l = 0; l < (size_t)LANES; ++l) {
            size_t const x = first + l < n ? first + l : 0;
            size_t const from = x < n - x ? x : n - x;
            turned[l] = row[from];
            turned[LANES + l] = row[stride + from];
        }
        even_point(tile, k, turned, turned + LANES, sign);
    }
}

void OPU_LINE(even)(real *tile, size_t n, const real *quarter, size_t stride, size_t first,
                    bool conjugate)
{
    real const sign = conjugate ? -1 : 1;
    if (n < 2 * (size_t)LANES) {
        even_small(tile, n, quarter, stride, first, sign);
        return;
    }
    bool const falling = first >= n / 2;
    for (size_t k = 0; k <= n / 2; ++k) {
        const real *c = quarter + k * 2 * stride + (falling ? n - first : first);
        const real *s = c + stride;
        real turned[2 * LANES];
        if (falling) {
            EACH_LANE(l)
            {
                turned[l] = *(c - l);
                turned[LANES + l] = *(s - l);
            }
            c = turned;
            s = turned + LANES;
        }
        even_point(tile, k, c, s, sign);
        if (k > 0 && k < n / 2) {
            even_point(tile, n - k, c, s, sign);
        }
    }
}
