/* SPDX-License-Identifier: MIT */
/*
 * CRC32C: the plain twin, eight bytes a step by tables, and the processor's own instructions where
 * x86-64 has them. Long runs are folded: 128 bits keep their remainder when their halves are
 * multiplied, without carries, by powers of x modulo the polynomial and added to what stands as
 * many bits further on; four such folds go side by side, one cache line a step. (V. Gopal et al.,
 * Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction, Intel, 2009.)
 */
#include "driver/wire.h"

#include "driver/wire_bytes.h"
#include "driver/wire_crc.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_INSTRUCTION 1
#include <nmmintrin.h>
#include <wmmintrin.h>
#else
#define HAVE_INSTRUCTION 0
#endif

#define POLYNOMIAL UINT32_C(0x82f63b78)

uint32_t opu_crc32c_plain(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *const from = bytes;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= from[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

/*
 * Slicing by eight: steps[k][i] is the remainder of byte i with k zero bytes behind it. A table is
 * linear in i, so its entries are sums of those for the eight powers of two, which alone are
 * written down.
 */
#define SUM(i, a, b, c, d, e, f, g, h) \
    (((i)&1 ? (a) : 0) ^ ((i)&2 ? (b) : 0) ^ ((i)&4 ? (c) : 0) ^ ((i)&8 ? (d) : 0) ^ \
     ((i)&16 ? (e) : 0) ^ ((i)&32 ? (f) : 0) ^ ((i)&64 ? (g) : 0) ^ ((i)&128 ? (h) : 0))
#define SUMS4(i, ...) \
    SUM(i, __VA_ARGS__), SUM((i) + 1, __VA_ARGS__), SUM((i) + 2, __VA_ARGS__), \
        SUM((i) + 3, __VA_ARGS__)
#define SUMS16(i, ...) \
    SUMS4(i, __VA_ARGS__), SUMS4((i) + 4, __VA_ARGS__), SUMS4((i) + 8, __VA_ARGS__), \
        SUMS4((i) + 12, __VA_ARGS__)
#define SUMS64(i, ...) \
    SUMS16(i, __VA_ARGS__), SUMS16((i) + 16, __VA_ARGS__), SUMS16((i) + 32, __VA_ARGS__), \
        SUMS16((i) + 48, __VA_ARGS__)
#define TABLE(...) \
    { \
        SUMS64(0, __VA_ARGS__), SUMS64(64, __VA_ARGS__), SUMS64(128, __VA_ARGS__), \
            SUMS64(192, __VA_ARGS__) \
    }

static const uint32_t steps[8][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu,
          0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u,
          0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u,
          0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u,
          0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu,
          0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu,
          0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au,
          0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u,
          0x34019664u),
};

uint32_t opu_crc32c_tables(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    crc = ~crc;
    for (; n >= 8; n -= 8, from += 8) {
        uint32_t const low = crc ^ get_u32(from);
        uint32_t const high = get_u32(from + 4);
        crc = steps[7][low & 0xff] ^ steps[6][low >> 8 & 0xff] ^ steps[5][low >> 16 & 0xff] ^
              steps[4][low >> 24] ^ steps[3][high & 0xff] ^ steps[2][high >> 8 & 0xff] ^
              steps[1][high >> 16 & 0xff] ^ steps[0][high >> 24];
    }
    for (; n > 0; n--, from++) {
        crc = (crc >> 8) ^ steps[0][(crc ^ *from) & 0xff];
    }
    return ~crc;
}

/* Through pieces that stay in the nearest cache. */
uint32_t opu_crc32c_tables_copy(uint32_t crc, void *restrict to, const void *restrict from,
                                size_t n)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    while (n > 0) {
        size_t const piece = n < 4096 ? n : 4096;
        memcpy(target, source, piece);
        crc = opu_crc32c_tables(crc, target, piece);
        target += piece;
        source += piece;
        n -= piece;
    }
    return crc;
}

#if HAVE_INSTRUCTION

#define TARGET __attribute__((target("sse4.2,pclmul")))
#define INLINE __attribute__((target("sse4.2,pclmul"), always_inline)) static inline

#define LINE 64u /* bytes a step */

/* x^(d + 32 - 1) and x^(d - 32 - 1) modulo the polynomial, bits reversed as the CRC's are: what the
 * low and the high half of 128 bits are multiplied by to stand d bits further on. The 1 is the
 * place by which a product of reversed numbers is short. */
struct shift {
    uint32_t low, high;
};
static const struct shift over_line = {0x740eef02u, 0x9e4addf8u};   /* d = 512 */
static const struct shift over_vector = {0xf20c0dfeu, 0x493c7d27u}; /* d = 128 */

