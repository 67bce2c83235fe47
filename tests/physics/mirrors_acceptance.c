/* SPDX-License-Identifier: MIT */
/* The acceptance tests of the mirror array (A12), with parameters drawn from the test's seed. */
#include "media_support.h"

static void mirrors_obey_their_physics(void **state)
{
    (void)state;
    struct opu_sim_options const options = bench_options();
    assert_group_passes(opu_accept_mirrors, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirrors_obey_their_physics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
