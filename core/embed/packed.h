/* SPDX-License-Identifier: MIT */
/* Points laid out for distances, and the walk over all rows of distances, which never stand in
 * memory at once. */
#ifndef OPU_CORE_PACKED_H
#define OPU_CORE_PACKED_H

#include <opu/embed.h>

#include "core/embed/embed_kernels.h"

/* Scaled by a power of two, exactly, so that no square overflows: neither ranks nor perplexities
 * change. */
struct opu_packed {
    struct opu_context *context;
    const struct opu_embed_kernels *kernels;
    float *panels; /* [padded / 16][d][16] */
    size_t n, d;
    size_t padded;        /* n up to a whole panel; what is beyond n repeats point 0 */
    float *rows;          /* for each thread, distances of a panel's points: [16][padded] */
    size_t row_bytes;     /* of a thread's scratch */
    unsigned char *bytes; /* for each thread */
    size_t threads;
};

/*
 * what: names the points in messages. keep: numbers of the points to take, n_keep of them; NULL:
 * all. scratch: bytes for each thread that a visit may use. OPU_E_INVALID, _NUMERIC, _NO_MEMORY.
 */
OPU_NODISCARD int opu_packed_init(struct opu_packed *packed, struct opu_context *context,
                                  const struct opu_points *points, const char *what,
                                  const uint32_t *keep, size_t n_keep, size_t scratch);
void opu_packed_fini(struct opu_packed *packed);

/* Sees one row of n squared distances, the row's own among them (0). From several threads, each row
 * once. scratch is the thread's own. */
typedef void (*opu_row_visit)(void *user, size_t row, const float *distances, void *scratch);

void opu_packed_visit(const struct opu_packed *packed, opu_row_visit visit, void *user);

/*
 * The k nearest of a row, without `self`, as keys: bits of the distance over the point's number, so
 * that equal distances rank by number. In no order. k < n.
 */
void opu_nearest(uint64_t *keys, size_t k, const float *distances, size_t n, size_t self);

static inline uint32_t opu_key_point(uint64_t key)
{
    return (uint32_t)key;
}

#endif
