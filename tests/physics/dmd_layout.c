/* SPDX-License-Identifier: MIT */
/*
 * The mirror array: macro-pixels against plain searches and sums over all mirrors of a chip, with
 * the positions, the beam and the stuck mirrors worked out anew here.
 */
#include "sim_support.h"

#include "sim/dmd.h"

static struct opu_context *context;

static struct opu_dmd_setup setup_of(enum opu_dmd_name chip, enum opu_dmd_layout layout, size_t n)
{
    return (struct opu_dmd_setup){.context = context,
                                  .chip = &opu_dmd_chips[chip],
                                  .layout = layout,
                                  .n_inputs = n,
                                  .leakage = draw_between(0.0, 0.01),
                                  .seed = draw_word()};
}

static void chips_are_those_of_the_data_sheets(void **state)
{
    (void)state;
    /* active areas in mm, from the data sheets: an independent check of pitch and shape */
    const struct {
        enum opu_dmd_name chip;
        size_t mirrors;
        double width_mm, height_mm;
    } chips[] = {{OPU_DMD_DLP7000, 786432, 14.008, 10.506},
                 {OPU_DMD_DLP6500, 2073600, 14.515, 8.165},
                 {OPU_DMD_DLP9500, 2073600, 20.736, 11.664},
                 {OPU_DMD_DLP4500, 1039680, 9.855, 6.161}};
    for (size_t k = 0; k < sizeof(chips) / sizeof(chips[0]); ++k) {
        const struct opu_dmd_chip *const chip = &opu_dmd_chips[chips[k].chip];
        struct opu_dmd_point const next = opu_dmd_mirror(chip, chip->columns, chip->rows);
        assert_int_equal(opu_dmd_room(chip, OPU_DMD_SQUARE), chips[k].mirrors);
        assert_near(next.x_m * 1e3, chips[k].width_mm, 0.01, chip->name);
        assert_near(next.y_m * 1e3, chips[k].height_mm, 0.01, chip->name);
        assert_true(chip->rate_hz > 4000.0);
    }
}

/* b mirrors a side fit, b + 1 do not; the last macro-pixel lies on the chip. */
static void macro_pixels_are_as_large_as_fit(void **state)
{
    (void)state;
    for (int run = 0; run < 200; ++run) {
        enum opu_dmd_name const name = (enum opu_dmd_name)(1 + run % 4);
        const struct opu_dmd_chip *const chip = &opu_dmd_chips[name];
        bool const line = run % 3 == 0;
        size_t const n = line ? draw_size(1, chip->columns)
                              : (size_t)exp(draw_between(0.0, log((double)chip->columns * 700.0)));
        struct opu_dmd_setup const setup = setup_of(name, line ? OPU_DMD_LINE : OPU_DMD_SQUARE, n);
        struct opu_dmd dmd;
        assert_int_equal(opu_dmd_init(&dmd, &setup), OPU_OK);
        size_t const rows = (n + dmd.columns - 1) / dmd.columns;
        size_t const b = dmd.width;
        assert_int_equal(dmd.mirrors_per_input, dmd.width * dmd.height);
        assert_true(dmd.left + dmd.columns * dmd.width <= chip->columns);
        assert_true(dmd.top + rows * dmd.height <= chip->rows);
        if (line) {
            assert_int_equal(rows, 1);
            assert_int_equal(dmd.height, chip->rows);
            assert_true((b + 1) * n > chip->columns);
        } else {
            assert_int_equal(dmd.height, b);
            assert_true((chip->columns / (b + 1)) * (chip->rows / (b + 1)) < n);
        }
        opu_dmd_fini(&dmd);
    }
}

static void too_many_inputs_are_refused_with_the_room_there_is(void **state)
{
    (void)state;
    struct opu_dmd dmd;
    struct opu_dmd_setup setup = setup_of(OPU_DMD_DLP7000, OPU_DMD_SQUARE, 786433);
    assert_int_equal(opu_dmd_init(&dmd, &setup), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "786432"));
    assert_null(dmd.step);
    setup.n_inputs = 786432;
    assert_int_equal(opu_dmd_init(&dmd, &setup), OPU_OK);
    assert_int_equal(dmd.mirrors_per_input, 1);
    opu_dmd_fini(&dmd);
    setup = setup_of(OPU_DMD_DLP4500, OPU_DMD_LINE, 913);
    assert_int_equal(opu_dmd_init(&dmd, &setup), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "912"));
}

