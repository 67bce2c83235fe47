/* SPDX-License-Identifier: MIT */
/* What .npy and .safetensors share: sizes of shapes, and the host's byte order. */
#ifndef OPU_CORE_BYTES_H
#define OPU_CORE_BYTES_H

#include <opu/npy.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little endian and are read as they lie: this host is not"
#endif

/* *bytes = size of an array of that shape; false where it overflows. */
bool opu_shape_bytes(size_t *bytes, enum opu_dtype dtype, size_t rank, const size_t *shape);
/* "[3, 4]"; returns text. */
const char *opu_shape_text(char text[160], size_t rank, const size_t *shape);
/* Whether dtype is one of the enumeration. */
bool opu_dtype_known(enum opu_dtype dtype);

#endif
