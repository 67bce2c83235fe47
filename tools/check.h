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
    double snr;      /* predicted signal-to-noise (power) of a linear output; NaN: unknown */
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

/* check_noise.c: power signal-to-noise of a linear output, from the caps and calibration; NaN:
 * unknown, infinity: no noise at all. */
double check_predict_snr(const struct opu_caps *caps, const struct opu_calibration *found,
                         const char *readout);

#endif
