/* SPDX-License-Identifier: MIT */
/*
 * Blocks side by side: the bits of one thread whatever the number of threads, on OpenMP's threads
 * and on plain ones (which the thread sanitizer can follow); each block once; and which way is
 * chosen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/csr.h"
#include "core/base/gemm.h"
#include "core/base/rng.h"
#include "core/dfa/blocks.h"
#include "core/train/optim.h"

#ifdef _OPENMP
#include <omp.h>
#endif

enum { ROWS = 150, NODES = 600, CLASSES = 10, STEPS = 3, MAX_BLOCKS = 16 };

/* libgomp's own order is hidden from the thread sanitizer, which then sees races in every region;
 * plain threads it follows. */
#ifdef __SANITIZE_THREAD__
#define BLIND 1
#else
#define BLIND 0
#endif

static int threads_now(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static void set_threads(int n)
{
#ifdef _OPENMP
    omp_set_num_threads(n);
#else
    (void)n;
#endif
}

static void *make(size_t n, size_t size)
{
    void *const memory = calloc(n, size);
    assert_non_null(memory);
    return memory;
}

static void draw(float *x, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t const word = opu_philox(11, OPU_STREAM_TEST, (uint32_t)key, i / 4).v[i % 4];
        x[i] = 2.0f * opu_uniformf(word) - 1.0f;
    }
}

/* --- networks --- */

struct net {
    struct opu_graph *graph;
    int x, labels;
    size_t rows;         /* of a run */
    struct opu_csr ring; /* of the mixed one */
    float *feedback;     /* [ROWS or NODES][stride] */
    size_t stride;
    struct opu_optim optim;
    int calls[MAX_BLOCKS];
    size_t fails_at; /* whose update says it failed; 0: none */
};

static int layer(struct opu_graph *graph, int x, const char *name, size_t n_in, size_t n_out)
{
    char bias[16];
    (void)snprintf(bias, sizeof bias, "%s.b", name);
    struct opu_init const init = {.bound = 0.1};
    int const weight = opu_graph_param(graph, name, n_out, n_in, init);
    return opu_graph_linear(graph, x, weight, opu_graph_param(graph, bias, n_out, 0, init));
}

/* Layers of these widths over `inputs`, a tap after each. */
static void build_chain(struct net *net, size_t inputs, const size_t *widths, size_t n)
{
    struct opu_graph *const graph = net->graph;
    int x = net->x = opu_graph_input(graph, "x", OPU_F32, inputs);
    net->labels = opu_graph_input(graph, "labels", OPU_I32, 1);
    net->rows = ROWS;
    for (size_t i = 0; i < n; i++) {
        char const name[] = {'w', (char)('a' + i), '\0'};
        char const tap[] = {'t', (char)('a' + i), '\0'};
        x = opu_graph_tanh(graph, layer(graph, x, name, inputs, widths[i]));
        x = opu_graph_tap(graph, x, tap);
        inputs = widths[i];
    }
    (void)opu_graph_softmax_xent(graph, layer(graph, x, "head", inputs, CLASSES), net->labels);
}

/* Every node's two neighbours. */
static void make_ring(struct opu_csr *ring)
{
    assert_int_equal(opu_csr_alloc(NULL, ring, NODES, NODES, (size_t)2 * NODES, true), OPU_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t const next = (i + 1) % NODES;
        uint32_t const last = (i + NODES - 1) % NODES;
        ring->start[i + 1] = 2 * (i + 1);
        ring->index[2 * i] = next < last ? next : last;
        ring->index[2 * i + 1] = next < last ? last : next;
        ring->value[2 * i] = 0.25f;
        ring->value[2 * i + 1] = 0.5f;
    }
    assert_int_equal(opu_csr_transpose(NULL, ring, OPU_CSR_ORDER), OPU_OK);
}

/* Blocks of attention over edges, of products in batches and of gathered rows: most of what an
 * operation may need memory for on its way, in sizes that wake threads. */
