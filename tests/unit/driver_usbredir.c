/* SPDX-License-Identifier: MIT */
/* usbredir, with the parser library as the host: one conversation in memory, and the socket. */
#include "tests/unit/base_support.h"
#include "tests/unit/driver_echo.h"

#include "driver/firmware/port_usbredir.h"
#include "driver/firmware/usbredir_link.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <usbredirparser.h>

#define MOST (1u << 20)
#define PIPE (1u << 20)

/* Bytes on their way. */
struct lane {
    uint8_t bytes[PIPE];
    size_t n, taken;
};

static int lane_read(struct lane *lane, uint8_t *data, int n)
{
    size_t const left = lane->n - lane->taken, now = left < (size_t)n ? left : (size_t)n;
    memcpy(data, lane->bytes + lane->taken, now);
    lane->taken += now;
    if (lane->taken == lane->n) {
        lane->n = lane->taken = 0;
    }
    return (int)now;
}

static int lane_write(struct lane *lane, const uint8_t *data, int n)
{
    assert_true(lane->n + (size_t)n <= PIPE);
    memcpy(lane->bytes + lane->n, data, (size_t)n);
    lane->n += (size_t)n;
    return n;
}

/* What the host was told last. */
struct seen {
    unsigned connects, disconnects, controls, bulks, interrupts;
    struct usb_redir_device_connect_header device;
    struct usb_redir_ep_info_header ends;
    struct usb_redir_control_packet_header control;
    struct usb_redir_bulk_packet_header bulk;
    uint64_t id;
    uint8_t status, configuration;
    uint8_t data[4096];
    int n;
};

struct bench {
    struct echo echo;
    struct opu_usbredir_link *link;
    struct usbredirparser *host;
    struct lane to_device, to_host;
    int fd; /* -1: the lanes */
    struct seen seen;
};

static int device_read(void *user, uint8_t *data, int n)
{
    return lane_read(&((struct bench *)user)->to_device, data, n);
}

static int device_write(void *user, uint8_t *data, int n)
{
    return lane_write(&((struct bench *)user)->to_host, data, n);
}

static int host_read(void *priv, uint8_t *data, int n)
{
    struct bench *const bench = priv;
    if (bench->fd < 0) {
        return lane_read(&bench->to_host, data, n);
    }
    ssize_t const got = recv(bench->fd, data, (size_t)n, 0);
    return got > 0 ? (int)got : got < 0 ? 0 : -1;
}

static int host_write(void *priv, uint8_t *data, int n)
{
    struct bench *const bench = priv;
    return bench->fd < 0 ? lane_write(&bench->to_device, data, n)
                         : (int)send(bench->fd, data, (size_t)n, MSG_NOSIGNAL);
}

static void on_log(void *priv, int level, const char *words)
{
    (void)priv;
    if (level <= usbredirparser_warning) {
        print_message("host's parser: %s\n", words);
    }
}

static void on_hello(void *priv, struct usb_redir_hello_header *hello)
{
    (void)priv;
    (void)hello;
}

static void on_connect(void *priv, struct usb_redir_device_connect_header *device)
{
    struct bench *const bench = priv;
    bench->seen.connects++;
    bench->seen.device = *device;
}

static void on_disconnect(void *priv)
{
    ((struct bench *)priv)->seen.disconnects++;
}

static void on_interfaces(void *priv, struct usb_redir_interface_info_header *interfaces)
{
    (void)priv;
    assert_int_equal(interfaces->interface_count, 1);
    assert_int_equal(interfaces->interface_class[0], 0xff);
}

static void on_ends(void *priv, struct usb_redir_ep_info_header *ends)
{
    ((struct bench *)priv)->seen.ends = *ends;
}

static void keep(struct bench *bench, uint64_t id, uint8_t status, uint8_t *data, int n)
{
    assert_true(n <= (int)sizeof bench->seen.data);
    bench->seen.id = id;
    bench->seen.status = status;
    bench->seen.n = n;
    if (n > 0) {
        memcpy(bench->seen.data, data, (size_t)n);
    }
    usbredirparser_free_packet_data(bench->host, data);
}

