/* SPDX-License-Identifier: MIT */
/* Any bytes are an idx array whose elements can all be read, or are refused with a sentence. */
#include "fuzz.h"

#include <string.h>

#include "core/data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opu_array array;
    int const status = opu_idx_parse(NULL, &array, data, size, "input");
    if (status < 0) {
        FUZZ_CHECK(array.data == NULL);
        FUZZ_CHECK(strncmp(opu_error_message(), "input: ", 7) == 0 || status == OPU_E_NO_MEMORY);
        return 0;
    }
    size_t const n = opu_array_count(&array);
    bool const zipped = data[0] == 0x1f;
    /* Deflate can't do better than 1032:1; a plain file ends with its elements. */
    FUZZ_CHECK(array.dtype == OPU_U8 && array.rank >= 1 && n >= 1);
    FUZZ_CHECK(zipped ? n / 1032 <= size : n == size - 4 - 4 * array.rank);
    const uint8_t *const elements = array.data;
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += elements[i];
    }
    FUZZ_CHECK(sum <= 255u * n);
    FUZZ_CHECK(zipped || memcmp(elements, data + size - n, n) == 0);
    opu_array_free(NULL, &array);
    return 0;
}