static void build_mixed(struct net *net)
{
    enum { WIDTH = 64, HEADS = 2 };
    struct opu_graph *const graph = net->graph;
    make_ring(&net->ring);
    net->rows = 1;
    net->x = opu_graph_table(graph, "x", OPU_F32, NODES, WIDTH);
    net->labels = opu_graph_table(graph, "labels", OPU_I32, NODES, 1);
    int const ring = opu_graph_sparse(graph, &net->ring);
    struct opu_init const init = {.bound = 0.2};

    int x = opu_graph_dropout(graph, layer(graph, net->x, "first", WIDTH, WIDTH), 0.3);
    x = opu_graph_tap(graph, opu_graph_relu(graph, x), "first.tap");

    int const scores = opu_graph_param(graph, "scores", (size_t)2 * NODES, HEADS, init);
    int const alpha = opu_graph_edge_softmax(graph, ring, opu_graph_leaky_relu(graph, scores, 0.2));
    x = opu_graph_spmm(graph, ring, alpha, layer(graph, x, "second", WIDTH, WIDTH), false);
    x = opu_graph_tap(graph, opu_graph_elu(graph, x), "second.tap");

    int const key = layer(graph, x, "key", WIDTH, WIDTH);
    int const value = layer(graph, x, "value", WIDTH, WIDTH);
    int weights = opu_graph_bmm(graph, key, value, 4, HEADS, true);
    weights = opu_graph_softmax(graph, weights, HEADS, true);
    x = opu_graph_add(graph, opu_graph_bmm(graph, weights, value, 4, HEADS, false), key);
    x = opu_graph_tap(graph, x, "third.tap");

    x = opu_graph_gather(graph, layer(graph, x, "fourth", WIDTH, WIDTH), net->labels);
    x = opu_graph_mul(graph, x, opu_graph_sigmoid(graph, x));
    x = opu_graph_tap(graph, opu_graph_log_softmax(graph, x), "fourth.tap");
    (void)opu_graph_softmax_xent(graph, layer(graph, x, "head", WIDTH, CLASSES), net->labels);
}

