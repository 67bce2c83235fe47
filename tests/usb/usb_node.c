/* SPDX-License-Identifier: MIT */
/* The emulated node itself, by libusb alone: what the tests of the driver rely on. */
#include "support.h"

#include "tests/unit/driver_echo.h"

#include <libusb.h>

struct bench {
    struct echo echo;
    struct usb_node *node;
    libusb_context *usb;
    libusb_device_handle *handle;
    int ended, statuses[8];
};

static bool fast_route;

static struct usb_node_options options_of(void)
{
    struct usb_node_options options = {.identity = echo_identity, .port = 1, .fast = fast_route};
    return options;
}

static libusb_device_handle *open_one(libusb_context *usb, unsigned address)
{
    libusb_device **list = NULL;
    libusb_device_handle *handle = NULL;
    ssize_t const n = libusb_get_device_list(usb, &list);
    for (ssize_t i = 0; i < n; i++) {
        if (libusb_get_device_address(list[i]) == address) {
            assert_int_equal(libusb_open(list[i], &handle), 0);
        }
    }
    libusb_free_device_list(list, 1);
    return handle;
}

static int start(void **state, struct usb_node_options options)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    *state = bench;
    bench->node = usb_node_create(&options);
    assert_non_null(bench->node);
    usb_node_behind(bench->node, echo_function(&bench->echo), "ECHO-1", ECHO_BYTES);
    usb_node_plug(bench->node);
    assert_int_equal(libusb_init(&bench->usb), 0);
    bench->handle = open_one(bench->usb, usb_node_address(bench->node));
    assert_non_null(bench->handle);
    assert_int_equal(libusb_claim_interface(bench->handle, 0), 0);
    return 0;
}

static int set_up(void **state)
{
    return start(state, options_of());
}

static int set_up_splitting(void **state)
{
    struct usb_node_options options = options_of();
    options.splits = true;
    return start(state, options);
}

static int set_up_small(void **state)
{
    struct usb_node_options options = options_of();
    options.memory_limit = 10000;
    return start(state, options);
}

static int set_up_renumbered(void **state)
{
    struct usb_node_options options = options_of();
    options.renumbered = true;
    return start(state, options);
}

static int tear_down(void **state)
{
    struct bench *const bench = *state;
    libusb_close(bench->handle);
    libusb_exit(bench->usb);
    usb_node_destroy(bench->node);
    echo_empty(&bench->echo);
    free(bench);
    return 0;
}

static void strings_and_requests_arrive(void **state)
{
    struct bench *const bench = *state;
    unsigned char text[64], said[3] = {1, 2, 3}, back[8];
    struct libusb_device_descriptor descriptor;
    assert_int_equal(libusb_get_device_descriptor(libusb_get_device(bench->handle), &descriptor),
                     0);
    assert_int_equal(descriptor.idVendor, 0x1209);
    assert_int_equal(libusb_get_string_descriptor_ascii(bench->handle, descriptor.iSerialNumber,
                                                        text, sizeof text),
                     6);
    assert_string_equal((char *)text, "ECHO-1");
    assert_int_equal(libusb_control_transfer(bench->handle, 0x41, 1, 0, 0, said, 3, 1000), 3);
    assert_int_equal(libusb_control_transfer(bench->handle, 0xc1, 2, 0, 0, back, 8, 1000), 3);
    assert_memory_equal(back, said, 3);
    assert_int_equal(libusb_control_transfer(bench->handle, 0xc1, 3, 0, 0, back, 8, 1000),
                     LIBUSB_ERROR_PIPE);
}

static void round_trip(struct bench *bench, uint8_t out, uint8_t in, size_t n)
{
    unsigned char *const sent = malloc(n), *const back = calloc(1, n + 512);
    int moved = 0;
    for (size_t i = 0; i < n; i++) {
        sent[i] = (unsigned char)(i * 7 + i / 251);
    }
    assert_int_equal(libusb_bulk_transfer(bench->handle, out, sent, (int)n, &moved, 1000), 0);
    assert_int_equal(moved, n);
    assert_int_equal(
        libusb_bulk_transfer(bench->handle, in, back, (int)((n + 511) / 512 * 512), &moved, 1000),
        0);
    assert_int_equal(moved, n);
    assert_memory_equal(sent, back, n);
    free(sent);
    free(back);
}

