/* SPDX-License-Identifier: MIT */
/* Draws of the phase screens, 64 counters at a time; compiled once per vector level. */
#include "sim/medium/screens_kernels.h"

#include "core/base/isa.h"
#include "sim/draw_block.h"

#include <string.h>

void OPU_KERNEL(opu_screen_normals)(uint64_t seed, const struct opu_drift_mix *mix, uint32_t screen,
                                    uint32_t first, float z[restrict 4][OPU_SCREEN_DRAWS])
{
    float draw[4][OPU_DRAW_BLOCK];
    memset(z, 0, 4 * sizeof(z[0]));
    for (size_t t = 0; t < mix->n; ++t) {
        struct opu_draw_key const key = {.seed = seed,
                                         .stream = OPU_STREAM_SCREEN,
                                         .a = first,
                                         .a_step = 1,
                                         .b = OPU_SCREEN_COUNTER(screen, mix->node[t])};
        float const weight = (float)mix->weight[t];
        draw_normals(&key, draw);
        for (size_t k = 0; k < 4; ++k) {
            for (size_t i = 0; i < OPU_SCREEN_DRAWS; ++i) {
                z[k][i] += weight * draw[k][i];
            }
        }
    }
}

void OPU_KERNEL(opu_screen_words)(uint64_t seed, uint32_t screen, uint32_t first,
                                  uint16_t *restrict phase)
{
    struct opu_draw_key const key = {.seed = seed,
                                     .stream = OPU_STREAM_SCREEN,
                                     .a = first,
                                     .a_step = 1,
                                     .b = OPU_SCREEN_COUNTER(screen, OPU_SCREEN_STILL)};
    uint32_t words[4][OPU_DRAW_BLOCK];
    philox_words(&key, words);
    for (size_t i = 0; i < OPU_SCREEN_DRAWS; ++i) {
        for (size_t k = 0; k < 4; ++k) {
            phase[8 * i + 2 * k] = (uint16_t)words[k][i];
            phase[8 * i + 2 * k + 1] = (uint16_t)(words[k][i] >> 16);
        }
    }
}
