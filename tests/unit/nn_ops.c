/* SPDX-License-Identifier: MIT */
/*
 * Every operation: its float form against its twin in double over random shapes, its twin's
 * backward against finite differences, and the same bits for any number of threads. OPU_TEST_SEED
 * repeats a run; NN_OPS_VERBOSE=1 prints the worst difference of each.
 */
#include "nn_op_cases.h"

#include <stdio.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#define UNIT_ROUNDOFF 0x1p-24 /* of float */

static uint64_t test_seed = 20240601;

/* A call in float and in double over the same numbers. */
struct pair {
    const struct op_case *of;
    struct spec spec;
    struct opu_op_call f, d;
    struct opu_shape out;
    size_t n[OPU_OP_INPUTS], n_out, stride_out;
    bool loss, same_memory; /* out is in[0]'s */
};

static size_t columns_of(const struct opu_shape *shape)
{
    return shape->columns > 0 ? shape->columns : 1;
}

static size_t rows_of(const struct spec *spec, const struct opu_shape *shape)
{
    return shape->batch ? shape->rows * spec->rows : shape->rows;
}

static void fill_integers(struct pair *pair, size_t k, struct numbers *numbers)
{
    int32_t *const labels = make(pair->n[k], sizeof *labels);
    for (size_t i = 0; i < pair->n[k]; i++) {
        labels[i] = (int32_t)numbers_below(numbers, pair->spec.below[k]);
    }
    pair->f.in[k].data = labels;
    pair->d.in[k].data = labels;
}

static float value_for(enum fill fill, float least, size_t i, struct numbers *numbers)
{
    float const x = numbers_next(numbers);
    switch (fill) {
    case FILL_UNIT:
        return 0.5f + 0.5f * x;
    case FILL_MASK:
        return i == 0 ? 2.0f : (float)(int)(2.9f * fabsf(x));
    default:
        return fabsf(4.0f * x) < least ? least : 4.0f * x;
    }
}

static void fill_input(struct pair *pair, size_t k, struct numbers *numbers)
{
    size_t const n = pair->n[k];
    enum fill const fill = pair->spec.fill[k];
    if (fill == FILL_SPARSE) {
        pair->f.in[k].data = &pair->spec.matrix;
        pair->d.in[k].data = &pair->spec.matrix;
        return;
    }
    if (fill == FILL_INDEX) {
        fill_integers(pair, k, numbers);
        return;
    }
    float *const x = make(n, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = value_for(fill, (float)pair->of->least, i, numbers);
    }
    pair->f.in[k].data = x;
    pair->d.in[k].data = as_doubles(x, n);
    if (fill != FILL_NUMBERS) {
        return;
    }
    /* gradients hold numbers already, so that adding and overwriting differ */
    float *const g = make_numbers(numbers, n);
    pair->f.in[k].grad = g;
    pair->d.in[k].grad = as_doubles(g, n);
    pair->f.in[k].grad_stride = pair->d.in[k].grad_stride = columns_of(&pair->spec.in[k]);
}

static void make_out(struct pair *pair, struct numbers *numbers)
{
    size_t const rows = rows_of(&pair->spec, &pair->out);
    pair->n_out = rows * columns_of(&pair->out);
    /* out's gradient is strided, as a tap's slice of a wider feedback is */
    pair->stride_out = columns_of(&pair->out) + 3;
    float *const g = make_numbers(numbers, rows * pair->stride_out);
    pair->f.out = (struct opu_operand){.data = make(pair->n_out, sizeof(struct opu_loss)),
                                       .grad = g,
                                       .rows = rows,
                                       .columns = pair->out.columns,
                                       .batch = pair->out.batch,
                                       .grad_stride = pair->stride_out};
    pair->d.out = pair->f.out;
    pair->d.out.data = make(pair->n_out, sizeof(struct opu_loss));
    pair->d.out.grad = as_doubles(g, rows * pair->stride_out);
}

