/* SPDX-License-Identifier: MIT */
/* The firmware's requests, packets and queues, against toy optics. Its laser: driver_laser.c. */
#include "driver_rig.h"

/* ---- Facts and requests ---- */

static void facts_are_the_optics_and_the_firmwares_own(void **state)
{
    struct rig *const rig = *state;
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    struct opu_wire_info info;
    int const n = host_request(&rig->f, true, OPU_WIRE_INFO, 0, data, sizeof data);
    assert_int_equal(opu_wire_get_info(&info, data, (size_t)n), OPU_WIRE_OK);
    assert_string_equal(info.identity, "toy:optics");
    assert_string_equal(info.serial, "TOY-1");
    assert_int_equal(info.max_out_bytes, TOY_PACKET - 1000);
    assert_int_equal(info.max_in_bytes, TOY_PACKET - 2000);
    assert_int_equal(info.queue, RIG_QUEUE);
    assert_int_equal(info.max_exposures, 500);
    assert_true(info.firmware > 0);
    /* a host that asks for less gets less */
    assert_int_equal(host_request(&rig->f, true, OPU_WIRE_INFO, 0, data, 10), 10);
}

static void requests_nobody_knows_stall(void **state)
{
    struct rig *const rig = *state;
    uint8_t data[64] = {0};
    struct opu_fn_setup const foreign = {
        .request_type = 0xc0, .request = OPU_WIRE_STATUS, .length = 64};
    assert_int_equal(rig->f.control(rig->f.self, &foreign, data), OPU_FN_STALL);
    assert_int_equal(host_request(&rig->f, true, 0x77, 0, data, 64), OPU_FN_STALL);
    assert_message(&rig->f, "request 0x77 of type 0xc1 is not known");
    assert_int_equal(host_request(&rig->f, true, OPU_WIRE_RESET, 0, data, 64), OPU_FN_STALL);
    assert_int_equal(host_request(&rig->f, false, OPU_WIRE_STATUS, 0, data, 0), OPU_FN_STALL);
    assert_int_equal(host_request(&rig->f, false, OPU_WIRE_RESET, 9, NULL, 0), OPU_FN_STALL);
    assert_message(&rig->f, "reset 9 is not known");
    assert_int_equal(host_request(&rig->f, false, OPU_WIRE_CALIBRATE, 1, NULL, 0), OPU_FN_STALL);
}

static void options_that_contradict_themselves_are_refused(void **state)
{
    struct rig *const rig = *state;
    struct opu_fw_options options = rig_options(rig);
    options.queue = 0;
    assert_int_equal(opu_fw_bytes(&options), 0);
    assert_null(opu_fw_init(rig->memory, &options));
    options = rig_options(rig);
    options.max_in_bytes = 4095;
    assert_int_equal(opu_fw_bytes(&options), 0);
    options = rig_options(rig);
    options.platform.unlock = NULL;
    assert_int_equal(opu_fw_bytes(&options), 0);
    options = rig_options(rig);
    options.optics.camera_ops = NULL;
    assert_int_equal(opu_fw_bytes(&options), 0);
    options = rig_options(rig);
    rig->toy.fails = "info";
    uint8_t *const memory = malloc(opu_fw_bytes(&options));
    assert_null(opu_fw_init(memory, &options));
    free(memory);
}

static void state_is_the_frames_exposed_and_can_be_set(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig_round(rig, 6, 0);
    assert_string_equal(host_text(&rig->f, OPU_WIRE_STATE).text, "{\"frames\":6}");
    assert_int_equal(host_status(&rig->f).frames, 6);
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"{\"frames\":18446744073709551615}", true},
        {" { \"frames\" : 41 }\n", true},
        {"{\"frames\":18446744073709551616}", false},
        {"{\"frames\":-1}", false},
        {"{\"frames\":01}", false},
        {"{\"frames\":1} x", false},
        {"{\"frames\":}", false},
        {"{}", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t data[OPU_WIRE_CONTROL_BYTES];
        size_t const n = opu_wire_put_bytes(data, cases[i].text, strlen(cases[i].text));
        assert_int_equal(host_request(&rig->f, false, OPU_WIRE_STATE, 0, data, n),
                         cases[i].good ? (int)n : OPU_FN_STALL);
    }
    assert_message(&rig->f, "wanted {\"frames\":N}");
    assert_int_equal(host_status(&rig->f).frames, 41);
    rig_round(rig, 1, 6);
    assert_int_equal(host_status(&rig->f).frames, 42);
    assert_int_equal(host_statistics(&rig->f).frames, 7);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
    assert_int_equal(host_status(&rig->f).frames, 0);
}

