/* SPDX-License-Identifier: MIT */
/*
 * A whole device on USB: optics out of an open device (or of a test's own), the emulated board with
 * its firmware and faults, and the node that libusb sees. On the real clock the board has its
 * thread; on a virtual one the work is done within the ioctls, and time passes when nothing else
 * can happen, so that seconds of silence cost nothing.
 */
#ifndef OPU_TESTS_USB_RIG_H
#define OPU_TESTS_USB_RIG_H

#include "driver/board.h"
#include "node.h"

#include <stdatomic.h>

struct usb_rig_options {
    const char *optics;            /* a device's URI; NULL: */
    const struct opu_optics *made; /* these */
    const char *serial;            /* NULL: by the board */
    const char *faults;            /* as opu_fault_parse(); NULL: none, though they can strike */
    unsigned port;                 /* 0: 1 */
    bool fast, foreign, splits, renumbered, virtual_clock;
    bool unplugged; /* not plugged in yet */
    /* NULL, or puts a function around the board's. */
    struct opu_function (*around)(void *user, struct opu_function inner);
    void *around_user;
    const char *product; /* NULL: "opu emulated" */
    uint16_t vendor_id, product_id;
    uint8_t version; /* of the wire, as its descriptors say; 0: the true one */
    double rate_hz;
    uint32_t max_packet; /* 0: the board's */
    size_t memory_limit; /* of transfers; 0: usbfs' */
};

struct usb_rig {
    struct usb_rig_options options;
    struct opu_device *device;
    struct opu_board *board;
    struct usb_node *node;
    struct opu_fault_plan plan;
    _Atomic uint64_t virtual_us;
    void *observer; /* a libusb context of the rig's own */
    char uri[64];   /* of the device, by its serial */
};

/* 0, or -1 having said why on stderr. */
int usb_rig_open(struct usb_rig *rig, const struct usb_rig_options *options);
void usb_rig_close(struct usb_rig *rig);

void usb_rig_strike(struct usb_rig *rig, enum opu_fault_kind kind);
void usb_rig_faults(struct usb_rig *rig, uint64_t counts[OPU_FAULT_KINDS]);
/* Until libusb knows of the device's number, or of its absence; at most 5 s of real time. */
bool usb_rig_seen(struct usb_rig *rig);

/* The rig's clock. On a virtual one it moves when the port of the device says that nothing happens:
 * one rig of a process can have it, and one device be open. */
uint64_t usb_rig_now_us(void *rig);

#endif
