/* SPDX-License-Identifier: MIT */
/* Lists of folders, from the environment. */
#include "core/data/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void opu_places_add(struct opu_places *places, const char *base, const char *below)
{
    if (places->n == OPU_PLACES) {
        return;
    }
    char *text = places->dir[places->n];
    int const n = snprintf(text, OPU_PLACE_SIZE, "%s%s%s", base, *below ? "/" : "", below);
    places->n += n > 0 && n < OPU_PLACE_SIZE; /* a longer one can't be opened anyway */
}

/* The value of a variable, NULL where it is unset or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void opu_places_list(struct opu_places *places, const char *dir, const char *group,
                     const char *name)
{
    char below[256];
    places->n = 0;
    if (dir && *dir) {
        opu_places_add(places, dir, "");
        return;
    }
    const char *base = variable("OPU_DATA_DIR");
    if (base && *group) {
        (void)snprintf(below, sizeof below, "%s/%s", group, name);
        opu_places_add(places, base, below);
    }
    if (base) {
        opu_places_add(places, base, name);
    }
    const char *data = variable("XDG_DATA_HOME");
    base = data ? data : variable("HOME");
    if (base) {
        (void)snprintf(below, sizeof below, "%s/%s", data ? "opu" : ".local/share/opu", name);
        opu_places_add(places, base, below);
    }
}

void opu_places_text(const struct opu_places *places, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < places->n && used < size; i++) {
        int const n = snprintf(text + used, size - used, "%s%s", i ? ", " : "", places->dir[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}
