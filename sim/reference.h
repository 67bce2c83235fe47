/* SPDX-License-Identifier: MIT */
/*
 * The reference arm: a plane wave that meets the field on the camera,
 *
 *   R = a sqrt(reference * t) exp(i phi)      [sqrt(electrons)]
 *
 * with a its amplitude (0: blocked), `reference` the electrons per pixel and microsecond of the
 * whole arm, t the exposure, phi the phase step. Phase stepping: Yamaguchi & Zhang, Opt. Lett. 22,
 * 1268 (1997).
 */
#ifndef OPU_SIM_REFERENCE_H
#define OPU_SIM_REFERENCE_H

#include <opu/device.h>

/* R / sqrt(t). */
struct opu_sim_reference {
    double re, im; /* sqrt(electrons / us) */
};

struct opu_sim_reference opu_sim_reference_arm(struct opu_reference state, double electrons_per_us);

#endif