static void make_pair(struct pair *pair, const struct op_case *of, const struct sizes *sizes,
                      bool accumulate, struct numbers *numbers)
{
    *pair = (struct pair){
        .of = of,
        .spec = {.rows = sizes->rows},
        .loss = (of->op->flags & OPU_OP_LOSS) != 0,
        .same_memory = (of->op->flags & (OPU_OP_PASS | OPU_OP_VIEW)) != 0,
    };
    struct spec *const spec = &pair->spec;
    of->draw(spec, sizes, numbers);
    pair->f.rows = pair->d.rows = spec->rows;
    pair->f.n_in = pair->d.n_in = spec->n_in;
    pair->f.attr = pair->d.attr = spec->attr;
    pair->f.training = pair->d.training = true;
    pair->f.seed = pair->d.seed = test_seed;
    pair->f.step = pair->d.step = sizes->in;
    for (size_t k = 0; k < spec->n_in; k++) {
        size_t const rows = rows_of(spec, &spec->in[k]);
        pair->n[k] = rows * columns_of(&spec->in[k]);
        fill_input(pair, k, numbers);
        struct opu_operand *const both[] = {&pair->f.in[k], &pair->d.in[k]};
        for (size_t b = 0; b < 2; b++) {
            both[b]->rows = rows;
            both[b]->columns = spec->in[k].columns;
            both[b]->batch = spec->in[k].batch;
            both[b]->accumulate = accumulate;
        }
    }
    if (of->op->infer(&pair->out, spec->in, spec->n_in, spec->attr) < 0) {
        fail_msg("%s: %s", of->name, opu_error_message());
    }
    make_out(pair, numbers);
    if (of->op->saved != NULL) {
        size_t const bytes = pair->f.in[0].rows * of->op->saved(spec->in, spec->n_in);
        pair->f.saved = make(bytes, 1);
        pair->d.saved = make(bytes, 1);
    }
}

static void free_pair(struct pair *pair)
{
    for (size_t k = 0; k < pair->spec.n_in; k++) {
        if (pair->spec.fill[k] == FILL_SPARSE) {
            continue;
        }
        if (pair->f.in[k].data != pair->d.in[k].data) {
            free(pair->d.in[k].data);
        }
        free(pair->f.in[k].data);
        free(pair->f.in[k].grad);
        free(pair->d.in[k].grad);
    }
    opu_csr_free(NULL, &pair->spec.matrix);
    free(pair->f.out.data);
    free(pair->f.out.grad);
    free(pair->d.out.data);
    free(pair->d.out.grad);
    free(pair->f.saved);
    free(pair->d.saved);
}

static void forward_double(struct pair *pair)
{
    pair->of->op->forward_ref(&pair->d);
    if (pair->same_memory) {
        memcpy(pair->d.out.data, pair->d.in[0].data, pair->n[0] * sizeof(double));
    }
}

static void forward_float(struct pair *pair)
{
    pair->of->op->forward(&pair->f);
    if (pair->same_memory) {
        memcpy(pair->f.out.data, pair->f.in[0].data, pair->n[0] * sizeof(float));
    }
}

static void backward_both(struct pair *pair)
{
    if (pair->of->op->backward != NULL) {
        pair->of->op->backward(&pair->f);
        pair->of->op->backward_ref(&pair->d);
    }
}

/* --- float against double --- */

static void make_absolute(double *x, size_t n)
{
    for (size_t i = 0; x != NULL && i < n; i++) {
        x[i] = fabs(x[i]);
    }
}

/* What the twin gives for absolute values; a fresh pair of the same draws, of which only d is run.
 */
static void run_on_magnitudes(struct pair *pair)
{
    for (size_t k = 0; k < pair->spec.n_in; k++) {
        if (pair->spec.fill[k] == FILL_NUMBERS) {
            make_absolute(pair->d.in[k].data, pair->n[k]);
            make_absolute(pair->d.in[k].grad, pair->n[k]);
        }
    }
    for (size_t e = 0; pair->spec.matrix.value != NULL && e < pair->spec.matrix.count; e++) {
        pair->spec.matrix.value[e] = fabsf(pair->spec.matrix.value[e]);
    }
    make_absolute(pair->d.out.grad, pair->d.out.rows * pair->stride_out);
    forward_double(pair);
    if (pair->of->op->backward != NULL) {
        pair->of->op->backward_ref(&pair->d);
    }
}

static void check_array(const struct pair *pair, const float *seen, const double *wanted,
                        const double *magnitude, size_t n)
{
    double const rounding = UNIT_ROUNDOFF * ((double)pair->spec.terms + pair->of->plus + 1.0);
    for (size_t i = 0; i < n; i++) {
        double const size = pair->of->magnitude > 0.0 ? pair->of->magnitude : magnitude[i];
        check_within(pair->of->name, i, (double)seen[i], wanted[i], rounding * size);
    }
}

