/* SPDX-License-Identifier: MIT */
/*
 * Normal draws by the block: 64 Philox4x32-10 counters side by side, so that the compiler turns
 * every step into vector instructions. For kernel files only (core/base/isa.h); the bits are those
 * of opu_philox() and opu_normal4(), one counter at a time.
 */
#ifndef OPU_SIM_DRAW_BLOCK_H
#define OPU_SIM_DRAW_BLOCK_H

#include "core/base/philox.h"
#include "core/base/vmath.h"

#define OPU_DRAW_BLOCK 64

/* Where the counters of a block start, and which word moves from one to the next. */
struct opu_draw_key {
    uint64_t seed;
    uint32_t stream;
    uint32_t a, a_step; /* first counter word: a + i * a_step */
    uint64_t b;         /* a multiple of OPU_DRAW_BLOCK where b_step is 1 */
    uint32_t b_step;
};

/* z[k][i]: draw k of counter i. */
static inline void draw_normals(const struct opu_draw_key *key, float z[restrict 4][OPU_DRAW_BLOCK])
{
    uint32_t const k0 = (uint32_t)key->seed;
    uint32_t const k1 = (uint32_t)(key->seed >> 32);
    uint32_t const b_low = (uint32_t)key->b;
    uint32_t const b_high = (uint32_t)(key->b >> 32);
    uint32_t const a = key->a;
    uint32_t const a_step = key->a_step;
    uint32_t const b_step = key->b_step;
    uint32_t const stream = key->stream;
    for (uint32_t i = 0; i < OPU_DRAW_BLOCK; ++i) {
        struct opu_philox4 const words =
            opu_philox_raw(a + i * a_step, b_low + i * b_step, b_high, stream, k0, k1);
        opu_box_muller(words.v[0], words.v[1], &z[0][i], &z[1][i]);
        opu_box_muller(words.v[2], words.v[3], &z[2][i], &z[3][i]);
    }
}

#endif
