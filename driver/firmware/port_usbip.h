/* SPDX-License-Identifier: MIT */
/* USB/IP's server: the sockets around usbip_link.h. Nobody but this machine is listened to. */
#ifndef OPU_FIRMWARE_PORT_USBIP_H
#define OPU_FIRMWARE_PORT_USBIP_H

#include "driver/firmware/port_gadget.h"
#include "driver/firmware/port_vhci.h"

/* Attached to the kernel's vhci_hcd, which was opened (opu_vhci_open()) with root's rights and
 * becomes the gadget's; those are not wanted any more. run ends when the host lets go. NULL with
 * *failure. */
struct opu_gadget *opu_usbip_attach(const struct opu_gadget_options *options, struct opu_vhci *vhci,
                                    struct opu_gadget_failure *failure);

/* On 127.0.0.1; port 0: any, describe says which. */
struct opu_gadget *opu_usbip_listen(const struct opu_gadget_options *options, uint16_t port,
                                    struct opu_gadget_failure *failure);

/* One host on an open stream socket, which becomes the gadget's; the device is already imported.
 * run ends with it. */
struct opu_gadget *opu_usbip_serve(const struct opu_gadget_options *options, int fd,
                                   struct opu_gadget_failure *failure);

#endif
