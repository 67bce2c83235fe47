/* SPDX-License-Identifier: MIT */
/*
 * The .npy format, versions 1.0 and 2.0: magic, header length, a Python dictionary with descr,
 * fortran_order and shape, then the elements. Anything that this library would not write is refused
 * with a sentence.
 */
#include <opu/npy.h>

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6
#define DESCR_SIZE 16

static const struct {
    const char *name, *descr;
    size_t size;
} dtypes[] = {
    [OPU_F32] = {"float32", "<f4", 4}, [OPU_F64] = {"float64", "<f8", 8},
    [OPU_I32] = {"int32", "<i4", 4},   [OPU_U8] = {"uint8", "|u1", 1},
    [OPU_U16] = {"uint16", "<u2", 2},  [OPU_I64] = {"int64", "<i8", 8},
};
#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])
#define DTYPES_WANTED "wanted float32, float64, int32, int64, uint8 or uint16, little endian"

/* The header's text, and how far it has been read. */
struct cursor {
    const char *p, *end;
};

struct header {
    bool has_descr, has_order, has_shape;
    struct opu_array array;
};

bool opu_dtype_known(enum opu_dtype dtype)
{
    return (size_t)dtype < N_DTYPES;
}

const char *opu_dtype_name(enum opu_dtype dtype)
{
    return opu_dtype_known(dtype) ? dtypes[dtype].name : "unknown";
}

size_t opu_dtype_size(enum opu_dtype dtype)
{
    return opu_dtype_known(dtype) ? dtypes[dtype].size : 0;
}

size_t opu_array_count(const struct opu_array *array)
{
    size_t count = 1;
    for (size_t i = 0; i < array->rank; i++) {
        count *= array->shape[i];
    }
    return count;
}

bool opu_shape_bytes(size_t *bytes, enum opu_dtype dtype, size_t rank, const size_t *shape)
{
    *bytes = opu_dtype_size(dtype);
    for (size_t i = 0; i < rank; i++) {
        if (!opu_size_mul(bytes, *bytes, shape[i])) {
            return false;
        }
    }
    return true;
}

const char *opu_shape_text(char text[160], size_t rank, const size_t *shape)
{
    size_t used = (size_t)snprintf(text, 160, "[");
    for (size_t i = 0; i < rank && i < OPU_MAX_RANK && used < 130; i++) {
        char const *const gap = i > 0 ? ", " : "";
        used += (size_t)snprintf(text + used, 160 - used, "%s%zu", gap, shape[i]);
    }
    (void)snprintf(text + used, 160 - used, used < 130 ? "]" : ", ...]");
    return text;
}

static void skip_blanks(struct cursor *at)
{
    while (at->p < at->end && (*at->p == ' ' || *at->p == '\t' || *at->p == '\n')) {
        at->p++;
    }
}

/* Takes one character if it is next, blanks aside. */
static bool take(struct cursor *at, char c)
{
    skip_blanks(at);
    if (at->p < at->end && *at->p == c) {
        at->p++;
        return true;
    }
    return false;
}

static bool take_word(struct cursor *at, const char *word)
{
    size_t const n = strlen(word);
    skip_blanks(at);
    if ((size_t)(at->end - at->p) >= n && memcmp(at->p, word, n) == 0) {
        at->p += n;
        return true;
    }
    return false;
}

static int malformed(const struct cursor *at, const char *wanted)
{
    int const left = at->end - at->p < 24 ? (int)(at->end - at->p) : 24;
    return opu_fail(OPU_E_FORMAT, "npy header: saw '%.*s', wanted %s", left, at->p, wanted);
}

/* 'text' or "text", without escapes, into at most DESCR_SIZE bytes. */
static int take_string(struct cursor *at, char text[DESCR_SIZE], const char *wanted)
{
    skip_blanks(at);
    struct cursor const start = *at;
    char const quote = at->p < at->end ? *at->p : '\0';
    if (quote != '\'' && quote != '"') {
        return malformed(&start, wanted);
    }
    size_t n = 0;
    for (at->p++; at->p < at->end && *at->p != quote; at->p++) {
        if (n == DESCR_SIZE - 1 || *at->p == '\\' || *at->p == '\0') {
            return malformed(&start, wanted);
        }
        text[n++] = *at->p;
    }
    if (at->p == at->end) {
        return malformed(&start, wanted);
    }
    at->p++;
    text[n] = '\0';
    return OPU_OK;
}

