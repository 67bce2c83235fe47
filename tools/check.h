/* SPDX-License-Identifier: MIT */
/* The acceptance table of a device: what cmd_check.c prints, check_rows.c and check_frames.c
 * measure. */
#ifndef OPU_TOOLS_CHECK_H
#define OPU_TOOLS_CHECK_H

#include "tools/projection_args.h"

enum check_verdict { CHECK_NONE, CHECK_PASS, CHECK_FAIL };

struct check_row {
    const char *name, *unit;
    double value; /* NaN: could not be measured */
    char wanted[96];
    enum check_verdict verdict;
};

#define CHECK_MAX_ROWS 24

struct check {
    struct cli *cli;
    struct opu_device *device;
    struct opu_projection *projection;
    size_t n_in, n_out;
    bool frames, linear;
    float *in, *out, *again; /* [n_in][n_in], [n_in][n_out] twice */
    struct {
        double all, half,
            quarter;   /* check_predict_noise() of such shares of the mirrors; NaN: unknown */
        double spread; /* relative deviation of one pixel's noise from the mean */
    } noise;
    double variance; /* of B's entries, once measured */
    uint64_t random; /* state of check_random() */
    struct check_row rows[CHECK_MAX_ROWS];
    size_t n_rows;
};

/* Adds a row; format describes what is wanted. */
void check_add(struct check *check, const char *name, double value, const char *unit,
               enum check_verdict verdict, const char *format, ...) OPU_PRINTF(6, 7);
enum check_verdict check_verdict_of(bool pass);

/* A well mixed 64-bit number (splitmix64, public domain); the sequence is fixed by its start. */
uint64_t check_random(struct check *check);

/* check_rows.c: through the projection. OPU_OK, or what a device's call returned. */
OPU_NODISCARD int check_projection(struct check *check);

/* check_frames.c: through the frame calls; takes the device over. */
OPU_NODISCARD int check_speckle(struct check *check);

/*
 * check_noise.c: variance of a linear output's noise for a pattern with `share` of all mirrors on,
 * over the variance of the output's signal with all of them on. NaN: unknown.
 */
double check_predict_noise(const struct opu_caps *caps, const struct opu_calibration *found,
                           const char *readout, double share);

/*
 * Relative deviation of a pixel's noise variance from the mean. phase4: of ns + nr only ns varies,
 * at most half of the sum (0.5; usually 0.2). anchor: 1 / |A|^2 varies by sqrt(E u^-2 / (E 1/u)^2 -
 * 1) = 1.26 for u exponential above 0.05.
 */
double check_noise_spread(const char *readout);

#endif
