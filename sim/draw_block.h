/* SPDX-License-Identifier: MIT */
/*
 * Normal draws by the block: 64 Philox4x32-10 counters side by side. For kernel files only
 * (core/base/isa.h); the bits are those of opu_philox() and opu_normal4(), one counter at a time.
 */
#ifndef OPU_SIM_DRAW_BLOCK_H
#define OPU_SIM_DRAW_BLOCK_H

#include "core/base/vmath.h"
#include "sim/philox_block.h"

/* z[k][i]: draw k of counter i. Logarithms first, then the rest of opu_box_muller(): chains short
 * enough for the processor to overlap, two of them a turn. */
static inline void draw_normals(const struct opu_draw_key *key, float z[restrict 4][OPU_DRAW_BLOCK])
{
    uint32_t words[4][OPU_DRAW_BLOCK];
    float power[2][OPU_DRAW_BLOCK];
    philox_words(key, words);
    for (int i = 0; i < OPU_DRAW_BLOCK; ++i) {
        power[0][i] = opu_normal_power(words[0][i]);
        power[1][i] = opu_normal_power(words[2][i]);
    }
    for (int i = 0; i < OPU_DRAW_BLOCK; ++i) {
        for (int h = 0; h < 2; ++h) {
            float x;
            float y;
            opu_normal_direction(words[2 * h + 1][i], &x, &y);
            float const radius = sqrtf(power[h][i]);
            z[2 * h][i] = radius * x;
            z[2 * h + 1][i] = radius * y;
        }
    }
}

#endif