static void bytes_come_back(void **state)
{
    struct bench *const bench = *state;
    round_trip(bench, 0x01, 0x82, 5);
    round_trip(bench, 0x01, 0x82, 100001);
}

static void long_transfers_are_one_urb(void **state)
{
    struct bench *const bench = *state;
    round_trip(bench, 0x01, 0x82, 100001);
    assert_true(usb_node_counts(bench->node).largest >= 100001);
}

static void split_transfers_come_back_whole(void **state)
{
    struct bench *const bench = *state;
    for (size_t n = 16384 - 3; n < 60000; n += 5461) {
        round_trip(bench, 0x01, 0x82, n);
        round_trip(bench, 0x01, 0x82, 33);
    }
    assert_int_equal(usb_node_counts(bench->node).largest, 16384);
}

static void renumbered_endpoints_are_in_the_descriptors(void **state)
{
    struct bench *const bench = *state;
    struct libusb_config_descriptor *config;
    unsigned char bytes[256];
    struct opu_usb_interface interface;
    assert_int_equal(libusb_get_active_config_descriptor(libusb_get_device(bench->handle), &config),
                     0);
    assert_int_equal(config->interface[0].altsetting[0].endpoint[0].bEndpointAddress, 0x02);
    libusb_free_config_descriptor(config);
    int const n = libusb_get_descriptor(bench->handle, LIBUSB_DT_CONFIG, 0, bytes, sizeof bytes);
    assert_true(opu_usb_find_interface(&interface, bytes, (size_t)n));
    assert_int_equal(interface.out, 0x02);
    assert_int_equal(interface.in, 0x81);
    assert_int_equal(interface.event, 0x86);
    round_trip(bench, 0x02, 0x81, 1000);
}

static void a_stalled_endpoint_recovers_when_it_is_cleared(void **state)
{
    struct bench *const bench = *state;
    unsigned char byte[512] = {0};
    int moved;
    usb_node_halt(bench->node, OPU_USB_OUT);
    assert_int_equal(libusb_bulk_transfer(bench->handle, 1, byte, 3, &moved, 1000),
                     LIBUSB_ERROR_PIPE);
    assert_int_equal(libusb_clear_halt(bench->handle, 1), 0);
    round_trip(bench, 0x01, 0x82, 5);
    bench->echo.stall_in = true;
    assert_int_equal(libusb_bulk_transfer(bench->handle, 0x82, byte, 512, &moved, 1000),
                     LIBUSB_ERROR_PIPE);
    assert_int_equal(libusb_clear_halt(bench->handle, 0x82), 0);
    round_trip(bench, 0x01, 0x82, 5);
}

static void a_timeout_leaves_the_endpoint_usable(void **state)
{
    struct bench *const bench = *state;
    unsigned char bytes[512];
    int moved = -1;
    double const start_s = real_seconds();
    assert_int_equal(libusb_bulk_transfer(bench->handle, 0x82, bytes, 512, &moved, 100),
                     LIBUSB_ERROR_TIMEOUT);
    assert_true(real_seconds() - start_s > 0.09);
    assert_int_equal(moved, 0);
    assert_int_equal(usb_node_counts(bench->node).discarded, 1);
    round_trip(bench, 0x01, 0x82, 77);
}

static void a_timeout_tells_what_has_come(void **state)
{
    struct bench *const bench = *state;
    unsigned char bytes[1024] = {9, 8, 7};
    int moved;
    assert_int_equal(libusb_bulk_transfer(bench->handle, 1, bytes, 1000, &moved, 1000), 0);
    bench->echo.part = 512;
    assert_int_equal(libusb_bulk_transfer(bench->handle, 0x82, bytes, 1024, &moved, 100),
                     LIBUSB_ERROR_TIMEOUT);
    assert_int_equal(moved, 512);
}

