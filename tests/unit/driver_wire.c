/* SPDX-License-Identifier: MIT */
/* The wire: what is written is read back, whatever it is; sizes. */
#include "base_support.h"

#include <math.h>

#include "core/base/rng.h"
#include "driver/wire.h"
#include "driver/wire_bytes.h"

#define ROUNDS 200
#define ROOM 65536

static uint64_t seed;
static uint32_t drawn; /* blocks so far */

static uint32_t draw32(void)
{
    return opu_philox(seed, OPU_STREAM_TEST, drawn++, 0).v[0];
}

static uint64_t draw64(void)
{
    return (uint64_t)draw32() << 32 | draw32();
}

static uint32_t draw_below(uint32_t n)
{
    return draw32() % n;
}

static double draw_double(void)
{
    return ldexp((double)draw32() - 2147483648.0, (int)draw_below(64) - 32);
}

static void draw_bytes(uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)draw32();
    }
}

static void draw_text(char *to, size_t room)
{
    size_t const n = draw_below((uint32_t)room);
    memset(to, 0, room);
    for (size_t i = 0; i < n; i++) {
        to[i] = (char)(0x20 + draw_below(0x5f));
    }
}

static struct opu_wire_info draw_info(void)
{
    struct opu_wire_info info = {
        .firmware = draw32(),
        .flags = draw32(),
        .adc_bits = draw32(),
        .default_bits = draw32(),
        .max_inputs = 1 + draw_below(UINT32_MAX),
        .max_pixels = 1 + draw_below(UINT32_MAX),
        .max_exposures = 1 + draw_below(1024),
        .max_references = draw32(),
        .max_out_bytes = draw32(),
        .max_in_bytes = draw32(),
        .queue = 1 + draw_below(64),
        .shot_noise = draw_below(2) != 0,
        .min_exposure_us = draw_double(),
        .max_exposure_us = draw_double(),
        .frame_rate_hz = draw_double(),
        .upload_bytes_per_s = draw_double(),
        .power_w = draw_double(),
        .signal_per_us = draw_double(),
        .reference_per_us = draw_double(),
        .full_well_e = draw_double(),
        .read_noise_e = draw_double(),
        .black_level = draw_double(),
    };
    draw_text(info.serial, sizeof info.serial);
    draw_text(info.identity, sizeof info.identity);
    return info;
}

/* Member by member: padding is nobody's. */
static void assert_same_info(const struct opu_wire_info *a, const struct opu_wire_info *b)
{
    assert_int_equal(a->firmware, b->firmware);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->adc_bits, b->adc_bits);
    assert_int_equal(a->default_bits, b->default_bits);
    assert_int_equal(a->max_inputs, b->max_inputs);
    assert_int_equal(a->max_pixels, b->max_pixels);
    assert_int_equal(a->max_exposures, b->max_exposures);
    assert_int_equal(a->max_references, b->max_references);
    assert_int_equal(a->max_out_bytes, b->max_out_bytes);
    assert_int_equal(a->max_in_bytes, b->max_in_bytes);
    assert_int_equal(a->queue, b->queue);
    assert_int_equal(a->shot_noise, b->shot_noise);
    assert_memory_equal(&a->min_exposure_us, &b->min_exposure_us, sizeof(double));
    assert_memory_equal(&a->max_exposure_us, &b->max_exposure_us, sizeof(double));
    assert_memory_equal(&a->frame_rate_hz, &b->frame_rate_hz, sizeof(double));
    assert_memory_equal(&a->upload_bytes_per_s, &b->upload_bytes_per_s, sizeof(double));
    assert_memory_equal(&a->power_w, &b->power_w, sizeof(double));
    assert_memory_equal(&a->signal_per_us, &b->signal_per_us, sizeof(double));
    assert_memory_equal(&a->reference_per_us, &b->reference_per_us, sizeof(double));
    assert_memory_equal(&a->full_well_e, &b->full_well_e, sizeof(double));
    assert_memory_equal(&a->read_noise_e, &b->read_noise_e, sizeof(double));
    assert_memory_equal(&a->black_level, &b->black_level, sizeof(double));
    assert_string_equal(a->serial, b->serial);
    assert_string_equal(a->identity, b->identity);
}

/* ---- Round trips ---- */

static void info_comes_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
        struct opu_wire_info const info = draw_info();
        struct opu_wire_info back;
        size_t const n = opu_wire_put_info(bytes, &info);
        assert_int_equal(n, 448 + OPU_WIRE_WRAP_BYTES);
        assert_int_equal(opu_wire_get_info(&back, bytes, n), OPU_WIRE_OK);
        assert_same_info(&info, &back);
    }
}

