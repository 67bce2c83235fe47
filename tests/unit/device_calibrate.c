/* SPDX-License-Identifier: MIT */
/* Calibration of a projection: the light it finds, its state, states that are not its own. */
#include "projection_support.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saturation_stays_below_its_bound),
        cmocka_unit_test(too_much_light_is_reported),
        cmocka_unit_test(saved_calibrations_give_the_same_bits),
        cmocka_unit_test(calibrations_of_another_set_up_are_refused),
        cmocka_unit_test(impossible_calibrations_leave_the_one_at_hand),
    };
    return cmocka_run_group_tests(tests, fake_register, NULL);
}
