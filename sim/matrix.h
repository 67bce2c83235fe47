/* SPDX-License-Identifier: MIT */
/*
 * The transmission matrix of the configured inputs and outputs as the mirrors use it, and the field
 * of binary patterns as sums of its columns:
 *
 *   S_i = sum over mirrors on of H_ij step_j  +  start_i,    start_i = sum over all of H_ij off_j
 *
 * Stored, it is measured once - by strips where the medium has them, else by columns or by rows of
 * the adjoint, whichever are fewer - and kept by blocks of 64 outputs, [block][input][64 re | 64
 * im]. Not stored, strips of 64 inputs are drawn for each call, which all its patterns share
 * (media with strips only).
 *
 * Sums start with start_i and are taken in groups of four inputs, the method of four Russians
 * (Arlazarov et al., 1970): of each group a subset sum in ascending order, the groups added in
 * ascending order. Where many dense patterns pass, the 16 subset sums of a group are formed once
 * and each pattern makes one addition a group; where few patterns or few mirrors pass, the subset's
 * sum is formed on the spot, in the same order: the same bits for every batch, density, thread
 * count and processor, stored or not.
 */
#ifndef OPU_SIM_MATRIX_H
#define OPU_SIM_MATRIX_H

#include "sim/dmd.h"
#include "sim/medium/medium.h"

#include <stdbool.h>

struct opu_sim_matrix {
    struct opu_context *context;
    const struct opu_dmd *dmd;
    struct opu_medium *medium;
    size_t n_inputs, n_outputs;
    size_t n_blocks;
    size_t row_bytes; /* of a pattern's bits */
    bool stored;
    bool by_rows;   /* measured by the adjoint */
    float *entries; /* [n_blocks][n_inputs][OPU_BLOCK_FLOATS], or NULL */
    float *start;   /* [n_blocks][OPU_BLOCK_FLOATS] */
    float *units;   /* while it is measured by propagation: unit vectors, ... */
    float *answers; /* ... and what comes of them */
    size_t batch;   /* of so many */
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

/*
 * Brings the medium to a drift step and measures it, in parallel, without allocating; nothing to do
 * if it is there. A measurement of more than a second tells the context's log how far it is.
 */
void opu_sim_matrix_load(struct opu_sim_matrix *matrix, uint64_t step);

/* Patterns by position: pattern p is the row frame[p] of bits. */
struct opu_patterns {
    const uint8_t *bits;
    const uint32_t *frame;
    size_t n;
};

/*
 * field[p * stride + k * OPU_BLOCK_FLOATS ..]: block first_block + k of pattern p, k < n_blocks.
 * The more patterns and the more blocks (those of a tile) at a time, the faster. Any thread; takes
 * 320 KiB of stack.
 */
void opu_sim_matrix_field(const struct opu_sim_matrix *matrix, struct opu_patterns patterns,
                          size_t first_block, size_t n_blocks, float *field, size_t stride);

#endif
