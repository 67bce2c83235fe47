/* SPDX-License-Identifier: MIT */
/* Fields by a matrix or by propagation. See sim/fields.h. */
#include "sim/fields.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <string.h>

/* Fields propagated at a time take at most this much memory each way. */
#define BATCH_BYTES ((size_t)32 << 20)

static int init_free(struct opu_fields *fields)
{
    size_t const n_in = fields->medium->n_inputs;
    size_t const n_out = fields->medium->n_outputs;
    size_t const larger = n_in > n_out ? n_in : n_out;
    size_t const batch = BATCH_BYTES / (2 * sizeof(float)) / larger;
    fields->batch = batch < 1 ? 1 : batch < OPU_MEDIUM_BATCH ? batch : OPU_MEDIUM_BATCH;
    fields->in = opu_calloc(fields->context, fields->batch * n_in, 2 * sizeof(*fields->in));
    fields->out = opu_calloc(fields->context, fields->batch * n_out, 2 * sizeof(*fields->out));
    return fields->in == NULL || fields->out == NULL ? OPU_E_NO_MEMORY : OPU_OK;
}

int opu_fields_init(struct opu_fields *fields, const struct opu_fields_setup *setup)
{
    struct opu_medium_setup const medium = {.context = setup->context,
                                            .options = setup->options,
                                            .seed = setup->seed,
                                            .n_inputs = setup->n_inputs,
                                            .n_outputs = setup->n_outputs,
                                            .input_columns = setup->dmd->columns};
    *fields = (struct opu_fields){.context = setup->context,
                                  .dmd = setup->dmd,
                                  .n_blocks =
                                      (setup->n_outputs + OPU_BLOCK_PIXELS - 1) / OPU_BLOCK_PIXELS,
                                  .batch = SIZE_MAX};
    int status = opu_media[setup->options->medium]->create(&fields->medium, &medium);
    if (status == OPU_OK) {
        fields->medium->isa = setup->isa;
        status =
            opu_way_choose(&fields->way, fields->medium, setup->options, setup->n_polarisations);
    }
    if (status == OPU_OK) {
        status = fields->way.kind == OPU_WAY_FREE
                     ? init_free(fields)
                     : opu_sim_matrix_init(&fields->matrix, setup->context, setup->dmd,
                                           fields->medium, fields->way.kind == OPU_WAY_STORED);
    }
    if (status != OPU_OK) {
        opu_fields_fini(fields);
        return status;
    }
    fields->matrix.isa = setup->isa;
    return OPU_OK;
}

void opu_fields_fini(struct opu_fields *fields)
{
    if (fields->medium == NULL) {
        *fields = (struct opu_fields){0};
        return;
    }
    if (fields->way.kind != OPU_WAY_FREE) {
        opu_sim_matrix_fini(&fields->matrix);
    }
    opu_context_free(fields->context, fields->in);
    opu_context_free(fields->context, fields->out);
    fields->medium->ops->destroy(fields->medium);
    *fields = (struct opu_fields){0};
}

void opu_fields_move(struct opu_fields *fields, uint64_t step)
{
    if (fields->way.kind == OPU_WAY_FREE) {
        fields->medium->ops->move(fields->medium, step);
    } else {
        opu_sim_matrix_load(&fields->matrix, step);
    }
}

bool opu_fields_by_tile(const struct opu_fields *fields)
{
    return fields->way.kind != OPU_WAY_FREE;
}

void opu_fields_tile(const struct opu_fields *fields, struct opu_patterns patterns, size_t tile,
                     float *field, size_t stride)
{
    size_t const first = tile * (OPU_TILE_PIXELS / OPU_BLOCK_PIXELS);
    size_t const left = fields->n_blocks - first;
    opu_sim_matrix_field(
        &fields->matrix, patterns, first,
        left < OPU_TILE_PIXELS / OPU_BLOCK_PIXELS ? left : OPU_TILE_PIXELS / OPU_BLOCK_PIXELS,
        field, stride);
}

/* Pairs to blocks of 64 re, 64 im. */
static void to_blocks(const float *pairs, size_t n, float *blocks)
{
    ptrdiff_t const n_blocks = (ptrdiff_t)((n + OPU_BLOCK_PIXELS - 1) / OPU_BLOCK_PIXELS);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < n_blocks; ++b) {
        size_t const first = (size_t)b * OPU_BLOCK_PIXELS;
        size_t const count = n - first < OPU_BLOCK_PIXELS ? n - first : OPU_BLOCK_PIXELS;
        float *const to = blocks + b * OPU_BLOCK_FLOATS;
        for (size_t i = 0; i < count; ++i) {
            to[i] = pairs[2 * (first + i)];
            to[OPU_BLOCK_PIXELS + i] = pairs[2 * (first + i) + 1];
        }
    }
}

