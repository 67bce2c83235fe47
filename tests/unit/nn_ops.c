/* SPDX-License-Identifier: MIT */
/*
 * Every operation: its float form against its twin in double over random shapes, its twin's
 * backward against finite differences. OPU_TEST_SEED repeats a run.
 */
#include "nn_check.h"

#include <stdio.h>

#include "core/nn/ops.h"

#define MAX_INPUTS 3
#define UNIT_ROUNDOFF 0x1p-24 /* of float */

/* What stands for `rows`, `in` and `out` of a drawn shape. */
enum dim { DIM_ONE = 0, DIM_ROWS, DIM_IN, DIM_OUT, DIM_NONE };

struct op_case {
    const struct opu_op *op;
    const char *name;
    size_t n_in;
    enum dim shape[MAX_INPUTS][2];
    bool integer[MAX_INPUTS];
    double least; /* no input lies nearer to zero: a kink there has no derivative */
    /* Rounding of one element in units of 2^-24 of the sum of magnitudes: terms * of + plus. */
    enum dim terms;
    double plus;
};

/*
 * linear: n products summed in any order err by at most n + 1 roundings of the sum of magnitudes
 * (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1). The rest: functions of vmath are
 * within 4 ULP = 8 roundings; the derivative of tanh adds those of y, y^2, 1 - y^2 and the product;
 * a softmax a sum of double, an exp whose argument was rounded (logits up to 8 wide: 8 roundings
 * more) and two products.
 */
static const struct op_case cases[] = {
    {.op = &opu_op_linear,
     .name = "linear with bias",
     .n_in = 3,
     .shape = {{DIM_ROWS, DIM_IN}, {DIM_OUT, DIM_IN}, {DIM_OUT, DIM_NONE}},
     .terms = DIM_IN,
     .plus = 2},
    {.op = &opu_op_linear,
     .name = "linear without bias",
     .n_in = 2,
     .shape = {{DIM_ROWS, DIM_IN}, {DIM_OUT, DIM_IN}},
     .terms = DIM_IN,
     .plus = 2},
    {.op = &opu_op_relu,
     .name = "relu",
     .n_in = 1,
     .shape = {{DIM_ROWS, DIM_IN}},
     .least = 1e-2,
     .plus = 1},
    {.op = &opu_op_tanh, .name = "tanh", .n_in = 1, .shape = {{DIM_ROWS, DIM_IN}}, .plus = 24},
    {.op = &opu_op_tap, .name = "tap", .n_in = 1, .shape = {{DIM_ROWS, DIM_IN}}, .plus = 1},
    {.op = &opu_op_softmax_xent,
     .name = "softmax_xent",
     .n_in = 2,
     .shape = {{DIM_ROWS, DIM_IN}, {DIM_ROWS, DIM_ONE}},
     .integer = {false, true},
     .plus = 40},
};

#define N_CASES (sizeof cases / sizeof cases[0])

static uint64_t test_seed = 20240601;

struct drawn {
    size_t rows, in, out;
};

static size_t extent(const struct drawn *drawn, enum dim dim)
{
    switch (dim) {
    case DIM_ROWS:
        return drawn->rows;
    case DIM_IN:
        return drawn->in;
    case DIM_OUT:
        return drawn->out;
    case DIM_NONE:
        return 0;
    default:
        return 1;
    }
}

/* A call in float and in double over the same numbers. */
struct pair {
    const struct op_case *of;
    struct opu_op_call f, d;
    struct opu_shape in[MAX_INPUTS], out;
    size_t n[MAX_INPUTS], n_out;
    bool loss;
};

static size_t columns_of(const struct opu_shape *shape)
{
    return shape->columns > 0 ? shape->columns : 1;
}

