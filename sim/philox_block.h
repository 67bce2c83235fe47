/* SPDX-License-Identifier: MIT */
/*
 * Philox4x32-10 for 64 counters by vector instructions; the words are those of opu_philox_raw().
 *
 * A vector holds a word of every second counter in the lower halves of its 64-bit lanes, where the
 * 32 x 32 -> 64 bit multiplication takes it from; the upper halves are never looked at, so that the
 * product's lower word needs no work at all and its upper word one shuffle (a shift would wait for
 * the multiplier's port). Of the four counter words only one differs between the counters of a
 * block: products of the others are scalars, which leaves half of the first two rounds and, where
 * the second word moves, all of the first.
 */
#ifndef OPU_SIM_PHILOX_BLOCK_H
#define OPU_SIM_PHILOX_BLOCK_H

#include "core/base/philox.h"

#include <stdbool.h>

#define OPU_DRAW_BLOCK 64

/* Where the counters of a block start, and which word moves from one to the next. */
struct opu_draw_key {
    uint64_t seed;
    uint32_t stream;
    uint32_t a, a_step; /* first counter word: a + i * a_step */
    uint64_t b;         /* a multiple of OPU_DRAW_BLOCK where b_step is 1 */
    uint32_t b_step;    /* one step is 1, the other 0 */
};

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__AVX512F__)
#define OPU_LANES 16
typedef __m512i opu_vec;
#define VEC_SET(x) _mm512_set1_epi32((int)(x))
#define VEC_MUL(a, b) _mm512_mul_epu32(a, b)
#define VEC_HIGH(x) _mm512_shuffle_epi32(x, _MM_PERM_DDBB)
#define VEC_ADD(a, b) _mm512_add_epi32(a, b)
#define VEC_XOR(a, b) _mm512_xor_si512(a, b)
#define VEC_XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
/* even lanes of a, and odd lanes from the even ones of b */
#define VEC_ZIP(a, b) _mm512_mask_shuffle_epi32(a, 0xaaaa, b, _MM_PERM_CDAB)
#define VEC_LOAD(p) _mm512_loadu_si512(p)
#define VEC_STORE(p, x) _mm512_storeu_si512(p, x)
#elif defined(__AVX2__)
#define OPU_LANES 8
typedef __m256i opu_vec;
#define VEC_SET(x) _mm256_set1_epi32((int)(x))
#define VEC_MUL(a, b) _mm256_mul_epu32(a, b)
#define VEC_HIGH(x) _mm256_shuffle_epi32(x, 0xf5)
#define VEC_ADD(a, b) _mm256_add_epi32(a, b)
#define VEC_XOR(a, b) _mm256_xor_si256(a, b)
#define VEC_XOR3(a, b, c) _mm256_xor_si256(a, _mm256_xor_si256(b, c))
#define VEC_ZIP(a, b) _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xaa)
#define VEC_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define VEC_STORE(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), x)
#else
#define OPU_LANES 4
typedef __m128i opu_vec;
#define VEC_SET(x) _mm_set1_epi32((int)(x))
#define VEC_MUL(a, b) _mm_mul_epu32(a, b)
#define VEC_HIGH(x) _mm_shuffle_epi32(x, 0xf5)
#define VEC_ADD(a, b) _mm_add_epi32(a, b)
#define VEC_XOR(a, b) _mm_xor_si128(a, b)
#define VEC_XOR3(a, b, c) _mm_xor_si128(a, _mm_xor_si128(b, c))
#define VEC_ZIP(a, b) _mm_unpacklo_epi32(_mm_shuffle_epi32(a, 0x08), _mm_shuffle_epi32(b, 0x08))
#define VEC_LOAD(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define VEC_STORE(p, x) _mm_storeu_si128((__m128i *)(void *)(p), x)
#endif

static const uint32_t philox_index[OPU_DRAW_BLOCK] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* What all counters of a block share before their first vector round: word 0 is first + index,
 * xor-ed with mask; words 1 to 3; and the keys left. */
struct philox_start {
    uint32_t first, mask;
    uint32_t c1, c2, c3;
    uint32_t k0[10], k1[10];
    bool skips_one; /* a round is done */
};

static inline struct philox_start philox_begin(const struct opu_draw_key *key)
{
    struct philox_start s = {.first = key->a, .c1 = (uint32_t)key->b};
    s.c2 = (uint32_t)(key->b >> 32);
    s.c3 = key->stream;
    uint32_t k0 = (uint32_t)key->seed;
    uint32_t k1 = (uint32_t)(key->seed >> 32);
    s.skips_one = key->b_step != 0;
    if (s.skips_one) {
        uint64_t const p0 = (uint64_t)key->a * OPU_PHILOX_M0;
        uint64_t const p1 = (uint64_t)s.c2 * OPU_PHILOX_M1;
        s.first = (uint32_t)key->b;
        s.mask = (uint32_t)(p1 >> 32) ^ k0;
        s.c1 = (uint32_t)p1;
        s.c2 = (uint32_t)(p0 >> 32) ^ s.c3 ^ k1;
        s.c3 = (uint32_t)p0;
        k0 += OPU_PHILOX_W0;
        k1 += OPU_PHILOX_W1;
    }
    for (int r = 0; r < 10; ++r) {
        s.k0[r] = k0;
        s.k1[r] = k1;
        k0 += OPU_PHILOX_W0;
        k1 += OPU_PHILOX_W1;
    }
    return s;
}

