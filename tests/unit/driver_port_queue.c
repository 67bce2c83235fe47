/* SPDX-License-Identifier: MIT */
/* Standard requests, and transfers that wait: what every port of transfers does alike. */
#include "tests/unit/base_support.h"
#include "tests/unit/driver_echo.h"

#include "driver/firmware/port_queue.h"
#include "driver/wire.h"

#define MOST 2048u /* bytes of a transfer in pieces */

struct bench {
    struct echo echo;
    struct opu_port_queue queue;
    struct opu_urb *ended[64];
    size_t n_ended;
    struct opu_urb *again; /* submitted anew from done(), once */
};

static void done(void *user, struct opu_urb *urb)
{
    struct bench *const bench = user;
    bench->ended[bench->n_ended++] = urb;
    if (bench->again == urb) {
        bench->again = NULL;
        assert_true(opu_port_queue_submit(&bench->queue, urb));
    }
}

static int set_up(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    struct opu_port_queue_options const options = {.function = echo_function(&bench->echo),
                                                   .identity = echo_identity,
                                                   .max_out_bytes = MOST,
                                                   .user = bench,
                                                   .done = done};
    *state = bench;
    return opu_port_queue_init(&bench->queue, &options) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *const bench = *state;
    opu_port_queue_unplug(&bench->queue, OPU_URB_GONE);
    opu_port_queue_fini(&bench->queue);
    echo_empty(&bench->echo);
    free(bench);
    return 0;
}

static int request(struct bench *bench, uint8_t type, uint8_t number, uint16_t value,
                   uint16_t index, void *data, uint16_t length)
{
    struct opu_fn_setup const setup = {type, number, value, index, length};
    return opu_port_queue_control(&bench->queue, &setup, data);
}

static struct opu_urb transfer(uint8_t endpoint, void *data, size_t n, uint64_t id)
{
    return (struct opu_urb){.endpoint = endpoint, .data = data, .n = n, .id = id};
}

static void standard_requests_are_answered(void **state)
{
    struct bench *const bench = *state;
    uint8_t data[64];
    assert_int_equal(request(bench, 0x80, 6, 0x0100, 0, data, 64), 18);
    assert_int_equal(data[0], 18);
    assert_int_equal(request(bench, 0x80, 6, 0x0100, 0, data, 8), 8);
    assert_int_equal(request(bench, 0x00, 5, 9, 0, NULL, 0), 0);
    assert_int_equal(request(bench, 0x80, 8, 0, 0, data, 1), 1);
    assert_int_equal(data[0], 0);
    unsigned const resets = bench->echo.resets;
    assert_int_equal(request(bench, 0x00, 9, 1, 0, NULL, 0), 0);
    assert_int_equal(bench->echo.resets, resets + 1);
    assert_int_equal(request(bench, 0x80, 8, 0, 0, data, 1), 1);
    assert_int_equal(data[0], 1);
    assert_int_equal(request(bench, 0x81, 10, 0, 0, data, 1), 1);
    assert_int_equal(request(bench, 0x80, 0, 0, 0, data, 2), 2);
    assert_int_equal(request(bench, 0x01, 11, 0, 0, NULL, 0), 0);
    assert_int_equal(bench->echo.cleared[OPU_USB_OUT], 1);
}

static void unknown_requests_stall(void **state)
{
    struct bench *const bench = *state;
    uint8_t data[64];
    assert_int_equal(request(bench, 0x80, 6, 0x2200, 0, data, 64), OPU_FN_STALL);
    assert_int_equal(request(bench, 0x00, 9, 2, 0, NULL, 0), OPU_FN_STALL);
    assert_int_equal(request(bench, 0x01, 11, 1, 0, NULL, 0), OPU_FN_STALL);
    assert_int_equal(request(bench, 0x21, 9, 0, 0, NULL, 0), OPU_FN_STALL);
    assert_int_equal(request(bench, 0x02, 1, 0, 0x84, NULL, 0), OPU_FN_STALL);
    assert_int_equal(request(bench, 0x02, 1, 1, OPU_USB_IN, NULL, 0), OPU_FN_STALL);
    assert_int_equal(request(bench, 0xc1, 2, 0, 1, data, 8), OPU_FN_STALL);
    assert_int_equal(request(bench, 0x41, 3, 0, 0, NULL, 0), OPU_FN_STALL);
}

