/* SPDX-License-Identifier: MIT */
/* One source, two precisions: meson compiles the files that include this once as they are and once
 * with -DOPU_REAL_DOUBLE. */
#ifndef OPU_SIM_WAVE_REAL_H
#define OPU_SIM_WAVE_REAL_H

#include "core/base/isa.h"

#ifdef OPU_REAL_DOUBLE
typedef double real;
#define OPU_REAL(name) OPU_ISA_CAT(name, f64)
#else
typedef float real;
#define OPU_REAL(name) OPU_ISA_CAT(name, f32)
#endif

/* Lines that are transformed side by side, one in each lane of the widest vectors: 64 bytes. */
#define OPU_LANES ((int)(64 / sizeof(real)))

#endif
