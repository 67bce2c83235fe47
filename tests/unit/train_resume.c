/* SPDX-License-Identifier: MIT */
/* Resumed runs: they have the bits of one that was never stopped, and tell the same. */
#include "train_toy.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* Stops at each of the places, resumes, and compares with a run that was never stopped. */
static void resumes_to_the_same_bits(struct opu_train_config *config)
{
    struct toy_stop const stops[] = {{1, 1}, {1, TOY_STEPS}, {1, 0}, {2, 5}, {3, TOY_STEPS - 1}};
    toy_runs_well(config, "whole", false);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        char run[16];
        (void)snprintf(run, sizeof run, "stop%zu", i);
        assert_int_equal(toy_run(config, run, false, stops[i]), OPU_E_CANCELLED);
        toy_runs_well(config, run, true);
        toy_same_run(run, "whole");
    }
    assert_int_equal(toy_run(config, "often", false, stops[0]), OPU_E_CANCELLED);
    assert_int_equal(toy_run(config, "often", true, stops[2]), OPU_E_CANCELLED);
    assert_int_equal(toy_run(config, "often", true, stops[3]), OPU_E_CANCELLED);
    toy_runs_well(config, "often", true);
    toy_same_run("often", "whole");
    opu_train_config_destroy(config);
}

static void bp_resumes_to_the_same_bits(void **state)
{
    (void)state;
    resumes_to_the_same_bits(toy_config("bp", ""));
}

static void sgd_with_a_schedule_resumes_to_the_same_bits(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    toy_set(config, "optim.name", "sgd");
    toy_set(config, "optim.schedule", "cosine");
    toy_set(config, "optim.warmup_steps", "7");
    resumes_to_the_same_bits(config);
}

static void shallow_resumes_to_the_same_bits(void **state)
{
    (void)state;
    resumes_to_the_same_bits(toy_config("shallow", ""));
}

static void dfa_over_exact_resumes_to_the_same_bits(void **state)
{
    (void)state;
    resumes_to_the_same_bits(toy_config("dfa", TOY_EXACT));
}

static void dfa_over_drifting_noisy_optics_resumes_to_the_same_bits(void **state)
{
    (void)state;
    resumes_to_the_same_bits(toy_config("dfa", TOY_SIM));
}

static void dfa_by_stochastic_frames_resumes_to_the_same_bits(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_SIM);
    toy_set(config, "feedback.encode", "ternary:stochastic");
    toy_set(config, "align.every", "2");
    resumes_to_the_same_bits(config);
}

static void a_finished_run_goes_on_with_more_epochs(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_EXACT);
    toy_runs_well(config, "whole", false);
    toy_set(config, "train.epochs", "2");
    toy_runs_well(config, "run", false);
    toy_runs_well(config, "run", true); /* nothing left to do */
    toy_set(config, "train.epochs", "3");
    toy_set(config, "checkpoint.every", "2");
    toy_runs_well(config, "run", true);
    toy_same_run("run", "whole");
    opu_train_config_destroy(config);
}

static void more_epochs_stretch_a_cosine_from_where_it_is(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    toy_set(config, "optim.schedule", "cosine");
    toy_set(config, "train.epochs", "2");
    toy_runs_well(config, "run", false);
    toy_set(config, "train.epochs", "4");
    toy_runs_well(config, "run", true);
    opu_train_config_destroy(config);
    size_t n;
    char *text = toy_read("run", "metrics.jsonl", &n);
    const char *at = text;
    for (int epoch = 0; epoch <= 4; epoch++, at = strchr(at, '\n') + 1) {
        double lr = 0;
        if (sscanf(strstr(at, "\"lr\":"), "\"lr\":%lf", &lr) == 1) {
            double const total = TOY_STEPS * (epoch <= 2 ? 2 : 4);
            double const turn = 3.14159265358979 * (TOY_STEPS * epoch - 1) / total;
            assert_true(fabs(lr - 0.003 * (1 + cos(turn)) / 2) < 1e-9); /* nine digits are kept */
        } else {
            assert_int_equal(epoch, 0);
        }
    }
    free(text);
}