static void ideal_mirrors_are_a_near_square_without_limit(void **state)
{
    (void)state;
    for (int run = 0; run < 50; ++run) {
        size_t const n = run < 20 ? (size_t)run + 1 : draw_size(1, 2000000);
        struct opu_dmd_setup const setup = setup_of(OPU_DMD_IDEAL, OPU_DMD_SQUARE, n);
        struct opu_dmd dmd;
        assert_int_equal(opu_dmd_init(&dmd, &setup), OPU_OK);
        assert_true(dmd.columns * dmd.columns >= n);
        assert_true((dmd.columns - 1) * (dmd.columns - 1) < n);
        assert_true(dmd.uniform);
        assert_near((double)dmd.step[n - 1], 1.0 - sqrt(setup.leakage), 1e-7, "step");
        assert_near((double)dmd.off[n - 1], sqrt(setup.leakage), 1e-8, "off");
        opu_dmd_fini(&dmd);
    }
}

/* Amplitudes of each macro-pixel, summed mirror by mirror over the chip. */
static void check_amplitudes(const struct opu_dmd_setup *setup)
{
    struct opu_dmd dmd;
    assert_int_equal(opu_dmd_init(&dmd, setup), OPU_OK);
    const struct opu_dmd_chip *const chip = setup->chip;
    size_t const n = setup->n_inputs;
    double *const live = test_alloc(n, sizeof(*live));
    double *const on = test_alloc(n, sizeof(*on));
    double *const x = test_alloc(2 * n, sizeof(*x));
    for (size_t k = 0; k < (size_t)chip->columns * chip->rows; ++k) {
        size_t const column = k % chip->columns, row = k / chip->columns;
        if (column < dmd.left || row < dmd.top || (column - dmd.left) / dmd.width >= dmd.columns) {
            continue;
        }
        size_t const j =
            (row - dmd.top) / dmd.height * dmd.columns + (column - dmd.left) / dmd.width;
        if (j >= n) {
            continue;
        }
        double const u =
            opu_uniform(opu_philox(setup->seed, OPU_STREAM_MIRROR, (uint32_t)(k / 4), 0).v[k % 4]);
        live[j] += u >= setup->dead;
        on[j] += u < 0.5 * setup->dead;
        bool const shifted = chip->diamond && row % 2 == 1;
        x[2 * j] += ((double)column + (shifted ? 0.5 : 0.0)) * (chip->diamond ? sqrt(2.0) : 1.0);
        x[2 * j + 1] += (double)row * (chip->diamond ? sqrt(0.5) : 1.0);
    }
    double const wide =
        (chip->columns - 1 + (chip->diamond ? 0.5 : 0.0)) * (chip->diamond ? sqrt(2.0) : 1.0);
    double const high = (chip->rows - 1) * (chip->diamond ? sqrt(0.5) : 1.0);
    double const w = 0.5 * setup->beam *
                     hypot(chip->columns * (chip->diamond ? sqrt(2.0) : 1.0),
                           chip->rows * (chip->diamond ? sqrt(0.5) : 1.0));
    double const eps = sqrt(setup->leakage), all = (double)dmd.mirrors_per_input;
    double power = 0.0, scale = 0.0;
    for (size_t j = 0; j < n; ++j) {
        double const r = hypot(x[2 * j] / all - 0.5 * wide, x[2 * j + 1] / all - 0.5 * high);
        double const g = setup->beam > 0.0 ? exp(-r * r / (w * w)) : 1.0;
        double const step = g * live[j] / all * (1.0 - eps);
        double const off = g * (on[j] + eps * (all - on[j])) / all;
        scale = j == 0 ? (double)dmd.step[0] / step : scale;
        /* float amplitudes, scaled once more in float */
        assert_near((double)dmd.step[j], scale * step, 1e-6, "step");
        assert_near((double)dmd.off[j], scale * off, 1e-6, "off");
        power += (double)dmd.step[j] * (double)dmd.step[j] / (double)n;
    }
    assert_near(power, (1.0 - eps) * (1.0 - eps), 1e-6, "mean power of a step");
    assert_int_equal(dmd.uniform, setup->beam <= 0.0 && setup->dead <= 0.0);
    free(x);
    free(on);
    free(live);
    opu_dmd_fini(&dmd);
}