static void plan_net(struct net *net)
{
    static const struct opu_optim_settings adam = {
        .kind = OPU_OPTIM_ADAM, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    struct opu_graph_plan const plan = {.size = sizeof plan,
                                        .method = OPU_METHOD_DFA,
                                        .max_rows = net->rows,
                                        .seed = 3,
                                        .backward = true};
    if (opu_graph_plan(net->graph, &plan) != OPU_OK) {
        fail_msg("%s", opu_error_message());
    }
    assert_true(opu_graph_blocks(net->graph) <= MAX_BLOCKS);
    assert_int_equal(opu_optim_init(&net->optim, NULL, &adam, opu_graph_params(net->graph)),
                     OPU_OK);
    for (size_t i = 0; i < opu_graph_taps(net->graph); i++) {
        size_t const columns = opu_graph_tap_at(net->graph, i)->columns;
        net->stride = columns > net->stride ? columns : net->stride;
    }
    net->feedback = make(NODES * net->stride, sizeof *net->feedback);
    opu_graph_feedback(net->graph, net->feedback, net->stride);
    size_t const data_rows = net->rows > 1 ? net->rows : NODES;
    draw(opu_graph_input_data(net->graph, net->x),
         data_rows * opu_graph_columns(net->graph, net->x), 1);
    int32_t *const labels = opu_graph_input_data(net->graph, net->labels);
    for (size_t i = 0; i < data_rows; i++) {
        labels[i] = (int32_t)(i * 7 % CLASSES);
    }
}

static void make_chain(struct net *net, const size_t *widths, size_t n)
{
    *net = (struct net){.fails_at = 0};
    assert_int_equal(opu_graph_create(&net->graph, NULL), OPU_OK);
    build_chain(net, 90, widths, n);
    plan_net(net);
}

/* 0: a chain of unequal layers; 1: the mixed one. */
enum { N_KINDS = 2 };

static void make_net(struct net *net, int kind)
{
    static const size_t widths[] = {130, 300, 64, 256, 17, 200};
    if (kind == 0) {
        make_chain(net, widths, sizeof widths / sizeof widths[0]);
        return;
    }
    *net = (struct net){.fails_at = 0};
    assert_int_equal(opu_graph_create(&net->graph, NULL), OPU_OK);
    build_mixed(net);
    plan_net(net);
}

static void free_net(struct net *net)
{
    opu_optim_fini(&net->optim);
    opu_graph_destroy(net->graph);
    opu_csr_free(NULL, &net->ring);
    free(net->feedback);
}

static bool update(void *user, size_t block)
{
    struct net *const net = user;
    net->calls[block]++;
    return opu_optim_update(&net->optim, opu_graph_block_params(net->graph, block)) &&
           block != net->fails_at;
}

/* Up to where the light is back, on one thread: nothing but the blocks is to tell runs apart. */
static void until_light(struct net *net, uint64_t step)
{
    int const before = threads_now();
    set_threads(1);
    opu_graph_forward(net->graph, net->rows, true, step);
    opu_optim_begin(&net->optim, 0.01);
    opu_graph_backward(net->graph, 0);
    (void)update(net, 0);
    draw(net->feedback, NODES * net->stride, step + 2);
    set_threads(before);
}

static bool same_bits(const struct net *a, const struct net *b)
{
    struct opu_params const x = opu_graph_params(a->graph);
    struct opu_params const y = opu_graph_params(b->graph);
    assert_int_equal(x.count, y.count);
    return memcmp(x.values, y.values, x.count * sizeof(float)) == 0 &&
           memcmp(x.grads, y.grads, x.count * sizeof(float)) == 0 &&
           memcmp(a->optim.moments[1], b->optim.moments[1], x.count * sizeof(float)) == 0;
}

/* --- bits --- */

/* A network of the kind after STEPS steps on one thread. */
static void make_plain(struct net *net, int kind)
{
    int const before = threads_now();
    make_net(net, kind);
    set_threads(1);
    for (uint64_t step = 0; step < STEPS; step++) {
        until_light(net, step);
        assert_true(opu_blocks_backward(net->graph, OPU_BLOCKS_IN_TURN, update, net));
    }
    set_threads(before);
}

static void side_by_side_has_the_bits_of_one_thread(void **state)
{
    (void)state;
    if (BLIND || !opu_gemm_side_by_side()) {
        skip();
    }
    int const before = threads_now();
    for (int kind = 0; kind < N_KINDS; kind++) {
        struct net plain;
        make_plain(&plain, kind);
        for (int threads = 1; threads <= 9; threads += threads < 4 ? 1 : 5) {
            struct net net;
            make_net(&net, kind);
            set_threads(threads);
            for (uint64_t step = 0; step < STEPS; step++) {
                until_light(&net, step);
                assert_true(opu_blocks_backward(net.graph, OPU_BLOCKS_SIDE_BY_SIDE, update, &net));
            }
            if (threads > 1 && !same_bits(&plain, &net)) {
                fail_msg("network %d on %d threads has other bits", kind, threads);
            }
            set_threads(before);
            free_net(&net);
        }
        free_net(&plain);
    }
}

struct job {
    struct net *net;
    size_t block;
};

static void *run_job(void *user)
{
    const struct job *const job = user;
    set_threads(1); /* of the loops and products that this thread meets */
    opu_graph_backward(job->net->graph, job->block);
    (void)update(job->net, job->block);
    return NULL;
}

/* No lock and no order between them: a race that the sanitizer sees is one between blocks. */
static void blocks_on_threads_of_their_own_meet_nowhere(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        struct net plain;
        struct net net;
        make_plain(&plain, kind);
        make_net(&net, kind);
        size_t const n = opu_graph_blocks(net.graph);
        assert_true(n >= 5);
        for (uint64_t step = 0; step < STEPS; step++) {
            pthread_t threads[MAX_BLOCKS];
            struct job jobs[MAX_BLOCKS];
            until_light(&net, step);
            for (size_t b = 1; b < n; b++) {
                jobs[b] = (struct job){&net, b};
                assert_int_equal(pthread_create(&threads[b], NULL, run_job, &jobs[b]), 0);
            }
            for (size_t b = 1; b < n; b++) {
                assert_int_equal(pthread_join(threads[b], NULL), 0);
            }
        }
        assert_true(same_bits(&plain, &net));
        free_net(&net);
        free_net(&plain);
    }
}

/* --- which run, and which way --- */

