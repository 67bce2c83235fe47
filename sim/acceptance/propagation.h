/* SPDX-License-Identifier: MIT */
/* What the tests of propagation share: a chain made, used once and freed, in double. */
#ifndef OPU_SIM_ACCEPTANCE_PROPAGATION_H
#define OPU_SIM_ACCEPTANCE_PROPAGATION_H

#include "sim/acceptance/acceptance.h"
#include "sim/wave/chain.h"

#include <complex.h>

#define OPU_TWO_PI 6.28318530717958647693
#define OPU_IMAGINARY ((double complex)I)

/* Once through a chain; `narrow` by floats. */
OPU_NODISCARD int opu_wave_once(const struct opu_chain_setup *setup, bool adjoint, bool narrow,
                                const double complex *in, double complex *out);

/* A5-A11. */
OPU_NODISCARD int opu_accept_diffraction(struct opu_acceptance *acceptance);

#endif
