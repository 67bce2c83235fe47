/* SPDX-License-Identifier: MIT */
/*
 * Optimisers against plain twins in double at every vector level, and schedules against values
 * worked out by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/train/optim.h"
#include "core/train/schedule.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#define N 40001 /* more than two pieces, and no multiple of a vector */
#define STEPS 20

static struct opu_context *context;
static float values[N], grads[N];

static int max_threads(void)
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

static struct opu_optim_settings settings(int kind)
{
    return (struct opu_optim_settings){.kind = kind,
                                       .lr = 0.01,
                                       .momentum = 0.9,
                                       .beta1 = 0.9,
                                       .beta2 = 0.999,
                                       .eps = 1e-8,
                                       .weight_decay = 0.02,
                                       .step_epochs = 1};
}

/* Gradients of very different sizes, as real ones are. */
static void draw(uint64_t step)
{
    for (size_t i = 0; i < N; i++) {
        struct opu_philox4 const block = opu_philox(5, OPU_STREAM_TEST, (uint32_t)step, i);
        float z[4];
        opu_normal4(block, z);
        grads[i] = z[0] * (float)pow(10, -(double)(i % 7));
    }
}

static void start(void)
{
    for (size_t i = 0; i < N; i++) {
        values[i] = (float)(i % 13) * 0.1f - 0.6f;
    }
}

struct twin {
    double value[N], m[N], v[N];
};

/* The formulas of optim.h, term for term. */
static void twin_step(struct twin *w, const struct opu_optim_settings *s, int t)
{
    for (size_t i = 0; i < N; i++) {
        double const g = (double)grads[i] + s->weight_decay * w->value[i];
        if (s->kind == OPU_OPTIM_SGD) {
            w->m[i] = s->momentum * w->m[i] + g;
            w->value[i] -= s->lr * w->m[i];
            continue;
        }
        w->m[i] = s->beta1 * w->m[i] + (1 - s->beta1) * g;
        w->v[i] = s->beta2 * w->v[i] + (1 - s->beta2) * g * g;
        double const m = w->m[i] / (1 - pow(s->beta1, t));
        double const v = w->v[i] / (1 - pow(s->beta2, t));
        w->value[i] -= s->lr * m / (sqrt(v) + s->eps);
    }
}

static void agrees_with_twin(int kind)
{
    struct opu_optim_settings const s = settings(kind);
    struct twin *twin = calloc(1, sizeof *twin);
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (!opu_isa_usable((enum opu_isa)level)) {
            continue;
        }
        struct opu_params const all = {values, grads, N};
        struct opu_optim optim;
        assert_int_equal(opu_optim_init(&optim, context, &s, all), OPU_OK);
        optim.isa = (enum opu_isa)level;
        start();
        memset(twin, 0, sizeof *twin);
        for (size_t i = 0; i < N; i++) {
            twin->value[i] = (double)values[i];
        }
        for (int t = 1; t <= STEPS; t++) {
            draw((uint64_t)t);
            opu_optim_begin(&optim, s.lr);
            assert_true(opu_optim_update(&optim, all));
            twin_step(twin, &s, t);
        }
        for (size_t i = 0; i < N; i++) {
            /*
             * Each step rounds a value below 2 once (half an ulp, 1.2e-7 x 0.5 x 2) and a change of
             * about lr to a few ulp; the weight decay's part of g may cancel the gradient, where
             * adam's quotient m / sqrt(v) keeps the relative error of g: 1e-7 x lr for each step.
             * Twenty steps.
             */
            assert_true(fabs((double)values[i] - twin->value[i]) < STEPS * 2.5e-7);
        }
        opu_optim_fini(&optim);
    }
    free(twin);
}

static void adam_follows_its_formula_at_every_vector_level(void **state)
{
    (void)state;
    agrees_with_twin(OPU_OPTIM_ADAM);
}

static void sgd_follows_its_formula_at_every_vector_level(void **state)
{
    (void)state;
    agrees_with_twin(OPU_OPTIM_SGD);
}

static void first_adam_step_is_the_rate_against_the_sign(void **state)
{
    (void)state;
    /* With t = 1 both corrections cancel: p -= lr g / (|g| + eps). */
    struct opu_optim_settings s = settings(OPU_OPTIM_ADAM);
    s.weight_decay = 0;
    float value[3] = {1, 1, 1}, grad[3] = {0.5f, -3, 0};
    struct opu_params const all = {value, grad, 3};
    struct opu_optim optim;
    assert_int_equal(opu_optim_init(&optim, context, &s, all), OPU_OK);
    opu_optim_begin(&optim, s.lr);
    assert_true(opu_optim_update(&optim, all));
    assert_true(fabs((double)value[0] - 0.99) < 1e-6); /* a few roundings of numbers near 1 */
    assert_true(fabs((double)value[1] - 1.01) < 1e-6);
    assert_true(value[2] == 1.0f);
    opu_optim_fini(&optim);
}

