/* SPDX-License-Identifier: MIT */
/* The laser. Formulas: sim/laser.h. */
#include "sim/laser.h"

#include "core/base/rng.h"
#include "sim/medium/drift.h"

enum { COUNTER_RIN, COUNTER_DRIFT };

static double draw(uint64_t seed, uint32_t a, uint64_t b)
{
    float z[4];
    opu_normal4(opu_philox(seed, OPU_STREAM_LASER, a, b), z);
    return (double)z[0];
}

/* x(t) of a step. */
static double drift_at(uint64_t seed, uint64_t step)
{
    struct opu_drift_mix mix;
    opu_drift_mix_at(&mix, step);
    double x = 0.0;
    for (size_t k = 0; k < mix.n; ++k) {
        x += mix.weight[k] * draw(seed, COUNTER_DRIFT, mix.node[k]);
    }
    return x;
}

static double light_left(double relative)
{
    return relative > 0.0 ? relative : 0.0;
}

void opu_laser_powers(const struct opu_laser *laser, const uint64_t *frame, size_t n, double *power)
{
    uint64_t step = UINT64_MAX;
    double slow = 1.0;
    for (size_t f = 0; f < n; ++f) {
        if (laser->drift > 0.0) {
            double const time_s = (double)frame[f] / laser->rate_hz;
            uint64_t const now = opu_drift_step(time_s, laser->drift_tau_s);
            slow = now == step ? slow : light_left(1.0 + laser->drift * drift_at(laser->seed, now));
            step = now;
        }
        power[f] = slow;
        if (laser->rin > 0.0) {
            power[f] *= light_left(1.0 + laser->rin * draw(laser->seed, COUNTER_RIN, frame[f]));
        }
    }
}
