/* SPDX-License-Identifier: MIT */
/* The reference arm. Formula: sim/reference.h. */
#include "sim/reference.h"

#include <math.h>

struct opu_sim_reference opu_sim_reference_arm(struct opu_reference state, double electrons_per_us)
{
    double const amplitude = state.amplitude * sqrt(electrons_per_us);
    struct opu_sim_reference const arm = {.re = amplitude * cos(state.phase_rad),
                                          .im = amplitude * sin(state.phase_rad)};
    return arm;
}
