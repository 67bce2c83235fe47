/* SPDX-License-Identifier: MIT */
/* What photon transfer is read from, here and in the camera's own tests. */
#ifndef OPU_SIM_ACCEPTANCE_PHOTON_TRANSFER_H
#define OPU_SIM_ACCEPTANCE_PHOTON_TRANSFER_H

#include <stddef.h>

struct opu_accept_line {
    double slope, slope_error, intercept, intercept_error;
};

/* Weighted straight line through n points (x, y +- s); errors from the weights alone. */
struct opu_accept_line opu_accept_fit(const double *x, const double *y, const double *s, size_t n);

#endif
