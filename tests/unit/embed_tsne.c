/* SPDX-License-Identifier: MIT */
/* t-SNE against plain double twins, and what it refuses. */
#include "tests/unit/base_support.h"
#include "tests/unit/nn_check.h"

#include "core/embed/tsne.h"

#define SEED 77

/* Three groups far apart in 5 dimensions. */
static float *make_groups(size_t n)
{
    struct numbers numbers = {.seed = SEED};
    float *const x = make_numbers(&numbers, n * 5);
    for (size_t i = 0; i < n; i++) {
        x[i * 5 + i % 3] += 8.0f;
    }
    return x;
}

static struct opu_tsne *create(struct opu_context *context, const float *x, size_t n, size_t d,
                               struct opu_tsne_options options)
{
    struct opu_points const points = {.values = x, .n = n, .d = d};
    struct opu_tsne *tsne;
    options.size = sizeof options;
    if (opu_tsne_create(&tsne, context, &points, &options) < 0) {
        fail_msg("%s", opu_error_message());
    }
    return tsne;
}

/* Weights as a plain matrix. */
static double *dense(const struct opu_affinity *p)
{
    double *const all = make(p->n * p->n, sizeof *all);
    for (size_t i = 0; i < p->n; i++) {
        if (p->all != NULL) {
            for (size_t j = 0; j < p->n; j++) {
                all[i * p->n + j] = (double)p->all[i * p->n + j];
            }
            continue;
        }
        for (size_t e = p->start[i]; e < p->start[i + 1]; e++) {
            all[i * p->n + p->from[e]] = (double)p->weights[e];
        }
    }
    return all;
}

static double q_of(const double *y, size_t i, size_t j)
{
    double const dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
    return 1.0 / (1.0 + dx * dx + dy * dy);
}

static double plain_divergence(const double *p, const double *y, size_t n)
{
    double z = 0.0, sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            z += i != j ? q_of(y, i, j) : 0.0;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double const w = p[i * n + j];
            sum += w > 0.0 ? w * log(w * z / q_of(y, i, j)) : 0.0;
        }
    }
    return sum;
}

static void gradient_of(struct opu_context *context, size_t neighbours)
{
    enum { N = 37 };
    struct numbers numbers = {.seed = SEED + 1};
    float *const x = make_groups(N);
    float *const y = make_numbers(&numbers, 2 * (size_t)N);
    double *const wide = as_doubles(y, 2 * (size_t)N);
    struct opu_tsne *const tsne = create(
        context, x, N, 5, (struct opu_tsne_options){.perplexity = 5, .neighbours = neighbours});
    double *const p = dense(opu_tsne_affinity(tsne));
    double seen[2 * N];
    opu_tsne_gradient(tsne, y, seen);
    for (size_t c = 0; c < 2 * (size_t)N; c++) {
        double const at = wide[c], step = 1e-4;
        wide[c] = at + step;
        double const more = plain_divergence(p, wide, N);
        wide[c] = at - step;
        double const less = plain_divergence(p, wide, N);
        wide[c] = at;
        /* central differences: step^2 times a third derivative of order 1; sums of weights of
         * 1/37 in floats: 1e-7 */
        check_within("gradient", c, seen[c], (more - less) / (2.0 * step), 1e-6);
    }
    opu_tsne_destroy(tsne);
    free(p);
    free(wide);
    free(y);
    free(x);
}

static void gradient_is_that_of_the_divergence(void **state)
{
    gradient_of(*state, 0);
    gradient_of(*state, 12);
}

static void divergence_is_that_of_the_formula(void **state)
{
    enum { N = 50 };
    float *const x = make_groups(N);
    struct opu_tsne *const tsne =
        create(*state, x, N, 5, (struct opu_tsne_options){.perplexity = 8, .iterations = 300});
    assert_int_equal(opu_tsne_run(tsne, NULL, NULL), OPU_OK);
    float y[2 * N];
    opu_tsne_positions(tsne, y);
    double *const wide = as_doubles(y, 2 * (size_t)N), *const p = dense(opu_tsne_affinity(tsne));
    struct opu_tsne_result result = {.size = sizeof result};
    assert_int_equal(opu_tsne_result(tsne, &result), OPU_OK);
    /* the weights' sum is 1 to 1e-7 in floats, times the logarithm of sum q, below 10 */
    check_within("divergence", 0, result.divergence, plain_divergence(p, wide, N), 1e-5);
    assert_int_equal(result.iterations, 300);
    assert_int_equal(result.neighbours, N - 1);
    opu_tsne_destroy(tsne);
    free(p);
    free(wide);
    free(x);
}

