/* SPDX-License-Identifier: MIT */
/* Resumptions that are refused, and checkpoints that are damaged: nothing is lost when things fail.
 */
#include "train_toy.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void fewer_epochs_than_are_done_are_refused(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){3, 4}), OPU_E_CANCELLED);
    for (int epochs = 1; epochs <= 2; epochs++) {
        toy_set(config, "train.epochs", epochs == 1 ? "1" : "2");
        assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), OPU_E_MISMATCH);
        toy_said("has 2 epochs and 4 steps behind it, this run has train.epochs = ");
    }
    toy_set(config, "train.epochs", "3");
    toy_runs_well(config, "whole", false);
    toy_runs_well(config, "run", true);
    toy_same_run("run", "whole");
    opu_train_config_destroy(config);
}

static void a_folder_in_use_is_refused(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    char dir[512];
    struct opu_trainer *first, *second;
    toy_path(dir, "run", "");
    assert_int_equal(opu_trainer_create(&first, context, config, dir, false), OPU_OK);
    for (int done = 0; done < 2; done++) {
        assert_int_equal(opu_trainer_create(&second, context, config, dir, done == 1), OPU_E_BUSY);
        toy_said("another process is training");
        assert_int_equal(opu_trainer_run(first, NULL, NULL), OPU_OK);
    }
    opu_trainer_destroy(first);
    toy_runs_well(config, "run", true);
    opu_train_config_destroy(config);
}

static void lines_that_are_gone_are_told(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    toy_runs_well(config, "run", false);
    char path[512];
    toy_path(path, "run", "metrics.jsonl");
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), OPU_E_MISMATCH);
    toy_said("metrics.jsonl: has 10 bytes");
    assert_int_equal(unlink(path), 0);
    toy_path(path, "run", "timing.jsonl");
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), OPU_E_MISMATCH);
    toy_said("metrics.jsonl: is gone");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    opu_train_config_destroy(config);
}

static void a_new_run_does_not_write_over_another(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    toy_runs_well(config, "run", false);
    toy_runs_well(config, "twin", false);
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){0}), OPU_E_BUSY);
    toy_said("already holds a run");
    toy_same_run("run", "twin");
    opu_train_config_destroy(config);
}

static void resuming_needs_a_checkpoint(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    struct opu_trainer *trainer;
    assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), OPU_E_NOT_FOUND);
    toy_said("no checkpoint to resume from");
    assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, true), OPU_E_INVALID);
    assert_null(trainer);
    opu_train_config_destroy(config);
}

/* A finished run, then another configuration that tries to go on with it. */
static void refuses(const char *method, const char *device, const char *key, const char *value,
                    int status, const char *part, const char *other_part)
{
    struct opu_train_config *config = toy_config(method, device);
    if (access(toy_runs, F_OK) == 0) {
        char dir[512];
        toy_path(dir, "run", OPU_CHECKPOINT_FILE);
        if (access(dir, F_OK) != 0) {
            toy_runs_well(config, "run", false);
            toy_runs_well(config, "twin", false);
        }
    }
    toy_set(config, key, value);
    assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), status);
    toy_said(part);
    toy_said(other_part);
    toy_same_run("run", "twin"); /* nothing lost */
    opu_train_config_destroy(config);
}

static void another_network_is_refused_by_its_tensor(void **state)
{
    (void)state;
    refuses("dfa", TOY_EXACT, "model.hidden", "24,17", OPU_E_MISMATCH,
            "tensor \"layers.1.weight\" is f", "[17, 24]");
    refuses("dfa", TOY_EXACT, "model.hidden", "24,16,16", OPU_E_MISMATCH, "\"layers.2.weight\"",
            "[16, 16]");
}

static void another_matrix_is_refused_by_both_identities(void **state)
{
    (void)state;
    refuses("dfa", TOY_EXACT, "feedback.device", "exact:seed=4", OPU_E_MATRIX_CHANGED,
            "was trained with the matrix exact", "this device's is exact");
    refuses("dfa", TOY_EXACT, "feedback.device", TOY_SIM, OPU_E_MATRIX_CHANGED,
            "was trained with the matrix exact", "this device's is sim");
}