static void check_against(const struct pair *pair, const struct pair *magnitudes)
{
    if (pair->loss) {
        const struct opu_loss *const f = pair->f.out.data;
        const struct opu_loss *const d = pair->d.out.data;
        check_within(pair->of->name, 0, f->mean, d->mean,
                     UNIT_ROUNDOFF * pair->of->plus * pair->of->magnitude);
        assert_int_equal(f->correct, d->correct);
    } else {
        check_array(pair, pair->f.out.data, pair->d.out.data, magnitudes->d.out.data, pair->n_out);
    }
    for (size_t k = 0; k < pair->spec.n_in; k++) {
        if (pair->f.in[k].grad != NULL) {
            check_array(pair, pair->f.in[k].grad, pair->d.in[k].grad, magnitudes->d.in[k].grad,
                        pair->n[k]);
        }
    }
}

/* Random, with one row, one column and sizes around the width of vectors and pieces of work among
 * them. */
static struct sizes draw_sizes(struct numbers *numbers, size_t run)
{
    static const struct sizes edges[] = {{1, 1, 1},  {1, 33, 17},   {5, 1, 3},
                                         {7, 16, 1}, {300, 65, 64}, {129, 130, 31}};
    size_t const n_edges = sizeof edges / sizeof edges[0];
    if (run < n_edges) {
        return edges[run];
    }
    return (struct sizes){1 + numbers_below(numbers, 70), 1 + numbers_below(numbers, 70),
                          1 + numbers_below(numbers, 40)};
}

static void each_operation_agrees_with_its_twin(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed};
    for (size_t c = 0; c < n_op_cases; c++) {
        for (size_t run = 0; run < 16; run++) {
            struct sizes const sizes = draw_sizes(&numbers, run);
            struct numbers again = numbers;
            struct pair pair;
            struct pair magnitudes;
            make_pair(&pair, &op_cases[c], &sizes, run % 2 == 1, &numbers);
            make_pair(&magnitudes, &op_cases[c], &sizes, run % 2 == 1, &again);
            run_on_magnitudes(&magnitudes);
            forward_float(&pair);
            forward_double(&pair);
            backward_both(&pair);
            check_against(&pair, &magnitudes);
            free_pair(&pair);
            free_pair(&magnitudes);
        }
    }
}

static void gradients_that_nobody_wants_are_not_written(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed + 1};
    for (size_t c = 0; c < n_op_cases; c++) {
        for (size_t skip = 0; skip < OPU_OP_INPUTS; skip++) {
            struct sizes const sizes = {9, 6, 5};
            struct numbers again = numbers;
            struct pair pair;
            struct pair magnitudes;
            make_pair(&pair, &op_cases[c], &sizes, false, &numbers);
            make_pair(&magnitudes, &op_cases[c], &sizes, false, &again);
            run_on_magnitudes(&magnitudes);
            free(pair.f.in[skip].grad);
            free(pair.d.in[skip].grad);
            pair.f.in[skip].grad = NULL;
            pair.d.in[skip].grad = NULL;
            forward_float(&pair);
            forward_double(&pair);
            backward_both(&pair);
            check_against(&pair, &magnitudes);
            free_pair(&pair);
            free_pair(&magnitudes);
        }
    }
}

/* --- finite differences --- */

/* The twin's scalar: the loss, or the sum of out times its gradient. */
static double scalar(struct pair *pair)
{
    forward_double(pair);
    if (pair->loss) {
        return ((const struct opu_loss *)pair->d.out.data)->mean;
    }
    const double *const y = pair->d.out.data;
    size_t const columns = columns_of(&pair->out);
    double sum = 0.0;
    for (size_t i = 0; i < pair->n_out; i++) {
        sum +=
            y[i] * ((const double *)pair->d.out.grad)[i / columns * pair->stride_out + i % columns];
    }
    return sum;
}

static double check_differences(struct pair *pair, size_t k)
{
    double const step = 1e-5;
    double *const x = pair->d.in[k].data;
    double *const told = make(pair->n[k], sizeof *told);
    double worst = 0.0;
    memcpy(told, pair->d.in[k].grad, pair->n[k] * sizeof *told);
    for (size_t i = 0; i < pair->n[k]; i++) {
        double const middle = x[i];
        x[i] = middle + step;
        double const above = scalar(pair);
        x[i] = middle - step;
        double const below = scalar(pair);
        x[i] = middle;
        double const slope = (above - below) / (2.0 * step);
        /* central differences err by step^2 |f'''| / 6 < 1e-9 here, and 2^-53 |f| / step, where f
         * sums up to a few hundred products: 1e-8 */
        check_within(pair->of->name, i, told[i], slope, 1e-6 * fabs(slope) + 1e-8);
        worst = fmax(worst, fabs(told[i] - slope));
    }
    free(told);
    return worst;
}

