/* SPDX-License-Identifier: MIT */
/*
 * Sums of the columns that are on, one kernel per vector level; see sim/matrix.h for the order of
 * the additions, which no choice made here changes.
 */
#ifndef OPU_SIM_FIELD_KERNELS_H
#define OPU_SIM_FIELD_KERNELS_H

#include "sim/matrix.h"

/* Most that one call takes: 1024 inputs of a block are 512 KiB and stay in the second-level cache
 * while the patterns pass; many patterns, since each brings a strip of them there once. */
#define OPU_FIELD_WORDS 16
#define OPU_FIELD_PATTERNS 512

/* A stretch of inputs, whole words of 64 from the first, into some blocks of some patterns. */
struct opu_field_part {
    const float *columns; /* [n_blocks][..][OPU_BLOCK_FLOATS], from the stretch's first input on */
    size_t block_floats;  /* from one block of columns to the next */
    size_t n_blocks;
    size_t first_word, n_words;   /* n_words <= OPU_FIELD_WORDS */
    size_t n_inputs;              /* of a pattern; its bits beyond are ignored */
    struct opu_patterns patterns; /* n <= OPU_FIELD_PATTERNS */
    size_t row_bytes;
    float *field;       /* field[p * stride + block * OPU_BLOCK_FLOATS ..] is added to, */
    const float *start; /* [n_blocks][OPU_BLOCK_FLOATS] or, if not NULL, becomes this first */
    size_t stride;
};

#define OPU_FIELD_KERNELS(level) void opu_field_add_##level(const struct opu_field_part *part);

OPU_FIELD_KERNELS(base)
OPU_FIELD_KERNELS(avx2)
OPU_FIELD_KERNELS(avx512)

#endif
