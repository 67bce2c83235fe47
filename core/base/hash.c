/* SPDX-License-Identifier: MIT */
/* FNV-1a with the 64-bit prime 2^40 + 2^8 + 0xb3. */
#include "core/base/hash.h"

uint64_t opu_hash64(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *const p = bytes;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
