/* SPDX-License-Identifier: MIT */
/* Graphs that are no chains: layers over nodes and edges, an error below a decoder, rows by
 * reshape, draws, and what is refused. */
#include "nn_check.h"

#include "core/nn/graph.h"

#define NODES 23
#define FEATURES 8
#define CLASSES 3
#define LAYERS 2

static struct opu_init const wide = {.bound = 0.7};

/* Nodes on a ring with chords; the last has no edge, not even to itself. */
struct world {
    struct opu_csr near;
    int32_t *to;
    int32_t labels[NODES];
    float mask[NODES];
    float features[NODES * FEATURES];
};

static struct world *new_world(size_t nodes)
{
    static const size_t steps[] = {0, 1, 3, 7};
    struct world *const w = make(1, sizeof *w);
    struct numbers numbers = {.seed = 5};
    assert_int_equal(opu_csr_alloc(NULL, &w->near, nodes, nodes, 4 * (nodes - 1), true), OPU_OK);
    for (size_t i = 0, e = 0; i < nodes; i++) {
        /* columns ascend: those that wrap round come first */
        for (size_t k = 0; i + 1 < nodes && k < 4; k++) {
            size_t const n = nodes - 1;
            size_t least = n;
            for (size_t s = 0; s < 4; s++) {
                size_t const j = (i + steps[s]) % n;
                bool const after = k == 0 || j > w->near.index[e - 1];
                least = after && j < least ? j : least;
            }
            w->near.index[e] = (uint32_t)least;
            w->near.value[e++] = 0.25f;
        }
        w->near.start[i + 1] = (uint32_t)e;
    }
    assert_int_equal(opu_csr_transpose(NULL, &w->near, OPU_CSR_ORDER), OPU_OK);
    w->to = make(w->near.count, sizeof *w->to);
    opu_sparse_rows(&w->near, w->to);
    for (size_t i = 0; i < NODES; i++) {
        w->labels[i] = i % 4 == 3 ? -1 : (int32_t)(i % CLASSES);
        w->mask[i] = i % 4 == 3 ? 0.0f : 1.0f;
    }
    for (size_t i = 0; i < NODES * FEATURES; i++) {
        w->features[i] = numbers_next(&numbers);
    }
    return w;
}

static void free_world(struct world *w)
{
    opu_csr_free(NULL, &w->near);
    free(w->to);
    free(w);
}

typedef int (*build_fn)(struct opu_graph *g, const struct world *w);

/* The indices of edges' ends. */
static int receivers(struct opu_graph *g, const struct world *w)
{
    return opu_graph_constant(g, OPU_I32, w->near.count, 1, w->to);
}

static int senders(struct opu_graph *g, const struct world *w)
{
    return opu_graph_constant(g, OPU_I32, w->near.count, 1, w->near.index);
}

static int features(struct opu_graph *g, const struct world *w)
{
    return opu_graph_constant(g, OPU_F32, NODES, FEATURES, w->features);
}

static void classify(struct opu_graph *g, const struct world *w, int logits)
{
    int const labels = opu_graph_constant(g, OPU_I32, NODES, 1, w->labels);
    int const mask = opu_graph_constant(g, OPU_F32, NODES, 1, w->mask);
    (void)opu_graph_softmax_xent_masked(g, logits, labels, mask);
}

/* x W, where W is [in, out]: by a kernel of ours or, large, by BLAS. */
static int project(struct opu_graph *g, int x, const char *name, size_t n_in, size_t n_out)
{
    return opu_graph_bmm(g, x, opu_graph_param(g, name, n_in, n_out, wide), 0, 1, false);
}

/* Attention over edges, with dropout on features and on the attention; tanh for the leaky relu,
 * whose kink a step would cross. */
