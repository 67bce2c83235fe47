/* SPDX-License-Identifier: MIT */
/* The contract of every device: projections. */
#include "contract.h"

#define N_IN 50
#define N_OUT 256
#define ROWS 9

/* Answers of one pattern's noise are this much alike at least; drift and noise of real devices fit
 * in. */
#define ALIKE 0.9

struct rig {
    struct opu_device *device;
    struct opu_projection *projection;
    float in[ROWS * N_IN];
    float out[ROWS * N_OUT], again[ROWS * N_OUT];
};

static struct opu_projection *create(struct opu_device *device, size_t n_out)
{
    struct opu_projection_options const options = {
        .size = sizeof options, .n_in = N_IN, .n_out = n_out, .max_rows = ROWS};
    struct opu_projection *projection = NULL;
    assert_ok(opu_projection_create(&projection, device, &options));
    return projection;
}

static int setup(void **state)
{
    struct rig *const rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->device = device_open();
    rig->projection = create(rig->device, N_OUT);
    for (uint32_t i = 0; i < ROWS * N_IN; i++) {
        rig->in[i] = noise(i);
    }
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *const rig = *state;
    opu_projection_destroy(rig->projection);
    opu_device_close(rig->device);
    free(rig);
    return 0;
}

static void run(struct rig *rig, const float *in, size_t rows, float *out)
{
    assert_ok(opu_project(rig->projection, in, N_IN, rows, out, N_OUT));
}

static void assert_same(const struct rig *rig, const float *a, const float *b, size_t n)
{
    if (repeats(rig->device)) {
        assert_memory_equal(a, b, n * sizeof *a);
    } else {
        assert_true(agreement(a, b, n) > ALIKE);
    }
}

static void every_answer_is_finite_and_of_the_scale_of_its_row(void **state)
{
    struct rig *const rig = *state;
    run(rig, rig->in, ROWS, rig->out);
    for (size_t r = 0; r < ROWS; r++) {
        double size = 0.0;
        double norm = 0.0;
        for (size_t i = 0; i < N_OUT; i++) {
            assert_true(isfinite(rig->out[r * N_OUT + i]));
            size += (double)rig->out[r * N_OUT + i] * (double)rig->out[r * N_OUT + i] / N_OUT;
        }
        for (size_t j = 0; j < N_IN; j++) {
            norm += (double)rig->in[r * N_IN + j] * (double)rig->in[r * N_IN + j];
        }
        /* E y^2 = |x|^2 for entries of variance 1; deviation sqrt(2 / 256) = 9 %, 5 of them, and
         * noise. */
        if (strncmp(opu_device_identity(rig->device), "null", 4) == 0) {
            assert_true(size <= 0.0);
        } else {
            assert_true(size > 0.55 * norm && size < 1.6 * norm);
        }
    }
}

static void twice_the_row_gives_twice_the_answer(void **state)
{
    struct rig *const rig = *state;
    float twice[ROWS * N_IN];
    for (size_t i = 0; i < ROWS * N_IN; i++) {
        twice[i] = 2.0f * rig->in[i];
    }
    uint64_t const clock = opu_device_clock(rig->device);
    run(rig, rig->in, ROWS, rig->out);
    opu_device_clock_set(rig->device, clock);
    run(rig, twice, ROWS, rig->again);
    for (size_t i = 0; i < ROWS * N_OUT; i++) {
        rig->again[i] *= 0.5f; /* exact */
    }
    assert_same(rig, rig->out, rig->again, ROWS * N_OUT);
}

static void the_clock_set_back_gives_the_same_bits(void **state)
{
    struct rig *const rig = *state;
    uint64_t const clock = opu_device_clock(rig->device);
    run(rig, rig->in, ROWS, rig->out);
    uint64_t const after = opu_device_clock(rig->device);
    assert_true(after > clock);
    opu_device_clock_set(rig->device, clock);
    assert_int_equal(opu_device_clock(rig->device), clock);
    memset(rig->again, 0xff, sizeof rig->again);
    run(rig, rig->in, ROWS, rig->again);
    assert_int_equal(opu_device_clock(rig->device), after);
    assert_same(rig, rig->out, rig->again, ROWS * N_OUT);
}

