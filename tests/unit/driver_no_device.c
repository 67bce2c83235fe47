/* SPDX-License-Identifier: MIT */
/* In place of driver/optics_device.c where a test is built without core/device: such boards take
 * optics alone. */
#include "driver/optics_device.h"

int opu_optics_device_create(struct opu_optics *optics, struct opu_context *context,
                             struct opu_device *device)
{
    (void)optics;
    (void)context;
    (void)device;
    return opu_fail(OPU_E_UNSUPPORTED, "this test is built without devices");
}

void opu_optics_device_destroy(struct opu_optics *optics)
{
    (void)optics;
}
