/* SPDX-License-Identifier: MIT */
/* What a run folder holds, read back: configuration, metrics by epoch, manifest, result. */
#ifndef OPU_TOOLS_RUN_FOLDER_H
#define OPU_TOOLS_RUN_FOLDER_H

#include "tools/cli.h"

#define RUN_PATH_SIZE 4096
#define RUN_MAX_TAPS 32

struct run_tap {
    char name[64];
    double *mean, *std; /* [n_epochs] */
};

struct run_folder {
    char path[RUN_PATH_SIZE];
    struct opu_train_config *config;
    json_t *manifest; /* NULL where there is none */
    json_t *result;   /* the document of opu train, NULL where there is none */
    size_t n_epochs;  /* lines of metrics.jsonl; the first is epoch 0, before training */
    double *epoch, *train_loss, *train_accuracy, *test_loss, *test_accuracy, *lr;
    double *seconds; /* [n_epochs] of training by epoch, from timing.jsonl; NaN where unknown */
    double *rows_per_second;
    size_t n_taps;
    struct run_tap taps[RUN_MAX_TAPS];
    size_t n_probes;               /* lines of probes.jsonl */
    double *probe_s, *correlation; /* [n_probes]; probe_s: device time, NaN where it has none */
    double *recalibrated;          /* [n_probes]: the correlation that led to it, NaN elsewhere */
};

/*
 * Reads a folder; a torn last line of a log is left out. OPU_E_NOT_FOUND (no such folder, no
 * config.ini), OPU_E_FORMAT, OPU_E_NO_MEMORY. run_folder_free() after either outcome.
 */
OPU_NODISCARD int run_folder_read(struct run_folder *run, struct opu_context *context,
                                  const char *path);
void run_folder_free(struct run_folder *run);

/* path/name into text of RUN_PATH_SIZE + 64 bytes. */
#define RUN_FILE_SIZE (RUN_PATH_SIZE + 64)
void run_folder_file(const char *path, const char *name, char text[RUN_FILE_SIZE]);

#define RUN_CHECKPOINT "checkpoint.safetensors"

/* Whether path/name is there. */
bool run_folder_has(const char *path, const char *name);

/* Writes a whole file beside its name first, then renames it. OPU_E_IO. */
OPU_NODISCARD int run_folder_write(const char *path, const char *name, const char *text, size_t n);

/* A member of the result or the manifest as text, "" if there is none; borrowed. */
const char *run_folder_text(const json_t *object, const char *key);

#endif
