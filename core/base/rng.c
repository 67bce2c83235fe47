/* SPDX-License-Identifier: MIT */
/* Philox and the draws made from its words, one block at a time; kernels inline philox.h and
 * vmath.h. */
#include "core/base/rng.h"

#include "core/base/philox.h"
#include "core/base/vmath.h"

struct opu_philox4 opu_philox(uint64_t seed, uint32_t stream, uint32_t a, uint64_t b)
{
    return opu_philox_block(seed, stream, a, b);
}

double opu_uniform(uint32_t u)
{
    return ((double)u + 0.5) * 0x1p-32;
}

float opu_uniformf(uint32_t u)
{
    /* Odd multiples of 2^-24: exact in float, so that no rounding can reach 1. */
    return (float)(int32_t)((u >> 8) | 1u) * 0x1p-24f;
}

void opu_normal4(struct opu_philox4 block, float z[4])
{
    opu_box_muller(block.v[0], block.v[1], &z[0], &z[1]);
    opu_box_muller(block.v[2], block.v[3], &z[2], &z[3]);
}
