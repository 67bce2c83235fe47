/* SPDX-License-Identifier: MIT */
/* Looks up the presets that the program carries. */
#include "tools/preset.h"
#include "tools/cli.h"

#include <string.h>

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; presets[i].name != NULL; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            return &presets[i];
        }
    }
    return NULL;
}

int preset_unknown(const char *name)
{
    const char *names[64], *near;
    size_t n = 0;
    for (; n < 64 && presets[n].name != NULL; n++) {
        names[n] = presets[n].name;
    }
    near = cli_nearest(name, names, n);
    return near != NULL
               ? opu_fail(
                     OPU_E_INVALID,
                     "no preset '%s'; did you mean '%s'? (opu train --list lists them; a file's "
                     "name ends in .ini)",
                     name, near)
               : opu_fail(
                     OPU_E_INVALID,
                     "no preset '%s' (opu train --list lists them; a file's name ends in .ini)",
                     name);
}

void preset_summary(const struct preset *preset, char *text, size_t n)
{
    const char *at = preset->text + strspn(preset->text, "#; ");
    snprintf(text, n, "%.*s", (int)strcspn(at, "\n"), at);
}
