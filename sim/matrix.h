/* SPDX-License-Identifier: MIT */
/*
 * The transmission matrix of the configured inputs and outputs, measured once and kept, and the
 * field of binary patterns as sums of its columns:
 *
 *   S_i = sum over mirrors on of H_ij  +  start_i
 *
 * Kept by blocks of 64 outputs, [block][input][64 re | 64 im], so that a block of 64 inputs is 32
 * KiB and stays in the first-level cache while many patterns pass: an "on" input then costs one
 * vector addition per vector, half of what a multiplying product pays at half the mirrors on and
 * less for sparser patterns. Columns are added in ascending order: the same bits on every
 * processor, for every batch and thread count.
 */
#ifndef OPU_SIM_MATRIX_H
#define OPU_SIM_MATRIX_H

#include "sim/medium.h"

#include <stdbool.h>

struct opu_sim_matrix {
    struct opu_context *context;
    size_t n_inputs, n_outputs;
    size_t n_blocks;
    size_t row_bytes;  /* of a pattern's bits */
    float *entries;    /* [n_blocks][n_inputs][OPU_BLOCK_FLOATS] */
    float *start;      /* [n_blocks][OPU_BLOCK_FLOATS]: the mirrors' leakage */
    uint8_t *all_on;   /* [row_bytes] */
    double leak_ratio; /* start = leak_ratio * sum of all columns */
    bool loaded;
    uint64_t step; /* drift step that the entries hold */
    enum opu_isa isa;
};

/* Bytes the entries take; false where it would overflow. */
bool opu_sim_matrix_bytes(size_t *bytes, size_t n_inputs, size_t n_outputs);

/* Allocates; entries come with opu_sim_matrix_load(). On failure *matrix is empty. */
int opu_sim_matrix_init(struct opu_sim_matrix *matrix, struct opu_context *context, size_t n_inputs,
                        size_t n_outputs, double leak_ratio);
void opu_sim_matrix_fini(struct opu_sim_matrix *matrix);

/* Measures the medium at a drift step, in parallel; nothing to do if it is there already. */
void opu_sim_matrix_load(struct opu_sim_matrix *matrix, const struct opu_medium *medium,
                         uint64_t step);

/* Patterns by position: pattern p is the row frame[p] of bits. */
struct opu_patterns {
    const uint8_t *bits;
    const uint32_t *frame;
    size_t n;
};

/* field[p * stride + 0..127]: block `block` of pattern p. Any thread. */
void opu_sim_matrix_field(const struct opu_sim_matrix *matrix, struct opu_patterns patterns,
                          size_t block, float *field, size_t stride);

#endif
