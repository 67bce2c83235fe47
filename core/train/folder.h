/* SPDX-License-Identifier: MIT */
/*
 * The run folder: where its files lie, lines appended to its logs, and the logs cut back to the
 * length that a checkpoint recorded. A folder without a path takes everything and keeps nothing.
 */
#ifndef OPU_CORE_FOLDER_H
#define OPU_CORE_FOLDER_H

#include <opu/context.h>

#define OPU_FOLDER_PATH_SIZE 4096

#define OPU_CHECKPOINT_FILE "checkpoint.safetensors"

/* The last one is there once it has a line. */
enum opu_run_log { OPU_LOG_METRICS = 0, OPU_LOG_TIMING = 1, OPU_LOG_PROBES = 2, OPU_RUN_LOGS = 3 };

struct opu_folder {
    char path[OPU_FOLDER_PATH_SIZE]; /* "": keeps nothing */
    uint64_t bytes[OPU_RUN_LOGS];    /* length of each log */
    int lock;                        /* the folder itself, locked; -1: none */
    bool read_only;                  /* nothing is written, whatever is called */
};

/*
 * Opens a folder, made if it is not there. A new run in a folder that has a checkpoint is refused
 * (OPU_E_BUSY), so is a resumed one in a folder that has none (OPU_E_NOT_FOUND), and any while
 * somebody else has it open (OPU_E_BUSY). OPU_E_INVALID, OPU_E_IO.
 */
OPU_NODISCARD int opu_folder_open(struct opu_folder *folder, const char *path, bool resume);

/* Lets others have it. After opu_folder_open() alone, also a failed one. */
void opu_folder_close(struct opu_folder *folder);

bool opu_folder_keeps(const struct opu_folder *folder);

/* path/name; the path was checked to leave room for every name the trainer uses. */
void opu_folder_file(const struct opu_folder *folder, const char *name,
                     char text[OPU_FOLDER_PATH_SIZE]);

/* Empties the logs, for a new run. */
OPU_NODISCARD int opu_folder_start(struct opu_folder *folder);

/* Cuts the logs back to these lengths. OPU_E_MISMATCH if one is shorter already or gone, and none
 * is touched then; OPU_E_IO. */
OPU_NODISCARD int opu_folder_cut(struct opu_folder *folder, const uint64_t bytes[OPU_RUN_LOGS]);

/* Appends a whole line and sees it on the disk. OPU_E_IO. */
OPU_NODISCARD int opu_folder_append(struct opu_folder *folder, enum opu_run_log log,
                                    const char *line);

/* Writes a whole file, or leaves the older one. */
OPU_NODISCARD int opu_folder_write(const struct opu_folder *folder, const char *name,
                                   const char *text);

#endif
