/* SPDX-License-Identifier: MIT */
/* Whole small trainings: learning, the run folder, determinism, no allocation in a step, bad
 * numbers. */
#include "train_toy.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <jansson.h>

static const char *const methods[][2] = {
    {"bp", ""}, {"shallow", ""}, {"dfa", TOY_EXACT}, {"dfa", TOY_SIM}};

#define N_METHODS (sizeof methods / sizeof *methods)

static void result_of(const struct opu_train_config *config, struct opu_train_result *result)
{
    struct opu_trainer *trainer;
    *result = (struct opu_train_result){.size = sizeof *result};
    assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, false), OPU_OK);
    assert_int_equal(opu_trainer_run(trainer, NULL, NULL), OPU_OK);
    assert_int_equal(opu_trainer_result(trainer, result), OPU_OK);
    opu_trainer_destroy(trainer);
}

static void every_method_learns_to_tell_the_classes(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_METHODS; i++) {
        struct opu_train_config *config = toy_config(methods[i][0], methods[i][1]);
        toy_set(config, "train.epochs", "12");
        struct opu_train_result result;
        result_of(config, &result);
        /*
         * An untrained network's loss is near ln 10 = 2.3, guessing is right on 0.1 +- 0.04 of 60
         * rows; a head on 16 random features gets part of the way.
         */
        bool const shallow = strcmp(methods[i][0], "shallow") == 0;
        if (result.test_loss > (shallow ? 2.2 : 1.6) ||
            result.test_accuracy < (shallow ? 0.3 : 0.6)) {
            fail_msg("%s %s: loss %g, accuracy %g", methods[i][0], methods[i][1], result.test_loss,
                     result.test_accuracy);
        }
        assert_int_equal(result.epochs, 12);
        assert_int_equal(result.parameters, 784 * 24 + 24 + 24 * 16 + 16 + 16 * 10 + 10);
        assert_true(result.rows_per_second > 0 && result.seconds > 0);
        bool const dfa = strcmp(methods[i][0], "dfa") == 0;
        assert_int_equal(result.n_taps, dfa ? 2 : 0);
        opu_train_config_destroy(config);
    }
}

static void hidden_layers_stay_as_they_are_in_a_shallow_run(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("shallow", "");
    toy_set(config, "train.epochs", "1");
    toy_runs_well(config, "one", false);
    opu_train_config_destroy(config);
    config = toy_config("shallow", "");
    toy_runs_well(config, "three", false);
    opu_train_config_destroy(config);
    struct opu_safetensors *x = toy_checkpoint("one"), *y = toy_checkpoint("three");
    const char *const names[] = {"layers.0.weight", "layers.1.weight", "layers.2.weight"};
    size_t const bytes[] = {784 * 24 * 4, 24 * 16 * 4, 16 * 10 * 4};
    for (size_t i = 0; i < 3; i++) {
        const void *a = opu_safetensors_find(x, names[i])->data;
        const void *b = opu_safetensors_find(y, names[i])->data;
        assert_int_equal(memcmp(a, b, bytes[i]) == 0, i < 2);
    }
    opu_safetensors_close(x);
    opu_safetensors_close(y);
}

static void same_seed_gives_the_same_bytes_and_another_does_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_METHODS; i++) {
        struct opu_train_config *config = toy_config(methods[i][0], methods[i][1]);
        char a[16], b[16], c[16];
        (void)snprintf(a, sizeof a, "a%zu", i);
        (void)snprintf(b, sizeof b, "b%zu", i);
        (void)snprintf(c, sizeof c, "c%zu", i);
        toy_runs_well(config, a, false);
        toy_runs_well(config, b, false);
        toy_set(config, "train.seed", "2");
        toy_runs_well(config, c, false);
        assert_true(toy_same_file(a, b, "metrics.jsonl"));
        assert_true(toy_same_file(a, b, "manifest.json"));
        assert_true(toy_same_file(a, b, "config.ini"));
        assert_true(toy_same_tensors(a, b));
        assert_false(toy_same_file(a, c, "metrics.jsonl"));
        assert_false(toy_same_tensors(a, c));
        opu_train_config_destroy(config);
    }
}

