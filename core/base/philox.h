/* SPDX-License-Identifier: MIT */
/*
 * Philox4x32-10 for kernel loops: one block, written so that a loop over blocks vectorises. See
 * core/base/rng.h for what the counter words mean.
 */
#ifndef OPU_CORE_PHILOX_H
#define OPU_CORE_PHILOX_H

#include <stdint.h>

#include "core/base/rng.h"

/* Multipliers, and the Weyl steps of the key. */
#define OPU_PHILOX_M0 0xd2511f53u
#define OPU_PHILOX_M1 0xcd9e8d57u
#define OPU_PHILOX_W0 0x9e3779b9u
#define OPU_PHILOX_W1 0xbb67ae85u

/* One round on c0..c3 with the key k0, k1; then the key's Weyl step. */
#define OPU_PHILOX_ROUND \
    do { \
        uint64_t const p0 = (uint64_t)c0 * OPU_PHILOX_M0; \
        uint64_t const p1 = (uint64_t)c2 * OPU_PHILOX_M1; \
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0; \
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1; \
        c1 = (uint32_t)p1; \
        c3 = (uint32_t)p0; \
        k0 += OPU_PHILOX_W0; \
        k1 += OPU_PHILOX_W1; \
    } while (0)

/* The raw bijection: counter words c0..c3 under the key words k0, k1. */
static inline struct opu_philox4 opu_philox_raw(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3,
                                                uint32_t k0, uint32_t k1)
{
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    OPU_PHILOX_ROUND;
    return (struct opu_philox4){{c0, c1, c2, c3}};
}

/* The same block as opu_philox(). */
static inline struct opu_philox4 opu_philox_block(uint64_t seed, uint32_t stream, uint32_t a,
                                                  uint64_t b)
{
    return opu_philox_raw(a, (uint32_t)b, (uint32_t)(b >> 32), stream, (uint32_t)seed,
                          (uint32_t)(seed >> 32));
}

#endif
