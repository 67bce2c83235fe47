/* SPDX-License-Identifier: MIT */
/*
 * The reference arm: a plane wave that meets the field on the camera,
 *
 *   R = a sqrt(reference * t) exp(i (d (1 + e) + w(time) + v sin(2 pi f time)))   [sqrt(electrons)]
 *
 * with a its amplitude (0: blocked), `reference` the electrons per pixel and microsecond of the
 * whole arm, t the exposure, d the phase step asked for. Phase stepping: Yamaguchi & Zhang, Opt.
 * Lett. 22, 1268 (1997). Its faults:
 *
 * - e: relative error of the steps (a piezo's gain), 2 pi falls short or is passed
 * - w: wandering phase (air, mounts), a stationary first-order autoregressive process of rms s and
 *   <w(time) w(time + dt)> = s^2 exp(-dt / tau), by the draws of sim/medium/drift.h, so that it is
 *   a pure function of the frame's number; it moves in steps of tau / 256
 * - v: a vibration of frequency f
 *
 * All are constant within a frame. A tilted arm, exp(2 pi i f r), is the region's: sim/region.h.
 */
#ifndef OPU_SIM_REFERENCE_H
#define OPU_SIM_REFERENCE_H

#include <opu/device.h>

struct opu_sim_options;

/* R / sqrt(t). */
struct opu_sim_reference {
    double re, im; /* sqrt(electrons / us) */
};

struct opu_sim_reference opu_sim_reference_arm(struct opu_reference state, double electrons_per_us,
                                               double step_error);

/* Phase of the arm beside its step, at a device time; 0 where options ask for none. */
double opu_sim_reference_phase(const struct opu_sim_options *options, double time_s);

/* The arm turned by a phase. */
struct opu_sim_reference opu_sim_reference_turn(struct opu_sim_reference arm, double phase_rad);

#endif
