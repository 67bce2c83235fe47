/* SPDX-License-Identifier: MIT */
/*
 * Normal draws by the block: 64 Philox4x32-10 counters side by side. For kernel files only
 * (core/base/isa.h); the bits are those of opu_philox() and opu_normal4(), one counter at a time.
 */
#ifndef OPU_SIM_DRAW_BLOCK_H
#define OPU_SIM_DRAW_BLOCK_H

#include "core/base/vmath.h"
#include "sim/philox_block.h"

/* z[k][i]: draw k of counter i. */
static inline void draw_normals(const struct opu_draw_key *key, float z[restrict 4][OPU_DRAW_BLOCK])
{
    uint32_t words[4][OPU_DRAW_BLOCK];
    philox_words(key, words);
    for (int i = 0; i < OPU_DRAW_BLOCK; ++i) {
        opu_box_muller(words[0][i], words[1][i], &z[0][i], &z[1][i]);
    }
    for (int i = 0; i < OPU_DRAW_BLOCK; ++i) {
        opu_box_muller(words[2][i], words[3][i], &z[2][i], &z[3][i]);
    }
}

#endif