static void submit_and_wait_are_project_in_two_halves(void **state)
{
    struct rig *const rig = *state;
    uint64_t const clock = opu_device_clock(rig->device);
    run(rig, rig->in, ROWS, rig->out);
    opu_device_clock_set(rig->device, clock);
    float copy[ROWS * N_IN];
    memcpy(copy, rig->in, sizeof copy);
    assert_ok(opu_project_submit(rig->projection, copy, N_IN, ROWS));
    memset(copy, 0xff, sizeof copy); /* it has been read */
    assert_ok(opu_project_wait(rig->projection, rig->again, N_OUT));
    assert_same(rig, rig->out, rig->again, ROWS * N_OUT);
}

static void one_call_at_a_time_may_be_under_way(void **state)
{
    struct rig *const rig = *state;
    assert_refused(opu_project_wait(rig->projection, rig->out, N_OUT), OPU_E_INVALID);
    assert_ok(opu_project_submit(rig->projection, rig->in, N_IN, ROWS));
    assert_refused(opu_project_submit(rig->projection, rig->in, N_IN, ROWS), OPU_E_BUSY);
    assert_ok(opu_project_wait(rig->projection, rig->out, N_OUT));
}

static void zero_rows_give_zero_and_empty_calls_nothing(void **state)
{
    struct rig *const rig = *state;
    memset(rig->in + 2 * N_IN, 0, N_IN * sizeof *rig->in);
    memset(rig->out, 0xff, sizeof rig->out);
    run(rig, rig->in, ROWS, rig->out);
    for (size_t i = 0; i < N_OUT; i++) {
        assert_true(rig->out[2 * N_OUT + i] == 0.0f);
    }
    memset(rig->in, 0, sizeof rig->in);
    memset(rig->out, 0xff, sizeof rig->out);
    run(rig, rig->in, ROWS, rig->out);
    for (size_t i = 0; i < ROWS * N_OUT; i++) {
        assert_true(rig->out[i] == 0.0f);
    }
    assert_ok(opu_project(rig->projection, NULL, 0, 0, NULL, 0));
}

static void rows_may_lie_apart(void **state)
{
    struct rig *const rig = *state;
    enum { in_stride = N_IN + 3, out_stride = N_OUT + 5 };
    float *const in = malloc(ROWS * in_stride * sizeof *in);
    float *const out = malloc(ROWS * out_stride * sizeof *out);
    assert_true(in != NULL && out != NULL);
    for (size_t i = 0; i < ROWS * in_stride; i++) {
        in[i] = i % in_stride < N_IN ? rig->in[i / in_stride * N_IN + i % in_stride] : NAN;
    }
    for (size_t i = 0; i < ROWS * out_stride; i++) {
        out[i] = 12345.0f;
    }
    uint64_t const clock = opu_device_clock(rig->device);
    run(rig, rig->in, ROWS, rig->out);
    opu_device_clock_set(rig->device, clock);
    assert_ok(opu_project(rig->projection, in, in_stride, ROWS, out, out_stride));
    for (size_t r = 0; r < ROWS; r++) {
        memcpy(rig->again + r * N_OUT, out + r * out_stride, N_OUT * sizeof *out);
        for (size_t i = N_OUT; i < out_stride; i++) {
            assert_true(out[r * out_stride + i] == 12345.0f);
        }
    }
    assert_same(rig, rig->out, rig->again, ROWS * N_OUT);
    free(in);
    free(out);
}

static void a_row_does_not_depend_on_its_neighbours(void **state)
{
    struct rig *const rig = *state;
    run(rig, rig->in, ROWS, rig->out);
    for (size_t r = 0; r < ROWS; r++) {
        run(rig, rig->in + r * N_IN, 1, rig->again + r * N_OUT);
        /* other frames, other noise */
        assert_true(agreement(rig->out + r * N_OUT, rig->again + r * N_OUT, N_OUT) > ALIKE);
    }
}

