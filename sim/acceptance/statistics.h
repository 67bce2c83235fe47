/* SPDX-License-Identifier: MIT */
/* What the two files of the statistics group share. */
#ifndef OPU_SIM_ACCEPTANCE_STATISTICS_H
#define OPU_SIM_ACCEPTANCE_STATISTICS_H

#include "sim/acceptance/measured.h"

/* Pictures with resolved grains: T3, T4 (speckle.c). */
int opu_accept_speckle(struct opu_acceptance *acceptance, const struct opu_sim_options *options);

/* Most outputs that the device's grid takes without Jacobi's law. */
size_t opu_accept_most_outputs(const struct opu_sim_options *options);

#endif