static void weights_are_symmetric_and_sum_to_one(void **state)
{
    enum { N = 61 };
    float *const x = make_groups(N);
    for (size_t k = 0; k < 2; k++) {
        struct opu_tsne_options const options = {.perplexity = 6, .neighbours = k == 0 ? 0 : 18};
        struct opu_tsne *const tsne = create(*state, x, N, 5, options);
        double *const p = dense(opu_tsne_affinity(tsne));
        double sum = 0.0;
        for (size_t i = 0; i < N; i++) {
            assert_true(p[i * N + i] == 0.0);
            for (size_t j = 0; j < N; j++) {
                sum += p[i * N + j];
                assert_true(p[i * N + j] == p[j * N + i]);
            }
        }
        check_within("sum of weights", k, sum, 1.0, 1e-6); /* roundings of floats of 1/N each */
        opu_tsne_destroy(tsne);
        free(p);
    }
    free(x);
}

static void every_row_reaches_its_perplexity(void **state)
{
    (void)state;
    enum { N = 90 };
    struct numbers numbers = {.seed = SEED + 2};
    float excess[N], p[N];
    for (size_t row = 0; row < 200; row++) {
        double const scale = exp(10.0 * (double)numbers_next(&numbers));
        for (size_t j = 0; j < N; j++) {
            float const u = numbers_next(&numbers);
            excess[j] = j == 0 ? 0.0f : (float)scale * u * u;
        }
        double const wanted = 2.0 + (double)(row % 60);
        double const said = opu_affinity_fit(opu_embed_kernels_best(), p, excess, N, wanted);
        double entropy = 0.0, sum = 0.0;
        for (size_t j = 0; j < N; j++) {
            sum += (double)p[j];
            entropy -= p[j] > 0.0f ? (double)p[j] * log((double)p[j]) : 0.0;
        }
        check_within("sum", row, sum, 1.0, 1e-5);
        check_within("perplexity", row, exp(entropy), wanted, 1e-4 * wanted);
        check_within("perplexity told", row, said, wanted, 1e-5 * wanted);
    }
}

static void coinciding_points_share_their_weight(void **state)
{
    float x[40 * 3];
    for (size_t i = 0; i < 40 * 3; i++) {
        x[i] = 1.5f;
    }
    for (int init = 0; init < 2; init++) {
        struct opu_tsne *const tsne =
            create(*state, x, 40, 3,
                   (struct opu_tsne_options){.perplexity = 5, .iterations = 300, .init = init});
        double *const p = dense(opu_tsne_affinity(tsne));
        check_within("weight", 0, p[1], 1.0 / (40.0 * 39.0), 1e-8);
        assert_int_equal(opu_tsne_run(tsne, NULL, NULL), OPU_OK);
        float y[80];
        opu_tsne_positions(tsne, y);
        for (size_t i = 0; i < 80; i++) {
            assert_true(isfinite(y[i]));
        }
        opu_tsne_destroy(tsne);
        free(p);
    }
}

static void separate_groups_come_out_apart(void **state)
{
    enum { N = 300 };
    float *const x = make_groups(N);
    int32_t labels[N];
    for (size_t i = 0; i < N; i++) {
        labels[i] = (int32_t)(i % 3);
    }
    for (int init = 0; init < 2; init++) {
        for (size_t k = 0; k < 2; k++) {
            struct opu_tsne *const tsne =
                create(*state, x, N, 5,
                       (struct opu_tsne_options){
                           .perplexity = 20, .init = init, .neighbours = k * 60, .seed = 5});
            assert_int_equal(opu_tsne_run(tsne, NULL, NULL), OPU_OK);
            float y[2 * N];
            opu_tsne_positions(tsne, y);
            struct opu_points const picture = {.values = y, .n = N, .d = 2};
            double purity;
            assert_int_equal(opu_embed_purity(*state, &picture, labels, 10, &purity), OPU_OK);
            assert_true(purity > 0.99);
            opu_tsne_destroy(tsne);
        }
    }
    free(x);
}

static void descend(float *y, int threads, const float *x, size_t n, size_t neighbours)
{
    struct opu_context_options const how = {.size = sizeof how, .threads = threads};
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, &how), OPU_OK);
    struct opu_tsne *const tsne = create(
        context, x, n, 5,
        (struct opu_tsne_options){.perplexity = 10, .iterations = 60, .neighbours = neighbours});
    assert_int_equal(opu_tsne_run(tsne, NULL, NULL), OPU_OK);
    opu_tsne_positions(tsne, y);
    opu_tsne_destroy(tsne);
    opu_context_destroy(context);
}

static void bits_do_not_depend_on_the_threads(void **state)
{
    (void)state;
    enum { N = 217 };
    float *const x = make_groups(N);
    for (size_t k = 0; k < 2; k++) {
        float one[2 * N], more[2 * N];
        descend(one, 1, x, N, k * 30);
        for (int threads = 2; threads <= 5; threads++) {
            descend(more, threads, x, N, k * 30);
            assert_memory_equal(one, more, sizeof one);
        }
    }
    free(x);
}