static void fill_input(struct pair *pair, size_t k, struct numbers *numbers)
{
    size_t const n = pair->n[k];
    if (pair->of->integer[k]) {
        int32_t *const labels = make(n, sizeof *labels);
        for (size_t i = 0; i < n; i++) {
            labels[i] = (int32_t)numbers_below(numbers, pair->in[0].columns);
        }
        pair->f.in[k].data = labels;
        pair->d.in[k].data = labels;
        return;
    }
    float *const x = make_numbers(numbers, n);
    for (size_t i = 0; i < n; i++) {
        x[i] *= 4.0f;
        if (fabs((double)x[i]) < pair->of->least) {
            x[i] = (float)pair->of->least;
        }
    }
    pair->f.in[k].data = x;
    pair->d.in[k].data = as_doubles(x, n);
    /* gradients hold numbers already, so that adding and overwriting differ */
    float *const g = make_numbers(numbers, n);
    pair->f.in[k].grad = g;
    pair->d.in[k].grad = as_doubles(g, n);
    pair->f.in[k].grad_stride = pair->d.in[k].grad_stride = columns_of(&pair->in[k]);
}

static void make_pair(struct pair *pair, const struct op_case *of, const struct drawn *drawn,
                      bool accumulate, struct numbers *numbers)
{
    *pair = (struct pair){.of = of, .loss = (of->op->flags & OPU_OP_LOSS) != 0};
    pair->f.rows = pair->d.rows = drawn->rows;
    pair->f.n_in = pair->d.n_in = of->n_in;
    for (size_t k = 0; k < of->n_in; k++) {
        pair->in[k] = (struct opu_shape){
            .dtype = of->integer[k] ? OPU_I32 : OPU_F32,
            .batch = of->shape[k][0] == DIM_ROWS,
            .rows = extent(drawn, of->shape[k][0]),
            .columns = extent(drawn, of->shape[k][1]),
        };
        pair->n[k] = pair->in[k].rows * columns_of(&pair->in[k]);
        fill_input(pair, k, numbers);
        struct opu_operand *const both[] = {&pair->f.in[k], &pair->d.in[k]};
        for (size_t b = 0; b < 2; b++) {
            both[b]->rows = pair->in[k].rows;
            both[b]->columns = pair->in[k].columns;
            both[b]->accumulate = accumulate;
        }
    }
    assert_int_equal(of->op->infer(&pair->out, pair->in, of->n_in, NULL), OPU_OK);
    pair->out.rows = pair->out.batch ? drawn->rows : pair->out.rows;
    pair->n_out = pair->out.rows * columns_of(&pair->out);
    /* out's gradient is strided, as a tap's slice of a wider feedback is */
    size_t const stride = columns_of(&pair->out) + 3;
    float *const g = make_numbers(numbers, pair->out.rows * stride);
    pair->f.out = (struct opu_operand){.data = make(pair->n_out, sizeof(struct opu_loss)),
                                       .grad = g,
                                       .rows = pair->out.rows,
                                       .columns = pair->out.columns,
                                       .grad_stride = stride};
    pair->d.out = pair->f.out;
    pair->d.out.data = make(pair->n_out, sizeof(struct opu_loss));
    pair->d.out.grad = as_doubles(g, pair->out.rows * stride);
    if (of->op->saved != NULL) {
        size_t const bytes = drawn->rows * of->op->saved(pair->in, of->n_in);
        pair->f.saved = make(bytes, 1);
        pair->d.saved = make(bytes, 1);
    }
}

static void free_pair(struct pair *pair)
{
    for (size_t k = 0; k < pair->of->n_in; k++) {
        if (pair->f.in[k].data != pair->d.in[k].data) {
            free(pair->d.in[k].data);
        }
        free(pair->f.in[k].data);
        free(pair->f.in[k].grad);
        free(pair->d.in[k].grad);
    }
    free(pair->f.out.data);
    free(pair->f.out.grad);
    free(pair->d.out.data);
    free(pair->d.out.grad);
    free(pair->f.saved);
    free(pair->d.saved);
}

