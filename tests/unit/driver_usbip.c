/* SPDX-License-Identifier: MIT */
/*
 * USB/IP: the messages byte by byte, one connection without its socket, and the server with its
 * sockets.
 */
#include "tests/unit/base_support.h"
#include "tests/unit/driver_echo.h"

#include "driver/firmware/port_usbip.h"
#include "driver/firmware/usbip_link.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MOST (1u << 20)
#define RESET (-104)

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static void put_submit(uint8_t to[48], uint32_t sequence, uint8_t endpoint, uint32_t n)
{
    memset(to, 0, 48);
    put32(to, 1);
    put32(to + 4, sequence);
    put32(to + 8, OPU_USBIP_DEVID);
    put32(to + 12, endpoint >> 7);
    put32(to + 16, endpoint & 15);
    put32(to + 24, n);
}

static void put_control(uint8_t to[48], uint32_t sequence, uint8_t type, uint8_t request,
                        uint16_t value, uint16_t n)
{
    uint8_t const setup[8] = {type, request, (uint8_t)value, (uint8_t)(value >> 8),
                              0,    0,       (uint8_t)n,     (uint8_t)(n >> 8)};
    put_submit(to, sequence, type & 0x80, n);
    memcpy(to + 40, setup, 8);
}

static void put_unlink(uint8_t to[48], uint32_t sequence, uint32_t victim)
{
    memset(to, 0, 48);
    put32(to, 2);
    put32(to + 4, sequence);
    put32(to + 20, victim);
}

/* ---- One connection ---- */

struct bench {
    struct echo echo;
    struct opu_usbip_link *link;
};

static unsigned import_it(void *user)
{
    (void)user;
    return OPU_USBIP_DONE;
}

static void open_link(struct bench *bench, bool imported)
{
    struct opu_usbip_link_options const options = {.function = echo_function(&bench->echo),
                                                   .identity = echo_identity,
                                                   .max_out_bytes = MOST,
                                                   .imported = imported,
                                                   .import = import_it};
    bench->link = opu_usbip_link_create(&options);
    assert_non_null(bench->link);
}

static int set_up(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    open_link(bench, true);
    *state = bench;
    return 0;
}

static int set_up_greeting(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    open_link(bench, false);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *const bench = *state;
    opu_usbip_link_destroy(bench->link);
    echo_empty(&bench->echo);
    free(bench);
    return 0;
}

/* In steps of `step` bytes at most. */
static void feed(struct bench *bench, const void *bytes, size_t n, size_t step)
{
    const uint8_t *from = bytes;
    while (n > 0) {
        size_t room;
        uint8_t *const to = opu_usbip_link_room(bench->link, &room);
        assert_non_null(to);
        room = room < n ? room : n;
        room = room < step ? room : step;
        memcpy(to, from, room);
        opu_usbip_link_take(bench->link, room);
        from += room;
        n -= room;
    }
}

/* All that is to be sent; returns bytes. */
static size_t collect(struct bench *bench, uint8_t *to, size_t most)
{
    size_t n = 0, more;
    const uint8_t *from;
    while ((from = opu_usbip_link_output(bench->link, &more)) != NULL) {
        assert_true(n + more <= most);
        memcpy(to + n, from, more);
        n += more;
        opu_usbip_link_sent(bench->link, more);
    }
    return n;
}

static void an_answer_is(const uint8_t *seen, uint32_t kind, uint32_t sequence, int status,
                         uint32_t n)
{
    assert_int_equal(get32(seen), kind);
    assert_int_equal(get32(seen + 4), sequence);
    assert_int_equal(get32(seen + 8), 0);
    assert_int_equal(get32(seen + 12), 0);
    assert_int_equal(get32(seen + 16), 0);
    assert_int_equal((int32_t)get32(seen + 20), status);
    assert_int_equal(get32(seen + 24), n);
}