/* ---- Frames ---- */

static void every_packet_has_its_counts_in_order(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(rig_send(rig, 5 + k, 100 * k) > 0);
    }
    assert_int_equal(host_status(&rig->f).queued, 3);
    assert_true(rig->wake > 0);
    rig->ready = 0;
    (void)rig_work(rig);
    assert_true(rig->ready >= 3);
    assert_int_equal(host_status(&rig->f).queued, 0);
    assert_int_equal(host_status(&rig->f).answers, 3);
    for (uint32_t k = 0; k < 3; k++) {
        struct host_answer const answer = host_receive(&rig->f);
        assert_counts(&answer, k, 5 + k, 100 * k);
    }
    assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
    struct opu_wire_statistics const statistics = host_statistics(&rig->f);
    assert_int_equal(statistics.packets, 3);
    assert_int_equal(statistics.answers, 3);
    assert_int_equal(statistics.frames, 18);
    assert_int_equal(statistics.refused, 0);
    assert_int_equal(statistics.upload_bytes, 180);
    assert_true(statistics.upload_s == 0.75);
}

static void counts_of_two_bytes_fit_the_set_up(void **state)
{
    struct rig *const rig = *state;
    struct opu_wire_setup setup = toy_setup();
    setup.bits = 10;
    assert_true(host_commit(&rig->f, &setup, 5) > 0);
    (void)rig_work(rig);
    assert_true(rig_send(rig, 4, 9) > 0);
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_int_equal(answer.header.payload_bytes, 4 * (OPU_WIRE_COUNT_BYTES + 2 * TOY_PIXELS));
    assert_int_equal(answer.payload[4 * OPU_WIRE_COUNT_BYTES + 1], 1);
}

static void sequences_are_no_longer_than_the_projector_takes(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig_round(rig, RIG_PATTERNS, 0);
    assert_int_equal(rig->toy.loaded, 1);
    rig_round(rig, 2 * RIG_PATTERNS + 1, 1000);
    assert_int_equal(rig->toy.loaded, 4);
    assert_int_equal(rig->toy.armed, 4);
    assert_int_equal(rig->toy.stopped, 4);
    assert_int_equal(rig->toy.longest, RIG_PATTERNS);
    assert_int_equal(rig->toy.n_frames, 1);
}

static void a_full_queue_says_nak_until_there_is_room(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    uint32_t sent = 0;
    while (rig_send(rig, 2, sent) > 0) {
        sent++;
        assert_true(sent <= RIG_QUEUE);
    }
    assert_int_equal(sent, RIG_QUEUE); /* as INFO promises */
    rig->ready = 0;
    (void)rig_work(rig);
    assert_true(rig->ready > 0);
    while (rig_send(rig, 2, sent) > 0) {
        sent++;
    }
    assert_int_equal(sent, 2 * RIG_QUEUE); /* answers wait, and packets behind them */
    assert_int_equal(rig_work(rig), 0);
    for (uint32_t k = 0; k < sent; k++) {
        rig->wake = 0;
        struct host_answer const answer = host_receive(&rig->f);
        assert_counts(&answer, k, 2, k);
        assert_true(rig->wake > 0);
        (void)rig_work(rig);
    }
    assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
}

static void an_answer_goes_out_in_as_many_parts_as_the_host_has_room_for(void **state)
{
    struct rig *const rig = *state;
    static uint8_t whole[TOY_PACKET];
    static uint8_t parts[TOY_PACKET];
    rig_configure(rig);
    assert_true(rig_send(rig, 30, 7) > 0);
    (void)rig_work(rig);
    int const n = rig->f.in(rig->f.self, whole, sizeof whole);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_true(rig_send(rig, 30, 7) > 0);
    (void)rig_work(rig);
    size_t at = 0;
    for (int moved; (moved = rig->f.in(rig->f.self, parts + at, 512)) >= 0;) {
        at += (size_t)moved;
    }
    assert_int_equal(at, n);
    assert_memory_equal(whole + OPU_WIRE_HEADER_BYTES, parts + OPU_WIRE_HEADER_BYTES,
                        at - OPU_WIRE_HEADER_BYTES);
    /* and what is left of one is gone after a flush */
    for (uint32_t k = 0; k < 2 * RIG_QUEUE; k++) { /* no slot is lost */
        assert_true(rig_send(rig, 30, 7) > 0);
        (void)rig_work(rig);
        assert_int_equal(rig->f.in(rig->f.self, parts, 512), 512);
        assert_int_equal(host_status(&rig->f).answers, 1);
        assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
        assert_int_equal(rig->f.in(rig->f.self, parts, 512), OPU_FN_NAK);
    }
}

