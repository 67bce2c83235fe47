/* SPDX-License-Identifier: MIT */
/* The table of read-outs, and of their kernels by vector level. */
#include "core/device/readout.h"

#include <string.h>

#include "core/device/readout_kernels.h"

const struct opu_readout *opu_readout_find(const char *name)
{
    static const struct opu_readout *const readouts[] = {
        &opu_readout_phase4,
        &opu_readout_anchor,
        &opu_readout_intensity,
    };
    for (size_t i = 0; i < sizeof readouts / sizeof readouts[0]; i++) {
        if (strcmp(readouts[i]->name, name) == 0) {
            return readouts[i];
        }
    }
    return NULL;
}

#define LEVEL(level) \
    { \
        .phase4_u8 = opu_phase4_u8_##level, .phase4_u16 = opu_phase4_u16_##level, \
        .phase4_f32 = opu_phase4_f32_##level, .anchor_u8 = opu_anchor_u8_##level, \
        .anchor_u16 = opu_anchor_u16_##level, .anchor_f32 = opu_anchor_f32_##level, \
        .scale_u8 = opu_scale_u8_##level, .scale_u16 = opu_scale_u16_##level, \
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