INLINE __m128i vector_of(const struct shift *shift)
{
    return _mm_set_epi64x(shift->high, shift->low);
}

/* a, moved on by the shift, and what stands there. */
INLINE __m128i fold(__m128i a, __m128i shift, __m128i there)
{
    __m128i const halves =
        _mm_xor_si128(_mm_clmulepi64_si128(a, shift, 0x00), _mm_clmulepi64_si128(a, shift, 0x11));
    return _mm_xor_si128(halves, there);
}

/* 16 bytes, copied to `to` unless it is NULL; past the caches, where it is aligned for that. */
INLINE __m128i take(uint8_t *to, const uint8_t *from, bool stream)
{
    __m128i const v = _mm_loadu_si128((const __m128i *)(const void *)from);
    if (to != NULL && stream) {
        _mm_stream_si128((__m128i *)(void *)to, v);
    } else if (to != NULL) {
        _mm_storeu_si128((__m128i *)(void *)to, v);
    }
    return v;
}

/* Whole lines, at least one. crc without its outer complements. */
INLINE uint64_t run_lines(uint64_t crc, uint8_t *restrict to, const uint8_t *restrict from,
                          size_t n, bool stream)
{
    __m128i const line = vector_of(&over_line);
    __m128i const vector = vector_of(&over_vector);
    __m128i lanes[4];
    for (size_t k = 0; k < 4; k++) {
        lanes[k] = take(to != NULL ? to + 16 * k : NULL, from + 16 * k, stream);
    }
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128((long long)crc));
    for (size_t i = LINE; i < n; i += LINE) {
        for (size_t k = 0; k < 4; k++) {
            size_t const at = i + 16 * k;
            lanes[k] = fold(lanes[k], line, take(to != NULL ? to + at : NULL, from + at, stream));
        }
    }
    for (size_t k = 1; k < 4; k++) {
        lanes[k] = fold(lanes[k - 1], vector, lanes[k]);
    }
    crc = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(lanes[3]));
    return _mm_crc32_u64(crc, (uint64_t)_mm_extract_epi64(lanes[3], 1));
}

/* to: where the bytes go too, or the constant NULL. */
INLINE uint64_t run(uint64_t crc, uint8_t *restrict to, const uint8_t *restrict from, size_t n,
                    bool stream)
{
    size_t i = n / LINE * LINE;
    if (i > 0) {
        crc = run_lines(crc, to, from, i, stream);
    }
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, from + i, sizeof v);
        if (to != NULL) {
            memcpy(to + i, &v, sizeof v);
        }
        crc = _mm_crc32_u64(crc, v);
    }
    for (; i < n; i++) {
        if (to != NULL) {
            to[i] = from[i];
        }
        crc = _mm_crc32_u8((uint32_t)crc, from[i]);
    }
    return crc;
}

TARGET static uint32_t crc_instruction(uint32_t crc, const uint8_t *from, size_t n)
{
    return ~(uint32_t)run(~crc, NULL, from, n, false);
}

TARGET static uint32_t copy_instruction(uint32_t crc, uint8_t *restrict to,
                                        const uint8_t *restrict from, size_t n)
{
    return ~(uint32_t)run(~crc, to, from, n, false);
}

/* Copies of packets go to memory that nobody has looked at for a while: written past the caches,
 * its lines need not be fetched first. */
#define STREAMED ((size_t)128 << 10)

TARGET static uint32_t copy_streamed(uint32_t crc, uint8_t *restrict to,
                                     const uint8_t *restrict from, size_t n)
{
    size_t const head = (size_t)(-(uintptr_t)to & (LINE - 1));
    crc = copy_instruction(crc, to, from, head);
    crc = ~(uint32_t)run(~crc, to + head, from + head, n - head, true);
    _mm_sfence(); /* other threads may read it after the next release */
    return crc;
}

static bool instructions(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

#endif

uint32_t opu_crc32c(uint32_t crc, const void *bytes, size_t n)
{
#if HAVE_INSTRUCTION
    if (instructions()) {
        return crc_instruction(crc, bytes, n);
    }
#endif
    return opu_crc32c_tables(crc, bytes, n);
}

uint32_t opu_crc32c_copy(uint32_t crc, void *restrict to, const void *restrict from, size_t n)
{
#if HAVE_INSTRUCTION
    if (instructions()) {
        return n >= STREAMED ? copy_streamed(crc, to, from, n) : copy_instruction(crc, to, from, n);
    }
#endif
    return opu_crc32c_tables_copy(crc, to, from, n);
}
