/* SPDX-License-Identifier: MIT */
/* The wire's readers on what is cut, spoilt, of another version or outside its limits: refused,
 * with the fault that it is. */
#include "base_support.h"

#include <math.h>

#include "driver/wire.h"
#include "driver/wire_bytes.h"
#include "driver_wire_vectors.h"

struct tables {
    double exposures_us[OPU_WIRE_TABLE_MAX];
    struct opu_wire_reference references[OPU_WIRE_TABLE_MAX];
};

/* ---- The set-up ---- */

/* A block with one value changed, read from memory of exactly its size. */
static int read_changed(size_t offset, size_t bytes, const void *value)
{
    static struct tables room;
    uint8_t block[sizeof vector_block];
    memcpy(block, vector_block, sizeof block);
    memcpy(block + offset, value, bytes);
    struct opu_wire_setup setup;
    return opu_wire_get_setup(&setup, room.exposures_us, room.references, block, sizeof block);
}

static void setup_outside_its_limits_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint32_t value;
        int fault;
    } words[] = {
        {0, 0, OPU_WIRE_VALUE},
        {4, 0, OPU_WIRE_VALUE},
        {8, 0, OPU_WIRE_VALUE},
        {8, 17, OPU_WIRE_VALUE},
        {12, 2, OPU_WIRE_VALUE},
        {56, 0, OPU_WIRE_VALUE},
        {56, 1025, OPU_WIRE_VALUE},
        {60, 1025, OPU_WIRE_VALUE},
        {56, UINT32_MAX, OPU_WIRE_VALUE},
        {60, UINT32_MAX, OPU_WIRE_VALUE},
        {56, 1024, OPU_WIRE_SHORT},
        {60, 2, OPU_WIRE_SHORT},
        {56, 1, OPU_WIRE_LONG},
        {12, 1, OPU_WIRE_VALUE}, /* a region of 0 x 0 */
        {8, 16, OPU_WIRE_OK},
        {4, UINT32_MAX, OPU_WIRE_OK},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint8_t bytes[4];
        put_u32(bytes, words[i].value);
        int const fault = read_changed(words[i].offset, 4, bytes);
        if (fault != words[i].fault) {
            fail_msg("%u at %zu: fault %d, wanted %d", words[i].value, words[i].offset, fault,
                     words[i].fault);
        }
    }
}

static void setup_with_numbers_that_are_none_is_refused(void **state)
{
    (void)state;
    static const size_t offsets[] = {32, 40, 48, 64, 72, 80, 88};
    static const double values[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        for (size_t j = 0; j < 3; j++) {
            put_f64(bytes, values[j]);
            assert_int_equal(read_changed(offsets[i], 8, bytes), OPU_WIRE_VALUE);
        }
    }
    put_f64(bytes, -1.0);
    assert_int_equal(read_changed(64, 8, bytes), OPU_WIRE_VALUE); /* an exposure below 0 */
    assert_int_equal(read_changed(88, 8, bytes), OPU_WIRE_VALUE); /* an amplitude below 0 */
    put_f64(bytes, 1.5);
    assert_int_equal(read_changed(88, 8, bytes), OPU_WIRE_VALUE); /* and above 1 */
    assert_int_equal(read_changed(80, 8, bytes), OPU_WIRE_OK);    /* phases may be any */
}

/* 65536 x 65536 is 0 modulo 2^32, and 65537 x 65537 is 131073. */
static void region_whose_area_overflows_is_refused(void **state)
{
    (void)state;
    static struct tables room;
    for (uint32_t side = 65536; side <= 65537; side++) {
        uint8_t block[sizeof vector_block];
        memcpy(block, vector_block, sizeof block);
        put_u32(block + 4, side * side == 0 ? 1 : side * side);
        put_u32(block + 12, 1);
        put_u32(block + 16, side);
        put_u32(block + 20, side);
        put_u32(block + 24, 1);
        put_u32(block + 28, 1);
        struct opu_wire_setup setup;
        assert_int_equal(
            opu_wire_get_setup(&setup, room.exposures_us, room.references, block, sizeof block),
            OPU_WIRE_VALUE);
    }
}

static void cut_setup_is_refused(void **state)
{
    (void)state;
    static struct tables room;
    for (size_t n = 0; n <= sizeof vector_block + 1; n++) {
        uint8_t *const exact = calloc(1, n + (n == 0));
        memcpy(exact, vector_block, n < sizeof vector_block ? n : sizeof vector_block);
        struct opu_wire_setup setup;
        int const wanted = n < sizeof vector_block    ? OPU_WIRE_SHORT
                           : n == sizeof vector_block ? OPU_WIRE_OK
                                                      : OPU_WIRE_LONG;
        assert_int_equal(opu_wire_get_setup(&setup, room.exposures_us, room.references, exact, n),
                         wanted);
        free(exact);
    }
}

