/* SPDX-License-Identifier: MIT */
/* The chain of planes: its passes against steps one by one, its windows, its adjoint, its bits. */
#include "tests/physics/wave_support.h"

#include "core/base/cpu.h"
#include "sim/wave/lines.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#define WAVELENGTH_M 532e-9
#define PITCH_M (2.0 * WAVELENGTH_M)

/*
 * Relative rms error of a transform of N points is a small multiple of the rounding unit times
 * sqrt(log2 N); a dozen of them on a plane of largest modulus a few rms stay within these. A phase
 * of many turns is known to its own rounding, some units of it in the plain formula.
 */
#define BAR_F32 4e-6
#define BAR_F64 2e-14
#define PHASE_UNITS (4.0 * 2.3e-16)

/* Everything a chain can do, drawn; what it borrows is here too. */
struct drawn {
    struct opu_chain_setup setup;
    struct opu_step steps[16];
    uint16_t *masks[4];
    double *taper;
    double largest_phase; /* radians, of free space and lenses */
};

static struct opu_context *context;

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

static struct opu_window draw_window(size_t n)
{
    return (struct opu_window){draw_size(0, n - 1), draw_size(0, n - 1), draw_size(1, n),
                               draw_size(1, n)};
}

static uint16_t *draw_mask(size_t n)
{
    uint16_t *const mask = test_alloc(n * n, sizeof(*mask));
    for (size_t i = 0; i < n * n; ++i) {
        mask[i] = (uint16_t)draw_word();
    }
    return mask;
}

static void add_step(struct drawn *drawn, enum opu_step_kind kind)
{
    size_t const n = drawn->setup.n;
    double const critical = (double)n * PITCH_M * PITCH_M / WAVELENGTH_M;
    struct opu_step step = {.kind = kind};
    if (kind == OPU_STEP_PHASE) {
        size_t k = 0;
        while (drawn->masks[k] != NULL) {
            ++k;
        }
        drawn->masks[k] = draw_mask(n);
        step.phase = drawn->masks[k];
    }
    step.taper = kind == OPU_STEP_TAPER ? drawn->taper : NULL;
    step.distance_m = critical * draw_between(-2.0, 2.0);
    step.focal_m = critical * draw_between(0.5, 2.0);
    step.radius = (double)n * draw_between(0.2, 0.6);
    drawn->steps[drawn->setup.n_steps++] = step;
    double const turns =
        kind == OPU_STEP_SPACE || kind == OPU_STEP_FRESNEL ? fabs(step.distance_m) / WAVELENGTH_M
        : kind == OPU_STEP_LENS
            ? 0.25 * (double)(n * n) * PITCH_M * PITCH_M / WAVELENGTH_M / step.focal_m
            : 0.0;
    drawn->largest_phase = fmax(drawn->largest_phase, TWO_PI * turns);
}

static void draw_chain(struct drawn *drawn, size_t n, const enum opu_step_kind *kinds,
                       size_t n_kinds)
{
    memset(drawn, 0, sizeof(*drawn));
    drawn->setup = (struct opu_chain_setup){.context = context,
                                            .n = n,
                                            .pitch_m = PITCH_M,
                                            .wavelength_m = WAVELENGTH_M,
                                            .steps = drawn->steps,
                                            .in = draw_window(n),
                                            .out = draw_window(n),
                                            .batch = 3};
    drawn->taper = test_alloc(n, sizeof(*drawn->taper));
    for (size_t i = 0; i < n; ++i) {
        drawn->taper[i] = draw_between(0.2, 1.0);
    }
    for (size_t k = 0; k < n_kinds; ++k) {
        add_step(drawn, kinds[k]);
    }
}

static void free_chain(struct drawn *drawn)
{
    for (size_t k = 0; k < 4; ++k) {
        free(drawn->masks[k]);
    }
    free(drawn->taper);
}

static size_t area(struct opu_window window)
{
    return window.width * window.height;
}

