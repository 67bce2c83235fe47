/* SPDX-License-Identifier: MIT */
/* Recordings: what a device answered is answered again, and where a run differs it is told. */
#include "device_fake.h"

#include <unistd.h>

#define N_IN 50
#define N_OUT 40
#define ROWS 6

static void fill(float *rows, unsigned seed)
{
    for (unsigned i = 0; i < ROWS * N_IN; i++) {
        rows[i] = (float)((i * 2654435761u + seed * 40503u) >> 8 & 0xffff) / 32768.0f - 1.0f;
    }
}

/* Some calls through a device; the last call's rows may be others. */
static int run(const char *uri, unsigned last_seed, float out[3 * ROWS * N_OUT])
{
    struct opu_device *device = NULL;
    struct opu_projection *projection = NULL;
    struct opu_projection_options const options = {
        .size = sizeof options, .n_in = N_IN, .n_out = N_OUT, .max_rows = ROWS};
    int status = opu_device_open(&device, NULL, uri);
    if (status == OPU_OK) {
        status = opu_projection_create(&projection, device, &options);
    }
    for (unsigned k = 0; status == OPU_OK && k < 3; k++) {
        float rows[ROWS * N_IN];
        fill(rows, k < 2 ? k : last_seed);
        status = opu_project(projection, rows, N_IN, ROWS, out + (size_t)k * ROWS * N_OUT, N_OUT);
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
    return status;
}

struct rig {
    struct folder dir;
    char path[320], record[400], replay[400];
    float recorded[3 * ROWS * N_OUT];
};

static int setup(void **state)
{
    struct rig *const rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->dir = folder_make();
    (void)snprintf(rig->path, sizeof rig->path, "%s/run.opurec", rig->dir.path);
    (void)snprintf(rig->record, sizeof rig->record, "record:file=%s,of=sim:seed=5", rig->path);
    (void)snprintf(rig->replay, sizeof rig->replay, "replay:file=%s", rig->path);
    assert_int_equal(run(rig->record, 2, rig->recorded), OPU_OK);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *const rig = *state;
    (void)remove(rig->path);
    folder_remove(&rig->dir);
    free(rig);
    return 0;
}

static void recording_does_not_change_the_answers(void **state)
{
    const struct rig *const rig = *state;
    float plain[3 * ROWS * N_OUT];
    assert_int_equal(run("sim:seed=5", 2, plain), OPU_OK);
    assert_memory_equal(plain, rig->recorded, sizeof plain);
}

static void replay_gives_the_same_answers_and_identity(void **state)
{
    const struct rig *const rig = *state;
    float again[3 * ROWS * N_OUT];
    assert_int_equal(run(rig->replay, 2, again), OPU_OK);
    assert_memory_equal(again, rig->recorded, sizeof again);
    struct opu_device *sim;
    struct opu_device *replay;
    assert_int_equal(opu_device_open(&sim, NULL, "sim:seed=5"), OPU_OK);
    assert_int_equal(opu_device_open(&replay, NULL, rig->replay), OPU_OK);
    assert_string_equal(opu_device_identity(sim), opu_device_identity(replay));
    opu_device_close(sim);
    opu_device_close(replay);
}

static void other_rows_diverge_and_the_frame_is_named(void **state)
{
    const struct rig *const rig = *state;
    float other[3 * ROWS * N_OUT];
    assert_int_equal(run(rig->replay, 77, other), OPU_E_MISMATCH);
    assert_non_null(strstr(opu_error_message(), "diverges"));
    assert_non_null(strstr(opu_error_message(), "at frame "));
    /* what came before is as recorded */
    assert_memory_equal(other, rig->recorded, 2 * ROWS * N_OUT * sizeof *other);
}

static void a_recording_is_never_written_over(void **state)
{
    const struct rig *const rig = *state;
    float out[3 * ROWS * N_OUT];
    assert_int_equal(run(rig->record, 2, out), OPU_E_IO);
    assert_non_null(strstr(opu_error_message(), "never written over"));
    assert_int_equal(run(rig->replay, 2, out), OPU_OK);
}

static void a_cut_recording_is_good_up_to_the_cut(void **state)
{
    const struct rig *const rig = *state;
    FILE *const file = fopen(rig->path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long const n = ftell(file);
    (void)fclose(file);
    assert_int_equal(truncate(rig->path, n - 100), 0);
    float out[3 * ROWS * N_OUT];
    assert_int_equal(run(rig->replay, 2, out), OPU_E_MISMATCH);
    assert_non_null(strstr(opu_error_message(), "the recording ends"));
    assert_memory_equal(out, rig->recorded, 2 * ROWS * N_OUT * sizeof *out);
}

static void a_damaged_recording_is_refused_at_the_record(void **state)
{
    const struct rig *const rig = *state;
    FILE *const file = fopen(rig->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -200, SEEK_END), 0);
    int const was = fgetc(file);
    assert_int_equal(fseek(file, -200, SEEK_END), 0);
    assert_int_equal(fputc(was ^ 4, file), was ^ 4);
    (void)fclose(file);
    float out[3 * ROWS * N_OUT];
    assert_int_equal(run(rig->replay, 2, out), OPU_E_FORMAT);
    assert_non_null(strstr(opu_error_message(), "damaged"));
}

static void what_is_no_recording_is_refused(void **state)
{
    const struct rig *const rig = *state;
    struct opu_device *device;
    char uri[400];
    (void)snprintf(uri, sizeof uri, "replay:file=%s/missing", rig->dir.path);
    assert_int_equal(opu_device_open(&device, NULL, uri), OPU_E_NOT_FOUND);
    assert_int_equal(opu_device_open(&device, NULL, "replay:file=/proc/self/exe"), OPU_E_FORMAT);
    (void)snprintf(uri, sizeof uri, "replay:file=%s", rig->dir.path);
    assert_int_equal(opu_device_open(&device, NULL, uri), OPU_E_FORMAT);
    (void)snprintf(uri, sizeof uri, "record:file=%s/new,of=exact:", rig->dir.path);
    assert_int_equal(opu_device_open(&device, NULL, uri), OPU_E_UNSUPPORTED);
    assert_int_equal(opu_device_open(&device, NULL, "record:file=x"), OPU_E_INVALID);
    assert_int_equal(opu_device_open(&device, NULL, "replay:"), OPU_E_INVALID);
}

static void another_set_up_is_told_by_its_value(void **state)
{
    const struct rig *const rig = *state;
    struct opu_device *device;
    assert_int_equal(opu_device_open(&device, NULL, rig->replay), OPU_OK);
    double const exposure_us = 123.0;
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = N_IN + 1,
                                          .n_pixels = 10,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us};
    assert_int_equal(opu_device_configure(device, &setup), OPU_E_MISMATCH);
    assert_non_null(strstr(opu_error_message(), "n_inputs is 51, recorded 50"));
    opu_device_close(device);
}