static void a_device_is_listed_and_imported(void **state)
{
    static const uint8_t list[8] = {1, 0x11, 0x80, 5};
    uint8_t import[40] = {1, 0x11, 0x80, 3}, seen[512];
    struct bench *const bench = *state;
    feed(bench, list, 8, 3);
    assert_int_equal(collect(bench, seen, sizeof seen), OPU_USBIP_LIST_BYTES);
    assert_memory_equal(seen, "\x01\x11\x00\x05\0\0\0\0\0\0\0\1", 12);
    assert_string_equal((char *)seen + 12 + 256, "1-1");
    const uint8_t *const device = seen + 12;
    assert_int_equal(get32(device + 288), 1);
    assert_int_equal(get32(device + 292), 2);
    assert_int_equal(get32(device + 296), 3);
    assert_memory_equal(device + 300, "\x12\x09\x00\x01\x01\x00", 6);
    assert_memory_equal(device + 309, "\x01\x01\x01", 3);
    assert_memory_equal(device + 312, "\xff\x4f\x01\x00", 4);
    size_t n;
    assert_null(opu_usbip_link_room(bench->link, &n)); /* a list is all it was good for */
    opu_usbip_link_destroy(bench->link);
    open_link(bench, false);
    memcpy(import + 8, "1-1", 4);
    feed(bench, import, 40, 7);
    assert_int_equal(collect(bench, seen, sizeof seen), OPU_USBIP_IMPORT_BYTES);
    assert_memory_equal(seen, "\x01\x11\x00\x03\0\0\0\0", 8);
    assert_memory_equal(seen + 8 + 300, "\x12\x09", 2);
    assert_true(opu_usbip_link_imported(bench->link));
    opu_usbip_link_destroy(bench->link);
    open_link(bench, false);
    memcpy(import + 8, "9-9", 4);
    feed(bench, import, 40, 40);
    assert_int_equal(collect(bench, seen, sizeof seen), OPU_USBIP_OP_BYTES);
    assert_int_equal(get32(seen + 4), OPU_USBIP_NO_DEVICE);
    assert_false(opu_usbip_link_imported(bench->link));
}

static void another_version_is_refused(void **state)
{
    static const uint8_t list[8] = {1, 0x06, 0x80, 5};
    struct bench *const bench = *state;
    size_t n;
    feed(bench, list, 8, 8);
    assert_null(opu_usbip_link_room(bench->link, &n));
    assert_non_null(strstr(opu_usbip_link_fault(bench->link), "1.1.1"));
}

static void a_descriptor_is_read(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[256];
    put_control(header, 9, 0x80, 6, 0x0100, 64);
    feed(bench, header, 48, 5);
    assert_int_equal(collect(bench, seen, sizeof seen), 48 + 18);
    an_answer_is(seen, 3, 9, 0, 18);
    assert_memory_equal(seen + 48, "\x12\x01", 2);
    assert_memory_equal(seen + 48 + 8, "\x09\x12\x01\x00", 4);
}

static void requests_that_contradict_themselves_stall(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[256];
    put_control(header, 1, 0x80, 6, 0x0100, 64);
    put32(header + 12, 0); /* an IN request that goes out */
    put32(header + 24, 2);
    feed(bench, header, 48, 48);
    feed(bench, "ab", 2, 2);
    assert_int_equal(collect(bench, seen, sizeof seen), 48);
    an_answer_is(seen, 3, 1, -32, 0);
    put_control(header, 2, 0x80, 6, 0x0100, 64);
    put32(header + 24, 8); /* room for less than it asks for */
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 48 + 8);
    an_answer_is(seen, 3, 2, 0, 8);
    put_submit(header, 3, 0x85, 8);
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 48);
    an_answer_is(seen, 3, 3, -32, 0);
}