/* ---- Cut and spoilt ---- */

struct kind {
    const char *name;
    const uint8_t *bytes;
    size_t n;
    size_t guarded; /* bytes, of which each bit is under a CRC of its own or checked */
    int (*get)(const uint8_t *from, size_t n);
};

static int get_info(const uint8_t *from, size_t n)
{
    struct opu_wire_info info;
    return opu_wire_get_info(&info, from, n);
}

static int get_status(const uint8_t *from, size_t n)
{
    struct opu_wire_status status;
    return opu_wire_get_status(&status, from, n);
}

static int get_commit(const uint8_t *from, size_t n)
{
    struct opu_wire_commit commit;
    return opu_wire_get_commit(&commit, from, n);
}

static int get_statistics(const uint8_t *from, size_t n)
{
    struct opu_wire_statistics statistics;
    return opu_wire_get_statistics(&statistics, from, n);
}

static int get_bytes(const uint8_t *from, size_t n)
{
    const uint8_t *body;
    size_t n_body;
    return opu_wire_get_bytes(&body, &n_body, from, n);
}

static int get_out(const uint8_t *from, size_t n)
{
    struct opu_wire_header header;
    return opu_wire_get_header(&header, true, from, n);
}

static int get_in(const uint8_t *from, size_t n)
{
    struct opu_wire_header header;
    return opu_wire_get_header(&header, false, from, n);
}

static int get_event(const uint8_t *from, size_t n)
{
    struct opu_wire_event event;
    return opu_wire_get_event(&event, from, n);
}

#define WHOLE(name, get) \
    { \
#name, vector_##name, sizeof vector_##name, sizeof vector_##name, get \
    }
#define HEADER(name, get) \
    { \
#name, vector_##name, sizeof vector_##name, OPU_WIRE_HEADER_BYTES, get \
    }
static const struct kind kinds[] = {
    WHOLE(info, get_info),          WHOLE(piece, get_bytes),   WHOLE(commit, get_commit),
    WHOLE(status_busy, get_status), WHOLE(message, get_bytes), WHOLE(event, get_event),
    WHOLE(refused, get_in),         HEADER(frames, get_out),   HEADER(frames_pad, get_out),
    HEADER(counts, get_in),
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        assert_int_equal(kinds[k].get(kinds[k].bytes, kinds[k].n), OPU_WIRE_OK);
        for (size_t n = 0; n < kinds[k].n; n++) {
            /* memory of exactly that size: a sanitizer sees any step beyond it */
            uint8_t *const exact = malloc(n > 0 ? n : 1);
            memcpy(exact, kinds[k].bytes, n);
            int const fault = kinds[k].get(exact, n);
            free(exact);
            if (fault != OPU_WIRE_SHORT) {
                fail_msg("%s cut to %zu bytes: fault %d", kinds[k].name, n, fault);
            }
        }
        uint8_t *const longer = calloc(1, kinds[k].n + 64);
        memcpy(longer, kinds[k].bytes, kinds[k].n);
        for (size_t n = kinds[k].n + 1; n <= kinds[k].n + 64; n++) {
            assert_int_equal(kinds[k].get(longer, n), OPU_WIRE_LONG);
        }
        free(longer);
    }
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        uint8_t *const copy = malloc(kinds[k].n);
        memcpy(copy, kinds[k].bytes, kinds[k].n);
        for (size_t bit = 0; bit < 8 * kinds[k].guarded; bit++) {
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            int const fault = kinds[k].get(copy, kinds[k].n);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (fault >= OPU_WIRE_OK || fault < OPU_WIRE_VALUE) {
                fail_msg("%s, bit %zu of byte %zu: fault %d", kinds[k].name, bit % 8, bit / 8,
                         fault);
            }
        }
        free(copy);
    }
}

