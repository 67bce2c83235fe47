/* SPDX-License-Identifier: MIT */
/* Opening devices, the registry, and the frame calls' checks, on a device made for tests. */
#include "device_fake.h"

#define N_INPUTS 20
#define N_PIXELS 7

static struct opu_frame_setup setup_make(const double *exposures, size_t n_exposures)
{
    return (struct opu_frame_setup){
        .size = sizeof(struct opu_frame_setup),
        .n_inputs = N_INPUTS,
        .n_pixels = N_PIXELS,
        .n_exposures = n_exposures,
        .exposures_us = exposures,
    };
}

static int open_status(const char *uri)
{
    struct opu_device *device = (struct opu_device *)&device;
    int const status = opu_device_open(&device, NULL, uri);
    if (status < 0) {
        assert_null(device);
    } else {
        opu_device_close(device);
    }
    return status;
}

static void wrong_uris_end_in_a_sentence(void **state)
{
    (void)state;
    assert_refused(open_status("laser:"), OPU_E_NOT_FOUND,
                   "no device has the scheme \"laser\"; there are");
    assert_refused(open_status("laser:"), OPU_E_NOT_FOUND, "exact");
    assert_refused(open_status("fake:sead=1"), OPU_E_INVALID, "did you mean 'seed'");
    assert_refused(open_status("fake:readuot=phase4"), OPU_E_INVALID, "did you mean 'readout'");
    assert_refused(open_status("fake:seed=x"), OPU_E_INVALID, "saw 'x'");
    assert_refused(open_status("fake:rescale=perhaps"), OPU_E_INVALID, "rescale");
    assert_refused(open_status("fake:variance=-1"), OPU_E_INVALID, "variance");
    assert_refused(open_status("exact:of=laser:"), OPU_E_NOT_FOUND, "laser");
    assert_refused(open_status("exact:of=null:"), OPU_E_UNSUPPORTED, "noise-free field");
    assert_refused(open_status("exact:of=exact:of=exact:of=null:"), OPU_E_UNSUPPORTED, "field");
}

static void uri_identity_and_facts_can_be_asked(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("fake:seed=9");
    assert_string_equal(opu_device_uri(device), "fake:seed=9");
    assert_string_equal(opu_device_identity(device), "fake:9");
    assert_int_equal(opu_device_caps(device)->default_bits, 8);
    assert_int_equal(opu_device_clock(device), 0);
    opu_device_clock_set(device, 77);
    assert_int_equal(opu_device_clock(device), 77);
    opu_device_close(device);
    opu_device_close(NULL);
}

static int open_job(struct opu_context *context, void *user)
{
    struct opu_device *device;
    int const status = opu_device_open(&device, context, user);
    if (status == OPU_OK) {
        opu_device_close(device);
    }
    return status;
}

static void opening_survives_lack_of_memory(void **state)
{
    (void)state;
    assert_survives_no_memory(open_job, (void *)(uintptr_t) "fake:seed=3");
    assert_survives_no_memory(open_job, (void *)(uintptr_t) "exact:of=fake:seed=3");
}

static int count_devices(void *user, const char *uri, const char *description)
{
    assert_true(strlen(description) > 0);
    *(unsigned *)user |= strcmp(uri, "exact:") == 0 ? 1u : 0u;
    *(unsigned *)user |= strcmp(uri, "null:") == 0 ? 2u : 0u;
    *(unsigned *)user |= strcmp(uri, "fake:") == 0 ? 4u : 0u;
    return 0;
}

static int stop_scan(void *user, const char *uri, const char *description)
{
    (void)uri;
    (void)description;
    ++*(int *)user;
    return 42;
}

static void scan_tells_all_and_stops_when_told(void **state)
{
    (void)state;
    unsigned seen = 0;
    assert_int_equal(opu_device_scan(NULL, count_devices, &seen), OPU_OK);
    assert_int_equal(seen, 7);
    int calls = 0;
    assert_int_equal(opu_device_scan(NULL, stop_scan, &calls), 42);
    assert_int_equal(calls, 1);
}

static void backends_are_listed_with_their_options(void **state)
{
    (void)state;
    const struct opu_backend_info *info = NULL;
    bool found = false;
    for (size_t i = 0; (info = opu_backend_info(i)) != NULL; i++) {
        found = found || (strcmp(info->scheme, "exact") == 0 && info->n_options == 2 &&
                          strcmp(info->options[0].key, "seed") == 0);
    }
    assert_true(found);
}

static void incomplete_backends_are_not_registered(void **state)
{
    (void)state;
    assert_refused(opu_backend_register(NULL), OPU_E_INVALID, "interface version");
    struct opu_backend backend = fake_backend;
    backend.scheme = "older"; /* not taken: the version alone refuses it */
    backend.api_version = 1;
    assert_refused(opu_backend_register(&backend), OPU_E_INVALID,
                   "saw interface version 1, wanted 2");
    backend.api_version = OPU_BACKEND_API + 1;
    assert_refused(opu_backend_register(&backend), OPU_E_INVALID, "saw interface version 3");
    backend = fake_backend;
    assert_refused(opu_backend_register(&backend), OPU_E_BUSY, "taken");
    backend.scheme = "Fake";
    assert_refused(opu_backend_register(&backend), OPU_E_INVALID, "\"Fake\"");
    struct opu_backend_ops ops = fake_ops;
    ops.wait = NULL;
    backend.scheme = "lacking";
    backend.ops = &ops;
    assert_refused(opu_backend_register(&backend), OPU_E_INVALID, "configure, submit, wait");
}

