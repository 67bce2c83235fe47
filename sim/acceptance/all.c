/* SPDX-License-Identifier: MIT */
/* All groups of acceptance tests, as the device's own: see opu_device_check(). */
#include "sim/acceptance/acceptance.h"

#include "core/base/fail.h"
#include "sim/sim_device.h"

#include <string.h>

/* In the order they are shown. A group may be the work of several files. */
static const struct {
    const char *name;
    int (*run)(struct opu_acceptance *acceptance);
} groups[] = {
    {"propagation", opu_accept_propagation},
    {"mirrors", opu_accept_mirrors},
    {"media", opu_accept_media},
    {"statistics", opu_accept_statistics},
    {"camera", opu_accept_camera},
    {"time", opu_accept_time},
};

int opu_sim_check(void *device, const struct opu_check_options *options, opu_check_fn fn,
                  void *user)
{
    const struct opu_sim *const sim = device;
    bool found = false;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); ++i) {
        if (options->group != NULL && strcmp(options->group, groups[i].name) != 0) {
            continue;
        }
        struct opu_acceptance acceptance = {.context = sim->context,
                                            .options = &sim->options,
                                            .seed = options->seed,
                                            .thorough = options->thorough,
                                            .group = groups[i].name,
                                            .fn = fn,
                                            .user = user};
        found = true;
        int const status = groups[i].run(&acceptance);
        if (status != OPU_OK) {
            return status;
        }
    }
    if (!found) {
        return opu_fail(OPU_E_NOT_FOUND,
                        "sim: no group of tests is called '%s'; wanted propagation, mirrors, "
                        "media, statistics, camera or time",
                        options->group);
    }
    return OPU_OK;
}