/* Payload and pad: the header can't tell, its CRC of the payload and the pad's zeros do. */
static void every_flipped_bit_behind_the_header_is_seen(void **state)
{
    (void)state;
    uint8_t packet[sizeof vector_frames_pad];
    memcpy(packet, vector_frames_pad, sizeof packet);
    for (size_t bit = 8 * 40; bit < 8 * sizeof packet; bit++) {
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct opu_wire_header header = {0};
        int const fault = opu_wire_get_header(&header, true, packet, sizeof packet);
        assert_int_equal(header.payload_bytes, 88); /* known also with a fault in the pad */
        if (bit / 8 < 128) {
            assert_int_equal(fault, OPU_WIRE_OK);
            assert_true(opu_crc32c(0, packet + 40, 88) != header.payload_crc);
        } else {
            assert_int_equal(fault, OPU_WIRE_VALUE);
        }
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void refused_bytes_leave_the_target_alone(void **state)
{
    (void)state;
    uint8_t bytes[sizeof vector_info];
    memcpy(bytes, vector_info, sizeof bytes);
    bytes[100] ^= 1;
    struct opu_wire_info info;
    struct opu_wire_info before;
    memset(&info, 0x5a, sizeof info);
    memcpy(&before, &info, sizeof info);
    assert_int_equal(opu_wire_get_info(&info, bytes, sizeof bytes), OPU_WIRE_CRC);
    assert_memory_equal(&info, &before, sizeof info);
}

/* The same bytes with another version, and CRCs that are right. */
static void another_version_is_told_from_damage(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 300; version += version == 0 || version > 3 ? 2 : 1) {
        for (size_t k = 0; k < N_KINDS; k++) {
            bool const packet = kinds[k].bytes[0] == 'O';
            bool const event = kinds[k].bytes[0] == 'E';
            uint8_t *const copy = malloc(kinds[k].n);
            memcpy(copy, kinds[k].bytes, kinds[k].n);
            put_u16(copy + (packet ? 4 : event ? 2 : 0), version);
            size_t const crc = packet ? 36 : kinds[k].n - 4;
            put_u32(copy + crc, opu_crc32c(0, copy, crc));
            assert_int_equal(kinds[k].get(copy, kinds[k].n),
                             version == 1 ? OPU_WIRE_OK : OPU_WIRE_OTHER_VERSION);
            if (packet) {
                assert_int_equal(opu_wire_packet_version(copy, kinds[k].n), version);
            } else if (!event) {
                assert_int_equal(opu_wire_wrap_version(copy, kinds[k].n), version);
            }
            free(copy);
        }
    }
    assert_int_equal(opu_wire_wrap_version(vector_info, 1), 0);
    assert_int_equal(opu_wire_wrap_version(vector_info, 2), 1);
    assert_int_equal(opu_wire_packet_version(vector_frames, 5), 0);
    assert_int_equal(opu_wire_packet_version(vector_frames, 6), 1);
}

/* A header whose CRC is right and whose words are not. */
static int header_with(bool out, size_t offset, uint32_t word)
{
    uint8_t packet[sizeof vector_frames + sizeof vector_counts] = {0};
    size_t const n = out ? sizeof vector_frames : sizeof vector_counts;
    memcpy(packet, out ? vector_frames : vector_counts, n);
    put_u32(packet + offset, word);
    put_u32(packet + 36, opu_crc32c(0, packet, 36));
    return out ? get_out(packet, n) : get_in(packet, n);
}

static void header_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    assert_int_equal(header_with(true, 4, 1u), OPU_WIRE_OK);                /* frames */
    assert_int_equal(header_with(true, 4, 1u | 1u << 16), OPU_WIRE_VALUE);  /* counts, out */
    assert_int_equal(header_with(true, 4, 1u | 2u << 16), OPU_WIRE_VALUE);  /* refused, out */
    assert_int_equal(header_with(false, 4, 1u), OPU_WIRE_VALUE);            /* frames, in */
    assert_int_equal(header_with(false, 4, 1u | 2u << 16), OPU_WIRE_VALUE); /* with a payload */
    assert_int_equal(header_with(false, 4, 1u | 3u << 16), OPU_WIRE_VALUE);
    assert_int_equal(header_with(true, 20, 0), OPU_WIRE_VALUE); /* no frames */
    assert_int_equal(header_with(true, 20, 3), OPU_WIRE_OK);    /* 3 x 13 <= 44 */
    assert_int_equal(header_with(true, 20, 4), OPU_WIRE_VALUE);
    assert_int_equal(header_with(true, 20, UINT32_MAX), OPU_WIRE_VALUE);
    assert_int_equal(header_with(true, 20, UINT32_C(0x80000000)), OPU_WIRE_VALUE);
    assert_int_equal(header_with(true, 28, 1), OPU_WIRE_VALUE); /* a code, and no refusal */
    assert_int_equal(header_with(true, 24, UINT32_MAX), OPU_WIRE_SHORT);
    assert_int_equal(header_with(true, 24, 0), OPU_WIRE_LONG);
}

