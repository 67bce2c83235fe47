/* SPDX-License-Identifier: MIT */
/* The camera's kernels, one per vector level; see sim/camera.h. */
#ifndef OPU_SIM_CAMERA_KERNELS_H
#define OPU_SIM_CAMERA_KERNELS_H

#include "sim/camera.h"

#define OPU_CAMERA_KERNELS(level) \
    uint32_t opu_camera_tile_##level(const struct opu_camera *camera, \
                                     const struct opu_light *light, const float *field, \
                                     uint32_t tile, uint64_t frame, uint32_t n, void *counts);

OPU_CAMERA_KERNELS(base)
OPU_CAMERA_KERNELS(avx2)
OPU_CAMERA_KERNELS(avx512)

#endif