static void vendor_requests_reach_the_function(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[3] = {1, 2, 3}, back[8] = {0};
    assert_int_equal(request(bench, 0x41, 1, 0, 0, said, 3), 3);
    assert_int_equal(request(bench, 0xc1, 2, 0, 0, back, 8), 3);
    assert_memory_equal(back, said, 3);
}

static void a_setup_packet_is_little_endian(void **state)
{
    static const uint8_t bytes[8] = {0xc1, 2, 0x34, 0x12, 0x78, 0x56, 0xbc, 0x9a};
    struct opu_fn_setup const setup = opu_port_queue_setup(bytes);
    (void)state;
    assert_int_equal(setup.request_type, 0xc1);
    assert_int_equal(setup.request, 2);
    assert_int_equal(setup.value, 0x1234);
    assert_int_equal(setup.index, 0x5678);
    assert_int_equal(setup.length, 0x9abc);
}

static void a_transfer_in_waits_for_its_answer(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[100], back[512];
    memset(said, 7, sizeof said);
    struct opu_urb in = transfer(OPU_USB_IN, back, sizeof back, 1);
    struct opu_urb out = transfer(OPU_USB_OUT, said, sizeof said, 2);
    assert_true(opu_port_queue_submit(&bench->queue, &in));
    assert_int_equal(bench->n_ended, 0);
    assert_true(opu_port_queue_submit(&bench->queue, &out));
    opu_port_queue_ask(&bench->queue);
    assert_int_equal(bench->n_ended, 2);
    assert_ptr_equal(bench->ended[0], &out);
    assert_ptr_equal(bench->ended[1], &in);
    assert_int_equal(in.moved, 100);
    assert_int_equal(in.status, OPU_URB_OK);
    assert_memory_equal(back, said, 100);
}

static void the_order_of_an_endpoint_is_kept(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[8];
    struct opu_urb out[8];
    for (size_t i = 0; i < 8; i++) {
        said[i] = (uint8_t)i;
        out[i] = transfer(OPU_USB_OUT, &said[i], 1, i);
        assert_true(opu_port_queue_submit(&bench->queue, &out[i]));
    }
    assert_int_equal(bench->n_ended, ECHO_HELD); /* the rest was told NAK */
    for (unsigned i = 0; i < 8; i++) {
        uint8_t back[64];
        struct opu_urb in = transfer(OPU_USB_IN, back, sizeof back, 100);
        assert_true(opu_port_queue_submit(&bench->queue, &in));
        opu_port_queue_ask(&bench->queue);
        assert_int_equal(in.moved, 1);
        assert_int_equal(back[0], i);
    }
}

static void done_may_submit_again(void **state)
{
    struct bench *const bench = *state;
    uint8_t byte = 1;
    struct opu_urb out = transfer(OPU_USB_OUT, &byte, 1, 1);
    bench->again = &out;
    assert_true(opu_port_queue_submit(&bench->queue, &out));
    assert_int_equal(bench->n_ended, 2);
    assert_int_equal(bench->echo.n_held, 2);
}

static void a_waiting_transfer_is_taken_from_the_middle(void **state)
{
    struct bench *const bench = *state;
    uint8_t back[3][64];
    struct opu_urb in[3];
    for (size_t i = 0; i < 3; i++) {
        in[i] = transfer(OPU_USB_IN, back[i], 64, i);
        assert_true(opu_port_queue_submit(&bench->queue, &in[i]));
    }
    assert_ptr_equal(opu_port_queue_take(&bench->queue, 1), &in[1]);
    assert_int_equal(in[1].status, OPU_URB_CANCELLED);
    assert_null(opu_port_queue_take(&bench->queue, 1));
    assert_int_equal(bench->n_ended, 0);
    opu_port_queue_unplug(&bench->queue, OPU_URB_GONE);
    assert_int_equal(bench->n_ended, 2);
    assert_ptr_equal(bench->ended[0], &in[0]);
    assert_ptr_equal(bench->ended[1], &in[2]);
    assert_int_equal(in[2].status, OPU_URB_GONE);
}

