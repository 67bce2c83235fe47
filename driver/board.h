/* SPDX-License-Identifier: MIT */
/*
 * An emulated board: the firmware with its work thread, optics borrowed from an open device (or
 * given), and faults around it where wanted. A port, or a test, talks to its function.
 */
#ifndef OPU_DRIVER_BOARD_H
#define OPU_DRIVER_BOARD_H

#include <opu/device.h>

#include "driver/firmware/fault.h"
#include "driver/firmware/fw.h"

struct opu_board;

struct opu_board_options {
    struct opu_context *context;
    struct opu_device *device;           /* the optics, or ... */
    const struct opu_optics *optics;     /* ... these; they stay the caller's */
    const char *serial;                  /* NULL: made of the device's identity */
    const struct opu_fault_plan *faults; /* NULL: none */
    double rate_hz;                      /* frames a second by now_us' clock; 0: as they come */
    uint32_t max_out_bytes, max_in_bytes, queue; /* 0: 4 MiB + 64 KiB, the same, 16 */
    bool inline_work; /* no thread: opu_board_step() works, in the caller's */
    bool parts;       /* the port knows OPU_FN_PART (faults) */
    void *user;
    uint64_t (*now_us)(void *user);          /* NULL: the monotonic clock */
    void (*ready)(void *user);               /* NAKed verbs may go now; may be NULL */
    void (*unplug)(void *user, uint64_t us); /* a fault unplugs; NULL: that fault can't be had */
};

OPU_NODISCARD int opu_board_create(struct opu_board **out, const struct opu_board_options *options);
void opu_board_destroy(struct opu_board *board);
struct opu_function opu_board_function(struct opu_board *board);
const char *opu_board_serial(const struct opu_board *board);
/* All work there is (inline_work), and the tick; returns whether there was any. */
bool opu_board_step(struct opu_board *board);
/* Inline and paced by rate_hz: when the answers at hand may go and the next packet is worked off,
 * on now_us' clock; 0: nothing is held. */
uint64_t opu_board_held_until_us(const struct opu_board *board);
struct opu_fw *opu_board_fw(struct opu_board *board);
struct opu_fault *opu_board_fault(struct opu_board *board); /* NULL: none */

#endif
