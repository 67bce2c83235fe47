/* SPDX-License-Identifier: MIT */
/* Media on a grid: what they refuse and why, their identity, drift at random access. */
#include "media_support.h"

#include "sim/medium/medium_cascade.h"
#include "sim/medium/medium_grid.h"
#include "sim/medium/medium_presets.h"
#include "sim/medium/medium_slab.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static struct opu_context *context;

static struct opu_sim_options options_of(enum opu_medium_name medium)
{
    struct opu_sim_options options = bench_options();
    options.medium = (int)medium;
    return options;
}

static struct opu_medium_setup setup_of(const struct opu_sim_options *options, size_t n, size_t m)
{
    return (struct opu_medium_setup){.context = context,
                                     .options = options,
                                     .seed = 77,
                                     .n_inputs = n,
                                     .n_outputs = m,
                                     .input_columns = (size_t)ceil(sqrt((double)n))};
}

static struct opu_medium *make(const struct opu_sim_options *options, size_t n, size_t m)
{
    struct opu_medium_setup const setup = setup_of(options, n, m);
    struct opu_medium *medium;
    if (opu_media[options->medium]->create(&medium, &setup) != OPU_OK) {
        fail_msg("%s", opu_error_message());
    }
    return medium;
}

/* Refused with a sentence that holds all of the words. */
static void assert_refused(const struct opu_sim_options *options, size_t n, size_t m,
                           const char *const *words)
{
    struct opu_medium_setup const setup = setup_of(options, n, m);
    struct opu_medium *medium = (struct opu_medium *)(uintptr_t)1;
    assert_int_equal(opu_media[options->medium]->create(&medium, &setup), OPU_E_INVALID);
    assert_null(medium);
    for (size_t k = 0; words[k] != NULL; ++k) {
        if (strstr(opu_error_message(), words[k]) == NULL) {
            fail_msg("'%s' is not in: %s", words[k], opu_error_message());
        }
    }
}

static void too_small_a_grid_is_refused_with_both_shares(void **state)
{
    (void)state;
    const enum opu_medium_name media[2] = {OPU_MEDIUM_SLAB, OPU_MEDIUM_CASCADE};
    for (size_t k = 0; k < 2; ++k) {
        struct opu_sim_options options = options_of(media[k]);
        options.grid = 64;
        assert_refused(
            &options, 512, 1024,
            (const char *const[]){"n_in/N = 1/8", "n_out/N = 1/4", "grid=128", "jacobi=yes", NULL});
        options.jacobi = true;
        struct opu_medium *const medium = make(&options, 512, 1024);
        assert_non_null(strstr(medium->regime, "Jacobi: singular values in ["));
        medium->ops->destroy(medium);
        assert_refused(&options, 2048, 2049, (const char *const[]){"4096 modes", "2049", NULL});
    }
}

static void grid_must_be_a_power_of_two(void **state)
{
    (void)state;
    const uint64_t grids[] = {1, 63, 96, 16383};
    for (size_t k = 0; k < sizeof(grids) / sizeof(grids[0]); ++k) {
        struct opu_sim_options options = options_of(OPU_MEDIUM_CASCADE);
        options.grid = grids[k];
        assert_refused(&options, 4, 4, (const char *const[]){"power of two", NULL});
    }
}

static void impossible_slabs_are_refused(void **state)
{
    (void)state;
    struct opu_sim_options thin = options_of(OPU_MEDIUM_SLAB);
    thin.thickness_um = 10.0;
    assert_refused(&thin, 1000, 100, (const char *const[]){"4.0 mean free paths", "10.9", NULL});
    struct opu_sim_options thick = options_of(OPU_MEDIUM_SLAB);
    thick.mean_free_path_um = 0.001;
    assert_refused(&thick, 4, 4, (const char *const[]){"60000 mean free paths", "2048", NULL});
    struct opu_sim_options back = options_of(OPU_MEDIUM_PAINT);
    back.anisotropy = -0.25;
    assert_refused(&back, 4, 4, (const char *const[]){"anisotropy=-0.25", "forward", NULL});
    struct opu_sim_options air = options_of(OPU_MEDIUM_ZNO);
    air.index = 0.5;
    assert_refused(&air, 4, 4, (const char *const[]){"index=0.5", NULL});
    struct opu_sim_options wide = options_of(OPU_MEDIUM_SLAB);
    wide.thickness_um = 50000.0;
    wide.mean_free_path_um = 2000.0;
    assert_refused(&wide, 4, 4, (const char *const[]){"apart", "grid=64", NULL});
}