static int attend(struct opu_graph *g, const struct world *w, int x, char layer, size_t n_in,
                  size_t heads, size_t width)
{
    char weight[] = {layer, '.', 'w', '\0'};
    char a[] = {layer, '.', 'a', '\0'};
    char b[] = {layer, '.', 'b', '\0'};
    int const near = opu_graph_sparse(g, &w->near);
    int const h = project(g, opu_graph_dropout(g, x, 0.3), weight, n_in, heads * width);
    int const pa = opu_graph_param(g, a, 1, heads * width, wide);
    int const pb = opu_graph_param(g, b, 1, heads * width, wide);
    int const at = opu_graph_sum_columns(g, opu_graph_mul(g, h, pa), heads);
    int const from = opu_graph_sum_columns(g, opu_graph_mul(g, h, pb), heads);
    int const scores = opu_graph_add(g, opu_graph_gather(g, at, receivers(g, w)),
                                     opu_graph_gather(g, from, senders(g, w)));
    int const alpha = opu_graph_edge_softmax(g, near, opu_graph_tanh(g, scores));
    return opu_graph_spmm(g, near, opu_graph_dropout(g, alpha, 0.4), h, false);
}

static int build_gat(struct opu_graph *g, const struct world *w)
{
    int x = attend(g, w, features(g, w), '0', FEATURES, 4, 5);
    x = opu_graph_tap(g, opu_graph_elu(g, x), "0");
    x = attend(g, w, x, '1', 20, 1, CLASSES);
    classify(g, w, x);
    return x;
}

/* Attention of each edge over the history of its sender: 2 heads of 4, in groups of 4. */
static int build_dna(struct opu_graph *g, const struct world *w)
{
    size_t const d = 8;
    int const to = receivers(g, w);
    int const from = senders(g, w);
    int const norm = opu_graph_constant(g, OPU_F32, w->near.count, 1, w->near.value);
    int history[LAYERS + 1];
    history[0] =
        opu_graph_tap(g, opu_graph_tanh(g, project(g, features(g, w), "first", FEATURES, d)), "in");
    for (size_t layer = 0; layer < LAYERS; layer++) {
        char q[] = {(char)('0' + layer), '.', 'q', '\0'};
        char v[] = {(char)('0' + layer), '.', 'v', '\0'};
        size_t const n = layer + 1;
        int const all = opu_graph_reshape(g, opu_graph_concat(g, history, n), d);
        int const keys = opu_graph_bmm(g, all, opu_graph_param(g, v, 2, d, wide), 0, 4, false);
        int const query =
            opu_graph_bmm(g, history[layer], opu_graph_param(g, q, 2, d, wide), 0, 4, false);
        int const theirs = opu_graph_gather(g, opu_graph_reshape(g, keys, n * d), from);
        int const k = opu_graph_reshape(g, theirs, d);
        int const scores = opu_graph_bmm(g, opu_graph_gather(g, query, to), k, 1, 2, true);
        int const alpha = opu_graph_softmax(g, opu_graph_affine(g, scores, 0.5, 0.0), 2, true);
        int const message = opu_graph_mul(g, opu_graph_bmm(g, alpha, k, 1, 2, false), norm);
        char name[] = {(char)('0' + layer), '\0'};
        int const sum = opu_graph_scatter_add(g, message, to, NODES);
        history[layer + 1] = opu_graph_tap(g, opu_graph_tanh(g, sum), name);
    }
    int const logits = project(g, history[LAYERS], "out", d, CLASSES);
    classify(g, w, logits);
    return logits;
}

/* A kernel of two basis functions over edges, mean over neighbours, and the node itself. */
static int build_spline(struct opu_graph *g, const struct world *w)
{
    static float basis[2 * 4 * NODES];
    for (size_t e = 0; e < w->near.count; e++) {
        float const u = 0.1f * (float)(e % 10);
        basis[2 * e] = 0.25f * (1.0f - u);
        basis[2 * e + 1] = 0.25f * u;
    }
    int const weights = opu_graph_constant(g, OPU_F32, w->near.count, 2, basis);
    int const near = opu_graph_sparse(g, &w->near);
    int const x = features(g, w);
    int const both = opu_graph_spmm(g, near, weights, project(g, x, "k", FEATURES, 12), false);
    int const sum = opu_graph_sum_rows(g, opu_graph_reshape(g, both, 6), 2);
    int const own = opu_graph_linear(g, x, opu_graph_param(g, "r", 6, FEATURES, wide),
                                     opu_graph_param(g, "b", 6, 0, wide));
    int const h = opu_graph_tap(g, opu_graph_sigmoid(g, opu_graph_add(g, sum, own)), "h");
    int const logits = project(g, h, "out", 6, CLASSES);
    classify(g, w, logits);
    return logits;
}

