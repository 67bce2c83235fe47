/* SPDX-License-Identifier: MIT */
/*
 * The idx format of MNIST and its relatives, plain or gzip-ed: two zero bytes, the type (8:
 * unsigned bytes, the only one read here), the rank, the big-endian dimensions, then the bytes.
 * Whatever does not hold exactly that is refused.
 */
#ifndef OPU_CORE_IDX_H
#define OPU_CORE_IDX_H

#include <opu/npy.h>

#define OPU_IDX_MAX_RANK 4
/* More than any data set of this kind, and what one file may make us allocate. */
#define OPU_IDX_MAX_ELEMENTS ((size_t)1 << 31)

/*
 * Parses n bytes in memory: the border that is fuzzed. `where` names them in messages. The array is
 * OPU_U8 and the caller's, freed by opu_array_free(); on failure its data is NULL. OPU_E_FORMAT,
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_idx_parse(struct opu_context *context, struct opu_array *array,
                                const void *bytes, size_t n, const char *where);

/* The same from a file; *hash is opu_hash64() of its bytes. Also OPU_E_NOT_FOUND, OPU_E_IO. */
OPU_NODISCARD int opu_idx_read(struct opu_context *context, struct opu_array *array,
                               const char *path, uint64_t *hash);

#endif
