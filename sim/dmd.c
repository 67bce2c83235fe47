/* SPDX-License-Identifier: MIT */
/* The micro-mirror array. Formulas: sim/dmd.h. */
#include "sim/dmd.h"

#include "core/base/mem.h"

#include <math.h>
#include <string.h>

const struct opu_dmd_chip opu_dmd_chips[] = {
    [OPU_DMD_IDEAL] = {.name = "ideal"},
};

int opu_dmd_init(struct opu_dmd *dmd, const struct opu_dmd_setup *setup)
{
    *dmd = (struct opu_dmd){.context = setup->context,
                            .n_inputs = setup->n_inputs,
                            .columns = setup->n_inputs,
                            .mirrors_per_input = 1,
                            .uniform = true,
                            .eps = sqrt(setup->leakage)};
    dmd->step = opu_calloc(setup->context, setup->n_inputs, sizeof(*dmd->step));
    dmd->off = opu_calloc(setup->context, setup->n_inputs, sizeof(*dmd->off));
    if (dmd->step == NULL || dmd->off == NULL) {
        opu_dmd_fini(dmd);
        return OPU_E_NO_MEMORY;
    }
    for (size_t j = 0; j < setup->n_inputs; ++j) {
        dmd->step[j] = (float)(1.0 - dmd->eps);
        dmd->off[j] = (float)dmd->eps;
    }
    return OPU_OK;
}

void opu_dmd_fini(struct opu_dmd *dmd)
{
    opu_context_free(dmd->context, dmd->step);
    opu_context_free(dmd->context, dmd->off);
    *dmd = (struct opu_dmd){0};
}

size_t opu_dmd_runs(uint32_t *start, const uint8_t *bits, size_t row_bytes, size_t first,
                    size_t end)
{
    size_t n = 0;
    for (size_t f = first; f < end; ++f) {
        const uint8_t *const row = bits + f * row_bytes;
        if (f == first || memcmp(row, row - row_bytes, row_bytes) != 0) {
            start[n++] = (uint32_t)f;
        }
    }
    start[n] = (uint32_t)end;
    return n;
}
