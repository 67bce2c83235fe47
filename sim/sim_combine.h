/* SPDX-License-Identifier: MIT */
/* Which options go together: what can't have an effect, or can't be, is refused with its reason. */
#ifndef OPU_SIM_COMBINE_H
#define OPU_SIM_COMBINE_H

#include <opu/status.h>

#include "sim/sim_options.h"

/* OPU_OK, or OPU_E_INVALID with the option, its value and what stands against it. */
OPU_NODISCARD int opu_sim_combine(const struct opu_sim_options *options);

#endif
