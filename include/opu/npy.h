/* SPDX-License-Identifier: MIT */
/**
 * @file npy.h
 * @brief Arrays in NumPy's .npy format (versions 1.0 and 2.0, C order, little endian).
 */
#ifndef OPU_NPY_H
#define OPU_NPY_H

#include <opu/context.h>

#ifdef __cplusplus
extern "C" {
#endif

enum opu_dtype { OPU_F32 = 0, OPU_F64 = 1, OPU_I32 = 2, OPU_U8 = 3, OPU_U16 = 4, OPU_I64 = 5 };

#define OPU_MAX_RANK 8

/** An array in memory; data belongs to the array and is freed by opu_array_free(). */
struct opu_array {
    enum opu_dtype dtype;
    size_t rank;
    size_t shape[OPU_MAX_RANK];
    void *data; /**< 64-byte aligned, C order */
};

OPU_API const char *opu_dtype_name(enum opu_dtype dtype);
OPU_API size_t opu_dtype_size(enum opu_dtype dtype);

/** Number of elements. */
OPU_API size_t opu_array_count(const struct opu_array *array);

/**
 * Reads a file. On failure array->data is NULL.
 * @return OPU_OK, OPU_E_NOT_FOUND, OPU_E_IO, OPU_E_FORMAT (the message says what was seen and
 * wanted), OPU_E_NO_MEMORY
 */
OPU_NODISCARD OPU_API int opu_npy_read(struct opu_context *context, struct opu_array *array,
                                       const char *path);

/** The same from memory: the border that is fuzzed. */
OPU_NODISCARD OPU_API int opu_npy_parse(struct opu_context *context, struct opu_array *array,
                                        const void *bytes, size_t n);

/**
 * Writes a file under another name first, then renames it: a failure leaves an older file as it
 * was.
 */
OPU_NODISCARD OPU_API int opu_npy_write(const char *path, const struct opu_array *array);

OPU_API void opu_array_free(struct opu_context *context, struct opu_array *array);

#ifdef __cplusplus
}
#endif
#endif
