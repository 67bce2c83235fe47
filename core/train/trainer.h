/* SPDX-License-Identifier: MIT */
/*
 * A trainer's inside, shared by the files of this folder: trainer.c makes it, loop.c runs it,
 * evaluate.c measures, watch.c probes the device, checkpoint.c and checkpoint_read.c keep its
 * position.
 */
#ifndef OPU_CORE_TRAINER_H
#define OPU_CORE_TRAINER_H

#include <opu/train.h>

#include "core/dfa/alignment.h"
#include "core/dfa/feedback.h"
#include "core/train/folder.h"
#include "core/train/metrics.h"
#include "core/train/optim.h"
#include "core/train/task.h"

/* The first epoch with the highest accuracy on the validation nodes; epoch 0 counts too. */
struct opu_best {
    uint64_t epoch;
    double valid_accuracy, test_accuracy; /* NaN: nothing validates */
};

/* All that changes while a run goes on, but for the parameters, the moments and the device. */
struct opu_position {
    uint64_t measured;   /* 1: the metrics before training have been taken */
    uint64_t epochs;     /* whole ones done */
    uint64_t step;       /* done in the epoch under way */
    uint64_t optim_step; /* done in all */
    uint64_t device_clock;
    uint64_t log_bytes[OPU_RUN_LOGS];
    struct opu_running epoch;          /* of the epoch under way */
    uint64_t rows;                     /* trained on in all ... */
    double seconds;                    /* ... and in what time */
    double train_loss, train_accuracy; /* latest; NaN before */
    struct opu_scores scores;          /* latest; NaN before */
    struct opu_best best;
    struct opu_optical optical; /* up to when optical_base was taken */
    uint64_t probes, recalibrations;
    uint64_t drifted;                       /* 1: the latest probe was below probe.warn */
    uint64_t calibrated;                    /* device clock at the latest calibration's end */
    uint64_t calibration_frames;            /* that it took */
    double correlation, correlation_lowest; /* of the probes; NaN before */
};

struct opu_trainer {
    struct opu_context *context;
    struct opu_train_config config;
    struct opu_folder folder;
    struct opu_task *task;
    struct opu_model_options model; /* what every net is built with */
    const struct opu_model *architecture;
    struct opu_net train, evaluate, twin; /* twin: for alignment, dfa alone */
    struct opu_optim optim;
    struct opu_device *device; /* dfa alone, and so the next two */
    struct opu_feedback *feedback;
    struct opu_alignment *alignment; /* NULL: not measured */
    struct opu_position at;
    struct opu_device_stats optical_base;
    size_t n_taps; /* of the latest alignment; 0 before */
    struct opu_tap_alignment *taps;
    bool drift_warning; /* the step just done brought the first probe below probe.warn */
    double run_s;       /* steps of this process alone, for the time left */
    uint64_t run_steps;
};

/* --- evaluate.c --- */

/* The scores of the network as it is, into at. OPU_E_NUMERIC. */
OPU_NODISCARD int opu_trainer_evaluate(struct opu_trainer *trainer);
/* Alignment over what the task wants it measured on, into taps. */
OPU_NODISCARD int opu_trainer_align(struct opu_trainer *trainer);
/* What the optics did from the run's start up to now. */
struct opu_optical opu_trainer_optical(const struct opu_trainer *trainer);

/* --- watch.c --- */

/*
 * After a step: probes the device where a probe is due, warns, calibrates again. OPU_E_DEVICE where
 * the correlation is below probe.stop; a checkpoint has been written then.
 */
OPU_NODISCARD int opu_trainer_watch(struct opu_trainer *trainer);

/* --- checkpoint.c, checkpoint_read.c --- */

/* Writes the checkpoint, or leaves the older one. Nothing without a folder. */
OPU_NODISCARD int opu_checkpoint_write(struct opu_trainer *trainer);
/*
 * Restores a freshly made trainer. OPU_E_MISMATCH, OPU_E_MATRIX_CHANGED, OPU_E_FORMAT, OPU_E_IO:
 * the trainer must not be used then.
 */
OPU_NODISCARD int opu_checkpoint_read(struct opu_trainer *trainer);

/* --- manifest.c --- */

/*
 * Writes manifest.json: everything that can move a bit of the run. A resumed run keeps the manifest
 * that was there under "earlier", unless it says the same.
 */
OPU_NODISCARD int opu_manifest_write(const struct opu_trainer *trainer, bool resume);

/* --- loop.c --- */

/* Seconds of a clock that only goes forward. */
double opu_trainer_clock(void);

#endif