static void amplitudes_are_those_of_the_mirrors_one_by_one(void **state)
{
    (void)state;
    for (int run = 0; run < 4; ++run) {
        struct opu_dmd_setup setup =
            setup_of(run & 1 ? OPU_DMD_DLP7000 : OPU_DMD_DLP4500,
                     run / 2 == 0 ? OPU_DMD_SQUARE : OPU_DMD_LINE, draw_size(50, 900));
        setup.dead = run > 0 ? draw_between(0.0, 0.3) : 0.0;
        setup.beam = run % 3 == 0 ? 0.0 : draw_between(0.3, 2.0);
        check_amplitudes(&setup);
    }
}

static void mirrors_that_are_all_stuck_are_refused(void **state)
{
    (void)state;
    size_t refused = 0;
    for (uint64_t seed = 0; seed < 64; ++seed) {
        struct opu_dmd_setup setup = setup_of(OPU_DMD_IDEAL, OPU_DMD_SQUARE, 1);
        setup.dead = 0.5;
        setup.seed = seed;
        struct opu_dmd dmd;
        int const status = opu_dmd_init(&dmd, &setup);
        refused += status == OPU_E_INVALID;
        opu_dmd_fini(&dmd);
    }
    assert_near((double)refused, 32.0, SIGMAS * 4.0, "refused of 64 at one half");
}

/* mu is 1 where 2 sin theta_B cos(theta_B - alpha) = p sqrt2 lambda / d, 0 halfway between. */
static void blazed_number_tells_how_many_orders_share_the_light(void **state)
{
    (void)state;
    const struct opu_dmd_chip *const chip = &opu_dmd_chips[OPU_DMD_DLP9500];
    for (int run = 0; run < 20; ++run) {
        double const alpha = draw_between(0.0, 0.5);
        int const p = (int)draw_size(3, 8);
        double const path = 2.0 * sin(chip->tilt_rad) * cos(chip->tilt_rad - alpha);
        double const blaze = path * chip->pitch_m / (p * sqrt(2.0));
        double const between = path * chip->pitch_m / ((p + 0.5) * sqrt(2.0));
        assert_near(opu_dmd_blaze(chip, blaze, alpha), 1.0, 1e-9, "mu");
        assert_near(opu_dmd_blaze(chip, between, alpha), 0.0, 1e-9, "mu between orders");
        assert_near(opu_dmd_order_angle(chip, blaze, alpha, p), 2.0 * chip->tilt_rad - alpha, 1e-9,
                    "blazed order");
        assert_near(opu_dmd_efficiency(chip, blaze, alpha), 0.92 * 0.92, 1e-9, "efficiency");
    }
    assert_true(isnan(opu_dmd_order_angle(chip, 633e-9, 0.0, 100)));
    assert_true(opu_dmd_envelope(chip, 633e-9, 0.0, 100, 100) == 0.0);
}

static void a_rate_above_the_chips_is_refused(void **state)
{
    (void)state;
    struct opu_sim_options options = bench_options();
    options.dmd = OPU_DMD_DLP4500;
    options.rate_hz = 5000.0;
    void *device = NULL;
    assert_int_equal(opu_backend_sim.ops->open(&device, context, &options), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "4225"));
    options.rate_hz = 4000.0;
    assert_int_equal(opu_backend_sim.ops->open(&device, context, &options), OPU_OK);
    struct opu_caps caps = {.size = sizeof(caps)};
    assert_int_equal(opu_backend_sim.ops->caps(device, &caps), OPU_OK);
    assert_int_equal(caps.max_inputs, 912 * 1140);
    opu_backend_sim.ops->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chips_are_those_of_the_data_sheets),
        cmocka_unit_test(macro_pixels_are_as_large_as_fit),
        cmocka_unit_test(too_many_inputs_are_refused_with_the_room_there_is),
        cmocka_unit_test(ideal_mirrors_are_a_near_square_without_limit),
        cmocka_unit_test(amplitudes_are_those_of_the_mirrors_one_by_one),
        cmocka_unit_test(mirrors_that_are_all_stuck_are_refused),
        cmocka_unit_test(blazed_number_tells_how_many_orders_share_the_light),
        cmocka_unit_test(a_rate_above_the_chips_is_refused),
    };
    if (opu_context_create(&context, NULL) != OPU_OK) {
        return 1;
    }
    int const failed = cmocka_run_group_tests(tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