/* Embeddings and inner products of pairs; the error is that of the embeddings. */
static int build_pairs(struct opu_graph *g, const struct world *w)
{
    static float target[4 * NODES];
    size_t const n = w->near.count;
    for (size_t e = 0; e < n; e++) {
        target[e] = (float)(e % 2);
    }
    int const near = opu_graph_sparse(g, &w->near);
    int const h = project(g, features(g, w), "first", FEATURES, 6);
    int const x = opu_graph_tap(g, opu_graph_tanh(g, opu_graph_spmm(g, near, -1, h, false)), "0");
    int const z = opu_graph_spmm(g, near, -1, project(g, x, "second", 6, 4), false);
    int const pairs = opu_graph_mul(g, opu_graph_gather(g, z, receivers(g, w)),
                                    opu_graph_gather(g, z, senders(g, w)));
    (void)opu_graph_bce(g, opu_graph_sum_columns(g, pairs, 1),
                        opu_graph_constant(g, OPU_F32, n, 1, target), -1);
    opu_graph_error_at(g, z);
    return z;
}

static const struct {
    const char *name;
    build_fn build;
    size_t taps, error_columns;
} models[] = {{"gat", build_gat, 1, CLASSES},
              {"dna", build_dna, 3, CLASSES},
              {"spline", build_spline, 1, CLASSES},
              {"pairs", build_pairs, 1, 4}};

#define N_MODELS (sizeof models / sizeof models[0])

static struct opu_graph *planned(struct opu_context *context, build_fn build, const struct world *w,
                                 enum opu_method method)
{
    struct opu_graph *graph;
    assert_int_equal(opu_graph_create(&graph, context), OPU_OK);
    (void)build(graph, w);
    struct opu_graph_plan const plan = {
        .size = sizeof plan, .method = method, .max_rows = 1, .seed = 3, .backward = true};
    if (opu_graph_plan(graph, &plan) < 0) {
        fail_msg("%s", opu_error_message());
    }
    return graph;
}

static void backward_all(struct opu_graph *graph)
{
    for (size_t b = 0; b < opu_graph_blocks(graph); b++) {
        opu_graph_backward(graph, b);
    }
}

/* --- gradients of whole networks --- */

static double loss_at(struct opu_graph *graph)
{
    opu_graph_forward(graph, 1, true, 9);
    return opu_graph_loss(graph);
}

static void gradients_are_those_of_finite_differences(void **state)
{
    struct world *const w = new_world(NODES);
    for (size_t m = 0; m < N_MODELS; m++) {
        struct opu_graph *const graph = planned(*state, models[m].build, w, OPU_METHOD_BP);
        struct opu_params const all = opu_graph_params(graph);
        (void)loss_at(graph);
        backward_all(graph);
        for (size_t i = 0; i < all.count; i++) {
            float const middle = all.values[i];
            /* float: a loss of 1 is told to 1e-7, the curvature is of order 1 */
            float const step = 4e-3f;
            all.values[i] = middle + step;
            double const above = loss_at(graph);
            all.values[i] = middle - step;
            double const below = loss_at(graph);
            all.values[i] = middle;
            /* 1e-7 / 4e-3 = 3e-5, and step^2 f''' / 6 = 3e-5 for f''' of 10; times five */
            check_within(models[m].name, i, (double)all.grads[i],
                         (above - below) / (2.0 * (double)step), 3e-4);
        }
        opu_graph_destroy(graph);
    }
    free_world(w);
}