/* Ground glass is there to show what a thin medium does. */
static void ground_glass_may_be_thin(void **state)
{
    (void)state;
    struct opu_sim_options options = options_of(OPU_MEDIUM_GROUND_GLASS);
    options.mean_free_path_um = 5.0;
    struct opu_medium *const medium = make(&options, 256, 256);
    assert_int_equal(medium->transforms, 2);
    medium->ops->destroy(medium);
}

static void the_grid_grows_with_inputs_and_outputs(void **state)
{
    (void)state;
    for (int run = 0; run < 20; ++run) {
        size_t const n = draw_size(1, 3000);
        size_t const m = draw_size(1, 3000);
        struct opu_sim_options options = options_of(run % 2 ? OPU_MEDIUM_SLAB : OPU_MEDIUM_CASCADE);
        struct opu_medium *const medium = make(&options, n, m);
        size_t const grid = medium->grid;
        size_t const larger = n > m ? n : m;
        assert_true(grid >= 64 && grid * grid >= 16 * larger);
        assert_true(grid == 64 || grid * grid < 4 * 16 * larger);
        assert_non_null(strstr(medium->regime, "Marchenko-Pastur"));
        assert_int_equal(medium->transforms, run % 2 ? 8 : 3);
        assert_true(medium->bytes > 0);
        medium->ops->destroy(medium);
    }
}

/* 1,048,576 inputs to 2,097,152 outputs take a grid of 8192 without Jacobi's law. */
static void a_million_inputs_find_their_grid(void **state)
{
    (void)state;
    struct opu_sim_options options = options_of(OPU_MEDIUM_CASCADE);
    struct opu_medium_setup const setup = setup_of(&options, 1048576, 2097152);
    struct opu_grid_fit fit;
    assert_int_equal(opu_grid_fit(&fit, &setup, "cascade"), OPU_OK);
    assert_int_equal(fit.n, 8192);
    options.grid = 4096;
    options.jacobi = true;
    assert_int_equal(opu_grid_fit(&fit, &setup, "cascade"), OPU_OK);
    assert_non_null(strstr(fit.regime, "Jacobi"));
}

static uint64_t hash_of(const struct opu_sim_options *options)
{
    return opu_media[options->medium]->hash(1, options);
}

#define ASSERT_MOVES(medium, member, to) \
    do { \
        struct opu_sim_options changed_ = options_of(medium); \
        uint64_t const before_ = hash_of(&changed_); \
        changed_.member = (to); \
        assert_true(hash_of(&changed_) != before_); \
    } while (0)

#define ASSERT_STAYS(medium, member, to) \
    do { \
        struct opu_sim_options changed_ = options_of(medium); \
        uint64_t const before_ = hash_of(&changed_); \
        changed_.member = (to); \
        assert_true(hash_of(&changed_) == before_); \
    } while (0)

static void identity_moves_with_what_moves_an_entry_and_nothing_else(void **state)
{
    (void)state;
    ASSERT_MOVES(OPU_MEDIUM_SLAB, thickness_um, 70.0);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, mean_free_path_um, 2.0);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, anisotropy, 0.95);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, index, 1.6);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, screens, 9);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, grid, 512);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, boundary, OPU_SIM_ABSORBING);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, wavelength_nm, 633.0);
    ASSERT_MOVES(OPU_MEDIUM_SLAB, medium, OPU_MEDIUM_PAINT);
    ASSERT_MOVES(OPU_MEDIUM_CASCADE, masks, 4);
    ASSERT_MOVES(OPU_MEDIUM_CASCADE, grid, 512);
    const enum opu_medium_name media[] = {OPU_MEDIUM_GAUSSIAN, OPU_MEDIUM_SLAB, OPU_MEDIUM_CASCADE};
    for (size_t k = 0; k < 3; ++k) {
        ASSERT_STAYS(media[k], tau_s, 5.0);
        ASSERT_STAYS(media[k], jacobi, true);
        ASSERT_STAYS(media[k], flux, 3.0);
        ASSERT_STAYS(media[k], read_noise_e, 3.0);
        ASSERT_STAYS(media[k], deterministic, true);
        ASSERT_STAYS(media[k], memory_mib, 7);
    }
    ASSERT_STAYS(OPU_MEDIUM_SLAB, masks, 7);
    ASSERT_STAYS(OPU_MEDIUM_CASCADE, thickness_um, 7.0);
    ASSERT_STAYS(OPU_MEDIUM_CASCADE, wavelength_nm, 633.0);
    ASSERT_STAYS(OPU_MEDIUM_SLAB, thickness_um, 60.0); /* as the preset says */
}

