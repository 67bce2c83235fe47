/* SPDX-License-Identifier: MIT */
/* Trains the runs of a comparison one after the other, tells how far it is, stops on Ctrl-C. */
#include "tools/compare.h"
#include "tools/report.h"
#include "tools/train_result.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Signals seen; the second one kills, as the handler is taken back by the first. */
static volatile sig_atomic_t stop_wanted;

static void on_signal(int number)
{
    (void)number;
    stop_wanted = 1;
}

void compare_catch_signals(void)
{
    struct sigaction action = {.sa_flags = (int)SA_RESETHAND};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool compare_stopped(void)
{
    return stop_wanted != 0;
}

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
    return stop_wanted != 0;
}

/* The run folder's result.json is the one that opu train writes. */
static int write_result(struct training *training, const char *state,
                        const struct opu_train_result *result)
{
    struct cli as_train = *training->cli;
    struct train_summary summary = {
        .preset = training->preset, .dir = training->dir, .state = state};
    as_train.command = cli_command_find("train");
    train_get(training, "train.method", summary.method);
    train_get(training, "feedback.device", summary.device);
    train_get(training, "train.seed", summary.seed);
    train_get(training, "train.epochs", summary.epochs);
    if (strcmp(summary.method, "dfa") != 0) {
        summary.device[0] = 0;
    }
    return train_result_write(&as_train, &summary, result);
}

/*
 * A training that ended so says something about its arm, not about the comparison: it diverged, or
 * the matrix drifted below the bound that probe.stop sets.
 */
static bool says_something(const struct compare_arm *arm, int status)
{
    char bound[OPU_OPTION_TEXT_SIZE];
    bool const watched = strtod(compare_get(arm, "probe.stop", bound), NULL) > 0.0;
    return status == OPU_E_NUMERIC || (status == OPU_E_DEVICE && watched);
}

/* After the last step, or where it stopped: result.json, report.html. */
static int close_run(struct comparison *c, struct compare_run *run, struct training *training,
                     int status)
{
    struct opu_train_result result = {.size = sizeof result};
    char file[RUN_FILE_SIZE], sentence[256];
    bool const ended = says_something(&c->arms[run->arm], status);
    snprintf(sentence, sizeof sentence, "%s", status < 0 ? opu_error_message() : "");
    if (status == OPU_OK || status == OPU_E_CANCELLED || ended) {
        int told = opu_trainer_result(training->trainer, &result);
        if (told == OPU_OK) {
            told = write_result(training,
                                status == OPU_OK            ? "done"
                                : status == OPU_E_CANCELLED ? "interrupted"
                                                            : "failed",
                                &result);
        }
        if (told == OPU_OK && status == OPU_OK) {
            told = report_write(c->cli, run->dir, file, sizeof file);
        }
        if (told < 0) {
            return told;
        }
    }
    if (ended) {
        run->state = COMPARE_FAILED;
        snprintf(run->why, sizeof run->why, "%s", sentence);
        return OPU_OK;
    }
    if (status < 0) {
        return opu_fail(status, "%s", sentence);
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
        status = write_result(&training, "running", NULL);
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
        fprintf(stderr, "no result: %s\n", run->why);
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
            int status = stop_wanted != 0 ? opu_fail(OPU_E_CANCELLED, "stopped") : OPU_OK;
            c->n_taken++;
            if (status == OPU_OK && run->state != COMPARE_DONE) {
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
