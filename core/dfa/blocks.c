/* SPDX-License-Identifier: MIT */
/* Blocks one after the other, or side by side. */
#include "core/dfa/blocks.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/base/gemm.h"

/* Blocks run at a time at most: OpenBLAS has buffers for twice as many threads. */
#define MAX_TEAM 64

/*
 * How much of its time a thread is taken to work, with all threads inside each product in turn:
 * they wait for one another at each of its ends, and pack the same panels. An assumption in favour
 * of in turn, so that an uneven split is not run side by side for nothing; `opu bench train
 * --blocks 8` shows how much lower it lies on a machine, above all at small widths.
 */
#define IN_TURN_SHARE 0.95

/* When the last of the team is done, each taking the costliest block that is left. */
static double last_done(const struct opu_block_cost *costs, size_t n, size_t team)
{
    double busy[MAX_TEAM] = {0};
    double last = 0.0;
    for (size_t i = 0; i < n; i++) {
        size_t next = 0;
        for (size_t k = 1; k < team; k++) {
            next = busy[k] < busy[next] ? k : next;
        }
        busy[next] += costs[i].cost;
        last = busy[next] > last ? busy[next] : last;
    }
    return last;
}

static size_t team_for(const struct opu_graph *graph, size_t threads)
{
    size_t const n = opu_graph_blocks(graph) - 1;
    size_t const most = n < MAX_TEAM ? n : MAX_TEAM;
    return threads < most ? threads : most;
}

enum opu_blocks_way opu_blocks_choose(const struct opu_graph *graph, size_t threads)
{
    size_t const n = opu_graph_blocks(graph) > 0 ? opu_graph_blocks(graph) - 1 : 0;
    if (n < 2 || threads < 2 || !opu_gemm_side_by_side()) {
        return OPU_BLOCKS_IN_TURN;
    }
    const struct opu_block_cost *const costs = opu_graph_block_costs(graph);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += costs[i].cost;
    }
    double const in_turn = sum / ((double)threads * IN_TURN_SHARE);
    return last_done(costs, n, team_for(graph, threads)) <= in_turn ? OPU_BLOCKS_SIDE_BY_SIDE
                                                                    : OPU_BLOCKS_IN_TURN;
}

static bool run_block(struct opu_graph *graph, size_t block, opu_blocks_fn *then, void *user)
{
    opu_graph_backward(graph, block);
    return then == NULL || then(user, block);
}

static bool in_turn(struct opu_graph *graph, opu_blocks_fn *then, void *user)
{
    bool good = true;
    for (size_t b = 1; b < opu_graph_blocks(graph); b++) {
        good = run_block(graph, b, then, user) && good;
    }
    return good;
}

#ifdef _OPENMP
/* Who takes which block is left to chance, and moves no bit: a block's sums are all its own. */
static bool side_by_side(struct opu_graph *graph, opu_blocks_fn *then, void *user, size_t team)
{
    const struct opu_block_cost *const costs = opu_graph_block_costs(graph);
    size_t const n = opu_graph_blocks(graph) - 1;
    bool good = true;
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)team) reduction(&& : good)
    for (size_t i = 0; i < n; i++) {
        good = run_block(graph, costs[i].block, then, user) && good;
    }
    return good;
}
#endif

bool opu_blocks_backward(struct opu_graph *graph, enum opu_blocks_way way, opu_blocks_fn *then,
                         void *user)
{
#ifdef _OPENMP
    size_t const threads = (size_t)omp_get_max_threads();
    if (way == OPU_BLOCKS_CHOOSE) {
        way = opu_blocks_choose(graph, threads);
    }
    size_t const team = opu_graph_blocks(graph) > 1 ? team_for(graph, threads) : 0;
    /* a team of one would leave BLAS outside of a region, with all its threads */
    if (way == OPU_BLOCKS_SIDE_BY_SIDE && team > 1 && opu_gemm_side_by_side()) {
        return side_by_side(graph, then, user, team);
    }
#endif
    (void)way;
    return in_turn(graph, then, user);
}
