/* SPDX-License-Identifier: MIT */
/*
 * The laser: relative intensity noise, common to all pixels of a frame and to both arms,
 *
 *   P(frame) = max(0, 1 + rin z(frame)),   z ~ N(0, 1) from Philox(seed, OPU_STREAM_LASER, frame).
 */
#ifndef OPU_SIM_LASER_H
#define OPU_SIM_LASER_H

#include <stdint.h>

/* Power of a frame relative to its mean; rin: rms of the relative intensity noise. */
double opu_laser_power(uint64_t seed, double rin, uint64_t frame);

#endif
