/* SPDX-License-Identifier: MIT */
/* Running a graph: gradients of whole networks, feedback at the taps, shared parameters, threads,
 * memory. */
#include "nn_check.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/nn/graph.h"
#include "core/nn/ops.h"

#define ROWS 9

static struct opu_init const wide = {.bound = 0.6};

/* What a network needs to be run by the tests. */
struct net {
    struct opu_graph *graph;
    int x, labels, logits;
};

typedef void (*build_fn)(struct net *net);

static int weigh(struct opu_graph *graph, int x, int weight)
{
    return opu_graph_linear(graph, x, weight, -1);
}

static void put_inputs(struct net *net)
{
    net->x = opu_graph_input(net->graph, "x", OPU_F32, 5);
    net->labels = opu_graph_input(net->graph, "labels", OPU_I32, 1);
}

typedef int (*activation_fn)(struct opu_graph *graph, int x);

/* x 5 -> 6 tanh -> tap -> 7 -> tap -> 3, with biases */
static void build_layers(struct net *net, activation_fn second)
{
    struct opu_graph *const g = net->graph;
    put_inputs(net);
    int x = opu_graph_linear(g, net->x, opu_graph_param(g, "w0", 6, 5, wide),
                             opu_graph_param(g, "b0", 6, 0, wide));
    x = opu_graph_tap(g, opu_graph_tanh(g, x), "first");
    x = opu_graph_linear(g, x, opu_graph_param(g, "w1", 7, 6, wide),
                         opu_graph_param(g, "b1", 7, 0, wide));
    x = opu_graph_tap(g, second(g, x), "second");
    net->logits = opu_graph_linear(g, x, opu_graph_param(g, "w2", 3, 7, wide),
                                   opu_graph_param(g, "b2", 3, 0, wide));
    (void)opu_graph_softmax_xent(g, net->logits, net->labels);
}

static void build_mlp(struct net *net)
{
    build_layers(net, opu_graph_relu);
}

/* Without a kink that a step could cross. */
static void build_smooth(struct net *net)
{
    build_layers(net, opu_graph_tanh);
}

/* The same weight twice, or two weights. */
static void build_square(struct net *net, bool tied)
{
    struct opu_graph *const g = net->graph;
    put_inputs(net);
    int const w0 = opu_graph_param(g, "w0", 5, 5, wide);
    int const w1 = tied ? w0 : opu_graph_param(g, "w1", 5, 5, wide);
    int const h = opu_graph_tanh(g, weigh(g, net->x, w0));
    net->logits = opu_graph_tanh(g, weigh(g, h, w1));
    (void)opu_graph_softmax_xent(g, net->logits, net->labels);
}

static void build_tied(struct net *net)
{
    build_square(net, true);
}

static void build_untied(struct net *net)
{
    build_square(net, false);
}

/* The logits are tapped too: their gradient is e and the feedback. */
static void build_tapped_logits(struct net *net)
{
    struct opu_graph *const g = net->graph;
    put_inputs(net);
    net->logits = weigh(g, net->x, opu_graph_param(g, "w0", 5, 5, wide));
    (void)opu_graph_tap(g, net->logits, "tap");
    (void)opu_graph_softmax_xent(g, net->logits, net->labels);
}

static void fill(struct net *net, size_t rows)
{
    struct numbers numbers = {.seed = 11};
    float *const x = opu_graph_input_data(net->graph, net->x);
    int32_t *const labels = opu_graph_input_data(net->graph, net->labels);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < 5; j++) {
            x[i * 5 + j] = numbers_next(&numbers);
        }
        labels[i] = (int32_t)(i % 3);
    }
}

static struct net open_net(void **state, build_fn build, const struct opu_graph_plan *how)
{
    struct net net;
    struct opu_graph_plan plan = *how;
    plan.size = sizeof plan;
    plan.max_rows = ROWS;
    plan.seed = 5;
    assert_int_equal(opu_graph_create(&net.graph, *state), OPU_OK);
    build(&net);
    if (opu_graph_plan(net.graph, &plan) < 0) {
        fail_msg("%s", opu_error_message());
    }
    fill(&net, ROWS);
    return net;
}

static struct opu_graph_plan const bp = {.method = OPU_METHOD_BP, .backward = true};
static struct opu_graph_plan const dfa = {.method = OPU_METHOD_DFA, .backward = true};