static void on_control(void *priv, uint64_t id, struct usb_redir_control_packet_header *header,
                       uint8_t *data, int n)
{
    struct bench *const bench = priv;
    bench->seen.controls++;
    bench->seen.control = *header;
    keep(bench, id, header->status, data, n);
}

static void on_bulk(void *priv, uint64_t id, struct usb_redir_bulk_packet_header *header,
                    uint8_t *data, int n)
{
    struct bench *const bench = priv;
    bench->seen.bulks++;
    bench->seen.bulk = *header;
    keep(bench, id, header->status, data, n);
}

static void on_interrupt(void *priv, uint64_t id, struct usb_redir_interrupt_packet_header *header,
                         uint8_t *data, int n)
{
    struct bench *const bench = priv;
    bench->seen.interrupts++;
    keep(bench, id, header->status, data, n);
}

static void on_configuration(void *priv, uint64_t id,
                             struct usb_redir_configuration_status_header *header)
{
    struct bench *const bench = priv;
    bench->seen.id = id;
    bench->seen.status = header->status;
    bench->seen.configuration = header->configuration;
}

static void on_setting(void *priv, uint64_t id, struct usb_redir_alt_setting_status_header *header)
{
    struct bench *const bench = priv;
    bench->seen.id = id;
    bench->seen.status = header->status;
}

static void on_receiving(void *priv, uint64_t id,
                         struct usb_redir_interrupt_receiving_status_header *header)
{
    struct bench *const bench = priv;
    bench->seen.id = id;
    bench->seen.status = header->status;
}

static void make_host(struct bench *bench)
{
    uint32_t caps[USB_REDIR_CAPS_SIZE] = {0};
    struct usbredirparser *const host = usbredirparser_create();
    bench->host = host;
    host->priv = bench;
    host->log_func = on_log;
    host->read_func = host_read;
    host->write_func = host_write;
    host->hello_func = on_hello;
    host->device_connect_func = on_connect;
    host->device_disconnect_func = on_disconnect;
    host->interface_info_func = on_interfaces;
    host->ep_info_func = on_ends;
    host->control_packet_func = on_control;
    host->bulk_packet_func = on_bulk;
    host->interrupt_packet_func = on_interrupt;
    host->configuration_status_func = on_configuration;
    host->alt_setting_status_func = on_setting;
    host->interrupt_receiving_status_func = on_receiving;
    usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_ep_info_max_packet_size);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_32bits_bulk_length);
    usbredirparser_init(host, "test", caps, USB_REDIR_CAPS_SIZE, 0);
}

/* Lets both sides say what they have to say. */
static void talk(struct bench *bench)
{
    for (int i = 0; i < 8; i++) {
        if (usbredirparser_has_data_to_write(bench->host) > 0) {
            assert_int_equal(usbredirparser_do_write(bench->host), 0);
        }
        assert_true(opu_usbredir_link_read(bench->link));
        assert_true(opu_usbredir_link_write(bench->link));
        assert_int_equal(usbredirparser_do_read(bench->host), 0);
    }
}

static int set_up(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    struct opu_usbredir_link_options const options = {.function = echo_function(&bench->echo),
                                                      .identity = echo_identity,
                                                      .max_out_bytes = MOST,
                                                      .user = bench,
                                                      .read = device_read,
                                                      .write = device_write};
    bench->fd = -1;
    bench->link = opu_usbredir_link_create(&options);
    make_host(bench);
    talk(bench);
    *state = bench;
    return bench->link != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *const bench = *state;
    opu_usbredir_link_destroy(bench->link);
    usbredirparser_destroy(bench->host);
    echo_empty(&bench->echo);
    free(bench);
    return 0;
}