static double complex *draw_field(size_t count)
{
    double complex *const field = test_alloc(count, sizeof(*field));
    for (size_t i = 0; i < count; ++i) {
        field[i] = draw_between(-1.0, 1.0) + IMAGINARY * draw_between(-1.0, 1.0);
    }
    return field;
}

/* Through the chain in both precisions; as double. */
static double complex *run_chain(const struct drawn *drawn, bool adjoint, bool narrow,
                                 const double complex *in, size_t batch)
{
    const struct opu_chain_setup *const s = &drawn->setup;
    size_t const n_in = batch * area(adjoint ? s->out : s->in);
    size_t const n_out = batch * area(adjoint ? s->in : s->out);
    double complex *const out = test_alloc(n_out, sizeof(*out));
    size_t bytes = 0;
    if (!narrow) {
        struct opu_chain_f64 *chain;
        assert_int_equal(opu_chain_create_f64(&chain, s, &bytes), OPU_OK);
        (adjoint ? opu_chain_adjoint_f64 : opu_chain_apply_f64)(chain, (const double *)in, batch,
                                                                (double *)out);
        opu_chain_destroy_f64(chain);
        return out;
    }
    float complex *const in_f = test_alloc(n_in, sizeof(*in_f));
    float complex *const out_f = test_alloc(n_out, sizeof(*out_f));
    for (size_t i = 0; i < n_in; ++i) {
        in_f[i] = (float complex)in[i];
    }
    struct opu_chain_f32 *chain;
    assert_int_equal(opu_chain_create_f32(&chain, s, &bytes), OPU_OK);
    (adjoint ? opu_chain_adjoint_f32 : opu_chain_apply_f32)(chain, (const float *)in_f, batch,
                                                            (float *)out_f);
    opu_chain_destroy_f32(chain);
    for (size_t i = 0; i < n_out; ++i) {
        out[i] = (double complex)out_f[i];
    }
    free(in_f);
    free(out_f);
    return out;
}

static double energy(const double complex *field, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i) {
        sum += creal(field[i] * conj(field[i]));
    }
    return sum;
}

/* Both ways and both precisions against the plain chain; errors relative to the rms field. */
static void compare_with_plain(const struct drawn *drawn, const char *what)
{
    for (int way = 0; way < 4; ++way) {
        bool const adjoint = way % 2 == 1;
        bool const narrow = way / 2 == 1;
        struct opu_window const from = adjoint ? drawn->setup.out : drawn->setup.in;
        struct opu_window const to = adjoint ? drawn->setup.in : drawn->setup.out;
        double complex *const in = draw_field(area(from));
        double complex *const wanted = test_alloc(area(to), sizeof(*wanted));
        plain_chain(&drawn->setup, adjoint, in, wanted);
        double complex *const seen = run_chain(drawn, adjoint, narrow, in, 1);
        double worst = 0.0;
        for (size_t i = 0; i < area(to); ++i) {
            worst = fmax(worst, cabs(seen[i] - wanted[i]));
        }
        double const rms = sqrt(energy(in, area(from)) / (double)area(from));
        double const bar = narrow ? BAR_F32 : BAR_F64 + PHASE_UNITS * drawn->largest_phase;
        if (worst > rms * bar) {
            fail_msg("%s, n = %zu, %s, %s: off by %.3g of the input's rms", what, drawn->setup.n,
                     adjoint ? "adjoint" : "apply", narrow ? "float" : "double", worst / rms);
        }
        free(in);
        free(wanted);
        free(seen);
    }
}

