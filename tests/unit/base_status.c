/* SPDX-License-Identifier: MIT */
/* Status names, sentences, sizes, the context's memory and log, hash, version, vector levels. */
#include "base_support.h"

#include <pthread.h>

#include <opu/opu.h>

#include "core/base/cpu.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

static void every_status_has_its_own_name(void **state)
{
    (void)state;
    for (int a = 0; a >= -14; a--) {
        assert_memory_equal(opu_status_name(a), "OPU_", 4);
        for (int b = 0; b > a; b--) {
            assert_string_not_equal(opu_status_name(a), opu_status_name(b));
        }
    }
    assert_string_equal(opu_status_name(OPU_E_FORMAT), "OPU_E_FORMAT");
    assert_string_equal(opu_status_name(OPU_E_MISMATCH), "OPU_E_MISMATCH");
    int const unknown[] = {1, -15, OPU_E_OTHER, -2147483647 - 1, 2147483647};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(opu_status_name(unknown[i]), "OPU_E_OTHER");
    }
}

static void a_failure_leaves_its_sentence(void **state)
{
    (void)state;
    assert_int_equal(opu_fail(OPU_E_IO, "%s: saw %d", "thing", 7), OPU_E_IO);
    assert_string_equal(opu_error_message(), "thing: saw 7");
    assert_int_equal(opu_fail(OPU_E_IO, "outer: %s", opu_error_message()), OPU_E_IO);
    assert_string_equal(opu_error_message(), "outer: thing: saw 7");
}

static void a_sentence_is_one_line_of_at_most_511_bytes(void **state)
{
    (void)state;
    assert_int_equal(opu_fail(OPU_E_IO, "a\nb\tc\x7f%s", "d\re"), OPU_E_IO);
    assert_string_equal(opu_error_message(), "a?b?c?d?e");
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(opu_fail(OPU_E_IO, "%s", text), OPU_E_IO);
    assert_int_equal(strlen(opu_error_message()), 511);
}

static void a_failure_is_never_reported_as_success(void **state)
{
    (void)state;
    assert_int_equal(opu_fail(OPU_OK, "odd"), OPU_E_OTHER);
    assert_int_equal(opu_fail(5, "odd"), OPU_E_OTHER);
}

static void *other_thread(void *user)
{
    *(bool *)user = strcmp(opu_error_message(), "") == 0;
    (void)opu_fail(OPU_E_IO, "of the other thread");
    return NULL;
}

static void sentences_belong_to_their_thread(void **state)
{
    (void)state;
    (void)opu_fail(OPU_E_IO, "of this thread");
    pthread_t thread;
    bool started_empty = false;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &started_empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(started_empty);
    assert_string_equal(opu_error_message(), "of this thread");
}

static void sizes_notice_overflow(void **state)
{
    (void)state;
    size_t out;
    assert_true(opu_size_mul(&out, SIZE_MAX / 2, 2) && out == SIZE_MAX - 1);
    assert_false(opu_size_mul(&out, SIZE_MAX / 2 + 1, 2));
    assert_true(opu_size_add(&out, SIZE_MAX - 1, 1) && out == SIZE_MAX);
    assert_false(opu_size_add(&out, SIZE_MAX, 1));
}

static void memory_is_aligned_zeroed_and_counted(void **state)
{
    (void)state;
    struct counting counting = {0};
    struct opu_context *const context = counting_context(&counting);
    size_t const sizes[] = {0, 1, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *const memory = opu_calloc(context, sizes[i], 3);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % OPU_ALIGNMENT, 0);
        for (size_t j = 0; j < 3 * sizes[i]; j++) {
            assert_int_equal(memory[j], 0);
        }
        assert_int_equal(counting.live, 2);
        opu_context_free(context, memory);
        assert_int_equal(counting.live, 1);
    }
    opu_context_free(context, NULL);
    assert_null(opu_calloc(context, SIZE_MAX / 2, 3));
    assert_non_null(strstr(opu_error_message(), "memory"));
    opu_context_destroy(context);
    assert_int_equal(counting.live, 0);
    opu_context_destroy(NULL);
}

static void libc_refuses_more_memory_than_there_is(void **state)
{
    (void)state;
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    assert_null(opu_context_alloc(context, SIZE_MAX));
    opu_context_destroy(context);
}

