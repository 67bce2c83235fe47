/* SPDX-License-Identifier: MIT */
/* Trains the runs of a comparison one after the other, tells how far it is, stops on Ctrl-C. */
#include "tools/compare.h"
#include "tools/interrupt.h"
#include "tools/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean time of the runs trained here, of the arm's method if there is one, or the fallback. */
static double expected_s(const struct comparison *c, size_t arm, double fallback)
{
    double sum[2] = {0.0, 0.0};
    size_t n[2] = {0, 0};
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        const struct compare_run *const run = &c->runs[i];
        if (run->wall_s > 0.0) {
            size_t const same = c->arms[run->arm].method == c->arms[arm].method ? 1 : 0;
            sum[same] += run->wall_s;
            n[same]++;
        }
    }
    if (n[1] > 0) {
        return sum[1] / (double)n[1];
    }
    return n[0] > 0 ? sum[0] / (double)n[0] : fallback;
}

/* Of the runs that are still to come after the one under way. */
static double still_to_come_s(const struct comparison *c, double fallback)
{
    double sum = 0.0;
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        const struct compare_run *const run = &c->runs[i];
        if (i != c->now && (run->state == COMPARE_NEW || run->state == COMPARE_PART)) {
            sum += expected_s(c, run->arm, fallback);
        }
    }
    return sum;
}

static int on_progress(void *user, const struct opu_train_progress *progress)
{
    struct comparison *const c = user;
    const struct compare_run *const run = &c->runs[c->now];
    if (progress->step > 0 && progress->epochs > 0 && progress->steps > 0) {
        char left[32];
        double const share =
            ((double)progress->epoch - 1.0 + (double)progress->step / (double)progress->steps) /
            (double)progress->epochs;
        double const whole = share > 0.0 ? progress->seconds_left / fmax(1.0 - share, 0.05) : 0.0;
        size_t const n = c->n_arms * c->n_seeds;
        cli_format_seconds(left, sizeof left, progress->seconds_left + still_to_come_s(c, whole));
        cli_progress_draw(&c->progress, ((double)c->n_taken - 1.0 + share) / (double)n,
                          "run %zu/%zu %s seed %" PRIu64 ", epoch %" PRIu64 "/%" PRIu64
                          " acc %.1f%%, %s left",
                          c->n_taken, n, c->arms[run->arm].label, run->seed, progress->epoch,
                          progress->epochs, 100.0 * progress->train_accuracy, left);
    }
    return interrupt_seen();
}

/*
 * After the last step, or where it stopped: result.json, report.html. A training that diverged, or
 * whose matrix drifted away, says something about its arm and ends nothing but itself.
 */
static int close_run(struct comparison *c, struct compare_run *run, struct training *training,
                     int status)
{
    struct opu_train_result result;
    struct train_summary summary;
    char file[RUN_FILE_SIZE];
    int told = train_close(training, status, &summary, &result);
    bool const ended = status == OPU_E_NUMERIC || strcmp(summary.state, "stopped") == 0;
    if (told == OPU_OK && (status == OPU_OK || ended)) {
        told = report_write(c->cli, run->dir, file, sizeof file);
    }
    if (status < 0 && !ended) {
        return opu_fail(status, "%s", summary.why[0] != 0 ? summary.why : "stopped");
    }
    if (told < 0) {
        return told;
    }
    if (ended) {
        run->state = COMPARE_FAILED;
        snprintf(run->why, sizeof run->why, "%.*s", (int)sizeof run->why - 1, summary.why);
        return OPU_OK;
    }
    return compare_read(c, run);
}

static int train_one(struct comparison *c, struct compare_run *run)
{
    const struct compare_arm *const arm = &c->arms[run->arm];
    struct training training = {.cli = c->cli, .config = arm->config};
    char seed[32];
    double const start = cli_seconds();
    bool const resume = run->state == COMPARE_PART;
    snprintf(training.preset, sizeof training.preset, "%s", c->base.preset);
    snprintf(training.dir, sizeof training.dir, "%s", run->dir);
    snprintf(seed, sizeof seed, "%" PRIu64, run->seed);
    int status = opu_train_config_set(arm->config, "train.seed", seed);
    if (status == OPU_OK) {
        status =
            opu_trainer_create(&training.trainer, c->cli->context, arm->config, run->dir, resume);
    }
    if (status == OPU_OK) {
        struct cli as_train = *c->cli;
        struct train_summary const summary = train_summary_of(&training);
        as_train.command = cli_command_find("train");
        status = train_result_write(&as_train, &summary, NULL);
        if (status == OPU_OK) {
            status = opu_trainer_run(training.trainer, on_progress, c);
            cli_progress_end(&c->progress);
            status = close_run(c, run, &training, status);
        }
    }
    opu_trainer_destroy(training.trainer);
    run->wall_s = status == OPU_OK ? cli_seconds() - start : 0.0;
    return status;
}

static void tell(const struct comparison *c, const struct compare_run *run)
{
    size_t const n = c->n_arms * c->n_seeds;
    char took[32], left[32];
    fprintf(stderr, "run %zu/%zu  %s, seed %" PRIu64 ": ", c->n_taken, n, c->arms[run->arm].label,
            run->seed);
    if (run->state == COMPARE_FAILED) {
        fprintf(stderr, "no result: %s%s\n", run->why, run->kept ? "; so its folder tells" : "");
        return;
    }
    fprintf(stderr, "%.2f %%", 100.0 * run->figures.test_accuracy);
    if (run->kept) {
        fputs(", as its folder tells\n", stderr);
        return;
    }
    double const seconds = still_to_come_s(c, run->wall_s);
    cli_format_seconds(took, sizeof took, run->wall_s);
    cli_format_seconds(left, sizeof left, seconds);
    fprintf(stderr, " in %s%s%s\n", took, seconds > 0.0 ? ", left about " : "",
            seconds > 0.0 ? left : "");
}

int compare_train(struct comparison *c)
{
    cli_progress_begin(c->cli, &c->progress);
    /* Seed by seed, so that a comparison that is stopped has figures of every arm. */
    for (size_t s = 0; s < c->n_seeds; s++) {
        for (size_t a = 0; a < c->n_arms; a++) {
            c->now = a * c->n_seeds + s;
            struct compare_run *const run = &c->runs[c->now];
            int status = interrupt_seen() ? opu_fail(OPU_E_CANCELLED, "stopped") : OPU_OK;
            c->n_taken++;
            if (status == OPU_OK && !compare_ended(run)) {
                status = train_one(c, run);
                c->n_done += status == OPU_OK && run->state == COMPARE_DONE ? 1 : 0;
            }
            cli_progress_end(&c->progress);
            if (status < 0) {
                return status;
            }
            tell(c, run);
        }
    }
    return OPU_OK;
}