/* Even and odd counters of two vectors side by side: a round waits for its products, and four
 * independent chains fill the wait. */
#define OPU_CHAINS 4

struct philox_lanes {
    opu_vec c0[OPU_CHAINS], c1[OPU_CHAINS], c2[OPU_CHAINS], c3[OPU_CHAINS];
};

static inline void philox_round(struct philox_lanes *c, uint32_t k0, uint32_t k1)
{
    opu_vec p0[OPU_CHAINS];
    opu_vec p1[OPU_CHAINS];
    for (int i = 0; i < OPU_CHAINS; ++i) {
        p0[i] = VEC_MUL(c->c0[i], VEC_SET(OPU_PHILOX_M0));
        p1[i] = VEC_MUL(c->c2[i], VEC_SET(OPU_PHILOX_M1));
    }
    for (int i = 0; i < OPU_CHAINS; ++i) {
        c->c0[i] = VEC_XOR3(VEC_HIGH(p1[i]), c->c1[i], VEC_SET(k0));
        c->c2[i] = VEC_XOR3(VEC_HIGH(p0[i]), c->c3[i], VEC_SET(k1));
        c->c1[i] = p1[i];
        c->c3[i] = p0[i];
    }
}

/* All rounds for the counters whose word 0 is in c->c0; only that one differs between them at
 * first. */
static inline void philox_rounds(const struct philox_start *s, struct philox_lanes *c)
{
    /* round 1: word 2 is common */
    uint64_t const q1 = (uint64_t)s->c2 * OPU_PHILOX_M1;
    uint32_t const d0 = (uint32_t)(q1 >> 32) ^ s->c1 ^ s->k0[0];
    /* round 2: word 0 is */
    uint64_t const q0 = (uint64_t)d0 * OPU_PHILOX_M0;
    for (int i = 0; i < OPU_CHAINS; ++i) {
        opu_vec const p0 = VEC_MUL(c->c0[i], VEC_SET(OPU_PHILOX_M0));
        opu_vec const d2 = VEC_XOR(VEC_HIGH(p0), VEC_SET(s->c3 ^ s->k1[0]));
        opu_vec const p1 = VEC_MUL(d2, VEC_SET(OPU_PHILOX_M1));
        c->c0[i] = VEC_XOR(VEC_HIGH(p1), VEC_SET((uint32_t)q1 ^ s->k0[1]));
        c->c1[i] = p1;
        c->c2[i] = VEC_XOR(p0, VEC_SET((uint32_t)(q0 >> 32) ^ s->k1[1]));
        c->c3[i] = VEC_SET((uint32_t)q0);
    }
    philox_round(c, s->k0[2], s->k1[2]);
    philox_round(c, s->k0[3], s->k1[3]);
    philox_round(c, s->k0[4], s->k1[4]);
    philox_round(c, s->k0[5], s->k1[5]);
    philox_round(c, s->k0[6], s->k1[6]);
    philox_round(c, s->k0[7], s->k1[7]);
    philox_round(c, s->k0[8], s->k1[8]);
    if (!s->skips_one) {
        philox_round(c, s->k0[9], s->k1[9]);
    }
}

/* words[k][i]: word k of counter i. */
static inline void philox_words(const struct opu_draw_key *key,
                                uint32_t words[restrict 4][OPU_DRAW_BLOCK])
{
    struct philox_start const start = philox_begin(key);
    opu_vec const first = VEC_SET(start.first);
    opu_vec const mask = VEC_SET(start.mask);
    for (int i = 0; i < OPU_DRAW_BLOCK; i += OPU_CHAINS / 2 * OPU_LANES) {
        struct philox_lanes c;
        for (int v = 0; v < OPU_CHAINS; v += 2) {
            c.c0[v] = VEC_XOR(VEC_ADD(VEC_LOAD(philox_index + i + v / 2 * OPU_LANES), first), mask);
            c.c0[v + 1] = VEC_HIGH(c.c0[v]);
        }
        philox_rounds(&start, &c);
        for (int v = 0; v < OPU_CHAINS; v += 2) {
            int const at = i + v / 2 * OPU_LANES;
            VEC_STORE(words[0] + at, VEC_ZIP(c.c0[v], c.c0[v + 1]));
            VEC_STORE(words[1] + at, VEC_ZIP(c.c1[v], c.c1[v + 1]));
            VEC_STORE(words[2] + at, VEC_ZIP(c.c2[v], c.c2[v + 1]));
            VEC_STORE(words[3] + at, VEC_ZIP(c.c3[v], c.c3[v + 1]));
        }
    }
}

#undef VEC_SET
#undef VEC_MUL
#undef VEC_HIGH
#undef VEC_ADD
#undef VEC_XOR
#undef VEC_XOR3
#undef VEC_ZIP
#undef VEC_LOAD
#undef VEC_STORE

#else

static inline void philox_words(const struct opu_draw_key *key,
                                uint32_t words[restrict 4][OPU_DRAW_BLOCK])
{
    for (uint32_t i = 0; i < OPU_DRAW_BLOCK; ++i) {
        struct opu_philox4 const block = opu_philox_raw(
            key->a + i * key->a_step, (uint32_t)key->b + i * key->b_step, (uint32_t)(key->b >> 32),
            key->stream, (uint32_t)key->seed, (uint32_t)(key->seed >> 32));
        for (int k = 0; k < 4; ++k) {
            words[k][i] = block.v[k];
        }
    }
}

#endif
#endif
