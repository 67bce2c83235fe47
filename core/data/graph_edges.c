/* SPDX-License-Identifier: MIT */
/*
 * Lists of edges. Everything here is linear in nodes and edges: rows are put in order by
 * transposing (a symmetric matrix scattered in any order comes out with ascending rows), pairs by a
 * radix sort.
 */
#include "core/data/graph_edges.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

/* Draws beyond which pairs are taken not to come: so many times those wanted, and some more. */
#define MAX_ROUNDS 200
#define RADIX_BITS 11
#define RADIX ((size_t)1 << RADIX_BITS)

static int check_ends(size_t nodes, const uint32_t *u, const uint32_t *v, size_t n,
                      const char *where)
{
    for (size_t i = 0; i < n; i++) {
        if (u[i] >= nodes || v[i] >= nodes) {
            /* A negative number of a file shows up as one. */
            return opu_fail(OPU_E_FORMAT,
                            "%s: edge %zu is (%" PRId32 ", %" PRId32 "), wanted nodes 0 to %zu",
                            where, i, (int32_t)u[i], (int32_t)v[i], nodes - 1);
        }
        if (u[i] == v[i]) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: edge %zu joins node %" PRIu32
                            " with itself, wanted two different nodes",
                            where, i, u[i]);
        }
    }
    return OPU_OK;
}

/* Rows in the order of the list. */
static int scatter_edges(struct opu_context *context, struct opu_csr *a, const uint32_t *u,
                         const uint32_t *v, size_t n)
{
    uint32_t *next = opu_calloc(context, a->rows + 1, sizeof *next);
    if (!next) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        a->start[u[i] + 1]++;
        a->start[v[i] + 1]++;
    }
    for (size_t i = 0; i < a->rows; i++) {
        a->start[i + 1] += a->start[i];
    }
    memcpy(next, a->start, a->rows * sizeof *next);
    for (size_t i = 0; i < n; i++) {
        a->index[next[v[i]]++] = u[i];
        a->index[next[u[i]]++] = v[i];
    }
    opu_context_free(context, next);
    return OPU_OK;
}

static bool rows_ascend(const struct opu_csr *a)
{
    for (size_t i = 0; i < a->rows; i++) {
        for (uint32_t k = a->start[i] + 1; k < a->start[i + 1]; k++) {
            if (a->index[k] < a->index[k - 1]) {
                return false;
            }
        }
    }
    return true;
}

static int sort_rows(struct opu_context *context, struct opu_csr *a)
{
    OPU_TRY(opu_csr_transpose(context, a, 0));
    opu_context_free(context, a->start);
    opu_context_free(context, a->index);
    a->start = a->start_t;
    a->index = a->index_t;
    return OPU_OK;
}

/* Finds the two places of an edge that comes twice, for its sentence. */
static int twice(const uint32_t *u, const uint32_t *v, size_t n, uint64_t pair, const char *where)
{
    size_t first = n;
    for (size_t i = 0; i < n; i++) {
        if (opu_pair(u[i], v[i]) == pair && first < n) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: edge %zu is (%" PRIu32 ", %" PRIu32
                            "), as edge %zu is; wanted each edge once, in one direction",
                            where, i, u[i], v[i], first);
        }
        first = opu_pair(u[i], v[i]) == pair ? i : first;
    }
    return opu_fail(OPU_E_FORMAT, "%s: an edge comes twice", where);
}

static int check_once(const struct opu_csr *a, const uint32_t *u, const uint32_t *v, size_t n,
                      const char *where)
{
    for (size_t i = 0; i < a->rows; i++) {
        for (uint32_t k = a->start[i] + 1; k < a->start[i + 1]; k++) {
            if (a->index[k] == a->index[k - 1]) {
                return twice(u, v, n, opu_pair((uint32_t)i, a->index[k]), where);
            }
        }
    }
    return OPU_OK;
}

static int fill_adjacency(struct opu_context *context, struct opu_csr *a, const uint32_t *u,
                          const uint32_t *v, size_t n, const char *where)
{
    OPU_TRY(scatter_edges(context, a, u, v, n));
    if (!rows_ascend(a)) {
        OPU_TRY(sort_rows(context, a));
    }
    OPU_TRY(check_once(a, u, v, n, where));
    return opu_csr_transpose(context, a, OPU_CSR_SYMMETRIC);
}