static void fewer_outputs_are_the_first_of_more(void **state)
{
    struct rig *const rig = *state;
    run(rig, rig->in, ROWS, rig->out);
    struct opu_projection *const few = create(rig->device, 30);
    bool const same =
        strcmp(opu_projection_identity(few), opu_projection_identity(rig->projection)) == 0;
    /* Off axis fewer outputs may take a smaller picture, which makes them another matrix. */
    bool const window = (opu_device_caps(rig->device)->flags & OPU_CAP_WINDOW) != 0;
    assert_true(same != window || strstr(opu_projection_identity(few), " offaxis ") != NULL);
    assert_ok(opu_project(few, rig->in, N_IN, ROWS, rig->again, 30));
    for (size_t r = 0; same && r < ROWS; r++) {
        assert_true(agreement(rig->out + r * N_OUT, rig->again + r * 30, 30) > ALIKE);
    }
    /* The device went to the second one. */
    assert_refused(opu_project(rig->projection, rig->in, N_IN, 1, rig->out, N_OUT), OPU_E_BUSY);
    opu_projection_destroy(few);
}

static void what_is_not_finite_is_refused(void **state)
{
    struct rig *const rig = *state;
    float const bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        rig->in[4 * N_IN + 13] = bad[i];
        assert_refused(opu_project(rig->projection, rig->in, N_IN, ROWS, rig->out, N_OUT),
                       OPU_E_NUMERIC);
        assert_non_null(strstr(opu_error_message(), "row 4, column 13"));
        rig->in[4 * N_IN + 13] = 0.0f;
        run(rig, rig->in, ROWS, rig->out);
    }
}

static void wrong_shapes_are_refused(void **state)
{
    struct rig *const rig = *state;
    assert_refused(opu_project(rig->projection, rig->in, N_IN, ROWS + 1, rig->out, N_OUT),
                   OPU_E_INVALID);
    assert_refused(opu_project(rig->projection, rig->in, N_IN - 1, 1, rig->out, N_OUT),
                   OPU_E_INVALID);
    assert_refused(opu_project(rig->projection, rig->in, N_IN, 1, rig->out, N_OUT - 1),
                   OPU_E_INVALID);
    assert_refused(opu_project(rig->projection, NULL, N_IN, 1, rig->out, N_OUT), OPU_E_INVALID);
    assert_refused(opu_project(rig->projection, rig->in, N_IN, 1, NULL, N_OUT), OPU_E_INVALID);
    run(rig, rig->in, ROWS, rig->out);
}

static void wrong_options_are_refused(void **state)
{
    struct rig *const rig = *state;
    struct opu_projection *projection = rig->projection;
    struct opu_projection_options const good = {.size = sizeof good, .n_in = N_IN, .n_out = N_OUT};
    struct opu_projection_options wrong[6];
    for (size_t i = 0; i < 6; i++) {
        wrong[i] = good;
    }
    wrong[0].n_in = 0;
    wrong[1].n_out = 0;
    wrong[2].encode = "quinary";
    wrong[3].readout = "crystal ball";
    wrong[4].variance = -1.0;
    wrong[5].size = 1;
    for (size_t i = 0; i < 6; i++) {
        assert_refused(opu_projection_create(&projection, rig->device, &wrong[i]), OPU_E_INVALID);
        assert_null(projection);
    }
    run(rig, rig->in, ROWS, rig->out); /* the one that there was is not touched */
}

static void unknown_uri_options_are_refused(void **state)
{
    (void)state;
    char uri[512];
    const char *const colon = strchr(contract_uri, ':');
    (void)snprintf(uri, sizeof uri, "%.*s:nonsense=1", (int)(colon - contract_uri), contract_uri);
    struct opu_device *device = (struct opu_device *)&device;
    assert_refused(opu_device_open(&device, NULL, uri), OPU_E_INVALID);
    assert_null(device);
    assert_non_null(strstr(opu_error_message(), "nonsense"));
}

