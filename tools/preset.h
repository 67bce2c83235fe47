/* SPDX-License-Identifier: MIT */
/* Training configurations that the program carries: presets/NAME.ini, put in by embed.py. */
#ifndef OPU_TOOLS_PRESET_H
#define OPU_TOOLS_PRESET_H

struct preset {
    const char *name;
    const char *text; /* of the .ini file; its first comment line says what it is */
};

/* The last has no name. */
extern const struct preset presets[];

#endif