static void set_ups_are_held_against_the_facts(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("fake:arm=no,max_exposures=2");
    double const exposures[3] = {1.0, 2.0, 3.0};
    struct opu_frame_setup setup = setup_make(exposures, 1);
    assert_int_equal(opu_device_configure(device, &setup), OPU_OK);

    setup.n_exposures = 3;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID,
                   "n_exposures is 3, wanted 1 to 2");
    double const long_exposure = 1e6;
    setup = setup_make(&long_exposure, 1);
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "exposure 0 is 1e+06 us");
    setup = setup_make(exposures, 1);
    setup.exposures_us = NULL;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "exposure 0");
    setup = setup_make(exposures, 1);
    setup.n_inputs = 5000;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID,
                   "n_inputs is 5000, wanted 1 to 4096");
    setup = setup_make(exposures, 1);
    setup.n_pixels = 0;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "n_pixels is 0");
    setup = setup_make(exposures, 1);
    setup.bits = 7;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "7-bit");
    struct opu_reference const reference = {.amplitude = 1.0};
    setup = setup_make(exposures, 1);
    setup.n_references = 1;
    setup.references = &reference;
    assert_refused(opu_device_configure(device, &setup), OPU_E_UNSUPPORTED, "no reference arm");
    setup = setup_make(exposures, 1);
    setup.output_kind = OPU_OUTPUT_REGION;
    assert_refused(opu_device_configure(device, &setup), OPU_E_UNSUPPORTED, "region");
    setup = setup_make(exposures, 1);
    setup.size = 3;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "size is 3");
    opu_device_close(device);
}

static void reference_states_are_held_against_the_arm(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("fake:levels=no");
    double const exposure = 1.0;
    struct opu_reference reference = {.amplitude = 0.5};
    struct opu_frame_setup setup = setup_make(&exposure, 1);
    setup.n_references = 1;
    setup.references = &reference;
    assert_refused(opu_device_configure(device, &setup), OPU_E_UNSUPPORTED, "0 and 1 alone");
    reference.amplitude = 1.5;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "amplitude from 0 to 1");
    reference.amplitude = 1.0;
    reference.phase_rad = (double)NAN;
    assert_refused(opu_device_configure(device, &setup), OPU_E_INVALID, "reference state 0");
    opu_device_close(device);
}

/* A batch of n <= 4 frames, all mirrors off. */
struct batch_room {
    uint8_t bits[4 * ((N_INPUTS + 7) / 8)];
    uint16_t exposure[4], reference[4];
    uint64_t number[4];
    uint8_t counts[4 * N_PIXELS];
    uint32_t saturated[4];
    struct opu_frame_batch batch;
};

static struct opu_frame_batch *batch_make(struct batch_room *room, size_t n, uint64_t first)
{
    *room = (struct batch_room){0};
    for (size_t i = 0; i < n; i++) {
        room->number[i] = first + i;
    }
    room->batch = (struct opu_frame_batch){
        .size = sizeof room->batch,
        .n_frames = n,
        .bits = room->bits,
        .exposure = room->exposure,
        .number = room->number,
        .counts = room->counts,
    };
    return &room->batch;
}

static void batches_are_held_against_the_set_up(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("fake:max_frames=3");
    struct batch_room room;
    uint64_t job;
    assert_refused(opu_device_submit(device, batch_make(&room, 1, 0), &job), OPU_E_INVALID,
                   "not configured");
    double const exposure = 1.0;
    struct opu_frame_setup const setup = setup_make(&exposure, 1);
    assert_int_equal(opu_device_configure(device, &setup), OPU_OK);
    assert_refused(opu_device_submit(device, batch_make(&room, 4, 0), &job), OPU_E_INVALID,
                   "n_frames is 4, wanted 1 to 3");
    assert_refused(opu_device_submit(device, batch_make(&room, 0, 0), &job), OPU_E_INVALID,
                   "n_frames is 0");
    batch_make(&room, 2, 5);
    room.number[1] = 5;
    assert_refused(opu_device_submit(device, &room.batch, &job), OPU_E_INVALID, "number 5 after 5");
    batch_make(&room, 2, 5);
    room.exposure[1] = 1;
    assert_refused(opu_device_submit(device, &room.batch, &job), OPU_E_INVALID,
                   "exposure 1 of a table of 1");
    batch_make(&room, 2, 5);
    room.batch.reference = room.reference;
    room.reference[0] = 1;
    assert_refused(opu_device_submit(device, &room.batch, &job), OPU_E_INVALID,
                   "reference state 1");
    batch_make(&room, 1, 0);
    room.batch.bits = NULL;
    assert_refused(opu_device_submit(device, &room.batch, &job), OPU_E_INVALID, "NULL");
    assert_int_equal(opu_device_clock(device), 0);
    opu_device_close(device);
}

