/* SPDX-License-Identifier: MIT */
/*
 * A slab of thickness L as K phase screens (multislice; phase-screen models of this kind: Cheng et
 * al., arXiv 2001.06767):
 *
 *   spacing      d = L / K
 *   variance     sigma^2 = d / ls        of a screen: the ballistic light falls as exp(-L / ls)
 *   correlation  lc = sqrt(2 / (1 - g)) / k,  k = 2 pi index / lambda
 *   angles       <sin^2 theta> = 4 (L / ls) / (k lc)^2 = 2 L / l*,   l* = ls / (1 - g)
 *
 * A lens in front makes each input a plane wave, one behind gives each outgoing direction a point:
 *
 *   F . screen K . [F^-1 space(d) F . screen] ... screen 1 . F
 *
 * Grid: pitch 3/4 lambda in the medium, so that every frequency of the grid propagates (they reach
 * 0.943 / lambda in the corners) and the periodic slab is unitary, while lc is sampled as finely as
 * that allows. Light scattered by more than arcsin(2/3) an axis folds back into the grid's band:
 * the angles above hold up to rms frequencies of 0.15 / pitch (L / l* < 0.04); thicker slabs are
 * diffuse within the band, which is what they are for.
 *
 * Memory effect, tilts referred to the last screen's plane, z_s its distance from screen s:
 *
 *   C_I(Delta) = exp(-2 sum_s sigma^2 (1 - exp(-(z_s Delta)^2 / lc^2)))
 *
 * for small angles of the light (a tenth: off by 0.01); at any, sim/acceptance/memory.c. Slabs that
 * are diffuse within the band remember over three times wider tilts than this formula has it.
 *
 * One step of the grid is a tilt of lambda / (n pitch): a slab narrower than some times its
 * thickness (n pitch < about 2 L) forgets within one step. On wider grids neighbouring entries
 * along the diagonals of H share light, as neighbouring mirrors do on a bench; singular values stay
 * with Marchenko-Pastur there, but sums over all entries (<t>, <t^2>) scatter more than those of
 * independent ones.
 *
 * Drift: screens are Ornstein-Uhlenbeck processes of correlation time tau L / ls; the matrix then
 * has <H(t + dt) H*(t)> = exp(-(L / ls)(1 - exp(-dt ls / (tau L)))), exp(-dt / tau) for small dt.
 *
 * Gaussian entries want ballistic light below 2 % of the speckle: L / ls >= ln(n_in) + 4.
 */
#ifndef OPU_SIM_MEDIUM_SLAB_H
#define OPU_SIM_MEDIUM_SLAB_H

#include "sim/medium/screens.h"
#include "sim/wave/chain.h"

struct opu_sim_options;

struct opu_slab {
    double thickness_m, mean_free_path_m, anisotropy;
    double wavelength_m; /* in the medium */
    size_t screens;
    bool thin; /* allowed to be too thin */
    /* what follows from them */
    double optical_thickness; /* L / ls */
    double spacing_m, variance, correlation_m, pitch_m;
};

/* Of the options, with the preset's numbers where they leave them open. */
OPU_NODISCARD int opu_slab_from_options(struct opu_slab *slab,
                                        const struct opu_sim_options *options);

/* Fills in what follows, for screens, thickness, mean free path, anisotropy and wavelength. */
void opu_slab_derive(struct opu_slab *slab);

/*
 * Free space is crossed in so many pieces, as a step of the chain further than n pitch^2 / lambda
 * drops the steep waves, which would leave an open window; here they come round again.
 */
size_t opu_slab_pieces(const struct opu_slab *slab, size_t n);

/* At most so many steps. taper: [n] for an absorbing rim behind each screen, or NULL. */
#define OPU_SLAB_MAX_STEPS(screens, pieces) ((4 + (pieces)) * (screens) + 2)
size_t opu_slab_steps(const struct opu_slab *slab, const struct opu_screens *screens, size_t grid,
                      const double *taper, struct opu_step *steps);

/* Mean of |block of the unitary|^2 over inputs and outputs: 1/N where light fills the band. */
double opu_slab_mean_intensity(const struct opu_slab *slab, size_t n, struct opu_window in,
                               struct opu_window out);

#endif
