/* SPDX-License-Identifier: MIT */
/* Transforms and factors along lines side by side. See sim/wave/lines.h. */
#include "sim/wave/lines.h"

#include "core/base/isa.h"
#include "sim/wave/turns.h"

#include <string.h>

#define LANES OPU_LANES
#define POINT OPU_POINT_REALS

/* NOLINTBEGIN(bugprone-macro-parentheses): names of variables and types */
/* Iterations are independent: one is one lane. */
#if defined(__clang__)
#define EACH_LANE(l) \
    _Pragma("clang loop vectorize(assume_safety) interleave(disable)") for (int l = 0; l < LANES; \
                                                                            ++l)
#else
#define EACH_LANE(l) _Pragma("GCC ivdep") for (int l = 0; l < LANES; ++l)
#endif

#define SQRT_HALF ((real)0.70710678118654752440)

struct complex4 {
    real re[4], im[4];
};

/* y_q = sum over j of a_j (-i)^jq */
static inline struct complex4 sum4(real a0, real b0, real a1, real b1, real a2, real b2, real a3,
                                   real b3)
{
    real const p = a0 + a2;
    real const q = b0 + b2;
    real const r = a0 - a2;
    real const s = b0 - b2;
    real const t = a1 + a3;
    real const u = b1 + b3;
    real const v = a1 - a3;
    real const w = b1 - b3;
    return (struct complex4){{p + t, r + w, p - t, r - w}, {q + u, s - v, q - u, s + v}};
}

struct complex8 {
    real re[8], im[8];
};

/* y_q = sum over j of x_j exp(-2 pi i jq / 8) */
static inline struct complex8 sum8(const struct complex8 *x)
{
    const real *const a = x->re;
    const real *const b = x->im;
    struct complex4 const even = sum4(a[0] + a[4], b[0] + b[4], a[1] + a[5], b[1] + b[5],
                                      a[2] + a[6], b[2] + b[6], a[3] + a[7], b[3] + b[7]);
    real const c1 = a[1] - a[5];
    real const d1 = b[1] - b[5];
    real const c3 = a[3] - a[7];
    real const d3 = b[3] - b[7];
    struct complex4 const odd =
        sum4(a[0] - a[4], b[0] - b[4], SQRT_HALF * (c1 + d1), SQRT_HALF * (d1 - c1), b[2] - b[6],
             a[6] - a[2], SQRT_HALF * (d3 - c3), -(SQRT_HALF * (c3 + d3)));
    return (struct complex8){{even.re[0], odd.re[0], even.re[1], odd.re[1], even.re[2], odd.re[2],
                              even.re[3], odd.re[3]},
                             {even.im[0], odd.im[0], even.im[1], odd.im[1], even.im[2], odd.im[2],
                              even.im[3], odd.im[3]}};
}

/* x_j *= w_j, j = 1.. */
#define TURN(x, j, w) \
    do { \
        real const re_ = (x).re[j]; \
        real const im_ = (x).im[j]; \
        (x).re[j] = re_ * (w)[2 * (j)-2] - im_ * (w)[2 * (j)-1]; \
        (x).im[j] = re_ * (w)[2 * (j)-1] + im_ * (w)[2 * (j)-2]; \
    } while (0)
#define TURN8(x, w) \
    do { \
        TURN(x, 1, w); \
        TURN(x, 2, w); \
        TURN(x, 3, w); \
        TURN(x, 4, w); \
        TURN(x, 5, w); \
        TURN(x, 6, w); \
        TURN(x, 7, w); \
    } while (0)
#define TURN4(x, w) \
    do { \
        TURN(x, 1, w); \
        TURN(x, 2, w); \
        TURN(x, 3, w); \
    } while (0)

static inline struct complex8 load8(const real *re, const real *im, size_t leg)
{
    return (struct complex8){{re[0], re[leg], re[2 * leg], re[3 * leg], re[4 * leg], re[5 * leg],
                              re[6 * leg], re[7 * leg]},
                             {im[0], im[leg], im[2 * leg], im[3 * leg], im[4 * leg], im[5 * leg],
                              im[6 * leg], im[7 * leg]}};
}

