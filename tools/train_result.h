/* SPDX-License-Identifier: MIT */
/* What a training came to: the document of --json (kept as result.json too) and the table for
 * people. */
#ifndef OPU_TOOLS_TRAIN_RESULT_H
#define OPU_TOOLS_TRAIN_RESULT_H

#include "tools/cli.h"

struct train_summary {
    const char *preset, *dir, *report; /* report: NULL where there is none (yet) */
    const char *state;                 /* running, interrupted, stopped, failed, done */
    int status;                        /* of a run that was stopped or failed */
    char why[512];                     /* and its sentence, else "" */
    char method[OPU_OPTION_TEXT_SIZE], seed[OPU_OPTION_TEXT_SIZE], epochs[OPU_OPTION_TEXT_SIZE];
    char device[OPU_OPTION_TEXT_SIZE]; /* "": the method needs none */
};

/* result NULL: there are no figures yet. */
json_t *train_result_json(const struct cli *cli, const struct train_summary *summary,
                          const struct opu_train_result *result);

/* Writes DIR/result.json. OPU_E_IO, OPU_E_NO_MEMORY. */
OPU_NODISCARD int train_result_write(const struct cli *cli, const struct train_summary *summary,
                                     const struct opu_train_result *result);

void train_result_print(const struct train_summary *summary, const struct opu_train_result *result);

/* The preset that DIR/result.json names, else the folder's name. */
void train_result_preset(const char *dir, char *text, size_t n);

#endif