static void run_forward(struct pair *pair)
{
    pair->of->op->forward(&pair->f);
    pair->of->op->forward_ref(&pair->d);
    if ((pair->of->op->flags & OPU_OP_PASS) != 0) {
        /* out is in[0] */
        memcpy(pair->f.out.data, pair->f.in[0].data, pair->n[0] * sizeof(float));
        memcpy(pair->d.out.data, pair->d.in[0].data, pair->n[0] * sizeof(double));
    }
}

static void run_backward(struct pair *pair)
{
    if (pair->of->op->backward != NULL) {
        pair->of->op->backward(&pair->f);
        pair->of->op->backward_ref(&pair->d);
    }
}

/* Bounds by running the twin on magnitudes: for linear the sum of magnitudes; for the others, whose
 * results and slopes are at most of the size of what goes in, an upper bound of it. */
static void check_float(struct pair *pair, const struct drawn *drawn)
{
    const struct op_case *const of = pair->of;
    double const rounding =
        UNIT_ROUNDOFF * ((of->terms != DIM_ONE ? (double)drawn->in : 0.0) + of->plus);
    double const large = 4.0; /* largest magnitude of inputs */
    if (pair->loss) {
        const struct opu_loss *const f = pair->f.out.data;
        const struct opu_loss *const d = pair->d.out.data;
        check_within(of->name, 0, f->mean, d->mean, rounding * (2.0 * large + 1.0));
        assert_int_equal(f->correct, d->correct);
    } else {
        double const magnitude =
            of->terms != DIM_ONE ? large * large * (double)drawn->in + large : large;
        for (size_t i = 0; i < pair->n_out; i++) {
            check_within(of->name, i, (double)((const float *)pair->f.out.data)[i],
                         ((const double *)pair->d.out.data)[i], rounding * magnitude);
        }
    }
}

static void check_gradients(struct pair *pair, const struct drawn *drawn)
{
    const struct op_case *const of = pair->of;
    /* dx sums over out, dW and db over rows; magnitudes: dy 1, x and w 4, what was there 1 */
    size_t const longest = drawn->rows > drawn->out ? drawn->rows : drawn->out;
    double const terms = of->terms != DIM_ONE ? (double)longest : 1.0;
    double const bound = UNIT_ROUNDOFF * (terms + of->plus + 1.0) * (4.0 * terms + 1.0);
    for (size_t k = 0; k < of->n_in; k++) {
        for (size_t i = 0; !of->integer[k] && i < pair->n[k]; i++) {
            check_within(of->name, i, (double)((const float *)pair->f.in[k].grad)[i],
                         ((const double *)pair->d.in[k].grad)[i], bound);
        }
    }
}

/* Random, with one row, one column and sizes around the width of vectors and pieces of work among
 * them. */
static struct drawn draw(struct numbers *numbers, size_t run)
{
    static const struct drawn edges[] = {{1, 1, 1},  {1, 33, 17},   {5, 1, 3},
                                         {7, 16, 1}, {300, 65, 64}, {129, 130, 131}};
    size_t const n_edges = sizeof edges / sizeof edges[0];
    if (run < n_edges) {
        return edges[run];
    }
    return (struct drawn){1 + numbers_below(numbers, 70), 1 + numbers_below(numbers, 70),
                          1 + numbers_below(numbers, 70)};
}

static void each_operation_agrees_with_its_twin(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed};
    for (size_t c = 0; c < N_CASES; c++) {
        for (size_t run = 0; run < 24; run++) {
            struct drawn const drawn = draw(&numbers, run);
            struct pair pair;
            make_pair(&pair, &cases[c], &drawn, run % 2 == 1, &numbers);
            run_forward(&pair);
            check_float(&pair, &drawn);
            run_backward(&pair);
            check_gradients(&pair, &drawn);
            free_pair(&pair);
        }
    }
}

