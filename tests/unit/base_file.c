/* SPDX-License-Identifier: MIT */
/* Whole files: limits, refusals, and that a failed write leaves the old file and nothing else. */
#include "base_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/base/file.h"

static int write_text(const char *path, const char *text)
{
    struct opu_slice const slices[] = {{text, strlen(text)}};
    return opu_file_write(path, slices, 1);
}

static void assert_content(const char *path, const char *text)
{
    uint8_t *bytes;
    size_t n;
    assert_int_equal(opu_file_read(NULL, path, 1 << 20, &bytes, &n), OPU_OK);
    assert_int_equal(n, strlen(text));
    assert_string_equal((const char *)bytes, text);
    opu_context_free(NULL, bytes);
}

static void slices_are_written_one_after_the_other(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a");
    struct opu_slice const slices[] = {{"one ", 4}, {NULL, 0}, {"two", 3}};
    assert_int_equal(opu_file_write(path.text, slices, 3), OPU_OK);
    assert_content(path.text, "one two");
    assert_int_equal(write_text(path.text, ""), OPU_OK);
    assert_content(path.text, "");
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void a_file_at_the_limit_is_read_and_one_beyond_is_refused(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a");
    assert_int_equal(write_text(path.text, "12345678"), OPU_OK);
    uint8_t *bytes;
    size_t n;
    assert_int_equal(opu_file_read(NULL, path.text, 8, &bytes, &n), OPU_OK);
    assert_int_equal(n, 8);
    assert_int_equal(bytes[8], 0);
    opu_context_free(NULL, bytes);
    assert_refused(opu_file_read(NULL, path.text, 7, &bytes, &n), OPU_E_FORMAT,
                   "larger than 7 bytes");
    assert_null(bytes);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

/* /dev/zero tells no size and never ends; /proc files tell no size. */
static void a_file_without_a_size_is_read_up_to_the_limit(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t n;
    assert_refused(opu_file_read(NULL, "/dev/zero", 100000, &bytes, &n), OPU_E_FORMAT,
                   "larger than 100000 bytes");
    assert_int_equal(opu_file_read(NULL, "/proc/self/status", 1 << 20, &bytes, &n), OPU_OK);
    assert_true(n > 0 && bytes[n] == 0);
    opu_context_free(NULL, bytes);
}

static int read_pipe_of_9_bytes(size_t limit, size_t *n)
{
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "123456789", 9), 9);
    assert_int_equal(close(ends[1]), 0);
    (void)snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    uint8_t *bytes;
    int const status = opu_file_read(NULL, path, limit, &bytes, n);
    opu_context_free(NULL, bytes);
    assert_int_equal(close(ends[0]), 0);
    return status;
}

static void a_pipe_at_the_limit_is_read_and_one_beyond_is_refused(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(read_pipe_of_9_bytes(9, &n), OPU_OK);
    assert_int_equal(n, 9);
    assert_refused(read_pipe_of_9_bytes(8, &n), OPU_E_FORMAT, "larger than 8 bytes");
}

static void what_can_not_be_read_is_told(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t n;
    assert_refused(opu_file_read(NULL, "/nowhere/x", 10, &bytes, &n), OPU_E_NOT_FOUND,
                   "/nowhere/x: can't be opened: No such file");
    assert_refused(opu_file_read(NULL, "/tmp", 10, &bytes, &n), OPU_E_FORMAT, "is a directory");
    assert_null(bytes);
}

static int read_status(struct opu_context *context, void *user)
{
    uint8_t *bytes;
    size_t n;
    int const status = opu_file_read(context, user, 1 << 20, &bytes, &n);
    opu_context_free(context, bytes);
    return status;
}

static void reading_survives_no_memory(void **state)
{
    (void)state;
    char path[] = "/proc/self/status";
    assert_survives_no_memory(read_status, path);
}

/* A full disk, as far as this process is concerned: no file may grow beyond 64 KiB. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a");
    struct path const tmp = folder_path(&folder, "a.tmp");
    assert_int_equal(write_text(path.text, "old"), OPU_OK);

    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit const small = {.rlim_cur = 65536, .rlim_max = before.rlim_max};
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    static char large[1 << 20];
    struct opu_slice const slices[] = {{large, sizeof large}};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int const status = opu_file_write(path.text, slices, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);

    assert_int_equal(status, OPU_E_IO);
    assert_non_null(strstr(opu_error_message(), "a.tmp: can't be written: File too large"));
    assert_content(path.text, "old");
    assert_int_equal(access(tmp.text, F_OK), -1);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void what_can_not_be_written_is_told(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const missing = folder_path(&folder, "no/such");
    assert_refused(write_text(missing.text, "x"), OPU_E_IO, "no/such.tmp: can't be created: No");
    assert_refused(write_text(folder.path, "x"), OPU_E_IO, "no regular file");
    assert_refused(write_text("/dev/null", "x"), OPU_E_IO, "no regular file");
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_refused(write_text(longest, "x"), OPU_E_INVALID, "longer than");
    folder_remove(&folder);
}

static void a_stale_temporary_file_is_no_obstacle(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a");
    struct path const tmp = folder_path(&folder, "a.tmp");
    assert_int_equal(write_text(tmp.text, "left behind by a killed process"), OPU_OK);
    assert_int_equal(write_text(path.text, "new"), OPU_OK);
    assert_content(path.text, "new");
    assert_int_equal(access(tmp.text, F_OK), -1);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void the_permissions_of_the_old_file_stay(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a");
    assert_int_equal(write_text(path.text, "old"), OPU_OK);
    assert_int_equal(chmod(path.text, 0600), 0);
    assert_int_equal(write_text(path.text, "new"), OPU_OK);
    struct stat facts;
    assert_int_equal(stat(path.text, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const one = folder_path(&folder, "one");
    struct path const two = folder_path(&folder, "one/two");
    struct path const slashes = folder_path(&folder, "one//two/");
    assert_int_equal(opu_dir_make(two.text), OPU_OK);
    assert_int_equal(opu_dir_make(slashes.text), OPU_OK);
    assert_int_equal(opu_dir_make("/"), OPU_OK);
    struct path const file = folder_path(&folder, "one/file");
    struct path const below = folder_path(&folder, "one/file/three");
    assert_int_equal(write_text(file.text, "x"), OPU_OK);
    assert_refused(opu_dir_make(below.text), OPU_E_IO, "one/file: can't be made a folder");
    assert_refused(opu_dir_make(""), OPU_E_INVALID, "0 bytes");
    assert_int_equal(unlink(file.text), 0);
    assert_int_equal(rmdir(two.text), 0);
    assert_int_equal(rmdir(one.text), 0);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_written_one_after_the_other),
        cmocka_unit_test(a_file_at_the_limit_is_read_and_one_beyond_is_refused),
        cmocka_unit_test(a_file_without_a_size_is_read_up_to_the_limit),
        cmocka_unit_test(a_pipe_at_the_limit_is_read_and_one_beyond_is_refused),
        cmocka_unit_test(what_can_not_be_read_is_told),
        cmocka_unit_test(reading_survives_no_memory),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(what_can_not_be_written_is_told),
        cmocka_unit_test(a_stale_temporary_file_is_no_obstacle),
        cmocka_unit_test(the_permissions_of_the_old_file_stay),
        cmocka_unit_test(folders_are_made_with_their_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
