/* SPDX-License-Identifier: MIT */
/*
 * An emulated usbfs node: what the kernel would show of a device on USB, to the real libusb, with a
 * function (driver/firmware/function.h) behind it. Plugging, device numbers, transfers, halts and
 * the limits of usbfs are the node's; libudev and sysfs are umockdev's.
 *
 * Two routes lead here. umockdev's own takes every ioctl through a socket to a thread: programs
 * that know nothing of it, in this process or another, can use the device (node_umockdev.c). The
 * fast one is an ioctl() in the executable, which the linker puts before libc's: in the process
 * alone, thirty times as fast (node_fast.c).
 */
#ifndef OPU_TESTS_USB_NODE_H
#define OPU_TESTS_USB_NODE_H

#include "driver/descriptors.h"
#include "driver/firmware/function.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct usb_node;

struct usb_node_options {
    struct opu_usb_identity identity; /* strings stay */
    unsigned port;                    /* on bus 1; devices of one process have different ones */
    bool fast;
    bool foreign;    /* the hosts are other processes */
    bool splits;     /* no scatter-gather and a size limit, as older kernels: libusb cuts transfers
                        into 16 KiB */
    bool renumbered; /* endpoints are 02, 81, 86 instead of 01, 82, 83 */
    uint8_t version; /* interface protocol; 0: as descriptors.h has it */
    size_t memory_limit; /* of transfers under way; 0: usbfs' 16 MiB */
    void *user;
    /* Called under the node's lock after each ioctl and may do the device's work there; NULL: none.
     */
    void (*step)(void *user);
    /* When a device is plugged in again; NULL: the monotonic clock, watched by a thread. Otherwise
     * usb_node_pass() must be called. */
    uint64_t (*now_us)(void *user);
};

/* Whether this process can have nodes at all: umockdev's preload library is there. */
bool usb_nodes_work(void);

/* NULL: out of something. Nothing is plugged in yet, and there is no function. */
struct usb_node *usb_node_create(const struct usb_node_options *options);
void usb_node_destroy(struct usb_node *node);
/* What answers; of the caller's, who ends it after usb_node_alone(). */
void usb_node_behind(struct usb_node *node, struct opu_function function, const char *serial,
                     size_t max_out_bytes);
/* Unplugs; the function is not called any more. */
void usb_node_alone(struct usb_node *node);

void usb_node_plug(struct usb_node *node);
void usb_node_unplug(struct usb_node *node);
/* For faults: goes at once, comes back after us. Any thread, verbs included. */
void usb_node_unplug_for(void *node, uint64_t us);
/* NAKed verbs may go now. Any thread, verbs included. */
void usb_node_ready(void *node);
/* On a clock of one's own: does what is due (uevents). Returns whether there was anything. */
bool usb_node_pass(struct usb_node *node);
/* When that will be, on the clock; UINT64_MAX: nothing is planned. */
uint64_t usb_node_due_us(struct usb_node *node);

unsigned usb_node_address(const struct usb_node *node); /* device number, now */
bool usb_node_plugged(struct usb_node *node);
/* Halts an endpoint (address as the function knows it), as a fault of the bus would. */
void usb_node_halt(struct usb_node *node, uint8_t endpoint);
/* open() of the node says EACCES, whoever asks (fast executables alone). */
void usb_node_deny(struct usb_node *node, bool deny);
/* Under the lock: for changes to the function from other threads. */
void usb_node_lock(struct usb_node *node);
void usb_node_unlock(struct usb_node *node);

/* What the node has seen. */
struct usb_node_counts {
    uint64_t ioctls, submitted, reaped, discarded, refused; /* refused: no memory left */
    uint64_t plugs, unplugs;
    size_t n_under_way, most_under_way; /* transfers */
    size_t bytes, most_bytes;
    size_t largest; /* transfer */
    unsigned claims, clients;
};
struct usb_node_counts usb_node_counts(struct usb_node *node);

#endif
