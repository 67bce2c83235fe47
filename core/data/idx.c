/* SPDX-License-Identifier: MIT */
/*
 * Reads idx arrays. A gzip-ed file is inflated straight into the array that its own header
 * announces, so a file that inflates to more is caught at the first byte too many, and one that
 * can't possibly hold what it announces is caught before anything is allocated.
 */
#include "core/data/idx.h"

#include <limits.h>
#include <string.h>

#include <zlib.h>

#include <opu/backend.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/hash.h"

#define PREFIX 4u
#define TYPE_U8 8u
#define MAX_FILE ((size_t)1 << 31)
/* Deflate's best: 258 bytes from two bits (zlib.net/zlib_tech.html), header and trailer aside. */
#define BEST_RATIO 1032u

/* Where the bytes come from: plain memory, or a gzip stream over it. */
struct source {
    const char *where;
    const uint8_t *bytes;
    size_t n, at; /* plain: read so far */
    bool gzip, ended;
    z_stream z;
};

static void *zip_alloc(void *context, unsigned items, unsigned size)
{
    size_t bytes;
    return opu_size_mul(&bytes, items, size) ? opu_context_alloc(context, bytes) : NULL;
}

static void zip_free(void *context, void *memory)
{
    opu_context_free(context, memory);
}

static int source_open(struct source *s, struct opu_context *context, const uint8_t *bytes,
                       size_t n, const char *where)
{
    *s = (struct source){.where = where, .bytes = bytes, .n = n};
    s->gzip = n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (!s->gzip) {
        return OPU_OK;
    }
    if (n > UINT_MAX) {
        return opu_fail(OPU_E_FORMAT, "%s: %zu bytes, at most %u can be inflated", where, n,
                        UINT_MAX);
    }
    s->z.zalloc = zip_alloc;
    s->z.zfree = zip_free;
    s->z.opaque = context;
    union {
        const uint8_t *in;
        Bytef *z;
    } const input = {.in = bytes}; /* zlib reads it only, but has no const */
    s->z.next_in = input.z;
    s->z.avail_in = (uInt)n;
    if (inflateInit2(&s->z, 15 + 16) != Z_OK) {
        s->gzip = false;
        return opu_fail(OPU_E_NO_MEMORY, "%s: no memory to inflate it", where);
    }
    return OPU_OK;
}

static void source_close(struct source *s)
{
    if (s->gzip) {
        (void)inflateEnd(&s->z);
    }
}

static int zip_error(const struct source *s, int code)
{
    if (code == Z_MEM_ERROR) {
        return opu_fail(OPU_E_NO_MEMORY, "%s: no memory to inflate it", s->where);
    }
    if (code == Z_DATA_ERROR) {
        return opu_fail(OPU_E_FORMAT, "%s: its gzip stream is corrupt (%s)", s->where,
                        s->z.msg ? s->z.msg : "bad data");
    }
    return opu_fail(OPU_E_FORMAT, "%s: its gzip stream is cut short", s->where);
}

/* Reads at most n bytes, less only at the end. */
static int source_read(struct source *s, uint8_t *out, size_t n, size_t *got)
{
    if (!s->gzip) {
        size_t const left = s->n - s->at;
        *got = n < left ? n : left;
        memcpy(out, s->bytes + s->at, *got);
        s->at += *got;
        return OPU_OK;
    }
    *got = 0;
    while (*got < n && !s->ended) {
        size_t const room = n - *got < UINT_MAX ? n - *got : UINT_MAX;
        s->z.next_out = out + *got;
        s->z.avail_out = (uInt)room;
        int const code = inflate(&s->z, Z_NO_FLUSH);
        *got += room - s->z.avail_out;
        s->ended = code == Z_STREAM_END;
        if (code != Z_OK && code != Z_STREAM_END) {
            return zip_error(s, code);
        }
    }
    return OPU_OK;
}

/* Nothing may follow; for gzip this also checks the trailer's CRC and length. */
static int source_finish(struct source *s, size_t announced)
{
    uint8_t extra;
    size_t got;
    OPU_TRY(source_read(s, &extra, 1, &got));
    if (got > 0) {
        return opu_fail(OPU_E_FORMAT, "%s: holds more than the %zu bytes that its header announces",
                        s->where, announced);
    }
    if (s->gzip && s->z.avail_in > 0) {
        return opu_fail(OPU_E_FORMAT, "%s: %u bytes follow the end of its gzip stream", s->where,
                        s->z.avail_in);
    }
    return OPU_OK;
}

