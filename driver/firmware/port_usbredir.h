/* SPDX-License-Identifier: MIT */
/* The usbredir protocol over a Unix socket: QEMU's usb-redir puts the device on a guest's bus. */
#ifndef OPU_FIRMWARE_PORT_USBREDIR_H
#define OPU_FIRMWARE_PORT_USBREDIR_H

#include "driver/firmware/port_gadget.h"

/* Connects to the socket if somebody listens there, else listens on it for one peer; run ends when
 * the peer hangs up. UNSUPPORTED in a build without libusbredirparser. NULL with *failure. */
struct opu_gadget *opu_usbredir_create(const struct opu_gadget_options *options, const char *path,
                                       struct opu_gadget_failure *failure);

/* One peer on an open stream socket, which becomes the gadget's. */
struct opu_gadget *opu_usbredir_serve(const struct opu_gadget_options *options, int fd,
                                      struct opu_gadget_failure *failure);

#endif
