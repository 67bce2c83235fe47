/* SPDX-License-Identifier: MIT */
/*
 * The safetensors format: 8 bytes little-endian header length, a JSON header, raw tensors. Read
 * back by Python's safetensors library; headers over 100 MB, overlaps, gaps and bad offsets are
 * refused.
 */
#ifndef OPU_CORE_SAFETENSORS_H
#define OPU_CORE_SAFETENSORS_H

#include <opu/npy.h>

struct opu_tensor_ref {
    const char *name;
    enum opu_dtype dtype;
    size_t rank;
    size_t shape[OPU_MAX_RANK];
    const void *data; /* borrowed */
};

/* key = value pairs of the header's __metadata__ */
struct opu_meta {
    const char *key, *value;
};

/* Atomic (opu_file_write). OPU_E_IO, OPU_E_INVALID, OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_safetensors_write(struct opu_context *context, const char *path,
                                        const struct opu_tensor_ref *tensors, size_t n_tensors,
                                        const struct opu_meta *meta, size_t n_meta);

struct opu_safetensors;

OPU_NODISCARD int opu_safetensors_open(struct opu_safetensors **out, struct opu_context *context,
                                       const char *path);
/* From memory: the border that is fuzzed. The bytes are copied. */
OPU_NODISCARD int opu_safetensors_parse(struct opu_safetensors **out, struct opu_context *context,
                                        const void *bytes, size_t n);
void opu_safetensors_close(struct opu_safetensors *file);

size_t opu_safetensors_count(const struct opu_safetensors *file);
/* i-th tensor, and by name (NULL if there is none). Borrowed until close; data is 64-byte aligned
 * per file start only as far as the format gives: copy before use as floats. */
const struct opu_tensor_ref *opu_safetensors_at(const struct opu_safetensors *file, size_t i);
const struct opu_tensor_ref *opu_safetensors_find(const struct opu_safetensors *file,
                                                  const char *name);
/* A value of __metadata__, or NULL. Borrowed. */
const char *opu_safetensors_meta(const struct opu_safetensors *file, const char *key);

#endif
