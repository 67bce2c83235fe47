/* SPDX-License-Identifier: MIT */
/* Writes files by way of a draft; a signal that ends the process takes the draft along. */
#include "tools/whole_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The draft's name while there is one: a handler has nothing else to go by. */
static char *volatile draft_name;

void whole_file_abandon(void)
{
    char *const draft = draft_name;
    if (draft != NULL) {
        unlink(draft);
    }
}

/* 0, or errno of what went wrong. */
static int write_draft(const char *draft, const char *path, const char *text, size_t n)
{
    FILE *const out = fopen(draft, "wb");
    if (out == NULL) {
        return errno;
    }
    bool const done = fwrite(text, 1, n, out) == n && fflush(out) == 0 && fsync(fileno(out)) == 0;
    int why = done ? 0 : errno;
    if (fclose(out) != 0 && done) {
        why = errno;
    }
    if (why == 0 && rename(draft, path) != 0) {
        why = errno;
    }
    if (why != 0) {
        unlink(draft);
    }
    return why;
}

int whole_file_write(const char *path, const char *text, size_t n)
{
    struct stat seen;
    size_t const room = strlen(path) + sizeof ".tmp";
    if (stat(path, &seen) == 0 && !S_ISREG(seen.st_mode)) {
        return opu_fail(OPU_E_IO, "%s: can't be written: not a regular file", path);
    }
    char *const draft = malloc(room);
    if (draft == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "%s: no memory for its name", path);
    }
    snprintf(draft, room, "%s.tmp", path);
    draft_name = draft;
    int const why = write_draft(draft, path, text, n);
    draft_name = NULL;
    free(draft);
    return why == 0 ? OPU_OK : opu_fail(OPU_E_IO, "%s: can't be written: %s", path, strerror(why));
}
