/* SPDX-License-Identifier: MIT */
/* The learning rate of a step. */
#include "core/train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

double opu_schedule_lr(const struct opu_optim_settings *settings, struct opu_schedule_span span,
                       uint64_t step)
{
    double lr = settings->lr;
    if (settings->schedule == OPU_SCHEDULE_COSINE) {
        double const share = (double)step / ((double)span.steps_per_epoch * (double)span.epochs);
        double const fall = (1 + cos(PI * fmin(share, 1))) / 2;
        lr *= settings->floor + (1 - settings->floor) * fall;
    } else if (settings->schedule == OPU_SCHEDULE_STEP) {
        uint64_t const falls = step / span.steps_per_epoch / settings->step_epochs;
        lr *= pow(settings->step_factor, (double)falls);
    }
    if (step < settings->warmup_steps) {
        lr *= (double)(step + 1) / ((double)settings->warmup_steps + 1);
    }
    return lr;
}