static int read_prefix(struct source *s, size_t *rank)
{
    uint8_t prefix[PREFIX] = {0};
    size_t got;
    OPU_TRY(source_read(s, prefix, PREFIX, &got));
    if (got < PREFIX) {
        return opu_fail(OPU_E_FORMAT, "%s: %zu bytes, too short for an idx header", s->where, got);
    }
    if (prefix[0] != 0 || prefix[1] != 0 || prefix[2] != TYPE_U8) {
        return opu_fail(
            OPU_E_FORMAT,
            "%s: starts with the bytes %02x %02x %02x, an idx file of bytes with 00 00 08",
            s->where, prefix[0], prefix[1], prefix[2]);
    }
    *rank = prefix[3];
    if (*rank < 1 || *rank > OPU_IDX_MAX_RANK) {
        return opu_fail(OPU_E_FORMAT, "%s: has %zu dimensions, wanted 1 to %d", s->where, *rank,
                        OPU_IDX_MAX_RANK);
    }
    return OPU_OK;
}

static int read_shape(struct source *s, struct opu_array *array, size_t *count)
{
    uint8_t dims[4 * OPU_IDX_MAX_RANK] = {0};
    size_t got;
    OPU_TRY(source_read(s, dims, 4 * array->rank, &got));
    if (got < 4 * array->rank) {
        return opu_fail(OPU_E_FORMAT, "%s: ends within its idx header", s->where);
    }
    *count = 1;
    for (size_t i = 0; i < array->rank; i++) {
        const uint8_t *d = dims + 4 * i;
        array->shape[i] = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
        if (array->shape[i] == 0) {
            return opu_fail(OPU_E_FORMAT, "%s: dimension %zu is 0", s->where, i + 1);
        }
        if (!opu_size_mul(count, *count, array->shape[i]) || *count > OPU_IDX_MAX_ELEMENTS) {
            return opu_fail(OPU_E_FORMAT, "%s: its dimensions multiply to more than %zu bytes",
                            s->where, OPU_IDX_MAX_ELEMENTS);
        }
    }
    return OPU_OK;
}

static int parse(struct source *s, struct opu_context *context, struct opu_array *array)
{
    size_t count = 0, got = 0;
    OPU_TRY(read_prefix(s, &array->rank));
    OPU_TRY(read_shape(s, array, &count));
    size_t const header = PREFIX + 4 * array->rank;
    bool const fits = s->gzip ? count / BEST_RATIO <= s->n : count <= s->n - header;
    if (!fits) {
        return opu_fail(OPU_E_FORMAT, "%s: announces %zu bytes, but its %zu bytes can't hold them",
                        s->where, count, s->n);
    }
    array->data = opu_context_alloc(context, count);
    if (!array->data) {
        return OPU_E_NO_MEMORY;
    }
    OPU_TRY(source_read(s, array->data, count, &got));
    if (got < count) {
        return opu_fail(OPU_E_FORMAT, "%s: announces %zu bytes and holds %zu", s->where, count,
                        got);
    }
    return source_finish(s, count);
}

int opu_idx_parse(struct opu_context *context, struct opu_array *array, const void *bytes, size_t n,
                  const char *where)
{
    *array = (struct opu_array){.dtype = OPU_U8};
    struct source s;
    OPU_TRY(source_open(&s, context, bytes, n, where));
    int const status = parse(&s, context, array);
    source_close(&s);
    if (status < 0) {
        opu_context_free(context, array->data);
        *array = (struct opu_array){.dtype = OPU_U8};
    }
    return status;
}

int opu_idx_read(struct opu_context *context, struct opu_array *array, const char *path,
                 uint64_t *hash)
{
    *array = (struct opu_array){.dtype = OPU_U8};
    uint8_t *bytes = NULL;
    size_t n = 0;
    OPU_TRY(opu_file_read(context, path, MAX_FILE, &bytes, &n));
    *hash = opu_hash64(OPU_HASH_START, bytes, n);
    int const status = opu_idx_parse(context, array, bytes, n, path);
    opu_context_free(context, bytes);
    return status;
}
