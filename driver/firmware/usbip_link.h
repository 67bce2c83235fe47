/* SPDX-License-Identifier: MIT */
/*
 * One connection of a USB/IP host, without its socket: bytes come in where it says, answers lie
 * ready to be sent. So the sockets (port_usbip.c), the tests and the fuzzer drive it alike.
 */
#ifndef OPU_FIRMWARE_USBIP_LINK_H
#define OPU_FIRMWARE_USBIP_LINK_H

#include "driver/firmware/port_queue.h"
#include "driver/firmware/usbip_wire.h"

/* Bytes that a host may have waiting in a connection; beyond, it is closed. */
#define OPU_USBIP_WAITING_MAX (128u << 20)

struct opu_usbip_link;

struct opu_usbip_link_options {
    struct opu_function function;
    struct opu_usb_identity identity;
    size_t max_out_bytes;
    bool imported; /* the device is given over from the start (vhci_hcd); else it is asked for */
    void *user;
    /* Asked for: OPU_USBIP_DONE, and the device is this link's until destroy, or why not. */
    unsigned (*import)(void *user);
};

/* NULL: no memory. */
struct opu_usbip_link *opu_usbip_link_create(const struct opu_usbip_link_options *options);
/* What waits is dropped; the function is told that its host has gone. NULL is fine. */
void opu_usbip_link_destroy(struct opu_usbip_link *link);

/* Where the next bytes go, and how many are wanted there, at least 1. NULL: no more (it was
 * refused, or a list was all that was wanted): the connection ends when everything is sent. */
uint8_t *opu_usbip_link_room(struct opu_usbip_link *link, size_t *n);
/* n of the bytes that were wanted are there. */
void opu_usbip_link_take(struct opu_usbip_link *link, size_t n);
/* Asks the function again for what waits. */
void opu_usbip_link_ask(struct opu_usbip_link *link);
/* What to send next, and n of it have been sent. NULL: nothing. */
const uint8_t *opu_usbip_link_output(struct opu_usbip_link *link, size_t *n);
void opu_usbip_link_sent(struct opu_usbip_link *link, size_t n);

/* It has the device. */
bool opu_usbip_link_imported(const struct opu_usbip_link *link);
/* Why it takes no more: static words, or NULL. */
const char *opu_usbip_link_fault(const struct opu_usbip_link *link);

#endif
