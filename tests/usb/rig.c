/* SPDX-License-Identifier: MIT */
/* A whole device on USB, for tests. */
#include "rig.h"

#include "driver/usb_backend.h"

#include <libusb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PACKET ((4u << 20) + (64u << 10))

static uint64_t monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t usb_rig_now_us(void *self)
{
    struct usb_rig *const rig = self;
    return rig->options.virtual_clock ? atomic_load(&rig->virtual_us) : monotonic_us();
}

/* ---- Whom libusb sees ---- */

static bool listed(struct usb_rig *rig, unsigned address)
{
    libusb_device **list = NULL;
    ssize_t const n = libusb_get_device_list(rig->observer, &list);
    bool found = false;
    for (ssize_t i = 0; i < n; i++) {
        found = found || libusb_get_device_address(list[i]) == address;
    }
    if (n >= 0) {
        libusb_free_device_list(list, 1);
    }
    return found;
}

bool usb_rig_seen(struct usb_rig *rig)
{
    struct timespec const pause = {.tv_nsec = 200000};
    uint64_t const until = monotonic_us() + 5000000u;
    while (listed(rig, usb_node_address(rig->node)) != usb_node_plugged(rig->node)) {
        if (monotonic_us() > until) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- The virtual clock ---- */

static void step(void *self)
{
    struct usb_rig *const rig = self;
    (void)opu_board_step(rig->board);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return b != 0 && b < a ? b : a;
}

/* Nothing has happened: the clock goes to the next thing that can. */
static void pass_time(void *self, uint64_t deadline_us)
{
    struct usb_rig *const rig = self;
    if (usb_node_pass(rig->node)) {
        (void)usb_rig_seen(rig);
        return;
    }
    uint64_t next = deadline_us;
    usb_node_lock(rig->node);
    next = earlier(next, opu_board_held_until_us(rig->board));
    next = earlier(next, opu_fault_silent_until_us(opu_board_fault(rig->board)));
    usb_node_unlock(rig->node);
    next = earlier(next, usb_node_due_us(rig->node));
    uint64_t const now = atomic_load(&rig->virtual_us);
    if (next > now && next != UINT64_MAX) {
        atomic_store(&rig->virtual_us, next);
    }
    usb_node_ready(rig->node);
}

/* Ports that are opened while a rig has a virtual clock keep it. */

static struct usb_rig *clock_rig;
static const struct opu_port_ops *real_ops;
static struct opu_port_ops own_ops;

static uint64_t port_now_us(struct opu_port *port)
{
    (void)port;
    return usb_rig_now_us(clock_rig);
}

static void port_idle(struct opu_port *port, uint64_t deadline_us)
{
    (void)port;
    pass_time(clock_rig, deadline_us);
}

/* What there is to wait for has happened, or will when the clock moves: real time is spent only
 * where nothing is planned, until a caller wakes the port. */
static void port_handle(struct opu_port *port, uint64_t wait_us)
{
    real_ops->handle(port, wait_us == UINT64_MAX ? wait_us : 0);
}

static void hook(struct opu_port *port)
{
    real_ops = port->ops;
    own_ops = *port->ops;
    own_ops.now_us = port_now_us;
    own_ops.idle = port_idle;
    own_ops.handle = port_handle;
    port->ops = &own_ops;
}

/* ---- Life ---- */

static void ready(void *self)
{
    const struct usb_rig *const rig = self;
    usb_node_ready(rig->node);
}

static void unplug(void *self, uint64_t us)
{
    const struct usb_rig *const rig = self;
    usb_node_unplug_for(rig->node, us);
}

static int open_optics(struct usb_rig *rig, struct opu_board_options *board)
{
    const struct usb_rig_options *const options = &rig->options;
    if (options->made != NULL) {
        board->optics = options->made;
        return 0;
    }
    const char *const uri = options->optics != NULL ? options->optics : "sim:";
    if (opu_device_open(&rig->device, NULL, uri) != OPU_OK) {
        return -1;
    }
    board->device = rig->device;
    return 0;
}

static int open_board(struct usb_rig *rig)
{
    const struct usb_rig_options *const options = &rig->options;
    const char *bad = NULL;
    struct opu_board_options board = {
        .serial = options->serial,
        .faults = &rig->plan,
        .rate_hz = options->rate_hz,
        .max_out_bytes = options->max_packet,
        .max_in_bytes = options->max_packet,
        .inline_work = options->virtual_clock,
        .parts = true,
        .user = rig,
        .now_us = usb_rig_now_us,
        .ready = ready,
        .unplug = unplug,
    };
    if (options->faults != NULL && !opu_fault_parse(&rig->plan, options->faults, &bad)) {
        (void)fprintf(stderr, "faults: '%s' is not understood\n", bad);
        return -1;
    }
    if (open_optics(rig, &board) < 0) {
        return -1;
    }
    return opu_board_create(&rig->board, &board) == OPU_OK ? 0 : -1;
}

static int open_node(struct usb_rig *rig)
{
    const struct usb_rig_options *const options = &rig->options;
    bool const own_ids = options->vendor_id != 0;
    struct usb_node_options const node = {
        .identity = {.vendor_id = own_ids ? options->vendor_id : OPU_WIRE_VENDOR_ID,
                     .product_id = own_ids ? options->product_id : OPU_WIRE_PRODUCT_ID,
                     .bcd_device = 0x0100,
                     .manufacturer = "opu",
                     .product = options->product != NULL ? options->product : "opu emulated",
                     .speed = OPU_USB_HIGH},
        .port = options->port != 0 ? options->port : 1,
        .fast = options->fast,
        .foreign = options->foreign,
        .splits = options->splits,
        .renumbered = options->renumbered,
        .version = options->version,
        .memory_limit = options->memory_limit,
        .user = rig,
        .step = options->virtual_clock ? step : NULL,
        .now_us = options->virtual_clock ? usb_rig_now_us : NULL,
    };
    rig->node = usb_node_create(&node);
    return rig->node != NULL ? 0 : -1;
}

static int open_all(struct usb_rig *rig)
{
    if (open_node(rig) < 0) {
        (void)fprintf(stderr, "no emulated node\n");
        return -1;
    }
    if (open_board(rig) < 0) {
        (void)fprintf(stderr, "%s\n", opu_error_message());
        return -1;
    }
    uint32_t const most = rig->options.max_packet != 0 ? rig->options.max_packet : PACKET;
    struct opu_function function = opu_board_function(rig->board);
    if (rig->options.around != NULL) {
        function = rig->options.around(rig->options.around_user, function);
    }
    usb_node_behind(rig->node, function, opu_board_serial(rig->board), most);
    (void)snprintf(rig->uri, sizeof rig->uri, "usb:serial=%s", opu_board_serial(rig->board));
    if (rig->options.unplugged) {
        return 0;
    }
    usb_node_plug(rig->node);
    if (!rig->options.foreign && libusb_init((libusb_context **)&rig->observer) < 0) {
        return -1;
    }
    return 0;
}

int usb_rig_open(struct usb_rig *rig, const struct usb_rig_options *options)
{
    *rig = (struct usb_rig){.options = *options};
    atomic_init(&rig->virtual_us, 1000000u);
    int const status = open_all(rig);
    if (options->virtual_clock) {
        clock_rig = rig;
        opu_usb_port_hook = hook;
    }
    if (status < 0) {
        usb_rig_close(rig);
    }
    return status;
}

/* The board's thread may still call the node, and the node the board: first nothing is asked for
 * any more, then the thread ends. */
void usb_rig_close(struct usb_rig *rig)
{
    if (clock_rig == rig) {
        clock_rig = NULL;
        opu_usb_port_hook = NULL;
    }
    if (rig->node != NULL) {
        usb_node_alone(rig->node);
    }
    if (rig->observer != NULL) {
        libusb_exit(rig->observer);
    }
    opu_board_destroy(rig->board);
    usb_node_destroy(rig->node);
    opu_device_close(rig->device);
    *rig = (struct usb_rig){.options = rig->options};
}

void usb_rig_strike(struct usb_rig *rig, enum opu_fault_kind kind)
{
    opu_fault_strike(opu_board_fault(rig->board), kind);
}

void usb_rig_faults(struct usb_rig *rig, uint64_t counts[OPU_FAULT_KINDS])
{
    opu_fault_counts(opu_board_fault(rig->board), counts);
}
