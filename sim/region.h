/* SPDX-License-Identifier: MIT */
/*
 * Speckle with resolved grains, for pictures and off-axis read-out. The medium's outputs are the
 * modes of a circular pupil in front of the camera; a lens Fourier-transforms them (Goodman,
 * Speckle Phenomena in Optics, 2nd ed., sec. 5; unitary transform):
 *
 *   E(x, y) = sum over modes k of (a_k / A)^1/2 c_k exp(2 pi i (kx x / Px + ky y / Py)),
 *   |k / P| <= f_c
 *
 * with P the grid (the region with a margin of two grains, as the sum is periodic), a_k the part of
 * the pupil that is nearer to k than to other modes inside, A = pi f_c^2 Px Py their sum. With
 * equal weights light would be spread over as many modes as lie inside, which is not A: up to 3 %
 * off in a picture of 70 pixels, and so would be every Fourier mode of it. The intensity's
 * autocovariance is |2 J1(s) / s|^2, s = 2 pi f_c r, whose full width at half maximum defines the
 * grain: pixels_per_grain = 1.0290 / (2 f_c).
 *
 * A reference arm that is tilted by the carrier f (cycles a pixel) has the phase 2 pi f r. What the
 * camera sees, |S + R exp(2 pi i f r)|^2 = |S exp(-2 pi i f r) + R|^2, is the picture of a field
 * turned the other way under an even reference. The corner pixel has r = 0.
 */
#ifndef OPU_SIM_REGION_H
#define OPU_SIM_REGION_H

#include <opu/backend.h>

struct opu_sim_region;

/* Grain where the set-up leaves it to the device. */
#define OPU_REGION_GRAIN_PIXELS 3.0

/* Plans. *n_modes: outputs that the medium must have. deterministic: a transform of the same bits
 * on every processor. */
int opu_sim_region_create(struct opu_sim_region **out, size_t *n_modes, struct opu_context *context,
                          const struct opu_region *setup, bool deterministic);
void opu_sim_region_destroy(struct opu_sim_region *region);

/*
 * Field at the pixels, row by row: modes by blocks of 64 re, 64 im in, pixels by the same blocks
 * out (the room behind the last pixel is left alone). tilted: turned by the carrier, as the
 * reference arm sees it; else as it is.
 */
void opu_sim_region_field(struct opu_sim_region *region, const float *modes, bool tilted,
                          float *field);

#endif
