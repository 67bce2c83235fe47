/* SPDX-License-Identifier: MIT */
/* What is measured between epochs: loss and accuracy of the evaluation rows, alignment, and the
 * optics. */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>

#include "core/base/fail.h"

static void keep_best(struct opu_position *at)
{
    double const now = at->scores.valid_accuracy;
    bool const first = isnan(at->best.valid_accuracy);
    if (now > at->best.valid_accuracy || (first && !isnan(now))) {
        at->best = (struct opu_best){.epoch = at->measured ? at->epochs + 1 : 0,
                                     .valid_accuracy = now,
                                     .test_accuracy = at->scores.test_accuracy};
    }
}

int opu_trainer_evaluate(struct opu_trainer *trainer)
{
    struct opu_scores *const scores = &trainer->at.scores;
    trainer->task->ops->evaluate(trainer->task, &trainer->evaluate, scores);
    if (!isfinite(scores->test_loss)) {
        return opu_fail(OPU_E_NUMERIC, "the loss on the evaluation rows is %g after epoch %" PRIu64,
                        scores->test_loss, trainer->at.epochs);
    }
    keep_best(&trainer->at);
    return OPU_OK;
}

int opu_trainer_align(struct opu_trainer *trainer)
{
    struct opu_task *const task = trainer->task;
    opu_alignment_reset(trainer->alignment);
    for (uint64_t step = 0;; step++) {
        struct opu_batch const batch = task->ops->fill(task, &trainer->twin, OPU_PART_ALIGN, step);
        if (batch.rows == 0) {
            break;
        }
        OPU_TRY(opu_alignment_measure(trainer->alignment, batch.rows));
    }
    size_t n_taps;
    const struct opu_tap_alignment *taps = opu_alignment_result(trainer->alignment, &n_taps);
    for (size_t i = 0; i < n_taps; i++) {
        trainer->taps[i] = taps[i];
    }
    trainer->n_taps = n_taps;
    return OPU_OK;
}

struct opu_optical opu_trainer_optical(const struct opu_trainer *trainer)
{
    struct opu_optical sum = trainer->at.optical;
    if (!trainer->device) {
        return sum;
    }
    struct opu_device_stats now = {.size = sizeof now};
    (void)opu_device_statistics(trainer->device, &now); /* can't fail: its size is set */
    const struct opu_device_stats *base = &trainer->optical_base;
    /* Frames that were lost and sent again are one each: metrics are the seed's, whatever the line
     * does. */
    sum.frames += (now.frames - now.retries) - (base->frames - base->retries);
    sum.pixels += now.pixels - base->pixels;
    sum.saturated += now.saturated - base->saturated;
    sum.seconds += now.optical_s - base->optical_s;
    sum.joules += now.optical_j - base->optical_j;
    return sum;
}
