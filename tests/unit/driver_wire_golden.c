/* SPDX-License-Identifier: MIT */
/* The conversation of PROTOCOL.md, written and read byte by byte. driver_wire_vectors.py made the
 * bytes, without our C code. */
#include "base_support.h"

#include "driver/wire.h"
#include "driver_wire_vectors.h"

#define assert_bytes(vector, bytes, n) \
    do { \
        assert_int_equal((n), sizeof(vector)); \
        assert_memory_equal((bytes), (vector), sizeof(vector)); \
    } while (0)

static void info_is_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    struct opu_wire_info const info = {
        .firmware = 0x010203,
        .flags = 0x0d,
        .adc_bits = 0x500,
        .default_bits = 8,
        .max_inputs = 16384,
        .max_pixels = 65536,
        .max_exposures = 1024,
        .max_references = 16,
        .max_out_bytes = 65536,
        .max_in_bytes = 131072,
        .queue = 4,
        .shot_noise = true,
        .min_exposure_us = 10.0,
        .max_exposure_us = 1e6,
        .frame_rate_hz = 1440.0,
        .upload_bytes_per_s = 2.5e6,
        .power_w = 30.0,
        .signal_per_us = 0x1p-11,
        .reference_per_us = 0.25,
        .full_well_e = 10000.0,
        .read_noise_e = 13.0,
        .black_level = 0x1p-5,
        .serial = "LAB-0042",
        .identity = "board:LAB:r3",
    };
    uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
    assert_bytes(vector_info, bytes, opu_wire_put_info(bytes, &info));
    struct opu_wire_info back;
    assert_int_equal(opu_wire_get_info(&back, vector_info, sizeof vector_info), OPU_WIRE_OK);
    assert_string_equal(back.identity, info.identity);
    memset(bytes, 0xee, sizeof bytes);
    assert_bytes(vector_info, bytes, opu_wire_put_info(bytes, &back));
}

static void setup_is_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    static const double exposures_us[] = {100.0, 250.0};
    static const struct opu_wire_reference references[] = {{0.0, 1.0}};
    struct opu_wire_setup const setup = {.n_inputs = 76,
                                         .n_pixels = 6,
                                         .bits = 8,
                                         .n_exposures = 2,
                                         .n_references = 1,
                                         .exposures_us = exposures_us,
                                         .references = references};
    uint8_t block[128];
    uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
    size_t const n = opu_wire_put_setup(block, &setup);
    assert_bytes(vector_block, block, n);
    assert_bytes(vector_piece, bytes, opu_wire_put_bytes(bytes, block, n));
    struct opu_wire_commit const commit = {
        .setup = 7, .bytes = (uint32_t)n, .crc = opu_crc32c(0, block, n)};
    assert_bytes(vector_commit, bytes, opu_wire_put_commit(bytes, &commit));

    static double exposures_room[OPU_WIRE_TABLE_MAX];
    static struct opu_wire_reference references_room[OPU_WIRE_TABLE_MAX];
    struct opu_wire_setup back;
    assert_int_equal(opu_wire_get_setup(&back, exposures_room, references_room, vector_block,
                                        sizeof vector_block),
                     OPU_WIRE_OK);
    assert_int_equal(back.n_inputs, 76);
    assert_int_equal(back.n_pixels, 6);
    assert_int_equal(back.n_exposures, 2);
    assert_int_equal(back.n_references, 1);
    assert_memory_equal(back.exposures_us, exposures_us, sizeof exposures_us);
    assert_memory_equal(back.references, references, sizeof references);
}

static void status_and_message_are_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    struct opu_wire_status status = {.state = OPU_WIRE_BUSY, .epoch = 1, .temperature_c = 31.5};
    uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
    assert_bytes(vector_status_busy, bytes, opu_wire_put_status(bytes, &status));
    status.state = OPU_WIRE_READY;
    status.setup = 7;
    assert_bytes(vector_status_ready, bytes, opu_wire_put_status(bytes, &status));
    status.epoch = 2;
    status.frames = 2;
    status.laser = true;
    assert_bytes(vector_status_flushed, bytes, opu_wire_put_status(bytes, &status));
    static const char sentence[] = "packet 1: the CRC of the data is wrong";
    assert_bytes(vector_message, bytes, opu_wire_put_bytes(bytes, sentence, sizeof sentence - 1));
    const uint8_t *body;
    size_t n;
    assert_int_equal(opu_wire_get_bytes(&body, &n, vector_message, sizeof vector_message),
                     OPU_WIRE_OK);
    assert_int_equal(n, sizeof sentence - 1);
    assert_memory_equal(body, sentence, n);
}

/* A packet of n frames of 76 inputs; pattern i has `bits[i]` in nine bytes, and half of it in the
 * tenth. */