/* And the entries do move: by more than rounding, all of them. */
static void what_is_in_the_identity_moves_entries(void **state)
{
    (void)state;
    float before[2 * 64];
    float after[2 * 64];
    for (int k = 0; k < 9; ++k) {
        struct opu_sim_options options = options_of(k < 8 ? OPU_MEDIUM_SLAB : OPU_MEDIUM_CASCADE);
        struct opu_medium *medium = make(&options, 16, 64);
        assert_int_equal(opu_medium_columns(medium, 3, 1, before), OPU_OK);
        medium->ops->destroy(medium);
        options.thickness_um = k == 0 ? 61.0 : 0.0;
        options.mean_free_path_um = k == 1 ? 2.4 : 0.0;
        options.anisotropy = k == 2 ? 0.91 : -1.0;
        options.index = k == 3 ? 1.41 : 0.0;
        options.screens = k == 4 ? 5 : 0;
        options.grid = k == 5 ? 128 : 0;
        options.boundary = k == 6 ? OPU_SIM_ABSORBING : OPU_SIM_PERIODIC;
        options.wavelength_nm = k == 7 ? 540.0 : 532.0;
        options.masks = k == 8 ? 4 : 3;
        medium = make(&options, 16, 64);
        assert_int_equal(opu_medium_columns(medium, 3, 1, after), OPU_OK);
        medium->ops->destroy(medium);
        double change = 0.0;
        for (size_t e = 0; e < 128; ++e) {
            change += fabs((double)after[e] - (double)before[e]) / 128.0;
        }
        assert_true(change > 0.05);
    }
}

static struct opu_sim_options drifting(int run)
{
    struct opu_sim_options options = options_of(run % 2 ? OPU_MEDIUM_SLAB : OPU_MEDIUM_CASCADE);
    options.tau_s = 1.0;
    return options;
}

static void drift_gives_the_same_bits_in_any_order(void **state)
{
    (void)state;
    enum { STEPS = 4, FLOATS = 2 * 8 * 32 };
    for (int run = 0; run < 2; ++run) {
        struct opu_sim_options const options = drifting(run);
        uint64_t const steps[STEPS] = {0, draw_size(1, 300), draw_size(1000, 1u << 20),
                                       OPU_DRIFT_LAST_STEP};
        static float seen[STEPS][FLOATS];
        static float again[FLOATS];
        struct opu_medium *const medium = make(&options, 8, 32);
        for (size_t k = 0; k < STEPS; ++k) {
            medium->ops->move(medium, steps[k]);
            assert_int_equal(opu_medium_columns(medium, 0, 8, seen[k]), OPU_OK);
            assert_true(k == 0 || memcmp(seen[k], seen[k - 1], sizeof(again)) != 0);
        }
        for (size_t k = STEPS; k-- > 0;) {
            medium->ops->move(medium, steps[k]);
            assert_int_equal(opu_medium_columns(medium, 0, 8, again), OPU_OK);
            assert_memory_equal(again, seen[k], sizeof(again));
        }
        medium->ops->destroy(medium);
        struct opu_sim_options still = options;
        still.tau_s = 0.0;
        struct opu_medium *const other = make(&still, 8, 32);
        assert_int_equal(opu_medium_columns(other, 0, 8, again), OPU_OK);
        assert_memory_equal(again, seen[0], sizeof(again)); /* time 0 is the matrix that stays */
        other->ops->destroy(other);
    }
}

