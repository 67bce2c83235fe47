/* SPDX-License-Identifier: MIT */
/*
 * Drift of the medium: every entry is a stationary Ornstein-Uhlenbeck process in device time,
 *
 *   E|H(t)|^2 = 1,   <H(t + dt) H*(t)> = rho = exp(-dt / tau),   so that <I I'>/<I>^2 - 1 = rho^2
 *
 * (temporal decorrelation of a transmission matrix, e.g. Vellekoop & Mosk 2008). It is evaluated at
 * random access, so that the matrix is a pure function of the frame number and no state is kept:
 * time runs in steps of tau / 256, and H at a step is built by dyadic bisection (Levy's
 * construction). Given the two ends of an interval, with r = exp(-half interval / tau), its middle
 * is normal with
 *
 *   mean r / (1 + r^2) (left + right),   variance (1 - r^2) / (1 + r^2).
 *
 * The coarsest grid has 2^13 steps = 32 tau between its points, whose correlation e^-32 is far
 * below what a float can hold: they are drawn independently, the first being the matrix at time 0.
 * All this is linear, so H at a step is a sum of at most 15 independent matrices with weights
 * common to all entries. Each matrix is named by the step at which it enters ("node") and drawn by
 * Philox.
 *
 * Phase screens must move more slowly than the matrix they make: opu_drift_mix_slow() runs the same
 * construction with a correlation time of `slowness` tau, steps still being tau / 256; its coarsest
 * grid has 2^levels >= 32 * 256 * slowness steps.
 */
#ifndef OPU_SIM_DRIFT_H
#define OPU_SIM_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#define OPU_DRIFT_STEPS_PER_TAU 256
#define OPU_DRIFT_LEVELS 13
#define OPU_DRIFT_MAX_LEVELS 24
#define OPU_DRIFT_MAX_SLOWNESS 2048.0 /* 2^24 steps are 32 correlation times */
#define OPU_DRIFT_TERMS (OPU_DRIFT_MAX_LEVELS + 2)
/* The medium stands still from here on: 43 bits of a draw's counter name the node at its end. */
#define OPU_DRIFT_LAST_STEP ((UINT64_C(1) << 43) - (UINT64_C(1) << OPU_DRIFT_LEVELS) - 1)

/* H(step) = sum over k of weight[k] * G(node[k]); the squares of the weights sum to 1. */
struct opu_drift_mix {
    size_t n;
    uint64_t node[OPU_DRIFT_TERMS];
    double weight[OPU_DRIFT_TERMS];
};

/* The step in which a time falls; tau_s = 0: no drift, always 0. */
uint64_t opu_drift_step(double time_s, double tau_s);

void opu_drift_mix_at(struct opu_drift_mix *mix, uint64_t step);

/* The same for a process whose correlation time is slowness * tau, 0 < slowness <= the maximum. */
void opu_drift_mix_slow(struct opu_drift_mix *mix, uint64_t step, double slowness);

#endif
