/* SPDX-License-Identifier: MIT */
/* Projections at work: options, calls and their order, chunks, faults of the device, memory. */
#include "projection_support.h"

static int create_status(const char *uri, const struct opu_projection_options *options)
{
    struct opu_device *const device = device_open(uri);
    struct opu_projection *projection = NULL;
    int const status = opu_projection_create(&projection, device, options);
    opu_projection_destroy(projection);
    opu_device_close(device);
    return status;
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    struct opu_projection_options options = options_make("phase4", NULL);
    assert_refused(create_status("fake:arm=no", &options), OPU_E_UNSUPPORTED, "no reference arm");
    options = options_make("offaxis", NULL);
    assert_refused(create_status("fake:", &options), OPU_E_UNSUPPORTED, "region of the camera");
    options = options_make("phase5", NULL);
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "saw \"phase5\"");
    options = options_make("anchor", NULL);
    options.pilot_every = 8;
    assert_refused(create_status("fake:", &options), OPU_E_UNSUPPORTED, "no reference");
    options.readout = "intensity";
    assert_refused(create_status("fake:", &options), OPU_E_UNSUPPORTED, "no reference");
    options = options_make(NULL, "float");
    assert_refused(create_status("fake:", &options), OPU_E_UNSUPPORTED, "binary frames");
    options = options_make("intensity", "ternary");
    assert_refused(create_status("fake:", &options), OPU_E_UNSUPPORTED, "not linear");
    options = options_make("intensity", NULL);
    options.rescale = 1;
    assert_refused(create_status("fake:", &options), OPU_E_UNSUPPORTED, "not linear");
    options = options_make(NULL, NULL);
    options.variance = -1.0;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "variance -1");
    options.variance = (double)NAN;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "variance");
    options = options_make(NULL, NULL);
    options.saturation = 0.5;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "saturation 0.5");
    options = options_make(NULL, NULL);
    options.bits = 17;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "17-bit");
    options = options_make(NULL, NULL);
    options.n_in = 0;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "saw 0 inputs");
    options.n_in = 3000;
    options.readout = "anchor";
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "9000 mirrors");
    options = options_make("phase4", NULL);
    options.n_out = 2 * 4096 + 1;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "4097 pixels");
    options.n_out = SIZE_MAX;
    options.readout = "anchor";
    assert_int_equal(create_status("fake:", &options), OPU_E_INVALID);
    options = options_make(NULL, NULL);
    options.max_rows = ((size_t)1 << 20) + 1;
    assert_refused(create_status("fake:", &options), OPU_E_INVALID, "max_rows");
    options = options_make("phase4", NULL);
    assert_refused(create_status("fake:max_frames=3", &options), OPU_E_UNSUPPORTED,
                   "3 frames at a time");
}

static void it_describes_itself(void **state)
{
    (void)state;
    struct opu_device *const device =
        device_open("fake:encode=bitplanes:3,rescale=no,readout=anchor");
    struct opu_projection_options options = options_make(NULL, NULL);
    struct opu_projection *projection = create(device, &options);
    const char *const text = opu_projection_describe(projection);
    assert_non_null(strstr(text, "bitplanes:3, anchor, 8 bits, exposures "));
    assert_non_null(strstr(text, " us, row norm left out"));
    assert_int_equal(opu_projection_frames_per_row(projection), 12);
    assert_string_equal(opu_projection_identity(projection), "fake:1 anchor 40");
    opu_projection_destroy(projection);
    options.encode = "ternary";
    options.readout = "phase4";
    options.rescale = 1;
    projection = create(device, &options);
    assert_int_equal(opu_projection_frames_per_row(projection), 8);
    assert_non_null(strstr(opu_projection_describe(projection), "ternary:0.5, phase4, 8 bits"));
    assert_non_null(strstr(opu_projection_describe(projection), "row norm given back"));
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void chunks_do_not_change_a_bit(void **state)
{
    (void)state;
    static const char *const uris[] = {"fake:", "fake:max_frames=64", "fake:max_frames=37",
                                       "fake:max_frames=4"};
    static const char *const encodes[] = {"ternary", "bitplanes:3", "ternary:stochastic"};
    for (size_t e = 0; e < 3; e++) {
        float out[2][ROWS * N_OUT];
        for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
            struct opu_projection_options const options = options_make("phase4", encodes[e]);
            struct opu_device *const device = device_open(uris[i]);
            struct opu_projection *const projection = create(device, &options);
            opu_device_clock_set(device, 1000000);
            memset(out[i > 0], 0xff, sizeof out[0]);
            run(projection, out[i > 0]);
            assert_memory_equal(out[0], out[i > 0], sizeof out[0]);
            opu_projection_destroy(projection);
            opu_device_close(device);
        }
    }
}

