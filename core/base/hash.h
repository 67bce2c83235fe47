/* SPDX-License-Identifier: MIT */
/* FNV-1a, 64 bit: names for sets of parameters. Not for adversaries. */
#ifndef OPU_CORE_HASH_H
#define OPU_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define OPU_HASH_START UINT64_C(0xcbf29ce484222325)

/* Continues `hash` over n bytes. */
uint64_t opu_hash64(uint64_t hash, const void *bytes, size_t n);

#endif