/* ---- What is refused ---- */

struct spoiled {
    const char *message;
    uint32_t code;
    size_t offset; /* of the byte that is spoilt; 0: none */
    uint32_t epoch, sequence, setup, n_frames;
    uint16_t exposure, reference;
};

/* A packet with one thing wrong; its bytes. */
static size_t spoil(uint8_t *packet, const struct rig *rig, const struct spoiled *how)
{
    struct opu_wire_header header = rig_header(rig, how->n_frames != 0 ? how->n_frames : 4);
    header.epoch += how->epoch;
    header.sequence += how->sequence;
    header.setup += how->setup;
    size_t n = host_packet(packet, header, 0);
    if (how->exposure != 0 || how->reference != 0) {
        struct opu_wire_frame const frame = {.exposure = how->exposure,
                                             .reference = how->reference};
        uint8_t *const payload = packet + OPU_WIRE_HEADER_BYTES;
        opu_wire_put_frame(payload + 3 * OPU_WIRE_FRAME_BYTES, &frame);
        assert_int_equal(opu_wire_get_header(&header, true, packet, n), OPU_WIRE_OK);
        header.payload_crc = opu_crc32c(0, payload, header.payload_bytes);
        n = opu_wire_finish_packet(packet, true, &header);
    }
    packet[how->offset] ^= how->offset != 0 ? 0x10 : 0;
    return n;
}

static void what_is_wrong_is_refused_in_its_turn_with_a_sentence(void **state)
{
    struct rig *const rig = *state;
    static uint8_t packet[2 * TOY_PACKET];
    static const struct spoiled cases[] = {
        {.offset = 1, .code = OPU_WIRE_BAD_HEADER, .message = "where packet 1 was wanted"},
        {.offset = 4, .code = OPU_WIRE_BAD_HEADER, .message = "speaks version 1"},
        {.offset = 20, .code = OPU_WIRE_BAD_HEADER, .message = "where packet 1 was wanted"},
        {.offset = 60, .code = OPU_WIRE_BAD_PAYLOAD, .message = "packet 1:"},
        {.epoch = 1, .code = OPU_WIRE_BAD_SEQUENCE, .message = "wanted packet 1 of epoch"},
        {.sequence = 1, .code = OPU_WIRE_BAD_SEQUENCE, .message = "packet 2 of epoch"},
        {.sequence = UINT32_MAX, .code = OPU_WIRE_BAD_SEQUENCE, .message = "packet 0 of epoch"},
        {.setup = 1, .code = OPU_WIRE_BAD_SETUP, .message = "is for set-up 6, in force is 5"},
        {.exposure = 3, .code = OPU_WIRE_BAD_PAYLOAD, .message = "frame 3 has exposure 3 of 3"},
        {.reference = 2, .code = OPU_WIRE_BAD_PAYLOAD, .message = "reference state 2 of 2"},
        {.n_frames = 4300, .code = OPU_WIRE_BAD_HEADER, .message = "more bytes"},
        {.n_frames = 2100, .code = OPU_WIRE_BAD_PAYLOAD, .message = "at most 63536"},
    };
    rig_configure(rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
        assert_true(rig_send(rig, 2, 10) > 0);
        size_t const n = spoil(packet, rig, &cases[i]);
        assert_int_equal(rig->f.out(rig->f.self, packet, n), n);
        if (host_status(&rig->f).next == 1) { /* seen at once, before it is worked off */
            assert_int_equal(rig_send(rig, 2, 10), OPU_FN_NAK);
        }
        (void)rig_work(rig);
        struct host_answer answer = host_receive(&rig->f);
        assert_counts(&answer, 0, 2, 10);
        answer = host_receive(&rig->f);
        assert_true(answer.moved > 0);
        assert_int_equal(answer.header.kind, OPU_WIRE_REFUSED);
        assert_int_equal(answer.header.code, cases[i].code);
        assert_int_equal(answer.header.sequence, 1);
        assert_message(&rig->f, cases[i].message);
        /* no packet is taken and none is answered before the flush */
        assert_int_equal(rig_send(rig, 2, 10), OPU_FN_NAK);
        assert_int_equal(rig_work(rig), 0);
        assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
        assert_int_equal(host_statistics(&rig->f).refused, i + 1);
    }
    rig->ready = 0;
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_true(rig->ready > 0);
    rig_round(rig, 3, 50);
}

