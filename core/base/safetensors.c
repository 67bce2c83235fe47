/* SPDX-License-Identifier: MIT */
/*
 * The safetensors format. Reading trusts nothing: the header's length, every name, dtype, shape and
 * offset is checked, and the tensors must cover the data exactly, once. Writing:
 * safetensors_write.c.
 */
#include "core/base/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/safetensors_format.h"

#define LENGTH_SIZE 8
/* Sentences show this much of a name. */
#define SHOWN 100

const char *const opu_safetensors_dtypes[OPU_SAFETENSORS_DTYPES] = {
    [OPU_F32] = "F32", [OPU_F64] = "F64", [OPU_I32] = "I32",
    [OPU_U8] = "U8",   [OPU_U16] = "U16", [OPU_I64] = "I64",
};

struct entry {
    struct opu_tensor_ref tensor;
    size_t begin, end, index;
};

struct opu_safetensors {
    struct opu_context *context;
    uint8_t *bytes;
    size_t n;
    json_t *root; /* owns the names and the metadata's texts */
    const json_t *meta;
    struct entry *entries; /* in the order of their data */
    size_t count;
};

static int bad_tensor(const char *name, const char *what)
{
    return opu_fail(OPU_E_FORMAT, "safetensors: tensor '%.*s': %s", SHOWN, name, what);
}

/* A whole number from 0 up. */
static bool get_size(size_t *out, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *out = (size_t)json_integer_value(value);
    return true;
}

static int parse_dtype(struct entry *entry, const char *name, const json_t *value)
{
    const char *const text = json_string_value(value);
    if (text == NULL) {
        return bad_tensor(name, "has no dtype that is a text");
    }
    for (size_t i = 0; i < OPU_SAFETENSORS_DTYPES; i++) {
        if (strcmp(text, opu_safetensors_dtypes[i]) == 0) {
            entry->tensor.dtype = (enum opu_dtype)i;
            return OPU_OK;
        }
    }
    return opu_fail(OPU_E_FORMAT,
                    "safetensors: tensor '%.*s': dtype '%.20s', wanted F32, F64, I32, I64, U8 or "
                    "U16",
                    SHOWN, name, text);
}

static int parse_shape(struct entry *entry, const char *name, const json_t *value)
{
    if (!json_is_array(value)) {
        return bad_tensor(name, "has no shape that is a list");
    }
    if (json_array_size(value) > OPU_MAX_RANK) {
        return opu_fail(OPU_E_FORMAT, "safetensors: tensor '%.*s': %zu dimensions, wanted up to %d",
                        SHOWN, name, json_array_size(value), OPU_MAX_RANK);
    }
    entry->tensor.rank = json_array_size(value);
    for (size_t i = 0; i < entry->tensor.rank; i++) {
        if (!get_size(&entry->tensor.shape[i], json_array_get(value, i))) {
            return bad_tensor(name, "a dimension is no whole number from 0 up");
        }
    }
    return OPU_OK;
}

static int parse_offsets(struct entry *entry, const char *name, const json_t *value, size_t limit)
{
    if (json_array_size(value) != 2 || !get_size(&entry->begin, json_array_get(value, 0)) ||
        !get_size(&entry->end, json_array_get(value, 1))) {
        return bad_tensor(name, "data_offsets are not two whole numbers from 0 up");
    }
    if (entry->begin > entry->end || entry->end > limit) {
        return opu_fail(OPU_E_FORMAT,
                        "safetensors: tensor '%.*s': data_offsets [%zu, %zu], wanted ascending and "
                        "within %zu bytes of data",
                        SHOWN, name, entry->begin, entry->end, limit);
    }
    size_t size;
    char shape[160];
    bool const fits =
        opu_shape_bytes(&size, entry->tensor.dtype, entry->tensor.rank, entry->tensor.shape);
    if (!fits || size != entry->end - entry->begin) {
        return opu_fail(OPU_E_FORMAT,
                        "safetensors: tensor '%.*s': %zu bytes of data do not hold a shape of %s "
                        "of %s",
                        SHOWN, name, entry->end - entry->begin,
                        opu_shape_text(shape, entry->tensor.rank, entry->tensor.shape),
                        opu_safetensors_dtypes[entry->tensor.dtype]);
    }
    return OPU_OK;
}

static int parse_tensor(struct entry *entry, const char *name, const json_t *value, size_t limit)
{
    if (!json_is_object(value)) {
        return bad_tensor(name, "is described by no object");
    }
    entry->tensor.name = name;
    OPU_TRY(parse_dtype(entry, name, json_object_get(value, "dtype")));
    OPU_TRY(parse_shape(entry, name, json_object_get(value, "shape")));
    return parse_offsets(entry, name, json_object_get(value, "data_offsets"), limit);
}

static int check_meta(json_t *meta)
{
    if (!json_is_object(meta)) {
        return opu_fail(OPU_E_FORMAT, "safetensors: " OPU_SAFETENSORS_META " is no object");
    }
    for (void *at = json_object_iter(meta); at != NULL; at = json_object_iter_next(meta, at)) {
        if (!json_is_string(json_object_iter_value(at))) {
            return opu_fail(OPU_E_FORMAT, "safetensors: " OPU_SAFETENSORS_META " '%.*s' is no text",
                            SHOWN, json_object_iter_key(at));
        }
    }
    return OPU_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *const x = a;
    const struct entry *const y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The tensors, ordered by their data, must follow each other from the first byte to the last. */
static int check_cover(struct opu_safetensors *file, size_t data_size)
{
    if (file->count > 1) {
        qsort(file->entries, file->count, sizeof *file->entries, by_offset);
    }
    size_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        const struct entry *const entry = &file->entries[i];
        if (entry->begin != end) {
            return opu_fail(OPU_E_FORMAT,
                            "safetensors: tensor '%.*s' starts at byte %zu of the data, wanted %zu "
                            "(%s)",
                            SHOWN, entry->tensor.name, entry->begin, end,
                            entry->begin < end ? "it overlaps another one" : "there is a gap");
        }
        end = entry->end;
    }
    return end == data_size ? OPU_OK
                            : opu_fail(OPU_E_FORMAT,
                                       "safetensors: %zu bytes of data, wanted the %zu that the "
                                       "tensors take",
                                       data_size, end);
}

