/* SPDX-License-Identifier: MIT */
/*
 * The laser: relative intensity noise and a slow drift of its power, both common to all pixels of a
 * frame and to both arms,
 *
 *   P(frame) = max(0, 1 + drift x(t)) max(0, 1 + rin z(frame)),   t = frame / rate.
 *
 * z ~ N(0, 1) from Philox(seed, OPU_STREAM_LASER, a = 0, b = frame). x is an Ornstein-Uhlenbeck
 * process of variance 1, <x(t) x(t + dt)> = exp(-dt / tau), at random access: a sum of draws of
 * nodes with the weights of sim/medium/drift.h, each from (a = 1, b = node). It moves in steps of
 * tau / 256. Nothing is kept from frame to frame, so that a run that is resumed goes on in the same
 * light.
 */
#ifndef OPU_SIM_LASER_H
#define OPU_SIM_LASER_H

#include <stddef.h>
#include <stdint.h>

struct opu_laser {
    uint64_t seed;
    double rin;         /* rms of the relative intensity noise; 0: none */
    double drift;       /* rms of the power's slow drift; 0: none */
    double drift_tau_s; /* > 0 where there is drift */
    double rate_hz;     /* frames a second */
};

/* Power of each frame relative to its mean; cheap where the frame numbers ascend. */
void opu_laser_powers(const struct opu_laser *laser, const uint64_t *frame, size_t n,
                      double *power);

#endif
