/* SPDX-License-Identifier: MIT */
/* The real port, and the look around on the bus: all there is that knows libusb. */
#ifndef OPU_DRIVER_PORT_LIBUSB_H
#define OPU_DRIVER_PORT_LIBUSB_H

#include <opu/context.h>

#include "driver/port.h"
#include "driver/usb_find.h"

/*
 * The OPUs on the bus, room of them at most; strings are read from those that can be opened, which
 * does not disturb who holds them. Returns how many; OPU_E_IO: the bus can't be looked at.
 */
OPU_NODISCARD int opu_libusb_list(struct opu_usb_seen *to, size_t room,
                                  const struct opu_usb_wish *wish);

/*
 * Opens and claims one of those. OPU_E_BUSY (somebody else holds it), OPU_E_IO (no permission; the
 * sentence says what helps), OPU_E_UNSUPPORTED (another version of the wire), OPU_E_GONE,
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_libusb_open(struct opu_port **out, struct opu_context *context,
                                  const struct opu_usb_seen *seen, const struct opu_usb_wish *wish);

#endif
