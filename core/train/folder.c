/* SPDX-License-Identifier: MIT */
/* The run folder's files. */
#include "core/train/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/file.h"

/* Room for the longest name and the ".tmp" that stands behind it while it is written. */
#define NAME_ROOM 64

static const char *const log_names[OPU_RUN_LOGS] = {
    [OPU_LOG_METRICS] = "metrics.jsonl",
    [OPU_LOG_TIMING] = "timing.jsonl",
    [OPU_LOG_PROBES] = "probes.jsonl",
};

bool opu_folder_keeps(const struct opu_folder *folder)
{
    return *folder->path != 0;
}

void opu_folder_file(const struct opu_folder *folder, const char *name,
                     char text[OPU_FOLDER_PATH_SIZE])
{
    size_t const n = strlen(folder->path);
    memcpy(text, folder->path, n);
    (void)snprintf(text + n, OPU_FOLDER_PATH_SIZE - n, "/%s", name);
}

/* Two processes in one folder would mix their lines. A file system without locks does without. */
static int take_lock(struct opu_folder *folder)
{
    folder->lock = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->lock >= 0 && flock(folder->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return opu_fail(OPU_E_BUSY, "%s: another process is training in this folder", folder->path);
    }
    return OPU_OK;
}

void opu_folder_close(struct opu_folder *folder)
{
    if (folder->lock >= 0) {
        (void)close(folder->lock);
        folder->lock = -1;
    }
}

/* Refuses a folder whose checkpoint is there or not, against what is wanted. */
static int check_checkpoint(const struct opu_folder *folder, bool resume)
{
    char file[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(folder, OPU_CHECKPOINT_FILE, file);
    struct stat seen;
    bool const has_one = stat(file, &seen) == 0;
    if (resume && !has_one) {
        return opu_fail(OPU_E_NOT_FOUND, "%s: no checkpoint to resume from", file);
    }
    if (!resume && has_one) {
        return opu_fail(OPU_E_BUSY,
                        "%s already holds a run (%s); resume it or choose another folder",
                        folder->path, OPU_CHECKPOINT_FILE);
    }
    return OPU_OK;
}

int opu_folder_open(struct opu_folder *folder, const char *path, bool resume)
{
    *folder = (struct opu_folder){.path = "", .lock = -1};
    if (!path || !*path) {
        return resume ? opu_fail(OPU_E_INVALID, "a run is resumed from its folder; none was given")
                      : OPU_OK;
    }
    if (strlen(path) + NAME_ROOM > OPU_FOLDER_PATH_SIZE) {
        return opu_fail(OPU_E_INVALID, "the run folder's path has %zu bytes, at most %d fit",
                        strlen(path), OPU_FOLDER_PATH_SIZE - NAME_ROOM);
    }
    (void)snprintf(folder->path, sizeof folder->path, "%s", path);
    if (resume) { /* makes no folder where there is none */
        OPU_TRY(check_checkpoint(folder, resume));
    }
    OPU_TRY(opu_dir_make(path));
    OPU_TRY(take_lock(folder));
    return check_checkpoint(folder, resume);
}

static int file_error(const char *what, const char *file)
{
    return opu_fail(OPU_E_IO, "%s: can't be %s: %s", file, what, strerror(errno));
}

/* Opens a log to write at its end; makes one that is to be there. */
static int open_log(const struct opu_folder *folder, size_t log, int flags, int *fd)
{
    char file[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(folder, log_names[log], file);
    *fd = open(file, O_WRONLY | O_CLOEXEC | flags, 0666);
    return *fd >= 0 ? OPU_OK : file_error("opened", file);
}

static bool writes(const struct opu_folder *folder)
{
    return opu_folder_keeps(folder) && !folder->read_only;
}

int opu_folder_start(struct opu_folder *folder)
{
    for (size_t i = 0; i < OPU_RUN_LOGS && writes(folder); i++) {
        char file[OPU_FOLDER_PATH_SIZE];
        int fd;
        opu_folder_file(folder, log_names[i], file);
        folder->bytes[i] = 0;
        if (i == OPU_LOG_PROBES) {
            if (unlink(file) != 0 && errno != ENOENT) {
                return file_error("removed", file);
            }
            continue;
        }
        OPU_TRY(open_log(folder, i, O_CREAT | O_TRUNC, &fd));
        (void)close(fd);
    }
    return OPU_OK;
}

/* Whether a log still has what a checkpoint saw of it. */
static int check_log(const struct opu_folder *folder, size_t log, uint64_t bytes)
{
    char file[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(folder, log_names[log], file);
    struct stat seen = {.st_size = 0};
    bool const is_there = stat(file, &seen) == 0;
    if (!is_there && errno != ENOENT) {
        return file_error("read", file);
    }
    if ((uint64_t)seen.st_size < bytes) {
        char now[40] = "is gone";
        if (is_there) {
            (void)snprintf(now, sizeof now, "has %" PRIu64 " bytes", (uint64_t)seen.st_size);
        }
        return opu_fail(OPU_E_MISMATCH,
                        "%s: %s, it had %" PRIu64 " bytes when the checkpoint was written", file,
                        now, bytes);
    }
    return OPU_OK;
}

int opu_folder_cut(struct opu_folder *folder, const uint64_t bytes[OPU_RUN_LOGS])
{
    for (size_t i = 0; i < OPU_RUN_LOGS && opu_folder_keeps(folder); i++) {
        OPU_TRY(check_log(folder, i, bytes[i]));
    }
    for (size_t i = 0; i < OPU_RUN_LOGS && writes(folder); i++) {
        char file[OPU_FOLDER_PATH_SIZE];
        opu_folder_file(folder, log_names[i], file);
        /* A log without a line need not be there. */
        if (truncate(file, (off_t)bytes[i]) != 0 && (errno != ENOENT || bytes[i] > 0)) {
            return file_error("cut back", file);
        }
        folder->bytes[i] = bytes[i];
    }
    return OPU_OK;
}

static bool write_whole(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t const wrote = write(fd, text, n);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return false;
        }
        text += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

int opu_folder_append(struct opu_folder *folder, enum opu_run_log log, const char *line)
{
    if (!writes(folder)) {
        return OPU_OK;
    }
    char file[OPU_FOLDER_PATH_SIZE];
    int fd;
    opu_folder_file(folder, log_names[log], file);
    OPU_TRY(open_log(folder, log, O_APPEND | (folder->bytes[log] == 0 ? O_CREAT : 0), &fd));
    size_t const n = strlen(line);
    bool const written = write_whole(fd, line, n) && fsync(fd) == 0;
    int const status = written ? OPU_OK : file_error("written", file);
    (void)close(fd);
    folder->bytes[log] += written ? n : 0;
    return status;
}

int opu_folder_write(const struct opu_folder *folder, const char *name, const char *text)
{
    if (!writes(folder)) {
        return OPU_OK;
    }
    char file[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(folder, name, file);
    struct opu_slice const slice = {.data = text, .n = strlen(text)};
    return opu_file_write(file, &slice, 1);
}