static void status_comes_back(void **state)
{
    (void)state;
    static const int32_t results[] = {0, -1, -14, -99, INT32_MIN};
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
        struct opu_wire_status const status = {
            .state = draw_below(4),
            .result = results[draw_below(5)],
            .setup = draw32(),
            .epoch = draw32(),
            .next = draw32(),
            .queued = draw32(),
            .answers = draw32(),
            .laser = draw_below(2) != 0,
            .interlock = draw_below(2) != 0,
            .frames = draw64(),
            .temperature_c = draw_below(8) == 0 ? (double)NAN : draw_double(),
        };
        struct opu_wire_status back;
        size_t const n = opu_wire_put_status(bytes, &status);
        assert_int_equal(opu_wire_get_status(&back, bytes, n), OPU_WIRE_OK);
        assert_int_equal(back.state, status.state);
        assert_int_equal(back.result, status.result);
        assert_int_equal(back.setup, status.setup);
        assert_int_equal(back.epoch, status.epoch);
        assert_int_equal(back.next, status.next);
        assert_int_equal(back.queued, status.queued);
        assert_int_equal(back.answers, status.answers);
        assert_int_equal(back.laser, status.laser);
        assert_int_equal(back.interlock, status.interlock);
        assert_true(back.frames == status.frames);
        assert_true(isnan(status.temperature_c)
                        ? isnan(back.temperature_c)
                        : !(fabs(back.temperature_c - status.temperature_c) > 0.0));
    }
}

static void statistics_come_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
        struct opu_wire_statistics const statistics = {
            .frames = draw64(),
            .packets = draw64(),
            .answers = draw64(),
            .refused = draw64(),
            .triggers_lost = draw64(),
            .upload_bytes = draw64(),
            .upload_s = fabs(draw_double()),
            .laser_s = fabs(draw_double()),
            .bytes_out = draw64(),
            .bytes_in = draw64(),
        };
        struct opu_wire_statistics back;
        size_t const n = opu_wire_put_statistics(bytes, &statistics);
        assert_int_equal(opu_wire_get_statistics(&back, bytes, n), OPU_WIRE_OK);
        assert_memory_equal(&back, &statistics, sizeof back); /* 8-byte members: no padding */
    }
}

static void commit_and_bytes_come_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[OPU_WIRE_CONTROL_BYTES];
        struct opu_wire_commit const commit = {
            .setup = 1 + draw_below(UINT32_MAX),
            .bytes = 64 + draw_below(OPU_WIRE_SETUP_MAX - 63),
            .crc = draw32(),
        };
        struct opu_wire_commit back;
        size_t n = opu_wire_put_commit(bytes, &commit);
        assert_int_equal(opu_wire_get_commit(&back, bytes, n), OPU_WIRE_OK);
        assert_memory_equal(&back, &commit, sizeof back);

        uint8_t body[OPU_WIRE_PIECE_BYTES];
        size_t const wanted = draw_below(OPU_WIRE_PIECE_BYTES + 1);
        draw_bytes(body, wanted);
        const uint8_t *seen;
        size_t n_seen;
        n = opu_wire_put_bytes(bytes, body, wanted);
        assert_int_equal(n, wanted + OPU_WIRE_WRAP_BYTES);
        assert_int_equal(opu_wire_get_bytes(&seen, &n_seen, bytes, n), OPU_WIRE_OK);
        assert_int_equal(n_seen, wanted);
        assert_memory_equal(seen, body, wanted);
    }
}

static void body_too_long_for_a_request_is_not_written(void **state)
{
    (void)state;
    uint8_t bytes[OPU_WIRE_CONTROL_BYTES + 1] = {0};
    uint8_t body[OPU_WIRE_PIECE_BYTES + 1] = {0};
    assert_int_equal(opu_wire_put_bytes(bytes, body, sizeof body), 0);
    assert_int_equal(opu_wire_put_bytes(bytes, body, sizeof body - 1), 1016);
}

/* ---- The set-up ---- */

struct tables {
    double exposures_us[OPU_WIRE_TABLE_MAX];
    struct opu_wire_reference references[OPU_WIRE_TABLE_MAX];
};