static int parse_descr(struct cursor *at, struct header *header)
{
    char text[DESCR_SIZE];
    OPU_TRY(take_string(at, text, "a dtype such as '<f4' (structured dtypes are not read)"));
    for (size_t i = 0; i < N_DTYPES; i++) {
        /* The order of a single byte is written '|', but any says the same. */
        bool const same = dtypes[i].size == 1 ? strchr("|<>=", text[0]) != NULL && text[0] != '\0'
                                              : text[0] == dtypes[i].descr[0];
        bool const kind = text[0] != '\0' && strcmp(text + 1, dtypes[i].descr + 1) == 0;
        if (kind && same) {
            header->array.dtype = (enum opu_dtype)i;
            return OPU_OK;
        }
        if (kind && text[0] == '>') {
            return opu_fail(OPU_E_FORMAT, "npy: dtype '%s' is big-endian %s, " DTYPES_WANTED, text,
                            dtypes[i].name);
        }
    }
    return opu_fail(OPU_E_FORMAT, "npy: dtype '%s' is not read, " DTYPES_WANTED, text);
}

static int parse_order(struct cursor *at, struct header *header)
{
    (void)header;
    if (take_word(at, "True")) {
        return opu_fail(OPU_E_FORMAT, "npy: fortran_order is True, wanted rows first (save "
                                      "numpy.ascontiguousarray(x))");
    }
    return take_word(at, "False") ? OPU_OK : malformed(at, "True or False");
}

static int parse_dimension(struct cursor *at, size_t *out)
{
    size_t value = 0;
    skip_blanks(at);
    struct cursor const start = *at;
    for (; at->p < at->end && *at->p >= '0' && *at->p <= '9'; at->p++) {
        if (!opu_size_mul(&value, value, 10) ||
            !opu_size_add(&value, value, (size_t)(*at->p - '0'))) {
            return malformed(&start, "a dimension below 2^64");
        }
    }
    *out = value;
    return at->p > start.p ? OPU_OK : malformed(&start, "a dimension");
}

static int parse_shape(struct cursor *at, struct header *header)
{
    struct opu_array *const array = &header->array;
    if (!take(at, '(')) {
        return malformed(at, "a shape such as (3, 4)");
    }
    bool comma = true;
    while (!take(at, ')')) {
        if (!comma) {
            return malformed(at, "a comma or the end of the shape");
        }
        if (array->rank == OPU_MAX_RANK) {
            return opu_fail(OPU_E_FORMAT, "npy: the shape has more than %d dimensions",
                            OPU_MAX_RANK);
        }
        OPU_TRY(parse_dimension(at, &array->shape[array->rank]));
        array->rank++;
        comma = take(at, ',');
    }
    /* (3) is a number in Python, (3,) a shape. */
    return array->rank == 1 && !comma ? malformed(at, "a comma after a single dimension") : OPU_OK;
}

static int parse_entry(struct cursor *at, struct header *header)
{
    const struct {
        const char *key;
        bool *seen;
        int (*parse)(struct cursor *, struct header *);
    } entries[] = {
        {"descr", &header->has_descr, parse_descr},
        {"fortran_order", &header->has_order, parse_order},
        {"shape", &header->has_shape, parse_shape},
    };
    char key[DESCR_SIZE];
    static const char wanted[] = "the key 'descr', 'fortran_order' or 'shape'";
    OPU_TRY(take_string(at, key, wanted));
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (strcmp(key, entries[i].key) == 0) {
            if (*entries[i].seen) {
                return opu_fail(OPU_E_FORMAT, "npy header: the key '%s' comes twice", key);
            }
            *entries[i].seen = true;
            return take(at, ':') ? entries[i].parse(at, header) : malformed(at, "a colon");
        }
    }
    return opu_fail(OPU_E_FORMAT, "npy header: saw the key '%s', wanted %s", key, wanted);
}

static int parse_dictionary(struct cursor at, struct header *header)
{
    if (!take(&at, '{')) {
        return malformed(&at, "a dictionary");
    }
    bool comma = true;
    while (!take(&at, '}')) {
        if (!comma) {
            return malformed(&at, "a comma or the end of the dictionary");
        }
        OPU_TRY(parse_entry(&at, header));
        comma = take(&at, ',');
    }
    skip_blanks(&at);
    if (at.p != at.end) {
        return malformed(&at, "blanks after the dictionary");
    }
    const char *const missing = !header->has_descr   ? "descr"
                                : !header->has_order ? "fortran_order"
                                : !header->has_shape ? "shape"
                                                     : NULL;
    return missing == NULL ? OPU_OK
                           : opu_fail(OPU_E_FORMAT, "npy header: the key '%s' is missing", missing);
}