static void taps_cut_graphs_of_nodes(void **state)
{
    struct world *const w = new_world(NODES);
    for (size_t m = 0; m < N_MODELS; m++) {
        struct opu_graph *const graph = planned(*state, models[m].build, w, OPU_METHOD_DFA);
        assert_int_equal(opu_graph_taps(graph), models[m].taps);
        assert_int_equal(opu_graph_blocks(graph), models[m].taps + 1);
        assert_int_equal(opu_graph_error_columns(graph), models[m].error_columns);
        (void)loss_at(graph);
        assert_int_equal(opu_graph_error_rows(graph), NODES);
        for (size_t t = 0; t < opu_graph_taps(graph); t++) {
            const struct opu_tap *const tap = opu_graph_tap_at(graph, t);
            assert_int_equal(tap->block, models[m].taps - t);
            memset(tap->grad, 0, NODES * tap->grad_stride * sizeof(float));
        }
        backward_all(graph);
        /* without feedback only the head learns */
        for (size_t b = 0; b < opu_graph_blocks(graph); b++) {
            struct opu_params const block = opu_graph_block_params(graph, b);
            double size = 0.0;
            for (size_t i = 0; i < block.count; i++) {
                size += fabs((double)block.grads[i]);
            }
            assert_true(block.count > 0);
            assert_true(b == 0 ? size > 1e-3 : size == 0.0);
        }
        opu_graph_destroy(graph);
    }
    free_world(w);
}

/* The head's gradients of dfa are those of back-propagation, wherever e is taken. */
static void the_head_has_its_exact_gradient(void **state)
{
    struct world *const w = new_world(NODES);
    for (size_t m = 0; m < N_MODELS; m++) {
        struct opu_graph *const bp = planned(*state, models[m].build, w, OPU_METHOD_BP);
        struct opu_graph *const dfa = planned(*state, models[m].build, w, OPU_METHOD_DFA);
        (void)loss_at(bp);
        backward_all(bp);
        (void)loss_at(dfa);
        opu_graph_backward(dfa, 0);
        assert_memory_equal(opu_graph_error(bp), opu_graph_error(dfa),
                            NODES * models[m].error_columns * sizeof(float));
        struct opu_params const head = opu_graph_block_params(dfa, 0);
        struct opu_params const all_bp = opu_graph_params(bp);
        for (size_t i = 0; i < opu_graph_param_count(bp); i++) {
            struct opu_tensor_ref const a = opu_graph_param_at(bp, i);
            struct opu_tensor_ref const b = opu_graph_param_at(dfa, i);
            const float *const at = b.data;
            if (at >= head.values && at < head.values + head.count) {
                assert_memory_equal(all_bp.grads + ((const float *)a.data - all_bp.values),
                                    head.grads + (at - head.values),
                                    a.shape[0] * a.shape[1] * sizeof(float));
            }
        }
        opu_graph_destroy(bp);
        opu_graph_destroy(dfa);
    }
    free_world(w);
}

static void a_node_without_edges_gives_nothing_and_gets_nothing(void **state)
{
    struct world *const w = new_world(NODES);
    struct opu_graph *const graph = planned(*state, build_gat, w, OPU_METHOD_BP);
    assert_true(isfinite(loss_at(graph)));
    backward_all(graph);
    struct opu_params const all = opu_graph_params(graph);
    for (size_t i = 0; i < all.count; i++) {
        assert_true(isfinite((double)all.grads[i]));
    }
    opu_graph_destroy(graph);
    free_world(w);
}

static void a_graph_without_edges_runs(void **state)
{
    struct world *const w = new_world(1);
    struct opu_graph *graph;
    assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
    int const near = opu_graph_sparse(graph, &w->near);
    int const none = opu_graph_constant(graph, OPU_I32, 0, 1, w->to);
    int const x = opu_graph_param(graph, "x", 1, 4, wide);
    int const scores = opu_graph_gather(graph, opu_graph_slice(graph, x, 0, 2), none);
    int const alpha = opu_graph_edge_softmax(graph, near, opu_graph_sigmoid(graph, scores));
    int const sum = opu_graph_spmm(graph, near, opu_graph_dropout(graph, alpha, 0.5), x, false);
    int const more = opu_graph_scatter_add(graph, opu_graph_gather(graph, x, none), none, 1);
    (void)opu_graph_softmax_xent(graph, opu_graph_add(graph, sum, more),
                                 opu_graph_constant(graph, OPU_I32, 1, 1, w->labels));
    struct opu_graph_plan const plan = {.size = sizeof plan, .max_rows = 1, .backward = true};
    assert_int_equal(opu_graph_plan(graph, &plan), OPU_OK);
    check_within("loss", 0, loss_at(graph), log(4.0), 1e-6);
    opu_graph_backward(graph, 0);
    struct opu_params const all = opu_graph_params(graph);
    for (size_t i = 0; i < all.count; i++) {
        assert_true(all.grads[i] == 0.0f);
    }
    opu_graph_destroy(graph);
    free_world(w);
}

