/* SPDX-License-Identifier: MIT */
/* Files that are whole or not there: written beside their name, then renamed. */
#ifndef OPU_TOOLS_WHOLE_FILE_H
#define OPU_TOOLS_WHOLE_FILE_H

#include <opu/status.h>

/*
 * Writes all of text[n] to path.tmp, then renames that to path. A path that is there and no regular
 * file is left alone. One at a time in a process. OPU_E_IO, OPU_E_NO_MEMORY: what was at path is
 * there still.
 */
OPU_NODISCARD int whole_file_write(const char *path, const char *text, size_t n);

/* For a signal handler that ends the process: takes away what is being written. */
void whole_file_abandon(void);

#endif
