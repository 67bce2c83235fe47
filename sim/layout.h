/* SPDX-License-Identifier: MIT */
/* How fields lie in memory: blocks of 64 points, 64 real parts and then 64 imaginary parts; four
 * blocks make a tile of the camera. */
#ifndef OPU_SIM_LAYOUT_H
#define OPU_SIM_LAYOUT_H

#include <stddef.h>

#define OPU_TILE_PIXELS 256
#define OPU_BLOCK_PIXELS 64
#define OPU_BLOCK_FLOATS 128
#define OPU_TILE_FLOATS 512

/* Where point i's real part stands; its imaginary part is OPU_BLOCK_PIXELS further. */
static inline size_t opu_block_offset(size_t i)
{
    return i / OPU_BLOCK_PIXELS * OPU_BLOCK_FLOATS + i % OPU_BLOCK_PIXELS;
}

#endif
