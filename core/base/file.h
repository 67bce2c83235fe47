/* SPDX-License-Identifier: MIT */
/* Whole files: read with a limit, written so that a failure leaves the old file as it was. */
#ifndef OPU_CORE_FILE_H
#define OPU_CORE_FILE_H

#include <opu/context.h>

/*
 * Reads a file of at most `limit` bytes; (*bytes)[*n] is 0. The caller frees with
 * opu_context_free(). OPU_E_NOT_FOUND, OPU_E_IO, OPU_E_FORMAT (a directory, or larger than
 * the limit), OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_file_read(struct opu_context *context, const char *path, size_t limit,
                                uint8_t **bytes, size_t *n);

struct opu_slice {
    const void *data;
    size_t n;
};

/* Writes the slices one after the other to path.tmp, syncs it, renames it to path. OPU_E_IO says
 * why. */
OPU_NODISCARD int opu_file_write(const char *path, const struct opu_slice *slices, size_t n_slices);

/* Makes a directory and its parents; an existing one is fine. */
OPU_NODISCARD int opu_dir_make(const char *path);

#endif
