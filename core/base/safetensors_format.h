/* SPDX-License-Identifier: MIT */
/* What the reader and the writer of safetensors share. */
#ifndef OPU_CORE_SAFETENSORS_FORMAT_H
#define OPU_CORE_SAFETENSORS_FORMAT_H

#include "core/base/safetensors.h"

#define OPU_SAFETENSORS_HEADER_LIMIT ((size_t)100 * 1000 * 1000)
#define OPU_SAFETENSORS_META "__metadata__"
#define OPU_SAFETENSORS_DTYPES 6

/* Indexed by enum opu_dtype. */
extern const char *const opu_safetensors_dtypes[OPU_SAFETENSORS_DTYPES];

#endif
