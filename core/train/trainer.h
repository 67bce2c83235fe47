/* SPDX-License-Identifier: MIT */
/*
 * A trainer's inside, shared by the files of this folder: trainer.c makes it, loop.c runs it,
 * evaluate.c measures, watch.c probes the device, checkpoint.c and checkpoint_read.c keep its
 * position.
 */
#ifndef OPU_CORE_TRAINER_H
#define OPU_CORE_TRAINER_H

#include <opu/train.h>

#include "core/data/dataset.h"
#include "core/dfa/alignment.h"
#include "core/dfa/feedback.h"
#include "core/models/models.h"
#include "core/train/folder.h"
#include "core/train/metrics.h"
#include "core/train/optim.h"
#include "core/train/settings.h"

/* A planned graph of the model, with its inputs. */
struct opu_net {
    struct opu_graph *graph;
    struct opu_model_values values;
    size_t max_rows;
};

/* All that changes while a run goes on, but for the parameters, the moments and the device. */
struct opu_position {
    uint64_t measured;   /* 1: the metrics before training have been taken */
    uint64_t epochs;     /* whole ones done */
    uint64_t step;       /* done in the epoch under way */
    uint64_t optim_step; /* done in all */
    uint64_t device_clock;
    uint64_t log_bytes[OPU_RUN_LOGS];
    struct opu_running epoch;                                    /* of the epoch under way */
    uint64_t rows;                                               /* trained on in all ... */
    double seconds;                                              /* ... and in what time */
    double train_loss, train_accuracy, test_loss, test_accuracy; /* latest; NaN before */
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
    struct opu_dataset *data;
    struct opu_net train, evaluate, twin; /* twin: for alignment, dfa alone */
    struct opu_optim optim;
    struct opu_device *device; /* dfa alone, and so the next two */
    struct opu_feedback *feedback;
    struct opu_alignment *alignment; /* NULL: not measured */
    uint32_t *order;                 /* [training rows] their order in this epoch */
    uint32_t *rows;                  /* [evaluate.max_rows] rows of an evaluation's batch */
    uint64_t steps;                  /* of an epoch */
    struct opu_position at;
    struct opu_device_stats optical_base;
    size_t n_taps; /* of the latest alignment; 0 before */
    struct opu_tap_alignment *taps;
    bool drift_warning; /* the step just done brought the first probe below probe.warn */
    double run_s;       /* steps of this process alone, for the time left */
    uint64_t run_steps;
};

/* --- evaluate.c --- */

/* Loss and accuracy over the evaluation rows, into at. OPU_E_NUMERIC. */
OPU_NODISCARD int opu_trainer_evaluate(struct opu_trainer *trainer);
/* Alignment over the first align.rows training rows, into taps. */
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