static void bad_context_options_are_refused(void **state)
{
    (void)state;
    struct opu_context *context = (struct opu_context *)(uintptr_t)1;
    struct opu_context_options options = {.size = 0};
    assert_refused(opu_context_create(&context, &options), OPU_E_INVALID, "size is 0");
    assert_null(context);
    options = (struct opu_context_options){.size = sizeof options, .threads = -1};
    assert_refused(opu_context_create(&context, &options), OPU_E_INVALID, "threads is -1");
    options = (struct opu_context_options){.size = sizeof options,
                                           .allocator = {.alloc = counting_alloc}};
    assert_refused(opu_context_create(&context, &options), OPU_E_INVALID, "no free");
    struct counting counting = {.fail_at = 1};
    options = (struct opu_context_options){
        .size = sizeof options,
        .allocator = {.user = &counting, .alloc = counting_alloc, .free = counting_free}};
    assert_refused(opu_context_create(&context, &options), OPU_E_NO_MEMORY, "memory");
    assert_null(context);
}

static void options_of_an_older_header_are_enough(void **state)
{
    (void)state;
    struct opu_context_options options;
    memset(&options, 0xff, sizeof options); /* beyond size: not to be looked at */
    options.size = sizeof options.size;
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    opu_context_destroy(context);
}

struct heard {
    int count;
    char text[64], component[16];
    double time_s;
};

static void hear(void *user, const struct opu_log_record *record)
{
    struct heard *const heard = user;
    heard->count++;
    heard->time_s = record->time_s;
    (void)snprintf(heard->text, sizeof heard->text, "%s", record->message);
    (void)snprintf(heard->component, sizeof heard->component, "%s", record->component);
}

static void log_records_up_to_the_level_are_heard(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct opu_context_options const options = {
        .size = sizeof options,
        .log = {.user = &heard, .max_level = OPU_LOG_INFO, .write = hear},
    };
    struct opu_context *context;
    assert_int_equal(opu_context_create(&context, &options), OPU_OK);
    opu_context_log(context, OPU_LOG_DEBUG, "part", "unheard");
    assert_int_equal(heard.count, 0);
    opu_context_log(context, OPU_LOG_INFO, "part", "heard %d", 1);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.text, "heard 1");
    assert_string_equal(heard.component, "part");
    double const first = heard.time_s;
    opu_context_log(context, OPU_LOG_ERROR, "part", "again");
    assert_true(heard.time_s >= first && first > 0.0);
    opu_context_destroy(context);
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    opu_context_log(context, OPU_LOG_ERROR, "part", "nobody listens");
    opu_context_destroy(context);
}

/* Known answers of the FNV reference: the empty text, "a", "foobar". */
static void hash_gives_the_published_answers(void **state)
{
    (void)state;
    assert_true(opu_hash64(OPU_HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(opu_hash64(OPU_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(opu_hash64(OPU_HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    uint64_t const half = opu_hash64(OPU_HASH_START, "foo", 3);
    assert_true(opu_hash64(half, "bar", 3) == UINT64_C(0x85944171f73967e8));
}

static void version_names_its_parts_and_its_licence(void **state)
{
    (void)state;
    char number[32];
    (void)snprintf(number, sizeof number, "opu %d.%d.%d", OPU_VERSION_MAJOR, OPU_VERSION_MINOR,
                   OPU_VERSION_PATCH);
    const char *const parts[] = {number, "BLAS", "fftw-3", "vectors ", "MIT", "GPL-2.0-or-later"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(opu_version(), parts[i]) == NULL) {
            fail_msg("\"%s\" lacks \"%s\"", opu_version(), parts[i]);
        }
    }
    assert_null(strchr(opu_version(), '\n'));
    assert_ptr_equal(opu_version(), opu_version());
}

static void best_vector_level_is_usable(void **state)
{
    (void)state;
    assert_true(opu_isa_usable(OPU_ISA_BASE));
    assert_true(opu_isa_usable(opu_isa_best()));
    assert_true(opu_isa_usable(OPU_ISA_AVX2) || !opu_isa_usable(OPU_ISA_AVX512));
    assert_false(opu_isa_usable(OPU_ISA_COUNT));
    assert_string_equal(opu_isa_name(OPU_ISA_BASE), "base");
    assert_string_equal(opu_isa_name(OPU_ISA_AVX512), "avx512");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_name),
        cmocka_unit_test(a_failure_leaves_its_sentence),
        cmocka_unit_test(a_sentence_is_one_line_of_at_most_511_bytes),
        cmocka_unit_test(a_failure_is_never_reported_as_success),
        cmocka_unit_test(sentences_belong_to_their_thread),
        cmocka_unit_test(sizes_notice_overflow),
        cmocka_unit_test(memory_is_aligned_zeroed_and_counted),
        cmocka_unit_test(libc_refuses_more_memory_than_there_is),
        cmocka_unit_test(bad_context_options_are_refused),
        cmocka_unit_test(options_of_an_older_header_are_enough),
        cmocka_unit_test(log_records_up_to_the_level_are_heard),
        cmocka_unit_test(hash_gives_the_published_answers),
        cmocka_unit_test(version_names_its_parts_and_its_licence),
        cmocka_unit_test(best_vector_level_is_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
