/* SPDX-License-Identifier: MIT */
/* The cascade of diffusers: what its drift's formula needs. See sim/medium/medium_cascade.c. */
#ifndef OPU_SIM_MEDIUM_CASCADE_H
#define OPU_SIM_MEDIUM_CASCADE_H

/* b: variance of the drifting phases, summed over the masks that drift; rad^2. */
#define OPU_CASCADE_VARIANCE 256.0

#endif
