/* SPDX-License-Identifier: MIT */
/* The group "propagation" of the acceptance tests, row by row. */
#include "tests/physics/sim_support.h"

#include "sim/acceptance/acceptance.h"

static int check_row(void *user, const struct opu_check_row *row)
{
    size_t *const n_rows = user;
    ++*n_rows;
    if (!opu_check_passes(row)) {
        fail_msg("%s %s (%s): saw %.4g, wanted %.4g to %.4g", row->test, row->name, row->drawn,
                 row->value, row->low, row->high);
    }
    return 0;
}

static void propagation_agrees_with_theory(void **state)
{
    (void)state;
    size_t n_rows = 0;
    struct opu_acceptance acceptance = {.seed = test_seed(), .fn = check_row, .user = &n_rows};
    assert_int_equal(opu_context_create(&acceptance.context, NULL), OPU_OK);
    assert_int_equal(opu_accept_propagation(&acceptance), OPU_OK);
    /* A1-A4 and A13 in two precisions, thirteen rows of A5-A11, three cases each */
    assert_int_equal(n_rows, 3 * (5 * 2 + 13));
    opu_context_destroy(acceptance.context);
}

static int stop(void *user, const struct opu_check_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return 7;
}

static void a_row_that_is_refused_stops_the_group(void **state)
{
    (void)state;
    size_t n_rows = 0;
    struct opu_acceptance acceptance = {.seed = 1, .fn = stop, .user = &n_rows};
    assert_int_equal(opu_context_create(&acceptance.context, NULL), OPU_OK);
    assert_int_equal(opu_accept_propagation(&acceptance), 7);
    assert_int_equal(n_rows, 1);
    opu_context_destroy(acceptance.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(propagation_agrees_with_theory),
        cmocka_unit_test(a_row_that_is_refused_stops_the_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
