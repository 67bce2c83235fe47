/* SPDX-License-Identifier: MIT */
/* Sums of the columns that are on, for one block of 64 outputs and many patterns. See sim/matrix.h.
 */
#include "sim/field_kernels.h"

#include "core/base/isa.h"

#include <string.h>

/* Inputs 64 w .. 64 w + 63 of a pattern, bit k for input 64 w + k; bits beyond n_inputs are 0. */
static inline uint64_t pattern_word(const uint8_t *bits, size_t w, size_t n_inputs)
{
    size_t const left = n_inputs - 64 * w;
    size_t const bytes = left >= 64 ? 8 : (left + 7) / 8;
    uint64_t word = 0;
    for (size_t k = 0; k < bytes; ++k) {
        word |= (uint64_t)bits[8 * w + k] << (8 * k);
    }
    return left >= 64 ? word : word & ((UINT64_C(1) << left) - 1);
}

/* Floats whose sums stay in registers while the columns pass. */
#if defined(__AVX2__)
#define STRIP OPU_BLOCK_FLOATS
#else
#define STRIP 32
#endif

/* sum[0..STRIP-1] += the columns whose bit is set, in ascending order */
static inline void add_columns(float *restrict sum, const float *restrict columns, uint64_t word)
{
    float acc[STRIP];
    for (int v = 0; v < STRIP; ++v) {
        acc[v] = sum[v];
    }
    while (word != 0) {
        const float *const column = columns + (size_t)__builtin_ctzll(word) * OPU_BLOCK_FLOATS;
        word &= word - 1;
        for (int v = 0; v < STRIP; ++v) {
            acc[v] += column[v];
        }
    }
    for (int v = 0; v < STRIP; ++v) {
        sum[v] = acc[v];
    }
}

void OPU_KERNEL(opu_field_sum)(const float *columns, size_t n_inputs, const float *start,
                               struct opu_patterns patterns, size_t row_bytes, float *field,
                               size_t stride)
{
    for (size_t p = 0; p < patterns.n; ++p) {
        memcpy(field + p * stride, start, OPU_BLOCK_FLOATS * sizeof(*start));
    }
    size_t const n_words = (n_inputs + 63) / 64;
    for (size_t w = 0; w < n_words; ++w) {
        for (size_t p = 0; p < patterns.n; ++p) {
            const uint8_t *const bits = patterns.bits + patterns.frame[p] * row_bytes;
            uint64_t const word = pattern_word(bits, w, n_inputs);
            const float *const block = columns + w * 64 * OPU_BLOCK_FLOATS;
            for (size_t v = 0; v < OPU_BLOCK_FLOATS; v += STRIP) {
                add_columns(field + p * stride + v, block + v, word);
            }
        }
    }
}