/* --- memory and threads --- */

static size_t allocations;

static void *count_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    allocations++;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void count_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    struct opu_context_options const options = {
        .size = sizeof options, .allocator = {.alloc = count_alloc, .free = count_free}};
    struct opu_context *context;
    struct world *const w = new_world(NODES);
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    for (size_t m = 0; m < N_MODELS; m++) {
        struct opu_graph *const graph = planned(context, models[m].build, w, OPU_METHOD_DFA);
        size_t const before = allocations;
        for (size_t step = 0; step < 3; step++) {
            opu_graph_forward(graph, 1, true, step);
            backward_all(graph);
        }
        assert_int_equal(allocations, before);
        opu_graph_destroy(graph);
    }
    opu_context_destroy(context);
    free_world(w);
}

/* --- draws --- */

#define DROPPED 100000

static void dropout_keeps_its_share_and_its_mean(void **state)
{
    struct opu_graph *graph;
    assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
    int const x = opu_graph_table(graph, "x", OPU_F32, DROPPED / 10, 10);
    int const a = opu_graph_dropout(graph, x, 0.3);
    int const b = opu_graph_dropout(graph, x, 0.3);
    struct opu_graph_plan const plan = {.size = sizeof plan, .max_rows = 1, .seed = 8};
    assert_int_equal(opu_graph_plan(graph, &plan), OPU_OK);
    float *const data = opu_graph_input_data(graph, x);
    for (size_t i = 0; i < DROPPED; i++) {
        data[i] = 1.0f;
    }
    float *const first = make(DROPPED, sizeof *first);
    opu_graph_forward(graph, 1, true, 1);
    memcpy(first, opu_graph_value(graph, a), DROPPED * sizeof *first);
    const float *const other = opu_graph_value(graph, b);
    size_t kept = 0;
    size_t both = 0;
    for (size_t i = 0; i < DROPPED; i++) {
        assert_true(first[i] == 0.0f || first[i] == (float)(1.0 / 0.7));
        kept += first[i] != 0.0f;
        both += first[i] != 0.0f && other[i] != 0.0f;
    }
    /* binomial: five standard deviations; two nodes draw independently */
    double const n = DROPPED;
    check_within("kept", 0, (double)kept, 0.7 * n, 5.0 * sqrt(n * 0.7 * 0.3));
    check_within("kept by both", 0, (double)both, 0.49 * n, 5.0 * sqrt(n * 0.49 * 0.51));
    opu_graph_forward(graph, 1, true, 2);
    size_t again = 0;
    for (size_t i = 0; i < DROPPED; i++) {
        again += first[i] != 0.0f && opu_graph_value(graph, a)[i] != 0.0f;
    }
    check_within("kept in two steps", 0, (double)again, 0.49 * n, 5.0 * sqrt(n * 0.49 * 0.51));
    opu_graph_forward(graph, 1, true, 1);
    assert_memory_equal(first, opu_graph_value(graph, a), DROPPED * sizeof *first);
    opu_graph_forward(graph, 1, false, 1);
    assert_memory_equal(data, opu_graph_value(graph, a), DROPPED * sizeof *first);
    free(first);
    opu_graph_destroy(graph);
}

/* --- rows --- */