static void the_clock_follows_the_frame_numbers(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("fake:");
    double const exposure = 1.0;
    struct opu_frame_setup const setup = setup_make(&exposure, 1);
    assert_int_equal(opu_device_configure(device, &setup), OPU_OK);
    struct batch_room room;
    uint64_t job;
    assert_int_equal(opu_device_submit(device, batch_make(&room, 2, 100), &job), OPU_OK);
    assert_int_equal(opu_device_clock(device), 102);
    assert_refused(opu_device_configure(device, &setup), OPU_E_BUSY, "under way");
    assert_int_equal(opu_device_cancel(device, job),
                     OPU_OK); /* the fake has no cancel: a fall-back */
    assert_int_equal(opu_device_wait(device, job, -1), OPU_OK);
    assert_refused(opu_device_wait(device, job, -1), OPU_E_INVALID, "under way");
    assert_refused(opu_device_cancel(device, job), OPU_E_NOT_FOUND, "under way");
    /* A repeated batch does not set the clock back. */
    assert_int_equal(opu_device_submit(device, batch_make(&room, 1, 7), &job), OPU_OK);
    assert_int_equal(opu_device_wait(device, job, -1), OPU_OK);
    assert_int_equal(opu_device_clock(device), 102);
    opu_device_close(device);
}

static void statistics_count_frames_bytes_and_saturation(void **state)
{
    (void)state;
    /* One mirror sends the full scale in a microsecond: with all on, every pixel with |sum H| > 1
     * saturates. */
    struct opu_device *const device = device_open("fake:rate=1");
    double const exposure = 1.0;
    struct opu_frame_setup const setup = setup_make(&exposure, 1);
    assert_int_equal(opu_device_configure(device, &setup), OPU_OK);
    struct batch_room room;
    uint64_t job;
    uint64_t saturated = 0;
    for (int told = 0; told < 2; told++) {
        batch_make(&room, 3, 0);
        memset(room.bits, 0xff, sizeof room.bits);
        room.batch.saturated = told ? room.saturated : NULL;
        assert_int_equal(opu_device_submit(device, &room.batch, &job), OPU_OK);
        assert_int_equal(opu_device_wait(device, job, -1), OPU_OK);
        for (size_t i = 0; i < 3 * N_PIXELS; i++) {
            saturated += room.counts[i] == 255;
        }
    }
    assert_true(saturated > 0);
    struct opu_device_stats stats = {.size = sizeof stats};
    assert_int_equal(opu_device_statistics(device, &stats), OPU_OK);
    assert_int_equal(stats.frames, 6);
    assert_int_equal(stats.retries, 0);
    assert_int_equal(stats.bytes_up, 6 * 3);
    assert_int_equal(stats.bytes_down, 6 * N_PIXELS);
    assert_int_equal(stats.pixels, 6 * N_PIXELS);
    assert_int_equal(stats.saturated, saturated);
    /* 6 frames at 1000 a second, 2 W; products of a few decimal numbers */
    assert_true(fabs(stats.optical_s - 0.006) < 1e-12);
    assert_true(fabs(stats.optical_j - 0.012) < 1e-12);
    stats.size = 0;
    assert_refused(opu_device_statistics(device, &stats), OPU_E_INVALID, "size");
    opu_device_close(device);
}

static void devices_of_floats_take_no_frames(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:");
    double const exposure = 1.0;
    struct opu_frame_setup const setup = setup_make(&exposure, 1);
    struct batch_room room;
    uint64_t job = 0;
    float x[1] = {0.0f};
    assert_refused(opu_device_configure(device, &setup), OPU_E_UNSUPPORTED, "device of floats");
    assert_refused(opu_device_submit(device, batch_make(&room, 1, 0), &job), OPU_E_UNSUPPORTED,
                   "floats");
    assert_refused(opu_device_wait(device, job, 0), OPU_E_UNSUPPORTED, "floats");
    assert_refused(opu_device_cancel(device, job), OPU_E_UNSUPPORTED, "floats");
    assert_refused(opu_device_field(device, x, 1, x), OPU_E_UNSUPPORTED, "field");
    opu_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_uris_end_in_a_sentence),
        cmocka_unit_test(uri_identity_and_facts_can_be_asked),
        cmocka_unit_test(opening_survives_lack_of_memory),
        cmocka_unit_test(scan_tells_all_and_stops_when_told),
        cmocka_unit_test(backends_are_listed_with_their_options),
        cmocka_unit_test(incomplete_backends_are_not_registered),
        cmocka_unit_test(set_ups_are_held_against_the_facts),
        cmocka_unit_test(reference_states_are_held_against_the_arm),
        cmocka_unit_test(batches_are_held_against_the_set_up),
        cmocka_unit_test(the_clock_follows_the_frame_numbers),
        cmocka_unit_test(statistics_count_frames_bytes_and_saturation),
        cmocka_unit_test(devices_of_floats_take_no_frames),
    };
    return cmocka_run_group_tests(tests, fake_register, NULL);
}