static void usbfs_memory_is_bounded(void **state)
{
    struct bench *const bench = *state;
    unsigned char *const bytes = calloc(1, 20000);
    int moved;
    assert_int_equal(libusb_bulk_transfer(bench->handle, 1, bytes, 20001 - 1, &moved, 1000),
                     LIBUSB_ERROR_NO_MEM);
    assert_int_equal(usb_node_counts(bench->node).refused, 1);
    free(bytes);
    round_trip(bench, 0x01, 0x82, 4000);
}

static void LIBUSB_CALL ended(struct libusb_transfer *transfer)
{
    struct bench *const bench = transfer->user_data;
    bench->statuses[bench->ended++] = (int)transfer->status;
}

static void unplugging_ends_what_is_under_way(void **state)
{
    struct bench *const bench = *state;
    struct libusb_transfer *transfers[4];
    unsigned char bytes[4][512];
    struct timeval pause = {.tv_usec = 50000};
    for (int i = 0; i < 4; i++) {
        transfers[i] = libusb_alloc_transfer(0);
        libusb_fill_bulk_transfer(transfers[i], bench->handle, 0x82, bytes[i], 512, ended, bench,
                                  0);
        assert_int_equal(libusb_submit_transfer(transfers[i]), 0);
    }
    assert_int_equal(usb_node_counts(bench->node).n_under_way, 4);
    usb_node_unplug(bench->node);
    for (int i = 0; bench->ended < 4 && i < 100; i++) {
        (void)libusb_handle_events_timeout_completed(bench->usb, &pause, NULL);
    }
    assert_int_equal(bench->ended, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bench->statuses[i], LIBUSB_TRANSFER_NO_DEVICE);
        libusb_free_transfer(transfers[i]);
    }
    assert_int_equal(usb_node_counts(bench->node).n_under_way, 0);
}

static void a_device_plugged_in_again_has_another_number(void **state)
{
    struct bench *const bench = *state;
    unsigned const before = usb_node_address(bench->node);
    usb_node_unplug_for(bench->node, 10000);
    for (int i = 0; i < 500 && usb_node_address(bench->node) == before; i++) {
        nap_ms(2);
    }
    assert_int_equal(usb_node_address(bench->node), before + 1);
    libusb_close(bench->handle);
    bench->handle = NULL;
    for (int i = 0; i < 500 && bench->handle == NULL; i++) {
        nap_ms(2);
        bench->handle = open_one(bench->usb, before + 1);
    }
    assert_non_null(bench->handle);
    assert_int_equal(libusb_claim_interface(bench->handle, 0), 0);
    round_trip(bench, 0x01, 0x82, 5);
}

static void a_second_host_finds_it_busy(void **state)
{
    struct bench *const bench = *state;
    libusb_device_handle *const second = open_one(bench->usb, usb_node_address(bench->node));
    assert_int_equal(libusb_claim_interface(second, 0), LIBUSB_ERROR_BUSY);
    libusb_close(bench->handle);
    bench->handle = second;
    int status = LIBUSB_ERROR_BUSY;
    for (int i = 0; i < 500 && status == LIBUSB_ERROR_BUSY; i++) {
        status = libusb_claim_interface(second, 0); /* the other's end may take a moment */
        nap_ms(status == 0 ? 0 : 2);
    }
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    fast_route = argc > 1 && strcmp(argv[1], "fast") == 0;
#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        NODE_TEST(strings_and_requests_arrive),
        NODE_TEST(bytes_come_back),
        NODE_TEST(long_transfers_are_one_urb),
        cmocka_unit_test_setup_teardown(split_transfers_come_back_whole, set_up_splitting,
                                        tear_down),
        cmocka_unit_test_setup_teardown(renumbered_endpoints_are_in_the_descriptors,
                                        set_up_renumbered, tear_down),
        NODE_TEST(a_stalled_endpoint_recovers_when_it_is_cleared),
        NODE_TEST(a_timeout_leaves_the_endpoint_usable),
        NODE_TEST(a_timeout_tells_what_has_come),
        cmocka_unit_test_setup_teardown(usbfs_memory_is_bounded, set_up_small, tear_down),
        NODE_TEST(unplugging_ends_what_is_under_way),
        NODE_TEST(a_device_plugged_in_again_has_another_number),
        NODE_TEST(a_second_host_finds_it_busy),
    };
    return no_nodes() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
