/* SPDX-License-Identifier: MIT */
/*
 * Any bytes are a payload, packet or event of the wire, which written again is the same, or are
 * refused. The first byte says what they are read as; where its highest bit is set the CRC is made
 * right first, so that a fuzzer gets behind it.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "driver/wire.h"
#include "driver/wire_bytes.h"

#define MEND 0x80u

/* A reader, and where in n bytes the CRC of all before it stands. */
struct reader {
    void (*run)(const uint8_t *from, size_t n);
    size_t (*crc)(size_t n);
};

static void check_fault(int fault)
{
    FUZZ_CHECK(fault <= OPU_WIRE_OK && fault >= OPU_WIRE_VALUE);
    FUZZ_CHECK(opu_wire_fault_text(fault)[0] != '\0');
}

static void read_info(const uint8_t *from, size_t n)
{
    struct opu_wire_info info;
    int const fault = opu_wire_get_info(&info, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        FUZZ_CHECK(strlen(info.serial) < sizeof info.serial && info.queue > 0);
        FUZZ_CHECK(strlen(info.identity) < sizeof info.identity);
        FUZZ_CHECK(isfinite(info.frame_rate_hz) && isfinite(info.black_level));
        uint8_t once[OPU_WIRE_CONTROL_BYTES];
        uint8_t twice[OPU_WIRE_CONTROL_BYTES];
        FUZZ_CHECK(opu_wire_put_info(once, &info) == n);
        FUZZ_CHECK(opu_wire_get_info(&info, once, n) == OPU_WIRE_OK);
        FUZZ_CHECK(opu_wire_put_info(twice, &info) == n && memcmp(once, twice, n) == 0);
    }
}

static void read_status(const uint8_t *from, size_t n)
{
    struct opu_wire_status status;
    int const fault = opu_wire_get_status(&status, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        FUZZ_CHECK(status.state <= OPU_WIRE_FAULT && status.result <= 0);
        uint8_t again[OPU_WIRE_CONTROL_BYTES];
        FUZZ_CHECK(opu_wire_put_status(again, &status) == n);
        FUZZ_CHECK(memcmp(again, from, 32) == 0 && memcmp(again + 36, from + 36, n - 40) == 0);
    }
}

static void read_statistics(const uint8_t *from, size_t n)
{
    struct opu_wire_statistics statistics;
    int const fault = opu_wire_get_statistics(&statistics, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        uint8_t again[OPU_WIRE_CONTROL_BYTES];
        FUZZ_CHECK(opu_wire_put_statistics(again, &statistics) == n);
        FUZZ_CHECK(memcmp(again, from, n) == 0);
    }
}

static void read_commit(const uint8_t *from, size_t n)
{
    struct opu_wire_commit commit;
    int const fault = opu_wire_get_commit(&commit, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        uint8_t again[OPU_WIRE_CONTROL_BYTES];
        FUZZ_CHECK(commit.setup != 0 && commit.bytes <= OPU_WIRE_SETUP_MAX);
        FUZZ_CHECK(opu_wire_put_commit(again, &commit) == n && memcmp(again, from, n) == 0);
    }
}

static void read_bytes(const uint8_t *from, size_t n)
{
    const uint8_t *body;
    size_t n_body;
    int const fault = opu_wire_get_bytes(&body, &n_body, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        uint8_t again[OPU_WIRE_CONTROL_BYTES];
        FUZZ_CHECK(body >= from && n_body <= n && n_body <= OPU_WIRE_PIECE_BYTES);
        FUZZ_CHECK(opu_wire_put_bytes(again, body, n_body) == n && memcmp(again, from, n) == 0);
    }
    (void)opu_wire_wrap_version(from, n);
}

static void read_setup(const uint8_t *from, size_t n)
{
    static double exposures_us[OPU_WIRE_TABLE_MAX];
    static struct opu_wire_reference references[OPU_WIRE_TABLE_MAX];
    static uint8_t again[OPU_WIRE_SETUP_MAX];
    struct opu_wire_setup setup;
    int const fault = opu_wire_get_setup(&setup, exposures_us, references, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        FUZZ_CHECK(setup.n_exposures > 0 && setup.n_exposures <= OPU_WIRE_TABLE_MAX);
        FUZZ_CHECK(setup.n_references <= OPU_WIRE_TABLE_MAX && setup.bits <= 16);
        FUZZ_CHECK(opu_wire_put_setup(again, &setup) == n && memcmp(again, from, n) == 0);
    }
}