static void send_control(struct bench *bench, uint64_t id, uint8_t type, uint8_t request,
                         uint16_t value, uint16_t index, void *data, uint16_t n)
{
    struct usb_redir_control_packet_header header = {.endpoint = type & 0x80,
                                                     .requesttype = type,
                                                     .request = request,
                                                     .value = value,
                                                     .index = index,
                                                     .length = n};
    bool const in = (type & 0x80) != 0;
    usbredirparser_send_control_packet(bench->host, id, &header, in ? NULL : data, in ? 0 : n);
    talk(bench);
}

static void send_bulk(struct bench *bench, uint64_t id, uint8_t endpoint, void *data, size_t n)
{
    struct usb_redir_bulk_packet_header header = {
        .endpoint = endpoint, .length = (uint16_t)n, .length_high = (uint16_t)(n >> 16)};
    bool const in = (endpoint & 0x80) != 0;
    usbredirparser_send_bulk_packet(bench->host, id, &header, in ? NULL : data, in ? 0 : (int)n);
    talk(bench);
}

static void a_device_introduces_itself(void **state)
{
    const struct seen *const seen = &((struct bench *)*state)->seen;
    assert_int_equal(seen->connects, 1);
    assert_int_equal(seen->device.vendor_id, 0x1209);
    assert_int_equal(seen->device.product_id, 1);
    assert_int_equal(seen->device.device_version_bcd, 0x0100);
    assert_int_equal(seen->device.speed, usb_redir_speed_high);
    assert_int_equal(seen->ends.type[0x01], usb_redir_type_bulk);
    assert_int_equal(seen->ends.type[0x12], usb_redir_type_bulk);
    assert_int_equal(seen->ends.type[0x13], usb_redir_type_interrupt);
    assert_int_equal(seen->ends.type[0x02], usb_redir_type_invalid);
    assert_int_equal(seen->ends.max_packet_size[0x12], 512);
}

static void requests_are_answered(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[3] = {1, 2, 3};
    send_control(bench, 7, 0x80, 6, 0x0100, 0, NULL, 64);
    assert_int_equal(bench->seen.id, 7);
    assert_int_equal(bench->seen.n, 18);
    assert_int_equal(bench->seen.control.length, 18);
    send_control(bench, 8, 0x41, 1, 0, 0, said, 3);
    assert_int_equal(bench->seen.status, usb_redir_success);
    send_control(bench, 9, 0xc1, 2, 0, 0, NULL, 16);
    assert_int_equal(bench->seen.n, 3);
    assert_memory_equal(bench->seen.data, said, 3);
    send_control(bench, 10, 0xc1, 9, 0, 0, NULL, 16);
    assert_int_equal(bench->seen.status, usb_redir_stall);
    assert_int_equal(bench->seen.n, 0);
}

static void configuration_and_setting_are_chosen(void **state)
{
    struct bench *const bench = *state;
    struct usb_redir_set_configuration_header configuration = {.configuration = 1};
    struct usb_redir_set_alt_setting_header setting = {.interface = 0, .alt = 0};
    usbredirparser_send_set_configuration(bench->host, 3, &configuration);
    talk(bench);
    assert_int_equal(bench->seen.id, 3);
    assert_int_equal(bench->seen.status, usb_redir_success);
    assert_int_equal(bench->seen.configuration, 1);
    configuration.configuration = 5;
    usbredirparser_send_set_configuration(bench->host, 4, &configuration);
    talk(bench);
    assert_int_equal(bench->seen.status, usb_redir_stall);
    usbredirparser_send_set_alt_setting(bench->host, 5, &setting);
    talk(bench);
    assert_int_equal(bench->seen.id, 5);
    assert_int_equal(bench->seen.status, usb_redir_success);
}