static int load_json(struct opu_safetensors *file, const char *text, size_t length)
{
    json_error_t error;
    file->root = text[0] == '{' ? json_loadb(text, length, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (file->root != NULL) {
        return OPU_OK;
    }
    if (text[0] != '{') {
        return opu_fail(OPU_E_FORMAT, "safetensors: the header does not start with '{'");
    }
    if (json_error_code(&error) == json_error_out_of_memory) {
        return opu_fail(OPU_E_NO_MEMORY, "safetensors: no memory for a header of %zu bytes",
                        length);
    }
    return opu_fail(OPU_E_FORMAT, "safetensors: the header is no JSON: %s (byte %d)", error.text,
                    error.position);
}

static int read_tensors(struct opu_safetensors *file, const uint8_t *data, size_t data_size)
{
    file->entries = opu_calloc(file->context, json_object_size(file->root), sizeof *file->entries);
    if (file->entries == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (void *at = json_object_iter(file->root); at != NULL;
         at = json_object_iter_next(file->root, at)) {
        const char *const name = json_object_iter_key(at);
        json_t *const value = json_object_iter_value(at);
        if (strcmp(name, OPU_SAFETENSORS_META) == 0) {
            OPU_TRY(check_meta(value));
            file->meta = value;
            continue;
        }
        struct entry *const entry = &file->entries[file->count];
        entry->index = file->count++;
        OPU_TRY(parse_tensor(entry, name, value, data_size));
        entry->tensor.data = data + entry->begin;
    }
    return check_cover(file, data_size);
}

/* Reads file->bytes, which are the file's from here on. */
static int read_bytes(struct opu_safetensors *file)
{
    uint64_t length = 0;
    if (file->n < LENGTH_SIZE) {
        return opu_fail(OPU_E_FORMAT, "safetensors: %zu bytes, wanted at least %d", file->n,
                        LENGTH_SIZE);
    }
    for (size_t i = 0; i < LENGTH_SIZE; i++) {
        length |= (uint64_t)file->bytes[i] << (8 * i);
    }
    if (length > OPU_SAFETENSORS_HEADER_LIMIT) {
        return opu_fail(OPU_E_FORMAT, "safetensors: a header of %llu bytes, wanted at most %zu",
                        (unsigned long long)length, OPU_SAFETENSORS_HEADER_LIMIT);
    }
    if (length == 0 || length > file->n - LENGTH_SIZE) {
        return opu_fail(OPU_E_FORMAT,
                        "safetensors: a header of %llu bytes in a file of %zu (cut off?)",
                        (unsigned long long)length, file->n);
    }
    size_t const start = LENGTH_SIZE + (size_t)length;
    OPU_TRY(load_json(file, (const char *)file->bytes + LENGTH_SIZE, (size_t)length));
    return read_tensors(file, file->bytes + start, file->n - start);
}

/* Takes over bytes, also on failure. */
static int create(struct opu_safetensors **out, struct opu_context *context, uint8_t *bytes,
                  size_t n)
{
    *out = NULL;
    struct opu_safetensors *const file = opu_calloc(context, 1, sizeof *file);
    if (file == NULL) {
        opu_context_free(context, bytes);
        return OPU_E_NO_MEMORY;
    }
    *file = (struct opu_safetensors){.context = context, .bytes = bytes, .n = n};
    int const status = read_bytes(file);
    if (status < 0) {
        opu_safetensors_close(file);
        return status;
    }
    *out = file;
    return OPU_OK;
}

int opu_safetensors_parse(struct opu_safetensors **out, struct opu_context *context,
                          const void *bytes, size_t n)
{
    *out = NULL;
    uint8_t *const copy = opu_context_alloc(context, n);
    if (copy == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    return create(out, context, copy, n);
}

int opu_safetensors_open(struct opu_safetensors **out, struct opu_context *context,
                         const char *path)
{
    *out = NULL;
    uint8_t *bytes;
    size_t n;
    OPU_TRY(opu_file_read(context, path, SIZE_MAX / 4, &bytes, &n));
    int const status = create(out, context, bytes, n);
    return status < 0 ? opu_fail(status, "%s: %s", path, opu_error_message()) : status;
}

void opu_safetensors_close(struct opu_safetensors *file)
{
    if (file != NULL) {
        json_decref(file->root);
        opu_context_free(file->context, file->entries);
        opu_context_free(file->context, file->bytes);
        opu_context_free(file->context, file);
    }
}

size_t opu_safetensors_count(const struct opu_safetensors *file)
{
    return file->count;
}

const struct opu_tensor_ref *opu_safetensors_at(const struct opu_safetensors *file, size_t i)
{
    return i < file->count ? &file->entries[i].tensor : NULL;
}

const struct opu_tensor_ref *opu_safetensors_find(const struct opu_safetensors *file,
                                                  const char *name)
{
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->entries[i].tensor.name, name) == 0) {
            return &file->entries[i].tensor;
        }
    }
    return NULL;
}

const char *opu_safetensors_meta(const struct opu_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(file->meta, key));
}
