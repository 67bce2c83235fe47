/* SPDX-License-Identifier: MIT */
/* What tests may know of the usb: backend. */
#ifndef OPU_DRIVER_USB_BACKEND_H
#define OPU_DRIVER_USB_BACKEND_H

#include "driver/session.h"

/*
 * For tests: called with each port that is opened, before the session has it. It may put a table of
 * its own into port->ops (a clock that jumps, a count of calls) which calls the former one. NULL,
 * as it is unless a test says otherwise: nothing is called. To be set before devices are opened.
 */
extern void (*opu_usb_port_hook)(struct opu_port *port);

/* The session of an open usb: device's handle, for its counts. */
struct opu_session *opu_usb_session(void *device);

#endif
