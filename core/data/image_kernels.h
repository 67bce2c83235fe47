/* SPDX-License-Identifier: MIT */
/* Pixels to floats, once per vector level. */
#ifndef OPU_CORE_IMAGE_KERNELS_H
#define OPU_CORE_IMAGE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* out[i] = pixels[i] * scale + shift */
#define OPU_IMAGE_KERNELS(level) \
    void opu_pixels_to_float_##level(const uint8_t *pixels, size_t n, float scale, float shift, \
                                     float *out)

OPU_IMAGE_KERNELS(base);
OPU_IMAGE_KERNELS(avx2);
OPU_IMAGE_KERNELS(avx512);

#endif
