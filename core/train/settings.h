/* SPDX-License-Identifier: MIT */
/* A training configuration as the trainer reads it; config.c has the table that describes it. */
#ifndef OPU_CORE_SETTINGS_H
#define OPU_CORE_SETTINGS_H

#include <opu/train.h>

/* Values are in the order of the choices in config.c's table. */
enum opu_evaluate { OPU_EVALUATE_TEST = 0, OPU_EVALUATE_HOLDOUT = 1 };
enum opu_optim_kind { OPU_OPTIM_ADAM = 0, OPU_OPTIM_SGD = 1 };
enum opu_schedule_kind {
    OPU_SCHEDULE_CONSTANT = 0,
    OPU_SCHEDULE_COSINE = 1,
    OPU_SCHEDULE_STEP = 2
};
enum opu_node_split { OPU_SPLIT_PUBLIC = 0, OPU_SPLIT_FOLDS = 1 };
enum opu_align_labels { OPU_LABELS_TRAIN = 0, OPU_LABELS_ALL = 1 };
enum opu_rescale { OPU_RESCALE_AUTO = 0, OPU_RESCALE_YES = 1, OPU_RESCALE_NO = 2 };

struct opu_optim_settings {
    int kind; /* enum opu_optim_kind */
    double lr, momentum, beta1, beta2, eps, weight_decay;
    char decay_only[OPU_OPTION_TEXT_SIZE]; /* start of the names that decay; "": all */
    int schedule;                          /* enum opu_schedule_kind */
    uint64_t step_epochs, warmup_steps;
    double step_factor, floor;
};

struct opu_feedback_settings {
    char device[OPU_OPTION_TEXT_SIZE], encode[OPU_OPTION_TEXT_SIZE], readout[OPU_OPTION_TEXT_SIZE];
    int rescale; /* enum opu_rescale */
    uint64_t bits, seed, spread;
};

/* Correlations of the device's probe; 0: never. */
struct opu_probe_settings {
    uint64_t every; /* steps; 0: automatic */
    double warn, recalibrate, stop;
};

struct opu_settings {
    int task; /* index into the choices of data.task */
    char data_dir[OPU_OPTION_TEXT_SIZE];
    int evaluate; /* enum opu_evaluate */
    uint64_t holdout;
    uint64_t train_rows, evaluate_rows; /* 0: all */
    int split;                          /* enum opu_node_split */
    double valid_links, test_links;     /* shares of the edges held out */
    int model, activation; /* indices into the choices of model.name and model.activation */
    char hidden[OPU_OPTION_TEXT_SIZE];
    uint64_t heads, groups;
    double dropout, dropout_features, dropout_attention;
    int method; /* enum opu_method of core/nn/graph.h */
    uint64_t epochs, batch, seed;
    struct opu_optim_settings optim;
    struct opu_feedback_settings feedback;
    uint64_t align_every, align_rows, checkpoint_every;
    int align_labels; /* enum opu_align_labels */
    struct opu_probe_settings probe;
};

struct opu_train_config {
    struct opu_context *context;
    struct opu_settings settings;
};

/* Whether a checkpoint may be resumed with another value of this key. */
bool opu_settings_may_change(const char *key);

/*
 * The whole configuration as .ini text that reads back to the same; the caller frees it with
 * opu_context_free().
 */
OPU_NODISCARD int opu_train_config_write(const struct opu_train_config *config, char **text);

#endif
