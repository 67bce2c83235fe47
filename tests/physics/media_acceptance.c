/* SPDX-License-Identifier: MIT */
/* The acceptance tests of media, with parameters drawn from the test's seed. */
#include "media_support.h"

static void media_obey_their_physics(void **state)
{
    (void)state;
    struct opu_sim_options const options = bench_options();
    assert_group_passes(opu_accept_media, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_obey_their_physics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
