/* SPDX-License-Identifier: MIT */
/* What the files of the libusb port share. */
#ifndef OPU_DRIVER_PORT_LIBUSB_INTERNAL_H
#define OPU_DRIVER_PORT_LIBUSB_INTERNAL_H

#include <libusb.h>
#include <stdatomic.h>

#include "driver/port_libusb.h"

#define OPU_LIBUSB_MAPPED 64

struct opu_libusb_opened {
    libusb_device_handle *handle; /* NULL: not open */
    struct opu_usb_interface interface;
};

struct libusb_port {
    struct opu_port port;
    struct opu_port_ops ops; /* of port, unless a test has put others there */
    struct opu_context *context;
    libusb_context *usb;
    struct opu_libusb_opened opened;
    struct opu_usb_wish wish; /* this device, wherever it is plugged in */
    libusb_hotplug_callback_handle hotplug;
    bool has_hotplug;
    atomic_bool left;
    uint64_t callbacks; /* the event thread's: so many transfers have ended */
    struct libusb_transfer *control;
    unsigned char control_data[LIBUSB_CONTROL_SETUP_SIZE + OPU_WIRE_CONTROL_BYTES];
    bool control_done;
    _Atomic(unsigned char *) mapped[OPU_LIBUSB_MAPPED]; /* by the kernel: freed otherwise */
};

/* ---- port_libusb_transfer.c: the port's functions but for opening ---- */

extern const struct opu_port_ops opu_libusb_transfer_ops;

/* ---- port_libusb_bus.c ---- */

/* What can be told of a device; opened for its strings where that is possible and it is like an
 * OPU. */
void opu_libusb_look(libusb_device *device, struct opu_usb_seen *seen);
/* Opens and claims; failures as opu_libusb_open(). */
OPU_NODISCARD int opu_libusb_claim(struct opu_libusb_opened *to, libusb_device *device,
                                   const char *name);
void opu_libusb_release(struct opu_libusb_opened *opened);
/* "usb:1.4" */
void opu_libusb_name(char *to, size_t n, const struct opu_usb_seen *seen);

#endif