static void fewer_rows_than_planned_give_the_same(void **state)
{
    struct opu_graph *graph;
    assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
    int const index = opu_graph_input(graph, "index", OPU_I32, 3);
    int const target = opu_graph_input(graph, "target", OPU_F32, 1);
    int const table = opu_graph_param(graph, "table", 5, 2, wide);
    /* fields become rows, are added up, and come back */
    int const e = opu_graph_reshape(graph, opu_graph_gather(graph, table, index), 2);
    int const sum = opu_graph_sum_rows(graph, e, 3);
    int const mixed = opu_graph_mul(graph, e, sum);
    int const all = opu_graph_reshape(graph, mixed, 6);
    int const logits = opu_graph_sum_columns(graph, all, 1);
    (void)opu_graph_bce(graph, logits, target, -1);
    struct opu_graph_plan const plan = {
        .size = sizeof plan, .max_rows = 7, .seed = 2, .backward = true};
    assert_int_equal(opu_graph_plan(graph, &plan), OPU_OK);
    int32_t *const at = opu_graph_input_data(graph, index);
    for (size_t i = 0; i < 21; i++) {
        at[i] = (int32_t)(i * 7 % 5);
    }
    float *const wanted = opu_graph_input_data(graph, target);
    for (size_t i = 0; i < 7; i++) {
        wanted[i] = (float)(i % 2);
    }
    const float *const w = opu_graph_param_at(graph, 0).data;
    for (size_t rows = 1; rows <= 7; rows++) {
        opu_graph_forward(graph, rows, true, 0);
        opu_graph_backward(graph, 0);
        assert_int_equal(opu_graph_value_rows(graph, e), 3 * rows);
        for (size_t i = 0; i < rows; i++) {
            double total[2] = {0};
            for (size_t f = 0; f < 3; f++) {
                total[0] += (double)w[2 * at[3 * i + f]];
                total[1] += (double)w[2 * at[3 * i + f] + 1];
            }
            check_within("logit", i, (double)opu_graph_value(graph, logits)[i],
                         total[0] * total[0] + total[1] * total[1], 1e-5);
        }
    }
    opu_graph_destroy(graph);
}

static void an_index_out_of_range_reads_and_writes_nothing(void **state)
{
    static const int32_t index[4] = {0, 3, -1, 2};
    struct opu_graph *graph;
    assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
    int const x = opu_graph_param(graph, "x", 3, 2, (struct opu_init){.constant = 2.0});
    int const at = opu_graph_constant(graph, OPU_I32, 4, 1, index);
    int const rows = opu_graph_gather(graph, x, at);
    int const ones = opu_graph_param(graph, "ones", 4, 2, (struct opu_init){.constant = 1.0});
    int const sums = opu_graph_scatter_add(graph, ones, at, 3);
    struct opu_graph_plan const plan = {.size = sizeof plan, .max_rows = 1};
    assert_int_equal(opu_graph_plan(graph, &plan), OPU_OK);
    opu_graph_forward(graph, 1, false, 0);
    const float *const y = opu_graph_value(graph, rows);
    assert_true(y[0] == 2.0f && isnan(y[2]) && isnan(y[4]) && y[6] == 2.0f);
    const float *const s = opu_graph_value(graph, sums);
    assert_true(s[0] == 1.0f && s[2] == 0.0f && s[4] == 1.0f);
    opu_graph_destroy(graph);
}

/* --- what is refused --- */

typedef int (*wrong_fn)(struct opu_graph *g, const struct world *w, int x);

static int wrong_blocks(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_bmm(g, x, opu_graph_param(g, "p", 3, 8, wide), 0, 2, false);
}

static int wrong_broadcast(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_add(g, x, opu_graph_param(g, "p", 1, 3, wide));
}

static int wrong_rows(struct opu_graph *g, const struct world *w, int x)
{
    (void)x;
    return opu_graph_spmm(g, opu_graph_sparse(g, &w->near), -1,
                          opu_graph_param(g, "p", NODES + 1, 3, wide), false);
}

static int wrong_scores(struct opu_graph *g, const struct world *w, int x)
{
    return opu_graph_edge_softmax(g, opu_graph_sparse(g, &w->near), x);
}

static int wrong_sparse(struct opu_graph *g, const struct world *w, int x)
{
    return opu_graph_linear(g, x, opu_graph_sparse(g, &w->near), -1);
}

