/* SPDX-License-Identifier: MIT */
/*
 * Transforms along lines side by side: the sums of a butterfly, the stages of butterflies and the
 * order in which they are worked off. Every lane is a line. See sim/wave/lines.h.
 */
#include "sim/wave/line_lanes.h"

#define SQRT_HALF ((real)0.70710678118654752440)

/* The compiler sees the radix as a constant, and vectors of legs in registers. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Of one butterfly of one lane: a radix of 4 has the first four. */
struct legs {
    real re[8], im[8];
};

/* Factors before a butterfly's sums (decimation in time), behind them (in frequency), or none. */
enum factors { BEFORE, BEHIND, NONE };

/* y_q = sum over j of x_j (-i)^jq */
static ALWAYS_INLINE struct legs sum4(const struct legs *x)
{
    real const p = x->re[0] + x->re[2];
    real const q = x->im[0] + x->im[2];
    real const r = x->re[0] - x->re[2];
    real const s = x->im[0] - x->im[2];
    real const t = x->re[1] + x->re[3];
    real const u = x->im[1] + x->im[3];
    real const v = x->re[1] - x->re[3];
    real const w = x->im[1] - x->im[3];
    return (struct legs){{p + t, r + w, p - t, r - w}, {q + u, s - v, q - u, s + v}};
}

/* y_q = sum over j of x_j exp(-2 pi i jq / 8) */
static ALWAYS_INLINE struct legs sum8(const struct legs *x)
{
    const real *const a = x->re;
    const real *const b = x->im;
    struct legs const sums = {{a[0] + a[4], a[1] + a[5], a[2] + a[6], a[3] + a[7]},
                              {b[0] + b[4], b[1] + b[5], b[2] + b[6], b[3] + b[7]}};
    real const c1 = a[1] - a[5];
    real const d1 = b[1] - b[5];
    real const c3 = a[3] - a[7];
    real const d3 = b[3] - b[7];
    struct legs const differences = {
        {a[0] - a[4], SQRT_HALF * (c1 + d1), b[2] - b[6], SQRT_HALF * (d3 - c3)},
        {b[0] - b[4], SQRT_HALF * (d1 - c1), a[6] - a[2], -(SQRT_HALF * (c3 + d3))}};
    struct legs const even = sum4(&sums);
    struct legs const odd = sum4(&differences);
    return (struct legs){{even.re[0], odd.re[0], even.re[1], odd.re[1], even.re[2], odd.re[2],
                          even.re[3], odd.re[3]},
                         {even.im[0], odd.im[0], even.im[1], odd.im[1], even.im[2], odd.im[2],
                          even.im[3], odd.im[3]}};
}

/* x_j *= w_j, j = 1.. */
static ALWAYS_INLINE void turn_legs(struct legs *x, int radix, const real *w)
{
    _Pragma("GCC unroll 8") for (int j = 1; j < radix; ++j)
    {
        turn(&x->re[j], &x->im[j], w[2 * j - 2], w[2 * j - 1]);
    }
}

/*
 * `count` butterflies, each `step` reals after the one before, their legs `leg` reals apart; of
 * each, factors [radix - 1][2].
 */
static ALWAYS_INLINE void butterflies(int radix, enum factors factors, real *re, real *im,
                                      size_t count, size_t step, size_t leg,
                                      const real *restrict twiddles)
{
    for (size_t k = 0; k < count; ++k) {
        const real *const w = factors == NONE ? NULL : twiddles + 2 * (size_t)(radix - 1) * k;
        real *const r = re + k * step;
        real *const i = im + k * step;
        EACH_LANE(l)
        {
            struct legs x;
            _Pragma("GCC unroll 8") for (int j = 0; j < radix; ++j)
            {
                x.re[j] = r[l + j * leg];
                x.im[j] = i[l + j * leg];
            }
            if (factors == BEFORE) {
                turn_legs(&x, radix, w);
            }
            x = radix == 8 ? sum8(&x) : sum4(&x);
            if (factors == BEHIND) {
                turn_legs(&x, radix, w);
            }
            _Pragma("GCC unroll 8") for (int j = 0; j < radix; ++j)
            {
                r[l + j * leg] = x.re[j];
                i[l + j * leg] = x.im[j];
            }
        }
    }
}

#define STAGE(radix, factors, re, im, m, twiddles) \
    butterflies(radix, factors, re, im, m, POINT, (m)*POINT, twiddles)

/* A stage of m butterflies: frequency. */
static void stage_down(size_t radix, real *re, real *im, size_t m, const real *twiddles)
{
    if (radix == 8) {
        STAGE(8, BEHIND, re, im, m, twiddles);
    } else {
        STAGE(4, BEHIND, re, im, m, twiddles);
    }
}

/* Time. */
static void stage_up(size_t radix, real *re, real *im, size_t m, const real *twiddles)
{
    if (radix == 8) {
        STAGE(8, BEFORE, re, im, m, twiddles);
    } else {
        STAGE(4, BEFORE, re, im, m, twiddles);
    }
}

/* `count` transforms of the innermost stage, whose legs are neighbours and whose factors are 1. */
static void stage_inside(size_t radix, real *re, real *im, size_t count)
{
    if (radix == 8) {
        butterflies(8, NONE, re, im, count, 8 * POINT, POINT, NULL);
    } else {
        butterflies(4, NONE, re, im, count, 4 * POINT, POINT, NULL);
    }
}

/*
 * Stages s.. of the part of the tile that begins at re, im, depth first. Down: a stage before those
 * inside it; up: behind them.
 */
static void stages(const struct OPU_REAL(opu_line_plan) * plan, size_t s, real *re, real *im,
                   bool up)
{
    size_t const radix = plan->stages[s].radix;
    size_t const m = plan->stages[s].m;
    if (m == 1) {
        stage_inside(radix, re, im, 1);
        return;
    }
    if (!up) {
        stage_down(radix, re, im, m, plan->stages[s].twiddles);
    }
    if (s + 2 == plan->n_stages) {
        stage_inside(plan->stages[s + 1].radix, re, im, radix);
    } else {
        for (size_t q = 0; q < radix; ++q) {
            stages(plan, s + 1, re + q * m * POINT, im + q * m * POINT, up);
        }
    }
    if (up) {
        stage_up(radix, re, im, m, plan->stages[s].twiddles);
    }
}

/* The inverse transform is the forward one with real and imaginary parts exchanged. */
static void transform(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse,
                      bool up)
{
    stages(plan, 0, tile + (inverse ? LANES : 0), tile + (inverse ? 0 : LANES), up);
}

void OPU_LINE(from_reversed)(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse)
{
    transform(plan, tile, inverse, true);
}

void OPU_LINE(to_reversed)(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse)
{
    transform(plan, tile, inverse, false);
}