static void read_packet(bool out, const uint8_t *from, size_t n)
{
    struct opu_wire_header header;
    int const fault = opu_wire_get_header(&header, out, from, n);
    check_fault(fault);
    (void)opu_wire_packet_version(from, n);
    if (fault != OPU_WIRE_OK) {
        return;
    }
    FUZZ_CHECK(n % 64 != 0 && header.payload_bytes <= n - OPU_WIRE_HEADER_BYTES);
    uint8_t *const again = malloc(n);
    if (again == NULL) {
        return;
    }
    memcpy(again, from, n);
    memset(again, 0xee, OPU_WIRE_HEADER_BYTES);
    FUZZ_CHECK(opu_wire_finish_packet(again, out, &header) == n && memcmp(again, from, n) == 0);
    /* The heads of its frames lie inside it. */
    const uint8_t *const payload = from + OPU_WIRE_HEADER_BYTES;
    for (uint32_t i = 0; i < header.n_frames; i++) {
        uint8_t bytes[OPU_WIRE_COUNT_BYTES];
        if (out) {
            struct opu_wire_frame frame;
            opu_wire_get_frame(&frame, payload + (size_t)i * OPU_WIRE_FRAME_BYTES);
            opu_wire_put_frame(bytes, &frame);
            FUZZ_CHECK(memcmp(bytes, payload + (size_t)i * OPU_WIRE_FRAME_BYTES,
                              OPU_WIRE_FRAME_BYTES) == 0);
        } else {
            struct opu_wire_count count;
            opu_wire_get_count(&count, payload + (size_t)i * OPU_WIRE_COUNT_BYTES);
            opu_wire_put_count(bytes, &count);
            FUZZ_CHECK(memcmp(bytes, payload + (size_t)i * OPU_WIRE_COUNT_BYTES,
                              OPU_WIRE_COUNT_BYTES) == 0);
        }
    }
    free(again);
}

static void read_out(const uint8_t *from, size_t n)
{
    read_packet(true, from, n);
}

static void read_in(const uint8_t *from, size_t n)
{
    read_packet(false, from, n);
}

static void read_event(const uint8_t *from, size_t n)
{
    struct opu_wire_event event;
    int const fault = opu_wire_get_event(&event, from, n);
    check_fault(fault);
    if (fault == OPU_WIRE_OK) {
        uint8_t again[OPU_WIRE_EVENT_BYTES];
        FUZZ_CHECK(opu_wire_put_event(again, &event) == n && memcmp(again, from, n) == 0);
    }
}

/* Every way to a CRC gives the same. */
static void read_crc(const uint8_t *from, size_t n)
{
    uint32_t const wanted = opu_crc32c_plain(0, from, n);
    FUZZ_CHECK(opu_crc32c(0, from, n) == wanted);
    uint8_t *const copy = malloc(n > 0 ? n : 1);
    if (copy != NULL) {
        FUZZ_CHECK(opu_crc32c_copy(0, copy, from, n) == wanted && memcmp(copy, from, n) == 0);
    }
    free(copy);
}

static size_t at_end(size_t n)
{
    return n >= 4 ? n - 4 : n;
}

static size_t in_header(size_t n)
{
    return n >= OPU_WIRE_HEADER_BYTES ? OPU_WIRE_HEADER_BYTES - 4 : n;
}

static const struct reader readers[] = {
    {read_info, at_end},  {read_status, at_end}, {read_statistics, at_end}, {read_commit, at_end},
    {read_bytes, at_end}, {read_setup, NULL},    {read_out, in_header},     {read_in, in_header},
    {read_event, at_end}, {read_crc, NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct reader *const reader =
        &readers[(data[0] & ~MEND) % (sizeof readers / sizeof readers[0])];
    size_t const n = size - 1;
    uint8_t *const bytes = malloc(n > 0 ? n : 1);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data + 1, n);
    if ((data[0] & MEND) != 0 && reader->crc != NULL && reader->crc(n) < n) {
        size_t const at = reader->crc(n);
        put_u32(bytes + at, opu_crc32c(0, bytes, at));
    }
    reader->run(bytes, n);
    free(bytes);
    return 0;
}
