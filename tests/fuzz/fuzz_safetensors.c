/* SPDX-License-Identifier: MIT */
/* Any bytes are tensors that cover the data once, each to be found by name, or are refused with a
 * sentence. */
#include "fuzz.h"

#include "core/base/safetensors.h"

static size_t size_of(const struct opu_tensor_ref *tensor)
{
    size_t n = opu_dtype_size(tensor->dtype);
    FUZZ_CHECK(tensor->rank <= OPU_MAX_RANK);
    for (size_t i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i];
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opu_safetensors *file;
    int const status = opu_safetensors_parse(&file, NULL, data, size);
    if (status < 0) {
        FUZZ_CHECK(file == NULL && opu_error_message()[0] != '\0');
        return 0;
    }
    size_t total = 0;
    for (size_t i = 0; i < opu_safetensors_count(file); i++) {
        const struct opu_tensor_ref *const tensor = opu_safetensors_at(file, i);
        FUZZ_CHECK(opu_safetensors_find(file, tensor->name) == tensor);
        total += size_of(tensor);
    }
    FUZZ_CHECK(total < size);
    const uint8_t *const tail = data + size - total;
    size_t at = 0;
    for (size_t i = 0; i < opu_safetensors_count(file); i++) {
        const struct opu_tensor_ref *const tensor = opu_safetensors_at(file, i);
        const uint8_t *const bytes = tensor->data;
        for (size_t j = 0; j < size_of(tensor); j++) {
            FUZZ_CHECK(bytes[j] == tail[at++]);
        }
    }
    (void)opu_safetensors_meta(file, "format");
    opu_safetensors_close(file);
    return 0;
}
