/* SPDX-License-Identifier: MIT */
/*
 * Which of the devices on USB is an OPU, and which of them is meant. Pure functions over what was
 * seen on the bus; port_libusb.c looks there.
 */
#ifndef OPU_DRIVER_USB_FIND_H
#define OPU_DRIVER_USB_FIND_H

#include <opu/option.h>

#include "driver/descriptors.h"
#include "driver/wire.h"

#define OPU_USB_FOUND_MAX 32

/* One device on the bus. Strings are empty where they could not be read. */
struct opu_usb_seen {
    uint8_t bus, address;
    uint16_t vendor_id, product_id;
    bool like_opu;    /* has an interface of our class and subclass */
    uint8_t protocol; /* of that interface: the version of the wire */
    int access;       /* OPU_OK, OPU_E_IO: no permission to open it, OPU_E_GONE */
    char product[128], serial[OPU_WIRE_SERIAL_BYTES];
};

/* Which one is meant. */
struct opu_usb_wish {
    bool by_id, by_place, by_serial;
    uint16_t vendor_id, product_id;
    uint8_t bus, address;
    char serial[OPU_WIRE_SERIAL_BYTES];
};

/* From a URI's options; "" are not said. OPU_E_INVALID says what is wanted. */
OPU_NODISCARD int opu_usb_wish(struct opu_usb_wish *wish, const char *address, const char *serial,
                               const char *id);

/*
 * Whether it is an OPU: its interface is of our class, and its ids are those wished for (or, where
 * none are, the usual ones, or its product string begins as ours do).
 */
bool opu_usb_is_opu(const struct opu_usb_seen *seen, const struct opu_usb_wish *wish);

/* The one of n OPUs that is meant. OPU_E_NOT_FOUND, OPU_E_INVALID: several, which the sentence
 * lists. */
OPU_NODISCARD int opu_usb_choose(size_t *index, const struct opu_usb_seen *seen, size_t n,
                                 const struct opu_usb_wish *wish);

#endif