static void gradients_that_nobody_wants_are_not_written(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed + 1};
    for (size_t c = 0; c < N_CASES; c++) {
        for (size_t skip = 0; skip < cases[c].n_in; skip++) {
            struct drawn const drawn = {9, 6, 5};
            struct pair pair;
            make_pair(&pair, &cases[c], &drawn, false, &numbers);
            free(pair.f.in[skip].grad);
            free(pair.d.in[skip].grad);
            pair.f.in[skip].grad = NULL;
            pair.d.in[skip].grad = NULL;
            run_forward(&pair);
            run_backward(&pair);
            for (size_t k = 0; k < cases[c].n_in; k++) {
                for (size_t i = 0; pair.f.in[k].grad != NULL && i < pair.n[k]; i++) {
                    check_within(cases[c].name, i, (double)((float *)pair.f.in[k].grad)[i],
                                 ((double *)pair.d.in[k].grad)[i], 1e-4);
                }
            }
            free_pair(&pair);
        }
    }
}

/* The twin's scalar: the loss, or the sum of out times its gradient. */
static double scalar(struct pair *pair)
{
    pair->of->op->forward_ref(&pair->d);
    if (pair->loss) {
        return ((const struct opu_loss *)pair->d.out.data)->mean;
    }
    const double *const y =
        (pair->of->op->flags & OPU_OP_PASS) != 0 ? pair->d.in[0].data : pair->d.out.data;
    double sum = 0.0;
    for (size_t i = 0; i < pair->n_out; i++) {
        size_t const row = i / pair->out.columns;
        size_t const column = i % pair->out.columns;
        sum += y[i] * ((const double *)pair->d.out.grad)[row * pair->d.out.grad_stride + column];
    }
    return sum;
}

static void check_differences(struct pair *pair, size_t k)
{
    double const step = 1e-5;
    double *const x = pair->d.in[k].data;
    double *const told = make(pair->n[k], sizeof *told);
    memcpy(told, pair->d.in[k].grad, pair->n[k] * sizeof *told);
    for (size_t i = 0; i < pair->n[k]; i++) {
        double const middle = x[i];
        x[i] = middle + step;
        double const above = scalar(pair);
        x[i] = middle - step;
        double const below = scalar(pair);
        x[i] = middle;
        double const slope = (above - below) / (2.0 * step);
        /* central differences err by step^2 |f'''| / 6 < 1e-9 here, and 2^-53 |f| / step < 1e-9 */
        check_within(pair->of->name, i, told[i], slope, 1e-6 * fabs(slope) + 1e-8);
    }
    free(told);
}

static void each_twin_agrees_with_finite_differences(void **state)
{
    (void)state;
    struct numbers numbers = {.seed = test_seed + 2};
    for (size_t c = 0; c < N_CASES; c++) {
        for (size_t run = 0; run < 4; run++) {
            struct drawn const drawn = {1 + numbers_below(&numbers, 5),
                                        1 + numbers_below(&numbers, 6),
                                        1 + numbers_below(&numbers, 5)};
            struct pair pair;
            make_pair(&pair, &cases[c], &drawn, false, &numbers);
            run_forward(&pair);
            run_backward(&pair);
            for (size_t k = 0; k < cases[c].n_in; k++) {
                if (!cases[c].integer[k]) {
                    check_differences(&pair, k);
                }
            }
            free_pair(&pair);
        }
    }
}

static void each_operation_of_the_table_has_a_case(void **state)
{
    (void)state;
    for (size_t i = 0; opu_op_at(i) != NULL; i++) {
        bool found = false;
        for (size_t c = 0; c < N_CASES; c++) {
            found = found || cases[c].op == opu_op_at(i);
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
    for (size_t c = 0; c < N_CASES; c++) {
        if ((cases[c].op->flags & OPU_OP_IN_PLACE) == 0) {
            continue;
        }
        struct drawn const drawn = {37, 1023, 1};
        struct pair pair;
        make_pair(&pair, &cases[c], &drawn, false, &numbers);
        cases[c].op->forward(&pair.f);
        struct opu_op_call over = pair.f;
        over.out.data = over.in[0].data;
        cases[c].op->forward(&over);
        assert_memory_equal(over.out.data, pair.f.out.data, pair.n_out * sizeof(float));
        free_pair(&pair);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
