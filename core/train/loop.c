/* SPDX-License-Identifier: MIT */
/*
 * The loop: steps, and what is done between epochs. Under dfa the head is trained while the light
 * travels; every block is updated right after its own backward, while its gradients are in the
 * cache. A step allocates nothing.
 */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/dfa/blocks.h"
#include "core/train/schedule.h"

double opu_trainer_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int not_a_number(const struct opu_trainer *t, const char *what)
{
    const char *kept = opu_folder_keeps(&t->folder) ? "; the last checkpoint stays" : "";
    return opu_fail(OPU_E_NUMERIC,
                    "%s in epoch %" PRIu64 ", step %" PRIu64 ": a smaller optim.lr may help%s",
                    what, t->at.epochs + 1, t->at.step + 1, kept);
}

static bool update_block(void *user, size_t block)
{
    struct opu_trainer *const t = user;
    return opu_optim_update(&t->optim, opu_graph_block_params(t->train.graph, block));
}

static int train_blocks(struct opu_trainer *t, size_t rows)
{
    if (t->feedback) {
        OPU_TRY(opu_feedback_submit(t->feedback, rows));
    }
    opu_graph_backward(t->train.graph, 0);
    bool good = update_block(t, 0);
    /* What was sent is waited for in any case. */
    int const light = t->feedback ? opu_feedback_wait(t->feedback) : OPU_OK;
    if (good) {
        OPU_TRY(light);
        good = opu_blocks_backward(t->train.graph, OPU_BLOCKS_CHOOSE, update_block, t);
    }
    return good ? OPU_OK : not_a_number(t, "a parameter became NaN or infinite");
}

static double rate(const struct opu_trainer *t, uint64_t step_in_epoch)
{
    const struct opu_settings *s = &t->config.settings;
    struct opu_schedule_span const span = {.steps_per_epoch = t->task->steps, .epochs = s->epochs};
    return opu_schedule_lr(&s->optim, span, t->at.epochs * t->task->steps + step_in_epoch);
}

static int train_step(struct opu_trainer *t)
{
    struct opu_net *net = &t->train;
    double const start = opu_trainer_clock();
    struct opu_batch const batch = t->task->ops->fill(t->task, net, OPU_PART_TRAIN, t->at.step);
    opu_graph_forward(net->graph, batch.rows, true, t->optim.step);
    double const loss = opu_graph_loss(net->graph);
    if (!isfinite(loss)) {
        return not_a_number(t, "the loss became NaN or infinite");
    }
    opu_optim_begin(&t->optim, rate(t, t->at.step));
    OPU_TRY(train_blocks(t, opu_graph_error_rows(net->graph)));
    double const seconds = opu_trainer_clock() - start;
    t->at.epoch.loss += loss * (double)batch.counted;
    t->at.epoch.correct += opu_graph_correct(net->graph);
    t->at.epoch.rows += batch.counted;
    t->at.epoch.seconds += seconds;
    t->at.rows += batch.counted;
    t->at.seconds += seconds;
    t->at.step++;
    t->run_s += seconds;
    t->run_steps++;
    return OPU_OK;
}

/* Tells the caller where the run is; true: stop. */
static bool tell(const struct opu_trainer *t, uint64_t epoch, const struct opu_running *running,
                 opu_train_progress_fn fn, void *user)
{
    if (!fn) {
        return false;
    }
    const struct opu_position *at = &t->at;
    uint64_t const all = t->config.settings.epochs * t->task->steps;
    uint64_t const done = at->epochs * t->task->steps + at->step;
    double const per_step = t->run_steps ? t->run_s / (double)t->run_steps : (double)NAN;
    struct opu_train_progress const progress = {
        .size = sizeof progress,
        .epoch = epoch,
        .epochs = t->config.settings.epochs,
        .step = at->step,
        .steps = t->task->steps,
        .train_loss = opu_running_loss(running),
        .train_accuracy = opu_running_accuracy(running),
        .test_loss = at->scores.test_loss,
        .test_accuracy = at->scores.test_accuracy,
        .valid_accuracy = at->scores.valid_accuracy,
        .test_auc = at->scores.test_auc,
        .rows_per_second =
            running->seconds > 0 ? (double)running->rows / running->seconds : (double)NAN,
        .seconds_left = done < all ? per_step * (double)(all - done) : 0,
        .probes = at->probes,
        .recalibrations = at->recalibrations,
        .correlation = at->correlation,
        .drift_warning = at->step > 0 && t->drift_warning,
    };
    return fn(user, &progress) != 0;
}

