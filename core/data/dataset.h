/* SPDX-License-Identifier: MIT */
/*
 * A data set as the trainer sees it: how many rows each split has, and a call that fills a batch.
 * What a row is and how it is kept is the task's business; one file per task (fashion.c) fills the
 * table of entries.
 */
#ifndef OPU_CORE_DATASET_H
#define OPU_CORE_DATASET_H

#include <opu/context.h>

struct opu_dataset;

enum opu_split { OPU_SPLIT_TRAIN = 0, OPU_SPLIT_EVALUATE = 1 };

struct opu_dataset_options {
    const char *dir; /* where to look first and only; "" or NULL: the usual places */
    size_t hold_out; /* > 0: evaluate on the last so many training rows, which are then not trained
                        on */
    size_t max_rows[2]; /* by enum opu_split: the first so many alone; 0: all */
};

#define OPU_DATASET_MAX_FILES 8

/* A file that was read, for the manifest. */
struct opu_dataset_file {
    const char *name; /* without its folder */
    uint64_t hash;    /* opu_hash64() of its bytes */
};

/* Borrowed until opu_dataset_close(). */
struct opu_dataset_info {
    size_t n_rows[2]; /* by enum opu_split */
    size_t columns;   /* of a row's floats */
    size_t classes;   /* labels are 0 .. classes - 1 */
    size_t n_files;
    struct opu_dataset_file files[OPU_DATASET_MAX_FILES];
};

struct opu_dataset_ops {
    void (*fill)(const struct opu_dataset *set, enum opu_split split, const uint32_t *rows,
                 size_t n, float *x, int32_t *labels);
    void (*close)(struct opu_dataset *set);
};

/* The first member of every task's own struct. */
struct opu_dataset {
    const struct opu_dataset_ops *ops;
    struct opu_context *context;
    struct opu_dataset_info info;
};

/*
 * Opens the data of a task ("fashion"). On failure *out is NULL.
 * OPU_E_NOT_FOUND (the sentence names the places looked at), OPU_E_FORMAT, OPU_E_INVALID, OPU_E_IO,
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_dataset_open(struct opu_dataset **out, struct opu_context *context,
                                   const char *task, const struct opu_dataset_options *options);
void opu_dataset_close(struct opu_dataset *set);

/* rows[i] of the split -> x[i][columns] and labels[i], for i < n. Allocates nothing, can't fail. */
void opu_dataset_fill(const struct opu_dataset *set, enum opu_split split, const uint32_t *rows,
                      size_t n, float *x, int32_t *labels);

#endif