static void each_twin_agrees_with_finite_differences(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed + 2};
    for (size_t c = 0; c < n_op_cases; c++) {
        double worst = 0.0;
        for (size_t run = 0; run < 4; run++) {
            struct sizes const sizes = {1 + numbers_below(&numbers, 5),
                                        1 + numbers_below(&numbers, 6),
                                        1 + numbers_below(&numbers, 5)};
            struct pair pair;
            make_pair(&pair, &op_cases[c], &sizes, false, &numbers);
            forward_double(&pair);
            if (pair.of->op->backward_ref != NULL) {
                pair.of->op->backward_ref(&pair.d);
            }
            for (size_t k = 0; k < pair.spec.n_in; k++) {
                if (pair.spec.fill[k] == FILL_NUMBERS) {
                    worst = fmax(worst, check_differences(&pair, k));
                }
            }
            free_pair(&pair);
        }
        if (getenv("NN_OPS_VERBOSE") != NULL) {
            (void)fprintf(stderr, "%-28s %.1e\n", op_cases[c].name, worst);
        }
    }
}

/* --- the table, memory, threads --- */

static void each_operation_of_the_table_has_a_case(void **state)
{
    (void)state;
    for (size_t i = 0; opu_op_at(i) != NULL; i++) {
        bool found = false;
        for (size_t c = 0; c < n_op_cases; c++) {
            found = found || op_cases[c].op == opu_op_at(i);
        }
        if (!found) {
            fail_msg("operation %s has no case", opu_op_at(i)->name);
        }
    }
}

static void an_operation_in_place_gives_the_same_bits(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed + 3};
    for (size_t c = 0; c < n_op_cases; c++) {
        if ((op_cases[c].op->flags & OPU_OP_IN_PLACE) == 0) {
            continue;
        }
        struct sizes const sizes = {37, 1023, 1};
        struct pair pair;
        make_pair(&pair, &op_cases[c], &sizes, false, &numbers);
        pair.of->op->forward(&pair.f);
        struct opu_op_call over = pair.f;
        over.out.data = over.in[0].data;
        pair.of->op->forward(&over);
        assert_memory_equal(over.out.data, pair.f.out.data, pair.n_out * sizeof(float));
        free_pair(&pair);
    }
}

static void run_with_threads(struct pair *pair, int threads)
{
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
    forward_float(pair);
    if (pair->of->op->backward != NULL) {
        pair->of->op->backward(&pair->f);
    }
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed + 4};
    for (size_t c = 0; c < n_op_cases; c++) {
        struct sizes const sizes = {601, 130, 60};
        struct numbers again = numbers;
        struct pair one;
        struct pair three;
        if (op_cases[c].blas) {
            continue;
        }
        make_pair(&one, &op_cases[c], &sizes, c % 2 == 0, &numbers);
        make_pair(&three, &op_cases[c], &sizes, c % 2 == 0, &again);
        run_with_threads(&one, 1);
        run_with_threads(&three, 3);
        size_t const bytes = one.loss ? sizeof(struct opu_loss) : one.n_out * sizeof(float);
        assert_memory_equal(one.f.out.data, three.f.out.data, bytes);
        for (size_t k = 0; k < one.spec.n_in; k++) {
            if (one.f.in[k].grad != NULL) {
                assert_memory_equal(one.f.in[k].grad, three.f.in[k].grad, one.n[k] * sizeof(float));
            }
        }
        free_pair(&one);
        free_pair(&three);
    }
}

int main(void)
{
    const char *const text = getenv("OPU_TEST_SEED");
    if (text != NULL) {
        test_seed = strtoull(text, NULL, 10);
    }
    (void)fprintf(stderr, "seed %llu\n", (unsigned long long)test_seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_agrees_with_its_twin),
        cmocka_unit_test(gradients_that_nobody_wants_are_not_written),
        cmocka_unit_test(each_twin_agrees_with_finite_differences),
        cmocka_unit_test(each_operation_of_the_table_has_a_case),
        cmocka_unit_test(an_operation_in_place_gives_the_same_bits),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
