/* SPDX-License-Identifier: MIT */
/* idx arrays: what is read, and that everything else is refused with a sentence. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/data/idx.h"
#include "data_toy.h"

#define ROOM 65536

static struct opu_context *context;

/* gzip of n bytes; returns its length. */
static size_t zip(const uint8_t *bytes, size_t n, uint8_t out[ROOM])
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    z.next_in = copy;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = ROOM;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t const length = ROOM - z.avail_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    free(copy);
    return length;
}

/* 2 x 3 bytes 0..5 */
static size_t small(uint8_t out[32])
{
    size_t const n = toy_header(out, 2, (const uint32_t[]){2, 3});
    for (uint8_t i = 0; i < 6; i++) {
        out[n + i] = i;
    }
    return n + 6;
}

static void refused(const void *bytes, size_t n, const char *part)
{
    struct opu_array array;
    assert_int_equal(opu_idx_parse(context, &array, bytes, n, "it"), OPU_E_FORMAT);
    assert_null(array.data);
    if (!strstr(opu_error_message(), part) || strncmp(opu_error_message(), "it: ", 4) != 0) {
        fail_msg("\"%s\" does not say \"%s\"", opu_error_message(), part);
    }
}

static void accepted(const void *bytes, size_t n)
{
    struct opu_array array;
    assert_int_equal(opu_idx_parse(context, &array, bytes, n, "it"), OPU_OK);
    assert_int_equal(array.dtype, OPU_U8);
    assert_int_equal(array.rank, 2);
    assert_int_equal(array.shape[0], 2);
    assert_int_equal(array.shape[1], 3);
    assert_memory_equal(array.data, "\0\1\2\3\4\5", 6);
    opu_array_free(context, &array);
}

static void plain_and_gzip_are_read(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = small(bytes);
    accepted(bytes, n);
    accepted(zipped, zip(bytes, n, zipped));
}

static void every_shorter_plain_file_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[32];
    size_t const n = small(bytes);
    for (size_t k = 0; k < n; k++) {
        refused(bytes, k, "");
    }
}

static void every_shorter_gzip_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = zip(bytes, small(bytes), zipped);
    for (size_t k = 0; k < n; k++) {
        refused(zipped, k, "");
    }
    refused(zipped, n - 1, "cut short");
}

static void gzip_with_a_wrong_checksum_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = zip(bytes, small(bytes), zipped);
    zipped[n - 8] ^= 1; /* CRC-32 lies 8 bytes before the end (RFC 1952) */
    refused(zipped, n, "corrupt");
}

static void no_single_bit_error_in_a_gzip_changes_what_is_read(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = zip(bytes, small(bytes), zipped);
    size_t harmless = 0;
    for (size_t i = 0; i < 8 * n; i++) {
        zipped[i / 8] ^= (uint8_t)(1 << i % 8);
        struct opu_array array;
        if (opu_idx_parse(context, &array, zipped, n, "it") == OPU_OK) {
            assert_int_equal(opu_array_count(&array), 6);
            assert_memory_equal(array.data, "\0\1\2\3\4\5", 6);
            opu_array_free(context, &array);
            harmless++;
        }
        zipped[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    /* Time, flags and system (7 bytes; RFC 1952) and the last block's padding do not matter. */
    assert_true(harmless <= 8 * 7 + 7);
}

static void more_than_the_header_announces_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = small(bytes);
    bytes[n] = 9;
    refused(bytes, n + 1, "more than the 6 bytes");
    refused(zipped, zip(bytes, n + 1, zipped), "more than the 6 bytes");
}

static void gzip_bomb_is_refused(void **state)
{
    (void)state;
    size_t const huge = (size_t)8 << 20;
    uint8_t *bytes = calloc(huge, 1), zipped[ROOM];
    (void)toy_header(bytes, 2, (const uint32_t[]){2, 3});
    refused(zipped, zip(bytes, huge, zipped), "more than the 6 bytes");
    free(bytes);
}

static void bytes_after_the_gzip_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = zip(bytes, small(bytes), zipped);
    zipped[n] = 0;
    refused(zipped, n + 1, "1 bytes follow");
}

static void wrong_magic_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[32];
    size_t const n = small(bytes);
    bytes[2] = 0x0d; /* floats */
    refused(bytes, n, "00 00 0d");
    bytes[2] = 8;
    bytes[3] = 0;
    refused(bytes, n, "0 dimensions");
    bytes[3] = 200;
    refused(bytes, n, "200 dimensions");
}

static void counts_that_overflow_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[32];
    uint32_t const most = UINT32_MAX;
    size_t n = toy_header(bytes, 4, (const uint32_t[]){most, most, most, most});
    refused(bytes, n, "multiply to more");
    n = toy_header(bytes, 2, (const uint32_t[]){65536, 65537});
    refused(bytes, n, "multiply to more");
    n = toy_header(bytes, 2, (const uint32_t[]){0, 5});
    refused(bytes, n, "dimension 1 is 0");
}

static void announced_beyond_what_fits_is_refused_before_it_is_allocated(void **state)
{
    (void)state;
    uint8_t bytes[32], zipped[ROOM];
    size_t const n = toy_header(bytes, 2, (const uint32_t[]){32768, 65536});
    refused(bytes, n, "can't hold them");
    refused(zipped, zip(bytes, n, zipped), "can't hold them");
}

static void missing_file_is_not_found(void **state)
{
    (void)state;
    struct opu_array array;
    uint64_t hash;
    assert_int_equal(opu_idx_read(context, &array, "no/such/file", &hash), OPU_E_NOT_FOUND);
    assert_non_null(strstr(opu_error_message(), "no/such/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_gzip_are_read),
        cmocka_unit_test(every_shorter_plain_file_is_refused),
        cmocka_unit_test(every_shorter_gzip_is_refused),
        cmocka_unit_test(gzip_with_a_wrong_checksum_is_refused),
        cmocka_unit_test(no_single_bit_error_in_a_gzip_changes_what_is_read),
        cmocka_unit_test(more_than_the_header_announces_is_refused),
        cmocka_unit_test(gzip_bomb_is_refused),
        cmocka_unit_test(bytes_after_the_gzip_are_refused),
        cmocka_unit_test(wrong_magic_is_refused),
        cmocka_unit_test(counts_that_overflow_are_refused),
        cmocka_unit_test(announced_beyond_what_fits_is_refused_before_it_is_allocated),
        cmocka_unit_test(missing_file_is_not_found),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("idx", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
