/* SPDX-License-Identifier: MIT */
/* Optics for the firmware out of any open device of frames: the one adapter between the two. */
#ifndef OPU_DRIVER_OPTICS_DEVICE_H
#define OPU_DRIVER_OPTICS_DEVICE_H

#include <opu/device.h>

#include "driver/firmware/optics.h"

/* The device is used from the thread of the firmware's work alone. OPU_E_UNSUPPORTED for devices of
 * floats. Free with opu_optics_device_destroy(). */
OPU_NODISCARD int opu_optics_device_create(struct opu_optics *optics, struct opu_context *context,
                                           struct opu_device *device);
void opu_optics_device_destroy(struct opu_optics *optics);

#endif
