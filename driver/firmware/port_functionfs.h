/* SPDX-License-Identifier: MIT */
/* Linux's FunctionFS: a board with a device port (or dummy_hcd) is the device itself. */
#ifndef OPU_FIRMWARE_PORT_FUNCTIONFS_H
#define OPU_FIRMWARE_PORT_FUNCTIONFS_H

#include "driver/firmware/port_gadget.h"

/*
 * folder: a mounted functionfs of a gadget that isn't bound yet. udc: "FILE=NAME", the gadget's UDC
 * file and the name of the controller to write there, which binds it; NULL: somebody else does, and
 * it can't be unplugged. Vendor, product and serial are the gadget's own (configfs). NULL with
 * *failure.
 */
struct opu_gadget *opu_functionfs_create(const struct opu_gadget_options *options,
                                         const char *folder, const char *udc,
                                         struct opu_gadget_failure *failure);

#endif
