/* SPDX-License-Identifier: MIT */
/* Reading and writing structs that a table of struct opu_option describes. */
#ifndef OPU_CORE_OPTIONS_H
#define OPU_CORE_OPTIONS_H

#include <opu/option.h>

/* Every member at its fallback. */
void opu_options_default(const struct opu_option *table, size_t n, void *target);

/* NULL if there is no such key. */
const struct opu_option *opu_option_find(const struct opu_option *table, size_t n, const char *key);

/* OPU_E_NOT_FOUND with a sentence that offers the nearest keys, else those of the same section. */
int opu_option_unknown(const struct opu_option *table, size_t n, const char *where,
                       const char *key);

/*
 * Sets one member from text. `where` names the thing in messages ("sim:", "training
 * configuration"). OPU_E_NOT_FOUND for an unknown key (opu_option_unknown()),
 * OPU_E_INVALID for a bad value.
 */
OPU_NODISCARD int opu_option_set(const struct opu_option *table, size_t n, void *target,
                                 const char *where, const char *key, const char *value);

/* The member as text that opu_option_set() reads back to the same value. OPU_E_INVALID: size too
 * small. */
OPU_NODISCARD int opu_option_format(const struct opu_option *option, const void *target, char *text,
                                    size_t size);

#endif
