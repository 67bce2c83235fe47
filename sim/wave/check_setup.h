/* SPDX-License-Identifier: MIT */
/* Whether a chain can be made: OPU_OK, or OPU_E_INVALID and a sentence. */
#ifndef OPU_SIM_WAVE_CHECK_SETUP_H
#define OPU_SIM_WAVE_CHECK_SETUP_H

#include "sim/wave/chain.h"

int opu_chain_check(const struct opu_chain_setup *setup);

#endif
