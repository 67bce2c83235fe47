/* SPDX-License-Identifier: MIT */
/*
 * Transfers over libusb. None has a timeout of libusb's: deadlines are the session's, by the port's
 * clock. Requests are transfers too, waited for in the thread that handles events.
 */
#include "driver/port_libusb_internal.h"

#include <string.h>
#include <time.h>

#include "core/base/mem.h"

#define HANDLE_MAX_US 1000000u

static struct libusb_port *of(struct opu_port *port)
{
    return (struct libusb_port *)(void *)port; /* its first member */
}

static int port_status(int status)
{
    switch (status) {
    case 0:
        return OPU_PORT_OK;
    case LIBUSB_ERROR_NO_DEVICE:
        return OPU_PORT_GONE;
    case LIBUSB_ERROR_NO_MEM:
        return OPU_PORT_NO_MEMORY;
    case LIBUSB_ERROR_PIPE:
        return OPU_PORT_STALL;
    case LIBUSB_ERROR_TIMEOUT:
        return OPU_PORT_TIMEOUT;
    default:
        return OPU_PORT_ERROR;
    }
}

/* An unplugged device ends transfers in several ways; that it has left settles it. */
static int transfer_status(const struct libusb_port *p, const struct libusb_transfer *transfer)
{
    static const int statuses[] = {
        [LIBUSB_TRANSFER_COMPLETED] = OPU_PORT_OK,
        [LIBUSB_TRANSFER_ERROR] = OPU_PORT_ERROR,
        [LIBUSB_TRANSFER_TIMED_OUT] = OPU_PORT_TIMEOUT,
        [LIBUSB_TRANSFER_CANCELLED] = OPU_PORT_CANCELLED,
        [LIBUSB_TRANSFER_STALL] = OPU_PORT_STALL,
        [LIBUSB_TRANSFER_NO_DEVICE] = OPU_PORT_GONE,
        [LIBUSB_TRANSFER_OVERFLOW] = OPU_PORT_OVERFLOW,
    };
    int const status = statuses[transfer->status];
    return status == OPU_PORT_ERROR && atomic_load(&p->left) ? OPU_PORT_GONE : status;
}

/* ---- Memory ---- */

static uint8_t *memory_alloc(struct opu_port *port, size_t n)
{
    struct libusb_port *const p = of(port);
    unsigned char *const mapped =
        p->opened.handle != NULL ? libusb_dev_mem_alloc(p->opened.handle, n) : NULL;
    for (size_t i = 0; mapped != NULL && i < OPU_LIBUSB_MAPPED; i++) {
        unsigned char *free_place = NULL;
        if (atomic_compare_exchange_strong(&p->mapped[i], &free_place, mapped)) {
            return mapped;
        }
    }
    if (mapped != NULL) {
        (void)libusb_dev_mem_free(p->opened.handle, mapped, n);
    }
    uint8_t *const memory = opu_context_alloc(p->context, n);
    return memory;
}

static void memory_free(struct opu_port *port, uint8_t *data, size_t n)
{
    struct libusb_port *const p = of(port);
    for (size_t i = 0; i < OPU_LIBUSB_MAPPED; i++) {
        unsigned char *mine = data;
        if (atomic_compare_exchange_strong(&p->mapped[i], &mine, NULL)) {
            (void)libusb_dev_mem_free(p->opened.handle, data, n);
            return;
        }
    }
    opu_context_free(p->context, data);
}

/* ---- Transfers ---- */

struct backing {
    struct libusb_transfer *usb;
    struct libusb_port *port;
};

static void LIBUSB_CALL ended(struct libusb_transfer *usb)
{
    struct opu_port_transfer *const transfer = usb->user_data;
    const struct backing *const backing = transfer->backing;
    transfer->moved = usb->actual_length > 0 ? (size_t)usb->actual_length : 0;
    transfer->status = transfer_status(backing->port, usb);
    backing->port->callbacks++;
    transfer->done(transfer);
}

static int prepare(struct opu_port *port, struct opu_port_transfer *transfer)
{
    struct libusb_port *const p = of(port);
    struct backing *const backing = opu_calloc(p->context, 1, sizeof *backing);
    if (backing == NULL) {
        return OPU_PORT_NO_MEMORY;
    }
    backing->port = p;
    backing->usb = libusb_alloc_transfer(0);
    if (backing->usb == NULL) {
        opu_context_free(p->context, backing);
        return OPU_PORT_NO_MEMORY;
    }
    transfer->backing = backing;
    return OPU_PORT_OK;
}

static void release(struct opu_port *port, struct opu_port_transfer *transfer)
{
    struct backing *const backing = transfer->backing;
    libusb_free_transfer(backing->usb);
    opu_context_free(of(port)->context, backing);
    transfer->backing = NULL;
}