static size_t put_frames(uint8_t *to, uint32_t epoch, uint32_t sequence, size_t n, uint64_t first,
                         const uint8_t *bits)
{
    uint8_t *const payload = to + OPU_WIRE_HEADER_BYTES;
    for (size_t i = 0; i < n; i++) {
        struct opu_wire_frame const frame = {.number = first + i, .exposure = (uint16_t)(i % 2)};
        opu_wire_put_frame(payload + i * OPU_WIRE_FRAME_BYTES, &frame);
        uint8_t *const row = payload + n * OPU_WIRE_FRAME_BYTES + 10 * i;
        memset(row, bits[i], 9);
        row[9] = bits[i] & 0x0f;
    }
    size_t const bytes = opu_wire_frames_payload(n, 76);
    struct opu_wire_header const header = {.kind = OPU_WIRE_FRAMES,
                                           .epoch = epoch,
                                           .sequence = sequence,
                                           .setup = 7,
                                           .n_frames = (uint32_t)n,
                                           .payload_bytes = (uint32_t)bytes,
                                           .payload_crc = opu_crc32c(0, payload, bytes)};
    return opu_wire_finish_packet(to, true, &header);
}

static void frames_are_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    static const uint8_t two[] = {0xa5, 0xff};
    static const uint8_t four[] = {0x11, 0x22, 0x33, 0x44};
    uint8_t packet[256];
    memset(packet, 0xee, sizeof packet); /* the pad must be written */
    assert_bytes(vector_frames, packet, put_frames(packet, 1, 0, 2, 0, two));
    memset(packet, 0xee, sizeof packet);
    assert_bytes(vector_frames_pad, packet, put_frames(packet, 1, 1, 4, 2, four));
    assert_bytes(vector_frames_again, packet, put_frames(packet, 2, 0, 4, 2, four));

    struct opu_wire_header header;
    assert_int_equal(
        opu_wire_get_header(&header, true, vector_frames_pad, sizeof vector_frames_pad),
        OPU_WIRE_OK);
    assert_int_equal(header.sequence, 1);
    assert_int_equal(header.n_frames, 4);
    struct opu_wire_frame frame;
    opu_wire_get_frame(&frame, vector_frames_pad + 40 + 3 * OPU_WIRE_FRAME_BYTES);
    assert_int_equal(frame.number, 5);
    assert_int_equal(frame.exposure, 1);
}

static void counts_are_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    static const struct opu_wire_count heads[] = {{.number = 0},
                                                  {.number = 1, .time_s = 0.5, .saturated = 2}};
    static const uint8_t counts[] = {12, 40, 9, 77, 3, 130, 31, 255, 24, 190, 8, 255};
    uint8_t packet[256];
    uint8_t *const payload = packet + OPU_WIRE_HEADER_BYTES;
    opu_wire_put_count(payload, &heads[0]);
    opu_wire_put_count(payload + 24, &heads[1]);
    size_t const bytes = opu_wire_counts_payload(2, 6, 8);
    struct opu_wire_header header = {.kind = OPU_WIRE_COUNTS,
                                     .epoch = 1,
                                     .setup = 7,
                                     .n_frames = 2,
                                     .payload_bytes = (uint32_t)bytes,
                                     .payload_crc = opu_crc32c(0, payload, 48)};
    header.payload_crc = opu_crc32c_copy(header.payload_crc, payload + 48, counts, sizeof counts);
    assert_bytes(vector_counts, packet, opu_wire_finish_packet(packet, false, &header));
    struct opu_wire_count head;
    opu_wire_get_count(&head, vector_counts + 40 + 24);
    assert_memory_equal(&head, &heads[1], sizeof head);
}

static void refusal_and_event_are_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    struct opu_wire_header header;
    assert_int_equal(
        opu_wire_get_header(&header, true, vector_frames_spoilt, sizeof vector_frames_spoilt),
        OPU_WIRE_OK);
    assert_true(opu_crc32c(0, vector_frames_spoilt + 40, 88) != header.payload_crc);

    uint8_t bytes[64];
    struct opu_wire_header const refusal = {.kind = OPU_WIRE_REFUSED,
                                            .epoch = 1,
                                            .sequence = 1,
                                            .setup = 7,
                                            .code = OPU_WIRE_BAD_PAYLOAD};
    assert_bytes(vector_refused, bytes, opu_wire_finish_packet(bytes, false, &refusal));
    struct opu_wire_event const event = {.kind = OPU_WIRE_OVER_EXPOSURE, .value = 2, .frame = 1};
    assert_bytes(vector_event, bytes, opu_wire_put_event(bytes, &event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_is_the_bytes_of_the_protocol),
        cmocka_unit_test(setup_is_the_bytes_of_the_protocol),
        cmocka_unit_test(status_and_message_are_the_bytes_of_the_protocol),
        cmocka_unit_test(frames_are_the_bytes_of_the_protocol),
        cmocka_unit_test(counts_are_the_bytes_of_the_protocol),
        cmocka_unit_test(refusal_and_event_are_the_bytes_of_the_protocol),
    };
    return cmocka_run_group_tests_name("driver_wire_golden", tests, NULL, NULL);
}
