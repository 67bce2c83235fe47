/* SPDX-License-Identifier: MIT */
/* The table of this level's kernels on lines. See sim/wave/lines.h. */
#include "sim/wave/line_lanes.h"

extern const struct OPU_REAL(opu_line_kernels) OPU_KERNEL(OPU_REAL(opu_lines));
const struct OPU_REAL(opu_line_kernels) OPU_KERNEL(OPU_REAL(opu_lines)) = {
    .from_reversed = OPU_LINE(from_reversed),
    .to_reversed = OPU_LINE(to_reversed),
    .place = OPU_LINE(place),
    .collect = OPU_LINE(collect),
    .split = OPU_LINE(split),
    .join = OPU_LINE(join),
    .phase = OPU_LINE(phase),
    .separable = OPU_LINE(separable),
    .taper = OPU_LINE(taper),
    .aperture = OPU_LINE(aperture),
    .even = OPU_LINE(even),
};