static void threads_do_not_move_a_bit(void **state)
{
    (void)state;
#ifdef _OPENMP
    enum { FLOATS = 2 * 40 * 100 };
    static float seen[2][FLOATS];
    int const threads = omp_get_max_threads();
    for (int run = 0; run < 2; ++run) {
        struct opu_sim_options const options = drifting(run);
        for (int k = 0; k < 2; ++k) {
            omp_set_num_threads(k == 0 ? 1 : 3);
            struct opu_medium *const medium = make(&options, 40, 100);
            medium->ops->move(medium, 12345);
            assert_int_equal(opu_medium_columns(medium, 0, 40, seen[k]), OPU_OK);
            medium->ops->destroy(medium);
        }
        assert_memory_equal(seen[0], seen[1], sizeof(seen[0]));
    }
    omp_set_num_threads(threads);
#endif
}

/* Gaussian strips start at even inputs and multiples of 64; columns and rows may start anywhere. */
static void columns_and_rows_agree_from_any_start(void **state)
{
    (void)state;
    for (int medium = OPU_MEDIUM_GAUSSIAN; medium <= OPU_MEDIUM_CASCADE; ++medium) {
        struct opu_sim_options const options = options_of((enum opu_medium_name)medium);
        size_t const n = draw_size(70, 150);
        size_t const m = draw_size(70, 150);
        size_t const column = draw_size(0, n - 3);
        size_t const row = draw_size(0, m - 3);
        struct opu_medium *const h = make(&options, n, m);
        float *const columns = test_alloc(3 * m, 2 * sizeof(float));
        float *const rows = test_alloc(3 * n, 2 * sizeof(float));
        assert_int_equal(opu_medium_columns(h, column, 3, columns), OPU_OK);
        assert_int_equal(opu_medium_rows(h, row, 3, rows), OPU_OK);
        for (size_t e = 0; e < 3 * 3 * 2; ++e) {
            size_t const i = e / 6;
            size_t const j = e / 2 % 3;
            float const a = columns[(j * m + row + i) * 2 + e % 2];
            float const b = rows[(i * n + column + j) * 2 + e % 2];
            assert_near((double)a, (double)b, 1e-5, "H by columns and by rows"); /* 16 transforms */
        }
        free(rows);
        free(columns);
        h->ops->destroy(h);
    }
}

/* The rim takes light: energy falls, and never rises. */
static void an_absorbing_rim_takes_light(void **state)
{
    (void)state;
    struct opu_sim_options options = options_of(OPU_MEDIUM_SLAB);
    double power[2] = {0.0, 0.0};
    static float h[2 * 64 * 256];
    for (int k = 0; k < 2; ++k) {
        options.boundary = k;
        struct opu_medium *const medium = make(&options, 64, 256);
        assert_int_equal(opu_medium_columns(medium, 0, 64, h), OPU_OK);
        for (size_t e = 0; e < sizeof(h) / sizeof(h[0]); ++e) {
            power[k] += (double)h[e] * (double)h[e] / (64.0 * 256.0);
        }
        medium->ops->destroy(medium);
    }
    assert_near(power[0], 1.0, SIGMAS * sqrt(1.0 / 16384.0), "<|H|^2>, periodic");
    assert_true(power[1] < 0.8 * power[0] && power[1] > 0.01);
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
        cmocka_unit_test(too_small_a_grid_is_refused_with_both_shares),
        cmocka_unit_test(grid_must_be_a_power_of_two),
        cmocka_unit_test(impossible_slabs_are_refused),
        cmocka_unit_test(ground_glass_may_be_thin),
        cmocka_unit_test(the_grid_grows_with_inputs_and_outputs),
        cmocka_unit_test(a_million_inputs_find_their_grid),
        cmocka_unit_test(identity_moves_with_what_moves_an_entry_and_nothing_else),
        cmocka_unit_test(what_is_in_the_identity_moves_entries),
        cmocka_unit_test(drift_gives_the_same_bits_in_any_order),
        cmocka_unit_test(threads_do_not_move_a_bit),
        cmocka_unit_test(columns_and_rows_agree_from_any_start),
        cmocka_unit_test(an_absorbing_rim_takes_light),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