static void step(struct net *net)
{
    opu_graph_forward(net->graph, ROWS, true, 0);
    for (size_t b = 0; b < opu_graph_blocks(net->graph); b++) {
        opu_graph_backward(net->graph, b);
    }
}

/* Gradient of the i-th parameter. */
static const float *grad_of(struct opu_graph *graph, size_t i)
{
    struct opu_params const all = opu_graph_params(graph);
    return all.grads + ((const float *)opu_graph_param_at(graph, i).data - all.values);
}

static size_t size_of(struct opu_graph *graph, size_t i)
{
    struct opu_tensor_ref const param = opu_graph_param_at(graph, i);
    return param.shape[0] * (param.rank == 2 ? param.shape[1] : 1);
}

/* Gradients of two graphs of the same model agree to a few roundings of sums of ROWS terms of
 * size 1. */
static void check_same_grads(struct opu_graph *a, struct opu_graph *b)
{
    for (size_t i = 0; i < opu_graph_param_count(a); i++) {
        for (size_t k = 0; k < size_of(a, i); k++) {
            check_within(opu_graph_param_at(a, i).name, k, (double)grad_of(a, i)[k],
                         (double)grad_of(b, i)[k], 16 * 0x1p-24);
        }
    }
}

/* A step of each parameter against the loss that the graph itself tells, in float: coarse, but of
 * the whole. */
static void whole_gradients_agree_with_differences(void **state)
{
    static build_fn const builds[] = {build_smooth, build_tied, build_untied, build_tapped_logits};
    for (size_t n = 0; n < sizeof builds / sizeof builds[0]; n++) {
        struct net net = open_net(state, builds[n], &bp);
        step(&net);
        float *const values = opu_graph_params(net.graph).values;
        for (size_t i = 0; i < opu_graph_param_count(net.graph); i++) {
            size_t const first =
                (size_t)((const float *)opu_graph_param_at(net.graph, i).data - values);
            for (size_t k = 0; k < size_of(net.graph, i); k++) {
                float *const w = values + first + k;
                float const middle = *w;
                float const above = middle + 1e-2f;
                float const below = middle - 1e-2f;
                *w = above;
                opu_graph_forward(net.graph, ROWS, true, 0);
                double slope = opu_graph_loss(net.graph);
                *w = below;
                opu_graph_forward(net.graph, ROWS, true, 0);
                slope = (slope - opu_graph_loss(net.graph)) / ((double)above - (double)below);
                *w = middle;
                /* logits of size 2 round at 2^-23, and so does their loss: 1.2e-5 over the step of
                 * 2e-2; step^2 |f'''| / 6 < 5e-5 as long as |f'''| < 3 */
                check_within(opu_graph_param_at(net.graph, i).name, k,
                             (double)grad_of(net.graph, i)[k], slope, 1e-4);
            }
        }
        opu_graph_destroy(net.graph);
    }
}

static void feedback_of_true_gradients_makes_dfa_back_propagation(void **state)
{
    struct net truth = open_net(state, build_mlp, &bp);
    struct net net = open_net(state, build_mlp, &dfa);
    step(&truth);
    opu_graph_forward(net.graph, ROWS, true, 0);
    assert_int_equal(opu_graph_blocks(net.graph), 3);
    for (size_t t = 0; t < 2; t++) {
        const struct opu_tap *const from = opu_graph_tap_at(truth.graph, t);
        const struct opu_tap *const to = opu_graph_tap_at(net.graph, t);
        assert_int_equal(from->grad_stride, to->grad_stride);
        memcpy(to->grad, from->grad, ROWS * to->grad_stride * sizeof *to->grad);
    }
    /* in any order */
    opu_graph_backward(net.graph, 2);
    opu_graph_backward(net.graph, 0);
    opu_graph_backward(net.graph, 1);
    check_same_grads(net.graph, truth.graph);
    opu_graph_destroy(net.graph);
    opu_graph_destroy(truth.graph);
}