static double number(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value && json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void metrics_have_a_line_for_every_epoch(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_SIM);
    toy_set(config, "align.every", "2");
    toy_runs_well(config, "run", false);
    opu_train_config_destroy(config);
    size_t n;
    char *text = toy_read("run", "metrics.jsonl", &n), *at = text;
    double frames = 0;
    for (int epoch = 0; epoch <= 3; epoch++) {
        json_t *line = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(line);
        assert_true(number(line, "epoch") == epoch);
        assert_int_equal(isnan(number(line, "train_loss")), epoch == 0);
        assert_int_equal(isnan(number(line, "lr")), epoch == 0);
        assert_true(number(line, "test_loss") > 0);
        double const accuracy = number(line, "test_accuracy") * TOY_TEST;
        assert_true(fabs(accuracy - round(accuracy)) < 1e-6); /* a whole number of rows */
        const json_t *taps = json_object_get(line, "alignment");
        assert_int_equal(json_array_size(taps), epoch % 2 == 0 ? 2 : 0);
        assert_true(number(line, "frames") > frames);
        frames = number(line, "frames");
        json_decref(line);
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(*at, 0);
    free(text);
    json_t *manifest;
    text = toy_read("run", "manifest.json", &n);
    manifest = json_loads(text, 0, NULL);
    assert_non_null(manifest);
    assert_int_equal(json_object_size(json_object_get(manifest, "data")), 4);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(manifest, "device"), "uri")), TOY_SIM);
    json_decref(manifest);
    free(text);
}

/* Counts calls, so that a step can be shown to make none. */
struct counter {
    atomic_size_t n;
    size_t before, steps;
};

static void *count_alloc(void *user, size_t size, size_t alignment)
{
    struct counter *counter = user;
    atomic_fetch_add(&counter->n, 1);
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void count_free(void *user, void *memory)
{
    struct counter *counter = user;
    atomic_fetch_add(&counter->n, memory != NULL);
    free(memory);
}

static int compare_count(void *user, const struct opu_train_progress *progress)
{
    struct counter *counter = user;
    size_t const now = atomic_load(&counter->n);
    if (progress->step > 0) {
        assert_int_equal(now, counter->before);
        counter->steps++;
    }
    counter->before = now;
    return 0;
}

static struct counter counter;

/*
 * The large one is wide enough for every loop to go parallel (the thresholds of core/nn are 16384
 * elements, a step has 128 x 256), whatever number of threads the machine has.
 */
static void a_step_allocates_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *hidden, *batch;
        size_t steps;
    } sizes[] = {{"24,16", "32", TOY_STEPS}, {"256,256", "128", 3}};
    struct opu_context_options const options = {
        .size = sizeof options,
        .threads = 2,
        .allocator = {.user = &counter, .alloc = count_alloc, .free = count_free}};
    opu_context_destroy(context);
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    for (size_t i = 0; i < 2 * N_METHODS; i++) {
        const char *const *method = methods[i / 2];
        counter = (struct counter){0};
        struct opu_train_config *config = toy_config(method[0], method[1]);
        toy_set(config, "model.hidden", sizes[i % 2].hidden);
        toy_set(config, "train.batch", sizes[i % 2].batch);
        toy_set(config, "probe.every", "2");
        toy_set(config, "probe.recalibrate", "0"); /* calibrating takes memory */
        struct opu_trainer *trainer;
        assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, false), OPU_OK);
        assert_true(atomic_load(&counter.n) > 10); /* it does count */
        assert_int_equal(opu_trainer_run(trainer, compare_count, &counter), OPU_OK);
        assert_int_equal(counter.steps, 3 * sizes[i % 2].steps);
        opu_trainer_destroy(trainer);
        opu_train_config_destroy(config);
    }
}

static void *fail_alloc(void *user, size_t size, size_t alignment)
{
    struct counter *left = user;
    size_t const n = atomic_load(&left->n);
    if (n == 0) {
        return NULL;
    }
    atomic_store(&left->n, n - 1);
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void plain_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* Creates a trainer with memory for n allocations. */
static int create_with(size_t n, const char *method, const char *device)
{
    struct opu_context_options const options = {
        .size = sizeof options,
        .allocator = {.user = &counter, .alloc = fail_alloc, .free = plain_free}};
    atomic_store(&counter.n, SIZE_MAX);
    opu_context_destroy(context);
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    struct opu_train_config *config = toy_config(method, device);
    struct opu_trainer *trainer;
    atomic_store(&counter.n, n);
    int const status = opu_trainer_create(&trainer, context, config, NULL, false);
    assert_int_equal(trainer != NULL, status == OPU_OK);
    opu_trainer_destroy(trainer);
    opu_train_config_destroy(config);
    return status;
}

static void memory_that_runs_out_anywhere_is_told_and_given_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_METHODS; i++) {
        int status = OPU_E_NO_MEMORY;
        size_t n = 0;
        for (; status != OPU_OK && n < 2000; n++) {
            status = create_with(n, methods[i][0], methods[i][1]);
            if (status != OPU_OK && status != OPU_E_NO_MEMORY) {
                fail_msg("allocation %zu: %s: %s", n, opu_status_name(status), opu_error_message());
            }
        }
        assert_int_equal(status, OPU_OK);
        assert_true(n > 20);
    }
}

