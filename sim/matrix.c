/* SPDX-License-Identifier: MIT */
/* The transmission matrix in memory: how it is measured, and sums of its columns. Layout:
 * sim/matrix.h. */
#include "sim/matrix.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/field_kernels.h"
#include "sim/wave/big_memory.h"

#include <string.h>
#include <time.h>

#define STRIP_INPUTS 64

typedef void (*field_add_fn)(const struct opu_field_part *part);

static field_add_fn field_add_kernel(enum opu_isa isa)
{
#if defined(__x86_64__)
    static const field_add_fn kernels[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = opu_field_add_base,
        [OPU_ISA_AVX2] = opu_field_add_avx2,
        [OPU_ISA_AVX512] = opu_field_add_avx512,
    };
    return kernels[isa];
#else
    (void)isa;
    return opu_field_add_base;
#endif
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
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

/* Unit vectors and their answers: columns of H, or of its adjoint. */
static int init_propagation(struct opu_sim_matrix *matrix)
{
    size_t const n_units = matrix->by_rows ? matrix->n_outputs : matrix->n_inputs;
    size_t const n_answers = matrix->by_rows ? matrix->n_inputs : matrix->n_outputs;
    matrix->batch = least(OPU_MEDIUM_BATCH, n_units);
    matrix->units =
        opu_calloc(matrix->context, matrix->batch * n_units, 2 * sizeof(*matrix->units));
    matrix->answers =
        opu_calloc(matrix->context, matrix->batch * n_answers, 2 * sizeof(*matrix->answers));
    return matrix->units == NULL || matrix->answers == NULL ? OPU_E_NO_MEMORY : OPU_OK;
}

static int init_entries(struct opu_sim_matrix *matrix)
{
    size_t bytes;
    if (!opu_sim_matrix_bytes(&bytes, matrix->n_inputs, matrix->n_outputs)) {
        return opu_fail(OPU_E_INVALID, "sim: %zu inputs x %zu outputs overflow the address space",
                        matrix->n_inputs, matrix->n_outputs);
    }
    matrix->entries = opu_big_alloc(matrix->context, bytes, 1);
    if (matrix->entries == NULL) {
        return OPU_E_NO_MEMORY;
    }
    /* Outputs past the last stay dark, whichever way the others are measured. */
    size_t const block = matrix->n_inputs * OPU_BLOCK_FLOATS;
    memset(matrix->entries + (matrix->n_blocks - 1) * block, 0, block * sizeof(float));
    return matrix->medium->ops->strip != NULL ? OPU_OK : init_propagation(matrix);
}

int opu_sim_matrix_init(struct opu_sim_matrix *matrix, struct opu_context *context,
                        const struct opu_dmd *dmd, struct opu_medium *medium, bool stored)
{
    size_t const n_blocks = count_blocks(medium->n_outputs);
    *matrix = (struct opu_sim_matrix){.context = context,
                                      .dmd = dmd,
                                      .medium = medium,
                                      .n_inputs = medium->n_inputs,
                                      .n_outputs = medium->n_outputs,
                                      .n_blocks = n_blocks,
                                      .row_bytes = (medium->n_inputs + 7) / 8,
                                      .stored = stored,
                                      .by_rows = medium->n_outputs < medium->n_inputs,
                                      .isa = opu_isa_best()};
    int status = OPU_OK;
    if (!stored && medium->ops->strip == NULL) {
        status = opu_fail(OPU_E_UNSUPPORTED, "sim: entries of %s can't be drawn one by one",
                          medium->ops->name);
    } else if (stored) {
        status = init_entries(matrix);
    }
    matrix->start = opu_calloc(context, n_blocks, OPU_BLOCK_FLOATS * sizeof(float));
    if (status == OPU_OK && matrix->start == NULL) {
        status = OPU_E_NO_MEMORY;
    }
    if (status != OPU_OK) {
        opu_sim_matrix_fini(matrix);
    }
    return status;
}

void opu_sim_matrix_fini(struct opu_sim_matrix *matrix)
{
    opu_context_free(matrix->context, matrix->entries);
    opu_context_free(matrix->context, matrix->start);
    opu_context_free(matrix->context, matrix->units);
    opu_context_free(matrix->context, matrix->answers);
    *matrix = (struct opu_sim_matrix){0};
}

/* start += columns off, then columns times step; n columns from input `first` on. */
static void apply_mirrors(const struct opu_sim_matrix *matrix, size_t first, size_t n,
                          float *restrict column, float *restrict start)
{
    for (size_t j = first; j < first + n; ++j, column += OPU_BLOCK_FLOATS) {
        float const off = matrix->dmd->off[j];
        float const step = matrix->dmd->step[j];
        for (size_t v = 0; v < OPU_BLOCK_FLOATS; ++v) {
            start[v] += off * column[v];
            column[v] *= step;
        }
    }
}

static void draw_strip(const struct opu_sim_matrix *matrix, size_t block, size_t first, size_t n,
                       float *strip)
{
    matrix->medium->ops->strip(matrix->medium, (uint32_t)(block * OPU_BLOCK_PIXELS),
                               (uint32_t)first, (uint32_t)n, strip);
}

/* By strips; those that are not stored are drawn for what the mirrors leak. */
static void measure_strips(struct opu_sim_matrix *matrix)
{
    ptrdiff_t const n_blocks = (ptrdiff_t)matrix->n_blocks;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t block = 0; block < n_blocks; ++block) {
        float scratch[STRIP_INPUTS * OPU_BLOCK_FLOATS];
        for (size_t j = 0; j < matrix->n_inputs; j += STRIP_INPUTS) {
            size_t const n = least(STRIP_INPUTS, matrix->n_inputs - j);
            float *strip = scratch;
            if (matrix->stored) {
                strip = matrix->entries + ((size_t)block * matrix->n_inputs + j) * OPU_BLOCK_FLOATS;
            }
            draw_strip(matrix, (size_t)block, j, n, strip);
            apply_mirrors(matrix, j, n, strip, matrix->start + block * OPU_BLOCK_FLOATS);
        }
    }
}

