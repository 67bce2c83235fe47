/* SPDX-License-Identifier: MIT */
/* The contract of devices of frames: binary frames in, camera counts out. */
#include "contract.h"

#define N_INPUTS 61 /* no whole number of bytes */
#define N_PIXELS 300
#define FRAMES 12
#define BYTES ((N_INPUTS + 7) / 8)

/* Exposures: 0 and 1 (twice as long) for about FRAMES / 2 mirrors on, 2 saturates. */
struct rig {
    struct opu_device *device;
    const struct opu_caps *caps;
    double exposures[3];
    uint8_t bits[FRAMES * BYTES];
    uint16_t exposure[FRAMES], reference[FRAMES];
    uint64_t number[FRAMES];
    double time_s[FRAMES];
    uint32_t saturated[FRAMES];
    int32_t status[FRAMES];
    uint16_t counts[FRAMES * N_PIXELS], again[FRAMES * N_PIXELS];
};

static double clip(const struct opu_caps *caps, double exposure_us)
{
    return fmin(fmax(exposure_us, caps->min_exposure_us), caps->max_exposure_us);
}

static void configure(struct rig *rig, uint32_t bits, size_t n_references,
                      const struct opu_reference *references)
{
    struct opu_frame_setup const setup = {
        .size = sizeof setup,
        .n_inputs = N_INPUTS,
        .n_pixels = N_PIXELS,
        .bits = bits,
        .n_exposures = 3,
        .exposures_us = rig->exposures,
        .n_references = n_references,
        .references = references,
    };
    assert_ok(opu_device_configure(rig->device, &setup));
}

static int setup(void **state)
{
    struct rig *const rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->device = device_open();
    rig->caps = opu_device_caps(rig->device);
    double const rate = rig->caps->signal_per_us > 0.0 ? rig->caps->signal_per_us : 1e-4;
    rig->exposures[0] = clip(rig->caps, 0.05 / (rate * N_INPUTS / 2));
    rig->exposures[1] = clip(rig->caps, 2.0 * rig->exposures[0]);
    rig->exposures[2] = clip(rig->caps, 40.0 * rig->exposures[0]);
    for (uint32_t f = 0; f < FRAMES; f++) {
        rig->number[f] = 100 + 3 * f;
        for (uint32_t j = 0; j < N_INPUTS; j++) {
            rig->bits[f * BYTES + j / 8] |=
                (uint8_t)((unsigned)(noise(977 * f + j) > 0.0f) << j % 8);
        }
    }
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *const rig = *state;
    opu_device_close(rig->device);
    free(rig);
    return 0;
}

static struct opu_frame_batch batch_of(struct rig *rig, size_t first, size_t n, uint16_t *counts)
{
    bool const bytes = rig->caps->default_bits <= 8;
    return (struct opu_frame_batch){
        .size = sizeof(struct opu_frame_batch),
        .n_frames = n,
        .bits = rig->bits + first * BYTES,
        .reference = rig->reference + first,
        .exposure = rig->exposure + first,
        .number = rig->number + first,
        .counts = (uint8_t *)counts + first * N_PIXELS * (bytes ? 1 : 2),
        .time_s = rig->time_s + first,
        .saturated = rig->saturated + first,
        .status = rig->status + first,
    };
}

static void fire(struct rig *rig, struct opu_frame_batch *batch)
{
    uint64_t job;
    assert_ok(opu_device_submit(rig->device, batch, &job));
    assert_ok(opu_device_wait(rig->device, job, -1));
}

static void fire_all(struct rig *rig, uint16_t *counts)
{
    struct opu_frame_batch batch = batch_of(rig, 0, FRAMES, counts);
    fire(rig, &batch);
}

static uint32_t count_at(const struct rig *rig, const uint16_t *counts, size_t i, uint32_t bits)
{
    (void)rig;
    return bits <= 8 ? ((const uint8_t *)counts)[i] : counts[i];
}

/* Mean counts of frame f at the default bit depth. */
static double mean_of(const struct rig *rig, size_t f)
{
    double sum = 0.0;
    for (size_t k = 0; k < N_PIXELS; k++) {
        sum += (double)count_at(rig, rig->counts, f * N_PIXELS + k, rig->caps->default_bits);
    }
    return sum / N_PIXELS;
}

static size_t counts_size(const struct rig *rig)
{
    return (size_t)FRAMES * N_PIXELS * (rig->caps->default_bits <= 8 ? 1 : 2);
}

