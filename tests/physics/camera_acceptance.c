/* SPDX-License-Identifier: MIT */
/* Photon transfer (A15) of a sensor of the table and of drawn ones, from the seed of the test. */
#include "media_support.h"

#include "sim/acceptance/acceptance.h"

static void cameras_pass_photon_transfer(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.camera = (int)draw_size(0, 2);
    options.bits = draw_size(1, 16);
    assert_group_passes(opu_accept_camera, &options);
}

/* Its read noise and maps are off, and photon noise is on in the group. */
static void a_camera_without_noise_passes_as_an_ideal_one(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.noise = OPU_SIM_NOISE_NONE;
    options.bits = 12;
    assert_group_passes(opu_accept_camera, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cameras_pass_photon_transfer),
        cmocka_unit_test(a_camera_without_noise_passes_as_an_ideal_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