static void every_block_runs_once_whichever_fails(void **state)
{
    (void)state;
    int const before = threads_now();
    set_threads(BLIND ? 1 : 3);
    for (int way = OPU_BLOCKS_CHOOSE; way <= OPU_BLOCKS_SIDE_BY_SIDE; way++) {
        struct net net;
        make_net(&net, 0);
        until_light(&net, 0);
        assert_true(opu_blocks_backward(net.graph, (enum opu_blocks_way)way, update, &net));
        net.fails_at = 2;
        assert_false(opu_blocks_backward(net.graph, (enum opu_blocks_way)way, update, &net));
        assert_true(opu_blocks_backward(net.graph, (enum opu_blocks_way)way, NULL, NULL));
        assert_int_equal(net.calls[0], 1); /* the head: by until_light() */
        for (size_t b = 1; b < opu_graph_blocks(net.graph); b++) {
            assert_int_equal(net.calls[b], 2);
        }
        free_net(&net);
    }
    set_threads(before);
}

static void costs_descend_and_leave_the_head_out(void **state)
{
    (void)state;
    struct net net;
    make_net(&net, 0);
    const struct opu_block_cost *const costs = opu_graph_block_costs(net.graph);
    size_t const n = opu_graph_blocks(net.graph) - 1;
    assert_int_equal(n, 6);
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++) {
        assert_in_range(costs[i].block, 1, n);
        seen |= 1u << costs[i].block;
        assert_true(i == 0 || costs[i].cost <= costs[i - 1].cost);
        /* dW alone is rows x weights; Adam counts 64 a parameter, and two cheap loops (bias,
         * activation) 16 for each of the at most four elements they touch a row and column */
        size_t const width = opu_graph_tap_at(net.graph, n - costs[i].block)->columns;
        double const params = (double)opu_graph_block_params(net.graph, costs[i].block).count;
        double const products = (params - 2.0 * (double)width - 30.0) * ROWS;
        assert_true(costs[i].cost > products);
        assert_true(costs[i].cost < (params + 64.0 * (double)width) * ROWS + 64.0 * params);
    }
    assert_int_equal(seen, 0x7e);
    /* 130 x 300, the second from below, is the largest */
    assert_int_equal(costs[0].block, 5);
    free_net(&net);
}

static enum opu_blocks_way way_of(const size_t *widths, size_t n, size_t threads)
{
    struct net net;
    make_chain(&net, widths, n);
    enum opu_blocks_way const way = opu_blocks_choose(net.graph, threads);
    free_net(&net);
    return way;
}

static void the_way_follows_shapes_and_threads(void **state)
{
    (void)state;
    static const size_t equal[] = {90, 90, 90, 90, 90, 90, 90, 90};
    static const size_t one_large[] = {8, 2000, 8};
    enum opu_blocks_way const beside =
        opu_gemm_side_by_side() ? OPU_BLOCKS_SIDE_BY_SIDE : OPU_BLOCKS_IN_TURN;
    assert_int_equal(way_of(equal, 8, 2), beside);
    assert_int_equal(way_of(equal, 8, 4), beside);
    assert_int_equal(way_of(equal, 8, 1), OPU_BLOCKS_IN_TURN);
    assert_int_equal(way_of(equal, 2, 2), beside);
    assert_int_equal(way_of(equal, 1, 2), OPU_BLOCKS_IN_TURN);
    assert_int_equal(way_of(one_large, 1, 2), OPU_BLOCKS_IN_TURN);
    /* two blocks for sixteen threads: fourteen would look on */
    static const size_t wide[] = {1000, 100};
    assert_int_equal(way_of(wide, 2, 16), OPU_BLOCKS_IN_TURN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(side_by_side_has_the_bits_of_one_thread),
        cmocka_unit_test(blocks_on_threads_of_their_own_meet_nowhere),
        cmocka_unit_test(every_block_runs_once_whichever_fails),
        cmocka_unit_test(costs_descend_and_leave_the_head_out),
        cmocka_unit_test(the_way_follows_shapes_and_threads),
    };
    return cmocka_run_group_tests_name("dfa/blocks", tests, NULL, NULL);
}
