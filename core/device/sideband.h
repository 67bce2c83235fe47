/* SPDX-License-Identifier: MIT */
/*
 * Off-axis holography's linear algebra: one picture of a field S under a tilted reference,
 *
 *   I(r) = |R|^2 + |S|^2 + 2 Re(R* S(r) exp(-2 pi i f r)),    R* known,
 *
 * holds S in two side bands, discs of the pupil's radius B about -f and its conjugate about +f,
 * while |S|^2 fills a disc of radius 2B about 0 (Cuche, Marquet & Depeursinge, Appl. Opt. 39, 4070
 * (2000); Leith & Upatnieks 1962). They lie apart where |f| >= 3B and every |f_x| + B <= 1/2. The
 * diagonal carrier f = (0.35, 0.35) with B = 0.15 cycles a pixel leaves a guard band of 0.045
 * cycles; B sets the speckle grain, 1.029 / (2B) = 3.43 pixels (sim/region.h). f is rounded down to
 * whole cycles over the picture.
 *
 * Outputs are the Fourier modes q of S inside its disc, those nearest to the middle first:
 *
 *   F(q) = sqrt(pi B^2 / (W H) / v(q)) sum over r of S(r) exp(-2 pi i q r)
 *
 * where v(q) <= 1 is the share of a mode's power that the picture's edge leaves in the disc,
 *
 *   v(q) = pi B^2 sum over d of (1 - |d_x| / W) (1 - |d_y| / H) 2 J1(s) / s exp(-2 pi i q d),
 *   s = 2 pi B |d|
 *
 * so that E|F(q)|^2 is the mean brightness E|S|^2 for every q. White noise of variance n of every
 * pixel of S adds eta n / v(q), eta = pi B^2: the transform itself is unitary.
 *
 * No taper is laid on the picture: |S|^2 then spills 1e-5 to 5e-5 of its power into a mode, well
 * below shot noise, and the modes stay orthogonal.
 */
#ifndef OPU_CORE_SIDEBAND_H
#define OPU_CORE_SIDEBAND_H

#include <opu/device.h>

#define OPU_SIDEBAND_RADIUS 0.15 /* B, cycles a pixel */

struct opu_sideband;

/* The smallest square picture with n_modes modes; false where there is none. */
bool opu_sideband_region(struct opu_region *region, size_t n_modes);

/* Plans for pictures of `region`. n_threads threads may filter at the same time. */
OPU_NODISCARD int opu_sideband_create(struct opu_sideband **out, struct opu_context *context,
                                      const struct opu_region *region, size_t n_modes,
                                      size_t n_threads);
void opu_sideband_destroy(struct opu_sideband *sideband);

size_t opu_sideband_modes(const struct opu_sideband *sideband);

/* Room for a thread's picture, rows opu_sideband_stride() floats apart. */
float *opu_sideband_picture(const struct opu_sideband *sideband, size_t thread);
size_t opu_sideband_stride(const struct opu_sideband *sideband);

/*
 * [n_modes][2]: F from the thread's picture of 2 Re(S exp(-2 pi i f r)) and whatever else it holds
 * outside of the side band. The picture is lost; the result is the thread's, until the next call.
 */
const float *opu_sideband_filter(const struct opu_sideband *sideband, size_t thread);

/* The factor on mode m's unscaled transform: what noise of the pixels is multiplied by. */
float opu_sideband_scale(const struct opu_sideband *sideband, size_t m);

/*
 * The thread that calls, within a parallel region of our own with opu_sideband_threads() threads at
 * most; elsewhere it may be any thread of the caller's, and 0 is meant.
 */
size_t opu_sideband_thread(void);
size_t opu_sideband_threads(void);

#endif
