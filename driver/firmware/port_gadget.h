/* SPDX-License-Identifier: MIT */
/*
 * A port on Linux: what brings the device side's function (function.h) to a host. USB/IP, usbredir
 * and FunctionFS are kinds of it; each serves its host in run(), in one thread.
 */
#ifndef OPU_FIRMWARE_PORT_GADGET_H
#define OPU_FIRMWARE_PORT_GADGET_H

#include "driver/descriptors.h"
#include "driver/firmware/function.h"

#include <poll.h>
#include <stdatomic.h>

/* Statuses, numbered as enum opu_status. */
enum {
    OPU_GADGET_OK = 0,
    OPU_GADGET_INVALID = -1,
    OPU_GADGET_NO_MEMORY = -2,
    OPU_GADGET_NOT_FOUND = -3,
    OPU_GADGET_BUSY = -4,
    OPU_GADGET_IO = -5,
    OPU_GADGET_UNSUPPORTED = -7
};

/* How something failed, and the sentence. */
struct opu_gadget_failure {
    int status;
    char text[400];
};

struct opu_gadget_options {
    struct opu_function function;
    struct opu_usb_identity identity; /* strings are copied */
    size_t max_out_bytes;             /* longest packets */
    void *user;
    /* Microseconds until verbs that said NAK are worth asking again though nobody calls
     * opu_gadget_ask(); UINT64_MAX: never. NULL: never. */
    uint64_t (*again_us)(void *user);
    /* Told in run()'s thread what a host did wrong, for a log; NULL: not. */
    void (*say)(void *user, const char *sentence);
};

struct opu_gadget;

struct opu_gadget_ops {
    /* Serves until opu_gadget_stop(), or until the peer hangs up where there is but one. */
    int (*run)(struct opu_gadget *gadget);
    void (*destroy)(struct opu_gadget *gadget);
};

struct opu_gadget {
    const struct opu_gadget_ops *ops;
    struct opu_gadget_options options;
    char texts[3][128];                /* the identity's */
    char describe[160];                /* "attached to vhci_hcd port 0" */
    struct opu_gadget_failure failure; /* of run */
    int wake;                          /* an eventfd */
    atomic_bool stopped;
    _Atomic uint64_t away_us; /* an unplug that is wished for, 0: none */
};

/* Serves; a status, with gadget->failure. */
int opu_gadget_run(struct opu_gadget *gadget);
/* Lets run() return soon. Any thread, signal handlers too. */
void opu_gadget_stop(struct opu_gadget *gadget);
/* What said NAK may do more now. Any thread. */
void opu_gadget_ask(struct opu_gadget *gadget);
/* Takes the device off the bus; it is back after `us`. Any thread. */
void opu_gadget_unplug(struct opu_gadget *gadget, uint64_t us);
void opu_gadget_destroy(struct opu_gadget *gadget); /* NULL is fine */

/* For ports. */
int opu_gadget_init(struct opu_gadget *gadget, const struct opu_gadget_ops *ops,
                    const struct opu_gadget_options *options, struct opu_gadget_failure *failure);
void opu_gadget_fini(struct opu_gadget *gadget);
/* Polls n descriptors, of which fds[0] is filled in here with the wake-up, until something is
 * ready, someone woke, or what is due by now_us' clock; false: poll failed (failure is set). */
bool opu_gadget_wait(struct opu_gadget *gadget, struct pollfd *fds, size_t n, uint64_t due_us);
uint64_t opu_gadget_now_us(void);
/* Fills the failure in and returns its status. */
int opu_gadget_fail(struct opu_gadget_failure *failure, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
