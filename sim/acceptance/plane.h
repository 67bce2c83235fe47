/* SPDX-License-Identifier: MIT */
/*
 * A field in a plane, sent once through a lens or through space, for tests of diffraction. Lengths
 * are in pixels of the grid unless their names say otherwise; apertures are sampled by the share of
 * a pixel that they cover.
 */
#ifndef OPU_SIM_ACCEPTANCE_PLANE_H
#define OPU_SIM_ACCEPTANCE_PLANE_H

#include "sim/acceptance/propagation.h"

#define OPU_PLANE_WAVELENGTH_M 532e-9

/* Fields of a chain that is used once: in and out in one block. */
struct opu_plane {
    struct opu_chain_setup setup;
    double complex *in, *out;
};

/* Square windows, centred on the axis. opu_plane_fini() after success. OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_plane_init(struct opu_plane *plane, struct opu_context *context, size_t n,
                                 double pitch_m, size_t in_side, size_t out_side);
void opu_plane_fini(struct opu_plane *plane);

/* in -> out */
OPU_NODISCARD int opu_plane_send(struct opu_plane *plane, const struct opu_step *steps,
                                 size_t n_steps);
/* The same through z_m of OPU_STEP_SPACE or OPU_STEP_FRESNEL. */
OPU_NODISCARD int opu_plane_through_space(struct opu_plane *plane, enum opu_step_kind kind,
                                          double z_m);

/* Position of index i of a centred window. */
double opu_plane_at(size_t i, size_t side);

/* Share of the pixel at x between low and high. */
double opu_plane_share(double x, double low, double high);

/* A7: near fields. `show`: with the curve. */
OPU_NODISCARD int opu_accept_near_field(struct opu_acceptance *acceptance, bool show);

#endif