static void what_waits_is_answered_later(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[2048], said[300];
    memset(said, 5, sizeof said);
    put_submit(header, 1, 0x82, 512);
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 0);
    put_submit(header, 2, 0x01, sizeof said);
    feed(bench, header, 48, 48);
    feed(bench, said, sizeof said, 77);
    assert_int_equal(collect(bench, seen, sizeof seen), 48);
    an_answer_is(seen, 3, 2, 0, 300);
    opu_usbip_link_ask(bench->link);
    assert_int_equal(collect(bench, seen, sizeof seen), 48 + 300);
    an_answer_is(seen, 3, 1, 0, 300);
    assert_memory_equal(seen + 48, said, 300);
}

static void a_short_answer_is_an_error_where_it_may_not_be_short(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[2048];
    put_submit(header, 1, 0x01, 3);
    feed(bench, header, 48, 48);
    feed(bench, "abc", 3, 3);
    put_submit(header, 2, 0x82, 512);
    put32(header + 20, 1);
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 48 + 48 + 3);
    an_answer_is(seen + 48, 3, 2, -121, 3);
}

static void unlinking_what_waits_gives_no_other_answer(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[256];
    for (uint32_t i = 1; i <= 3; i++) {
        put_submit(header, i, 0x82, 64);
        feed(bench, header, 48, 48);
    }
    put_unlink(header, 4, 2);
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 48);
    an_answer_is(seen, 4, 4, RESET, 0);
    put_submit(header, 5, 0x01, 1);
    feed(bench, header, 48, 48);
    feed(bench, "x", 1, 1);
    opu_usbip_link_ask(bench->link);
    assert_int_equal(collect(bench, seen, sizeof seen), 48 + 49);
    an_answer_is(seen + 48, 3, 1, 0, 1); /* 2 is gone: the answer is the first that waits */
}

static void unlinking_what_was_answered_says_so(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[256];
    put_submit(header, 1, 0x01, 1);
    feed(bench, header, 48, 48);
    feed(bench, "x", 1, 1);
    put_unlink(header, 2, 1); /* before the answer was even sent */
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 96);
    an_answer_is(seen, 3, 1, 0, 1);
    an_answer_is(seen + 48, 4, 2, 0, 0);
    put_unlink(header, 3, 77);
    feed(bench, header, 48, 48);
    assert_int_equal(collect(bench, seen, sizeof seen), 48);
    an_answer_is(seen, 4, 3, 0, 0);
}

static void a_stall_lasts_until_the_halt_is_cleared(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48], seen[256];
    bench->echo.stall_out = true;
    for (uint32_t i = 1; i <= 2; i++) {
        put_submit(header, i, 0x01, 1);
        feed(bench, header, 48, 48);
        feed(bench, "x", 1, 1);
    }
    assert_int_equal(collect(bench, seen, sizeof seen), 96);
    an_answer_is(seen, 3, 1, -32, 0);
    an_answer_is(seen + 48, 3, 2, -32, 0);
    put_control(header, 3, 0x02, 1, 0, 0);
    header[44] = OPU_USB_OUT;
    feed(bench, header, 48, 48);
    put_submit(header, 4, 0x01, 1);
    feed(bench, header, 48, 48);
    feed(bench, "x", 1, 1);
    assert_int_equal(collect(bench, seen, sizeof seen), 96);
    an_answer_is(seen, 3, 3, 0, 0);
    an_answer_is(seen + 48, 3, 4, 0, 1);
}