static void a_head_that_is_not_there_is_refused(void **state)
{
    const struct rig *const rig = *state;
    char path[400], uri[500];
    (void)snprintf(path, sizeof path, "%s/empty.opurec", rig->dir.path);
    (void)snprintf(uri, sizeof uri, "replay:file=%s", path);
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("OPUREC1\n", file) >= 0 && fclose(file) == 0);
    struct opu_device *device;
    assert_int_equal(opu_device_open(&device, NULL, uri), OPU_E_FORMAT);
    assert_non_null(strstr(opu_error_message(), "head is damaged"));
    assert_int_equal(remove(path), 0);
}

/* ---- Batches ---- */

enum { N_BATCHES = 3, N_FRAMES = 4, N_PIXELS = 5 };

struct batches {
    uint8_t bits[N_BATCHES][N_FRAMES];
    uint64_t number[N_BATCHES][N_FRAMES];
    uint8_t counts[N_BATCHES][N_FRAMES * N_PIXELS];
};

static void configure(struct opu_device *device)
{
    static const double exposure_us = 100.0;
    struct opu_frame_setup const frames = {.size = sizeof frames,
                                           .n_inputs = 8,
                                           .n_pixels = N_PIXELS,
                                           .bits = 8,
                                           .n_exposures = 1,
                                           .exposures_us = &exposure_us};
    assert_int_equal(opu_device_configure(device, &frames), OPU_OK);
}

