/* SPDX-License-Identifier: MIT */
/* Writing the safetensors format: tensors in the order given, the header padded to 8 bytes with
 * blanks. */
#include <jansson.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/safetensors_format.h"

static int no_memory(void)
{
    return opu_fail(OPU_E_NO_MEMORY, "safetensors: no memory for the header");
}

/* Puts value (taken over) under a new key; texts that are no UTF-8 and repeated keys are refused.
 */
static int put_new(json_t *object, const char *what, const char *key, json_t *value)
{
    if (key == NULL || json_object_get(object, key) != NULL) {
        json_decref(value);
        return opu_fail(OPU_E_INVALID, "safetensors: %s '%.100s' %s", what, key != NULL ? key : "",
                        key != NULL ? "comes twice" : "has no name");
    }
    if (value == NULL || json_object_set_new(object, key, value) != 0) {
        return opu_fail(OPU_E_INVALID, "safetensors: %s '%.100s': not UTF-8, or no memory", what,
                        key);
    }
    return OPU_OK;
}

static int put_meta(json_t *root, const struct opu_meta *meta, size_t n_meta)
{
    if (n_meta == 0) {
        return OPU_OK;
    }
    json_t *const object = json_object();
    if (object == NULL || json_object_set_new(root, OPU_SAFETENSORS_META, object) != 0) {
        return no_memory();
    }
    for (size_t i = 0; i < n_meta; i++) {
        OPU_TRY(put_new(object, "metadata", meta[i].key, json_string(meta[i].value)));
    }
    return OPU_OK;
}

static json_t *describe(const struct opu_tensor_ref *tensor, size_t begin, size_t end)
{
    json_t *const shape = json_array();
    for (size_t i = 0; i < tensor->rank; i++) {
        if (json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", opu_safetensors_dtypes[tensor->dtype],
                     "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)end);
}

static int put_tensor(json_t *root, const struct opu_tensor_ref *tensor, struct opu_slice *slice,
                      size_t *offset)
{
    size_t size;
    size_t end;
    const char *const name = tensor->name != NULL ? tensor->name : "";
    if (!opu_dtype_known(tensor->dtype) || tensor->rank > OPU_MAX_RANK ||
        !opu_shape_bytes(&size, tensor->dtype, tensor->rank, tensor->shape) ||
        !opu_size_add(&end, *offset, size) || end > INT64_MAX ||
        (tensor->data == NULL && size > 0) || strcmp(name, OPU_SAFETENSORS_META) == 0) {
        return opu_fail(OPU_E_INVALID,
                        "safetensors: tensor '%.100s' of dtype %d, rank %zu, data %s can't be "
                        "written",
                        name, (int)tensor->dtype, tensor->rank,
                        tensor->data != NULL ? "there" : "NULL");
    }
    OPU_TRY(put_new(root, "tensor", tensor->name, describe(tensor, *offset, end)));
    *slice = (struct opu_slice){tensor->data, size};
    *offset = end;
    return OPU_OK;
}

/* Eight bytes of length, the JSON, blanks up to a multiple of 8. */
static int dump(struct opu_context *context, const json_t *root, uint8_t **out,
                struct opu_slice *slice)
{
    size_t const length = json_dumpb(root, NULL, 0, JSON_COMPACT);
    size_t const padded = (length + 7) / 8 * 8;
    if (length == 0) {
        return no_memory();
    }
    if (padded > OPU_SAFETENSORS_HEADER_LIMIT) {
        return opu_fail(OPU_E_INVALID, "safetensors: a header of %zu bytes, wanted at most %zu",
                        padded, OPU_SAFETENSORS_HEADER_LIMIT);
    }
    uint8_t *const bytes = opu_context_alloc(context, 8 + padded);
    if (bytes == NULL) {
        return OPU_E_NO_MEMORY;
    }
    *out = bytes;
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    }
    memset(bytes + 8, ' ', padded);
    *slice = (struct opu_slice){bytes, 8 + padded};
    return json_dumpb(root, (char *)bytes + 8, length, JSON_COMPACT) == length ? OPU_OK
                                                                               : no_memory();
}

int opu_safetensors_write(struct opu_context *context, const char *path,
                          const struct opu_tensor_ref *tensors, size_t n_tensors,
                          const struct opu_meta *meta, size_t n_meta)
{
    size_t offset = 0;
    uint8_t *header = NULL;
    struct opu_slice *const slices = opu_calloc(context, n_tensors + 1, sizeof *slices);
    json_t *const root = json_object();
    int status = slices == NULL ? OPU_E_NO_MEMORY : root == NULL ? no_memory() : OPU_OK;
    if (status == OPU_OK) {
        status = put_meta(root, meta, n_meta);
    }
    for (size_t i = 0; status == OPU_OK && i < n_tensors; i++) {
        status = put_tensor(root, &tensors[i], &slices[i + 1], &offset);
    }
    if (status == OPU_OK) {
        status = dump(context, root, &header, &slices[0]);
    }
    if (status == OPU_OK) {
        status = opu_file_write(path, slices, n_tensors + 1);
    }
    json_decref(root);
    opu_context_free(context, header);
    opu_context_free(context, slices);
    return status;
}
