/* SPDX-License-Identifier: MIT */
/* The learning rate as a pure function of the step, so that a resumed run needs nothing stored. */
#ifndef OPU_CORE_SCHEDULE_H
#define OPU_CORE_SCHEDULE_H

#include "core/train/settings.h"

struct opu_schedule_span {
    uint64_t steps_per_epoch, epochs;
};

/*
 * Rate of step `step`, which counts from 0 over the whole run of T steps:
 *   constant: lr
 *   cosine:   lr (floor + (1 - floor) (1 + cos(pi step / T)) / 2)
 *   step:     lr step_factor^(epoch / step_epochs), rounded down
 * times (step + 1) / (warmup_steps + 1) in the first warmup_steps.
 */
double opu_schedule_lr(const struct opu_optim_settings *settings, struct opu_schedule_span span,
                       uint64_t step);

#endif
