/* SPDX-License-Identifier: MIT */
/*
 * The device side: takes frames from the wire, has the optics show them, sends the counts. Portable
 * C: no operating system, no allocation after opu_fw_init(), no clock of its own.
 *
 * The port calls the verbs of opu_fw_function() and opu_fw_tick(); something - the main loop of a
 * board, a thread of an emulator - calls opu_fw_work() whenever `wake` was called, one unit (a
 * set-up, a calibration, a packet) a call. Verbs, tick and work may run in different threads where
 * the platform gives a lock; the lock is not held while the optics work.
 *
 * The laser goes on with the first packet and goes off at a reset, at close, while the interlock is
 * open or the parts are too hot, and when the host has been silent for two seconds; then packets
 * wait until it is heard again. An opened interlock stays in force until RESET WHOLE. All of this
 * is done by the work, which looks between two units and between two frames of a packet: the optics
 * are touched from nowhere else. What can't wait for a frame's end is a matter of hardware.
 */
#ifndef OPU_FIRMWARE_FW_H
#define OPU_FIRMWARE_FW_H

#include "driver/firmware/function.h"
#include "driver/firmware/optics.h"

#define OPU_FW_HOST_TIMEOUT_US 2000000u
#define OPU_FW_HOT_C 70.0
#define OPU_FW_COOL_C 65.0 /* and below: it may shine again */
/* Share of a frame's pixels at full scale beyond which its packet is worth an event. */
#define OPU_FW_OVER_EXPOSED 0.05
#define OPU_FW_EVENTS 16 /* kept for a host that doesn't fetch them; the oldest goes first */

struct opu_fw_platform {
    void *self;
    void (*lock)(void *self); /* both NULL: verbs and work run in one thread */
    void (*unlock)(void *self);
    uint64_t (*now_us)(void *self);
    void (*ready)(void *self); /* a verb that said NAK may succeed now; called without the lock */
    void (*wake)(void *self);  /* there is work; called without the lock */
};

struct opu_fw_options {
    struct opu_optics optics;
    struct opu_fw_platform platform;
    uint32_t max_out_bytes, max_in_bytes; /* longest packets either way; at least 4096 */
    uint32_t queue;                       /* packets, >= 1 */
    const char *serial;
};

struct opu_fw; /* opaque; lives in memory that the caller gives */

/* Bytes of memory that opu_fw_init() wants, aligned for any type. */
size_t opu_fw_bytes(const struct opu_fw_options *options);
/* NULL where options contradict themselves or the optics can't tell their facts. */
struct opu_fw *opu_fw_init(void *memory, const struct opu_fw_options *options);
/* Laser off. The memory is the caller's again. */
void opu_fw_close(struct opu_fw *fw);

struct opu_function opu_fw_function(struct opu_fw *fw);

/* One unit of work, if there is any; false: nothing to do. Never from two threads at once. */
bool opu_fw_work(struct opu_fw *fw);
/* To be called at least every 100 ms: silence of the host, interlock, temperature. */
void opu_fw_tick(struct opu_fw *fw);
/* For whoever shows the device's state, on its side: the laser counts on with no host. */
void opu_fw_peek(struct opu_fw *fw, struct opu_wire_statistics *statistics, bool *laser);

#endif
