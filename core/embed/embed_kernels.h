/* SPDX-License-Identifier: MIT */
/* Inner loops of embeddings, one set per vector level; all give the same bits. */
#ifndef OPU_CORE_EMBED_KERNELS_H
#define OPU_CORE_EMBED_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/cpu.h"

/* Points of a panel, which lie side by side: coordinate c of point l is panel[c * 16 + l]. */
#define OPU_EMBED_PANEL 16
/* Directions that a search for principal components follows. */
#define OPU_EMBED_DIRECTIONS 8

/* Forces between points of the plane, where pairs share q = 1 / (1 + distance^2). */
struct opu_embed_forces {
    const float *x, *y; /* [n] */
    size_t n;
    /* attraction: rows of all pairs, of the listed ones, or none */
    const float *all;     /* [n][n], or NULL */
    const size_t *start;  /* [n + 1], or NULL */
    const uint32_t *from; /* [start[n]] */
    const float *weights; /* [start[n]] */
    /* results, [n] each; the row's own pair adds 1 to q_sum */
    double *q_sum;                 /* sum q */
    double *repel_x, *repel_y;     /* sum q^2 (own - other) */
    double *attract_x, *attract_y; /* sum p q (own - other) */
};

/* Sums over neighbours at excess (squared distance less the nearest's) of p = e^(-beta excess). */
struct opu_embed_entropy {
    double sum;    /* p */
    double moment; /* p excess */
};

/* One coordinate of a descent with momentum and gains. */
struct opu_embed_step {
    const double *attract, *repel;
    float exaggeration, per_q; /* gradient = 4 (exaggeration attract - per_q repel) */
    float learning_rate, momentum;
};

struct opu_embed_kernels {
    /* out[r * out_stride + c] = |a_r - b_c|^2 of two panels, [16][16] */
    void (*distances)(float *out, size_t out_stride, const float *a, const float *b, size_t d);
    /* fills p and the sums */
    struct opu_embed_entropy (*entropy)(float *p, const float *excess, size_t n, float beta);
    /* how many of n are below */
    size_t (*below)(const float *x, size_t n, float limit);
    void (*forces)(const struct opu_embed_forces *work, size_t first, size_t end);
    /* moves n coordinates */
    void (*step)(float *position, float *velocity, float *gain, size_t n,
                 const struct opu_embed_step *step);
    /* along[8] = sum_c (x_c - mean_c) directions[c][8] */
    void (*project)(double *along, const float *x, const double *mean, const double *directions,
                    size_t d);
    /* directions[c][8] += (x_c - mean_c) along[8] */
    void (*gather)(double *directions, const float *x, const double *mean, const double *along,
                   size_t d);
};

const struct opu_embed_kernels *opu_embed_kernels_at(enum opu_isa level);
const struct opu_embed_kernels *opu_embed_kernels_best(void);

#endif