/* Checks everything; *offset is where the elements begin, *size how many bytes they are. */
static int parse_header(struct opu_array *array, const uint8_t *bytes, size_t n, size_t *offset,
                        size_t *size)
{
    if (n < MAGIC_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0) {
        return opu_fail(OPU_E_FORMAT, "npy: the first bytes are not \\x93NUMPY: no .npy file");
    }
    if (n < 10) {
        return opu_fail(OPU_E_FORMAT, "npy: ends after %zu bytes, within the header", n);
    }
    if ((bytes[6] != 1 && bytes[6] != 2) || bytes[7] != 0) {
        return opu_fail(OPU_E_FORMAT, "npy: version %u.%u, wanted 1.0 or 2.0", bytes[6], bytes[7]);
    }
    size_t const start = bytes[6] == 1 ? 10 : 12;
    if (n < start) {
        return opu_fail(OPU_E_FORMAT, "npy: ends after %zu bytes, within the header", n);
    }
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] == 2) {
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (length > n - start) {
        return opu_fail(OPU_E_FORMAT, "npy: ends after %zu bytes, within a header of %zu bytes", n,
                        length);
    }
    struct header header = {0};
    const char *const text = (const char *)bytes + start;
    OPU_TRY(parse_dictionary((struct cursor){text, text + length}, &header));
    char shape[160];
    if (!opu_shape_bytes(size, header.array.dtype, header.array.rank, header.array.shape)) {
        return opu_fail(OPU_E_FORMAT, "npy: the shape %s is larger than memory can be",
                        opu_shape_text(shape, header.array.rank, header.array.shape));
    }
    *offset = start + length;
    if (*size != n - *offset) {
        return opu_fail(OPU_E_FORMAT, "npy: %zu bytes of elements, wanted %zu for %s of %s (%s)",
                        n - *offset, *size,
                        opu_shape_text(shape, header.array.rank, header.array.shape),
                        opu_dtype_name(header.array.dtype),
                        n - *offset < *size ? "cut off" : "something follows");
    }
    *array = header.array;
    return OPU_OK;
}

int opu_npy_parse(struct opu_context *context, struct opu_array *array, const void *bytes, size_t n)
{
    *array = (struct opu_array){0};
    size_t offset = 0;
    size_t size = 0;
    struct opu_array parsed = {0};
    OPU_TRY(parse_header(&parsed, bytes, n, &offset, &size));
    parsed.data = opu_context_alloc(context, size);
    if (parsed.data == NULL) {
        return OPU_E_NO_MEMORY;
    }
    memcpy(parsed.data, (const uint8_t *)bytes + offset, size);
    *array = parsed;
    return OPU_OK;
}

int opu_npy_read(struct opu_context *context, struct opu_array *array, const char *path)
{
    *array = (struct opu_array){0};
    uint8_t *bytes;
    size_t n;
    OPU_TRY(opu_file_read(context, path, SIZE_MAX / 4, &bytes, &n));
    size_t offset = 0;
    size_t size = 0;
    int const status = parse_header(array, bytes, n, &offset, &size);
    if (status < 0) {
        opu_context_free(context, bytes);
        *array = (struct opu_array){0};
        return opu_fail(status, "%s: %s", path, opu_error_message());
    }
    /* The elements move to the front of the block that was read: no second copy in memory. */
    memmove(bytes, bytes + offset, size);
    array->data = bytes;
    return OPU_OK;
}

int opu_npy_write(const char *path, const struct opu_array *array)
{
    size_t size;
    if (!opu_dtype_known(array->dtype) || array->rank > OPU_MAX_RANK || array->data == NULL ||
        !opu_shape_bytes(&size, array->dtype, array->rank, array->shape)) {
        return opu_fail(OPU_E_INVALID, "%s: array of dtype %d, rank %zu, data %s can't be written",
                        path, (int)array->dtype, array->rank,
                        array->data != NULL ? "there" : "NULL");
    }
    /* Eight dimensions of at most 20 digits fit. */
    char header[384] = MAGIC "\x01";
    size_t const start = 10;
    size_t used = start;
    used += (size_t)snprintf(header + used, sizeof header - used,
                             "{'descr': '%s', 'fortran_order': False, 'shape': (",
                             dtypes[array->dtype].descr);
    for (size_t i = 0; i < array->rank; i++) {
        used += (size_t)snprintf(header + used, sizeof header - used, "%s%zu%s", i > 0 ? " " : "",
                                 array->shape[i], i + 1 < array->rank || i == 0 ? "," : "");
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "), }");
    /* Elements start at a multiple of 64 bytes; the last byte of the header ends the line. */
    size_t const total = (used + 1 + 63) / 64 * 64;
    memset(header + used, ' ', total - used);
    header[total - 1] = '\n';
    header[8] = (char)((total - start) & 0xff);
    header[9] = (char)((total - start) >> 8);
    struct opu_slice const slices[] = {{header, total}, {array->data, size}};
    return opu_file_write(path, slices, 2);
}

void opu_array_free(struct opu_context *context, struct opu_array *array)
{
    if (array != NULL) {
        opu_context_free(context, array->data);
        *array = (struct opu_array){0};
    }
}