static inline void store8(real *re, real *im, size_t leg, struct complex8 y)
{
    re[0] = y.re[0];
    re[leg] = y.re[1];
    re[2 * leg] = y.re[2];
    re[3 * leg] = y.re[3];
    re[4 * leg] = y.re[4];
    re[5 * leg] = y.re[5];
    re[6 * leg] = y.re[6];
    re[7 * leg] = y.re[7];
    im[0] = y.im[0];
    im[leg] = y.im[1];
    im[2 * leg] = y.im[2];
    im[3 * leg] = y.im[3];
    im[4 * leg] = y.im[4];
    im[5 * leg] = y.im[5];
    im[6 * leg] = y.im[6];
    im[7 * leg] = y.im[7];
}

static inline struct complex4 load4(const real *re, const real *im, size_t leg)
{
    return (struct complex4){{re[0], re[leg], re[2 * leg], re[3 * leg]},
                             {im[0], im[leg], im[2 * leg], im[3 * leg]}};
}

static inline void store4(real *re, real *im, size_t leg, struct complex4 y)
{
    re[0] = y.re[0];
    re[leg] = y.re[1];
    re[2 * leg] = y.re[2];
    re[3 * leg] = y.re[3];
    im[0] = y.im[0];
    im[leg] = y.im[1];
    im[2 * leg] = y.im[2];
    im[3 * leg] = y.im[3];
}

static inline struct complex4 sum4_of(const struct complex4 *x)
{
    return sum4(x->re[0], x->im[0], x->re[1], x->im[1], x->re[2], x->im[2], x->re[3], x->im[3]);
}

/* Frequency: sums, then factors. */
static void sums_then_turns8(real *re, real *im, size_t m, const real *restrict twiddles)
{
    size_t const leg = m * POINT;
    for (size_t k = 0; k < m; ++k) {
        const real *const w = twiddles + 14 * k;
        real *const r = re + k * POINT;
        real *const i = im + k * POINT;
        EACH_LANE(l)
        {
            struct complex8 const x = load8(r + l, i + l, leg);
            struct complex8 y = sum8(&x);
            TURN8(y, w);
            store8(r + l, i + l, leg, y);
        }
    }
}

/* Time: factors, then sums. */
static void turns_then_sums8(real *re, real *im, size_t m, const real *restrict twiddles)
{
    size_t const leg = m * POINT;
    for (size_t k = 0; k < m; ++k) {
        const real *const w = twiddles + 14 * k;
        real *const r = re + k * POINT;
        real *const i = im + k * POINT;
        EACH_LANE(l)
        {
            struct complex8 x = load8(r + l, i + l, leg);
            TURN8(x, w);
            store8(r + l, i + l, leg, sum8(&x));
        }
    }
}

/* `count` transforms of eight neighbouring points. */
static void sums8(real *re, real *im, size_t count)
{
    for (size_t k = 0; k < count; ++k) {
        real *const r = re + 8 * k * POINT;
        real *const i = im + 8 * k * POINT;
        EACH_LANE(l)
        {
            struct complex8 const x = load8(r + l, i + l, POINT);
            store8(r + l, i + l, POINT, sum8(&x));
        }
    }
}

static void sums_then_turns4(real *re, real *im, size_t m, const real *restrict twiddles)
{
    size_t const leg = m * POINT;
    for (size_t k = 0; k < m; ++k) {
        const real *const w = twiddles + 6 * k;
        real *const r = re + k * POINT;
        real *const i = im + k * POINT;
        EACH_LANE(l)
        {
            struct complex4 const x = load4(r + l, i + l, leg);
            struct complex4 y = sum4_of(&x);
            TURN4(y, w);
            store4(r + l, i + l, leg, y);
        }
    }
}

static void turns_then_sums4(real *re, real *im, size_t m, const real *restrict twiddles)
{
    size_t const leg = m * POINT;
    for (size_t k = 0; k < m; ++k) {
        const real *const w = twiddles + 6 * k;
        real *const r = re + k * POINT;
        real *const i = im + k * POINT;
        EACH_LANE(l)
        {
            struct complex4 x = load4(r + l, i + l, leg);
            TURN4(x, w);
            store4(r + l, i + l, leg, sum4_of(&x));
        }
    }
}

/* `count` transforms of the last stage, whose points are neighbours. */
static void last_stage(const struct OPU_REAL(opu_line_plan) * plan, real *re, real *im,
                       size_t count)
{
    size_t const s = plan->n_stages - 1;
    if (plan->stages[s].radix == 8) {
        sums8(re, im, count);
        return;
    }
    for (size_t k = 0; k < count; ++k) {
        sums_then_turns4(re + 4 * k * POINT, im + 4 * k * POINT, 1, plan->stages[s].twiddles);
    }
}

