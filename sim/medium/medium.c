/* SPDX-License-Identifier: MIT */
/* The table of media, and columns and rows of any of them. */
#include "sim/medium/medium.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <string.h>

const struct opu_medium_ops *const opu_media[] = {
    [OPU_MEDIUM_GAUSSIAN] = &opu_medium_gaussian, [OPU_MEDIUM_SLAB] = &opu_medium_slab,
    [OPU_MEDIUM_CASCADE] = &opu_medium_cascade,   [OPU_MEDIUM_PAINT] = &opu_medium_slab,
    [OPU_MEDIUM_ZNO] = &opu_medium_slab,          [OPU_MEDIUM_GROUND_GLASS] = &opu_medium_slab,
};

/* Inputs of a strip at a time; even, as strips begin at even inputs. */
#define STRIP_INPUTS 64

static void copy_strip_columns(const struct opu_medium *medium, const float *strip,
                               size_t first_output, size_t n, float *columns)
{
    size_t const left = medium->n_outputs - first_output;
    size_t const count = left < OPU_BLOCK_PIXELS ? left : OPU_BLOCK_PIXELS;
    for (size_t j = 0; j < n; ++j) {
        const float *const from = strip + j * OPU_BLOCK_FLOATS;
        float *const to = columns + (j * medium->n_outputs + first_output) * 2;
        for (size_t i = 0; i < count; ++i) {
            to[2 * i] = from[i];
            to[2 * i + 1] = from[OPU_BLOCK_PIXELS + i];
        }
    }
}

static int columns_by_strips(const struct opu_medium *medium, size_t first, size_t n,
                             float *columns)
{
    float *const strip =
        opu_calloc(medium->context, STRIP_INPUTS, OPU_BLOCK_FLOATS * sizeof(*strip));
    if (strip == NULL) {
        return OPU_E_NO_MEMORY;
    }
    size_t now;
    for (size_t done = 0; done < n; done += now) {
        size_t const at = first + done;
        size_t const before = at % 2; /* an input that only fills the pair */
        size_t const room = STRIP_INPUTS - before;
        now = n - done < room ? n - done : room;
        for (size_t out = 0; out < medium->n_outputs; out += OPU_BLOCK_PIXELS) {
            medium->ops->strip(medium, (uint32_t)out, (uint32_t)(at - before),
                               (uint32_t)(now + before), strip);
            copy_strip_columns(medium, strip + before * OPU_BLOCK_FLOATS, out, now,
                               columns + done * medium->n_outputs * 2);
        }
    }
    opu_context_free(medium->context, strip);
    return OPU_OK;
}

static int rows_by_strips(const struct opu_medium *medium, size_t first, size_t n, float *rows)
{
    float *const strip =
        opu_calloc(medium->context, STRIP_INPUTS, OPU_BLOCK_FLOATS * sizeof(*strip));
    if (strip == NULL) {
        return OPU_E_NO_MEMORY;
    }
    size_t const n_inputs = medium->n_inputs;
    for (size_t j = 0; j < n_inputs; j += STRIP_INPUTS) {
        size_t const now = n_inputs - j < STRIP_INPUTS ? n_inputs - j : STRIP_INPUTS;
        size_t const block = first / OPU_BLOCK_PIXELS * OPU_BLOCK_PIXELS;
        for (size_t out = block; out < first + n; out += OPU_BLOCK_PIXELS) {
            medium->ops->strip(medium, (uint32_t)out, (uint32_t)j, (uint32_t)now, strip);
            for (size_t e = 0; e < now * OPU_BLOCK_PIXELS; ++e) {
                size_t const i = out + e / now;
                size_t const k = e % now;
                if (i >= first && i < first + n) {
                    const float *const from = strip + k * OPU_BLOCK_FLOATS + (i - out);
                    float *const to = rows + ((i - first) * n_inputs + j + k) * 2;
                    to[0] = from[0];
                    to[1] = from[OPU_BLOCK_PIXELS];
                }
            }
        }
    }
    opu_context_free(medium->context, strip);
    return OPU_OK;
}

typedef void (*propagate_fn)(struct opu_medium *medium, const float *in, size_t batch, float *out);

/* Answers to unit vectors first .. first + n - 1 of `from` entries. */
static int answers(struct opu_medium *medium, propagate_fn propagate, size_t from, size_t to,
                   size_t first, size_t n, float *out)
{
    size_t const most = n < OPU_MEDIUM_BATCH ? n : OPU_MEDIUM_BATCH;
    float *const units = opu_calloc(medium->context, most * from, 2 * sizeof(*units));
    if (units == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t done = 0; done < n; done += most) {
        size_t const now = n - done < most ? n - done : most;
        for (size_t b = 0; b < now; ++b) {
            units[(b * from + first + done + b) * 2] = 1.0f;
        }
        propagate(medium, units, now, out + done * to * 2);
        for (size_t b = 0; b < now; ++b) {
            units[(b * from + first + done + b) * 2] = 0.0f;
        }
    }
    opu_context_free(medium->context, units);
    return OPU_OK;
}

int opu_medium_columns(struct opu_medium *medium, size_t first, size_t n, float *columns)
{
    if (medium->ops->strip != NULL) {
        return columns_by_strips(medium, first, n, columns);
    }
    return answers(medium, medium->ops->apply, medium->n_inputs, medium->n_outputs, first, n,
                   columns);
}

int opu_medium_rows(struct opu_medium *medium, size_t first, size_t n, float *rows)
{
    if (medium->ops->strip != NULL) {
        return rows_by_strips(medium, first, n, rows);
    }
    OPU_TRY(
        answers(medium, medium->ops->adjoint, medium->n_outputs, medium->n_inputs, first, n, rows));
    for (size_t e = 0; e < n * medium->n_inputs; ++e) {
        rows[2 * e + 1] = -rows[2 * e + 1];
    }
    return OPU_OK;
}
