/* SPDX-License-Identifier: MIT */
/*
 * The blocks between taps, once the light is back: none depends on another, so their backward and
 * update run side by side on the cores, the costliest first and each on one thread; or one after
 * the other, with all threads inside each product.
 */
#ifndef OPU_CORE_BLOCKS_H
#define OPU_CORE_BLOCKS_H

#include "core/nn/graph.h"

enum opu_blocks_way {
    OPU_BLOCKS_CHOOSE = 0,
    OPU_BLOCKS_IN_TURN = 1,
    OPU_BLOCKS_SIDE_BY_SIDE = 2 /* in turn all the same where BLAS can't, see gemm.h */
};

/*
 * What follows a block's backward on the same thread, while its gradients are in the cache: its
 * update. It may touch what belongs to this block alone. false: it failed.
 */
typedef bool opu_blocks_fn(void *user, size_t block);

/*
 * The way that `threads` threads finish these blocks sooner. It depends on the shapes, the number
 * of threads and the BLAS alone, never on the clock: BLAS may give other bits on other numbers of
 * threads, and a run must repeat. Side by side the bits are those of a single thread.
 */
enum opu_blocks_way opu_blocks_choose(const struct opu_graph *graph, size_t threads);

/*
 * Backward of every block but the head, each followed by then(user, block) (NULL: nothing), with
 * the calling thread's number of OpenMP threads. All run, whatever then returns; true if each call
 * returned true. Allocates nothing.
 */
bool opu_blocks_backward(struct opu_graph *graph, enum opu_blocks_way way, opu_blocks_fn *then,
                         void *user);

#endif