/* Stages s.. of the part of the tile that begins at re, im: depth first. */
static void stages_down(const struct OPU_REAL(opu_line_plan) * plan, size_t s, real *re, real *im)
{
    if (s + 1 == plan->n_stages) {
        last_stage(plan, re, im, 1);
        return;
    }
    size_t const radix = plan->stages[s].radix;
    size_t const m = plan->stages[s].m;
    (radix == 8 ? sums_then_turns8 : sums_then_turns4)(re, im, m, plan->stages[s].twiddles);
    if (s + 2 == plan->n_stages) {
        last_stage(plan, re, im, radix);
        return;
    }
    for (size_t q = 0; q < radix; ++q) {
        stages_down(plan, s + 1, re + q * m * POINT, im + q * m * POINT);
    }
}

static void stages_up(const struct OPU_REAL(opu_line_plan) * plan, size_t s, real *re, real *im)
{
    if (s + 1 == plan->n_stages) {
        last_stage(plan, re, im, 1);
        return;
    }
    size_t const radix = plan->stages[s].radix;
    size_t const m = plan->stages[s].m;
    if (s + 2 == plan->n_stages) {
        last_stage(plan, re, im, radix);
    } else {
        for (size_t q = 0; q < radix; ++q) {
            stages_up(plan, s + 1, re + q * m * POINT, im + q * m * POINT);
        }
    }
    (radix == 8 ? turns_then_sums8 : turns_then_sums4)(re, im, m, plan->stages[s].twiddles);
}

/* The inverse transform is the forward one with real and imaginary parts exchanged. */
static void from_reversed(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse)
{
    stages_up(plan, 0, tile + (inverse ? LANES : 0), tile + (inverse ? 0 : LANES));
}

static void to_reversed(const struct OPU_REAL(opu_line_plan) * plan, real *tile, bool inverse)
{
    stages_down(plan, 0, tile + (inverse ? LANES : 0), tile + (inverse ? 0 : LANES));
}

/* Vectors of this level, and how many make a point's lanes. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define VECTOR_REALS (VECTOR_BYTES / (int)sizeof(real))
#define WORD_BYTES (VECTOR_BYTES < 2 * LANES ? VECTOR_BYTES : 2 * LANES)
#define WORD_COUNT (WORD_BYTES / 2)
typedef real reals __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef uint16_t words __attribute__((vector_size(WORD_BYTES), aligned(2), may_alias));

/* a0 b0 a1 b1 .. of the lower and the upper halves of two vectors of n. */
#define LOW_2 0, 2
#define HIGH_2 1, 3
#define LOW_4 0, 4, 1, 5
#define HIGH_4 2, 6, 3, 7
#define LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/*
 * Rows r and r + n / 2 shuffled into each other like two halves of a pack of cards; as many times
 * as an index has bits, and the matrix is transposed. dst and src [n][n], n a vector.
 */
#define TRANSPOSE(name, vector, type, n, bits, low, high) \
    static inline void name(type *restrict dst, size_t dst_stride, const type *restrict src, \
                            size_t src_stride) \
    { \
        vector a[n]; \
        vector b[n]; \
        _Pragma("GCC unroll 16") for (int r = 0; r < (n); ++r) \
        { \
            a[r] = *(const vector *)(src + (size_t)r * src_stride); \
        } \
        _Pragma("GCC unroll 4") for (int k = 0; k < (bits); ++k) \
        { \
            _Pragma("GCC unroll 8") for (int r = 0; r < (n) / 2; ++r) \
            { \
                b[2 * r] = SHUFFLED(a[r], a[r + (n) / 2], low); \
                b[2 * r + 1] = SHUFFLED(a[r], a[r + (n) / 2], high); \
            } \
            _Pragma("GCC unroll 16") for (int r = 0; r < (n); ++r) \
            { \
                a[r] = b[r]; \
            } \
        } \
        _Pragma("GCC unroll 16") for (int r = 0; r < (n); ++r) \
        { \
            *(vector *)(dst + (size_t)r * dst_stride) = a[r]; \
        } \
    }

