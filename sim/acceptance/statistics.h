/* SPDX-License-Identifier: MIT */
/* What the files of the statistics group share. */
#ifndef OPU_SIM_ACCEPTANCE_STATISTICS_H
#define OPU_SIM_ACCEPTANCE_STATISTICS_H

#include "sim/acceptance/measured.h"

/* Entries over several seeds: T1 (entries.c). */
int opu_accept_entries(struct opu_acceptance *acceptance, const struct opu_sim_options *options);

/* Pictures with resolved grains: T3, T4 (speckle.c). */
int opu_accept_speckle(struct opu_acceptance *acceptance, const struct opu_sim_options *options);

/* Most outputs that the device's grid takes without Jacobi's law. */
size_t opu_accept_most_outputs(const struct opu_sim_options *options);

/* Inputs and outputs of a test matrix, gamma = 4 to 5. */
void opu_accept_draw_sizes(struct opu_acceptance *acceptance, const struct opu_sim_options *options,
                           size_t *n, size_t *m);

#endif
