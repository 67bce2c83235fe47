/* SPDX-License-Identifier: MIT */
/* Entries of the gaussian medium, 64 outputs of two inputs at a time. Layout:
 * sim/medium/medium_gaussian.c. */
#include "sim/medium/medium_gaussian.h"

#include "core/base/isa.h"
#include "sim/draw_block.h"

#include <string.h>

/* 2^21 outputs; the bits above them in the counter name the drift's node. */
#define OUTPUT_BITS 21

static void draw_node(uint64_t seed, uint64_t node, uint32_t first_output, uint32_t pair,
                      float z[restrict 4][OPU_DRAW_BLOCK])
{
    struct opu_draw_key const key = {.seed = seed,
                                     .stream = node == 0 ? OPU_STREAM_MATRIX : OPU_STREAM_DRIFT,
                                     .a = pair,
                                     .b = (node << OUTPUT_BITS) | first_output,
                                     .b_step = 1};
    draw_normals(&key, z);
}

/* x[4][64] += weight * z, or = weight * z for the first term */
static void mix_in(float *restrict x, const float *restrict z, float weight, int first)
{
    if (first) {
        for (int i = 0; i < 4 * OPU_DRAW_BLOCK; ++i) {
            x[i] = weight * z[i];
        }
        return;
    }
    for (int i = 0; i < 4 * OPU_DRAW_BLOCK; ++i) {
        x[i] += weight * z[i];
    }
}

void OPU_KERNEL(opu_gaussian_strip)(uint64_t seed, const struct opu_drift_mix *mix,
                                    uint32_t first_output, uint32_t first_input, uint32_t n_inputs,
                                    float *strip)
{
    float z[4][OPU_DRAW_BLOCK];
    float odd_end[4 * OPU_DRAW_BLOCK] = {0}; /* the last of an odd number has no partner */
    for (uint32_t j = 0; j < n_inputs; j += 2) {
        float *const rows = strip + (size_t)j * 2 * OPU_DRAW_BLOCK;
        float *const x = j + 1 < n_inputs ? rows : odd_end;
        for (size_t k = 0; k < mix->n; ++k) {
            draw_node(seed, mix->node[k], first_output, (first_input + j) / 2, z);
            mix_in(x, &z[0][0], 0.70710678f * (float)mix->weight[k], k == 0);
        }
    }
    if (n_inputs % 2 != 0) {
        memcpy(strip + (size_t)(n_inputs - 1) * 2 * OPU_DRAW_BLOCK, odd_end,
               2 * OPU_DRAW_BLOCK * sizeof(float));
    }
}