static struct opu_wire_setup draw_setup(struct tables *tables)
{
    uint32_t const kind = draw_below(2);
    struct opu_wire_setup setup = {
        .n_inputs = 1 + draw_below(100000),
        .bits = 1 + draw_below(16),
        .output_kind = kind,
        .n_pixels = 1 + draw_below(100000),
        .pixels_per_grain = fabs(draw_double()),
        .carrier_x = draw_double(),
        .carrier_y = draw_double(),
        .n_exposures = 1 + draw_below(OPU_WIRE_TABLE_MAX),
        .n_references = draw_below(OPU_WIRE_TABLE_MAX + 1),
        .exposures_us = tables->exposures_us,
        .references = tables->references,
    };
    if (kind == 1) {
        setup.width = 1 + draw_below(4096);
        setup.height = 1 + draw_below(4096);
        setup.n_pixels = setup.width * setup.height;
        setup.stride = 1 + draw_below(8);
        setup.binning = 1 + draw_below(8);
    }
    for (uint32_t i = 0; i < setup.n_exposures; i++) {
        tables->exposures_us[i] = fabs(draw_double());
    }
    for (uint32_t i = 0; i < setup.n_references; i++) {
        tables->references[i] = (struct opu_wire_reference){.phase_rad = draw_double(),
                                                            .amplitude = opu_uniform(draw32())};
    }
    return setup;
}

static void setup_comes_back_to_the_last_bit(void **state)
{
    (void)state;
    static struct tables given;
    static struct tables room;
    static uint8_t block[OPU_WIRE_SETUP_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        struct opu_wire_setup const setup = draw_setup(&given);
        struct opu_wire_setup back;
        size_t const n = opu_wire_put_setup(block, &setup);
        assert_int_equal(n, 64 + 8 * setup.n_exposures + 16 * setup.n_references);
        assert_int_equal(opu_wire_get_setup(&back, room.exposures_us, room.references, block, n),
                         OPU_WIRE_OK);
        assert_ptr_equal(back.exposures_us, room.exposures_us);
        assert_ptr_equal(back.references, room.references);
        assert_memory_equal(room.exposures_us, given.exposures_us, 8 * setup.n_exposures);
        assert_memory_equal(room.references, given.references, 16 * setup.n_references);
        back.exposures_us = setup.exposures_us;
        back.references = setup.references;
        static uint8_t again[OPU_WIRE_SETUP_MAX];
        assert_int_equal(opu_wire_put_setup(again, &back), n);
        assert_memory_equal(again, block, n);
    }
}

static void setup_at_its_largest_fits(void **state)
{
    (void)state;
    static struct tables tables;
    static uint8_t block[OPU_WIRE_SETUP_MAX];
    struct opu_wire_setup setup = {.n_inputs = 1,
                                   .n_pixels = 1,
                                   .bits = 8,
                                   .n_exposures = 1024,
                                   .n_references = 1024,
                                   .exposures_us = tables.exposures_us,
                                   .references = tables.references};
    assert_int_equal(opu_wire_put_setup(block, &setup), OPU_WIRE_SETUP_MAX);
    setup.n_exposures = 1025;
    assert_int_equal(opu_wire_put_setup(block, &setup), 0);
}

/* ---- Lengths ---- */

static void no_packet_is_a_multiple_of_64(void **state)
{
    (void)state;
    for (size_t payload = 0; payload < 70000; payload++) {
        size_t const bytes = opu_wire_packet_bytes(payload);
        assert_true(bytes % 64 != 0);
        size_t const pad = bytes - payload - OPU_WIRE_HEADER_BYTES;
        assert_int_equal(pad, (payload + 40) % 64 == 0 ? 4 : 0);
    }
}

static void sizes_that_overflow_are_the_largest(void **state)
{
    (void)state;
    size_t const half = SIZE_MAX / 2 + 1;
    assert_true(opu_wire_packet_bytes(SIZE_MAX) == SIZE_MAX);
    assert_true(opu_wire_packet_bytes(SIZE_MAX - 43) == SIZE_MAX);
    assert_true(opu_wire_packet_bytes(SIZE_MAX - 44) < SIZE_MAX);
    assert_true(opu_wire_frames_payload(half, 8) == SIZE_MAX);
    assert_true(opu_wire_frames_payload(2, SIZE_MAX) == 2 * (SIZE_MAX / 8 + 13));
    assert_true(opu_wire_frames_payload(8, SIZE_MAX) == SIZE_MAX);
    assert_true(opu_wire_counts_payload(2, half, 8) == SIZE_MAX);
    assert_true(opu_wire_counts_payload(1, half, 16) == SIZE_MAX);
    assert_true(opu_wire_counts_payload(1, SIZE_MAX, 8) == SIZE_MAX);
    assert_true(opu_wire_counts_payload(half, 0, 8) == SIZE_MAX);
    assert_int_equal(opu_wire_frames_payload(0, SIZE_MAX), 0);
    assert_int_equal(opu_wire_frames_payload(3, 17), 3 * (12 + 3));
    assert_int_equal(opu_wire_counts_payload(3, 17, 8), 3 * (24 + 17));
    assert_int_equal(opu_wire_counts_payload(3, 17, 9), 3 * (24 + 34));
}

