/* SPDX-License-Identifier: MIT */
/* The kernels' table by vector level. */
#include "core/embed/embed_kernels.h"

extern const struct opu_embed_kernels opu_embed_kernels_base;
#ifdef __x86_64__
extern const struct opu_embed_kernels opu_embed_kernels_avx2, opu_embed_kernels_avx512;
#endif

static const struct opu_embed_kernels *const levels[OPU_ISA_COUNT] = {
    [OPU_ISA_BASE] = &opu_embed_kernels_base,
#ifdef __x86_64__
    [OPU_ISA_AVX2] = &opu_embed_kernels_avx2,
    [OPU_ISA_AVX512] = &opu_embed_kernels_avx512,
#endif
};

const struct opu_embed_kernels *opu_embed_kernels_at(enum opu_isa level)
{
    return levels[level];
}

const struct opu_embed_kernels *opu_embed_kernels_best(void)
{
    return levels[opu_isa_best()];
}