static void counts_stay_in_the_converters_range(void **state)
{
    struct rig *const rig = *state;
    double const most = 0.05 * rig->exposures[2] / rig->exposures[0];
    double const share = most > 0.3 ? exp(-1.0 / most) : 0.0;
    for (uint32_t bits = 8; bits <= 16; bits++) {
        if ((rig->caps->adc_bits >> bits & 1) == 0) {
            continue;
        }
        configure(rig, bits, 0, NULL);
        struct opu_frame_batch batch = batch_of(rig, 0, FRAMES, rig->counts);
        for (size_t f = 0; f < FRAMES; f++) {
            rig->exposure[f] = (uint16_t)(f % 3);
        }
        fire(rig, &batch);
        uint32_t const full = (1u << bits) - 1;
        uint32_t top = 0;
        for (size_t f = 0; f < FRAMES; f++) {
            uint32_t saturated = 0;
            for (size_t k = 0; k < N_PIXELS; k++) {
                uint32_t const count = count_at(rig, rig->counts, f * N_PIXELS + k, bits);
                assert_true(count <= full);
                top = count > top ? count : top;
                saturated += count == full;
            }
            assert_int_equal(rig->status[f], OPU_FRAME_OK);
            assert_int_equal(rig->saturated[f], saturated);
            /* At a mean of m full scales, exp(-1/m) of the pixels: of 0.61 at 40 exposures of a
             * twentieth, of less where a frame is shorter; none to speak of at a tenth. */
            assert_true(f % 3 == 2 ? saturated >= 0.4 * share * N_PIXELS
                                   : saturated < N_PIXELS / 20);
        }
        assert_true(top == full || share * N_PIXELS < 20.0);
    }
}

static void equal_numbers_give_equal_counts(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    fire_all(rig, rig->counts);
    memset(rig->again, 0xff, sizeof rig->again);
    fire_all(rig, rig->again);
    if (repeats(rig->device)) {
        assert_memory_equal(rig->counts, rig->again, counts_size(rig));
    }
    /* Other numbers, other noise. */
    for (size_t f = 0; f < FRAMES; f++) {
        rig->number[f] += 100000;
    }
    fire_all(rig, rig->again);
    bool const noisy = rig->caps->shot_noise || rig->caps->read_noise_e > 0.0;
    bool const equal = memcmp(rig->counts, rig->again, counts_size(rig)) == 0;
    assert_true(noisy ? !equal : equal || has(rig->device, OPU_CAP_DRIFT));
}

static void batches_may_be_cut_anywhere(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    fire_all(rig, rig->counts);
    static const size_t cuts[] = {0, 1, 4, 11, FRAMES};
    for (size_t i = 0; i + 1 < sizeof cuts / sizeof cuts[0]; i++) {
        struct opu_frame_batch batch = batch_of(rig, cuts[i], cuts[i + 1] - cuts[i], rig->again);
        fire(rig, &batch);
    }
    if (repeats(rig->device)) {
        assert_memory_equal(rig->counts, rig->again, counts_size(rig));
    }
}

static void a_new_set_up_of_the_same_kind_shows_the_same_matrix(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    fire_all(rig, rig->counts);
    configure(rig, 0, 0, NULL);
    fire_all(rig, rig->again);
    if (repeats(rig->device)) {
        assert_memory_equal(rig->counts, rig->again, counts_size(rig));
    }
}

static void arrays_that_nobody_wants_may_be_left_out(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    fire_all(rig, rig->counts);
    struct opu_frame_batch batch = batch_of(rig, 0, FRAMES, rig->again);
    batch.reference = NULL;
    batch.exposure = NULL;
    batch.time_s = NULL;
    batch.saturated = NULL;
    batch.status = NULL;
    fire(rig, &batch);
    if (repeats(rig->device)) {
        assert_memory_equal(rig->counts, rig->again, counts_size(rig));
    }
}

static void device_time_is_frame_number_over_rate(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    fire_all(rig, rig->counts);
    for (size_t f = 0; f < FRAMES; f++) {
        double const wanted = (double)rig->number[f] / rig->caps->frame_rate_hz;
        assert_true(fabs(rig->time_s[f] - wanted) <= 1e-9 * wanted);
    }
    assert_int_equal(opu_device_clock(rig->device), rig->number[FRAMES - 1] + 1);
}

