/* SPDX-License-Identifier: MIT */
/*
 * What the ports share whose hosts speak in transfers (USB/IP, usbredir, usbfs under a test): the
 * standard requests, and per endpoint the transfers that wait because the function said NAK.
 *
 * No sockets, no threads, no clock: a port calls all of this from one thread (or under its lock).
 * The memory of a transfer is the port's, from submit until done.
 */
#ifndef OPU_FIRMWARE_PORT_QUEUE_H
#define OPU_FIRMWARE_PORT_QUEUE_H

#include "driver/descriptors.h"
#include "driver/firmware/function.h"

/* How a transfer ended: Linux's numbers, which USB/IP and usbfs use. */
enum {
    OPU_URB_OK = 0,
    OPU_URB_STALL = -32,      /* EPIPE */
    OPU_URB_OVERFLOW = -75,   /* EOVERFLOW */
    OPU_URB_CANCELLED = -104, /* ECONNRESET */
    OPU_URB_GONE = -108,      /* ESHUTDOWN */
    OPU_URB_SHORT = -121      /* EREMOTEIO: fewer bytes than were asked for, where that matters */
};

#define OPU_URB_CONTROL 0x00u

/* A control request, a bulk or interrupt transfer, or a piece of one. */
struct opu_urb {
    uint8_t endpoint; /* OPU_USB_OUT, OPU_USB_IN, OPU_USB_EVENT or OPU_URB_CONTROL */
    bool ends;        /* out: a zero-length packet follows, or the host said otherwise that the
                         transfer ends here; else it ends where n is no multiple of the packet */
    uint8_t *data;
    size_t n;     /* out: bytes; in: room; control: at least the setup's length */
    size_t moved; /* set at the end; what has come where it was cancelled amid an answer */
    int status;
    struct opu_fn_setup setup; /* of a control request */
    uint64_t id;               /* the port's, to find it by */
    void *user;
    struct opu_urb *next; /* the queue's while it waits */
    bool joined;
};

struct opu_port_queue_options {
    struct opu_function function;
    struct opu_usb_identity identity; /* its strings stay */
    size_t max_out_bytes;             /* of a transfer that comes in pieces */
    void *user;
    /* A transfer that was submitted has ended; it may be submitted again here. */
    void (*done)(void *user, struct opu_urb *urb);
};

struct opu_port_queue_end {
    struct opu_urb *first;
    bool halted, busy;
};

struct opu_port_queue {
    struct opu_port_queue_options options;
    struct opu_port_queue_end ends[4]; /* out, in, event, control */
    size_t packet;                     /* bytes of a full bulk packet at this speed */
    uint8_t *join;                     /* pieces of a transfer out, until the last comes */
    size_t n_join;
    uint8_t configuration;
};

/* false: no memory. */
bool opu_port_queue_init(struct opu_port_queue *queue,
                         const struct opu_port_queue_options *options);
/* Nothing may wait any more: opu_port_queue_unplug() first. */
void opu_port_queue_fini(struct opu_port_queue *queue);

/*
 * A control request: the standard ones are answered here, vendor requests to the interface by the
 * function. data: the setup's length bytes, to read or to fill. Returns bytes moved, OPU_FN_STALL,
 * or OPU_FN_NAK from a function that keeps silent (a transfer submitted to OPU_URB_CONTROL waits
 * for it by itself).
 */
int opu_port_queue_control(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                           uint8_t *data);
/* The eight bytes of a setup packet. */
struct opu_fn_setup opu_port_queue_setup(const uint8_t bytes[8]);

/* Asks the function, or waits its turn: done() is called now or later. false (and no done()): there
 * is no such endpoint. */
bool opu_port_queue_submit(struct opu_port_queue *queue, struct opu_urb *urb);
/* Asks again for what waits: after `ready`. */
void opu_port_queue_ask(struct opu_port_queue *queue);
/* Takes a waiting transfer out, without done(): its host doesn't want it any more. NULL: none with
 * that id waits. */
struct opu_urb *opu_port_queue_take(struct opu_port_queue *queue, uint64_t id);

/* As the requests do it, for ports that hear of it by other ways. */
void opu_port_queue_clear_halt(struct opu_port_queue *queue, uint8_t endpoint);
bool opu_port_queue_halted(const struct opu_port_queue *queue, uint8_t endpoint);
void opu_port_queue_bus_reset(struct opu_port_queue *queue);
/* The host or the cable has gone: all that waits ends with that status, and the bus is reset. */
void opu_port_queue_unplug(struct opu_port_queue *queue, int status);

#endif
