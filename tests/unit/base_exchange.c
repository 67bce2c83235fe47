/* SPDX-License-Identifier: MIT */
/*
 * Reads a file and writes it again with this library, for base_exchange.py:
 * base_exchange npy IN OUT, base_exchange safetensors IN OUT. Metadata "identity" is kept.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/safetensors.h"

#define MAX_TENSORS 16

static int exchange_npy(const char *in, const char *out)
{
    struct opu_array array;
    OPU_TRY(opu_npy_read(NULL, &array, in));
    int const status = opu_npy_write(out, &array);
    opu_array_free(NULL, &array);
    return status;
}

static int exchange_safetensors(const char *in, const char *out)
{
    struct opu_safetensors *file;
    OPU_TRY(opu_safetensors_open(&file, NULL, in));
    struct opu_tensor_ref tensors[MAX_TENSORS];
    size_t n = opu_safetensors_count(file);
    n = n < MAX_TENSORS ? n : MAX_TENSORS;
    for (size_t i = 0; i < n; i++) {
        tensors[i] = *opu_safetensors_at(file, i);
    }
    struct opu_meta const meta = {"identity", opu_safetensors_meta(file, "identity")};
    int const status =
        opu_safetensors_write(NULL, out, tensors, n, &meta, meta.value != NULL ? 1 : 0);
    opu_safetensors_close(file);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    int const status = strcmp(argv[1], "npy") == 0 ? exchange_npy(argv[2], argv[3])
                                                   : exchange_safetensors(argv[2], argv[3]);
    if (status < 0) {
        (void)fprintf(stderr, "%s\n", opu_error_message());
    }
    return status < 0 ? 1 : 0;
}
