/* SPDX-License-Identifier: MIT */
/*
 * Inside the kernels on lines: square blocks transposed in the vectors of the file's level. Moves
 * only, no arithmetic.
 */
#ifndef OPU_SIM_WAVE_LINE_TRANSPOSE_H
#define OPU_SIM_WAVE_LINE_TRANSPOSE_H

#include "sim/wave/line_lanes.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): names of variables and types */
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

#endif
