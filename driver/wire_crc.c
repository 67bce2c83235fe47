/* SPDX-License-Identifier: MIT */
/* CRC32C: the plain twin, and what is used. */
#include "driver/wire.h"

uint32_t opu_crc32c_plain(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *const from = bytes;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= from[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (UINT32_C(0x82f63b78) & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}
