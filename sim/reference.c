/* SPDX-License-Identifier: MIT */
/* The reference arm. Formulas: sim/reference.h. */
#include "sim/reference.h"

#include "core/base/dmath.h"
#include "core/base/rng.h"
#include "sim/medium/drift.h"
#include "sim/sim_options.h"

#include <math.h>

#define TURN 6.28318530717958647692

struct opu_sim_reference opu_sim_reference_arm(struct opu_reference state, double electrons_per_us,
                                               double step_error)
{
    double const amplitude = state.amplitude * sqrt(electrons_per_us);
    double const phase = state.phase_rad * (1.0 + step_error);
    double sine;
    double cosine;
    opu_sincos(phase, &sine, &cosine);
    struct opu_sim_reference const arm = {.re = amplitude * cosine, .im = amplitude * sine};
    return arm;
}

/* The draw of a node of the drift's construction. */
static double draw(uint64_t seed, uint64_t node)
{
    float z[4];
    opu_normal4(opu_philox(seed, OPU_STREAM_REFERENCE, 0, node), z);
    return (double)z[0];
}

double opu_sim_reference_phase(const struct opu_sim_options *options, double time_s)
{
    double phase = 0.0;
    if (options->phase_noise_rad > 0.0) {
        struct opu_drift_mix mix;
        opu_drift_mix_at(&mix, opu_drift_step(time_s, options->phase_noise_tau_s));
        double sum = 0.0;
        for (size_t k = 0; k < mix.n; ++k) {
            sum += mix.weight[k] * draw(options->seed, mix.node[k]);
        }
        phase += options->phase_noise_rad * sum;
    }
    if (options->vibration_rad > 0.0) {
        double const cycles = time_s * options->vibration_hz;
        double sine;
        double cosine;
        opu_sincos(TURN * (cycles - floor(cycles)), &sine, &cosine);
        phase += options->vibration_rad * sine;
    }
    return phase;
}

struct opu_sim_reference opu_sim_reference_turn(struct opu_sim_reference arm, double phase_rad)
{
    double sine;
    double cosine;
    opu_sincos(phase_rad, &sine, &cosine);
    struct opu_sim_reference const turned = {.re = arm.re * cosine - arm.im * sine,
                                             .im = arm.re * sine + arm.im * cosine};
    return turned;
}