static void what_waits_is_answered_later(void **state)
{
    struct bench *const bench = *state;
    uint8_t said[300];
    memset(said, 9, sizeof said);
    send_bulk(bench, 1, OPU_USB_IN, NULL, 70000);
    assert_int_equal(bench->seen.bulks, 0);
    send_bulk(bench, 2, OPU_USB_OUT, said, sizeof said);
    assert_int_equal(bench->seen.bulks, 1);
    assert_int_equal(bench->seen.id, 2);
    assert_int_equal(bench->seen.bulk.length, 300);
    opu_usbredir_link_ask(bench->link);
    talk(bench);
    assert_int_equal(bench->seen.bulks, 2);
    assert_int_equal(bench->seen.id, 1);
    assert_int_equal(bench->seen.n, 300);
    assert_memory_equal(bench->seen.data, said, 300);
}

static void a_cancelled_transfer_says_so(void **state)
{
    struct bench *const bench = *state;
    send_bulk(bench, 1, OPU_USB_IN, NULL, 512);
    usbredirparser_send_cancel_data_packet(bench->host, 1);
    talk(bench);
    assert_int_equal(bench->seen.bulks, 1);
    assert_int_equal(bench->seen.status, usb_redir_cancelled);
    usbredirparser_send_cancel_data_packet(bench->host, 1);
    talk(bench);
    assert_int_equal(bench->seen.bulks, 1);
}

static void a_stall_lasts_until_the_halt_is_cleared(void **state)
{
    struct bench *const bench = *state;
    uint8_t byte = 1;
    bench->echo.stall_out = true;
    send_bulk(bench, 1, OPU_USB_OUT, &byte, 1);
    assert_int_equal(bench->seen.status, usb_redir_stall);
    send_bulk(bench, 2, OPU_USB_OUT, &byte, 1);
    assert_int_equal(bench->seen.status, usb_redir_stall);
    send_control(bench, 3, 0x02, 1, 0, OPU_USB_OUT, NULL, 0);
    send_bulk(bench, 4, OPU_USB_OUT, &byte, 1);
    assert_int_equal(bench->seen.status, usb_redir_success);
}

static void events_are_pushed_while_they_are_wanted(void **state)
{
    struct bench *const bench = *state;
    struct usb_redir_start_interrupt_receiving_header start = {.endpoint = OPU_USB_EVENT};
    struct usb_redir_stop_interrupt_receiving_header stop = {.endpoint = OPU_USB_EVENT};
    usbredirparser_send_start_interrupt_receiving(bench->host, 1, &start);
    talk(bench);
    assert_int_equal(bench->seen.status, usb_redir_success);
    for (int i = 0; i < 3; i++) {
        bench->echo.event = 40 + i;
        opu_usbredir_link_ask(bench->link);
        talk(bench);
        assert_int_equal(bench->seen.interrupts, i + 1);
        assert_int_equal(bench->seen.data[0], 40 + i);
    }
    usbredirparser_send_stop_interrupt_receiving(bench->host, 2, &stop);
    talk(bench);
    bench->echo.event = 50;
    opu_usbredir_link_ask(bench->link);
    talk(bench);
    assert_int_equal(bench->seen.interrupts, 3);
    start.endpoint = 0x84;
    usbredirparser_send_start_interrupt_receiving(bench->host, 3, &start);
    talk(bench);
    assert_int_equal(bench->seen.status, usb_redir_inval);
}

static void an_unplug_ends_what_waits(void **state)
{
    struct bench *const bench = *state;
    unsigned const resets = bench->echo.resets;
    send_bulk(bench, 1, OPU_USB_IN, NULL, 512);
    opu_usbredir_link_plug(bench->link, false);
    talk(bench);
    assert_int_equal(bench->seen.status, usb_redir_ioerror);
    assert_int_equal(bench->seen.disconnects, 1);
    assert_int_equal(bench->echo.resets, resets + 1);
    opu_usbredir_link_plug(bench->link, true);
    talk(bench);
    assert_int_equal(bench->seen.connects, 2);
    send_control(bench, 7, 0x80, 6, 0x0100, 0, NULL, 64);
    assert_int_equal(bench->seen.n, 18);
}