/* Submits all and waits for them in the order given. */
static void run_batches(const char *uri, struct batches *all, const size_t order[N_BATCHES])
{
    struct opu_device *const device = device_open(uri);
    configure(device);
    struct opu_frame_batch batch[N_BATCHES];
    uint64_t job[N_BATCHES];
    for (size_t b = 0; b < N_BATCHES; b++) {
        for (size_t f = 0; f < N_FRAMES; f++) {
            all->bits[b][f] = (uint8_t)(37 * (b * N_FRAMES + f) + 1);
            all->number[b][f] = b * N_FRAMES + f;
        }
        batch[b] = (struct opu_frame_batch){.size = sizeof batch[b],
                                            .n_frames = N_FRAMES,
                                            .bits = all->bits[b],
                                            .number = all->number[b],
                                            .counts = all->counts[b]};
        if (opu_device_submit(device, &batch[b], &job[b]) < 0) {
            fail_msg("%s: %s", uri, opu_error_message());
        }
    }
    for (size_t i = 0; i < N_BATCHES; i++) {
        assert_int_equal(opu_device_wait(device, job[order[i]], 60000), OPU_OK);
        assert_int_equal(opu_device_wait(device, job[order[i]], 0), OPU_E_INVALID);
    }
    opu_device_close(device);
}

static void batches_waited_for_in_any_order_are_replayed(void **state)
{
    struct rig *const rig = *state;
    static const size_t backwards[N_BATCHES] = {2, 0, 1}, forwards[N_BATCHES] = {0, 1, 2};
    static struct batches recorded, replayed;
    assert_int_equal(remove(rig->path), 0);
    run_batches(rig->record, &recorded, backwards);
    run_batches(rig->replay, &replayed, forwards);
    assert_memory_equal(recorded.counts, replayed.counts, sizeof recorded.counts);
}

static void a_batch_that_is_repeated_gets_the_same_counts(void **state)
{
    struct rig *const rig = *state;
    static const size_t forwards[N_BATCHES] = {0, 1, 2};
    static struct batches recorded;
    assert_int_equal(remove(rig->path), 0);
    run_batches(rig->record, &recorded, forwards);
    struct opu_device *const device = device_open(rig->replay);
    configure(device);
    static const size_t order[] = {0, 1, 1, 0, 2, 0, 2};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        uint8_t counts[N_FRAMES * N_PIXELS] = {0};
        uint64_t job;
        struct opu_frame_batch batch = {.size = sizeof batch,
                                        .n_frames = N_FRAMES,
                                        .bits = recorded.bits[order[i]],
                                        .number = recorded.number[order[i]],
                                        .counts = counts};
        if (opu_device_submit(device, &batch, &job) < 0) {
            fail_msg("%s", opu_error_message());
        }
        assert_int_equal(opu_device_wait(device, job, -1), OPU_OK);
        assert_memory_equal(counts, recorded.counts[order[i]], sizeof counts);
    }
    opu_device_close(device);
}

/* A device that is not asked which frames it lost sends them again by itself. */
static void a_device_is_not_asked_for_more_than_its_caller_asks(void **state)
{
    struct rig *const rig = *state;
    static struct batches all;
    assert_int_equal(remove(rig->path), 0);
    (void)snprintf(rig->record, sizeof rig->record, "record:file=%s,of=fake:", rig->path);
    struct opu_device *const device = device_open(rig->record);
    configure(device);
    int32_t status[N_FRAMES];
    uint64_t job;
    for (int asks = 0; asks < 2; asks++) {
        for (size_t f = 0; f < N_FRAMES; f++) {
            all.number[0][f] = (size_t)asks * N_FRAMES + f;
        }
        struct opu_frame_batch batch = {.size = sizeof batch,
                                        .n_frames = N_FRAMES,
                                        .bits = all.bits[0],
                                        .number = all.number[0],
                                        .counts = all.counts[0],
                                        .status = asks != 0 ? status : NULL};
        assert_int_equal(opu_device_submit(device, &batch, &job), OPU_OK);
        assert_int_equal(fake_latest->status_asked, asks != 0);
        assert_int_equal(opu_device_wait(device, job, -1), OPU_OK);
    }
    opu_device_close(device);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(recording_does_not_change_the_answers),
        TEST(replay_gives_the_same_answers_and_identity),
        TEST(other_rows_diverge_and_the_frame_is_named),
        TEST(a_recording_is_never_written_over),
        TEST(a_cut_recording_is_good_up_to_the_cut),
        TEST(a_damaged_recording_is_refused_at_the_record),
        TEST(what_is_no_recording_is_refused),
        TEST(another_set_up_is_told_by_its_value),
        TEST(a_head_that_is_not_there_is_refused),
        TEST(batches_waited_for_in_any_order_are_replayed),
        TEST(a_batch_that_is_repeated_gets_the_same_counts),
        TEST(a_device_is_not_asked_for_more_than_its_caller_asks),
    };
    return cmocka_run_group_tests(tests, fake_register, NULL);
}
