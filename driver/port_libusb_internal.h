/* SPDX-License-Identifier: MIT */
/* What the files of the libusb port share. */
#ifndef OPU_DRIVER_PORT_LIBUSB_INTERNAL_H
#define OPU_DRIVER_PORT_LIBUSB_INTERNAL_H

#include <libusb.h>

#include "driver/port_libusb.h"

/* ---- port_libusb_bus.c ---- */

/* What can be told of a device; opened for its strings where that is possible and it is like an
 * OPU. */
void opu_libusb_look(libusb_device *device, struct opu_usb_seen *seen);
/* Opens and claims. OPU_PORT_OK, or a status of libusb. */
struct opu_libusb_opened {
    libusb_device_handle *handle;
    struct opu_usb_interface interface;
};
OPU_NODISCARD int opu_libusb_claim(struct opu_libusb_opened *to, libusb_device *device,
                                   const char *name);
void opu_libusb_release(struct opu_libusb_opened *opened);
/* "usb:1.4" */
void opu_libusb_name(char *to, size_t n, const struct opu_usb_seen *seen);

#endif