static const struct {
    const char *name;
    enum opu_step_kind kinds[12];
    size_t n;
} chains[] = {
    {"nothing", {OPU_STEP_FORWARD}, 0},
    {"a transform", {OPU_STEP_FORWARD}, 1},
    {"an inverse transform", {OPU_STEP_INVERSE}, 1},
    {"a mask", {OPU_STEP_PHASE}, 1},
    {"a lens between apertures", {OPU_STEP_APERTURE, OPU_STEP_LENS, OPU_STEP_APERTURE}, 3},
    {"free space", {OPU_STEP_FORWARD, OPU_STEP_SPACE, OPU_STEP_INVERSE}, 3},
    {"Fresnel's space", {OPU_STEP_FORWARD, OPU_STEP_FRESNEL, OPU_STEP_INVERSE}, 3},
    {"tapers", {OPU_STEP_TAPER, OPU_STEP_FORWARD, OPU_STEP_TAPER}, 3},
    {"masks in rows and columns",
     {OPU_STEP_PHASE, OPU_STEP_FORWARD, OPU_STEP_PHASE, OPU_STEP_FORWARD, OPU_STEP_PHASE,
      OPU_STEP_FORWARD},
     6},
    {"a slab",
     {OPU_STEP_LENS, OPU_STEP_FORWARD, OPU_STEP_PHASE, OPU_STEP_FORWARD, OPU_STEP_SPACE,
      OPU_STEP_INVERSE, OPU_STEP_PHASE, OPU_STEP_TAPER, OPU_STEP_FORWARD, OPU_STEP_SPACE,
      OPU_STEP_APERTURE, OPU_STEP_INVERSE},
     12},
};

static void passes_do_what_steps_one_by_one_do(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 16, 32, 64, 128, 256};
    for (size_t k = 0; k < sizeof(chains) / sizeof(*chains); ++k) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); ++i) {
            struct drawn drawn;
            draw_chain(&drawn, sizes[i], chains[k].kinds, chains[k].n);
            compare_with_plain(&drawn, chains[k].name);
            free_chain(&drawn);
        }
    }
}

static void large_grids_agree_too(void **state)
{
    (void)state;
    static const enum opu_step_kind kinds[] = {OPU_STEP_FORWARD, OPU_STEP_SPACE, OPU_STEP_INVERSE,
                                               OPU_STEP_PHASE};
    for (size_t n = 512; n <= 1024; n *= 2) {
        struct drawn drawn;
        draw_chain(&drawn, n, kinds, 4);
        compare_with_plain(&drawn, "space and a mask");
        free_chain(&drawn);
    }
}

static void bits_depend_on_neither_batch_nor_threads(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 1024};
    for (size_t i = 0; i < 2; ++i) {
        struct drawn drawn;
        draw_chain(&drawn, sizes[i], chains[9].kinds, chains[9].n);
        size_t const n_in = area(drawn.setup.in);
        size_t const n_out = area(drawn.setup.out);
        double complex *const in = draw_field(3 * n_in);
        for (int narrow = 0; narrow < 2; ++narrow) {
            double complex *const together = run_chain(&drawn, false, narrow == 1, in, 3);
#ifdef _OPENMP
            int const threads = omp_get_max_threads();
            omp_set_num_threads(1);
#endif
            for (size_t b = 0; b < 3; ++b) {
                double complex *const alone =
                    run_chain(&drawn, false, narrow == 1, in + b * n_in, 1);
                assert_memory_equal(alone, together + b * n_out, n_out * sizeof(*alone));
                free(alone);
            }
#ifdef _OPENMP
            omp_set_num_threads(threads);
#endif
            free(together);
        }
        free(in);
        free_chain(&drawn);
    }
}