static void light_mirrors(const struct opu_dmd *dmd, const uint8_t *bits, float *in)
{
    for (size_t j = 0; j < dmd->n_inputs; ++j) {
        bool const on = (bits[j / 8] >> j % 8 & 1) != 0;
        in[2 * j] = on ? dmd->off[j] + dmd->step[j] : dmd->off[j];
        in[2 * j + 1] = 0.0f;
    }
}

static void propagate(struct opu_fields *fields, size_t n, float *field, size_t stride)
{
    struct opu_medium *const medium = fields->medium;
    medium->ops->apply(medium, fields->in, n, fields->out);
    for (size_t p = 0; p < n; ++p) {
        to_blocks(fields->out + p * 2 * medium->n_outputs, medium->n_outputs, field + p * stride);
    }
}

void opu_fields_whole(struct opu_fields *fields, struct opu_patterns patterns, float *field,
                      size_t stride)
{
    if (fields->way.kind == OPU_WAY_FREE) {
        size_t const row_bytes = (fields->dmd->n_inputs + 7) / 8;
        for (size_t p = 0; p < patterns.n; ++p) {
            light_mirrors(fields->dmd, patterns.bits + patterns.frame[p] * row_bytes,
                          fields->in + p * 2 * fields->dmd->n_inputs);
        }
        propagate(fields, patterns.n, field, stride);
        return;
    }
    ptrdiff_t const n_blocks = (ptrdiff_t)fields->n_blocks;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t block = 0; block < n_blocks; ++block) {
        opu_sim_matrix_field(&fields->matrix, patterns, (size_t)block, 1,
                             field + block * OPU_BLOCK_FLOATS, stride);
    }
}

/* One block of a sum of columns in double; strip holds 64 inputs of a medium's own entries. */
static void sum_block(const struct opu_fields *fields, const float *weights, size_t block,
                      float *field)
{
    struct opu_medium *const medium = fields->medium;
    size_t const n_inputs = medium->n_inputs;
    double const gain = 1.0 / (1.0 - fields->dmd->eps);
    float strip[OPU_BLOCK_PIXELS * OPU_BLOCK_FLOATS];
    double sum[OPU_BLOCK_FLOATS] = {0.0};
    for (size_t j = 0; j < n_inputs; ++j) {
        bool const stored = fields->matrix.stored;
        if (!stored && j % OPU_BLOCK_PIXELS == 0) {
            size_t const left = n_inputs - j;
            medium->ops->strip(medium, (uint32_t)block * OPU_BLOCK_PIXELS, (uint32_t)j,
                               (uint32_t)(left < OPU_BLOCK_PIXELS ? left : OPU_BLOCK_PIXELS),
                               strip);
        }
        const float *const column =
            stored ? fields->matrix.entries + (block * n_inputs + j) * OPU_BLOCK_FLOATS
                   : strip + j % OPU_BLOCK_PIXELS * OPU_BLOCK_FLOATS;
        double const weight =
            gain * (double)weights[j] * (stored ? 1.0 : (double)fields->dmd->step[j]);
        for (size_t v = 0; weights[j] != 0.0f && v < OPU_BLOCK_FLOATS; ++v) {
            sum[v] += weight * (double)column[v];
        }
    }
    for (size_t v = 0; v < OPU_BLOCK_FLOATS; ++v) {
        field[v] = (float)sum[v];
    }
}

void opu_fields_of_weights(struct opu_fields *fields, const float *weights, float *field)
{
    if (fields->way.kind == OPU_WAY_FREE) {
        float const gain = (float)(1.0 / (1.0 - fields->dmd->eps));
        for (size_t j = 0; j < fields->dmd->n_inputs; ++j) {
            fields->in[2 * j] = gain * fields->dmd->step[j] * weights[j];
            fields->in[2 * j + 1] = 0.0f;
        }
        propagate(fields, 1, field, 0);
        return;
    }
    ptrdiff_t const n_blocks = (ptrdiff_t)fields->n_blocks;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t block = 0; block < n_blocks; ++block) {
        sum_block(fields, weights, (size_t)block, field + block * OPU_BLOCK_FLOATS);
    }
}
