/* SPDX-License-Identifier: MIT */
/*
 * What is told of an epoch: one JSON line without a clock in it, so that the same seed gives the
 * same bytes, and another one with the times.
 */
#ifndef OPU_CORE_METRICS_H
#define OPU_CORE_METRICS_H

#include <opu/train.h>

#include "core/train/task.h"

#define OPU_METRICS_LINE_SIZE 8192

/* Sums over the rows of an epoch so far; part of a checkpoint. */
struct opu_running {
    double loss; /* sum over rows */
    uint64_t correct, rows;
    double seconds; /* training steps alone */
};

/* What the optics did since the run began; part of a checkpoint. */
struct opu_optical {
    uint64_t frames, pixels, saturated;
    double seconds, joules;
};

struct opu_epoch_metrics {
    uint64_t epoch;                    /* 0: before training; train_* and lr are NaN then */
    double train_loss, train_accuracy; /* accuracies as shares, 0 to 1 */
    const struct opu_scores *scores;
    double lr;     /* of the epoch's last step */
    size_t n_taps; /* 0: alignment was not measured */
    const struct opu_tap_alignment *alignment;
    struct opu_optical optical;
    double correlation; /* of the latest probe; NaN before */
    uint64_t recalibrations;
};

/* A probe of the device. */
struct opu_probe_metrics {
    uint64_t probe, epoch, step; /* counted from 1 */
    double device_s, correlation;
    bool recalibrated;
};

/* Mean loss and share of correct rows; NaN where there are no rows. */
double opu_running_loss(const struct opu_running *running);
double opu_running_accuracy(const struct opu_running *running);

/* Numbers with nine digits, NaN as null; the line ends with '\n'. OPU_E_INVALID: more taps than
 * fit. */
OPU_NODISCARD int opu_metrics_line(char text[OPU_METRICS_LINE_SIZE],
                                   const struct opu_epoch_metrics *metrics);

void opu_probe_line(char text[OPU_METRICS_LINE_SIZE], const struct opu_probe_metrics *metrics);

void opu_timing_line(char text[OPU_METRICS_LINE_SIZE], uint64_t epoch,
                     const struct opu_running *running, double evaluate_s);

#endif
