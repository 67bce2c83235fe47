/* SPDX-License-Identifier: MIT */
/* Projections through frames, on a device without noise and with all the faults one may ask for. */
#include "device_fake.h"

#include "core/base/fail.h"
#include "core/device/projection_internal.h"

#define N_IN 40
#define N_OUT 101 /* odd: the last pixel gives one quadrature alone */
#define ROWS 24

struct rig {
    struct opu_device *device, *exact;
    struct opu_projection *projection, *oracle;
};

static struct opu_projection_options options_make(const char *readout, const char *encode)
{
    return (struct opu_projection_options){
        .size = sizeof(struct opu_projection_options),
        .n_in = N_IN,
        .n_out = N_OUT,
        .max_rows = ROWS,
        .readout = readout,
        .encode = encode,
    };
}

static struct opu_projection *create(struct opu_device *device,
                                     const struct opu_projection_options *options)
{
    struct opu_projection *projection;
    if (opu_projection_create(&projection, device, options) < 0) {
        fail_msg("%s: %s", opu_device_uri(device), opu_error_message());
    }
    return projection;
}

/* A device and the mathematics of the same device. */
static struct rig rig_make(const char *uri, const struct opu_projection_options *options)
{
    struct rig rig;
    char of[300];
    (void)snprintf(of, sizeof of, "exact:of=%s", uri);
    struct opu_projection_options same = *options;
    same.bits = 0;
    same.encode = options->encode != NULL ? options->encode : "ternary";
    rig.exact = device_open(of);
    rig.oracle = create(rig.exact, &same);
    rig.device = device_open(uri);
    rig.projection = create(rig.device, options);
    assert_string_equal(opu_projection_identity(rig.projection),
                        opu_projection_identity(rig.oracle));
    return rig;
}

static void rig_free(struct rig *rig)
{
    opu_projection_destroy(rig->projection);
    opu_projection_destroy(rig->oracle);
    opu_device_close(rig->device);
    opu_device_close(rig->exact);
}

static void fill(float *x, size_t n, uint64_t draw)
{
    for (size_t i = 0; i < n; i += 4) {
        float z[4];
        opu_normal4(opu_philox(9, OPU_STREAM_TEST, (uint32_t)(i / 4), draw), z);
        for (size_t j = i; j < n && j < i + 4; j++) {
            x[j] = z[j - i];
        }
    }
}

/* |a - b| / |b| over rows of n, `stride` apart. */
static double distance(const float *a, const float *b, size_t n)
{
    double error = 0.0;
    double size = 0.0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(error / size);
}

static double rig_distance(struct rig *rig)
{
    float in[ROWS * N_IN];
    float out[2][ROWS * N_OUT];
    fill(in, ROWS * N_IN, 1);
    assert_int_equal(opu_project(rig->projection, in, N_IN, ROWS, out[0], N_OUT), OPU_OK);
    assert_int_equal(opu_project(rig->oracle, in, N_IN, ROWS, out[1], N_OUT), OPU_OK);
    return distance(out[0], out[1], ROWS * N_OUT);
}

/*
 * Relative error of 16 bits. phase4: ns >= half of full / 29 = 1130, nr = 4 ns of the class's
 * largest: rms of sqrt(1 / 12) / sqrt(4 nr) / sqrt ns = 4.5e-5 at most; 1e-4 is the bar.
 */
static void check_16_bits(const char *uri, const char *readout, const char *encode, double bar)
{
    struct opu_projection_options options = options_make(readout, encode);
    options.bits = 16;
    struct rig rig = rig_make(uri, &options);
    double const seen = rig_distance(&rig);
    if (seen > bar) {
        fail_msg("%s, %s, %s: relative error %g, wanted %g", uri, readout, encode, seen, bar);
    }
    rig_free(&rig);
}

static void phase4_finds_the_operator(void **state)
{
    (void)state;
    check_16_bits("fake:", "phase4", "ternary", 1e-4);
    check_16_bits("fake:", "phase4", "binary", 1e-4);
    check_16_bits("fake:", "phase4", "bitplanes:4", 1e-4);
}