static void what_cannot_be_followed_closes(void **state)
{
    struct bench *const bench = *state;
    static const struct {
        size_t at;
        uint32_t value;
        const char *words;
    } cases[] = {
        {0, 7, "neither submit nor unlink"}, {12, 2, "endpoint"}, {16, 16, "endpoint"},
        {24, (16u << 20) + 1, "16 MiB"},     {24, ~0u, "16 MiB"}, {32, 1, "isochronous"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t header[48];
        size_t n;
        opu_usbip_link_destroy(bench->link);
        open_link(bench, true);
        put_submit(header, 1, 0x82, 64);
        put32(header + cases[i].at, cases[i].value);
        feed(bench, header, 48, 48);
        assert_null(opu_usbip_link_room(bench->link, &n));
        assert_non_null(strstr(opu_usbip_link_fault(bench->link), cases[i].words));
        assert_null(opu_usbip_link_output(bench->link, &n));
    }
}

static void memory_is_bounded(void **state)
{
    struct bench *const bench = *state;
    uint8_t header[48];
    size_t n, taken = 0;
    while (opu_usbip_link_room(bench->link, &n) != NULL && taken < 100) {
        put_submit(header, (uint32_t)++taken, 0x82, 16u << 20);
        feed(bench, header, 48, 48);
    }
    assert_int_equal(taken, 8); /* seven times 16 MiB and their heads are below 128 MiB */
    assert_non_null(strstr(opu_usbip_link_fault(bench->link), "128 MiB"));
}

static void the_function_hears_that_its_host_has_gone(void **state)
{
    struct bench *const bench = *state;
    unsigned const resets = bench->echo.resets;
    uint8_t header[48];
    put_submit(header, 1, 0x82, 64);
    feed(bench, header, 48, 48);
    opu_usbip_link_destroy(bench->link);
    bench->link = NULL;
    assert_int_equal(bench->echo.resets, resets + 1);
}

/* ---- The server ---- */

struct served {
    struct echo echo;
    struct opu_gadget *gadget;
    pthread_t thread;
    int fd, status;
};

static void *serve(void *user)
{
    struct served *const served = user;
    served->status = opu_gadget_run(served->gadget);
    return NULL;
}

static struct opu_gadget_options options_of(struct served *served)
{
    return (struct opu_gadget_options){
        .function = echo_function(&served->echo), .identity = echo_identity, .max_out_bytes = MOST};
}

static void start(struct served *served)
{
    int pair[2];
    struct opu_gadget_failure failure;
    struct opu_gadget_options const options = options_of(served);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    served->fd = pair[0];
    served->gadget = opu_usbip_serve(&options, pair[1], &failure);
    assert_non_null(served->gadget);
    assert_int_equal(pthread_create(&served->thread, NULL, serve, served), 0);
}

static void stop(struct served *served)
{
    opu_gadget_stop(served->gadget);
    assert_int_equal(pthread_join(served->thread, NULL), 0);
    assert_int_equal(served->status, OPU_GADGET_OK);
    opu_gadget_destroy(served->gadget);
    close(served->fd);
    echo_empty(&served->echo);
}

static void read_all(int fd, void *to, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t const now = read(fd, (char *)to + got, n - got);
        assert_true(now > 0);
        got += (size_t)now;
    }
}

static void write_all(int fd, const void *from, size_t n)
{
    assert_int_equal(send(fd, from, n, MSG_NOSIGNAL), n);
}

static void large_transfers_cross_the_socket(void **state)
{
    enum { BYTES = 200001 };
    struct served served;
    uint8_t header[48], *const said = malloc(BYTES), *const back = malloc(BYTES);
    (void)state;
    start(&served);
    for (size_t i = 0; i < BYTES; i++) {
        said[i] = (uint8_t)(i * i >> 3);
    }
    for (uint32_t i = 0; i < 5; i++) {
        put_submit(header, 2 * i, 0x82, 1u << 18);
        write_all(served.fd, header, 48);
        put_submit(header, 2 * i + 1, 0x01, BYTES);
        write_all(served.fd, header, 48);
        write_all(served.fd, said, BYTES);
        read_all(served.fd, header, 48);
        an_answer_is(header, 3, 2 * i + 1, 0, BYTES);
        opu_gadget_ask(served.gadget);
        read_all(served.fd, header, 48);
        an_answer_is(header, 3, 2 * i, 0, BYTES);
        read_all(served.fd, back, BYTES);
        assert_memory_equal(said, back, BYTES);
    }
    stop(&served);
    free(said);
    free(back);
}

