/* SPDX-License-Identifier: MIT */
/*
 * Fields of patterns behind the medium, one polarisation: a medium, and its matrix where the cost
 * model (sim/way.h) keeps or draws one. What uses it need not know which.
 */
#ifndef OPU_SIM_FIELDS_H
#define OPU_SIM_FIELDS_H

#include "sim/matrix.h"
#include "sim/way.h"

struct opu_fields {
    struct opu_context *context;
    const struct opu_dmd *dmd;
    struct opu_medium *medium;
    struct opu_way way;
    struct opu_sim_matrix matrix; /* unless way.kind is OPU_WAY_FREE */
    size_t n_blocks;              /* of 64 outputs */
    size_t batch;                 /* FREE: patterns of one propagation */
    float *in, *out;              /* FREE: [batch][n_inputs][2], [batch][n_outputs][2] */
};

struct opu_fields_setup {
    struct opu_context *context;
    const struct opu_sim_options *options;
    const struct opu_dmd *dmd; /* borrowed */
    uint64_t seed;             /* of this polarisation */
    size_t n_polarisations;    /* that share the memory */
    size_t n_inputs, n_outputs;
    enum opu_isa isa;
};

/* On failure *fields is empty. */
int opu_fields_init(struct opu_fields *fields, const struct opu_fields_setup *setup);
void opu_fields_fini(struct opu_fields *fields);

/* Brings the medium, and the matrix if there is one, to a drift step. */
void opu_fields_move(struct opu_fields *fields, uint64_t step);

/* Whether fields come tile by tile (any thread) or pattern by pattern. */
bool opu_fields_by_tile(const struct opu_fields *fields);

/*
 * By tile: field[p * stride + 0 .. OPU_TILE_FLOATS - 1] is tile `tile` of pattern p, as far as
 * there are outputs. Any thread.
 */
void opu_fields_tile(const struct opu_fields *fields, struct opu_patterns patterns, size_t tile,
                     float *field, size_t stride);

/* Whole fields, field[p * stride ..] by blocks; patterns.n <= fields->batch where not by tile. */
void opu_fields_whole(struct opu_fields *fields, struct opu_patterns patterns, float *field,
                      size_t stride);

/*
 * T w for real weights, by blocks, where T = H diag(step) / (1 - eps) is the matrix as the mirrors
 * use it. In double where there are entries.
 */
void opu_fields_of_weights(struct opu_fields *fields, const float *weights, float *field);

#endif
