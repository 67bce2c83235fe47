/* SPDX-License-Identifier: MIT */
/* Weights by which points attract each other: Gaussians of the points' own scales, symmetrised. */
#ifndef OPU_CORE_AFFINITY_H
#define OPU_CORE_AFFINITY_H

#include "core/embed/packed.h"

/* Sums to 1 over all ordered pairs. Either all pairs or the listed ones. */
struct opu_affinity {
    struct opu_context *context;
    size_t n;
    size_t neighbours;
    uint64_t pairs;
    float *all;      /* [n][n], 0 on the diagonal; or NULL */
    size_t *start;   /* [n + 1]; or NULL */
    uint32_t *from;  /* ascending in each row */
    float *weights;  /* beside from */
    double constant; /* sum p ln p */
    double perplexity_least, perplexity_most;
};

/*
 * Fits a point's scale: p[j] = e^(-beta excess[j]) / sum with 2^entropy = perplexity to 1e-6 of it,
 * or as near as equal distances let it come. excess: squared distances less the least. Returns the
 * perplexity reached.
 */
double opu_affinity_fit(const struct opu_embed_kernels *kernels, float *p, const float *excess,
                        size_t n, double perplexity);

/* neighbours < points->n, perplexity < neighbours. On failure all is freed. */
OPU_NODISCARD int opu_affinity_init(struct opu_affinity *affinity, struct opu_context *context,
                                    const struct opu_points *points, size_t neighbours,
                                    double perplexity);
void opu_affinity_fini(struct opu_affinity *affinity);

#endif
