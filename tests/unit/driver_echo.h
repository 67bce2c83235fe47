/* SPDX-License-Identifier: MIT */
/*
 * A function behind a port, for tests of ports: what goes out comes back in, whole, in order. It
 * holds a few transfers (then NAK), and does what a test tells it to: stalls, keeps silent, has an
 * event.
 */
#ifndef OPU_TESTS_DRIVER_ECHO_H
#define OPU_TESTS_DRIVER_ECHO_H

#include "driver/descriptors.h"
#include "driver/firmware/function.h"

#include <stdlib.h>
#include <string.h>

#define ECHO_HELD 4
#define ECHO_BYTES (1u << 18)

struct echo {
    uint8_t *held[ECHO_HELD];
    size_t bytes[ECHO_HELD], n_held, sent; /* sent: of the first */
    bool stall_out, stall_in;              /* the next one does */
    bool silent;
    size_t part; /* the next answer stops after so many bytes for once; 0: no */
    int event;   /* -1: none */
    unsigned resets, cleared[256], asked_out, asked_in;
    struct {
        uint8_t bytes[1024];
        unsigned n;
    } said; /* by a vendor request 1 out; request 2 asks for it back; 3 stalls */
};

static inline int echo_control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    struct echo *const echo = self;
    if (echo->silent) {
        return OPU_FN_NAK;
    }
    if (setup->request_type == 0x41 && setup->request == 1 && setup->length <= 1024) {
        memcpy(echo->said.bytes, data, setup->length);
        echo->said.n = setup->length;
        return setup->length;
    }
    if (setup->request_type == 0xc1 && setup->request == 2) {
        unsigned const n = echo->said.n < setup->length ? echo->said.n : setup->length;
        memcpy(data, echo->said.bytes, n);
        return (int)n;
    }
    return setup->request == 7 ? 0 : OPU_FN_STALL;
}

static inline int echo_out(void *self, const uint8_t *data, size_t n)
{
    struct echo *const echo = self;
    echo->asked_out++;
    if (echo->stall_out) {
        echo->stall_out = false;
        return OPU_FN_STALL;
    }
    if (echo->silent || echo->n_held == ECHO_HELD) {
        return OPU_FN_NAK;
    }
    echo->held[echo->n_held] = malloc(n + 1);
    memcpy(echo->held[echo->n_held], data, n);
    echo->bytes[echo->n_held++] = n;
    return (int)n;
}

static inline int echo_in(void *self, uint8_t *data, size_t n)
{
    struct echo *const echo = self;
    echo->asked_in++;
    if (echo->stall_in) {
        echo->stall_in = false;
        return OPU_FN_STALL;
    }
    if (echo->silent || echo->n_held == 0) {
        return OPU_FN_NAK;
    }
    if (echo->part > 0) {
        size_t const part = echo->part;
        echo->part = 0;
        memcpy(data, echo->held[0], part);
        echo->sent = part;
        return (int)part | OPU_FN_PART;
    }
    size_t const left = echo->bytes[0] - echo->sent, now = left < n ? left : n;
    memcpy(data, echo->held[0] + echo->sent, now);
    echo->sent += now;
    if (now < n) {
        free(echo->held[0]);
        echo->n_held--;
        echo->sent = 0;
        memmove(echo->held, echo->held + 1, echo->n_held * sizeof echo->held[0]);
        memmove(echo->bytes, echo->bytes + 1, echo->n_held * sizeof echo->bytes[0]);
    }
    return (int)now;
}

static inline int echo_event(void *self, uint8_t *data, size_t n)
{
    struct echo *const echo = self;
    if (echo->event < 0 || n == 0) {
        return OPU_FN_NAK;
    }
    data[0] = (uint8_t)echo->event;
    echo->event = -1;
    return 1;
}

static inline void echo_bus_reset(void *self)
{
    ((struct echo *)self)->resets++;
}

static inline void echo_clear_halt(void *self, uint8_t endpoint)
{
    ((struct echo *)self)->cleared[endpoint]++;
}

static inline struct opu_function echo_function(struct echo *echo)
{
    *echo = (struct echo){.event = -1};
    return (struct opu_function){.self = echo,
                                 .control = echo_control,
                                 .out = echo_out,
                                 .in = echo_in,
                                 .event = echo_event,
                                 .bus_reset = echo_bus_reset,
                                 .clear_halt = echo_clear_halt};
}

static inline void echo_empty(struct echo *echo)
{
    while (echo->n_held > 0) {
        free(echo->held[--echo->n_held]);
    }
    echo->sent = 0;
}

static const struct opu_usb_identity echo_identity = {.vendor_id = 0x1209,
                                                      .product_id = 1,
                                                      .bcd_device = 0x0100,
                                                      .manufacturer = "opu",
                                                      .product = "opu echo",
                                                      .serial = "ECHO-1",
                                                      .speed = OPU_USB_HIGH};

#endif
