/* SPDX-License-Identifier: MIT */
/* Any bytes are an array whose elements can all be read, or are refused with a sentence. */
#include "fuzz.h"

#include <opu/npy.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opu_array array;
    int const status = opu_npy_parse(NULL, &array, data, size);
    if (status < 0) {
        FUZZ_CHECK(array.data == NULL && opu_error_message()[0] != '\0');
        return 0;
    }
    size_t const n = opu_array_count(&array) * opu_dtype_size(array.dtype);
    FUZZ_CHECK(n <= size && array.rank <= OPU_MAX_RANK);
    const uint8_t *const elements = array.data;
    for (size_t i = 0; i < n; i++) {
        /* The elements are the last bytes of the file. */
        FUZZ_CHECK(elements[i] == data[size - n + i]);
    }
    opu_array_free(NULL, &array);
    return 0;
}