/* n answers to the unit vectors from `first` on: columns of H, or conjugates of its rows. */
static void keep_answers(struct opu_sim_matrix *matrix, size_t first, size_t n)
{
    size_t const length = matrix->by_rows ? matrix->n_inputs : matrix->n_outputs;
    float const sign = matrix->by_rows ? -1.0f : 1.0f;
    ptrdiff_t const total = (ptrdiff_t)(n * length);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t at = 0; at < total; ++at) {
        size_t const unit = first + (size_t)at / length;
        size_t const k = (size_t)at % length;
        size_t const i = matrix->by_rows ? unit : k;
        size_t const j = matrix->by_rows ? k : unit;
        float *const entry = matrix->entries +
                             (i / OPU_BLOCK_PIXELS * matrix->n_inputs + j) * OPU_BLOCK_FLOATS +
                             i % OPU_BLOCK_PIXELS;
        entry[0] = matrix->answers[2 * at];
        entry[OPU_BLOCK_PIXELS] = sign * matrix->answers[2 * at + 1];
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void measure_propagation(struct opu_sim_matrix *matrix)
{
    struct opu_medium *const medium = matrix->medium;
    size_t const n_units = matrix->by_rows ? matrix->n_outputs : matrix->n_inputs;
    double told = seconds();
    for (size_t first = 0; first < n_units; first += matrix->batch) {
        size_t const n = least(matrix->batch, n_units - first);
        for (size_t k = 0; k < n; ++k) {
            matrix->units[2 * (k * n_units + first + k)] = 1.0f;
        }
        (matrix->by_rows ? medium->ops->adjoint : medium->ops->apply)(medium, matrix->units, n,
                                                                      matrix->answers);
        for (size_t k = 0; k < n; ++k) {
            matrix->units[2 * (k * n_units + first + k)] = 0.0f;
        }
        keep_answers(matrix, first, n);
        if (seconds() - told > 1.0) {
            opu_context_log(matrix->context, OPU_LOG_INFO, "sim",
                            "measuring the matrix: %zu of %zu propagations", first + n, n_units);
            told = seconds();
        }
    }
    ptrdiff_t const n_blocks = (ptrdiff_t)matrix->n_blocks;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t block = 0; block < n_blocks; ++block) {
        apply_mirrors(matrix, 0, matrix->n_inputs,
                      matrix->entries + (size_t)block * matrix->n_inputs * OPU_BLOCK_FLOATS,
                      matrix->start + block * OPU_BLOCK_FLOATS);
    }
}

