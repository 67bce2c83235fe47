/* SPDX-License-Identifier: MIT */
/* For the tests of media: a group of acceptance tests with a seed of its own, row by row. */
#ifndef OPU_TEST_MEDIA_SUPPORT_H
#define OPU_TEST_MEDIA_SUPPORT_H

#include "sim_support.h"

#include "sim/acceptance/acceptance.h"

struct row_count {
    size_t passed, failed;
};

static inline int print_row(void *user, const struct opu_check_row *row)
{
    struct row_count *const count = user;
    bool const passes = opu_check_passes(row);
    printf("# %s %s %s: %.5g in [%.5g, %.5g]%s%s\n", passes ? "ok  " : "FAIL", row->test, row->name,
           row->value, row->low, row->high, row->drawn != NULL ? "; " : "",
           row->drawn != NULL ? row->drawn : "");
    *(passes ? &count->passed : &count->failed) += 1;
    return 0;
}

/* All rows pass, and there are some. */
static inline void assert_group_passes(int (*group)(struct opu_acceptance *),
                                       const struct opu_sim_options *options)
{
    struct opu_context *context;
    struct row_count count = {0, 0};
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    struct opu_acceptance acceptance = {.context = context,
                                        .options = options,
                                        .seed = draw_word(),
                                        .thorough = getenv("OPU_TEST_THOROUGH") != NULL,
                                        .fn = print_row,
                                        .user = &count};
    int const status = group(&acceptance);
    if (status != OPU_OK) {
        fail_msg("the group ends with %d: %s", status, opu_error_message());
    }
    opu_context_destroy(context);
    assert_true(count.passed > 0);
    assert_int_equal(count.failed, 0);
}

#endif
