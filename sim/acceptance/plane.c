/* SPDX-License-Identifier: MIT */
/* Planes of light that tests of diffraction draw and send on; formulas in sim/acceptance/plane.h.
 */
#include "sim/acceptance/plane.h"

#include "core/base/mem.h"

#include <math.h>

int opu_plane_init(struct opu_plane *plane, struct opu_context *context, size_t n, double pitch_m,
                   size_t in_side, size_t out_side)
{
    /* Both windows are centred on the axis, so that they wrap around. */
    plane->setup = (struct opu_chain_setup){
        .context = context,
        .n = n,
        .pitch_m = pitch_m,
        .wavelength_m = OPU_PLANE_WAVELENGTH_M,
        .in = {(n - in_side / 2) % n, (n - in_side / 2) % n, in_side, in_side},
        .out = {(n - out_side / 2) % n, (n - out_side / 2) % n, out_side, out_side},
        .batch = 1};
    plane->in =
        opu_calloc(context, in_side * in_side + out_side * out_side, sizeof(double complex));
    plane->out = plane->in + in_side * in_side;
    return plane->in != NULL ? OPU_OK : OPU_E_NO_MEMORY;
}

void opu_plane_fini(struct opu_plane *plane)
{
    opu_context_free(plane->setup.context, plane->in);
}

int opu_plane_send(struct opu_plane *plane, const struct opu_step *steps, size_t n_steps)
{
    plane->setup.steps = steps;
    plane->setup.n_steps = n_steps;
    int const status = opu_wave_once(&plane->setup, false, false, plane->in, plane->out);
    plane->setup.steps = NULL; /* lent for this call */
    return status;
}

int opu_plane_through_space(struct opu_plane *plane, enum opu_step_kind kind, double z_m)
{
    struct opu_step const steps[] = {
        {.kind = OPU_STEP_FORWARD}, {.kind = kind, .distance_m = z_m}, {.kind = OPU_STEP_INVERSE}};
    return opu_plane_send(plane, steps, 3);
}

double opu_plane_at(size_t i, size_t side)
{
    size_t const half = side / 2;
    return (double)i - (double)half;
}

double opu_plane_share(double x, double low, double high)
{
    double const from = fmax(x - 0.5, low);
    double const to = fmin(x + 0.5, high);
    return to > from ? to - from : 0.0;
}
