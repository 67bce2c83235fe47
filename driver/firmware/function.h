/* SPDX-License-Identifier: MIT */
/*
 * What a USB port needs of a device behind it: three verbs that never block. The firmware is one
 * (fw.h); fault.h wraps another around it. A port (FunctionFS, USB/IP, usbredir, in-process) keeps
 * the transfers that were answered with NAK, and asks again when the device says `ready`.
 *
 * Standard requests (descriptors, set configuration, halts) are the port's business: descriptors.h
 * and port_queue.h help.
 */
#ifndef OPU_FIRMWARE_FUNCTION_H
#define OPU_FIRMWARE_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

enum {
    OPU_FN_NAK = -1,  /* not now; ask again after ready */
    OPU_FN_STALL = -2 /* the endpoint halts (control: this request is refused) */
};

/* Or-ed to what in() returns: so many bytes have gone out and the transfer goes on; the port keeps
 * it and asks for the rest after ready. Only ports that ask for it (fault.h) ever see it. */
#define OPU_FN_PART 0x40000000

struct opu_fn_setup {
    uint8_t request_type, request;
    uint16_t value, index, length;
};

struct opu_function {
    void *self;
    /* A vendor request to the interface; in: fills at most setup->length bytes of data; out: data
     * holds setup->length bytes. Returns bytes moved, or STALL; NAK only where a fault (fault.h)
     * silences the device: the port lets the host's time run out, or stalls. */
    int (*control)(void *self, const struct opu_fn_setup *setup, uint8_t *data);
    /* One whole bulk OUT transfer of n bytes (0: a zero-length packet): returns n, NAK or STALL. */
    int (*out)(void *self, const uint8_t *data, size_t n);
    /* One bulk IN transfer with room for n bytes: returns bytes (fewer than n end it), NAK or
     * STALL. */
    int (*in)(void *self, uint8_t *data, size_t n);
    /* The same for the interrupt endpoint. */
    int (*event)(void *self, uint8_t *data, size_t n);
    /* The host reset the bus, chose the configuration anew, or went away. */
    void (*bus_reset)(void *self);
    /* The host cleared the halt of an endpoint (address as in descriptors.h). */
    void (*clear_halt)(void *self, uint8_t endpoint);
};

#endif
