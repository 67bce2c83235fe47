/* SPDX-License-Identifier: MIT */
/* A device's own acceptance tests: rows pass through, sized and checked. */
#include <opu/check.h>

#include <string.h>

#include "core/base/fail.h"
#include "core/device/device_internal.h"

bool opu_check_passes(const struct opu_check_row *row)
{
    return row->value >= row->low && row->value <= row->high;
}

int opu_device_check(struct opu_device *device, const struct opu_check_options *options,
                     opu_check_fn fn, void *user)
{
    struct opu_check_options wanted = {.size = sizeof wanted, .seed = 1};
    if (options != NULL) {
        if (options->size < sizeof options->size) {
            return opu_fail(OPU_E_INVALID, "device check: size is %zu, wanted %zu", options->size,
                            sizeof *options);
        }
        size_t const size = options->size < sizeof wanted ? options->size : sizeof wanted;
        memcpy(&wanted, options, size);
        wanted.size = sizeof wanted;
    }
    if (device->backend->ops->check == NULL) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s brings no acceptance tests of its own",
                        device->backend->scheme);
    }
    return device->backend->ops->check(device->handle, &wanted, fn, user);
}
