/* SPDX-License-Identifier: MIT */
/**
 * @file check.h
 * @brief Acceptance tests that a device brings along: each a formula, a measured figure, a bar.
 *
 * A simulator tests its optics, media, camera and statistics against theory; hardware may test its
 * own parts. What can be measured on any device through its frames is not here but in `opu check`.
 */
#ifndef OPU_CHECK_H
#define OPU_CHECK_H

#include <opu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A curve that belongs to a row, for the report. Borrowed during the call. */
struct opu_check_curve {
    const char *title, *x_label, *y_label;
    size_t n;
    const double *x, *measured;
    const double *expected; /**< NULL: there is no formula */
};

/** One line of an acceptance table. Texts are borrowed during the call. */
struct opu_check_row {
    size_t size;
    const char *test;    /**< "A5", "T7": as listed in sim/acceptance/README.md */
    const char *group;   /**< "propagation", "mirrors", "media", ... */
    const char *name;    /**< "Airy pattern of a circular aperture, 512 px" */
    const char *formula; /**< the formula and its source, one line */
    const char *drawn;   /**< the parameters, as they were drawn: "N = 317, w = 43 um", or NULL */
    double value;
    const char *unit;
    double low, high; /**< it passes if low <= value <= high; -INFINITY, INFINITY: open */
    double samples;   /**< independent samples the bar follows from; 0: no statistics */
    const struct opu_check_curve *curve; /**< or NULL */
};

/** Whether a row passes; NaN does not. */
OPU_API bool opu_check_passes(const struct opu_check_row *row);

struct opu_check_options {
    size_t size;
    uint64_t seed;     /**< of the parameters that are drawn at random */
    const char *group; /**< only this group; NULL: all */
    bool thorough;     /**< also what takes minutes */
};

/** Called for every row; a non-zero return stops the tests and is returned. */
typedef int (*opu_check_fn)(void *user, const struct opu_check_row *row);

/**
 * Runs the device's own tests; they leave its set-up and its clock alone.
 * @param options NULL: all groups, seed 1
 * @return OPU_OK (also where rows fail), OPU_E_UNSUPPORTED (the device brings none),
 * OPU_E_NOT_FOUND (no such group), OPU_E_NO_MEMORY, or what fn returned
 */
OPU_NODISCARD OPU_API int opu_device_check(struct opu_device *device,
                                           const struct opu_check_options *options, opu_check_fn fn,
                                           void *user);

#ifdef __cplusplus
}
#endif
#endif
