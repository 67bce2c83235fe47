/* SPDX-License-Identifier: MIT */
/*
 * Help for unit tests: an allocator that counts and fails on demand, a folder of one's own, and an
 * assertion for failures with their sentence. Include it first: it brings cmocka in the order it
 * wants.
 */
#ifndef OPU_TESTS_BASE_SUPPORT_H
#define OPU_TESTS_BASE_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <opu/backend.h>

/* EXPR fails with WANTED, and its sentence holds PART. */
#define assert_refused(expr, wanted, part) \
    do { \
        assert_int_equal((expr), (wanted)); \
        if (strstr(opu_error_message(), (part)) == NULL) { \
            fail_msg("the sentence \"%s\" lacks \"%s\"", opu_error_message(), (part)); \
        } \
    } while (0)

/* Counts blocks; refuses the fail_at-th call (1 is the first, 0 none), and all later ones if
 * `forever`. */
struct counting {
    size_t calls, live, fail_at;
    bool forever;
};

static inline void *counting_alloc(void *user, size_t size, size_t alignment)
{
    struct counting *const counting = user;
    counting->calls++;
    if (counting->fail_at != 0 && (counting->calls == counting->fail_at ||
                                   (counting->forever && counting->calls > counting->fail_at))) {
        return NULL;
    }
    void *const memory = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    counting->live += memory != NULL;
    return memory;
}

static inline void counting_free(void *user, void *memory)
{
    struct counting *const counting = user;
    counting->live -= memory != NULL;
    free(memory);
}

static inline struct opu_context *counting_context(struct counting *counting)
{
    struct opu_context_options const options = {
        .size = sizeof options,
        .allocator = {.user = counting, .alloc = counting_alloc, .free = counting_free},
    };
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    return context;
}

/*
 * Runs job(context, user) with an allocator that fails at the N-th call, N = 1.. until the job
 * succeeds, once with that call alone failing and once with all later ones. Every failure is
 * OPU_E_NO_MEMORY; nothing leaks.
 */
static inline void assert_survives_no_memory(int (*job)(struct opu_context *, void *), void *user)
{
    for (int forever = 0; forever < 2; forever++) {
        for (size_t n = 1;; n++) {
            struct counting counting = {.forever = forever != 0};
            struct opu_context *const context = counting_context(&counting);
            counting.fail_at = counting.calls + n;
            int const status = job(context, user);
            assert_int_equal(counting.live, 1); /* the context */
            bool const reached = counting.calls >= counting.fail_at;
            opu_context_destroy(context);
            if (!reached) {
                assert_int_equal(status, OPU_OK);
                assert_true(n > 1);
                break;
            }
            assert_int_equal(status, OPU_E_NO_MEMORY);
            assert_true(n < 1000);
        }
    }
}

/* A new folder below $TMPDIR or /tmp. */
struct folder {
    char path[256];
};

static inline struct folder folder_make(void)
{
    struct folder folder;
    const char *const tmp = getenv("TMPDIR");
    (void)snprintf(folder.path, sizeof folder.path, "%s/opu-test-XXXXXX",
                   tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

/* The folder must be empty again. */
static inline void folder_remove(const struct folder *folder)
{
    assert_int_equal(rmdir(folder->path), 0);
}

struct path {
    char text[512];
};

static inline struct path folder_path(const struct folder *folder, const char *name)
{
    struct path path;
    (void)snprintf(path.text, sizeof path.text, "%s/%s", folder->path, name);
    return path;
}

#endif