/* Evaluates, measures alignment where it is due, and writes the lines of this epoch (0: before
 * training). */
static int measure(struct opu_trainer *t, uint64_t epoch, const struct opu_running *running)
{
    double const start = opu_trainer_clock();
    uint64_t const every = t->config.settings.align_every;
    bool const align = t->alignment && epoch % every == 0;
    OPU_TRY(opu_trainer_evaluate(t));
    if (align) {
        OPU_TRY(opu_trainer_align(t));
    }
    struct opu_epoch_metrics const metrics = {
        .epoch = epoch,
        .train_loss = t->at.train_loss,
        .train_accuracy = t->at.train_accuracy,
        .scores = &t->at.scores,
        .lr = epoch ? rate(t, t->task->steps - 1) : (double)NAN,
        .n_taps = align ? t->n_taps : 0,
        .alignment = t->taps,
        .optical = opu_trainer_optical(t),
        .correlation = t->at.correlation,
        .recalibrations = t->at.recalibrations,
    };
    char line[OPU_METRICS_LINE_SIZE];
    OPU_TRY(opu_metrics_line(line, &metrics));
    OPU_TRY(opu_folder_append(&t->folder, OPU_LOG_METRICS, line));
    opu_timing_line(line, epoch, running, opu_trainer_clock() - start);
    return opu_folder_append(&t->folder, OPU_LOG_TIMING, line);
}

static int stopped(struct opu_trainer *t)
{
    OPU_TRY(opu_checkpoint_write(t));
    return opu_fail(OPU_E_CANCELLED, "stopped in epoch %" PRIu64 " after step %" PRIu64 "%s",
                    t->at.epochs + 1, t->at.step,
                    opu_folder_keeps(&t->folder) ? "; the run can be resumed" : "");
}

static int finish_epoch(struct opu_trainer *t, struct opu_running *whole)
{
    uint64_t const every = t->config.settings.checkpoint_every;
    uint64_t const epoch = t->at.epochs + 1;
    *whole = t->at.epoch;
    t->at.train_loss = opu_running_loss(whole);
    t->at.train_accuracy = opu_running_accuracy(whole);
    OPU_TRY(measure(t, epoch, whole));
    t->at.epochs = epoch;
    t->at.step = 0;
    t->at.epoch = (struct opu_running){0};
    bool const due = epoch == t->config.settings.epochs || (every > 0 && epoch % every == 0);
    return due ? opu_checkpoint_write(t) : OPU_OK;
}

static int run_epoch(struct opu_trainer *t, opu_train_progress_fn fn, void *user)
{
    uint64_t const epoch = t->at.epochs + 1;
    if (t->task->ops->begin) {
        t->task->ops->begin(t->task, epoch);
    }
    while (t->at.step < t->task->steps) {
        OPU_TRY(train_step(t));
        OPU_TRY(opu_trainer_watch(t));
        if (tell(t, epoch, &t->at.epoch, fn, user)) {
            return stopped(t);
        }
    }
    struct opu_running whole;
    OPU_TRY(finish_epoch(t, &whole));
    bool const stop = tell(t, epoch, &whole, fn, user);
    return stop && epoch < t->config.settings.epochs ? stopped(t) : OPU_OK;
}

int opu_trainer_run(struct opu_trainer *trainer, opu_train_progress_fn fn, void *user)
{
    struct opu_running const nothing = {0};
    if (!trainer->at.measured) {
        OPU_TRY(measure(trainer, 0, &nothing));
        trainer->at.measured = 1;
        OPU_TRY(opu_checkpoint_write(trainer)); /* so that a run can be resumed from its start */
        if (tell(trainer, 0, &nothing, fn, user)) {
            return stopped(trainer);
        }
    }
    while (trainer->at.epochs < trainer->config.settings.epochs) {
        OPU_TRY(run_epoch(trainer, fn, user));
    }
    return OPU_OK;
}
