/* SPDX-License-Identifier: MIT */
/*
 * .ini text, read by inih within strict borders: every line is "[section]", "key = value", a
 * comment (; or #), an empty line, or - indented - a further piece of the value above, appended as
 * it stands. Anything else is refused with its line number.
 */
#ifndef OPU_CORE_INI_H
#define OPU_CORE_INI_H

#include <opu/status.h>

/* Longest line inih takes whole. */
#define OPU_INI_MAX_LINE 198

/* Takes one pair; a failure ends the reading and is returned with "where:line: " before its
 * sentence. */
typedef int (*opu_ini_pair_fn)(void *user, const char *section, const char *key, const char *value);

/* `where` names the text in messages. OPU_E_FORMAT, and what fn returns. */
OPU_NODISCARD int opu_ini_parse(const char *text, const char *where, opu_ini_pair_fn fn,
                                void *user);

/*
 * Whether a value comes back as it was written: no space at its ends, no control characters, no
 * quote for a comment (";" at the start or after a space).
 */
bool opu_ini_can_hold(const char *value);

/*
 * Writes "key = value" at text + *n, folded where it is long, and counts *n on; writes nothing
 * beyond `size` but counts all the same, so that a first call with size 0 tells how much room is
 * wanted.
 */
void opu_ini_write(char *text, size_t size, size_t *n, const char *key, const char *value);

#endif
