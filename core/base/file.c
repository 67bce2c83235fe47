/* SPDX-License-Identifier: MIT */
/* Whole files: reading with a limit, writing beside the old file and renaming over it. */
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define PATH_SIZE 4096
/* One read() or write(): below the 2 GiB at which Linux cuts them. */
#define PIECE ((size_t)1 << 30)

static int fail_errno(int status, int error, const char *path, const char *what)
{
    char why[128];
    if (strerror_r(error, why, sizeof why) != 0) {
        (void)snprintf(why, sizeof why, "error %d", error);
    }
    return opu_fail(status, "%s: %s: %s", path, what, why);
}

static int fail_limit(const char *path, size_t limit)
{
    return opu_fail(OPU_E_FORMAT, "%s: larger than %zu bytes, the most that is read here", path,
                    limit);
}

/* Moves the n bytes read so far to a block of new_size bytes. */
static int grow(struct opu_context *context, uint8_t **bytes, size_t n, size_t new_size)
{
    uint8_t *const larger = opu_context_alloc(context, new_size);
    if (larger == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (n > 0) {
        memcpy(larger, *bytes, n);
    }
    opu_context_free(context, *bytes);
    *bytes = larger;
    return OPU_OK;
}

/* Reads to the end; size is a guess. One byte more than the content is always there, for the 0. */
static int read_all(struct opu_context *context, int fd, const char *path, size_t size,
                    size_t limit, uint8_t **bytes, size_t *n)
{
    size_t room = size + 2;
    OPU_TRY(grow(context, bytes, 0, room));
    for (;;) {
        size_t const free_bytes = room - 1 - *n;
        ssize_t const got = read(fd, *bytes + *n, free_bytes < PIECE ? free_bytes : PIECE);
        if (got < 0 && errno != EINTR) {
            return fail_errno(OPU_E_IO, errno, path, "can't be read");
        }
        if (got == 0) {
            (*bytes)[*n] = 0;
            return OPU_OK;
        }
        *n += got > 0 ? (size_t)got : 0;
        if (*n > limit) {
            return fail_limit(path, limit);
        }
        if (*n == room - 1) {
            if (!opu_size_mul(&room, room, 2)) {
                return fail_limit(path, limit);
            }
            OPU_TRY(grow(context, bytes, *n, room));
        }
    }
}

static int read_open(struct opu_context *context, int fd, const char *path, size_t limit,
                     uint8_t **bytes, size_t *n)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return fail_errno(OPU_E_IO, errno, path, "can't be read");
    }
    if (S_ISDIR(facts.st_mode)) {
        return opu_fail(OPU_E_FORMAT, "%s: is a directory, wanted a file", path);
    }
    /* Pipes and /proc tell no size. */
    size_t const size = S_ISREG(facts.st_mode) && facts.st_size > 0 ? (size_t)facts.st_size : 4096;
    if (S_ISREG(facts.st_mode) && facts.st_size > 0 && size > limit) {
        return fail_limit(path, limit);
    }
    return read_all(context, fd, path, size, limit, bytes, n);
}

int opu_file_read(struct opu_context *context, const char *path, size_t limit, uint8_t **bytes,
                  size_t *n)
{
    *bytes = NULL;
    *n = 0;
    int const fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(errno == ENOENT || errno == ENOTDIR ? OPU_E_NOT_FOUND : OPU_E_IO, errno,
                          path, "can't be opened");
    }
    int const status = read_open(context, fd, path, limit, bytes, n);
    (void)close(fd);
    if (status < 0) {
        opu_context_free(context, *bytes);
        *bytes = NULL;
        *n = 0;
    }
    return status;
}

static int write_slices(int fd, const char *path, const struct opu_slice *slices, size_t n_slices)
{
    for (size_t i = 0; i < n_slices; i++) {
        const uint8_t *data = slices[i].data;
        size_t left = slices[i].n;
        while (left > 0) {
            ssize_t const put = write(fd, data, left < PIECE ? left : PIECE);
            if (put < 0 && errno != EINTR) {
                return fail_errno(OPU_E_IO, errno, path, "can't be written");
            }
            data += put > 0 ? put : 0;
            left -= put > 0 ? (size_t)put : 0;
        }
    }
    return OPU_OK;
}

static int write_closed(int fd, const char *path, mode_t mode, const struct opu_slice *slices,
                        size_t n_slices)
{
    int status = write_slices(fd, path, slices, n_slices);
    if (status == OPU_OK && mode != 0 && fchmod(fd, mode) != 0) {
        status = fail_errno(OPU_E_IO, errno, path, "can't take over the permissions");
    }
    if (status == OPU_OK && fsync(fd) != 0) {
        status = fail_errno(OPU_E_IO, errno, path, "can't be written");
    }
    if (close(fd) != 0 && status == OPU_OK) {
        status = fail_errno(OPU_E_IO, errno, path, "can't be written");
    }
    return status;
}

/* A rename lasts once its folder is on the disk; a file system that can't sync folders is left
 * alone. */
static void sync_folder(const char *path)
{
    char folder[PATH_SIZE];
    const char *const slash = strrchr(path, '/');
    size_t const n = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL) {
        (void)snprintf(folder, sizeof folder, ".");
    } else {
        (void)snprintf(folder, sizeof folder, "%.*s", n > 0 ? (int)n : 1, path);
    }
    int const fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

int opu_file_write(const char *path, const struct opu_slice *slices, size_t n_slices)
{
    char beside[PATH_SIZE];
    int const length = snprintf(beside, sizeof beside, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof beside) {
        return opu_fail(OPU_E_INVALID, "%.80s...: the path is longer than %d bytes", path,
                        PATH_SIZE - 5);
    }
    struct stat old;
    bool const exists = stat(path, &old) == 0;
    if (exists && !S_ISREG(old.st_mode)) {
        return opu_fail(OPU_E_IO, "%s: is no regular file, so it is not replaced", path);
    }
    int const fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        return fail_errno(OPU_E_IO, errno, beside, "can't be created");
    }
    int status = write_closed(fd, beside, exists ? old.st_mode & 07777 : 0, slices, n_slices);
    if (status == OPU_OK && rename(beside, path) != 0) {
        status = fail_errno(OPU_E_IO, errno, path, "can't be replaced");
    }
    if (status < 0) {
        (void)unlink(beside);
        return status;
    }
    sync_folder(path);
    return OPU_OK;
}

int opu_dir_make(const char *path)
{
    char part[PATH_SIZE];
    size_t const n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        return opu_fail(OPU_E_INVALID, "folder '%.80s': a path of %zu bytes, wanted 1 to %d", path,
                        n, PATH_SIZE - 1);
    }
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        int const error = mkdir(part, 0777) == 0 ? 0 : errno;
        struct stat facts;
        if (error == 0 || (stat(part, &facts) == 0 && S_ISDIR(facts.st_mode))) {
            continue;
        }
        return fail_errno(OPU_E_IO, error, part, "can't be made a folder");
    }
    return OPU_OK;
}