static void lost_frames_are_sent_again_with_their_numbers(void **state)
{
    (void)state;
    float out[2][ROWS * N_OUT];
    struct opu_device_stats stats[2];
    static const char *const uris[2] = {"fake:", "fake:lose=7"};
    for (int i = 0; i < 2; i++) {
        struct opu_projection_options const options = options_make("phase4", "ternary");
        struct opu_device *const device = device_open(uris[i]);
        struct opu_projection *const projection = create(device, &options);
        run(projection, out[i]);
        stats[i].size = sizeof stats[i];
        assert_int_equal(opu_device_statistics(device, &stats[i]), OPU_OK);
        opu_projection_destroy(projection);
        opu_device_close(device);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_int_equal(stats[0].retries, 0);
    /* Every 7th number was lost once. */
    assert_int_equal(stats[1].retries, (stats[0].frames + 6) / 7);
    assert_int_equal(stats[1].frames, stats[0].frames + stats[1].retries);
}

static void frames_lost_for_good_end_in_a_sentence(void **state)
{
    (void)state;
    struct opu_projection_options const options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:lose=7,lost_tries=2");
    struct opu_projection *projection;
    assert_refused(opu_projection_create(&projection, device, &options), OPU_E_DEVICE,
                   "frame 0 was lost 6 times");
    opu_device_close(device);
}

static void zero_rows_cost_nothing_and_give_zero(void **state)
{
    (void)state;
    struct opu_projection_options const options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:");
    struct opu_projection *const projection = create(device, &options);
    struct opu_device_stats before = {.size = sizeof before};
    struct opu_device_stats after = {.size = sizeof after};
    float in[4 * N_IN] = {0.0f};
    float out[4 * N_OUT];
    in[2 * N_IN + 3] = 1.0f; /* row 2: one half-frame, 4 phases */
    memset(out, 0xff, sizeof out);
    assert_int_equal(opu_device_statistics(device, &before), OPU_OK);
    uint64_t const clock = opu_device_clock(device);
    assert_int_equal(opu_project(projection, in, N_IN, 4, out, N_OUT), OPU_OK);
    assert_int_equal(opu_device_statistics(device, &after), OPU_OK);
    assert_int_equal(after.frames - before.frames, 4);
    assert_int_equal(after.rows - before.rows, 4);
    assert_int_equal(opu_device_clock(device) - clock, 4);
    for (size_t i = 0; i < 4 * N_OUT; i++) {
        assert_true(i / N_OUT == 2 ? isfinite(out[i]) : out[i] == 0.0f);
    }
    assert_int_equal(opu_project(projection, in, N_IN, 1, out, N_OUT),
                     OPU_OK);                                               /* no frame at all */
    assert_int_equal(opu_project(projection, NULL, 0, 0, NULL, 0), OPU_OK); /* no row at all */
    assert_int_equal(opu_device_clock(device) - clock, 4);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void calls_out_of_order_are_refused(void **state)
{
    (void)state;
    struct opu_projection_options const options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:");
    struct opu_projection *const projection = create(device, &options);
    float in[ROWS * N_IN];
    float out[ROWS * N_OUT];
    fill(in, ROWS * N_IN, 3);
    assert_refused(opu_project_wait(projection, out, N_OUT), OPU_E_INVALID, "nothing is under way");
    assert_refused(opu_project(projection, in, N_IN, ROWS + 1, out, N_OUT), OPU_E_INVALID,
                   "saw 25 rows");
    assert_refused(opu_project(projection, in, N_IN - 1, 1, out, N_OUT), OPU_E_INVALID,
                   "39 elements apart");
    assert_refused(opu_project(projection, in, N_IN, 1, out, N_OUT - 1), OPU_E_INVALID,
                   "100 elements apart");
    assert_refused(opu_project(projection, NULL, N_IN, 1, out, N_OUT), OPU_E_INVALID,
                   "elements apart");
    assert_int_equal(opu_project_submit(projection, in, N_IN, ROWS), OPU_OK);
    assert_refused(opu_project_submit(projection, in, N_IN, ROWS), OPU_E_BUSY, "under way");
    assert_refused(opu_project_wait(projection, NULL, N_OUT), OPU_E_INVALID, "elements apart");
    assert_int_equal(opu_project_wait(projection, out, N_OUT), OPU_OK);
    in[5 * N_IN + 7] = NAN;
    in[9 * N_IN + 1] = INFINITY;
    assert_refused(opu_project(projection, in, N_IN, ROWS, out, N_OUT), OPU_E_NUMERIC,
                   "row 5, column 7");
    in[5 * N_IN + 7] = 0.0f;
    in[9 * N_IN + 1] = 0.0f;
    assert_int_equal(opu_project(projection, in, N_IN, ROWS, out, N_OUT), OPU_OK);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void a_failing_device_leaves_the_projection_usable(void **state)
{
    (void)state;
    struct opu_projection_options const options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:max_frames=64");
    struct fake *const fake = fake_latest;
    struct opu_projection *const projection = create(device, &options);
    float in[ROWS * N_IN];
    float out[2][ROWS * N_OUT];
    fill(in, ROWS * N_IN, 2);
    run(projection, out[0]);
    fake->submit_status = OPU_E_GONE;
    assert_refused(opu_project_submit(projection, in, N_IN, ROWS), OPU_E_GONE,
                   "as the test wanted");
    fake->submit_status = 0;
    assert_int_equal(opu_project_submit(projection, in, N_IN, ROWS), OPU_OK);
    fake->submit_status = OPU_E_DEVICE; /* the second chunk */
    assert_refused(opu_project_wait(projection, out[1], N_OUT), OPU_E_DEVICE, "as the test wanted");
    fake->submit_status = 0;
    run(projection, out[1]);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void the_device_goes_to_the_latest_set_up(void **state)
{
    (void)state;
    struct opu_projection_options options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:");
    struct opu_projection *const first = create(device, &options);
    float in[N_IN] = {1.0f};
    float out[N_OUT];
    struct opu_projection *const second = create(device, &options);
    assert_refused(opu_project(first, in, N_IN, 1, out, N_OUT), OPU_E_BUSY, "another use");
    assert_int_equal(opu_project_submit(second, in, N_IN, 1), OPU_OK);
    struct opu_projection *third;
    assert_refused(opu_projection_create(&third, device, &options), OPU_E_BUSY, "under way");
    assert_null(third);
    opu_projection_destroy(second); /* with a batch under way */
    third = create(device, &options);
    opu_projection_destroy(third);
    opu_projection_destroy(first);
    opu_projection_destroy(NULL);
    opu_device_close(device);
}

static void planning_survives_lack_of_memory(void **state)
{
    (void)state;
    assert_survives_no_memory(plan_job, (void *)(uintptr_t) "fake:max_frames=8");
    assert_survives_no_memory(plan_job, (void *)(uintptr_t) "fake:readout=anchor");
    assert_survives_no_memory(plan_job, (void *)(uintptr_t) "fake:readout=intensity");
}

static void running_allocates_nothing(void **state)
{
    (void)state;
    static const char *const uris[] = {"fake:max_frames=64,lose=5", "fake:readout=anchor",
                                       "exact:", "exact:encode=ternary"};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        struct counting counting = {0};
        struct opu_context *const context = counting_context(&counting);
        struct opu_device *device;
        assert_int_equal(opu_device_open(&device, context, uris[i]), OPU_OK);
        struct opu_projection_options const options = options_make(NULL, NULL);
        struct opu_projection *const projection = create(device, &options);
        size_t const calls = counting.calls;
        float out[ROWS * N_OUT];
        run(projection, out);
        assert_int_equal(counting.calls, calls);
        opu_projection_destroy(projection);
        opu_device_close(device);
        assert_int_equal(counting.live, 1);
        opu_context_destroy(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(it_describes_itself),
        cmocka_unit_test(chunks_do_not_change_a_bit),
        cmocka_unit_test(lost_frames_are_sent_again_with_their_numbers),
        cmocka_unit_test(frames_lost_for_good_end_in_a_sentence),
        cmocka_unit_test(zero_rows_cost_nothing_and_give_zero),
        cmocka_unit_test(calls_out_of_order_are_refused),
        cmocka_unit_test(a_failing_device_leaves_the_projection_usable),
        cmocka_unit_test(the_device_goes_to_the_latest_set_up),
        cmocka_unit_test(planning_survives_lack_of_memory),
        cmocka_unit_test(running_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, fake_register, NULL);
}