static int stop_at_ten(void *user, const struct opu_tsne_progress *progress)
{
    uint64_t *const last = user;
    assert_int_equal(progress->iteration, *last + 1);
    *last = progress->iteration;
    return progress->iteration == 10;
}

static void stopped_descent_goes_on(void **state)
{
    enum { N = 40 };
    float *const x = make_groups(N);
    struct opu_tsne_options const how = {.perplexity = 5, .iterations = 120};
    float stopped[2 * N], whole[2 * N];
    uint64_t last = 0;
    struct opu_tsne *tsne = create(*state, x, N, 5, how);
    assert_refused(opu_tsne_run(tsne, stop_at_ten, &last), OPU_E_CANCELLED, "iteration 10 of 120");
    assert_int_equal(opu_tsne_run(tsne, stop_at_ten, &last), OPU_OK);
    assert_int_equal(last, 120);
    opu_tsne_positions(tsne, stopped);
    opu_tsne_destroy(tsne);
    tsne = create(*state, x, N, 5, how);
    assert_int_equal(opu_tsne_run(tsne, NULL, NULL), OPU_OK);
    opu_tsne_positions(tsne, whole);
    opu_tsne_destroy(tsne);
    assert_memory_equal(stopped, whole, sizeof whole);
    free(x);
}

static void what_can_not_be_drawn_is_refused(void **state)
{
    float *const x = make_groups(20);
    struct opu_points points = {.values = x, .n = 20, .d = 5};
    struct opu_tsne *tsne;
#define REFUSED(code, part, ...) \
    do { \
        struct opu_tsne_options const how = {.size = sizeof how, __VA_ARGS__}; \
        assert_refused(opu_tsne_create(&tsne, *state, &points, &how), code, part); \
        assert_null(tsne); \
    } while (0)
    REFUSED(OPU_E_INVALID, "perplexity is 20", .perplexity = 20);
    REFUSED(OPU_E_INVALID, "perplexity is 1", .perplexity = 1);
    REFUSED(OPU_E_INVALID, "perplexity is nan", .perplexity = (double)NAN);
    REFUSED(OPU_E_INVALID, "neighbours is 20", .perplexity = 5, .neighbours = 20);
    REFUSED(OPU_E_INVALID, "neighbours is 5", .perplexity = 5, .neighbours = 5);
    REFUSED(OPU_E_INVALID, "learning_rate is -1", .perplexity = 5, .learning_rate = -1);
    REFUSED(OPU_E_INVALID, "init is 7", .perplexity = 5, .init = (enum opu_tsne_init)7);
    struct opu_tsne_options const no_size = {.size = 0};
    assert_refused(opu_tsne_create(&tsne, *state, &points, &no_size), OPU_E_INVALID, "size is 0");
    points.stride = 4;
    REFUSED(OPU_E_INVALID, "stride is 4", .perplexity = 5);
    points.stride = 0;
    points.n = 3;
    REFUSED(OPU_E_INVALID, "saw 3 points", .perplexity = 1.5);
    points.n = 20;
    x[7 * 5 + 3] = NAN;
    REFUSED(OPU_E_NUMERIC, "coordinate 3 of point 7", .perplexity = 5);
    x[7 * 5 + 3] = -INFINITY;
    REFUSED(OPU_E_NUMERIC, "coordinate 3 of point 7", .perplexity = 5);
#undef REFUSED
    free(x);
}

static int draw(struct opu_context *context, void *user)
{
    struct opu_points const points = {.values = user, .n = 30, .d = 5};
    struct opu_tsne_options how = {.size = sizeof how, .perplexity = 4, .iterations = 2};
    for (; how.neighbours <= 12; how.neighbours += 12) {
        struct opu_tsne *tsne;
        int status = opu_tsne_create(&tsne, context, &points, &how);
        if (status == OPU_OK) {
            status = opu_tsne_run(tsne, NULL, NULL);
        }
        opu_tsne_destroy(tsne);
        if (status < 0) {
            return status;
        }
    }
    return OPU_OK;
}

static void lack_of_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    float *const x = make_groups(30);
    assert_survives_no_memory(draw, x);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_that_of_the_divergence),
        cmocka_unit_test(divergence_is_that_of_the_formula),
        cmocka_unit_test(weights_are_symmetric_and_sum_to_one),
        cmocka_unit_test(every_row_reaches_its_perplexity),
        cmocka_unit_test(coinciding_points_share_their_weight),
        cmocka_unit_test(separate_groups_come_out_apart),
        cmocka_unit_test(bits_do_not_depend_on_the_threads),
        cmocka_unit_test(stopped_descent_goes_on),
        cmocka_unit_test(what_can_not_be_drawn_is_refused),
        cmocka_unit_test(lack_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
