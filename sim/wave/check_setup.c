/* SPDX-License-Identifier: MIT */
/* What a chain of planes may be asked for. */
#include "sim/wave/check_setup.h"

#include "core/base/fail.h"

#include <math.h>

#define LEAST_POINTS 8
#define MOST_POINTS 16384

static int check_window(const struct opu_window *window, size_t n, const char *which)
{
    if (window->width == 0 || window->height == 0 || window->width > n || window->height > n) {
        return opu_fail(OPU_E_INVALID, "chain: %s window of %zu x %zu points, wanted 1 to %zu",
                        which, window->width, window->height, n);
    }
    if (window->x >= n || window->y >= n) {
        return opu_fail(OPU_E_INVALID, "chain: %s window at (%zu, %zu), wanted below %zu", which,
                        window->x, window->y, n);
    }
    return OPU_OK;
}

static int check_step(const struct opu_step *step, size_t k)
{
    switch (step->kind) {
    case OPU_STEP_FORWARD:
    case OPU_STEP_INVERSE:
        return OPU_OK;
    case OPU_STEP_PHASE:
        return step->phase != NULL
                   ? OPU_OK
                   : opu_fail(OPU_E_INVALID, "chain: step %zu is a phase without a mask", k);
    case OPU_STEP_TAPER:
        return step->taper != NULL
                   ? OPU_OK
                   : opu_fail(OPU_E_INVALID, "chain: step %zu is a taper without its values", k);
    case OPU_STEP_SPACE:
    case OPU_STEP_FRESNEL:
        return isfinite(step->distance_m)
                   ? OPU_OK
                   : opu_fail(OPU_E_INVALID, "chain: step %zu goes %g m, wanted a finite distance",
                              k, step->distance_m);
    case OPU_STEP_APERTURE:
        return step->radius >= 0.0
                   ? OPU_OK
                   : opu_fail(OPU_E_INVALID, "chain: step %zu has radius %g, wanted 0 or more", k,
                              step->radius);
    case OPU_STEP_LENS:
        return isfinite(step->focal_m) && step->focal_m != 0.0
                   ? OPU_OK
                   : opu_fail(OPU_E_INVALID,
                              "chain: step %zu has focal length %g m, wanted finite and not 0", k,
                              step->focal_m);
    }
    return opu_fail(OPU_E_INVALID, "chain: step %zu is of kind %d, which there is not", k,
                    (int)step->kind);
}

int opu_chain_check(const struct opu_chain_setup *setup)
{
    size_t const n = setup->n;
    if (n < LEAST_POINTS || n > MOST_POINTS || (n & (n - 1)) != 0) {
        return opu_fail(OPU_E_INVALID, "chain: %zu points a side, wanted a power of two, %d to %d",
                        n, LEAST_POINTS, MOST_POINTS);
    }
    if (!(setup->pitch_m > 0.0 && isfinite(setup->pitch_m)) ||
        !(setup->wavelength_m > 0.0 && isfinite(setup->wavelength_m))) {
        return opu_fail(OPU_E_INVALID, "chain: pitch %g m, wavelength %g m, wanted more than 0",
                        setup->pitch_m, setup->wavelength_m);
    }
    if (setup->batch == 0) {
        return opu_fail(OPU_E_INVALID, "chain: batch of 0 fields, wanted 1 or more");
    }
    OPU_TRY(check_window(&setup->in, n, "input"));
    OPU_TRY(check_window(&setup->out, n, "output"));
    for (size_t k = 0; k < setup->n_steps; ++k) {
        OPU_TRY(check_step(&setup->steps[k], k));
    }
    return OPU_OK;
}
