/* SPDX-License-Identifier: MIT */
/* What a training is to be: preset or file, options on top, and the folder that keeps it. */
#ifndef OPU_TOOLS_TRAIN_SETUP_H
#define OPU_TOOLS_TRAIN_SETUP_H

#include "tools/run_folder.h"
#include "tools/train_result.h"

struct train_options {
    const char *method, *device, *out, *data;
    struct cli_uint epochs, seed;
    struct cli_double target;
    struct cli_list set;
    bool resume, overwrite, dry_run, list;
};

/* Everything a run holds, so that one place frees it. */
struct training {
    struct cli *cli;
    const struct train_options *wish;
    struct opu_train_config *config;
    struct opu_trainer *trainer;
    char preset[256];
    char dir[RUN_PATH_SIZE];
    struct cli_progress progress;
};

/*
 * A new run: the configuration from the preset or file, and a folder that holds no other run, or
 * one that train_overwrite() is to clear.
 */
OPU_NODISCARD int train_prepare_new(struct training *training, int argc, char **argv);

/*
 * With --overwrite: takes the older run away, but not before a trainer could be made: a slip in the
 * data's folder or the device shall not cost it.
 */
OPU_NODISCARD int train_overwrite(struct training *training);

/* A resumed run: the folder's own configuration, with the options on top. */
OPU_NODISCARD int train_prepare_resume(struct training *training, int argc, char **argv);

/* The words of a run's result; its state is "running". */
struct train_summary train_summary_of(const struct training *training);

/*
 * How opu_trainer_run() ended, into the summary, *result and DIR/result.json: done, interrupted,
 * stopped (the device's matrix drifted below probe.stop) or failed. The sentence of the latter two
 * is opu_error_message() on entry and stays in summary->why. OPU_E_IO, OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int train_close(const struct training *training, int status,
                              struct train_summary *summary, struct opu_train_result *result);

/* A key's value, "?" if there is no such key. @return text */
const char *train_get(const struct training *training, const char *key,
                      char text[OPU_OPTION_TEXT_SIZE]);

#endif
