/* SPDX-License-Identifier: MIT */
/* The tables of kernels: each set by vector level, and the best that this processor can run. */
#include "core/nn/bmm_kernels.h"
#include "core/nn/map_kernels.h"
#include "core/nn/nn_kernels.h"
#include "core/nn/sparse_kernels.h"

#if defined(__x86_64__)
#define LEVELS(type) \
    { \
        [OPU_ISA_BASE] = &type##_base, [OPU_ISA_AVX2] = &type##_avx2, \
        [OPU_ISA_AVX512] = &type##_avx512 \
    }
#else
#define LEVELS(type) \
    { \
        [OPU_ISA_BASE] = &type##_base \
    }
#endif

/* type_at() and type_best() over type_base, type_avx2 and type_avx512. */
#define KERNELS(type) \
    extern const struct type type##_base, type##_avx2, type##_avx512; \
    static const struct type *const type##_levels[OPU_ISA_COUNT] = LEVELS(type); \
    const struct type *type##_at(enum opu_isa level) \
    { \
        return type##_levels[level]; \
    } \
    const struct type *type##_best(void) \
    { \
        return type##_levels[opu_isa_best()]; \
    }

KERNELS(opu_nn_kernels)
KERNELS(opu_map_kernels)
KERNELS(opu_sparse_kernels)
KERNELS(opu_bmm_kernels)
