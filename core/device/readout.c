/* SPDX-License-Identifier: MIT */
/* The table of read-outs, and of their kernels by vector level. */
#include "core/device/readout.h"

#include <math.h>
#include <string.h>

#include "core/device/projection_internal.h"
#include "core/device/readout_kernels.h"

const struct opu_readout *opu_readout_find(const char *name)
{
    static const struct opu_readout *const readouts[] = {
        &opu_readout_phase3, &opu_readout_phase4,    &opu_readout_offaxis,
        &opu_readout_anchor, &opu_readout_intensity,
    };
    for (size_t i = 0; i < sizeof readouts / sizeof readouts[0]; i++) {
        if (strcmp(readouts[i]->name, name) == 0) {
            return readouts[i];
        }
    }
    return NULL;
}

void opu_phase_step(size_t n, size_t k, double step[2])
{
    double const angle = 2.0 * 3.14159265358979323846 * (double)k / (double)n;
    double const turn[2] = {cos(angle), sin(angle)};
    for (size_t part = 0; part < 2; part++) {
        double const halves = rint(2.0 * turn[part]);
        step[part] = fabs(2.0 * turn[part] - halves) < 1e-14 ? 0.5 * halves : turn[part];
    }
}

bool opu_take_offset(const struct opu_projection *p, const struct opu_answer *answer,
                     const float *offset, float *out)
{
    float const w = answer->row_weight;
    if (!p->has_offset || !(w < 0.0f || w > 0.0f)) {
        return false;
    }
    for (size_t i = 0; i < answer->n_out; i++) {
        out[i] = -w * offset[i];
    }
    return true;
}

#define LEVEL(level) \
    { \
        .steps_u8 = opu_steps_u8_##level, .steps_u16 = opu_steps_u16_##level, \
        .steps_f32 = opu_steps_f32_##level, .anchor_u8 = opu_anchor_u8_##level, \
        .anchor_u16 = opu_anchor_u16_##level, .anchor_f32 = opu_anchor_f32_##level, \
        .scale_u8 = opu_scale_u8_##level, .scale_u16 = opu_scale_u16_##level, \
        .flat_u8 = opu_flat_u8_##level, .flat_u16 = opu_flat_u16_##level, \
    }

const struct opu_readout_kernels *opu_readout_kernels(enum opu_isa isa)
{
    static const struct opu_readout_kernels levels[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = LEVEL(base),
#if defined(__x86_64__)
        [OPU_ISA_AVX2] = LEVEL(avx2),
        [OPU_ISA_AVX512] = LEVEL(avx512),
#endif
    };
    return &levels[isa];
}
