/* SPDX-License-Identifier: MIT */
/* Loops over the functions of core/base/vmath.h and philox.h, compiled once per vector level. */
#ifndef OPU_TESTS_BASE_VMATH_KERNELS_H
#define OPU_TESTS_BASE_VMATH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define OPU_DECLARE(level) \
    void map_exp_##level(const float *x, size_t n, float *a, float *b); \
    void map_tanh_##level(const float *x, size_t n, float *a, float *b); \
    void map_sincos_##level(const float *x, size_t n, float *a, float *b); \
    void fill_normal_##level(uint64_t seed, uint32_t stream, uint64_t b, size_t n_blocks, float *z);

OPU_DECLARE(base)
OPU_DECLARE(avx2)
OPU_DECLARE(avx512)

#endif
