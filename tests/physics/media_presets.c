/* SPDX-License-Identifier: MIT */
/* Named samples, and the memory effect by which their slabs stand for them. */
#include "media_support.h"

#include "sim/acceptance/measured.h"
#include "sim/acceptance/thin_slab.h"
#include "sim/medium/medium_presets.h"

static struct opu_context *context;

static struct opu_sim_options with_medium(enum opu_medium_name medium)
{
    struct opu_sim_options options = bench_options();
    options.medium = (int)medium;
    return options;
}

static void presets_are_complete(void **state)
{
    (void)state;
    for (int k = OPU_MEDIUM_GAUSSIAN; k <= OPU_MEDIUM_GROUND_GLASS; ++k) {
        const struct opu_medium_preset *const preset = &opu_medium_presets[k];
        struct opu_sim_options options = with_medium((enum opu_medium_name)k);
        assert_non_null(preset->name);
        assert_non_null(preset->unmatched);
        assert_true(preset->depolarised >= 0.0 && preset->depolarised <= 0.5);
        assert_true(opu_medium_depolarised(&options) == preset->depolarised);
        options.depolarised = 0.125;
        assert_true(opu_medium_depolarised(&options) == 0.125);
        if (k < OPU_MEDIUM_PAINT) {
            continue;
        }
        assert_non_null(preset->sample.source);
        assert_true(preset->sample.transmission > 0.0 && preset->sample.transmission <= 1.0);
        assert_true(preset->anisotropy >= 0.9);
        double const transport = preset->mean_free_path_um / (1.0 - preset->anisotropy);
        assert_true(preset->thickness_um <= 3.0 * transport);
    }
    assert_string_equal(opu_medium_presets[OPU_MEDIUM_GROUND_GLASS].name, "ground-glass");
}

/*
 * Where diffusion's memory effect falls to half, (x / sinh x)^2 = 1/2 at x = k L tilt = 1.4915, the
 * preset's slab does, to 1 %: numbers are rounded to four digits.
 */
static void presets_match_the_memory_effect_of_their_samples(void **state)
{
    (void)state;
    double const x = 1.4915;
    assert_near(pow(x / sinh(x), 2.0), 0.5, 1e-3, "half of the diffusive memory effect");
    for (int k = OPU_MEDIUM_PAINT; k <= OPU_MEDIUM_ZNO; ++k) {
        struct opu_sim_options const options = with_medium((enum opu_medium_name)k);
        struct opu_slab slab;
        double tilt;
        assert_int_equal(opu_slab_from_options(&slab, &options), OPU_OK);
        assert_int_equal(opu_slab_memory_half(context, &slab, &tilt), OPU_OK);
        double const wave_number = 2.0 * 3.14159265358979 / slab.wavelength_m;
        double const thickness_m = 1e-6 * opu_medium_presets[k].sample.thickness_um;
        assert_near(tilt * wave_number * thickness_m, x, 0.01 * x, "memory effect of the preset");
    }
}

/* Screens so weak that light stays on the axis: there the closed formula of small angles holds. */
static void memory_of_small_angles_has_a_closed_formula(void **state)
{
    (void)state;
    for (int k = 0; k < 3; ++k) {
        size_t const screens = draw_size(3, 9);
        double const variance = draw_between(0.3, 1.0);
        struct opu_slab slab = opu_thin_slab_of(screens, variance, 15.0, draw_between(50.0, 200.0));
        slab.pitch_m = 3.0;
        double tilt;
        assert_int_equal(opu_slab_memory_half(context, &slab, &tilt), OPU_OK);
        double sum = 0.0;
        for (size_t s = 0; s < screens; ++s) {
            double const z = (double)s * slab.spacing_m;
            sum += 1.0 - exp(-pow(z * tilt / slab.correlation_m, 2.0));
        }
        assert_near(exp(-2.0 * variance * sum), 0.5, 0.01, "memory effect of small angles");
    }
    struct opu_slab const one = opu_thin_slab_of(1, 5.0, 15.0, 1.0);
    double tilt;
    assert_int_equal(opu_slab_memory_half(context, &one, &tilt), OPU_OK);
    assert_true(isinf(tilt));
}

/* Rows of the device's own slab: all passed; the widest tilt of the curve, and its C there. */
struct own {
    int rows, halves;
    double first, last, worst;
};

static int take_own(void *user, const struct opu_check_row *row)
{
    struct own *const own = user;
    assert_true(opu_check_passes(row));
    assert_string_equal(row->test, "T7");
    own->halves += strstr(row->name, "half width") != NULL;
    if (strstr(row->name, "device's own") != NULL) {
        ++own->rows;
        assert_non_null(row->curve);
        assert_true(row->samples >= 1e6);
        own->first = row->curve->measured[1];
        own->last = row->curve->measured[row->curve->n - 1];
        own->worst = row->value;
    }
    return 0;
}

static struct own memory_of(const struct opu_sim_options *options)
{
    struct own own = {.rows = 0};
    struct opu_acceptance acceptance = {
        .context = context, .options = options, .seed = draw_word(), .fn = take_own, .user = &own};
    opu_accept_begin(&acceptance, "media");
    assert_int_equal(opu_accept_memory(&acceptance), OPU_OK);
    return own;
}

static void slabs_show_the_memory_effect_of_their_own(void **state)
{
    (void)state;
    struct opu_sim_options options = with_medium(OPU_MEDIUM_SLAB);
    options.seed = draw_word();
    options.thickness_um = draw_between(15.0, 60.0);
    options.mean_free_path_um = options.thickness_um / draw_between(12.0, 30.0);
    options.anisotropy = draw_between(0.8, 0.98);
    options.screens = draw_size(2, 6);
    struct own const own = memory_of(&options);
    printf("# L = %g um, ls = %g um, g = %g, %d screens: C = %g to %g, off by %g\n",
           options.thickness_um, options.mean_free_path_um, options.anisotropy,
           (int)options.screens, own.first, own.last, own.worst);
    assert_int_equal(own.rows, 1);
    assert_int_equal(own.halves, 0);
    assert_true(own.first > 0.6 && own.last < 0.3); /* a curve, not its ends */
    struct opu_sim_options const zno = with_medium(OPU_MEDIUM_ZNO);
    struct own const sample = memory_of(&zno);
    assert_int_equal(sample.rows, 1);
    assert_int_equal(sample.halves, 1);
}

static void media_without_screens_have_no_slab_of_their_own(void **state)
{
    (void)state;
    struct opu_sim_options const options = with_medium(OPU_MEDIUM_CASCADE);
    assert_int_equal(memory_of(&options).rows, 0);
}

static int open_context(void **state)
{
    (void)state;
    return opu_context_create(&context, NULL);
}

static int close_context(void **state)
{
    (void)state;
    opu_context_destroy(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_are_complete),
        cmocka_unit_test(presets_match_the_memory_effect_of_their_samples),
        cmocka_unit_test(memory_of_small_angles_has_a_closed_formula),
        cmocka_unit_test(slabs_show_the_memory_effect_of_their_own),
        cmocka_unit_test(media_without_screens_have_no_slab_of_their_own),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
