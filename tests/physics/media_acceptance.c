/* SPDX-License-Identifier: MIT */
/* The acceptance tests of media, with parameters drawn from the test's seed. */
#include "media_support.h"

static void media_obey_their_physics(void **state)
{
    (void)state;
    struct opu_sim_options const options = bench_options();
    assert_group_passes(opu_accept_media, &options);
}

static void check_statistics(int medium)
{
    struct opu_sim_options options = bench_options();
    options.medium = medium;
    assert_group_passes(opu_accept_statistics, &options);
}

static void gaussian_entries_obey_their_statistics(void **state)
{
    (void)state;
    check_statistics(OPU_MEDIUM_GAUSSIAN);
}

static void slabs_obey_the_statistics_of_speckle(void **state)
{
    (void)state;
    static const int slabs[] = {OPU_MEDIUM_SLAB, OPU_MEDIUM_PAINT, OPU_MEDIUM_ZNO};
    check_statistics(slabs[draw_size(0, 2)]); /* one a run: each takes half a minute sanitized */
}

static void cascades_obey_the_statistics_of_speckle(void **state)
{
    (void)state;
    check_statistics(OPU_MEDIUM_CASCADE);
}

static void media_decorrelate_by_their_laws(void **state)
{
    (void)state;
    struct opu_sim_options const options = bench_options();
    assert_group_passes(opu_accept_time, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_obey_their_physics),
        cmocka_unit_test(gaussian_entries_obey_their_statistics),
        cmocka_unit_test(slabs_obey_the_statistics_of_speckle),
        cmocka_unit_test(cascades_obey_the_statistics_of_speckle),
        cmocka_unit_test(media_decorrelate_by_their_laws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
