/* SPDX-License-Identifier: MIT */
/*
 * A port in the process: transfers go to a function (a board's) through the queues that the other
 * ports use, without USB. The clock is real, or virtual: then it jumps to the next deadline when
 * nothing else is to be done, so that a second of silence costs no time.
 *
 * It watches its user: memory or a transfer that is freed while under way, a transfer submitted
 * twice or longer than its memory, done() run twice, a request inside done() end the program.
 */
#ifndef OPU_TESTS_DRIVER_INPROCESS_H
#define OPU_TESTS_DRIVER_INPROCESS_H

#include "driver/board.h"
#include "driver/port.h"

#include <stdbool.h>
#include <stdint.h>

struct inprocess;

struct inprocess_options {
    const struct opu_optics *optics;             /* or ... */
    struct opu_device *device;                   /* ... these */
    const struct opu_fault_plan *faults;         /* NULL: none, but inprocess_strike() works */
    const char *serial;                          /* NULL: "T-1" */
    bool real;                                   /* clock, and a board with its own thread */
    uint32_t max_out_bytes, max_in_bytes, queue; /* as for a board */
    size_t memory_limit;                         /* told to the session; 0: 12 MiB */
    size_t memory_there; /* bytes of transfers under way that are taken; 0: any */
    double rate_hz;
};

/* NULL: it could not be made. It outlives the session that closes the port. */
struct inprocess *inprocess_create(const struct inprocess_options *options);
/* The port must have been closed, or never been used. */
void inprocess_destroy(struct inprocess *p);
struct opu_port *inprocess_port(struct inprocess *p);
struct opu_board *inprocess_board(struct inprocess *p);

/* The cable. Back after us; UINT64_MAX: when inprocess_plug() is called. Any thread. */
void inprocess_unplug(struct inprocess *p, uint64_t us);
void inprocess_plug(struct inprocess *p);
/* The next transfer that can suffer it does. */
void inprocess_strike(struct inprocess *p, enum opu_fault_kind kind);
/* Another device in place of the board, at once or when it is plugged in; NULL: the board again. */
void inprocess_replace(struct inprocess *p, const struct opu_function *function);
void inprocess_replace_later(struct inprocess *p, const struct opu_function *function);
/* No request is answered, USB's own (the clearing of halts) included. */
void inprocess_mute(struct inprocess *p, bool mute);
/* The function behind the queues, to be wrapped. */
struct opu_function inprocess_function(struct inprocess *p);
/* A virtual clock stands still: nothing that wants time happens. */
void inprocess_stop_clock(struct inprocess *p, bool stop);
/* Cancelled transfers end so many rounds of handle() later; a cancel before that is forgotten. */
void inprocess_slow_cancel(struct inprocess *p, unsigned rounds);
/* Packets that the device has taken end so many rounds later; 0: at once. */
void inprocess_late_out(struct inprocess *p, unsigned rounds);
/* Where it is plugged in next, bulk IN has packets of so many bytes. */
void inprocess_in_packet_later(struct inprocess *p, size_t bytes);

struct inprocess_counts {
    uint64_t submits, cancels, reopens, controls, handles, no_memory;
    size_t prepared, allocated; /* still there */
    size_t most_under_way;      /* transfers at once */
    bool closed;
};
struct inprocess_counts inprocess_counts(struct inprocess *p);
uint64_t inprocess_now_us(struct inprocess *p);

#endif
