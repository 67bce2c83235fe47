/* SPDX-License-Identifier: MIT */
/*
 * Faults at will: a function (function.h) around another, which now and then does what cables,
 * hubs, buffers and operating systems do to real devices. By seed or by schedule, so that a run can
 * be repeated.
 */
#ifndef OPU_FIRMWARE_FAULT_H
#define OPU_FIRMWARE_FAULT_H

#include "driver/firmware/function.h"

#include <stdbool.h>

enum opu_fault_kind {
    OPU_FAULT_STALL,   /* a bulk endpoint halts */
    OPU_FAULT_SHORT,   /* an answer ends early */
    OPU_FAULT_ZLP,     /* a zero-length packet before an answer */
    OPU_FAULT_PARTIAL, /* a part of an answer, then nothing until the host gives up and resets */
    OPU_FAULT_CORRUPT, /* one byte of a packet, out or in, is another */
    OPU_FAULT_STALE,   /* the previous answer once more in place of this one */
    OPU_FAULT_TRIGGER, /* a frame of the answer is marked lost (its counts are not to be used) */
    OPU_FAULT_SILENCE, /* two seconds without an answer to anything: even control says NAK */
    OPU_FAULT_UNPLUG,  /* the device goes, and comes back half a second later */
    OPU_FAULT_KINDS
};

extern const char *const opu_fault_names[OPU_FAULT_KINDS]; /* "stall", "short", ... */

struct opu_fault_plan {
    uint64_t seed;
    double rate[OPU_FAULT_KINDS]; /* probability a bulk transfer */
};

/* "stall=0.01,corrupt=0.001,seed=7" or "all=0.01"; false: *bad points at what isn't understood. */
bool opu_fault_parse(struct opu_fault_plan *plan, const char *text, const char **bad);

struct opu_fault;

struct opu_fault_options {
    struct opu_function inner;
    struct opu_fault_plan plan;
    void *platform;
    uint64_t (*now_us)(void *platform);
    /* The port takes the device off the bus, and plugs it in again after `us`; NULL: none. */
    void (*unplug)(void *platform, uint64_t us);
    uint32_t max_in_bytes; /* room to remember an answer in */
    bool parts; /* the port knows OPU_FN_PART; if not, a partial answer has no bytes at all */
};

/* The verbs are for one thread at a time; the other functions may be called from any. */
struct opu_fault *opu_fault_create(const struct opu_fault_options *options); /* NULL: no memory */
void opu_fault_destroy(struct opu_fault *fault);
struct opu_function opu_fault_function(struct opu_fault *fault);
/* By schedule: the next transfer that can suffer this kind does. */
void opu_fault_strike(struct opu_fault *fault, enum opu_fault_kind kind);
/* How often each kind has struck. */
void opu_fault_counts(const struct opu_fault *fault, uint64_t counts[OPU_FAULT_KINDS]);
/* Where silence ends, on now_us' clock; 0: it isn't silent. Ports ask again then. */
uint64_t opu_fault_silent_until_us(const struct opu_fault *fault);

#endif
