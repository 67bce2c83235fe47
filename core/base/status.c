/* SPDX-License-Identifier: MIT */
/* Status names, the thread's sentence, and sums of sizes that notice an overflow. */
#include <opu/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

#define SENTENCE_SIZE 512

static _Thread_local char sentence[SENTENCE_SIZE];

static const char *const names[] = {
    [-OPU_OK] = "OPU_OK",
    [-OPU_E_INVALID] = "OPU_E_INVALID",
    [-OPU_E_NO_MEMORY] = "OPU_E_NO_MEMORY",
    [-OPU_E_NOT_FOUND] = "OPU_E_NOT_FOUND",
    [-OPU_E_BUSY] = "OPU_E_BUSY",
    [-OPU_E_IO] = "OPU_E_IO",
    [-OPU_E_FORMAT] = "OPU_E_FORMAT",
    [-OPU_E_UNSUPPORTED] = "OPU_E_UNSUPPORTED",
    [-OPU_E_DEVICE] = "OPU_E_DEVICE",
    [-OPU_E_TIMEOUT] = "OPU_E_TIMEOUT",
    [-OPU_E_CANCELLED] = "OPU_E_CANCELLED",
    [-OPU_E_GONE] = "OPU_E_GONE",
    [-OPU_E_MATRIX_CHANGED] = "OPU_E_MATRIX_CHANGED",
    [-OPU_E_NUMERIC] = "OPU_E_NUMERIC",
    [-OPU_E_MISMATCH] = "OPU_E_MISMATCH",
};

const char *opu_status_name(int status)
{
    int const count = (int)(sizeof names / sizeof names[0]);
    return status <= 0 && status > -count ? names[-status] : "OPU_E_OTHER";
}

const char *opu_error_message(void)
{
    return sentence;
}

int opu_fail(int status, const char *format, ...)
{
    /* Formatted aside: an argument may be the previous sentence. */
    char text[SENTENCE_SIZE];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    /* Names and values come from files and users: a sentence stays one line. */
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    memcpy(sentence, text, sizeof sentence);
    return status < 0 ? status : OPU_E_OTHER;
}

bool opu_size_mul(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool opu_size_add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}