static void packets_behind_a_refused_one_stay_where_they_are(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    rig->toy.fails = "start";
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(rig_send(rig, 2, k) > 0);
    }
    (void)rig_work(rig);
    struct host_answer const answer = host_receive(&rig->f);
    assert_refusal(answer, 0, OPU_WIRE_OPTICS);
    assert_int_equal(host_status(&rig->f).queued, 2);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_int_equal(host_status(&rig->f).queued, 0);
    assert_int_equal(host_status(&rig->f).next, 0);
    assert_int_equal(host_status(&rig->f).setup, 5);
    rig->toy.fails = NULL;
    rig_round(rig, 2, 0);
}

static void a_flush_gives_every_slot_back(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t sent = 0;
        while (rig_send(rig, 2, sent) > 0) {
            sent++;
        }
        assert_int_equal(sent, RIG_QUEUE);
        (void)rig_work(rig);
        while (rig_send(rig, 2, sent) > 0) {
            sent++;
        }
        assert_int_equal(sent, 2 * RIG_QUEUE);
        assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    }
}

static void packets_overtaken_by_a_reset_are_dropped_in_silence(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    struct opu_wire_header const late = rig_header(rig, 2);
    assert_int_equal(host_reset(&rig->f, OPU_WIRE_FLUSH), 0);
    assert_int_equal(host_status(&rig->f).epoch, late.epoch + 1);
    assert_true(host_send(&rig->f, late, 0) > 0);
    assert_int_equal(rig_work(rig), 0);
    assert_int_equal(host_receive(&rig->f).moved, OPU_FN_NAK);
    assert_int_equal(host_statistics(&rig->f).refused, 1);
    static uint8_t spoilt[TOY_PACKET];
    size_t const n = host_packet(spoilt, late, 0);
    spoilt[OPU_WIRE_HEADER_BYTES] ^= 1; /* its header holds: it is late as well */
    assert_int_equal(rig->f.out(rig->f.self, spoilt, n), n);
    assert_int_equal(rig_work(rig), 0);
    rig_round(rig, 2, 0);
}

static void a_transfer_of_no_bytes_is_nothing(void **state)
{
    struct rig *const rig = *state;
    rig_configure(rig);
    assert_int_equal(rig->f.out(rig->f.self, NULL, 0), 0);
    rig_round(rig, 2, 0);
}

static void failures_of_the_optics_are_told_whichever_call_fails(void **state)
{
    struct rig *const rig = *state;
    static const char *const calls[] = {"load",  "reference", "arm", "laser",
                                        "start", "read",      "stop"};
    rig_configure(rig);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_int_equal(host_reset(&rig->f, OPU_WIRE_WHOLE), 0);
        (void)rig_work(rig);
        rig_configure(rig);
        unsigned const loaded = rig->toy.loaded - rig->toy.stopped;
        rig->toy.fails = calls[i];
        assert_true(rig_send(rig, 2, 0) > 0);
        (void)rig_work(rig);
        struct host_answer const answer = host_receive(&rig->f);
        assert_refusal(answer, 0, OPU_WIRE_OPTICS);
        assert_message(&rig->f, "the toy fails as the test wanted");
        assert_int_equal(rig->toy.loaded - rig->toy.stopped, loaded);
        rig->toy.fails = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(facts_are_the_optics_and_the_firmwares_own),
        RIG_TEST(requests_nobody_knows_stall),
        RIG_TEST(options_that_contradict_themselves_are_refused),
        RIG_TEST(state_is_the_frames_exposed_and_can_be_set),
        RIG_TEST(every_packet_has_its_counts_in_order),
        RIG_TEST(counts_of_two_bytes_fit_the_set_up),
        RIG_TEST(sequences_are_no_longer_than_the_projector_takes),
        RIG_TEST(a_full_queue_says_nak_until_there_is_room),
        RIG_TEST(an_answer_goes_out_in_as_many_parts_as_the_host_has_room_for),
        RIG_TEST(what_is_wrong_is_refused_in_its_turn_with_a_sentence),
        RIG_TEST(packets_behind_a_refused_one_stay_where_they_are),
        RIG_TEST(a_flush_gives_every_slot_back),
        RIG_TEST(packets_overtaken_by_a_reset_are_dropped_in_silence),
        RIG_TEST(a_transfer_of_no_bytes_is_nothing),
        RIG_TEST(failures_of_the_optics_are_told_whichever_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
