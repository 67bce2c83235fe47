/* SPDX-License-Identifier: MIT */
/* Training configurations that the program carries: presets/NAME.ini, put in by embed.py. */
#ifndef OPU_TOOLS_PRESET_H
#define OPU_TOOLS_PRESET_H

#include <stddef.h>

struct preset {
    const char *name;
    const char *text; /* of the .ini file; its first comment line says what it is */
};

/* The last has no name. */
extern const struct preset presets[];

/* NULL if there is none of that name. */
const struct preset *preset_find(const char *name);

/* Fails with OPU_E_INVALID and offers the nearest name. */
int preset_unknown(const char *name);

/* The first comment line. */
void preset_summary(const struct preset *preset, char *text, size_t n);

#endif
