/* SPDX-License-Identifier: MIT */
/* Ornstein-Uhlenbeck drift at random access. Formulas: sim/medium/drift.h. */
#include "sim/medium/drift.h"

#include "sim/camera/poisson.h"

#include <math.h>
#include <string.h>

uint64_t opu_drift_step(double time_s, double tau_s)
{
    if (!(tau_s > 0.0)) {
        return 0;
    }
    double const step = time_s * (double)OPU_DRIFT_STEPS_PER_TAU / tau_s;
    return step < (double)OPU_DRIFT_LAST_STEP ? (uint64_t)step : OPU_DRIFT_LAST_STEP;
}

/* Interval: half of the whole one, in correlation times. Appends the middle's own draw and makes
 * weights[k] those of the middle. */
static void bisect(struct opu_drift_mix *mix, const double *left, const double *right,
                   double interval, uint64_t middle, double *weights)
{
    double const r = opu_exp_minus(interval);
    for (size_t k = 0; k < mix->n; ++k) {
        weights[k] = r / (1.0 + r * r) * (left[k] + right[k]);
    }
    mix->node[mix->n] = middle;
    weights[mix->n] = sqrt((1.0 - r * r) / (1.0 + r * r));
    ++mix->n;
}

/* Levels, so that the coarsest interval is 32 correlation times at least and 64 at most. */
static unsigned levels_of(double slowness)
{
    unsigned levels = 1;
    double const wanted = 32.0 * OPU_DRIFT_STEPS_PER_TAU * slowness;
    while (levels < OPU_DRIFT_MAX_LEVELS && (double)(UINT64_C(1) << levels) < wanted) {
        ++levels;
    }
    return levels;
}

void opu_drift_mix_at(struct opu_drift_mix *mix, uint64_t step)
{
    opu_drift_mix_slow(mix, step, 1.0);
}

void opu_drift_mix_slow(struct opu_drift_mix *mix, uint64_t step, double slowness)
{
    double const steps_per_time = OPU_DRIFT_STEPS_PER_TAU * slowness;
    uint64_t const span = UINT64_C(1) << levels_of(slowness);
    uint64_t low = step - step % span;
    *mix = (struct opu_drift_mix){.n = 1, .node = {low}, .weight = {1.0}};
    if (step == low) {
        return;
    }
    double left[OPU_DRIFT_TERMS] = {1.0};
    double right[OPU_DRIFT_TERMS] = {0.0, 1.0};
    double middle[OPU_DRIFT_TERMS] = {0.0};
    mix->n = 2;
    mix->node[1] = low + span;
    for (uint64_t half = span / 2; half > 0; half /= 2) {
        uint64_t const at = low + half;
        bisect(mix, left, right, (double)half / steps_per_time, at, middle);
        if (step == at) {
            break;
        }
        if (step < at) {
            memcpy(right, middle, sizeof(right));
        } else {
            memcpy(left, middle, sizeof(left));
            low = at;
        }
    }
    memcpy(mix->weight, middle, sizeof(middle));
}
