/* SPDX-License-Identifier: MIT */
/* The laser. Formula: sim/laser.h. */
#include "sim/laser.h"

#include "core/base/rng.h"

double opu_laser_power(uint64_t seed, double rin, uint64_t frame)
{
    if (rin == 0.0) {
        return 1.0;
    }
    float z[4];
    opu_normal4(opu_philox(seed, OPU_STREAM_LASER, 0, frame), z);
    double const power = 1.0 + rin * (double)z[0];
    return power > 0.0 ? power : 0.0;
}