static int with_word(const uint8_t *from, size_t n, size_t offset, const void *value, size_t bytes,
                     int (*get)(const uint8_t *, size_t))
{
    uint8_t copy[OPU_WIRE_CONTROL_BYTES];
    memcpy(copy, from, n);
    memcpy(copy + offset, value, bytes);
    put_u32(copy + n - 4, opu_crc32c(0, copy, n - 4));
    return get(copy, n);
}

static void control_bodies_with_values_that_cannot_be_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[256];
    put_f64(bytes, (double)NAN);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(
            with_word(vector_info, sizeof vector_info, 4 + 48 + 8 * i, bytes, 8, get_info),
            OPU_WIRE_VALUE);
    }
    put_u32(bytes, 0);
    static const size_t counts[] = {16, 20, 24, 40}; /* inputs, pixels, exposures, queue */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            with_word(vector_info, sizeof vector_info, 4 + counts[i], bytes, 4, get_info),
            OPU_WIRE_VALUE);
    }
    memset(bytes, 'x', sizeof bytes); /* texts that do not end */
    assert_int_equal(with_word(vector_info, sizeof vector_info, 4 + 128, bytes, 64, get_info),
                     OPU_WIRE_VALUE);
    assert_int_equal(with_word(vector_info, sizeof vector_info, 4 + 192, bytes, 256, get_info),
                     OPU_WIRE_VALUE);
    assert_int_equal(with_word(vector_info, sizeof vector_info, 4 + 128, "a\nb", 4, get_info),
                     OPU_WIRE_VALUE);
    put_u32(bytes, 4);
    assert_int_equal(
        with_word(vector_status_busy, sizeof vector_status_busy, 4, bytes, 4, get_status),
        OPU_WIRE_VALUE); /* no such state */
    put_u32(bytes, 1);
    assert_int_equal(
        with_word(vector_status_busy, sizeof vector_status_busy, 8, bytes, 4, get_status),
        OPU_WIRE_VALUE); /* results are 0 or negative */
    put_u32(bytes, 0);
    assert_int_equal(with_word(vector_commit, sizeof vector_commit, 4, bytes, 4, get_commit),
                     OPU_WIRE_VALUE); /* set-up 0 */
    put_u32(bytes, 63);
    assert_int_equal(with_word(vector_commit, sizeof vector_commit, 8, bytes, 4, get_commit),
                     OPU_WIRE_VALUE);
    put_u32(bytes, OPU_WIRE_SETUP_MAX + 1);
    assert_int_equal(with_word(vector_commit, sizeof vector_commit, 8, bytes, 4, get_commit),
                     OPU_WIRE_VALUE);
    uint8_t wrapped[OPU_WIRE_CONTROL_BYTES];
    struct opu_wire_statistics const statistics = {.laser_s = -1.0};
    size_t const n = opu_wire_put_statistics(wrapped, &statistics);
    assert_int_equal(get_statistics(wrapped, n), OPU_WIRE_VALUE);
}

/* A body of one request read as another's. */
static void body_of_another_request_is_refused(void **state)
{
    (void)state;
    assert_int_equal(get_info(vector_commit, sizeof vector_commit), OPU_WIRE_SHORT);
    assert_int_equal(get_commit(vector_info, sizeof vector_info), OPU_WIRE_LONG);
    assert_int_equal(get_status(vector_info, sizeof vector_info), OPU_WIRE_LONG);
}

static void every_fault_has_its_own_words(void **state)
{
    (void)state;
    for (int a = OPU_WIRE_VALUE; a <= OPU_WIRE_OK; a++) {
        assert_true(strlen(opu_wire_fault_text(a)) > 10);
        for (int b = OPU_WIRE_VALUE; b < a; b++) {
            assert_string_not_equal(opu_wire_fault_text(a), opu_wire_fault_text(b));
        }
    }
    assert_non_null(opu_wire_fault_text(1));
    assert_non_null(opu_wire_fault_text(-1000));
    assert_non_null(opu_wire_fault_text(INT32_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setup_outside_its_limits_is_refused),
        cmocka_unit_test(setup_with_numbers_that_are_none_is_refused),
        cmocka_unit_test(region_whose_area_overflows_is_refused),
        cmocka_unit_test(cut_setup_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_flipped_bit_behind_the_header_is_seen),
        cmocka_unit_test(refused_bytes_leave_the_target_alone),
        cmocka_unit_test(another_version_is_told_from_damage),
        cmocka_unit_test(header_that_contradicts_itself_is_refused),
        cmocka_unit_test(control_bodies_with_values_that_cannot_be_are_refused),
        cmocka_unit_test(body_of_another_request_is_refused),
        cmocka_unit_test(every_fault_has_its_own_words),
    };
    return cmocka_run_group_tests_name("driver_wire_spoilt", tests, NULL, NULL);
}