static void levels_and_threads_give_the_same_bits(void **state)
{
    (void)state;
    struct opu_optim_settings const s = settings(OPU_OPTIM_ADAM);
    struct opu_params const all = {values, grads, N};
    float *first = malloc(sizeof values);
    bool have = false;
    int const threads = max_threads();
    for (int run = 0; run < 2 * OPU_ISA_COUNT; run++) {
        if (!opu_isa_usable((enum opu_isa)(run / 2))) {
            continue;
        }
        set_threads(1 + run % 2 * 2);
        struct opu_optim optim;
        assert_int_equal(opu_optim_init(&optim, context, &s, all), OPU_OK);
        optim.isa = (enum opu_isa)(run / 2);
        start();
        for (uint64_t t = 1; t <= 3; t++) {
            draw(t);
            opu_optim_begin(&optim, s.lr);
            assert_true(opu_optim_update(&optim, all));
        }
        opu_optim_fini(&optim);
        if (have) {
            assert_memory_equal(first, values, sizeof values);
        }
        memcpy(first, values, sizeof values);
        have = true;
    }
    set_threads(threads);
    free(first);
}

static void a_step_by_blocks_is_the_step_of_all(void **state)
{
    (void)state;
    struct opu_optim_settings const s = settings(OPU_OPTIM_ADAM);
    struct opu_params const all = {values, grads, N};
    float *whole = malloc(sizeof values);
    for (int blocks = 0; blocks < 2; blocks++) {
        struct opu_optim optim;
        assert_int_equal(opu_optim_init(&optim, context, &s, all), OPU_OK);
        start();
        for (uint64_t t = 1; t <= 2; t++) {
            draw(t);
            opu_optim_begin(&optim, s.lr);
            size_t const cut = blocks ? 17000 : 0;
            assert_true(
                opu_optim_update(&optim, (struct opu_params){values + cut, grads + cut, N - cut}));
            assert_true(opu_optim_update(&optim, (struct opu_params){values, grads, cut}));
        }
        opu_optim_fini(&optim);
        if (blocks) {
            assert_memory_equal(whole, values, sizeof values);
        }
        memcpy(whole, values, sizeof values);
    }
    free(whole);
}

static void a_parameter_that_is_no_number_is_told_wherever_it_is(void **state)
{
    (void)state;
    size_t const where[] = {0, 16383, 16384, 32768, N - 1};
    for (int kind = 0; kind < 2; kind++) {
        struct opu_optim_settings const s = settings(kind);
        struct opu_params const all = {values, grads, N};
        for (int level = 0; level < OPU_ISA_COUNT; level++) {
            for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
                if (!opu_isa_usable((enum opu_isa)level)) {
                    continue;
                }
                struct opu_optim optim;
                assert_int_equal(opu_optim_init(&optim, context, &s, all), OPU_OK);
                optim.isa = (enum opu_isa)level;
                start();
                draw(1);
                opu_optim_begin(&optim, s.lr);
                assert_true(opu_optim_update(&optim, all));
                grads[where[i]] = i % 2 ? NAN : INFINITY;
                opu_optim_begin(&optim, s.lr);
                assert_false(opu_optim_update(&optim, all));
                opu_optim_fini(&optim);
            }
        }
    }
}

static void rates_follow_their_schedules(void **state)
{
    (void)state;
    struct opu_schedule_span const span = {.steps_per_epoch = 10, .epochs = 4};
    struct opu_optim_settings s = settings(OPU_OPTIM_ADAM);
    double const tiny = 4 * DBL_EPSILON; /* a few roundings */
    assert_true(fabs(opu_schedule_lr(&s, span, 39) - 0.01) <= tiny);
    s.schedule = OPU_SCHEDULE_COSINE;
    assert_true(fabs(opu_schedule_lr(&s, span, 0) - 0.01) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 20) - 0.005) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 10) - 0.01 * (1 + sqrt(0.5)) / 2) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 40)) <= tiny);
    s.floor = 0.1;
    assert_true(fabs(opu_schedule_lr(&s, span, 40) - 0.001) <= tiny);
    s.schedule = OPU_SCHEDULE_STEP;
    s.step_epochs = 2;
    s.step_factor = 0.5;
    assert_true(fabs(opu_schedule_lr(&s, span, 19) - 0.01) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 20) - 0.005) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 39) - 0.005) <= tiny);
    s.schedule = OPU_SCHEDULE_CONSTANT;
    s.warmup_steps = 4;
    assert_true(fabs(opu_schedule_lr(&s, span, 0) - 0.002) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 3) - 0.008) <= tiny);
    assert_true(fabs(opu_schedule_lr(&s, span, 4) - 0.01) <= tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam_follows_its_formula_at_every_vector_level),
        cmocka_unit_test(sgd_follows_its_formula_at_every_vector_level),
        cmocka_unit_test(first_adam_step_is_the_rate_against_the_sign),
        cmocka_unit_test(levels_and_threads_give_the_same_bits),
        cmocka_unit_test(a_step_by_blocks_is_the_step_of_all),
        cmocka_unit_test(a_parameter_that_is_no_number_is_told_wherever_it_is),
        cmocka_unit_test(rates_follow_their_schedules),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("optim", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
