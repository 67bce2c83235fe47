/* SPDX-License-Identifier: MIT */
/* The micro-mirror array. Formulas: sim/dmd.h. */
#include "sim/dmd.h"

#include <math.h>
#include <string.h>

struct opu_dmd opu_dmd_make(double leakage)
{
    double const eps = sqrt(leakage);
    return (struct opu_dmd){.gain = 1.0 - eps, .leak_ratio = eps / (1.0 - eps)};
}

size_t opu_dmd_runs(uint32_t *start, const uint8_t *bits, size_t row_bytes, size_t first,
                    size_t end)
{
    size_t n = 0;
    for (size_t f = first; f < end; ++f) {
        const uint8_t *const row = bits + f * row_bytes;
        if (f == first || memcmp(row, row - row_bytes, row_bytes) != 0) {
            start[n++] = (uint32_t)f;
        }
    }
    start[n] = (uint32_t)end;
    return n;
}
