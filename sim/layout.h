/* SPDX-License-Identifier: MIT */
/* How fields lie in memory: blocks of 64 points, 64 real parts and then 64 imaginary parts; four
 * blocks make a tile of the camera. */
#ifndef OPU_SIM_LAYOUT_H
#define OPU_SIM_LAYOUT_H

#define OPU_TILE_PIXELS 256
#define OPU_BLOCK_PIXELS 64
#define OPU_BLOCK_FLOATS 128
#define OPU_TILE_FLOATS 512

#endif