static int wrong_transpose(struct opu_graph *g, const struct world *w, int x)
{
    static struct opu_csr bare;
    (void)x;
    bare = w->near;
    bare.start_t = NULL;
    return opu_graph_sparse(g, &bare);
}

static int wrong_order(struct opu_graph *g, const struct world *w, int x)
{
    static struct opu_csr bare;
    bare = w->near;
    bare.order_t = NULL;
    int const weights = opu_graph_param(g, "p", w->near.count, 1, wide);
    return opu_graph_spmm(g, opu_graph_sparse(g, &bare), weights, x, false);
}

static int wrong_slice(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_slice(g, x, 7, 2);
}

static int wrong_reshape(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_reshape(g, x, 5);
}

static int wrong_dropout(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_dropout(g, x, 1.0);
}

static int wrong_slope(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_leaky_relu(g, x, -0.5);
}

static int wrong_index(struct opu_graph *g, const struct world *w, int x)
{
    (void)w;
    return opu_graph_gather(g, x, x);
}

static int wrong_mask(struct opu_graph *g, const struct world *w, int x)
{
    return opu_graph_softmax_xent_masked(g, x, opu_graph_constant(g, OPU_I32, NODES, 1, w->labels),
                                         x);
}

static int wrong_error(struct opu_graph *g, const struct world *w, int x)
{
    classify(g, w, project(g, x, "p", FEATURES, CLASSES));
    opu_graph_error_at(g, x);
    return x;
}

static void each_misuse_is_told_with_its_shapes(void **state)
{
    static const struct {
        wrong_fn wrong;
        const char *says[2];
    } rows[] = {
        {wrong_blocks, {"bmm: operands [23, 8] float32, [3, 8] float32", "blocks"}},
        {wrong_broadcast, {"[23, 8] float32, [1, 3] float32", "divide"}},
        {wrong_rows, {"[23, 23] of 88 entries, [24, 3] float32", "spmm"}},
        {wrong_scores, {"edge_softmax", "[23, 8] float32"}},
        {wrong_sparse, {"linear", "of 88 entries"}},
        {wrong_transpose, {"transpose", "sparse"}},
        {wrong_order, {"order_t", "spmm"}},
        {wrong_slice, {"slice", "[23, 8]"}},
        {wrong_reshape, {"reshape", "whole rows"}},
        {wrong_dropout, {"dropout", "below 1"}},
        {wrong_slope, {"leaky_relu", "-0.5"}},
        {wrong_index, {"gather", "int32"}},
        {wrong_mask, {"softmax_xent", "weights"}},
        {wrong_error, {"error", "above the taps"}},
    };
    struct world *const w = new_world(NODES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct opu_graph *graph;
        assert_int_equal(opu_graph_create(&graph, *state), OPU_OK);
        (void)rows[i].wrong(graph, w, features(graph, w));
        bool const loss = rows[i].wrong == wrong_error;
        struct opu_graph_plan const plan = {.size = sizeof plan, .max_rows = 1, .backward = loss};
        assert_int_equal(opu_graph_plan(graph, &plan), OPU_E_INVALID);
        for (size_t k = 0; k < 2; k++) {
            if (strstr(opu_error_message(), rows[i].says[k]) == NULL) {
                fail_msg("saw \"%s\", wanted it to say \"%s\"", opu_error_message(),
                         rows[i].says[k]);
            }
        }
        opu_graph_destroy(graph);
    }
    free_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_finite_differences),
        cmocka_unit_test(taps_cut_graphs_of_nodes),
        cmocka_unit_test(the_head_has_its_exact_gradient),
        cmocka_unit_test(a_node_without_edges_gives_nothing_and_gets_nothing),
        cmocka_unit_test(a_graph_without_edges_runs),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(dropout_keeps_its_share_and_its_mean),
        cmocka_unit_test(fewer_rows_than_planned_give_the_same),
        cmocka_unit_test(an_index_out_of_range_reads_and_writes_nothing),
        cmocka_unit_test(each_misuse_is_told_with_its_shapes),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
