/* SPDX-License-Identifier: MIT */
/* The camera's kernels, one per vector level; see sim/camera/camera.h. */
#ifndef OPU_SIM_CAMERA_KERNELS_H
#define OPU_SIM_CAMERA_KERNELS_H

#include "sim/camera/camera.h"

/* draw: 256 normal draws of OPU_STREAM_PIXEL for the pixels of a tile; b tells the map. */
#define OPU_CAMERA_KERNELS(level) \
    uint32_t opu_camera_tile_##level(const struct opu_camera *camera, \
                                     const struct opu_light *light, \
                                     const struct opu_exposure *exposure, void *counts); \
    void opu_camera_draw_##level(uint64_t seed, uint64_t b, uint32_t tile, float *z);

OPU_CAMERA_KERNELS(base)
OPU_CAMERA_KERNELS(avx2)
OPU_CAMERA_KERNELS(avx512)

#endif