static void a_halt_ends_all_until_it_is_cleared(void **state)
{
    struct bench *const bench = *state;
    uint8_t back[64], status[2];
    struct opu_urb in[2] = {transfer(OPU_USB_IN, back, 64, 1), transfer(OPU_USB_IN, back, 64, 2)};
    assert_true(opu_port_queue_submit(&bench->queue, &in[0]));
    assert_true(opu_port_queue_submit(&bench->queue, &in[1]));
    bench->echo.stall_in = true;
    opu_port_queue_ask(&bench->queue);
    assert_int_equal(bench->n_ended, 2);
    assert_int_equal(in[0].status, OPU_URB_STALL);
    assert_int_equal(in[1].status, OPU_URB_STALL);
    assert_int_equal(request(bench, 0x82, 0, 0, OPU_USB_IN, status, 2), 2);
    assert_int_equal(status[0], 1);
    assert_int_equal(request(bench, 0x02, 1, 0, OPU_USB_IN, NULL, 0), 0);
    assert_int_equal(bench->echo.cleared[OPU_USB_IN], 1);
    assert_true(opu_port_queue_submit(&bench->queue, &in[0]));
    assert_int_equal(bench->n_ended, 2); /* it waits again */
    assert_int_equal(request(bench, 0x02, 3, 0, OPU_USB_IN, NULL, 0), 0);
    assert_int_equal(in[0].status, OPU_URB_STALL);
}

static void pieces_reach_the_function_as_one(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[1200], back[2048];
    for (size_t i = 0; i < sizeof said; i++) {
        said[i] = (uint8_t)(i * 7);
    }
    struct opu_urb first = transfer(OPU_USB_OUT, said, 1024, 1);
    struct opu_urb last = transfer(OPU_USB_OUT, said + 1024, 176, 2);
    struct opu_urb in = transfer(OPU_USB_IN, back, sizeof back, 3);
    assert_true(opu_port_queue_submit(&bench->queue, &first));
    assert_int_equal(bench->echo.asked_out, 0);
    bench->echo.silent = true;
    assert_true(opu_port_queue_submit(&bench->queue, &last));
    opu_port_queue_ask(&bench->queue); /* asked again, it is not joined twice */
    bench->echo.silent = false;
    opu_port_queue_ask(&bench->queue);
    assert_int_equal(last.moved, 176);
    assert_true(opu_port_queue_submit(&bench->queue, &in));
    assert_int_equal(in.moved, 1200);
    assert_memory_equal(back, said, 1200);
}

static void a_zero_length_packet_ends_a_transfer(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[1024] = {0};
    struct opu_urb whole = transfer(OPU_USB_OUT, said, 1024, 1);
    struct opu_urb empty = transfer(OPU_USB_OUT, said, 0, 2);
    assert_true(opu_port_queue_submit(&bench->queue, &whole));
    assert_int_equal(bench->echo.n_held, 0);
    assert_true(opu_port_queue_submit(&bench->queue, &empty));
    assert_int_equal(bench->echo.bytes[0], 1024);
    whole.ends = true;
    assert_true(opu_port_queue_submit(&bench->queue, &whole));
    assert_int_equal(bench->echo.bytes[1], 1024);
    assert_true(opu_port_queue_submit(&bench->queue, &empty));
    assert_int_equal(bench->echo.bytes[2], 0);
}

static void pieces_beyond_the_room_halt_the_endpoint(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[1024] = {0};
    struct opu_urb piece[3];
    for (size_t i = 0; i < 3; i++) {
        piece[i] = transfer(OPU_USB_OUT, said, 1024, i);
        assert_true(opu_port_queue_submit(&bench->queue, &piece[i]));
    }
    assert_int_equal(piece[1].status, OPU_URB_OK);
    assert_int_equal(piece[2].status, OPU_URB_STALL);
    assert_int_equal(request(bench, 0x02, 1, 0, OPU_USB_OUT, NULL, 0), 0);
    struct opu_urb last = transfer(OPU_USB_OUT, said, 10, 9);
    assert_true(opu_port_queue_submit(&bench->queue, &last));
    assert_int_equal(bench->echo.bytes[0], 10); /* nothing of the old is left */
}

static void a_reset_forgets_pieces(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[512] = {0};
    struct opu_urb first = transfer(OPU_USB_OUT, said, 512, 1);
    struct opu_urb last = transfer(OPU_USB_OUT, said, 10, 2);
    assert_true(opu_port_queue_submit(&bench->queue, &first));
    assert_int_equal(request(bench, 0x41, OPU_WIRE_RESET, 0, 0, NULL, 0), 0);
    assert_true(opu_port_queue_submit(&bench->queue, &last));
    assert_int_equal(bench->echo.bytes[0], 10);
    assert_true(opu_port_queue_submit(&bench->queue, &first));
    bench->echo.silent = true;
    assert_true(opu_port_queue_submit(&bench->queue, &last));
    assert_ptr_equal(opu_port_queue_take(&bench->queue, 2), &last);
    bench->echo.silent = false;
    assert_true(opu_port_queue_submit(&bench->queue, &last));
    assert_int_equal(bench->echo.bytes[1], 10);
}

