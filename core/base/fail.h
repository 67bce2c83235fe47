/* SPDX-License-Identifier: MIT */
/* How functions inside the library fail: one code, one sentence, passed up unchanged. */
#ifndef OPU_CORE_FAIL_H
#define OPU_CORE_FAIL_H

#include <opu/status.h>

/* Hands a failure of EXPR up to the caller; the sentence is already in place. */
#define OPU_TRY(expr) \
    do { \
        int const try_status_ = (expr); \
        if (try_status_ < 0) { \
            return try_status_; \
        } \
    } while (0)

/* *out = a * b or a + b; false where it would overflow. */
bool opu_size_mul(size_t *out, size_t a, size_t b);
bool opu_size_add(size_t *out, size_t a, size_t b);

#endif
