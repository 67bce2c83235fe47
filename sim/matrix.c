/* SPDX-License-Identifier: MIT */
/* The transmission matrix in memory, and the choice of its kernels. Layout: sim/matrix.h. */
#include "sim/matrix.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/field_kernels.h"

#include <string.h>

typedef void (*field_sum_fn)(const float *columns, size_t n_inputs, const float *start,
                             struct opu_patterns patterns, size_t row_bytes, float *field,
                             size_t stride);

static field_sum_fn field_sum_kernel(enum opu_isa isa)
{
#if defined(__x86_64__)
    static const field_sum_fn kernels[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = opu_field_sum_base,
        [OPU_ISA_AVX2] = opu_field_sum_avx2,
        [OPU_ISA_AVX512] = opu_field_sum_avx512,
    };
    return kernels[isa];
#else
    (void)isa;
    return opu_field_sum_base;
#endif
}

static size_t count_blocks(size_t n_outputs)
{
    return n_outputs / OPU_BLOCK_PIXELS + (n_outputs % OPU_BLOCK_PIXELS != 0);
}

bool opu_sim_matrix_bytes(size_t *bytes, size_t n_inputs, size_t n_outputs)
{
    return opu_size_mul(bytes, count_blocks(n_outputs), n_inputs) &&
           opu_size_mul(bytes, *bytes, OPU_BLOCK_FLOATS * sizeof(float));
}

int opu_sim_matrix_init(struct opu_sim_matrix *matrix, struct opu_context *context,
                        const struct opu_dmd *dmd, struct opu_medium *medium, bool stored)
{
    size_t const n_inputs = medium->n_inputs;
    size_t const n_outputs = medium->n_outputs;
    size_t const n_blocks = count_blocks(n_outputs);
    *matrix = (struct opu_sim_matrix){.context = context,
                                      .dmd = dmd,
                                      .medium = medium,
                                      .n_inputs = n_inputs,
                                      .n_outputs = n_outputs,
                                      .n_blocks = n_blocks,
                                      .row_bytes = (n_inputs + 7) / 8,
                                      .stored = stored,
                                      .isa = opu_isa_best()};
    size_t bytes;
    if (!opu_sim_matrix_bytes(&bytes, n_inputs, n_outputs)) {
        return opu_fail(OPU_E_INVALID, "sim: %zu inputs x %zu outputs overflow the address space",
                        n_inputs, n_outputs);
    }
    matrix->entries = opu_context_alloc(context, bytes);
    matrix->start = opu_calloc(context, n_blocks, OPU_BLOCK_FLOATS * sizeof(float));
    if (matrix->entries == NULL || matrix->start == NULL) {
        opu_sim_matrix_fini(matrix);
        return OPU_E_NO_MEMORY;
    }
    return OPU_OK;
}

void opu_sim_matrix_fini(struct opu_sim_matrix *matrix)
{
    opu_context_free(matrix->context, matrix->entries);
    opu_context_free(matrix->context, matrix->start);
    *matrix = (struct opu_sim_matrix){0};
}

/* start = H off, then columns times step */
static void apply_mirrors(struct opu_sim_matrix *matrix, size_t block)
{
    float *const start = matrix->start + block * OPU_BLOCK_FLOATS;
    float *column = matrix->entries + block * matrix->n_inputs * OPU_BLOCK_FLOATS;
    memset(start, 0, OPU_BLOCK_FLOATS * sizeof(*start));
    for (size_t j = 0; j < matrix->n_inputs; ++j, column += OPU_BLOCK_FLOATS) {
        float const off = matrix->dmd->off[j];
        float const step = matrix->dmd->step[j];
        for (size_t v = 0; v < OPU_BLOCK_FLOATS; ++v) {
            start[v] += off * column[v];
            column[v] *= step;
        }
    }
}

void opu_sim_matrix_load(struct opu_sim_matrix *matrix, uint64_t step)
{
    if (matrix->loaded && matrix->step == step) {
        return;
    }
    struct opu_medium *const medium = matrix->medium;
    medium->ops->move(medium, step);
    ptrdiff_t const n_blocks = (ptrdiff_t)matrix->n_blocks;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t block = 0; block < n_blocks; ++block) {
        medium->ops->strip(medium, (uint32_t)block * OPU_BLOCK_PIXELS, 0,
                           (uint32_t)matrix->n_inputs,
                           matrix->entries + (size_t)block * matrix->n_inputs * OPU_BLOCK_FLOATS);
        apply_mirrors(matrix, (size_t)block);
    }
    matrix->loaded = true;
    matrix->step = step;
}

void opu_sim_matrix_field(const struct opu_sim_matrix *matrix, struct opu_patterns patterns,
                          size_t block, float *field, size_t stride)
{
    field_sum_kernel(matrix->isa)(matrix->entries + block * matrix->n_inputs * OPU_BLOCK_FLOATS,
                                  matrix->n_inputs, matrix->start + block * OPU_BLOCK_FLOATS,
                                  patterns, matrix->row_bytes, field, stride);
}