static void statistics_add_up(void **state)
{
    struct rig *const rig = *state;
    struct opu_device_stats a = {.size = sizeof a};
    struct opu_device_stats b = {.size = sizeof b};
    size_t const per_row = opu_projection_frames_per_row(rig->projection);
    const struct opu_caps *const caps = opu_device_caps(rig->device);
    assert_true((per_row > 0) == has(rig->device, OPU_CAP_FRAMES));
    memset(rig->in + N_IN, 0, N_IN * sizeof *rig->in); /* one row costs nothing */
    assert_ok(opu_device_statistics(rig->device, &a));
    uint64_t const clock = opu_device_clock(rig->device);
    run(rig, rig->in, ROWS, rig->out);
    assert_ok(opu_device_statistics(rig->device, &b));
    uint64_t const frames = b.frames - a.frames;
    assert_int_equal(b.rows - a.rows, ROWS);
    assert_true(frames <= (ROWS - 1) * per_row + (b.retries - a.retries));
    assert_true((frames > 0) == (per_row > 0));
    assert_true(b.saturated <= b.pixels && b.pixels <= b.bytes_down);
    if (per_row > 0) {
        assert_int_equal(opu_device_clock(rig->device) - clock, frames - (b.retries - a.retries));
        assert_int_equal(b.bytes_up - a.bytes_up, frames * (b.bytes_up / b.frames));
        /* Optical time: frames over the rate, and uploads; sums of doubles. */
        double seconds = caps->frame_rate_hz > 0.0 ? (double)b.frames / caps->frame_rate_hz : 0.0;
        seconds +=
            caps->upload_bytes_per_s > 0.0 ? (double)b.bytes_up / caps->upload_bytes_per_s : 0.0;
        assert_true(fabs(b.optical_s - seconds) <= 1e-9 * seconds);
        assert_true(fabs(b.optical_j - seconds * caps->power_w) <= 1e-9 * b.optical_j);
    }
}

/* The rig's device closed and opened again: hardware has one holder at a time. The projection is
 * made with the clock elsewhere, so that its calibration sees other noise. */
static void open_again(struct rig *rig)
{
    opu_projection_destroy(rig->projection);
    rig->projection = NULL;
    opu_device_close(rig->device);
    rig->device = NULL;
    rig->device = device_open();
    opu_device_clock_set(rig->device, 1000003);
    rig->projection = create(rig->device, N_OUT);
}

static void identity_is_the_same_every_time(void **state)
{
    struct rig *const rig = *state;
    char device[256], projection[512];
    snprintf(device, sizeof device, "%s", opu_device_identity(rig->device));
    snprintf(projection, sizeof projection, "%s", opu_projection_identity(rig->projection));
    open_again(rig);
    assert_true(strlen(device) > 0);
    assert_string_equal(opu_device_identity(rig->device), device);
    assert_string_equal(opu_projection_identity(rig->projection), projection);
    assert_non_null(strstr(projection, device));
    assert_true(strlen(opu_projection_describe(rig->projection)) > 0);
    assert_string_equal(opu_device_uri(rig->device), contract_uri);
}

static void saved_calibration_and_clock_continue_a_run(void **state)
{
    struct rig *const rig = *state;
    size_t const size = opu_projection_state_size(rig->projection);
    uint8_t *const bytes = malloc(size);
    assert_non_null(bytes);
    opu_projection_state_get(rig->projection, bytes);
    uint64_t const clock = opu_device_clock(rig->device);
    run(rig, rig->in, ROWS, rig->out);

    open_again(rig);
    opu_device_clock_set(rig->device, clock);
    assert_ok(opu_projection_state_set(rig->projection, bytes, size));
    run(rig, rig->in, ROWS, rig->again);
    assert_same(rig, rig->out, rig->again, ROWS * N_OUT);
    assert_refused(opu_projection_state_set(rig->projection, bytes, size - 1), OPU_E_MISMATCH);
    memset(bytes, 0, 8);
    assert_refused(opu_projection_state_set(rig->projection, bytes, size), OPU_E_MISMATCH);
    free(bytes);
}

#define CONTRACT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    contract_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        CONTRACT(every_answer_is_finite_and_of_the_scale_of_its_row),
        CONTRACT(twice_the_row_gives_twice_the_answer),
        CONTRACT(the_clock_set_back_gives_the_same_bits),
        CONTRACT(submit_and_wait_are_project_in_two_halves),
        CONTRACT(one_call_at_a_time_may_be_under_way),
        CONTRACT(zero_rows_give_zero_and_empty_calls_nothing),
        CONTRACT(rows_may_lie_apart),
        CONTRACT(a_row_does_not_depend_on_its_neighbours),
        CONTRACT(fewer_outputs_are_the_first_of_more),
        CONTRACT(what_is_not_finite_is_refused),
        CONTRACT(wrong_shapes_are_refused),
        CONTRACT(wrong_options_are_refused),
        cmocka_unit_test(unknown_uri_options_are_refused),
        CONTRACT(statistics_add_up),
        CONTRACT(identity_is_the_same_every_time),
        CONTRACT(saved_calibration_and_clock_continue_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
