/* SPDX-License-Identifier: MIT */
/*
 * One conversation in the usbredir protocol, as the side that has the device, without its socket:
 * bytes come and go through two functions. Built on libusbredirparser, which nothing else sees.
 */
#ifndef OPU_FIRMWARE_USBREDIR_LINK_H
#define OPU_FIRMWARE_USBREDIR_LINK_H

#include "driver/firmware/port_queue.h"

#define OPU_USBREDIR_TRANSFER_MAX (16u << 20)
#define OPU_USBREDIR_WAITING_MAX (128u << 20) /* bytes of transfers, and of unsent answers */

struct opu_usbredir_link;

struct opu_usbredir_link_options {
    struct opu_function function;
    struct opu_usb_identity identity;
    size_t max_out_bytes;
    void *user;
    /* As read(2) and write(2): bytes, 0 where it would block, -1 where the peer is gone. */
    int (*read)(void *user, uint8_t *data, int n);
    int (*write)(void *user, uint8_t *data, int n);
    void (*say)(void *user, const char *sentence); /* what the peer did wrong; NULL: not */
};

struct opu_usbredir_link *opu_usbredir_link_create(const struct opu_usbredir_link_options *options);
void opu_usbredir_link_destroy(struct opu_usbredir_link *link); /* NULL is fine */
/* Reads what there is. false: the peer is gone, or speaks another language. */
bool opu_usbredir_link_read(struct opu_usbredir_link *link);
/* Writes what there is and fits. false: the peer is gone. */
bool opu_usbredir_link_write(struct opu_usbredir_link *link);
bool opu_usbredir_link_wants_read(const struct opu_usbredir_link *link);
bool opu_usbredir_link_wants_write(const struct opu_usbredir_link *link);
/* Asks the function again for what waits. */
void opu_usbredir_link_ask(struct opu_usbredir_link *link);
/* The device goes from the bus, or comes back. */
void opu_usbredir_link_plug(struct opu_usbredir_link *link, bool in);

#endif
