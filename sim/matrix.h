/* SPDX-License-Identifier: MIT */
/*
 * The transmission matrix of the configured inputs and outputs as the mirrors use it, and the field
 * of binary patterns as sums of its columns:
 *
 *   S_i = sum over mirrors on of H_ij step_j  +  start_i,    start_i = sum over all of H_ij off_j
 *
 * Stored, it is measured once - by strips, by columns or by rows of the adjoint, whichever is less
 * work - and kept by blocks of 64 outputs, [block][input][64 re | 64 im], so that a block of 64
 * inputs is 32 KiB and stays in the first-level cache while many patterns pass. Not stored, its
 * strips are drawn anew for every batch of patterns (media with entries by index only).
 *
 * Sums are taken in groups of four inputs, the method of four Russians (Arlazarov et al., 1970): of
 * each group the 16 subset sums, each in ascending order, then for each pattern one addition a
 * group. Where few patterns or few mirrors pass, the subset's sum is formed on the spot, in the
 * same order: the same bits for every batch, density, thread count and processor.
 */
#ifndef OPU_SIM_MATRIX_H
#define OPU_SIM_MATRIX_H

#include "sim/dmd.h"
#include "sim/medium.h"

#include <stdbool.h>

struct opu_sim_matrix {
    struct opu_context *context;
    const struct opu_dmd *dmd;
    struct opu_medium *medium;
    size_t n_inputs, n_outputs;
    size_t n_blocks;
    size_t row_bytes; /* of a pattern's bits */
    bool stored;
    float *entries; /* [n_blocks][n_inputs][OPU_BLOCK_FLOATS], or NULL */
    float *start;   /* [n_blocks][OPU_BLOCK_FLOATS] */
    bool loaded;
    uint64_t step; /* drift step that the entries hold */
    enum opu_isa isa;
};

/* Bytes the entries take; false where it would overflow. */
bool opu_sim_matrix_bytes(size_t *bytes, size_t n_inputs, size_t n_outputs);

/*
 * Allocates; entries come with opu_sim_matrix_load(). dmd and medium are borrowed. stored = false
 * wants a medium with strips. On failure *matrix is empty.
 */
int opu_sim_matrix_init(struct opu_sim_matrix *matrix, struct opu_context *context,
                        const struct opu_dmd *dmd, struct opu_medium *medium, bool stored);
void opu_sim_matrix_fini(struct opu_sim_matrix *matrix);

/* Brings the medium to a drift step and measures it, in parallel; nothing to do if it is there. */
void opu_sim_matrix_load(struct opu_sim_matrix *matrix, uint64_t step);

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