/* NOLINTEND(bugprone-macro-parentheses) */
#if VECTOR_BYTES == 64 && !defined(OPU_REAL_DOUBLE)
TRANSPOSE(transpose_part, reals, real, 16, 4, LOW_16, HIGH_16)
#elif VECTOR_BYTES == 64 || (VECTOR_BYTES == 32 && !defined(OPU_REAL_DOUBLE))
TRANSPOSE(transpose_part, reals, real, 8, 3, LOW_8, HIGH_8)
#elif VECTOR_BYTES == 32 || !defined(OPU_REAL_DOUBLE)
TRANSPOSE(transpose_part, reals, real, 4, 2, LOW_4, HIGH_4)
#else
TRANSPOSE(transpose_part, reals, real, 2, 1, LOW_2, HIGH_2)
#endif
#if VECTOR_BYTES >= 32 && !defined(OPU_REAL_DOUBLE)
TRANSPOSE(transpose_words_part, words, uint16_t, 16, 4, LOW_16, HIGH_16)
#else
TRANSPOSE(transpose_words_part, words, uint16_t, 8, 3, LOW_8, HIGH_8)
#endif

/* dst [lanes][dst_stride] = transpose of src [lanes][src_stride] */
static inline void transpose(real *restrict dst, size_t dst_stride, const real *restrict src,
                             size_t src_stride)
{
    for (size_t r = 0; r < (size_t)LANES; r += VECTOR_REALS) {
        for (size_t c = 0; c < (size_t)LANES; c += VECTOR_REALS) {
            transpose_part(dst + c * dst_stride + r, dst_stride, src + r * src_stride + c,
                           src_stride);
        }
    }
}

static inline void transpose_words(uint16_t *restrict dst, const uint16_t *restrict src,
                                   size_t stride)
{
    for (size_t r = 0; r < (size_t)LANES; r += WORD_COUNT) {
        for (size_t c = 0; c < (size_t)LANES; c += WORD_COUNT) {
            transpose_words_part(dst + c * LANES + r, LANES, src + r * stride + c, stride);
        }
    }
}

/* to = from * scale, a point */
static inline void move_point(real *to, const real *from, real scale)
{
    for (int v = 0; v < 2 * LANES; v += VECTOR_REALS) {
        *(reals *)(to + v) = *(const reals *)(from + v) * scale;
    }
}

static void place(real *tile, const uint16_t *point, size_t n_points, const real *block, real scale,
                  bool across)
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

static void collect(const real *tile, const uint16_t *point, size_t n_points, real *block,
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

static void split(real *restrict re, real *restrict im, const real *restrict pairs, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        re[i] = pairs[2 * i];
        im[i] = pairs[2 * i + 1];
    }
}

static void join(real *restrict pairs, const real *restrict re, const real *restrict im, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        pairs[2 * i] = re[i];
        pairs[2 * i + 1] = im[i];
    }
}

/* e *= c + i s, of one lane */
#define MULTIPLY(re, im, c, s) \
    do { \
        real const e_re = (re); \
        real const e_im = (im); \
        (re) = e_re * (c)-e_im * (s); \
        (im) = e_re * (s) + e_im * (c); \
    } while (0)

static void phase_rows(real *tile, size_t n_points, const uint16_t *q, size_t stride, real sign)
{
    for (size_t r = 0; r < n_points; ++r) {
        real *const re = tile + r * POINT;
        real *const im = re + LANES;
        const uint16_t *const words_of_point = q + r * stride;
        int32_t turns[LANES]; /* widened on its own, so that vectors are whole after it */
        EACH_LANE(l)
        {
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
            MULTIPLY(re[l], im[l], c, s);
        }
    }
}

static void phase(real *tile, size_t n_points, const uint16_t *q, size_t stride, bool across,
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

static void separable(real *tile, size_t n, const real *c, size_t c_stride, size_t first,
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
            MULTIPLY(re[l], im[l], f, g);
        }
    }
}

static void taper(real *tile, size_t n, const real *t, size_t first)
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

static void aperture(real *tile, size_t n, const int32_t *square, size_t first, int32_t radius2)
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
        MULTIPLY(re[l], im[l], c[l], sign * s[l]);
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

static void even(real *tile, size_t n, const real *quarter, size_t stride, size_t first,
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

extern const struct OPU_REAL(opu_line_kernels) OPU_KERNEL(OPU_REAL(opu_lines));
const struct OPU_REAL(opu_line_kernels) OPU_KERNEL(OPU_REAL(opu_lines)) = {
    .from_reversed = from_reversed,
    .to_reversed = to_reversed,
    .place = place,
    .collect = collect,
    .split = split,
    .join = join,
    .phase = phase,
    .separable = separable,
    .taper = taper,
    .aperture = aperture,
    .even = even,
};