static void light_is_linear_in_exposure_and_mirrors_matter(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    /* 0, 1: a pattern at both exposures; 2: nothing on. */
    memcpy(rig->bits + BYTES, rig->bits, BYTES);
    memset(rig->bits + 2 * BYTES, 0, BYTES);
    rig->exposure[1] = 1;
    rig->exposure[2] = 1;
    fire_all(rig, rig->counts);
    double const once = mean_of(rig, 0);
    double const twice = mean_of(rig, 1);
    /* Means of 300 pixels of about 13 and 25 counts: noise below 3 % each, saturation exp(-10). */
    assert_true(fabs(twice / once - 2.0) < 0.25);
    assert_true(mean_of(rig, 2) < 0.1 * twice);
}

static void four_phases_balance(void **state)
{
    struct rig *const rig = *state;
    if (!has(rig->device, OPU_CAP_REFERENCE)) {
        struct opu_reference const whole = {.amplitude = 1.0};
        struct opu_frame_setup const frames = {.size = sizeof frames,
                                               .n_inputs = N_INPUTS,
                                               .n_pixels = N_PIXELS,
                                               .n_exposures = 1,
                                               .exposures_us = rig->exposures,
                                               .n_references = 1,
                                               .references = &whole};
        assert_refused(opu_device_configure(rig->device, &frames), OPU_E_UNSUPPORTED);
        return;
    }
    /* 0 to 3: phases; 4: blocked. An amplitude that makes the arm as bright as the signal, if it
     * can be set. */
    double amplitude = 1.0;
    if (has(rig->device, OPU_CAP_REFERENCE_LEVELS) && rig->caps->reference_per_us > 0.0) {
        amplitude =
            fmin(1.0, sqrt(rig->caps->signal_per_us * N_INPUTS / 2 / rig->caps->reference_per_us));
    }
    struct opu_reference references[5] = {{0}};
    for (size_t k = 0; k < 4; k++) {
        references[k].phase_rad = 1.5707963267948966 * (double)k;
        references[k].amplitude = amplitude;
    }
    configure(rig, 0, 5, references);
    for (size_t f = 0; f < 5; f++) {
        memcpy(rig->bits + f * BYTES, rig->bits, BYTES);
        rig->reference[f] = (uint16_t)f;
    }
    fire_all(rig, rig->counts);
    double const even = mean_of(rig, 0) + mean_of(rig, 2);
    double const odd = mean_of(rig, 1) + mean_of(rig, 3);
    /* I0 + I2 = I1 + I3 pixel by pixel; means of 600 counts, noise below 2 % */
    assert_true(fabs(even / odd - 1.0) < 0.1);
    assert_true(mean_of(rig, 4) < 0.5 * even); /* without the arm it is darker */
}

static void cancelled_batches_end_and_the_device_goes_on(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    struct opu_frame_batch batch = batch_of(rig, 0, FRAMES, rig->counts);
    uint64_t job;
    assert_ok(opu_device_submit(rig->device, &batch, &job));
    assert_ok(opu_device_cancel(rig->device, job));
    int const status = opu_device_wait(rig->device, job, -1);
    assert_true(status == OPU_OK || status == OPU_E_CANCELLED);
    assert_refused(opu_device_wait(rig->device, job, -1), OPU_E_INVALID);
    assert_refused(opu_device_cancel(rig->device, job), OPU_E_NOT_FOUND);
    fire_all(rig, rig->counts);
}

static void what_the_facts_exclude_is_refused(void **state)
{
    struct rig *const rig = *state;
    struct opu_frame_batch batch = batch_of(rig, 0, FRAMES, rig->counts);
    uint64_t job;
    assert_refused(opu_device_submit(rig->device, &batch, &job),
                   OPU_E_INVALID); /* not configured */
    configure(rig, 0, 0, NULL);
    rig->exposure[3] = 3;
    assert_refused(opu_device_submit(rig->device, &batch, &job), OPU_E_INVALID);
    rig->exposure[3] = 0;
    rig->reference[3] = 1;
    assert_refused(opu_device_submit(rig->device, &batch, &job), OPU_E_INVALID);
    rig->reference[3] = 0;
    rig->number[3] = rig->number[2];
    assert_refused(opu_device_submit(rig->device, &batch, &job), OPU_E_INVALID);
    rig->number[3]++;
    struct opu_frame_setup set_up = {.size = sizeof set_up,
                                     .n_inputs = rig->caps->max_inputs + 1,
                                     .n_pixels = 1,
                                     .n_exposures = 1,
                                     .exposures_us = rig->exposures};
    assert_refused(opu_device_configure(rig->device, &set_up), OPU_E_INVALID);
    set_up.n_inputs = 1;
    set_up.n_pixels = rig->caps->max_pixels + 1;
    assert_refused(opu_device_configure(rig->device, &set_up), OPU_E_INVALID);
    if ((rig->caps->flags & OPU_CAP_REGION) != 0) {
        set_up.n_pixels = 0;
        set_up.output_kind = OPU_OUTPUT_REGION;
        set_up.region = (struct opu_region){.width = 8,
                                            .height = 8,
                                            .stride = 1,
                                            .binning = 1,
                                            .carrier_x = 0.2,
                                            .carrier_y = (double)NAN};
        assert_refused(opu_device_configure(rig->device, &set_up), OPU_E_INVALID);
    }
    fire_all(rig, rig->counts); /* the set-up before still stands */
}

