/* SPDX-License-Identifier: MIT */
/**
 * @file embed.h
 * @brief Pictures of points: t-SNE in two dimensions, and how far a picture may be trusted.
 *
 * Results are the same bits for any number of threads and any vector level.
 */
#ifndef OPU_EMBED_H
#define OPU_EMBED_H

#include <opu/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Points as rows of floats; borrowed for the length of a call. */
struct opu_points {
    const float *values; /**< (i, c) is values[i * stride + c] */
    size_t n;            /**< points */
    size_t d;            /**< coordinates of each */
    size_t stride;       /**< floats from one point to the next; 0: d */
};

enum opu_tsne_init {
    OPU_TSNE_PCA = 0,   /**< two principal components, the first with a deviation of 1e-4 */
    OPU_TSNE_RANDOM = 1 /**< normal with a deviation of 1e-4 */
};

/** A member left 0 takes what its line says. */
struct opu_tsne_options {
    size_t size;       /**< sizeof(struct opu_tsne_options) */
    double perplexity; /**< effective neighbours of a point, above 1 and below n - 1; 0: 30 */
    /** Step of the descent; 0: n / exaggeration / 4, at least 50. */
    double learning_rate;
    uint64_t iterations;  /**< 0: 1000 */
    double exaggeration;  /**< of the attraction at the start; 0: 12 */
    uint64_t exaggerated; /**< how many iterations that is, with a momentum of 0.5; 0: 250 */
    /**
     * Neighbours that attract a point, above perplexity; n - 1: all. 0: all up to 3000 points, else
     * 3 * perplexity, which leaves out the far and faint ones (van der Maaten, JMLR 15, 2014).
     * Repulsion is always between all points. Memory of all is 4 n^2 bytes, else below
     * 32 n * neighbours.
     */
    size_t neighbours;
    enum opu_tsne_init init;
    uint64_t seed; /**< of random positions, and of directions in which the points have no spread */
};

struct opu_tsne;

/**
 * Plans a descent: finds the neighbours, fits each point's scale by bisection to the perplexity and
 * sets the first positions. Time n^2 d, which no call interrupts; the points may go afterwards.
 * Points of which more than perplexity coincide keep a higher one: their neighbours at no distance
 * then share the weight evenly. On failure *out is NULL. One thread at a time.
 * @return OPU_OK, OPU_E_INVALID (fewer than 4 points, options out of range), OPU_E_NUMERIC (NaN or
 * infinity among the values), OPU_E_NO_MEMORY
 */
OPU_NODISCARD OPU_API int opu_tsne_create(struct opu_tsne **out, struct opu_context *context,
                                          const struct opu_points *points,
                                          const struct opu_tsne_options *options);
/** NULL is fine. */
OPU_API void opu_tsne_destroy(struct opu_tsne *tsne);

/** How far a descent is. */
struct opu_tsne_progress {
    size_t size;
    uint64_t iteration, iterations; /**< the one just done, from 1; all */
    /** Kullback-Leibler divergence in nats, without exaggeration, taken every 50 iterations and at
     * the end; NaN before the first. */
    double divergence;
    double seconds_left; /**< at the pace of this call */
};

/** Called after every iteration; a non-zero return stops the descent (OPU_E_CANCELLED). It may read
 * the positions. */
typedef int (*opu_tsne_progress_fn)(void *user, const struct opu_tsne_progress *progress);

/**
 * Descends to the last iteration (van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR
 * 9, 2008: momentum 0.5, then 0.8, and a gain of each coordinate). Time n^2 an iteration. @p fn may
 * be NULL. After OPU_E_CANCELLED it may be called again and goes on.
 * @return OPU_OK, OPU_E_CANCELLED, OPU_E_NUMERIC (a learning rate so high that positions overflow)
 */
OPU_NODISCARD OPU_API int opu_tsne_run(struct opu_tsne *tsne, opu_tsne_progress_fn fn, void *user);

/** Copies the positions, [n][2], their mean at 0. */
OPU_API void opu_tsne_positions(const struct opu_tsne *tsne, float *positions);

/** What a descent came to so far. */
struct opu_tsne_result {
    size_t size;
    size_t n;
    uint64_t iterations;                      /**< done */
    double divergence;                        /**< at the positions as they are, in nats */
    double learning_rate;                     /**< in use */
    size_t neighbours;                        /**< in use */
    uint64_t pairs;                           /**< ordered pairs that attract each other */
    double perplexity_least, perplexity_most; /**< reached, over the points */
};
/** Fills *result, whose size member must be set. @return OPU_OK, OPU_E_INVALID */
OPU_API int opu_tsne_result(const struct opu_tsne *tsne, struct opu_tsne_result *result);

/**
 * Trustworthiness of a picture (Venna and Kaski, ICANN 2001), 0 to 1: 1 less what is owed to points
 * that are among the k nearest in the picture but not so in the original, each by how far its rank
 * there lies beyond k:
 *     1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_{j in picture's k nearest of i} max(0, rank(i, j) -
 * k). Euclidean; equal distances rank by the point's number. Time n^2 (d + k), memory n k.
 * @param neighbours k, below n / 2
 * @return OPU_OK, OPU_E_INVALID, OPU_E_NUMERIC, OPU_E_NO_MEMORY
 */
OPU_NODISCARD OPU_API int opu_embed_trustworthiness(struct opu_context *context,
                                                    const struct opu_points *original,
                                                    const struct opu_points *picture,
                                                    size_t neighbours, double *trustworthiness);

/**
 * The share of a point's k nearest neighbours that have its label, mean over points. Points with a
 * negative label are left out, as points and as neighbours. Equal distances as above.
 * @param labels [n]
 * @param neighbours k, below the number of labelled points
 * @return OPU_OK, OPU_E_INVALID, OPU_E_NUMERIC, OPU_E_NO_MEMORY
 */
OPU_NODISCARD OPU_API int opu_embed_purity(struct opu_context *context,
                                           const struct opu_points *points, const int32_t *labels,
                                           size_t neighbours, double *purity);

#ifdef __cplusplus
}
#endif
#endif
