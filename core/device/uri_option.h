/* SPDX-License-Identifier: MIT */
/*
 * Keys that name a device's option: "sim.tau", "sim.camera.bits" (scheme, group of the option's
 * table, name), or a projection's key alone, "encode". They are put into a URI and read from it.
 */
#ifndef OPU_CORE_URI_OPTION_H
#define OPU_CORE_URI_OPTION_H

#include <opu/status.h>

/* Whether the key starts with a backend's scheme and a dot, or is a projection's key. */
bool opu_device_key(const char *key);

/* What stands after the last dot. */
const char *opu_device_key_name(const char *key);

/*
 * Sets the option in `uri`, text of `size` bytes, in place of what it said before. A backend's
 * option at its default is left out, so that the same device has the same text. OPU_E_INVALID
 * (another scheme, a value out of its range, no room), OPU_E_NOT_FOUND (no such option); the URI
 * is as it was then.
 */
OPU_NODISCARD int opu_device_key_set(char *uri, size_t size, const char *key, const char *value);

/* What the URI says, else the default. OPU_E_INVALID, OPU_E_NOT_FOUND. */
OPU_NODISCARD int opu_device_key_get(const char *uri, const char *key, char *text, size_t size);

#endif