static bool mirrors_leak(const struct opu_dmd *dmd)
{
    for (size_t j = 0; j < dmd->n_inputs; ++j) {
        if (dmd->off[j] != 0.0f) {
            return true;
        }
    }
    return false;
}

void opu_sim_matrix_load(struct opu_sim_matrix *matrix, uint64_t step)
{
    if (matrix->loaded && matrix->step == step) {
        return;
    }
    matrix->medium->ops->move(matrix->medium, step);
    memset(matrix->start, 0, matrix->n_blocks * OPU_BLOCK_FLOATS * sizeof(float));
    if (matrix->medium->ops->strip == NULL) {
        measure_propagation(matrix);
    } else if (matrix->stored || mirrors_leak(matrix->dmd)) {
        measure_strips(matrix);
    }
    matrix->loaded = true;
    matrix->step = step;
}

/* Adds a stretch of inputs to all patterns. */
static void add_part(const struct opu_sim_matrix *matrix, struct opu_field_part part,
                     struct opu_patterns patterns)
{
    float *const field = part.field;
    for (size_t p = 0; p < patterns.n; p += OPU_FIELD_PATTERNS) {
        part.patterns = (struct opu_patterns){patterns.bits, patterns.frame + p,
                                              least(OPU_FIELD_PATTERNS, patterns.n - p)};
        part.field = field + p * part.stride;
        field_add_kernel(matrix->isa)(&part);
    }
}

/* One stretch of entries that are drawn for it. */
static void add_drawn(const struct opu_sim_matrix *matrix, struct opu_field_part part,
                      struct opu_patterns patterns, size_t first_block)
{
    float strip[STRIP_INPUTS * OPU_BLOCK_FLOATS];
    float unused[OPU_BLOCK_FLOATS] = {0.0f};
    size_t const first = part.first_word * 64;
    size_t const n_blocks = part.n_blocks;
    float *const field = part.field;
    const float *const start = part.start;
    part.columns = strip;
    part.n_blocks = 1;
    for (size_t block = 0; block < n_blocks; ++block) {
        size_t const n = least(STRIP_INPUTS, matrix->n_inputs - first);
        draw_strip(matrix, first_block + block, first, n, strip);
        apply_mirrors(matrix, first, n, strip, unused);
        part.field = field + block * OPU_BLOCK_FLOATS;
        part.start = start != NULL ? start + block * OPU_BLOCK_FLOATS : NULL;
        add_part(matrix, part, patterns);
    }
}

void opu_sim_matrix_field(const struct opu_sim_matrix *matrix, struct opu_patterns patterns,
                          size_t first_block, size_t n_blocks, float *field, size_t stride)
{
    size_t const n_words = (matrix->n_inputs + 63) / 64;
    size_t const words = matrix->stored ? OPU_FIELD_WORDS : 1;
    size_t const block_floats = matrix->n_inputs * OPU_BLOCK_FLOATS;
    for (size_t w = 0; w < n_words; w += words) {
        struct opu_field_part part = {.block_floats = block_floats,
                                      .n_blocks = n_blocks,
                                      .first_word = w,
                                      .n_words = least(words, n_words - w),
                                      .n_inputs = matrix->n_inputs,
                                      .row_bytes = matrix->row_bytes,
                                      .field = field,
                                      .stride = stride};
        if (w == 0) {
            part.start = matrix->start + first_block * OPU_BLOCK_FLOATS;
        }
        if (matrix->stored) {
            part.columns = matrix->entries + first_block * block_floats + w * 64 * OPU_BLOCK_FLOATS;
            add_part(matrix, part, patterns);
        } else {
            add_drawn(matrix, part, patterns, first_block);
        }
    }
}