int opu_edges_adjacency(struct opu_context *context, struct opu_csr *adjacency, size_t nodes,
                        const uint32_t *u, const uint32_t *v, size_t n, const char *where)
{
    *adjacency = (struct opu_csr){0};
    OPU_TRY(check_ends(nodes, u, v, n, where));
    size_t both;
    if (!opu_size_mul(&both, n, 2) || both > OPU_CSR_MAX) {
        return opu_fail(OPU_E_INVALID, "%s: %zu edges, at most %zu", where, n, OPU_CSR_MAX / 2);
    }
    struct opu_csr a;
    OPU_TRY(opu_csr_alloc(context, &a, nodes, nodes, both, false));
    int const status = fill_adjacency(context, &a, u, v, n, where);
    if (status < 0) {
        opu_csr_free(context, &a);
        return status;
    }
    *adjacency = a;
    return OPU_OK;
}

bool opu_edges_has(const struct opu_csr *adjacency, uint32_t i, uint32_t j)
{
    uint32_t low = adjacency->start[i], high = adjacency->start[i + 1];
    while (low < high) {
        uint32_t const middle = low + (high - low) / 2;
        if (adjacency->index[middle] < j) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < adjacency->start[i + 1] && adjacency->index[low] == j;
}

void opu_edges_list(const struct opu_csr *adjacency, uint32_t *u, uint32_t *v)
{
    size_t n = 0;
    for (size_t i = 0; i < adjacency->rows; i++) {
        for (uint32_t k = adjacency->start[i]; k < adjacency->start[i + 1]; k++) {
            if (adjacency->index[k] > i) {
                u[n] = (uint32_t)i;
                v[n++] = adjacency->index[k];
            }
        }
    }
}

/* Least significant digit first; digits in which all agree (most of a pair's high bits) cost one
 * count and no move. */
static void sort_pairs(uint64_t *pairs, uint64_t *other, size_t n)
{
    uint64_t *from = pairs, *to = other;
    for (unsigned shift = 0; shift < 64; shift += RADIX_BITS) {
        size_t count[RADIX] = {0};
        for (size_t i = 0; i < n; i++) {
            count[from[i] >> shift & (RADIX - 1)]++;
        }
        if (n == 0 || count[from[0] >> shift & (RADIX - 1)] == n) {
            continue;
        }
        size_t at = 0;
        for (size_t d = 0; d < RADIX; d++) {
            size_t const here = count[d];
            count[d] = at;
            at += here;
        }
        for (size_t i = 0; i < n; i++) {
            to[count[from[i] >> shift & (RADIX - 1)]++] = from[i];
        }
        uint64_t *const swap = from;
        from = to;
        to = swap;
    }
    if (from != pairs) {
        memcpy(pairs, from, n * sizeof *pairs);
    }
}

/* Drops what comes again and what does not count, of ascending pairs. */
static size_t keep_distinct(uint64_t *pairs, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && pairs[i] != OPU_NO_PAIR; i++) {
        if (kept == 0 || pairs[i] != pairs[kept - 1]) {
            pairs[kept++] = pairs[i];
        }
    }
    return kept;
}

int opu_pairs_distinct(struct opu_context *context, uint64_t *pairs, size_t n, opu_pair_draw *draw,
                       const void *user, const char *where)
{
    uint64_t *other = opu_calloc(context, n, sizeof *other);
    if (!other) {
        return OPU_E_NO_MEMORY;
    }
    size_t have = 0;
    uint64_t k = 0;
    /* As many draws as pairs are missing: what comes is never more than wanted, and just what
     * drawing one by one would keep. */
    for (size_t round = 0; have < n && round < MAX_ROUNDS; round++) {
        size_t const missing = n - have;
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < missing; i++) {
            pairs[have + i] = draw(user, k + i);
        }
        k += missing;
        sort_pairs(pairs, other, n);
        have = keep_distinct(pairs, n);
    }
    opu_context_free(context, other);
    if (have < n) {
        return opu_fail(OPU_E_INVALID, "%s: %" PRIu64 " draws gave %zu distinct pairs, wanted %zu",
                        where, k, have, n);
    }
    return OPU_OK;
}
