/* SPDX-License-Identifier: MIT */
/* One pass of an optimiser over n parameters, once per vector level; see optim.h for the formulas.
 */
#ifndef OPU_CORE_OPTIM_KERNELS_H
#define OPU_CORE_OPTIM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Constants of one Adam step, worked out in double by the caller. */
struct opu_adam_step {
    float beta1, beta2, rest1, rest2; /* rest: 1 - beta */
    float step_size;                  /* lr / (1 - beta1^t) */
    float root_scale;                 /* 1 / sqrt(1 - beta2^t) */
    float eps, decay;
};

struct opu_sgd_step {
    float lr, momentum, decay;
};

/* Each returns 0, or not 0 if a parameter came out as NaN or infinity. */
#define OPU_OPTIM_KERNELS(level) \
    uint32_t opu_adam_##level(size_t n, const struct opu_adam_step *step, const float *grad, \
                              float *value, float *mean, float *square); \
    uint32_t opu_sgd_##level(size_t n, const struct opu_sgd_step *step, const float *grad, \
                             float *value, float *velocity)

OPU_OPTIM_KERNELS(base);
OPU_OPTIM_KERNELS(avx2);
OPU_OPTIM_KERNELS(avx512);

#endif
