/* SPDX-License-Identifier: MIT */
/* The functions under test, in the kind of loop that kernels put them in. */
#include "base_vmath_kernels.h"

#include "core/base/isa.h"
#include "core/base/philox.h"
#include "core/base/vmath.h"

void OPU_KERNEL(map_exp)(const float *x, size_t n, float *a, float *b)
{
    (void)b;
    for (size_t i = 0; i < n; i++) {
        a[i] = opu_expf(x[i]);
    }
}

void OPU_KERNEL(map_tanh)(const float *x, size_t n, float *a, float *b)
{
    (void)b;
    for (size_t i = 0; i < n; i++) {
        a[i] = opu_tanhf(x[i]);
    }
}

void OPU_KERNEL(map_sincos)(const float *x, size_t n, float *a, float *b)
{
    for (size_t i = 0; i < n; i++) {
        opu_sincos2pif(x[i], &a[i], &b[i]);
    }
}

void OPU_KERNEL(fill_normal)(uint64_t seed, uint32_t stream, uint64_t b, size_t n_blocks, float *z)
{
    for (size_t i = 0; i < n_blocks; i++) {
        struct opu_philox4 const block = opu_philox_block(seed, stream, (uint32_t)i, b);
        opu_box_muller(block.v[0], block.v[1], &z[4 * i], &z[4 * i + 1]);
        opu_box_muller(block.v[2], block.v[3], &z[4 * i + 2], &z[4 * i + 3]);
    }
}