/* ---- Packets ---- */

static struct opu_wire_header draw_header(bool out, uint32_t payload_bytes)
{
    return (struct opu_wire_header){
        .kind = out ? OPU_WIRE_FRAMES : OPU_WIRE_COUNTS,
        .epoch = draw32(),
        .sequence = draw32(),
        .setup = draw32(),
        .n_frames = 1 + draw_below(payload_bytes / 25),
        .payload_bytes = payload_bytes,
    };
}

static void assert_same_header(const struct opu_wire_header *a, const struct opu_wire_header *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->setup, b->setup);
    assert_int_equal(a->n_frames, b->n_frames);
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->payload_crc, b->payload_crc);
}

static void header_comes_back(void **state)
{
    (void)state;
    static uint8_t packet[ROOM];
    for (int round = 0; round < ROUNDS; round++) {
        bool const out = draw_below(2) != 0;
        uint32_t const payload = 25 + draw_below(ROOM - 100);
        struct opu_wire_header header = draw_header(out, payload);
        draw_bytes(packet + OPU_WIRE_HEADER_BYTES, payload < 512 ? payload : 512);
        header.payload_crc = opu_crc32c(0, packet + OPU_WIRE_HEADER_BYTES, payload);
        size_t const n = opu_wire_finish_packet(packet, out, &header);
        assert_int_equal(n, opu_wire_packet_bytes(payload));
        struct opu_wire_header back;
        assert_int_equal(opu_wire_get_header(&back, out, packet, n), OPU_WIRE_OK);
        assert_same_header(&back, &header);
        assert_int_equal(opu_wire_get_header(&back, !out, packet, n), OPU_WIRE_MAGIC);
    }
}

static void heads_of_frames_and_counts_come_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[OPU_WIRE_COUNT_BYTES];
        struct opu_wire_frame const frame = {
            .number = draw64(), .reference = (uint16_t)draw32(), .exposure = (uint16_t)draw32()};
        struct opu_wire_frame frame_back;
        opu_wire_put_frame(bytes, &frame);
        opu_wire_get_frame(&frame_back, bytes);
        assert_true(frame_back.number == frame.number && frame_back.reference == frame.reference &&
                    frame_back.exposure == frame.exposure);
        struct opu_wire_count const count = {
            .number = draw64(), .time_s = draw_double(), .saturated = draw32(), .status = draw32()};
        struct opu_wire_count count_back;
        opu_wire_put_count(bytes, &count);
        opu_wire_get_count(&count_back, bytes);
        assert_memory_equal(&count_back, &count, sizeof count);
    }
}

static void event_comes_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[OPU_WIRE_EVENT_BYTES];
        struct opu_wire_event const event = {.kind = (uint16_t)(1 + draw_below(UINT16_MAX)),
                                             .sequence = draw32(),
                                             .value = draw32(),
                                             .frame = draw64()};
        struct opu_wire_event back;
        assert_int_equal(opu_wire_put_event(bytes, &event), OPU_WIRE_EVENT_BYTES);
        assert_int_equal(opu_wire_get_event(&back, bytes, sizeof bytes), OPU_WIRE_OK);
        assert_true(back.kind == event.kind && back.sequence == event.sequence &&
                    back.value == event.value && back.frame == event.frame);
    }
}

int main(void)
{
    const char *const wish = getenv("OPU_TEST_SEED");
    seed = wish != NULL ? strtoull(wish, NULL, 0) : 20261123;
    print_message("# OPU_TEST_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_comes_back),
        cmocka_unit_test(status_comes_back),
        cmocka_unit_test(statistics_come_back),
        cmocka_unit_test(commit_and_bytes_come_back),
        cmocka_unit_test(body_too_long_for_a_request_is_not_written),
        cmocka_unit_test(setup_comes_back_to_the_last_bit),
        cmocka_unit_test(setup_at_its_largest_fits),
        cmocka_unit_test(no_packet_is_a_multiple_of_64),
        cmocka_unit_test(sizes_that_overflow_are_the_largest),
        cmocka_unit_test(header_comes_back),
        cmocka_unit_test(heads_of_frames_and_counts_come_back),
        cmocka_unit_test(event_comes_back),
    };
    return cmocka_run_group_tests_name("driver_wire", tests, NULL, NULL);
}
