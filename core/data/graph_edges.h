/* SPDX-License-Identifier: MIT */
/* Lists of edges: to a symmetric adjacency and back, and random ones without repetition. */
#ifndef OPU_CORE_GRAPH_EDGES_H
#define OPU_CORE_GRAPH_EDGES_H

#include "core/base/csr.h"

/*
 * The symmetric adjacency of n undirected edges (u[i], v[i]), each given once in any order and
 * direction; entries of rows ascend, the transpose shares them. `where` names the list in messages.
 * OPU_E_FORMAT: an end that is no node, a self edge, an edge that comes twice. OPU_E_INVALID (2 n
 * beyond OPU_CSR_MAX), OPU_E_NO_MEMORY. On failure *adjacency is all zero.
 */
OPU_NODISCARD int opu_edges_adjacency(struct opu_context *context, struct opu_csr *adjacency,
                                      size_t nodes, const uint32_t *u, const uint32_t *v, size_t n,
                                      const char *where);

/* Whether j is among the entries of row i. */
bool opu_edges_has(const struct opu_csr *adjacency, uint32_t i, uint32_t j);

/* Every edge once, u < v, ascending: u and v have adjacency->count / 2 places. */
void opu_edges_list(const struct opu_csr *adjacency, uint32_t *u, uint32_t *v);

#define OPU_NO_PAIR UINT64_MAX

/* Draw k of a stream: a pair u < v as u << 32 | v, or OPU_NO_PAIR for one that does not count.
 * Called from several threads. */
typedef uint64_t opu_pair_draw(const void *user, uint64_t k);

static inline uint64_t opu_pair(uint32_t u, uint32_t v)
{
    return u < v ? (uint64_t)u << 32 | v : (uint64_t)v << 32 | u;
}

/*
 * The first n distinct pairs of a stream, ascending. OPU_E_NO_MEMORY, OPU_E_INVALID (they don't
 * come: `where` says whose they are).
 */
OPU_NODISCARD int opu_pairs_distinct(struct opu_context *context, uint64_t *pairs, size_t n,
                                     opu_pair_draw *draw, const void *user, const char *where);

/* word * n / 2^32: 0 .. n - 1, uniform but for n / 2^32. */
static inline uint32_t opu_below(uint32_t word, size_t n)
{
    return (uint32_t)((uint64_t)word * n >> 32);
}

#endif