static void phase4_takes_leakage_off(void **state)
{
    (void)state;
    /* eps = 0.1 is far beyond real mirrors; empty classes hold more of the leak's light. A seed
     * without a saturated count: two in 40 seeds have one among the outputs, which is the error. */
    check_16_bits("fake:leakage=0.01,seed=2", "phase4", "ternary", 1e-4);
    check_16_bits("fake:leakage=0.01,seed=2", "phase4", "binary", 1e-4);
    check_16_bits("fake:leakage=0.01,seed=2", "phase4", "bitplanes:4", 1e-4);
}

static void phase4_works_with_an_arm_of_one_level(void **state)
{
    (void)state;
    /* nr is 100 ns where one mirror is on: the signal has less of the range. */
    check_16_bits("fake:levels=no,reference=0.01", "phase4", "ternary", 3e-4);
}

static void anchor_finds_the_operator(void **state)
{
    (void)state;
    /* sqrt(2 / 12) / (2 |A|) / (S / sqrt 2): mean counts full / 13.8 for 3 parts, S a third or less
     * of it; pixels with |A|^2 down to 5 % of the mean: E(1 / |A|^2) = 2.6 / mean. */
    check_16_bits("fake:", "anchor", "ternary", 1e-3);
    check_16_bits("fake:leakage=0.01", "anchor", "ternary", 1e-3);
    check_16_bits("fake:leakage=0.01", "anchor", "binary", 1e-3);
    check_16_bits("fake:arm=no", "anchor", "ternary", 1e-3);
}

static void intensity_finds_the_squares(void **state)
{
    (void)state;
    check_16_bits("fake:", "intensity", "binary", 1e-3);
    /* Leakage can't be told apart: eps sqrt(2 n_off / n_on) = 0.1 * 1.4 of |Hx|^2, whose rms is
     * sqrt 2 */
    check_16_bits("fake:leakage=0.01", "intensity", "binary", 0.2);
}

static void rates_that_are_not_stated_are_measured(void **state)
{
    (void)state;
    static const char *const uris[] = {"fake:known=no", "fake:known=no,leakage=0.001",
                                       "fake:known=no,rate=1e-6",
                                       "fake:known=no,rate=0.01,reference=30"};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        struct opu_projection_options options = options_make("phase4", "ternary");
        options.bits = 12;
        struct rig rig = rig_make(uris[i], &options);
        /* The mean of 51 x 40 exponential numbers, halved for an amplitude: 1.1 %; 5 deviations. */
        double const seen = rig_distance(&rig);
        if (seen > 0.055) {
            fail_msg("%s: relative error %g", uris[i], seen);
        }
        rig_free(&rig);
    }
}

static void small_tables_make_fewer_classes(void **state)
{
    (void)state;
    check_16_bits("fake:max_exposures=2,max_references=8", "phase4", "ternary", 3e-4);
    check_16_bits("fake:max_exposures=1,max_references=4", "phase4", "ternary", 6e-4);
}

/* Rows of exactly n_on ones, whose code has weight 1; the rms error of an output against the
 * oracle. */
static double error_at(uint32_t bits, size_t n_on, double *formula)
{
    enum { rows = 60, n_out = 512, n_in = 64 };
    struct opu_projection_options options = options_make("phase4", "binary");
    options.bits = bits;
    options.n_in = n_in;
    options.n_out = n_out;
    options.max_rows = rows;
    struct rig rig = rig_make("fake:seed=5", &options);
    float in[rows * n_in];
    float *const out = malloc(2 * rows * n_out * sizeof *out);
    assert_non_null(out);
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < n_in; j++) {
            in[r * n_in + (j * 37 + r * 11) % n_in] = j < n_on ? 1.0f : 0.0f;
        }
    }
    assert_int_equal(opu_project(rig.projection, in, n_in, rows, out, n_out), OPU_OK);
    assert_int_equal(opu_project(rig.oracle, in, n_in, rows, out + rows * n_out, n_out), OPU_OK);
    double sum = 0.0;
    for (size_t i = 0; i < rows * n_out; i++) {
        double const d = (double)out[i] - (double)out[rows * n_out + i];
        sum += d * d;
    }
    free(out);
    const struct opu_tables *const tables = &rig.projection->tables;
    size_t const c = opu_class_of(tables, (uint32_t)n_on);
    double const nr = tables->reference_rate * tables->exposure_us[c] * tables->amplitude[c] *
                      tables->amplitude[c];
    /* sq^2 / (4 nr) over both quadratures; outputs are S sqrt(2 / (s t)), so each has half of twice
     * that. */
    *formula = 1.0 / 12.0 / (4.0 * nr) / (tables->signal_rate * tables->exposure_us[c]);
    rig_free(&rig);
    return sum / (rows * n_out);
}

