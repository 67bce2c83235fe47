/* SPDX-License-Identifier: MIT */
/*
 * The acceptance of a device: rows of what was measured, what was wanted, and why. cmd_check.c runs
 * the steps, each check_*.c measures one thing through public calls, check_table.c holds and prints
 * the rows, check_report.c draws them.
 */
#ifndef OPU_TOOLS_CHECK_H
#define OPU_TOOLS_CHECK_H

#include "tools/projection_args.h"

enum check_verdict { CHECK_NONE, CHECK_PASS, CHECK_FAIL };

/* How a curve is drawn. */
enum check_shape { CHECK_LINE, CHECK_POINTS, CHECK_HISTOGRAM, CHECK_BARS };

/* All texts and arrays are the row's own. */
struct check_curve {
    char *title, *x_label, *y_label;
    size_t n;
    double *x, *measured;
    double *expected; /* NULL: there is no formula */
    char **names;     /* [n] of the bars, else NULL */
    double tolerance; /* of bars: relative half width of what passes */
    enum check_shape shape;
    bool log_x, log_y;
};

struct check_row {
    char *test, *group, *name, *formula, *drawn, *unit, *wanted;
    double value;             /* NaN: could not be measured */
    double low, high;         /* NaN where `wanted` says more than two numbers could */
    double samples;           /* 0: no statistics */
    bool own;                 /* one of the device's own tests */
    struct check_curve curve; /* .n == 0: none */
    enum check_verdict verdict;
};

struct check {
    struct cli *cli;
    struct opu_device *device;
    struct opu_projection *projection;
    size_t n_in, n_out;
    uint32_t bits; /* as asked for on the command line, or 0 */
    bool frames, linear;
    float *in, *out, *again; /* [n_in][n_in], [n_in][n_out] twice */
    struct {
        double all;           /* between repetitions, all mirrors on; NaN: unknown */
        double half, quarter; /* error of such shares of the mirrors */
        double spread;        /* relative deviation of one pixel's noise from the mean */
    } noise;
    double variance;                /* of B's entries, once measured */
    struct opu_device_stats before; /* statistics before the first answer; size 0: not yet */
    uint64_t seed, random;          /* random: state of check_random() */
    const char *group;              /* of the rows to come */
    struct check_row *rows;
    size_t n_rows, room;
    bool no_memory; /* a row was lost */
    struct cli_progress progress;
};

/* --- check_table.c --- */

/* Adds a row; format describes what is wanted. */
void check_add(struct check *check, const char *name, double value, const char *unit,
               enum check_verdict verdict, const char *format, ...) OPU_PRINTF(6, 7);

/*
 * Adds a row that low and high judge (both infinite: for information); everything is copied. With
 * `own` it is one of the device's tests, else its group is check->group. `why`, or NULL, stands
 * behind what is wanted.
 */
void check_take(struct check *check, const struct opu_check_row *row, bool own, const char *why);

/* Tells of the latest row: where its bar comes from, how many independent samples it has. */
void check_explain(struct check *check, const char *formula, double samples);

/* The latest row's curve, or NULL where it has none. */
struct check_curve *check_latest_curve(struct check *check);

enum check_verdict check_verdict_of(bool pass);
const char *check_verdict_name(enum check_verdict verdict);
size_t check_failures(const struct check *check);
void check_print(const struct check *check, const char *projection, const char *work);
json_t *check_document(const struct check *check, const char *projection, const char *work);
void check_free_rows(struct check *check);

/* A well mixed 64-bit number (splitmix64, public domain); the sequence is fixed by its start. */
uint64_t check_random(struct check *check);

/* --- check_rows.c: through the projection. OPU_OK, or what a device's call returned. --- */
OPU_NODISCARD int check_projection(struct check *check); /* linearity, repeatability, noise, rate */
OPU_NODISCARD int check_matrix(struct check *check);     /* B's moments; leaves B at check->out */

/* --- check_spectrum.c: singular values of the matrix [n_in][n_out] at check->out --- */
OPU_NODISCARD int check_spectrum(struct check *check);

/* --- check_shot.c: frames without a reference, at any exposure --- */
struct check_shot {
    struct check *check;
    struct opu_frame_setup setup; /* one exposure, one state: the reference blocked */
    size_t n_pixels, n_bytes, n_frames;
    double exposure_us, full; /* counts at full scale */
    uint8_t *pattern;         /* [n_frames][n_bytes] */
    uint64_t *numbers;        /* [n_frames] */
    uint16_t *counts;         /* [n_frames][n_pixels] */
    float *mean, *variance;   /* [n_pixels], over the frames of one shot */
};

/* Pixels (region NULL) or a region, with the finest counts that the camera has. */
OPU_NODISCARD int check_shot_create(struct check_shot *shot, struct check *check, size_t n_frames,
                                    size_t n_pixels, const struct opu_region *region);
void check_shot_destroy(struct check_shot *shot);
/* The same pattern in all frames: half the mirrors, chosen at random, or none. */
void check_shot_pattern(struct check_shot *shot, bool light);
/* All frames; fills counts, and each pixel's mean and variance over them. */
OPU_NODISCARD int check_shot_take(struct check_shot *shot);
/* Finds the exposure for a mean of `share` of full scale, and takes the shot. */
OPU_NODISCARD int check_shot_expose(struct check_shot *shot, double share);
double check_shot_mean(const struct check_shot *shot); /* over all pixels and frames */
/*
 * Light that one of the inputs adds on average, over what the calibration has a mirror add: where
 * an anchor stands beside them and light is uneven, the inputs get another share of it than the
 * mean of all mirrors, which is what a device's facts tell. 1 without an anchor. Takes the device
 * over.
 */
OPU_NODISCARD int check_shot_light(struct check *check, const struct opu_calibration *found,
                                   size_t n_pixels, double *light);

/* --- frames: each takes the device over --- */
OPU_NODISCARD int check_speckle(struct check *check);  /* contrast, exponential intensity */
OPU_NODISCARD int check_grain(struct check *check);    /* autocorrelation */
OPU_NODISCARD int check_transfer(struct check *check); /* variance against mean, dark noise */
OPU_NODISCARD int check_readouts(struct check *check); /* errors against check_predict_noise() */
OPU_NODISCARD int check_drift(struct check *check);

/* Linear read-outs, in check_readout.c. */
extern const char *const check_readout_names[];
extern const size_t check_n_readouts;

/* --- check_report.c --- */
OPU_NODISCARD int check_report_write(struct check *check, const char *path, const char *projection,
                                     const char *work);

/* --- check_noise.c --- */
struct check_noise {
    const struct opu_caps *caps;
    const struct opu_calibration *found;
    const char *readout;
    size_t n_in, n_on; /* inputs, and how many of them the pattern has on */
    double light;      /* of an input over the calibration's, from check_shot_light() */
    bool error;        /* against the truth; else between repetitions of one frame */
};

/*
 * Variance of a linear output's noise for such a pattern, over the variance of the signal of all
 * mirrors on that entries of variance 1 give. NaN: unknown.
 */
double check_predict_noise(const struct check_noise *of);

/*
 * Relative deviation of a pixel's noise variance from what is predicted, for one pattern. phaseN:
 * of ns + nr only ns varies, at most half of the sum (0.5; usually 0.2). anchor: light that varies
 * by 0.8 over |A|^2, sqrt(E u^-2) / E u^-1 = 1.6 for u exponential above 0.05.
 */
double check_noise_spread(const char *readout);

#endif
