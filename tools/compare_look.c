/* SPDX-License-Identifier: MIT */
/* What is there before a step is trained: runs in their folders, devices, networks that can be. */
#include "tools/compare.h"
#include "tools/interrupt.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(const json_t *object, const char *key)
{
    const json_t *const value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static double *copy(const double *values, size_t n)
{
    double *const all = malloc((n + 1) * sizeof *all);
    if (all != NULL) {
        memcpy(all, values, n * sizeof *all);
    }
    return all;
}

static int take_tap(struct compare_tap *tap, const struct run_tap *from, size_t n_epochs)
{
    *tap = (struct compare_tap){.best = (double)NAN, .last = (double)NAN};
    snprintf(tap->name, sizeof tap->name, "%s", from->name);
    tap->mean = copy(from->mean, n_epochs);
    for (size_t i = 0; i < n_epochs; i++) {
        double const mean = from->mean[i];
        if (isfinite(mean)) {
            tap->last = mean;
            tap->best = isfinite(tap->best) && tap->best > mean ? tap->best : mean;
        }
    }
    return tap->mean != NULL ? OPU_OK : opu_fail(OPU_E_NO_MEMORY, "no memory for %s", from->name);
}

static int take_figures(struct compare_figures *f, const struct run_folder *folder)
{
    const json_t *const metrics = json_object_get(folder->result, "metrics");
    const json_t *const optical = json_object_get(folder->result, "optical");
    f->test_accuracy = number(metrics, "test_accuracy");
    f->test_loss = number(metrics, "test_loss");
    f->seconds = number(folder->result, "seconds");
    f->rows_per_second = number(folder->result, "rows_per_second");
    f->frames = number(optical, "frames");
    f->optical_s = number(optical, "seconds");
    f->optical_j = number(optical, "joules");
    f->saturated_share = number(optical, "saturated_share");
    f->n_taps = folder->n_taps < COMPARE_MAX_TAPS ? folder->n_taps : COMPARE_MAX_TAPS;
    for (size_t i = 0; i < f->n_taps; i++) {
        int const status = take_tap(&f->taps[i], &folder->taps[i], folder->n_epochs);
        if (status < 0) {
            return status;
        }
    }
    f->n_epochs = folder->n_epochs;
    f->epoch = copy(folder->epoch, folder->n_epochs);
    f->accuracy = copy(folder->test_accuracy, folder->n_epochs);
    f->loss = copy(folder->test_loss, folder->n_epochs);
    return f->epoch != NULL && f->accuracy != NULL && f->loss != NULL
               ? OPU_OK
               : opu_fail(OPU_E_NO_MEMORY, "%s: no memory for its figures", folder->path);
}

int compare_read(const struct comparison *c, struct compare_run *run)
{
    struct run_folder folder;
    int status = run_folder_read(&folder, c->cli->context, run->dir);
    if (status == OPU_OK) {
        status = take_figures(&run->figures, &folder);
    }
    run->state = status == OPU_OK ? COMPARE_DONE : run->state;
    run_folder_free(&folder);
    return status;
}

/* Whether a folder's configuration is the run's; the sentence names the first key that is not. */
static int check_config(const struct comparison *c, const struct compare_run *run,
                        const struct opu_train_config *kept)
{
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    char was[OPU_OPTION_TEXT_SIZE], is[OPU_OPTION_TEXT_SIZE];
    for (size_t i = 0; i < n; i++) {
        const char *const key = table[i].key;
        if (strcmp(key, "data.dir") == 0 || strcmp(key, "checkpoint.every") == 0) {
            continue;
        }
        int const status = opu_train_config_get(kept, key, was, sizeof was);
        if (status < 0) {
            return status;
        }
        compare_get(&c->arms[run->arm], key, is);
        if (strcmp(key, "train.seed") == 0) {
            snprintf(is, sizeof is, "%" PRIu64, run->seed);
        }
        if (strcmp(was, is) != 0) {
            return opu_fail(OPU_E_MISMATCH,
                            "%s holds a run with %s = %s, this comparison wants %s; another --out "
                            "keeps both",
                            run->dir, key, was, is[0] != 0 ? is : "nothing");
        }
    }
    return OPU_OK;
}

/*
 * A run that diverged would do so again, and one that probe.stop ended would stop again some steps
 * on: either stays what it was until its folder is taken away.
 */
static bool is_over(const json_t *result)
{
    const json_t *const error = json_object_get(result, "error");
    return strcmp(run_folder_text(result, "state"), "stopped") == 0 ||
           strcmp(run_folder_text(error, "status"), opu_status_name(OPU_E_NUMERIC)) == 0;
}

bool compare_ended(const struct compare_run *run)
{
    return run->state == COMPARE_DONE || run->state == COMPARE_FAILED;
}

static int look_at(struct comparison *c, struct compare_run *run)
{
    struct run_folder folder;
    if (!run_folder_has(run->dir, "config.ini")) {
        return OPU_OK;
    }
    int status = run_folder_read(&folder, c->cli->context, run->dir);
    if (status == OPU_OK) {
        status = check_config(c, run, folder.config);
    }
    if (status == OPU_OK && strcmp(run_folder_text(folder.result, "state"), "done") == 0) {
        status = take_figures(&run->figures, &folder);
        run->state = COMPARE_DONE;
        run->kept = true;
        c->n_done++;
    } else if (status == OPU_OK && is_over(folder.result)) {
        run->state = COMPARE_FAILED;
        run->kept = true;
        snprintf(run->why, sizeof run->why, "%s",
                 run_folder_text(json_object_get(folder.result, "error"), "message"));
    } else if (status == OPU_OK && run_folder_has(run->dir, RUN_CHECKPOINT)) {
        run->state = COMPARE_PART;
    }
    run_folder_free(&folder);
    return status;
}

int compare_look(struct comparison *c)
{
    int status = OPU_OK;
    for (size_t i = 0; i < c->n_arms * c->n_seeds && status == OPU_OK; i++) {
        status = look_at(c, &c->runs[i]);
    }
    return status;
}

/* The device alone first: what it refuses is its own sentence and its own exit code. */
static int try_arm(struct comparison *c, const struct compare_arm *arm, enum cli_place *place)
{
    char uri[OPU_OPTION_TEXT_SIZE];
    struct opu_trainer *trainer = NULL;
    int status = OPU_OK;
    if (arm->method == COMPARE_OPTICAL) {
        struct opu_device *device = NULL;
        *place = CLI_AT_DEVICE;
        status =
            opu_device_open(&device, c->cli->context, compare_get(arm, "feedback.device", uri));
        opu_device_close(device);
    }
    if (status == OPU_OK) {
        *place = CLI_AT_DATA;
        status = opu_trainer_create(&trainer, c->cli->context, arm->config, NULL, false);
        opu_trainer_destroy(trainer);
    }
    if (status < 0 && arm->swept) {
        char sentence[400];
        snprintf(sentence, sizeof sentence, "%s", opu_error_message());
        return opu_fail(status, "--sweep, %s: %s", arm->label, sentence);
    }
    return status;
}

int compare_try(struct comparison *c, enum cli_place *place)
{
    int status = OPU_OK;
    for (size_t a = 0; a < c->n_arms && status == OPU_OK; a++) {
        bool wanted = false;
        for (size_t s = 0; s < c->n_seeds; s++) {
            wanted = wanted || !compare_ended(&c->runs[a * c->n_seeds + s]);
        }
        /* Of the arms without optics one stands for all: they differ in nothing that can fail. */
        bool const worth = c->arms[a].method == COMPARE_OPTICAL || a == 0;
        if (wanted && worth && !interrupt_seen()) {
            status = try_arm(c, &c->arms[a], place);
        }
    }
    return status;
}