static void taps_read_a_shared_feedback_in_place(void **state)
{
    enum { STRIDE = 16 };
    struct numbers numbers = {.seed = 13};
    float *const feedback = make_numbers(&numbers, (size_t)ROWS * STRIDE);
    struct net copied = open_net(state, build_mlp, &dfa);
    struct net shared = open_net(state, build_mlp, &dfa);
    opu_graph_feedback(shared.graph, feedback, STRIDE);
    for (size_t t = 0; t < 2; t++) {
        const struct opu_tap *const to = opu_graph_tap_at(copied.graph, t);
        for (size_t i = 0; i < ROWS; i++) {
            memcpy(to->grad + i * to->grad_stride, feedback + i * STRIDE,
                   to->columns * sizeof *feedback);
        }
        assert_ptr_equal(opu_graph_tap_at(shared.graph, t)->grad, feedback);
        assert_int_equal(opu_graph_tap_at(shared.graph, t)->grad_stride, STRIDE);
    }
    float *const before = make((size_t)ROWS * STRIDE, sizeof *before);
    memcpy(before, feedback, (size_t)ROWS * STRIDE * sizeof *before);
    step(&copied);
    step(&shared);
    check_same_grads(shared.graph, copied.graph);
    assert_memory_equal(before, feedback, (size_t)ROWS * STRIDE * sizeof *before);
    opu_graph_destroy(copied.graph);
    opu_graph_destroy(shared.graph);
    free(before);
    free(feedback);
}

static void feedback_adds_to_a_gradient_that_the_head_gives(void **state)
{
    struct net net = open_net(state, build_tapped_logits, &dfa);
    struct numbers numbers = {.seed = 17};
    const struct opu_tap *const tap = opu_graph_tap_at(net.graph, 0);
    assert_int_equal(tap->block, 0);
    opu_graph_forward(net.graph, ROWS, true, 0);
    for (size_t i = 0; i < (size_t)ROWS * 5; i++) {
        tap->grad[i] = numbers_next(&numbers);
    }
    opu_graph_backward(net.graph, 0);
    const float *const x = opu_graph_input_data(net.graph, net.x);
    const float *const e = opu_graph_error(net.graph);
    for (size_t o = 0; o < 5; o++) {
        for (size_t k = 0; k < 5; k++) {
            double wanted = 0.0;
            for (size_t i = 0; i < ROWS; i++) {
                wanted +=
                    ((double)e[i * 5 + o] + (double)tap->grad[i * 5 + o]) * (double)x[i * 5 + k];
            }
            /* 9 products of size 1 and as many sums */
            check_within("dW", o * 5 + k, (double)grad_of(net.graph, 0)[o * 5 + k], wanted,
                         100 * 0x1p-24);
        }
    }
    opu_graph_destroy(net.graph);
}

static void gradients_are_overwritten_by_each_step(void **state)
{
    struct net once = open_net(state, build_tied, &bp);
    struct net thrice = open_net(state, build_tied, &bp);
    step(&once);
    step(&thrice);
    step(&thrice);
    step(&thrice);
    check_same_grads(once.graph, thrice.graph);
    opu_graph_destroy(once.graph);
    opu_graph_destroy(thrice.graph);
}

static void shallow_gives_the_head_its_exact_gradient(void **state)
{
    struct net truth = open_net(state, build_mlp, &bp);
    struct opu_graph_plan const shallow = {.method = OPU_METHOD_SHALLOW, .backward = true};
    struct net net = open_net(state, build_mlp, &shallow);
    step(&truth);
    step(&net);
    for (size_t i = 4; i < 6; i++) {
        for (size_t k = 0; k < size_of(net.graph, i); k++) {
            check_within("head", k, (double)grad_of(net.graph, i)[k],
                         (double)grad_of(truth.graph, i)[k], 16 * 0x1p-24);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < size_of(net.graph, i); k++) {
            assert_true(grad_of(net.graph, i)[k] == 0.0f);
        }
    }
    opu_graph_destroy(truth.graph);
    opu_graph_destroy(net.graph);
}