static int submit(struct opu_port *port, struct opu_port_transfer *transfer)
{
    struct libusb_port *const p = of(port);
    struct backing *const backing = transfer->backing;
    const struct opu_usb_interface *const interface = &p->opened.interface;
    uint8_t const endpoints[] = {[OPU_PORT_OUT] = interface->out,
                                 [OPU_PORT_IN] = interface->in,
                                 [OPU_PORT_EVENT] = interface->event};
    if (p->opened.handle == NULL) {
        return OPU_PORT_GONE;
    }
    if (transfer->end == OPU_PORT_EVENT) {
        libusb_fill_interrupt_transfer(backing->usb, p->opened.handle, endpoints[transfer->end],
                                       transfer->data, (int)transfer->n, ended, transfer, 0);
    } else {
        libusb_fill_bulk_transfer(backing->usb, p->opened.handle, endpoints[transfer->end],
                                  transfer->data, (int)transfer->n, ended, transfer, 0);
    }
    return port_status(libusb_submit_transfer(backing->usb));
}

static void cancel(struct opu_port *port, struct opu_port_transfer *transfer)
{
    const struct backing *const backing = transfer->backing;
    (void)port;
    (void)libusb_cancel_transfer(backing->usb); /* not found: it has ended, and its done() comes */
}

static uint64_t now_us(struct opu_port *port)
{
    struct timespec now;
    (void)port;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void handle(struct opu_port *port, uint64_t wait_us)
{
    struct libusb_port *const p = of(port);
    uint64_t const us = wait_us < HANDLE_MAX_US ? wait_us : HANDLE_MAX_US;
    struct timeval time = {.tv_sec = (time_t)(us / 1000000u),
                           .tv_usec = (suseconds_t)(us % 1000000u)};
    int const status = libusb_handle_events_timeout_completed(p->usb, &time, NULL);
    if (status != 0 && status != LIBUSB_ERROR_INTERRUPTED) {
        /* Nothing is known that would cause it and last; a loop that spins would be worse. */
        struct timespec const pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
}

static void wake(struct opu_port *port)
{
    libusb_interrupt_event_handler(of(port)->usb);
}

/* ---- Requests ---- */

static void LIBUSB_CALL control_ended(struct libusb_transfer *usb)
{
    struct libusb_port *const p = usb->user_data;
    p->control_done = true;
    p->callbacks++;
}

/* Handles events until the request has ended, cancelled where it takes too long. */
static int await_control(struct libusb_port *p, unsigned timeout_ms)
{
    const struct opu_port_ops *const ops = p->port.ops;
    uint64_t const until = ops->now_us(&p->port) + (uint64_t)timeout_ms * 1000u;
    bool late = false;
    while (!p->control_done) {
        uint64_t const now = ops->now_us(&p->port);
        uint64_t const before = p->callbacks;
        if (now >= until) {
            late = true;
            (void)libusb_cancel_transfer(p->control); /* said again until it has ended */
        }
        ops->handle(&p->port, now >= until ? 100000u : until - now);
        if (!p->control_done && p->callbacks == before && !late && ops->idle != NULL) {
            ops->idle(&p->port, until);
        }
    }
    int const status = transfer_status(p, p->control);
    return status == OPU_PORT_CANCELLED && late ? OPU_PORT_TIMEOUT : status;
}

static int control(struct opu_port *port, bool in, uint8_t request, uint16_t value, uint8_t *data,
                   size_t n, unsigned timeout_ms)
{
    struct libusb_port *const p = of(port);
    uint8_t const type = (uint8_t)(in ? 0xc1 : 0x41);
    if (p->opened.handle == NULL || n > OPU_WIRE_CONTROL_BYTES) {
        return p->opened.handle == NULL ? OPU_PORT_GONE : OPU_PORT_ERROR;
    }
    libusb_fill_control_setup(p->control_data, type, request, value, p->opened.interface.number,
                              (uint16_t)n);
    if (!in && n > 0) {
        memcpy(p->control_data + LIBUSB_CONTROL_SETUP_SIZE, data, n);
    }
    libusb_fill_control_transfer(p->control, p->opened.handle, p->control_data, control_ended, p,
                                 0);
    p->control_done = false;
    int const submitted = libusb_submit_transfer(p->control);
    if (submitted != 0) {
        return port_status(submitted);
    }
    int const status = await_control(p, timeout_ms);
    if (status != OPU_PORT_OK) {
        return status;
    }
    size_t const moved = (size_t)p->control->actual_length;
    if (in && moved > 0) {
        memcpy(data, p->control_data + LIBUSB_CONTROL_SETUP_SIZE, moved < n ? moved : n);
    }
    return (int)moved;
}

static int clear_halt(struct opu_port *port, enum opu_port_end end)
{
    struct libusb_port *const p = of(port);
    const struct opu_usb_interface *const interface = &p->opened.interface;
    uint8_t const endpoints[] = {[OPU_PORT_OUT] = interface->out,
                                 [OPU_PORT_IN] = interface->in,
                                 [OPU_PORT_EVENT] = interface->event};
    return p->opened.handle == NULL
               ? OPU_PORT_GONE
               : port_status(libusb_clear_halt(p->opened.handle, endpoints[end]));
}

const struct opu_port_ops opu_libusb_transfer_ops = {
    .memory_alloc = memory_alloc,
    .memory_free = memory_free,
    .prepare = prepare,
    .release = release,
    .submit = submit,
    .cancel = cancel,
    .handle = handle,
    .wake = wake,
    .control = control,
    .clear_halt = clear_halt,
    .now_us = now_us,
};
