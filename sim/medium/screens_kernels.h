/* SPDX-License-Identifier: MIT */
/* Kernels of the phase screens, one per vector level; see sim/medium/screens.h. */
#ifndef OPU_SIM_SCREENS_KERNELS_H
#define OPU_SIM_SCREENS_KERNELS_H

#include "sim/medium/drift.h"

#define OPU_SCREEN_DRAWS 64 /* counters of one call */

/* b of a screen's draws: which one (or which pair), and the drift's node or that of what stays. */
#define OPU_SCREEN_STILL ((UINT64_C(1) << 55) - 1)
#define OPU_SCREEN_COUNTER(screen, node) ((uint64_t)(screen) | (uint64_t)(node) << 8)

/* normals: z[k][i] = sum over nodes of weight * draw k of counter first + i.
 * words: phase[8 i ..] = the 16-bit halves of the four words of counter first + i. */
#define OPU_SCREEN_KERNELS(level) \
    void opu_screen_normals_##level(uint64_t seed, const struct opu_drift_mix *mix, \
                                    uint32_t screen, uint32_t first, \
                                    float z[restrict 4][OPU_SCREEN_DRAWS]); \
    void opu_screen_words_##level(uint64_t seed, uint32_t screen, uint32_t first, \
                                  uint16_t *restrict phase);

OPU_SCREEN_KERNELS(base)
OPU_SCREEN_KERNELS(avx2)
OPU_SCREEN_KERNELS(avx512)

#endif
