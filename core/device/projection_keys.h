/* SPDX-License-Identifier: MIT */
/* The keys of a URI that are the projection's: every device takes them beside its backend's own. */
#ifndef OPU_CORE_PROJECTION_KEYS_H
#define OPU_CORE_PROJECTION_KEYS_H

#include "core/device/device_internal.h"

/* NULL if it is none of them. */
const struct opu_option *opu_projection_key_find(const char *key);

void opu_projection_keys_default(struct opu_projection_defaults *defaults);
OPU_NODISCARD int opu_projection_key_set(struct opu_projection_defaults *defaults,
                                         const char *where, const char *key, const char *value);

/* OPU_E_NOT_FOUND, with a sentence that offers the projection's keys and the backend's. */
int opu_uri_key_unknown(const struct opu_backend *backend, const char *where, const char *key);

#endif