static bool manifest_tells_of_earlier(const char *run, const char *text)
{
    size_t n;
    char *manifest = toy_read(run, "manifest.json", &n);
    const char *const earlier = strstr(manifest, "\"earlier\"");
    bool const found = earlier != NULL && (text == NULL || strstr(earlier, text) != NULL);
    free(manifest);
    return found;
}

static void the_manifest_keeps_what_the_run_began_with(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){2, 3}), OPU_E_CANCELLED);
    toy_runs_well(config, "run", true);
    assert_false(manifest_tells_of_earlier("run", NULL)); /* by the same library, no news */
    toy_set(config, "train.epochs", "4");
    toy_runs_well(config, "run", true);
    assert_true(manifest_tells_of_earlier("run", "\"train.epochs\": \"3\""));
    toy_set(config, "train.epochs", "5");
    toy_runs_well(config, "run", true);
    assert_true(manifest_tells_of_earlier("run", "\"train.epochs\": \"3\""));
    assert_true(manifest_tells_of_earlier("run", "\"train.epochs\": \"4\""));
    opu_train_config_destroy(config);
}

static void a_finished_run_still_tells_its_result(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_SIM);
    char dir[512];
    struct opu_train_result results[2] = {{.size = sizeof results[0]}, {.size = sizeof results[0]}};
    struct opu_tap_alignment first[2];
    struct opu_trainer *trainer;
    toy_path(dir, "run", "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(opu_trainer_create(&trainer, context, config, dir, i == 1), OPU_OK);
        assert_int_equal(opu_trainer_run(trainer, NULL, NULL), OPU_OK);
        assert_int_equal(opu_trainer_result(trainer, &results[i]), OPU_OK);
        assert_int_equal(results[i].n_taps, 2);
        if (i == 0) {
            memcpy(first, results[0].alignment, sizeof first);
            first[0].tap = "layers.0";
            first[1].tap = "layers.1";
            opu_trainer_destroy(trainer);
        }
    }
    assert_int_equal(results[0].frames, results[1].frames);
    assert_true(results[0].test_accuracy == results[1].test_accuracy);
    assert_true(results[0].train_loss == results[1].train_loss);
    assert_true(results[0].seconds == results[1].seconds);
    assert_true(results[0].saturated_share == results[1].saturated_share);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(first[i].tap, results[1].alignment[i].tap);
        assert_true(first[i].mean == results[1].alignment[i].mean);
        assert_int_equal(first[i].counted, results[1].alignment[i].counted);
    }
    /* A program built against an older header has a shorter struct: the rest is left alone. */
    struct opu_train_result older = {.size = offsetof(struct opu_train_result, parameters),
                                     .parameters = 7};
    assert_int_equal(opu_trainer_result(trainer, &older), OPU_OK);
    assert_true(older.test_accuracy == results[1].test_accuracy && older.parameters == 7);
    older.size = 0;
    assert_int_equal(opu_trainer_result(trainer, &older), OPU_E_INVALID);
    opu_trainer_destroy(trainer);
    opu_train_config_destroy(config);
}

/* Keeps the checkpoint of the first epoch aside. */
static int keep_first(void *user, const struct opu_train_progress *progress)
{
    (void)user;
    if (progress->epoch == 1 && progress->step == 0) {
        char path[512];
        toy_path(path, "kept", "");
        assert_int_equal(mkdir(path, 0777), 0);
        toy_copy("run", "kept", OPU_CHECKPOINT_FILE);
    }
    return 0;
}

static void lines_written_after_the_checkpoint_are_written_again(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_SIM);
    char dir[512];
    struct opu_trainer *trainer;
    toy_runs_well(config, "whole", false);
    toy_path(dir, "run", "");
    assert_int_equal(opu_trainer_create(&trainer, context, config, dir, false), OPU_OK);
    assert_int_equal(opu_trainer_run(trainer, keep_first, NULL), OPU_OK);
    opu_trainer_destroy(trainer);
    /* As a kill between two checkpoints leaves it: an old checkpoint, newer lines, the last one
     * half written. */
    toy_copy("kept", "run", OPU_CHECKPOINT_FILE);
    size_t n;
    char *lines = toy_read("run", "metrics.jsonl", &n);
    char path[512];
    toy_path(path, "run", "metrics.jsonl");
    assert_int_equal(truncate(path, (off_t)n - 20), 0);
    free(lines);
    toy_runs_well(config, "run", true);
    toy_same_run("run", "whole");
    opu_train_config_destroy(config);
}