static void a_transfer_that_is_too_long_ends_the_conversation(void **state)
{
    struct bench *const bench = *state;
    struct usb_redir_bulk_packet_header header = {.endpoint = OPU_USB_IN, .length_high = 0x0101};
    usbredirparser_send_bulk_packet(bench->host, 1, &header, NULL, 0);
    assert_int_equal(usbredirparser_do_write(bench->host), 0);
    assert_false(opu_usbredir_link_read(bench->link));
}

/* ---- The socket ---- */

static void *serve(void *user)
{
    struct opu_gadget *const gadget = user;
    return opu_gadget_run(gadget) == OPU_GADGET_OK ? gadget : NULL;
}

static int reach(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int const fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* Reads until COUNT says so. */
static void read_until(struct bench *bench, const unsigned *count, unsigned wanted)
{
    assert_int_equal(usbredirparser_do_write(bench->host), 0);
    while (*count < wanted) {
        usbredirparser_do_read(bench->host);
    }
}

static void a_peer_on_a_socket_is_served_until_it_hangs_up(void **state)
{
    char folder[] = "/tmp/opu-redir-XXXXXX", path[64];
    struct bench *const bench = calloc(1, sizeof *bench);
    struct opu_gadget_failure failure;
    struct opu_gadget_options const options = {
        .function = echo_function(&bench->echo), .identity = echo_identity, .max_out_bytes = MOST};
    pthread_t thread;
    void *result = NULL;
    struct timeval const patience = {.tv_usec = 10000};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    struct opu_gadget *const gadget = opu_usbredir_create(&options, path, &failure);
    assert_non_null(gadget);
    assert_non_null(strstr(gadget->describe, "listening on"));
    assert_int_equal(pthread_create(&thread, NULL, serve, gadget), 0);
    bench->fd = reach(path);
    assert_true(bench->fd >= 0);
    setsockopt(bench->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    make_host(bench);
    read_until(bench, &bench->seen.connects, 1);
    struct usb_redir_bulk_packet_header header = {.endpoint = OPU_USB_IN, .length = 64};
    usbredirparser_send_bulk_packet(bench->host, 1, &header, NULL, 0);
    opu_gadget_unplug(gadget, 50000);
    read_until(bench, &bench->seen.disconnects, 1);
    usbredirparser_send_reset(bench->host);
    read_until(bench, &bench->seen.connects, 2);
    close(bench->fd);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, gadget);
    opu_gadget_destroy(gadget);
    assert_int_equal(reach(path), -1);
    assert_int_equal(rmdir(folder), 0); /* the socket's file is gone */
    usbredirparser_destroy(bench->host);
    free(bench);
}

static void a_path_that_cannot_be_a_socket_is_refused(void **state)
{
    struct echo echo;
    struct opu_gadget_failure failure;
    struct opu_gadget_options const options = {
        .function = echo_function(&echo), .identity = echo_identity, .max_out_bytes = MOST};
    char path[200] = "/tmp/";
    (void)state;
    memset(path + 5, 'x', 150);
    assert_null(opu_usbredir_create(&options, path, &failure));
    assert_int_equal(failure.status, OPU_GADGET_INVALID);
    assert_null(opu_usbredir_create(&options, "/no/such/folder/s", &failure));
    assert_int_equal(failure.status, OPU_GADGET_IO);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_device_introduces_itself),
        CASE(requests_are_answered),
        CASE(configuration_and_setting_are_chosen),
        CASE(what_waits_is_answered_later),
        CASE(a_cancelled_transfer_says_so),
        CASE(a_stall_lasts_until_the_halt_is_cleared),
        CASE(events_are_pushed_while_they_are_wanted),
        CASE(an_unplug_ends_what_waits),
        CASE(a_transfer_that_is_too_long_ends_the_conversation),
        cmocka_unit_test(a_peer_on_a_socket_is_served_until_it_hangs_up),
        cmocka_unit_test(a_path_that_cannot_be_a_socket_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
