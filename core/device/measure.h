/* SPDX-License-Identifier: MIT */
/* Measurements that the read-outs' calibrations are made of. */
#ifndef OPU_CORE_MEASURE_H
#define OPU_CORE_MEASURE_H

#include "core/device/readout.h"

#define OPU_FIT_CHANNELS 3

/* A straight line through counts against exposure, for every pixel and channel. */
struct opu_line {
    double slope[OPU_FIT_CHANNELS];     /* counts a microsecond */
    double slope_var[OPU_FIT_CHANNELS]; /* of the estimate, from the residuals; 0 for exact data */
    bool found;                         /* enough exposures without saturation */
};

/*
 * A ramp of exposures over one pattern.
 * Without references: one frame per exposure, channel 0 is its counts. With N of them, phases 2 pi
 * k / N: N frames, the channels are their mean and the two parts of sum of I_k exp(2 pi i k / N) /
 * N.
 */
struct opu_ramp {
    const uint8_t *bits; /* of one frame */
    size_t n_references; /* 0: the arm is blocked; 2 to OPU_STEPS_MAX */
    struct opu_reference references[OPU_STEPS_MAX];
    double low_us, high_us; /* geometric steps between them */
    size_t points;
    double shift; /* 0 to 1: part of a step that the grid is moved by, so that repeats see other
                     steps of the ADC */
};

/* Saturated frames are left out, pixel by pixel. lines[n_pixels]. */
OPU_NODISCARD int opu_measure_ramp(struct opu_projection *p, const struct opu_ramp *ramp,
                                   struct opu_line *lines);

/*
 * Exposures for a ramp over light of `rate` counts a microsecond on average: up to `top` times the
 * exposure that would bring the mean pixel to full scale, down to 1/span of it, within what the
 * device can do.
 */
void opu_ramp_range(const struct opu_projection *p, struct opu_ramp *ramp, double rate, double top,
                    double span);

/* Mean rate of a pattern or reference state of unknown brightness: two ramps, the first over all
 * exposures. */
OPU_NODISCARD int opu_measure_rate(struct opu_projection *p, const struct opu_ramp *like,
                                   double *rate);

/*
 * tables.signal_rate: the light s that the step of one of the projection's own inputs adds, mean
 * over them; B's entries have the variance asked for where the outputs are scaled by it. A device
 * may state s (opu_caps.signal_per_us): that has no sampling error, but is the mean of all mirrors
 * that are configured, and under uneven light the inputs beside an anchor are not like it. So both
 * kinds are looked at, and s is the statement times the share of the light that the inputs have,
 * where that is seen to be another one than their number's; it is what was measured where there is
 * no statement, or a wrong one.
 *
 * Measured, with the reference blocked: inputs, and the anchor's, fall into up to 28 groups in all,
 * each shown alone. With T = sum of a kind's steps' fields D_g, A those of the other kind, e the
 * amplitude of mirrors that are off and L = k (T + A), k = e / (1 - e), what these send,
 *
 *   sum over groups of |D_g + L|^2 = sum of |D_g|^2 + n_groups |L|^2 + 2 Re(T L*)
 *
 * of which the first has the mean n s and the last 2 k n s (0 where L comes from mirrors that are
 * stuck; quotients of kinds don't depend on it). |L|^2 is what all mirrors off send, e^2 its
 * quotient to all on. Speckle: the sum of |D_g|^2 is one of gamma variates, as many as grains times
 * groups (alike), so that s is known to 1 / sqrt(grains groups), and the last term adds
 * 2 k sqrt((1 + n_other / (2 n)) / grains).
 *
 * A quotient of two such means, of f1 and f2 degrees of freedom (1 over the relative variance; f2
 * infinite: of a mean and its expectation), has with a = 1 / (9 f1), b = 1 / (9 f2) a nearly normal
 *
 *   z = ((1 - b) quotient^(1/3) - (1 - a)) / sqrt(b quotient^(2/3) + a)
 *
 * (Wilson & Hilferty, PNAS 17, 684 (1931); Paulson, Ann. Math. Stat. 13, 233 (1942)). |z| above 4,
 * with 1 % for the camera, contradicts that the two are alike.
 */
OPU_NODISCARD int opu_measure_signal(struct opu_projection *p);

/* Counts a microsecond that the device states of a mirror; 0: it does not. */
double opu_stated_rate(const struct opu_projection *p);

/* Whether a quotient of brightnesses of these degrees of freedom speaks against 1. */
bool opu_light_contradicts(double ratio, double freedom, double other);

/* Independent grains that a layout sees: its pixels, or the modes of a picture's pupil. */
double opu_light_grains(const struct opu_layout *layout);

/* Mean of |field|^2. */
double opu_mean_light(const float *field, size_t n_pixels);

/*
 * By the same rule, of a device that tells its field: |H_ij|^2, mean over the projection's inputs,
 * where that of all configured is 1; exactly 1 unless inputs and anchor contradict it. input and
 * field are room for a row of each.
 */
OPU_NODISCARD int opu_tell_light(struct opu_device *device, const struct opu_layout *layout,
                                 float *input, float *field, double *light);

/* The count of a pixel in frame f of the chunk, above black. */
double opu_chunk_count(const struct opu_projection *p, size_t f, size_t pixel);

/* Counts of a dark pixel. */
double opu_black(const struct opu_projection *p);

/* Highest light, in counts above black, that is not yet full scale: 2^bits - 1.5 - black. */
double opu_full_scale(const struct opu_projection *p);

/*
 * Share of pixels above full scale when the signal field is complex Gaussian of unit mean
 * intensity, the reference amplitude alpha and full scale beta^2 (all in units of the signal): P(|S
 * + alpha| > beta).
 */
double opu_speckle_tail(double alpha, double beta);

/*
 * A ramp over the reference in n_steps even phase steps with all mirrors off, lines[n_pixels]. The
 * arm is as bright as suits `share` of the inputs on, at the *amplitude that is told.
 */
OPU_NODISCARD int opu_measure_reference(struct opu_projection *p, size_t n_steps, double share,
                                        struct opu_line *lines, double *amplitude);

/* OPU_E_DEVICE for a pixel that such a ramp found nothing of. */
int opu_fail_reference(const struct opu_projection *p, size_t pixel, bool found);

/*
 * Amplitude eps of mirrors that are off: all off they send eps H 1, all on H 1, so that eps^2 is
 * the quotient of the two brightnesses, pixel by pixel, whatever H is.
 */
OPU_NODISCARD int opu_measure_leakage(struct opu_projection *p, double *eps);

/* Sets the device up for this projection's inputs, pixels and bits with the tables given. */
OPU_NODISCARD int opu_frames_configure(struct opu_projection *p, const double *exposures_us,
                                       size_t n_exposures, const struct opu_reference *references,
                                       size_t n_references);

/* n_on of n random bits set; `draw` names the pattern. */
void opu_random_pattern(uint8_t *bits, size_t n, size_t n_on, uint64_t draw);

#endif