static void the_field_explains_the_counts(void **state)
{
    struct rig *const rig = *state;
    configure(rig, 0, 0, NULL);
    float inputs[FRAMES * N_INPUTS];
    float *const field = malloc(FRAMES * N_PIXELS * 2 * sizeof *field);
    assert_non_null(field);
    for (size_t i = 0; i < FRAMES * N_INPUTS; i++) {
        size_t const j = i % N_INPUTS;
        inputs[i] = (float)(rig->bits[i / N_INPUTS * BYTES + j / 8] >> j % 8 & 1);
    }
    if (!has(rig->device, OPU_CAP_FIELD)) {
        assert_refused(opu_device_field(rig->device, inputs, FRAMES, field), OPU_E_UNSUPPORTED);
        free(field);
        return;
    }
    assert_ok(opu_device_field(rig->device, inputs, FRAMES, field));
    fire_all(rig, rig->counts);
    double xy = 0.0;
    double xx = 0.0;
    double yy = 0.0;
    for (size_t i = 0; i < FRAMES * N_PIXELS; i++) {
        double const x = (double)field[2 * i] * (double)field[2 * i] +
                         (double)field[2 * i + 1] * (double)field[2 * i + 1];
        double const y = (double)count_at(rig, rig->counts, i, rig->caps->default_bits);
        xy += x * y;
        xx += x * x;
        yy += y * y;
    }
    /* Noise of about 13 counts of 8 bits and leakage: correlation above 0.99; 0.5 for another
     * matrix. */
    assert_true(xy / sqrt(xx * yy) > 0.95);
    free(field);
}

static void devices_of_floats_refuse_frames(void **state)
{
    (void)state;
    struct opu_device *const device = device_open();
    double const exposure = 1.0;
    struct opu_frame_setup const frames = {.size = sizeof frames,
                                           .n_inputs = 1,
                                           .n_pixels = 1,
                                           .n_exposures = 1,
                                           .exposures_us = &exposure};
    assert_refused(opu_device_configure(device, &frames), OPU_E_UNSUPPORTED);
    opu_device_close(device);
}

#define CONTRACT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    contract_choose(argc, argv);
    const struct CMUnitTest floats[] = {cmocka_unit_test(devices_of_floats_refuse_frames)};
    const struct CMUnitTest frames[] = {
        CONTRACT(counts_stay_in_the_converters_range),
        CONTRACT(equal_numbers_give_equal_counts),
        CONTRACT(batches_may_be_cut_anywhere),
        CONTRACT(a_new_set_up_of_the_same_kind_shows_the_same_matrix),
        CONTRACT(arrays_that_nobody_wants_may_be_left_out),
        CONTRACT(device_time_is_frame_number_over_rate),
        CONTRACT(light_is_linear_in_exposure_and_mirrors_matter),
        CONTRACT(four_phases_balance),
        CONTRACT(cancelled_batches_end_and_the_device_goes_on),
        CONTRACT(what_the_facts_exclude_is_refused),
        CONTRACT(the_field_explains_the_counts),
    };
    struct opu_device *device;
    if (opu_device_open(&device, NULL, contract_uri) < 0) {
        printf("Bail out! %s: %s\n", contract_uri, opu_error_message());
        return 1;
    }
    bool const by_frames = has(device, OPU_CAP_FRAMES);
    opu_device_close(device);
    return by_frames ? cmocka_run_group_tests(frames, NULL, NULL)
                     : cmocka_run_group_tests(floats, NULL, NULL);
}