/* A resumption that is only tried: OPU_OK or why it would fail; the folder is as it was. */
static int rehearse(const struct opu_train_config *config)
{
    static const char *const names[] = {"config.ini", "manifest.json", "metrics.jsonl",
                                        "timing.jsonl", OPU_CHECKPOINT_FILE};
    char dir[512];
    struct opu_trainer *trainer;
    toy_path(dir, "kept", "");
    assert_true(mkdir(dir, 0777) == 0 || errno == EEXIST);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        toy_copy("run", "kept", names[i]);
    }
    toy_path(dir, "run", "");
    int const status = opu_trainer_rehearse(&trainer, context, config, dir);
    if (status == OPU_OK) {
        struct opu_train_result result = {.size = sizeof result};
        assert_int_equal(opu_trainer_result(trainer, &result), OPU_OK);
        assert_int_equal(result.epochs, 1);
    }
    opu_trainer_destroy(trainer);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(toy_same_file("run", "kept", names[i]));
    }
    return status;
}

static void a_rehearsed_resumption_looks_at_all_and_writes_nothing(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_SIM);
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){2, 3}), OPU_E_CANCELLED);
    assert_int_equal(rehearse(config), OPU_OK);
    toy_set(config, "train.seed", "2");
    assert_int_equal(rehearse(config), OPU_E_MISMATCH);
    toy_said("train.seed");
    toy_set(config, "train.seed", "1");
    toy_set(config, "feedback.device", "sim:seed=4,tau=5");
    assert_int_equal(rehearse(config), OPU_E_MATRIX_CHANGED);
    toy_set(config, "feedback.device", TOY_SIM);
    char dir[512];
    struct opu_trainer *trainer;
    toy_path(dir, "nowhere", "");
    assert_int_equal(opu_trainer_rehearse(&trainer, context, config, dir), OPU_E_NOT_FOUND);
    assert_int_not_equal(access(dir, F_OK), 0);
    /* A new run is rehearsed without a folder. */
    assert_int_equal(opu_trainer_rehearse(&trainer, context, config, NULL), OPU_OK);
    opu_trainer_destroy(trainer);
    toy_runs_well(config, "run", true);
    toy_runs_well(config, "whole", false);
    toy_same_run("run", "whole");
    opu_train_config_destroy(config);
}

static void the_same_data_elsewhere_is_fine(void **state)
{
    (void)state;
    char other[256];
    toy_dir(other);
    toy_write(other, TOY_TRAIN, TOY_TEST);
    struct opu_train_config *config = toy_config("bp", "");
    toy_runs_well(config, "whole", false);
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){2, 3}), OPU_E_CANCELLED);
    toy_set(config, "data.dir", other);
    toy_runs_well(config, "run", true);
    toy_same_run("run", "whole");
    opu_train_config_destroy(config);
    toy_remove(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOY_TEST_CASE(bp_resumes_to_the_same_bits),
        TOY_TEST_CASE(sgd_with_a_schedule_resumes_to_the_same_bits),
        TOY_TEST_CASE(shallow_resumes_to_the_same_bits),
        TOY_TEST_CASE(dfa_over_exact_resumes_to_the_same_bits),
        TOY_TEST_CASE(dfa_over_drifting_noisy_optics_resumes_to_the_same_bits),
        TOY_TEST_CASE(dfa_by_stochastic_frames_resumes_to_the_same_bits),
        TOY_TEST_CASE(a_finished_run_goes_on_with_more_epochs),
        TOY_TEST_CASE(more_epochs_stretch_a_cosine_from_where_it_is),
        TOY_TEST_CASE(the_manifest_keeps_what_the_run_began_with),
        TOY_TEST_CASE(a_finished_run_still_tells_its_result),
        TOY_TEST_CASE(lines_written_after_the_checkpoint_are_written_again),
        TOY_TEST_CASE(a_rehearsed_resumption_looks_at_all_and_writes_nothing),
        TOY_TEST_CASE(the_same_data_elsewhere_is_fine),
    };
    return cmocka_run_group_tests_name("resume", tests, toy_group_set_up, toy_group_tear_down);
}
