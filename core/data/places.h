/* SPDX-License-Identifier: MIT */
/*
 * Where data sets are looked for: $OPU_DATA_DIR, then the user's data folder, which is
 * $XDG_DATA_HOME/opu, else ~/.local/share/opu.
 */
#ifndef OPU_CORE_PLACES_H
#define OPU_CORE_PLACES_H

#include <stddef.h>

#define OPU_PLACES 6
#define OPU_PLACE_SIZE 1024

/* Folders in the order in which they are tried. */
struct opu_places {
    size_t n;
    char dir[OPU_PLACES][OPU_PLACE_SIZE];
};

/* base/below, or base alone where below is empty; a name that is too long is left out. */
void opu_places_add(struct opu_places *places, const char *base, const char *below);

/*
 * `dir` alone if it says something. Else $OPU_DATA_DIR/group/name (group "": without), where also
 * $OPU_DATA_DIR/name, and in the user's data folder `name`.
 */
void opu_places_list(struct opu_places *places, const char *dir, const char *group,
                     const char *name);

/* "a, b, c" for a sentence, which is cut where it does not fit. */
void opu_places_text(const struct opu_places *places, char *text, size_t size);

#endif
