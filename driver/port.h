/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a USB connection, as the session above it needs it: control requests, bulk and
 * interrupt transfers that complete later, and plugging. port_libusb.c is the real one; the tests
 * have one in the process, so that the session can be watched by a thread sanitizer.
 */
#ifndef OPU_DRIVER_PORT_H
#define OPU_DRIVER_PORT_H

#include "driver/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opu_port_end { OPU_PORT_OUT = 0, OPU_PORT_IN = 1, OPU_PORT_EVENT = 2 };

/* How a transfer or a request ended. */
enum opu_port_status {
    OPU_PORT_OK = 0,
    OPU_PORT_ERROR = -1, /* EPROTO and the like: may be the first sign of an unplugged device */
    OPU_PORT_STALL = -2,
    OPU_PORT_CANCELLED = -3,
    OPU_PORT_GONE = -4,
    OPU_PORT_NO_MEMORY = -5, /* usbfs' share is used up: fewer or smaller transfers */
    OPU_PORT_TIMEOUT = -6,   /* of a control request */
    OPU_PORT_OVERFLOW = -7   /* the device sent more than there was room for */
};

/* One transfer: memory of the session, handed over from submit to done. */
struct opu_port_transfer {
    enum opu_port_end end;
    uint8_t *data;
    size_t n;     /* out: bytes to send; in: room, a multiple of the endpoint's packet */
    size_t moved; /* set at the end; also where it was cancelled or failed */
    int status;   /* enum opu_port_status */
    /* Called by handle(), in the thread that runs it, once for each successful submit. */
    void (*done)(struct opu_port_transfer *transfer);
    void *user;
    void *backing; /* the port's own */
};

struct opu_port;

struct opu_port_ops {
    /* Room for transfers that the port would not have to copy where it can be had, else plain
     * memory. A transfer's data must come from here. NULL: no memory. */
    uint8_t *(*memory_alloc)(struct opu_port *port, size_t n);
    void (*memory_free)(struct opu_port *port, uint8_t *data, size_t n);
    /* Makes and frees what stands behind a transfer. */
    int (*prepare)(struct opu_port *port, struct opu_port_transfer *transfer);
    void (*release)(struct opu_port *port, struct opu_port_transfer *transfer);

    /* Any thread. OPU_PORT_OK: done() will be called, whatever happens. */
    int (*submit)(struct opu_port *port, struct opu_port_transfer *transfer);
    /* Any thread; done() comes later with CANCELLED, or with what was faster. */
    void (*cancel)(struct opu_port *port, struct opu_port_transfer *transfer);
    /* Event thread: waits at most wait_us (UINT64_MAX: nothing is due) for something to end, and
     * calls its done(). It may return sooner. */
    void (*handle)(struct opu_port *port, uint64_t wait_us);
    /* Any thread: handle() returns soon. */
    void (*wake)(struct opu_port *port);

    /* Event thread, or while there is none; not inside done(). A vendor request to the interface;
     * returns bytes moved or an opu_port_status. */
    int (*control)(struct opu_port *port, bool in, uint8_t request, uint16_t value, uint8_t *data,
                   size_t n, unsigned timeout_ms);
    int (*clear_halt)(struct opu_port *port, enum opu_port_end end);
    /* With no transfer under way and no memory of the port in use, after GONE or where the device
     * turned out to be another: closes it and looks for the same device again. OK: it is open and
     * claimed; GONE: not there yet; ERROR with a sentence (opu_fail) for what will not get better.
     */
    int (*reopen)(struct opu_port *port);
    void (*close)(struct opu_port *port);

    /* The clock that deadlines are kept by; idle (may be NULL) is told that nothing has happened
     * and when the next deadline is: a virtual clock jumps there. */
    uint64_t (*now_us)(struct opu_port *port);
    void (*idle)(struct opu_port *port, uint64_t deadline_us);
};

struct opu_port {
    const struct opu_port_ops *ops;
    char name[64];       /* "usb:1.4", for sentences */
    size_t in_packet;    /* wMaxPacketSize of bulk IN */
    size_t memory_limit; /* bytes that may be under way at once */
};

#endif