struct seen {
    uint64_t calls, epochs;
    double loss;
};

static int look(void *user, const struct opu_train_progress *progress)
{
    struct seen *seen = user;
    assert_int_equal(progress->size, sizeof *progress);
    assert_int_equal(progress->epochs, 3);
    assert_int_equal(progress->steps, TOY_STEPS);
    assert_false(isnan(progress->test_loss));
    if (progress->step == 0) {
        assert_int_equal(progress->epoch, seen->epochs);
        seen->epochs++;
    } else {
        assert_int_equal(progress->epoch, seen->epochs);
        assert_int_equal(progress->step, 1 + seen->calls % TOY_STEPS);
        assert_true(progress->train_loss > 0 && progress->train_accuracy <= 1);
        assert_true(progress->rows_per_second > 0);
        assert_true(progress->seconds_left >= 0);
        seen->calls++;
    }
    return 0;
}

static void progress_is_told_for_every_step_and_epoch(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    struct opu_trainer *trainer;
    struct seen seen = {0};
    assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, false), OPU_OK);
    assert_int_equal(opu_trainer_run(trainer, look, &seen), OPU_OK);
    assert_int_equal(seen.calls, 3 * TOY_STEPS);
    assert_int_equal(seen.epochs, 4); /* the untrained network is epoch 0 */
    opu_trainer_destroy(trainer);
    opu_train_config_destroy(config);
}

static int spoil(void *user, const struct opu_train_progress *progress)
{
    struct opu_trainer *trainer = user;
    if (progress->epoch == 2 && progress->step == 4) {
        opu_graph_params(trainer->train.graph).values[5] = NAN;
    }
    return 0;
}

static void a_number_that_is_none_ends_the_run_and_keeps_the_checkpoint(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_METHODS; i++) {
        struct opu_train_config *config = toy_config(methods[i][0], methods[i][1]);
        struct opu_trainer *trainer;
        char run[16], dir[512];
        (void)snprintf(run, sizeof run, "run%zu", i);
        toy_path(dir, run, "");
        assert_int_equal(opu_trainer_create(&trainer, context, config, dir, false), OPU_OK);
        assert_int_equal(opu_trainer_run(trainer, spoil, trainer), OPU_E_NUMERIC);
        toy_said("in epoch 2, step 5");
        toy_said("checkpoint stays");
        opu_trainer_destroy(trainer);
        struct opu_safetensors *kept = toy_checkpoint(run);
        assert_string_equal(opu_safetensors_meta(kept, "epochs"), "1");
        opu_safetensors_close(kept);
        opu_train_config_destroy(config);
    }
}

static void a_rate_too_large_is_told_as_such(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    toy_set(config, "model.activation", "relu");
    toy_set(config, "optim.name", "sgd");
    toy_set(config, "optim.lr", "1000");
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){0}), OPU_E_NUMERIC);
    toy_said("in epoch 1, step");
    opu_train_config_destroy(config);
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
    const char *const hidden[] = {"0",   "10,",   ",10", "10,,10",
                                  "ten", "65537", "-3",  "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        struct opu_train_config *config = toy_config("bp", "");
        toy_set(config, "model.hidden", hidden[i]);
        assert_int_equal(toy_run(config, "run", false, (struct toy_stop){0}), OPU_E_INVALID);
        toy_said("model.hidden");
        opu_train_config_destroy(config);
    }
    struct opu_train_config *config = toy_config("dfa", "laser:");
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){0}), OPU_E_NOT_FOUND);
    opu_train_config_destroy(config);
    config = toy_config("dfa", TOY_EXACT);
    toy_set(config, "model.hidden", "");
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){0}), OPU_E_INVALID);
    opu_train_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOY_TEST_CASE(every_method_learns_to_tell_the_classes),
        TOY_TEST_CASE(hidden_layers_stay_as_they_are_in_a_shallow_run),
        TOY_TEST_CASE(same_seed_gives_the_same_bytes_and_another_does_not),
        TOY_TEST_CASE(metrics_have_a_line_for_every_epoch),
        TOY_TEST_CASE(a_step_allocates_nothing),
        TOY_TEST_CASE(memory_that_runs_out_anywhere_is_told_and_given_back),
        TOY_TEST_CASE(progress_is_told_for_every_step_and_epoch),
        TOY_TEST_CASE(a_number_that_is_none_ends_the_run_and_keeps_the_checkpoint),
        TOY_TEST_CASE(a_rate_too_large_is_told_as_such),
        TOY_TEST_CASE(bad_settings_are_refused),
    };
    return cmocka_run_group_tests_name("run", tests, toy_group_set_up, toy_group_tear_down);
}
