/* SPDX-License-Identifier: MIT */
/* Pixels to floats: a plain loop, compiled once per vector level. */
#include "core/data/image_kernels.h"

#include "core/base/isa.h"

void OPU_KERNEL(opu_pixels_to_float)(const uint8_t *restrict pixels, size_t n, float scale,
                                     float shift, float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)pixels[i] * scale + shift;
    }
}
