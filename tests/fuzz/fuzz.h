/* SPDX-License-Identifier: MIT */
/* What a fuzz target is: it takes any bytes, and finds a fault by stopping the process. */
#ifndef OPU_TESTS_FUZZ_H
#define OPU_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion that no build switches off. */
#define FUZZ_CHECK(condition) \
    do { \
        if (!(condition)) { \
            abort(); \
        } \
    } while (0)

#endif