static void another_setting_is_refused_by_its_key(void **state)
{
    (void)state;
    const char *const changes[][2] = {{"train.seed", "2"},    {"train.batch", "16"},
                                      {"optim.lr", "0.1"},    {"optim.name", "sgd"},
                                      {"train.method", "bp"}, {"model.activation", "relu"},
                                      {"align.every", "3"},   {"feedback.seed", "9"},
                                      {"data.holdout", "17"}, {"data.train_rows", "40"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        refuses("dfa", TOY_EXACT, changes[i][0], changes[i][1], OPU_E_MISMATCH, changes[i][0],
                changes[i][1]);
    }
}

static void other_data_is_refused(void **state)
{
    (void)state;
    char other[256];
    toy_dir(other);
    toy_write(other, TOY_TRAIN, TOY_TEST);
    toy_write_split(other, "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", TOY_TEST, 77);
    refuses("bp", "", "data.dir", other, OPU_E_MISMATCH, "other data", "");
    toy_remove(other);
}

static void a_checkpoint_cut_short_is_refused(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("bp", "");
    toy_runs_well(config, "run", false);
    size_t n;
    char *bytes = toy_read("run", OPU_CHECKPOINT_FILE, &n), path[512];
    free(bytes);
    toy_path(path, "run", OPU_CHECKPOINT_FILE);
    size_t const cuts[] = {n - 1, n / 2, 100, 7, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_int_equal(truncate(path, (off_t)cuts[i]), 0);
        assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), OPU_E_FORMAT);
        toy_said(OPU_CHECKPOINT_FILE);
    }
    opu_train_config_destroy(config);
}

/* A bit of a weight, a moment or the calibration gives another number, and no parser would mind. */
static void a_flipped_bit_of_a_checkpoint_is_refused(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", "sim:");
    toy_runs_well(config, "run", false);
    size_t n;
    char *bytes = toy_read("run", OPU_CHECKPOINT_FILE, &n), path[512];
    toy_path(path, "run", OPU_CHECKPOINT_FILE);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    size_t const first = (size_t)header + sizeof header;
    size_t const places[] = {first, first + (n - first) / 2, n - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        for (int k = 0; k < 2; k++) { /* there and back */
            bytes[places[i]] = (char)(bytes[places[i]] ^ 1);
            FILE *file = fopen(path, "wb");
            assert_non_null(file);
            assert_int_equal(fwrite(bytes, 1, n, file), n);
            assert_int_equal(fclose(file), 0);
            assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}),
                             k == 0 ? OPU_E_FORMAT : OPU_OK);
        }
    }
    free(bytes);
    opu_train_config_destroy(config);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* From the second epoch on, files of the checkpoint's size can't be written any more. */
static int fill_disk(void *user, const struct opu_train_progress *progress)
{
    (void)user;
    if (progress->epoch == 2 && progress->step == 1) {
        limit_files(20000);
    }
    return 0;
}

static void a_full_disk_keeps_the_older_checkpoint(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_SIM);
    char dir[512];
    struct opu_trainer *trainer;
    toy_runs_well(config, "whole", false);
    toy_path(dir, "run", "");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(opu_trainer_create(&trainer, context, config, dir, false), OPU_OK);
    int const status = opu_trainer_run(trainer, fill_disk, NULL);
    limit_files(RLIM_INFINITY);
    assert_int_equal(status, OPU_E_IO);
    toy_said(OPU_CHECKPOINT_FILE);
    opu_trainer_destroy(trainer);
    struct opu_safetensors *kept = toy_checkpoint("run");
    assert_string_equal(opu_safetensors_meta(kept, "epochs"), "1");
    opu_safetensors_close(kept);
    toy_runs_well(config, "run", true);
    toy_same_run("run", "whole");
    opu_train_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOY_TEST_CASE(fewer_epochs_than_are_done_are_refused),
        TOY_TEST_CASE(a_folder_in_use_is_refused),
        TOY_TEST_CASE(lines_that_are_gone_are_told),
        TOY_TEST_CASE(a_new_run_does_not_write_over_another),
        TOY_TEST_CASE(resuming_needs_a_checkpoint),
        TOY_TEST_CASE(another_network_is_refused_by_its_tensor),
        TOY_TEST_CASE(another_matrix_is_refused_by_both_identities),
        TOY_TEST_CASE(another_setting_is_refused_by_its_key),
        TOY_TEST_CASE(other_data_is_refused),
        TOY_TEST_CASE(a_checkpoint_cut_short_is_refused),
        TOY_TEST_CASE(a_flipped_bit_of_a_checkpoint_is_refused),
        TOY_TEST_CASE(a_full_disk_keeps_the_older_checkpoint),
    };
    return cmocka_run_group_tests_name("refuse", tests, toy_group_set_up, toy_group_tear_down);
}