static void every_level_gives_the_same_bits(void **state)
{
    (void)state;
    enum { N = 256 };
    size_t const reals = (size_t)N * 32;
    float *const first = test_alloc(2 * reals, sizeof(float));
    float *const tile = first + reals;
    struct opu_line_plan_f32 plan;
    assert_int_equal(opu_line_plan_init_f32(&plan, context, N), OPU_OK);
    uint16_t *const mask = draw_mask(N);
    for (int isa = 0; isa < OPU_ISA_COUNT; ++isa) {
        if (!opu_isa_usable(isa)) {
            continue;
        }
        const struct opu_line_kernels_f32 *const kernels = opu_line_kernels_of_f32(isa);
        for (size_t i = 0; i < reals; ++i) {
            tile[i] = (float)(i % 97) - 48.0f;
        }
        kernels->from_reversed(&plan, tile, false);
        kernels->phase(tile, 16, mask, N, false, false);
        kernels->phase(tile, 16, mask, N, true, true);
        kernels->to_reversed(&plan, tile, true);
        if (isa == OPU_ISA_BASE) {
            memcpy(first, tile, reals * sizeof(float));
        }
        assert_memory_equal(tile, first, reals * sizeof(float));
    }
    opu_line_plan_fini_f32(&plan);
    free(mask);
    free(first);
}

static void refuse(struct opu_chain_setup setup, const char *wanted)
{
    struct opu_chain_f32 *chain = NULL;
    assert_int_equal(opu_chain_create_f32(&chain, &setup, NULL), OPU_E_INVALID);
    assert_null(chain);
    if (strstr(opu_error_message(), wanted) == NULL) {
        fail_msg("saw \"%s\", wanted \"%s\" in it", opu_error_message(), wanted);
    }
}

static void bad_setups_are_refused_with_a_sentence(void **state)
{
    (void)state;
    struct opu_step step = {.kind = OPU_STEP_PHASE};
    struct opu_chain_setup const good = {.context = context,
                                         .n = 64,
                                         .pitch_m = PITCH_M,
                                         .wavelength_m = WAVELENGTH_M,
                                         .in = {0, 0, 64, 64},
                                         .out = {0, 0, 64, 64},
                                         .batch = 1};
    struct opu_chain_setup bad = good;
    bad.n = 96;
    refuse(bad, "96 points a side, wanted a power of two");
    bad = good;
    bad.in.width = 65;
    refuse(bad, "input window of 65 x 64 points");
    bad = good;
    bad.out.y = 64;
    refuse(bad, "output window at (0, 64)");
    bad = good;
    bad.batch = 0;
    refuse(bad, "batch of 0");
    bad = good;
    bad.wavelength_m = 0.0;
    refuse(bad, "wavelength 0 m");
    bad = good;
    bad.steps = &step;
    bad.n_steps = 1;
    refuse(bad, "phase without a mask");
    step.kind = OPU_STEP_LENS;
    refuse(bad, "focal length 0 m");
    step.kind = OPU_STEP_SPACE;
    step.distance_m = (double)NAN;
    refuse(bad, "finite distance");
}

/* Counts what a context hands out. */
static void *counting_alloc(void *user, size_t size, size_t alignment)
{
    *(size_t *)user += size;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void counting_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void memory_is_what_it_says(void **state)
{
    (void)state;
    size_t counted = 0;
    struct opu_context_options const options = {
        .size = sizeof(options), .allocator = {&counted, counting_alloc, counting_free}};
    struct opu_context *counting;
    assert_int_equal(opu_context_create(&counting, &options), OPU_OK);
    struct drawn drawn;
    draw_chain(&drawn, 512, chains[9].kinds, chains[9].n);
    drawn.setup.context = counting;
    counted = 0;
    size_t bytes = 0;
    struct opu_chain_f32 *chain;
    assert_int_equal(opu_chain_create_f32(&chain, &drawn.setup, &bytes), OPU_OK);
    /* programs and lists, some kilobytes, are left out */
    assert_true(bytes <= counted && counted - bytes < 16384);
    opu_chain_destroy_f32(chain);
    free_chain(&drawn);
    opu_context_destroy(counting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_do_what_steps_one_by_one_do),
        cmocka_unit_test(large_grids_agree_too),
        cmocka_unit_test(bits_depend_on_neither_batch_nor_threads),
        cmocka_unit_test(every_level_gives_the_same_bits),
        cmocka_unit_test(bad_setups_are_refused_with_a_sentence),
        cmocka_unit_test(memory_is_what_it_says),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