static void phase4_error_follows_the_converters_step(void **state)
{
    (void)state;
    double last = 0.0;
    for (uint32_t bits = 8; bits <= 12; bits++) {
        double formula;
        double const seen = error_at(bits, 60, &formula);
        /* 5 %: 30720 samples have a variance known to 0.8 %, the reference adds less than 1 % */
        if (!(fabs(seen / formula - 1.0) <= 0.05)) {
            fail_msg("%u bits: variance %g, the formula says %g", bits, seen, formula);
        }
        double const ratio = bits > 8 ? sqrt(last / seen) : 2.0;
        if (!(fabs(ratio - 2.0) <= 0.2)) {
            fail_msg("%u bits: the error fell by %g, wanted 2 within 10 %%", bits, ratio);
        }
        last = seen;
    }
}

static void saturation_stays_below_its_bound(void **state)
{
    (void)state;
    struct opu_projection_options options = options_make("phase4", "ternary");
    options.n_out = 1000;
    options.max_rows = 64;
    options.saturation = 1e-3;
    struct opu_device *const device = device_open("fake:");
    struct opu_projection *const projection = create(device, &options);
    struct opu_calibration found = {.size = sizeof found};
    assert_int_equal(opu_projection_calibration(projection, &found), OPU_OK);
    assert_int_equal(found.bits, 8);
    assert_int_equal(found.n_classes, 7); /* 1, 2, 4, ... 64 >= 40 */
    assert_true(found.exposure_min_us < found.exposure_max_us);
    /* Near the bound, as full classes are tested: 7 classes of 100000 samples, 100 expected each.
     */
    assert_true(found.saturated_share > 0.3e-3 && found.saturated_share < 1.6e-3);
    /* nr = 4 ns */
    assert_true(fabs(found.reference_counts / found.signal_counts - 4.0) < 0.04);
    assert_true(fabs(found.signal_per_us / (255.0 * 1e-4) - 1.0) < 1e-6);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void too_much_light_is_reported(void **state)
{
    (void)state;
    struct opu_projection_options const options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:rate=100,reference=1000");
    struct opu_projection *projection;
    assert_refused(opu_projection_create(&projection, device, &options), OPU_E_DEVICE,
                   "too much light");
    assert_null(projection);
    opu_device_close(device);
}

/* The outputs of ROWS standard rows. */
static void run(struct opu_projection *projection, float *out)
{
    float in[ROWS * N_IN];
    fill(in, ROWS * N_IN, 2);
    if (opu_project(projection, in, N_IN, ROWS, out, N_OUT) < 0) {
        fail_msg("%s", opu_error_message());
    }
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

static void saved_calibrations_give_the_same_bits(void **state)
{
    (void)state;
    struct opu_projection_options const options = options_make("anchor", "ternary:stochastic");
    float out[2][ROWS * N_OUT];
    struct opu_device *device = device_open("fake:leakage=0.001");
    struct opu_projection *projection = create(device, &options);
    size_t const size = opu_projection_state_size(projection);
    uint8_t *const bytes = malloc(size);
    assert_non_null(bytes);
    opu_projection_state_get(projection, bytes);
    uint64_t const clock = opu_device_clock(device);
    run(projection, out[0]);
    opu_projection_destroy(projection);
    opu_device_close(device);

    device = device_open("fake:leakage=0.001");
    opu_device_clock_set(device,
                         123456); /* another calibration; the fake's does not depend on it */
    projection = create(device, &options);
    for (size_t i = 0; i < projection->layout.n_table; i++) {
        projection->gain[i] = 0.0f;
    }
    projection->tables.exposure_us[0] *= 0.5;
    opu_device_clock_set(device, clock);
    assert_int_equal(opu_projection_state_set(projection, bytes, size), OPU_OK);
    run(projection, out[1]);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    opu_projection_destroy(projection);
    opu_device_close(device);
    free(bytes);
}

static void calibrations_of_another_set_up_are_refused(void **state)
{
    (void)state;
    struct opu_projection_options options = options_make("phase4", "ternary");
    struct opu_device *const device = device_open("fake:");
    struct opu_projection *projection = create(device, &options);
    size_t const size = opu_projection_state_size(projection);
    uint8_t *const bytes = malloc(size);
    assert_non_null(bytes);
    opu_projection_state_get(projection, bytes);
    assert_refused(opu_projection_state_set(projection, bytes, size - 1), OPU_E_MISMATCH,
                   "bytes, wanted");
    bytes[0] ^= 1;
    assert_refused(opu_projection_state_set(projection, bytes, size), OPU_E_MISMATCH,
                   "another set-up");
    bytes[0] ^= 1;
    assert_int_equal(opu_projection_state_set(projection, bytes, size), OPU_OK);
    opu_projection_destroy(projection);

    options.bits = 12;
    projection = create(device, &options);
    assert_refused(opu_projection_state_set(projection, bytes, size), OPU_E_MISMATCH,
                   "another set-up");
    opu_projection_state_get(projection, bytes);
    opu_projection_destroy(projection);
    free(bytes);
    opu_device_close(device);
}

/* Otherwise good bytes that index or divide wrongly: the calibration at hand stays. */
static void refuse_faults(const char *readout)
{
    struct opu_projection_options const options = options_make(readout, "ternary");
    bool const arm = strcmp(readout, "anchor") != 0;
    struct opu_device *const device = device_open("fake:");
    struct opu_projection *const projection = create(device, &options);
    size_t const size = opu_projection_state_size(projection);
    uint8_t *const bytes = malloc(size);
    assert_non_null(bytes);
    opu_projection_state_get(projection, bytes);
    uint8_t *at = bytes;
    while (memcmp(at, &projection->tables, sizeof projection->tables) != 0) {
        at++;
    }
    uint8_t *const pick =
        at + sizeof projection->tables + projection->layout.n_table * 3 * sizeof *projection->gain;
    assert_memory_equal(pick, projection->pick, N_OUT * sizeof *projection->pick);
    float out[2][ROWS * N_OUT];
    run(projection, out[0]);
    int const faults = arm ? 13 : 10;
    for (int fault = 0; fault <= faults; fault++) {
        struct opu_tables tables = projection->tables;
        uint32_t pixel = fault == 6 ? (uint32_t)projection->layout.n_pixels : projection->pick[0];
        tables.n_classes = fault == 0 ? 1u << 20 : fault == 1 ? 0 : tables.n_classes;
        tables.lowest = fault == 2 ? 39 : tables.lowest;
        float gain = fault == 9 ? NAN : projection->gain[0];
        tables.exposure_us[0] = fault == 3 ? 1e30 : fault == 4 ? (double)NAN : 1.0;
        tables.signal_rate = fault == 5 ? 0.0 : fault == 7 ? (double)INFINITY : tables.signal_rate;
        tables.leak_rate = fault == 8 ? (double)NAN : tables.leak_rate;
        tables.amplitude[0] = fault == 10 ? 0.0 : tables.amplitude[0];
        tables.reference_rate = fault == 11   ? 0.0
                                : fault == 12 ? (double)NAN
                                              : tables.reference_rate;
        memcpy(at, &tables, sizeof tables);
        memcpy(at + sizeof tables, &gain, sizeof gain);
        memcpy(pick, &pixel, sizeof pixel);
        if (fault == faults) { /* the same without a fault */
            assert_int_equal(opu_projection_state_set(projection, bytes, size), OPU_OK);
            break;
        }
        assert_refused(opu_projection_state_set(projection, bytes, size), OPU_E_MISMATCH,
                       "impossible");
        run(projection, out[1]);
        assert_memory_equal(out[0], out[1], sizeof out[0]);
    }
    opu_projection_destroy(projection);
    free(bytes);
    opu_device_close(device);
}

static void impossible_calibrations_leave_the_one_at_hand(void **state)
{
    (void)state;
    refuse_faults("anchor");
    refuse_faults("phase4");
}

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

static void variance_scales_the_outputs(void **state)
{
    (void)state;
    float out[2][ROWS * N_OUT];
    static const char *const readouts[] = {"phase4", "anchor"};
    for (size_t k = 0; k < 2; k++) {
        for (int i = 0; i < 2; i++) {
            struct opu_projection_options options = options_make(readouts[k], "ternary");
            options.variance = i == 0 ? 1.0 : 0.25;
            struct opu_device *const device = device_open("fake:");
            struct opu_projection *const projection = create(device, &options);
            run(projection, out[i]);
            opu_projection_destroy(projection);
            opu_device_close(device);
        }
        for (size_t j = 0; j < ROWS * N_OUT; j++) {
            /* roundings of a gain and a product; sums of two patterns may cancel */
            assert_true(fabs(2.0 * (double)out[1][j] - (double)out[0][j]) < 1e-4);
        }
    }
}

static int project_job(struct opu_context *context, void *user)
{
    struct opu_device *device;
    OPU_TRY(opu_device_open(&device, context, user));
    struct opu_projection *projection;
    struct opu_projection_options const options = {
        .size = sizeof options, .n_in = 3, .n_out = 2, .max_rows = 2};
    int const status = opu_projection_create(&projection, device, &options);
    opu_projection_destroy(projection);
    opu_device_close(device);
    return status;
}

static void planning_survives_lack_of_memory(void **state)
{
    (void)state;
    assert_survives_no_memory(project_job, (void *)(uintptr_t) "fake:max_frames=8");
    assert_survives_no_memory(project_job, (void *)(uintptr_t) "fake:readout=anchor");
    assert_survives_no_memory(project_job, (void *)(uintptr_t) "fake:readout=intensity");
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
        cmocka_unit_test(phase4_finds_the_operator),
        cmocka_unit_test(phase4_takes_leakage_off),
        cmocka_unit_test(phase4_works_with_an_arm_of_one_level),
        cmocka_unit_test(anchor_finds_the_operator),
        cmocka_unit_test(intensity_finds_the_squares),
        cmocka_unit_test(rates_that_are_not_stated_are_measured),
        cmocka_unit_test(small_tables_make_fewer_classes),
        cmocka_unit_test(phase4_error_follows_the_converters_step),
        cmocka_unit_test(saturation_stays_below_its_bound),
        cmocka_unit_test(too_much_light_is_reported),
        cmocka_unit_test(chunks_do_not_change_a_bit),
        cmocka_unit_test(lost_frames_are_sent_again_with_their_numbers),
        cmocka_unit_test(frames_lost_for_good_end_in_a_sentence),
        cmocka_unit_test(zero_rows_cost_nothing_and_give_zero),
        cmocka_unit_test(calls_out_of_order_are_refused),
        cmocka_unit_test(a_failing_device_leaves_the_projection_usable),
        cmocka_unit_test(the_device_goes_to_the_latest_set_up),
        cmocka_unit_test(saved_calibrations_give_the_same_bits),
        cmocka_unit_test(calibrations_of_another_set_up_are_refused),
        cmocka_unit_test(impossible_calibrations_leave_the_one_at_hand),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(it_describes_itself),
        cmocka_unit_test(variance_scales_the_outputs),
        cmocka_unit_test(planning_survives_lack_of_memory),
        cmocka_unit_test(running_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, fake_register, NULL);
}