static void a_twin_follows_the_parameters_and_tells_gradients_at_taps(void **state)
{
    struct net trained = open_net(state, build_mlp, &dfa);
    struct net truth = open_net(state, build_mlp, &bp);
    struct opu_graph_plan how = bp;
    how.no_param_grads = true;
    how.params_of = trained.graph;
    struct net twin = open_net(state, build_mlp, &how);
    opu_graph_params(trained.graph).values[3] += 0.5f;
    struct opu_tensor_ref const top = opu_graph_param_at(trained.graph, 4);
    memcpy((float *)(uintptr_t)opu_graph_param_at(truth.graph, 4).data, top.data,
           top.shape[0] * top.shape[1] * sizeof(float));
    step(&truth);
    step(&twin);
    assert_null(opu_graph_params(twin.graph).grads);
    assert_int_equal(opu_graph_block_params(twin.graph, 0).count, 0);
    assert_ptr_equal(opu_graph_params(twin.graph).values, opu_graph_params(trained.graph).values);
    assert_true(opu_graph_loss(twin.graph) == opu_graph_loss(truth.graph));
    for (size_t t = 0; t < 2; t++) {
        const struct opu_tap *const seen = opu_graph_tap_at(twin.graph, t);
        const struct opu_tap *const wanted = opu_graph_tap_at(truth.graph, t);
        assert_memory_equal(seen->grad, wanted->grad,
                            ROWS * wanted->columns * sizeof *wanted->grad);
    }
    opu_graph_destroy(twin.graph);
    opu_graph_destroy(truth.graph);
    opu_graph_destroy(trained.graph);
}

static void fewer_rows_than_planned_are_just_those_rows(void **state)
{
    struct net net = open_net(state, build_mlp, &bp);
    opu_graph_forward(net.graph, ROWS, false, 0);
    float all[3 * 3];
    memcpy(all, opu_graph_value(net.graph, net.logits), sizeof all);
    double const all_loss = opu_graph_loss(net.graph);
    opu_graph_forward(net.graph, 3, false, 0);
    const float *const few = opu_graph_value(net.graph, net.logits);
    for (size_t i = 0; i < 9; i++) {
        check_within("logits", i, (double)few[i], (double)all[i], 16 * 0x1p-24);
    }
    assert_true(opu_graph_loss(net.graph) != all_loss);
    double sum = 0.0;
    for (size_t i = 0; i < 9; i++) {
        sum += (double)opu_graph_error(net.graph)[i];
    }
    /* a softmax and a one-hot row have the same sum; 9 terms of size 1/3 */
    check_within("sum of e", 0, sum, 0.0, 9 * 0x1p-24);
    opu_graph_destroy(net.graph);
}

static void evaluation_needs_no_gradients(void **state)
{
    struct net truth = open_net(state, build_mlp, &bp);
    struct opu_graph_plan const how = {.params_of = truth.graph};
    struct net net = open_net(state, build_mlp, &how);
    opu_graph_forward(truth.graph, ROWS, false, 0);
    opu_graph_forward(net.graph, ROWS, false, 0);
    assert_true(opu_graph_loss(net.graph) == opu_graph_loss(truth.graph));
    assert_int_equal(opu_graph_correct(net.graph), opu_graph_correct(truth.graph));
    assert_int_equal(opu_graph_blocks(net.graph), 0);
    assert_null(opu_graph_error(net.graph));
    assert_null(opu_graph_params(net.graph).grads);
    opu_graph_destroy(net.graph);
    opu_graph_destroy(truth.graph);
}

static void a_bad_row_makes_the_loss_nan(void **state)
{
    struct net net = open_net(state, build_mlp, &bp);
    ((float *)opu_graph_input_data(net.graph, net.x))[7] = NAN;
    opu_graph_forward(net.graph, ROWS, true, 0);
    assert_true(isnan(opu_graph_loss(net.graph)));
    fill(&net, ROWS);
    ((int32_t *)opu_graph_input_data(net.graph, net.labels))[2] = 3;
    opu_graph_forward(net.graph, ROWS, true, 0);
    assert_true(isnan(opu_graph_loss(net.graph)));
    opu_graph_destroy(net.graph);
}

/* --- memory --- */

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

static size_t fail_at;

static void *failing_alloc(void *user, size_t size, size_t alignment)
{
    return ++allocations == fail_at ? NULL : count_alloc(user, size, alignment);
}

static struct opu_context *counting_context(void *(*alloc)(void *, size_t, size_t))
{
    struct opu_context_options const options = {.size = sizeof options,
                                                .allocator = {.alloc = alloc, .free = count_free}};
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    return context;
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    struct opu_context *context = counting_context(count_alloc);
    struct net net = open_net((void **)&context, build_mlp, &dfa);
    size_t const before = allocations;
    assert_true(before > 0);
    step(&net);
    step(&net);
    assert_int_equal(allocations, before);
    opu_graph_destroy(net.graph);
    opu_context_destroy(context);
}