static void an_unplug_closes_the_connection(void **state)
{
    struct served served;
    uint8_t header[48];
    (void)state;
    start(&served);
    put_submit(header, 1, 0x82, 64);
    write_all(served.fd, header, 48);
    opu_gadget_unplug(served.gadget, 1000000);
    assert_int_equal(read(served.fd, header, 48), 0);
    stop(&served);
}

static void a_transfer_that_is_too_long_closes_the_connection(void **state)
{
    struct served served;
    uint8_t header[48];
    (void)state;
    start(&served);
    put_submit(header, 1, 0x01, (16u << 20) + 1);
    write_all(served.fd, header, 48);
    assert_int_equal(read(served.fd, header, 48), 0);
    stop(&served);
}

static int reach(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int const fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void one_host_at_a_time_has_the_device(void **state)
{
    struct served served;
    struct opu_gadget_failure failure;
    struct opu_gadget_options const options = options_of(&served);
    uint8_t import[40] = {1, 0x11, 0x80, 3}, seen[OPU_USBIP_LIST_BYTES];
    unsigned port = 0;
    (void)state;
    served.gadget = opu_usbip_listen(&options, 0, &failure);
    assert_non_null(served.gadget);
    assert_int_equal(sscanf(served.gadget->describe, "USB/IP on 127.0.0.1 port %u", &port), 1);
    assert_null(opu_usbip_listen(&options, (uint16_t)port, &failure));
    assert_int_equal(failure.status, OPU_GADGET_BUSY);
    assert_int_equal(pthread_create(&served.thread, NULL, serve, &served), 0);
    served.fd = reach(port);
    memcpy(import + 8, "1-1", 4);
    write_all(served.fd, import, 40);
    read_all(served.fd, seen, OPU_USBIP_IMPORT_BYTES);
    int const second = reach(port);
    write_all(second, import, 40);
    read_all(second, seen, OPU_USBIP_OP_BYTES);
    assert_int_equal(get32(seen + 4), OPU_USBIP_BUSY);
    close(second);
    int const third = reach(port);
    import[3] = 5;
    write_all(third, import, 8);
    read_all(third, seen, OPU_USBIP_LIST_BYTES);
    assert_int_equal(read(third, seen, 1), 0);
    close(third);
    stop(&served);
}

/* ---- vhci_hcd's files ---- */

static const char status_text[] = "hub port sta spd dev      sockfd local_busid\n"
                                  "hs  0000 006 003 00010002 000003 1-1\n"
                                  "hs  0001 004 000 00000000 000000 0-0\n"
                                  "hs  0002 004 000 00000000 000000 0-0\n"
                                  "ss  0008 004 000 00000000 000000 0-0\n";

static void a_free_port_of_the_right_speed_is_found(void **state)
{
    (void)state;
    assert_int_equal(opu_vhci_find_port(status_text, OPU_USB_HIGH, 0), 1);
    assert_int_equal(opu_vhci_find_port(status_text, OPU_USB_HIGH, 2), 2);
    assert_int_equal(opu_vhci_find_port(status_text, OPU_USB_HIGH, 3), -1);
    assert_int_equal(opu_vhci_find_port(status_text, OPU_USB_SUPER, 0), 8);
    assert_int_equal(opu_vhci_find_port("", OPU_USB_HIGH, 0), -1);
    assert_int_equal(opu_vhci_find_port("hs", OPU_USB_HIGH, 0), -1);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void attaching_names_port_socket_device_and_speed(void **state)
{
    char folder[] = "/tmp/opu-vhci-XXXXXX", path[300], line[64] = "", command[350];
    struct opu_vhci vhci;
    struct opu_gadget_failure failure = {.status = 0};
    int fd = -1, kernel_fd = -1, devid = 0, speed = 0;
    unsigned port = 99, written = 99;
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file(folder, "status", status_text);
    write_file(folder, "attach", "");
    assert_int_equal(opu_vhci_open(&vhci, folder, &failure), OPU_GADGET_OK);
    assert_int_equal(opu_vhci_plug(&vhci, OPU_USB_HIGH, &fd, &port, &failure), OPU_GADGET_OK);
    snprintf(path, sizeof path, "%s/attach", folder);
    FILE *const file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_int_equal(sscanf(line, "%u %d %d %d", &written, &kernel_fd, &devid, &speed), 4);
    assert_int_equal(written, port);
    assert_int_equal(port, 1);
    assert_int_equal(devid, 65538);
    assert_int_equal(speed, 3);
    close(fd);
    struct served served;
    struct opu_gadget_options const options = options_of(&served);
    served.gadget = opu_usbip_attach(&options, &vhci, &failure);
    assert_non_null(served.gadget);
    assert_string_equal(served.gadget->describe, "attached to vhci_hcd port 1");
    opu_gadget_destroy(served.gadget);
    assert_int_equal(opu_vhci_open(&vhci, folder, &failure), OPU_GADGET_OK);
    write_file(folder, "status", "hub port\nhs 0000 006 003 0 0 1-1\n");
    assert_int_equal(opu_vhci_plug(&vhci, OPU_USB_HIGH, &fd, &port, &failure), OPU_GADGET_BUSY);
    opu_vhci_close(&vhci);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void a_kernel_without_the_client_is_told_how_to_load_it(void **state)
{
    struct opu_vhci vhci;
    struct opu_gadget_failure failure;
    (void)state;
    assert_int_equal(opu_vhci_open(&vhci, "/no/such/folder", &failure), OPU_GADGET_NOT_FOUND);
    assert_non_null(strstr(failure.text, "modprobe vhci-hcd"));
}

static void rights_are_laid_down_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    pid_t const child = fork();
    if (child == 0) {
        struct opu_gadget_failure failure;
        setenv("SUDO_UID", "65534", 1);
        setenv("SUDO_GID", "65534", 1);
        bool right = opu_privileges_drop(NULL, &failure) == OPU_GADGET_OK;
        gid_t groups[8];
        right = right && getuid() == 65534 && geteuid() == 65534 && getegid() == 65534;
        right = right && getgroups(8, groups) == 0 && setuid(0) < 0 && setgid(0) < 0;
        _exit(right ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct opu_gadget_failure failure;
    assert_int_equal(opu_privileges_drop("no-such-user", &failure), OPU_GADGET_NOT_FOUND);
    assert_int_equal(opu_privileges_drop("root", &failure), OPU_GADGET_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define GREETING(name) cmocka_unit_test_setup_teardown(name, set_up_greeting, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GREETING(a_device_is_listed_and_imported),
        GREETING(another_version_is_refused),
        CASE(a_descriptor_is_read),
        CASE(requests_that_contradict_themselves_stall),
        CASE(what_waits_is_answered_later),
        CASE(a_short_answer_is_an_error_where_it_may_not_be_short),
        CASE(unlinking_what_waits_gives_no_other_answer),
        CASE(unlinking_what_was_answered_says_so),
        CASE(a_stall_lasts_until_the_halt_is_cleared),
        CASE(what_cannot_be_followed_closes),
        CASE(memory_is_bounded),
        CASE(the_function_hears_that_its_host_has_gone),
        cmocka_unit_test(large_transfers_cross_the_socket),
        cmocka_unit_test(an_unplug_closes_the_connection),
        cmocka_unit_test(a_transfer_that_is_too_long_closes_the_connection),
        cmocka_unit_test(one_host_at_a_time_has_the_device),
        cmocka_unit_test(a_free_port_of_the_right_speed_is_found),
        cmocka_unit_test(attaching_names_port_socket_device_and_speed),
        cmocka_unit_test(a_kernel_without_the_client_is_told_how_to_load_it),
        cmocka_unit_test(rights_are_laid_down_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