static void a_silent_function_lets_requests_wait(void **state)
{
    struct bench *const bench = *state;
    uint8_t back[8] = {0};
    struct opu_urb urb = transfer(OPU_URB_CONTROL, back, sizeof back, 1);
    urb.setup = (struct opu_fn_setup){0xc1, 2, 0, 0, sizeof back};
    bench->echo.said.n = 3;
    bench->echo.silent = true;
    assert_true(opu_port_queue_submit(&bench->queue, &urb));
    assert_int_equal(bench->n_ended, 0);
    bench->echo.silent = false;
    opu_port_queue_ask(&bench->queue);
    assert_int_equal(urb.status, OPU_URB_OK);
    assert_int_equal(urb.moved, 3);
    urb.setup.request = 9;
    assert_true(opu_port_queue_submit(&bench->queue, &urb));
    assert_int_equal(urb.status, OPU_URB_STALL);
    urb.setup.request = 2; /* a stalled request halts nothing */
    assert_true(opu_port_queue_submit(&bench->queue, &urb));
    assert_int_equal(urb.status, OPU_URB_OK);
    urb.setup.length = sizeof back + 1; /* more than there is room for */
    assert_true(opu_port_queue_submit(&bench->queue, &urb));
    assert_int_equal(urb.status, OPU_URB_STALL);
}

static void a_part_of_an_answer_waits_for_the_rest(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[100], back[512];
    for (size_t i = 0; i < sizeof said; i++) {
        said[i] = (uint8_t)i;
    }
    struct opu_urb out = transfer(OPU_USB_OUT, said, sizeof said, 1);
    struct opu_urb in = transfer(OPU_USB_IN, back, sizeof back, 2);
    bench->echo.part = 30;
    assert_true(opu_port_queue_submit(&bench->queue, &out));
    assert_true(opu_port_queue_submit(&bench->queue, &in));
    assert_int_equal(bench->n_ended, 1);
    opu_port_queue_ask(&bench->queue);
    assert_int_equal(in.moved, 100);
    assert_memory_equal(back, said, 100);
    bench->echo.part = 30;
    assert_true(opu_port_queue_submit(&bench->queue, &out));
    assert_true(opu_port_queue_submit(&bench->queue, &in));
    assert_ptr_equal(opu_port_queue_take(&bench->queue, 2), &in);
    assert_int_equal(in.moved, 30);
}

static void an_event_comes_by_itself(void **state)
{
    struct bench *const bench = *state;
    uint8_t back[28];
    struct opu_urb event = transfer(OPU_USB_EVENT, back, sizeof back, 1);
    assert_true(opu_port_queue_submit(&bench->queue, &event));
    assert_int_equal(bench->n_ended, 0);
    bench->echo.event = 42;
    opu_port_queue_ask(&bench->queue);
    assert_int_equal(event.moved, 1);
    assert_int_equal(back[0], 42);
}

static void an_endpoint_that_is_not_there_takes_nothing(void **state)
{
    struct bench *const bench = *state;
    struct opu_urb urb = transfer(0x05, NULL, 0, 1);
    assert_false(opu_port_queue_submit(&bench->queue, &urb));
    assert_int_equal(bench->n_ended, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(standard_requests_are_answered),
        CASE(unknown_requests_stall),
        CASE(vendor_requests_reach_the_function),
        CASE(a_setup_packet_is_little_endian),
        CASE(a_transfer_in_waits_for_its_answer),
        CASE(the_order_of_an_endpoint_is_kept),
        CASE(done_may_submit_again),
        CASE(a_waiting_transfer_is_taken_from_the_middle),
        CASE(a_halt_ends_all_until_it_is_cleared),
        CASE(pieces_reach_the_function_as_one),
        CASE(a_zero_length_packet_ends_a_transfer),
        CASE(pieces_beyond_the_room_halt_the_endpoint),
        CASE(a_reset_forgets_pieces),
        CASE(a_silent_function_lets_requests_wait),
        CASE(a_part_of_an_answer_waits_for_the_rest),
        CASE(an_event_comes_by_itself),
        CASE(an_endpoint_that_is_not_there_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
