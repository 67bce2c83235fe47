/* SPDX-License-Identifier: MIT */
/*
 * Little-endian numbers in bytes, on any processor and at any alignment: what the wire's and the
 * descriptors' files are written with. Private to those files and their tests.
 */
#ifndef OPU_DRIVER_WIRE_BYTES_H
#define OPU_DRIVER_WIRE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline void put_u16(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)v;
    to[1] = (uint8_t)(v >> 8);
}

static inline void put_u32(uint8_t *to, uint32_t v)
{
    put_u16(to, v);
    put_u16(to + 2, v >> 16);
}

static inline void put_u64(uint8_t *to, uint64_t v)
{
    put_u32(to, (uint32_t)v);
    put_u32(to + 4, (uint32_t)(v >> 32));
}

/* IEEE 754 binary64, as its bits. */
static inline void put_f64(uint8_t *to, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_u64(to, bits);
}

static inline uint16_t get_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] | (uint32_t)from[1] << 8);
}

static inline uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *from)
{
    return get_u32(from) | (uint64_t)get_u32(from + 4) << 32;
}

static inline double get_f64(const uint8_t *from)
{
    uint64_t const bits = get_u64(from);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#endif
