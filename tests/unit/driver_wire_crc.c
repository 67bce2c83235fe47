/* SPDX-License-Identifier: MIT */
/* CRC32C: the values of the standard, and every way to it against the plain twin. */
#include "base_support.h"

#include "core/base/rng.h"
#include "driver/wire.h"
#include "driver/wire_crc.h"

#define LONGEST ((size_t)1 << 18)
#define SLACK 64

static uint64_t seed;
static uint8_t bytes[LONGEST + SLACK];
static uint8_t target[LONGEST + 2 * SLACK];

typedef uint32_t (*crc_fn)(uint32_t crc, const void *bytes, size_t n);
typedef uint32_t (*copy_fn)(uint32_t crc, void *restrict to, const void *restrict from, size_t n);

static const crc_fn ways[] = {opu_crc32c, opu_crc32c_tables};
static const copy_fn copies[] = {opu_crc32c_copy, opu_crc32c_tables_copy};

static int draw_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i += 4) {
        uint32_t const v = opu_philox(seed, OPU_STREAM_TEST, (uint32_t)i, 0).v[0];
        memcpy(bytes + i, &v, sizeof v);
    }
    return 0;
}

/* RFC 3720, B.4, and the value of the CRC catalogues. */
static void values_of_the_standard(void **state)
{
    (void)state;
    static const uint8_t read_command[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
        0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
        0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t up[32];
    uint8_t down[32];
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    static const crc_fn all[] = {opu_crc32c, opu_crc32c_tables, opu_crc32c_plain};
    for (size_t w = 0; w < 3; w++) {
        assert_int_equal(all[w](0, "123456789", 9), 0xe3069283u);
        assert_int_equal(all[w](0, zeros, 32), 0x8a9136aau);
        assert_int_equal(all[w](0, ones, 32), 0x62a8ab43u);
        assert_int_equal(all[w](0, up, 32), 0x46dd794eu);
        assert_int_equal(all[w](0, down, 32), 0x113fdb5cu);
        assert_int_equal(all[w](0, read_command, 48), 0xd9963a56u);
        assert_int_equal(all[w](0, NULL, 0), 0);
    }
}

static void short_lengths_at_every_alignment(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 16; offset++) {
        for (size_t n = 0; n <= 300; n++) {
            uint32_t const start = (uint32_t)(n * 0x9e3779b9u);
            uint32_t const wanted = opu_crc32c_plain(start, bytes + offset, n);
            for (size_t w = 0; w < 2; w++) {
                assert_int_equal(ways[w](start, bytes + offset, n), wanted);
            }
        }
    }
}

/* Around the lengths at which three blocks go at once, and big ones. */
static const size_t lengths[] = {767,    768,    769,    1535,   1536,   3071,   3072,
                                 3073,   6144,   8191,   16319,  16320,  16321,  16384,
                                 19392,  32640,  48960,  65535,  65536,  100003, 131071,
                                 131072, 146879, 146895, 196608, LONGEST};
#define N_LENGTHS (sizeof lengths / sizeof lengths[0])

static void long_lengths_at_some_alignments(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_LENGTHS; i++) {
        for (size_t offset = 0; offset < 16; offset += lengths[i] < 30000 ? 1 : 5) {
            uint32_t const wanted = opu_crc32c_plain(7, bytes + offset, lengths[i]);
            for (size_t w = 0; w < 2; w++) {
                assert_int_equal(ways[w](7, bytes + offset, lengths[i]), wanted);
            }
        }
    }
}

/* The same at once and in two parts. */
static void parts_make_the_whole(void **state)
{
    (void)state;
    size_t const n = 60000;
    uint32_t const whole = opu_crc32c_plain(0, bytes, n);
    for (size_t cut = 0; cut <= n; cut += 1 + cut / 3) {
        for (size_t w = 0; w < 2; w++) {
            assert_int_equal(ways[w](ways[w](0, bytes, cut), bytes + cut, n - cut), whole);
        }
    }
}

static void check_copy(copy_fn copy, size_t from, size_t to, size_t n)
{
    memset(target, 0xc3, n + 2 * SLACK);
    uint32_t const crc = copy(11, target + to, bytes + from, n);
    assert_int_equal(crc, opu_crc32c(11, bytes + from, n));
    assert_memory_equal(target + to, bytes + from, n);
    for (size_t i = 0; i < to; i++) {
        assert_int_equal(target[i], 0xc3);
    }
    for (size_t i = to + n; i < to + n + SLACK; i++) {
        assert_int_equal(target[i], 0xc3);
    }
}

static void copy_is_a_copy_and_touches_nothing_else(void **state)
{
    (void)state;
    for (size_t w = 0; w < 2; w++) {
        for (size_t n = 0; n <= 300; n++) {
            check_copy(copies[w], n % 8, n % 7, n);
            check_copy(copies[w], n % 5, 8, n);
        }
        for (size_t i = 0; i < N_LENGTHS; i++) {
            check_copy(copies[w], i % 8, (i * 3) % 16, lengths[i]);
        }
        /* Long copies go past the caches, from a target of 16 bytes' alignment on. */
        for (size_t to = 0; to < 32; to++) {
            check_copy(copies[w], to % 5, to, 131072 + to * 37);
        }
    }
}

int main(void)
{
    const char *const wish = getenv("OPU_TEST_SEED");
    seed = wish != NULL ? strtoull(wish, NULL, 0) : 20261123;
    print_message("# OPU_TEST_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_the_standard),
        cmocka_unit_test(short_lengths_at_every_alignment),
        cmocka_unit_test(long_lengths_at_some_alignments),
        cmocka_unit_test(parts_make_the_whole),
        cmocka_unit_test(copy_is_a_copy_and_touches_nothing_else),
    };
    return cmocka_run_group_tests_name("driver_wire_crc", tests, draw_all, NULL);
}
