/* SPDX-License-Identifier: MIT */
/*
 * A function behind a port, for tests of ports: what goes out comes back in, whole, in order. It
 * holds a few transfers (then NAK), and does what a test tells it to: stalls, keeps silent, has an
 * event.
 */
#ifndef OPU_TESTS_DRIVER_TOY_H
#define OPU_TESTS_DRIVER_TOY_H

#include "driver/descriptors.h"
#include "driver/firmware/function.h"

#include <stdlib.h>
#include <string.h>

#define TOY_HELD 4
#define TOY_BYTES (1u << 18)

struct toy {
    uint8_t *held[TOY_HELD];
    size_t bytes[TOY_HELD], n_held, sent; /* sent: of the first */
    bool stall_out, stall_in;             /* the next one does */
    bool silent;
    size_t part; /* the next answer stops after so many bytes for once; 0: no */
    int event;   /* -1: none */
    unsigned resets, cleared[256], asked_out, asked_in;
    struct {
        uint8_t bytes[1024];
        unsigned n;
    } said; /* by a vendor request 1 out; request 2 asks for it back; 3 stalls */
};

static inline int toy_control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    struct toy *const toy = self;
    if (toy->silent) {
        return OPU_FN_NAK;
    }
    if (setup->request_type == 0x41 && setup->request == 1 && setup->length <= 1024) {
        memcpy(toy->said.bytes, data, setup->length);
        toy->said.n = setup->length;
        return setup->length;
    }
    if (setup->request_type == 0xc1 && setup->request == 2) {
        unsigned const n = toy->said.n < setup->length ? toy->said.n : setup->length;
        memcpy(data, toy->said.bytes, n);
        return (int)n;
    }
    return setup->request == 7 ? 0 : OPU_FN_STALL;
}

static inline int toy_out(void *self, const uint8_t *data, size_t n)
{
    struct toy *const toy = self;
    toy->asked_out++;
    if (toy->stall_out) {
        toy->stall_out = false;
        return OPU_FN_STALL;
    }
    if (toy->silent || toy->n_held == TOY_HELD) {
        return OPU_FN_NAK;
    }
    toy->held[toy->n_held] = malloc(n + 1);
    memcpy(toy->held[toy->n_held], data, n);
    toy->bytes[toy->n_held++] = n;
    return (int)n;
}

static inline int toy_in(void *self, uint8_t *data, size_t n)
{
    struct toy *const toy = self;
    toy->asked_in++;
    if (toy->stall_in) {
        toy->stall_in = false;
        return OPU_FN_STALL;
    }
    if (toy->silent || toy->n_held == 0) {
        return OPU_FN_NAK;
    }
    if (toy->part > 0) {
        size_t const part = toy->part;
        toy->part = 0;
        memcpy(data, toy->held[0], part);
        toy->sent = part;
        return (int)part | OPU_FN_PART;
    }
    size_t const left = toy->bytes[0] - toy->sent, now = left < n ? left : n;
    memcpy(data, toy->held[0] + toy->sent, now);
    toy->sent += now;
    if (now < n) {
        free(toy->held[0]);
        toy->n_held--;
        toy->sent = 0;
        memmove(toy->held, toy->held + 1, toy->n_held * sizeof toy->held[0]);
        memmove(toy->bytes, toy->bytes + 1, toy->n_held * sizeof toy->bytes[0]);
    }
    return (int)now;
}

static inline int toy_event(void *self, uint8_t *data, size_t n)
{
    struct toy *const toy = self;
    if (toy->event < 0 || n == 0) {
        return OPU_FN_NAK;
    }
    data[0] = (uint8_t)toy->event;
    toy->event = -1;
    return 1;
}

static inline void toy_bus_reset(void *self)
{
    ((struct toy *)self)->resets++;
}

static inline void toy_clear_halt(void *self, uint8_t endpoint)
{
    ((struct toy *)self)->cleared[endpoint]++;
}

static inline struct opu_function toy_function(struct toy *toy)
{
    *toy = (struct toy){.event = -1};
    return (struct opu_function){.self = toy,
                                 .control = toy_control,
                                 .out = toy_out,
                                 .in = toy_in,
                                 .event = toy_event,
                                 .bus_reset = toy_bus_reset,
                                 .clear_halt = toy_clear_halt};
}

static inline void toy_empty(struct toy *toy)
{
    while (toy->n_held > 0) {
        free(toy->held[--toy->n_held]);
    }
    toy->sent = 0;
}

static const struct opu_usb_identity toy_identity = {.vendor_id = 0x1209,
                                                     .product_id = 1,
                                                     .bcd_device = 0x0100,
                                                     .manufacturer = "opu",
                                                     .product = "opu toy",
                                                     .serial = "TOY-1",
                                                     .speed = OPU_USB_HIGH};

#endif