static void each_lack_of_memory_is_told(void **state)
{
    (void)state;
    fail_at = 0;
    struct opu_context *const context = counting_context(failing_alloc);
    int status = OPU_E_NO_MEMORY;
    size_t failures = 0;
    /* counts both in failing_alloc and in count_alloc: every other number is a call */
    for (size_t n = 1; status != OPU_OK; n += 2) {
        struct net net;
        struct opu_graph_plan plan = dfa;
        plan.size = sizeof plan;
        plan.max_rows = ROWS;
        allocations = 0;
        fail_at = n;
        status = opu_graph_create(&net.graph, context);
        if (status < 0) {
            assert_null(net.graph);
            assert_int_equal(status, OPU_E_NO_MEMORY);
            failures++;
            continue;
        }
        build_mlp(&net);
        status = opu_graph_plan(net.graph, &plan);
        assert_true(status == OPU_OK || status == OPU_E_NO_MEMORY);
        failures += status != OPU_OK;
        opu_graph_destroy(net.graph);
        assert_true(failures < 100);
    }
    assert_true(failures >= 5);
    fail_at = 0;
    opu_context_destroy(context);
}

/* --- threads --- */

#ifdef _OPENMP
/* Our own loops alone: BLAS makes no promise. Sizes above every threshold of parallel work. */
static void run_threads(float *out, struct opu_loss *loss, int threads)
{
    enum { R = 700, C = 60 };
    struct numbers numbers = {.seed = 19};
    omp_set_num_threads(threads);
    float *const x = make_numbers(&numbers, R * C);
    float *const dy = make_numbers(&numbers, R * C);
    struct opu_operand const operand = {.data = x, .rows = R, .columns = C, .grad_stride = C};
    struct opu_op_call call = {.rows = R, .n_in = 1, .in = {operand}, .out = operand};
    call.out.data = out;
    call.out.grad = dy;
    call.in[0].grad = out + R * C;
    opu_op_tanh.forward(&call);
    opu_op_tanh.backward(&call);

    struct opu_op_call linear = {.rows = R, .n_in = 3, .in = {operand, operand, operand}};
    linear.in[2] = (struct opu_operand){.rows = C, .grad = out + 2 * R * C, .grad_stride = 1};
    linear.out = operand;
    linear.out.grad = dy;
    opu_op_linear.backward(&linear);

    int32_t *const labels = make(R, sizeof *labels);
    void *const saved = make(R, opu_op_softmax_xent.saved(NULL, 2));
    struct opu_op_call xent = {.rows = R, .n_in = 2, .in = {operand, operand}, .saved = saved};
    xent.in[0].grad = out + 3 * R * C;
    xent.in[1].data = labels;
    xent.out.data = loss;
    opu_op_softmax_xent.forward(&xent);
    free(saved);
    free(labels);
    free(dy);
    free(x);
}

static void one_thread_and_many_give_the_same_bits(void **state)
{
    (void)state;
    enum { N = 4 * 700 * 60 };
    int const before = omp_get_max_threads();
    float *const one = make(N, sizeof *one);
    float *const many = make(N, sizeof *many);
    struct opu_loss one_loss;
    struct opu_loss many_loss;
    run_threads(one, &one_loss, 1);
    for (int threads = 2; threads <= 5; threads += 3) {
        run_threads(many, &many_loss, threads);
        assert_memory_equal(one, many, N * sizeof *one);
        assert_true(one_loss.mean == many_loss.mean && one_loss.correct == many_loss.correct);
    }
    omp_set_num_threads(before);
    free(one);
    free(many);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_gradients_agree_with_differences),
        cmocka_unit_test(feedback_of_true_gradients_makes_dfa_back_propagation),
        cmocka_unit_test(taps_read_a_shared_feedback_in_place),
        cmocka_unit_test(feedback_adds_to_a_gradient_that_the_head_gives),
        cmocka_unit_test(gradients_are_overwritten_by_each_step),
        cmocka_unit_test(shallow_gives_the_head_its_exact_gradient),
        cmocka_unit_test(a_twin_follows_the_parameters_and_tells_gradients_at_taps),
        cmocka_unit_test(fewer_rows_than_planned_are_just_those_rows),
        cmocka_unit_test(evaluation_needs_no_gradients),
        cmocka_unit_test(a_bad_row_makes_the_loss_nan),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(each_lack_of_memory_is_told),
#ifdef _OPENMP
        cmocka_unit_test(one_thread_and_many_give_the_same_bits),
#endif
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
