/* SPDX-License-Identifier: MIT */
/* The portable ways to a CRC32C, by themselves: processors with an instruction for it never take
 * them, and tests want to. */
#ifndef OPU_DRIVER_WIRE_CRC_H
#define OPU_DRIVER_WIRE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t opu_crc32c_tables(uint32_t crc, const void *bytes, size_t n);
uint32_t opu_crc32c_tables_copy(uint32_t crc, void *restrict to, const void *restrict from,
                                size_t n);

#endif
