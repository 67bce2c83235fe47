/* SPDX-License-Identifier: MIT */
/*
 * T7, the memory effect of slabs of phase screens: of three whose parameters are drawn, and, where
 * the device under test has a slab, of its own. Formula of small angles: sim/medium/medium_slab.h.
 *
 * At any angle, on average over screens: of two plane waves that differ by the frequency f, the
 * mean E u_f(x + r) u_0*(x) is exp(-2 pi i f x) G(r) everywhere, as screens look alike from every
 * place; G = 1 before the slab. A screen multiplies G by E exp(i phi(x + r) - i phi(x)) =
 * exp(-sigma^2 (1 - exp(-r^2 / lc^2))), space its transform over r by exp(2 pi i d (w(p - f) -
 * w(p))), w(p)^2 = 1 / lambda^2 - p^2. At the last screen G(0) is the sum over directions of
 * T(p - f, f) T*(p, 0), of which C is the square. With w = 1 / lambda - lambda p^2 / 2 space shifts
 * r by lambda f d, and C is the closed formula of small angles. Frequencies beyond the grid's band
 * come round, here as in the medium.
 */
#include "sim/acceptance/measured.h"
#include "sim/acceptance/propagation.h"
#include "sim/acceptance/thin_slab.h"
#include "sim/medium/medium_presets.h"
#include "sim/wave/factor.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <math.h>
#include <stdio.h>

#define CASES 3
#define TEXT 400
#define BAR 0.02
#define FORMULA_GRID 256 /* points a side: G is alike beyond some lc */

static const char formula[] =
    "C = |G(0)|^2: a screen multiplies G(r) by exp(-sigma^2 (1 - exp(-r^2 / lc^2))), space its "
    "transform by exp(2 pi i d (w(p - f) - w(p))) (sim/acceptance/memory.c); for small angles "
    "exp(-2 sum sigma^2 (1 - exp(-(z_s tilt)^2 / lc^2))) (sim/medium/medium_slab.h; screens: Cheng "
    "et al., arXiv 2001.06767; effect: Feng et al., PRL 61, 834, 1988)";

/* Steps of the grid by which the second wave is tilted. */
struct tilt {
    size_t x, y;
};

static double length_of(struct tilt tilt)
{
    return sqrt((double)(tilt.x * tilt.x + tilt.y * tilt.y));
}

/* C of small angles, where a tilt moves light sideways by z_s times itself. */
static double paraxial_memory(const struct opu_slab *slab, double angle)
{
    double sum = 0.0;
    for (size_t s = 0; s < slab->screens; ++s) {
        double const z = (double)(slab->screens - 1 - s) * slab->spacing_m;
        sum += 1.0 - exp(-pow(z * angle / slab->correlation_m, 2.0));
    }
    return exp(-2.0 * slab->variance * sum);
}

/* G on a grid [n][n], as a function of offset and of frequency by turns. */
struct correlation {
    const struct opu_slab *slab;
    struct opu_context *context;
    size_t n;
    double complex *a, *room;
    struct opu_chain_f64 *to_frequency, *to_offset;
};

/* Into the grid's band, -1/2 to 1/2 of 1 / pitch. */
static double folded(double frequency, double pitch_m)
{
    return frequency - floor(frequency * pitch_m + 0.5) / pitch_m;
}

/* Axial frequency of the wave with the frequencies fx, fy. */
static double axial(const struct opu_slab *slab, double fx, double fy)
{
    double const x = folded(fx, slab->pitch_m);
    double const y = folded(fy, slab->pitch_m);
    double const per_wavelength = 1.0 / slab->wavelength_m;
    return sqrt(fmax(per_wavelength * per_wavelength - x * x - y * y, 0.0));
}

static void cross_screen(const struct correlation *c)
{
    for (size_t i = 0; i < c->n * c->n; ++i) {
        double const x = opu_signed_index(i % c->n, c->n) * c->slab->pitch_m;
        double const y = opu_signed_index(i / c->n, c->n) * c->slab->pitch_m;
        double const lc2 = c->slab->correlation_m * c->slab->correlation_m;
        c->a[i] *= exp(-c->slab->variance * (1.0 - exp(-(x * x + y * y) / lc2)));
    }
}

static void cross_space(const struct correlation *c, double fx, double fy)
{
    double const unit = 1.0 / ((double)c->n * c->slab->pitch_m);
    opu_chain_apply_f64(c->to_frequency, (const double *)c->a, 1, (double *)c->room);
    for (size_t i = 0; i < c->n * c->n; ++i) {
        double const x = opu_signed_index(i % c->n, c->n) * unit;
        double const y = opu_signed_index(i / c->n, c->n) * unit;
        double const ahead = axial(c->slab, x - fx, y - fy) - axial(c->slab, x, y);
        c->room[i] *= cexp(OPU_IMAGINARY * OPU_TWO_PI * c->slab->spacing_m * ahead);
    }
    opu_chain_apply_f64(c->to_offset, (const double *)c->room, 1, (double *)c->a);
}

/* C where the frequencies of the two waves differ by fx, fy. */
static double memory_formula(const struct correlation *c, double fx, double fy)
{
    for (size_t i = 0; i < c->n * c->n; ++i) {
        c->a[i] = 1.0;
    }
    for (size_t s = 0; s + 1 < c->slab->screens; ++s) {
        cross_screen(c);
        cross_space(c, fx, fy);
    }
    return pow(cabs(c->a[0]), 2.0);
}

/* The same where the second wave is `tilt` steps of a grid of n points away. */
static double memory_at(const struct correlation *c, struct tilt tilt, size_t n)
{
    double const step = 1.0 / ((double)n * c->slab->pitch_m);
    return memory_formula(c, (double)tilt.x * step, (double)tilt.y * step);
}

static void correlation_fini(struct correlation *c)
{
    opu_chain_destroy_f64(c->to_offset);
    opu_chain_destroy_f64(c->to_frequency);
    opu_context_free(c->context, c->room);
    opu_context_free(c->context, c->a);
}

static int correlation_init(struct correlation *c, struct opu_context *context,
                            const struct opu_slab *slab)
{
    size_t const n = FORMULA_GRID;
    struct opu_step const forward = {.kind = OPU_STEP_FORWARD};
    struct opu_step const inverse = {.kind = OPU_STEP_INVERSE};
    struct opu_chain_setup setup = {.context = context,
                                    .n = n,
                                    .pitch_m = slab->pitch_m,
                                    .wavelength_m = slab->wavelength_m,
                                    .steps = &forward,
                                    .n_steps = 1,
                                    .in = {.width = n, .height = n},
                                    .out = {.width = n, .height = n},
                                    .batch = 1};
    *c = (struct correlation){.slab = slab, .context = context, .n = n};
    c->a = opu_calloc(context, n * n, sizeof(*c->a));
    c->room = opu_calloc(context, n * n, sizeof(*c->room));
    int status = c->a != NULL && c->room != NULL ? OPU_OK : OPU_E_NO_MEMORY;
    if (status == OPU_OK) {
        status = opu_chain_create_f64(&c->to_frequency, &setup, NULL);
    }
    setup.steps = &inverse;
    if (status == OPU_OK) {
        status = opu_chain_create_f64(&c->to_offset, &setup, NULL);
    }
    if (status != OPU_OK) {
        correlation_fini(c);
    }
    return status;
}

int opu_slab_memory_half(struct opu_context *context, const struct opu_slab *slab, double *tilt)
{
    struct correlation c;
    *tilt = (double)INFINITY;
    if (slab->screens < 2) {
        return OPU_OK;
    }
    OPU_TRY(correlation_init(&c, context, slab));
    /* G stays within the grid up to a shift of half of it. */
    double low = 0.0;
    double high = 0.25 * (double)c.n * slab->pitch_m / (slab->thickness_m * slab->wavelength_m);
    for (int k = 0; k < 20; ++k) {
        double const middle = 0.5 * (low + high);
        *(memory_formula(&c, middle, 0.0) > 0.5 ? &low : &high) = middle;
    }
    correlation_fini(&c);
    *tilt = low * slab->wavelength_m;
    return OPU_OK;
}

/* Tilts of growing length, and what is measured and wanted at each. */
enum { SIDE = 6, TILTS = 9 };

struct memory {
    const struct opu_slab *slab;
    size_t n, n_tilts, runs;
    struct tilt tilts[TILTS];
    double wanted[TILTS], sum[TILTS][2];
    double small_angles; /* what the formula of small angles is off at most */
};

static void expect(struct memory *memory, const struct correlation *c)
{
    memory->small_angles = 0.0;
    for (size_t t = 0; t < memory->n_tilts; ++t) {
        double const angle = length_of(memory->tilts[t]) / ((double)memory->n * c->slab->pitch_m) *
                             c->slab->wavelength_m;
        memory->wanted[t] = memory_at(c, memory->tilts[t], memory->n);
        memory->small_angles =
            fmax(memory->small_angles, fabs(paraxial_memory(c->slab, angle) - memory->wanted[t]));
    }
}

/* sum += sum over directions of T(i - t, t) T*(i, 0): the lens behind turns the axes round. */
static void add_tilted(const float *tilted, const float *straight, size_t n, struct tilt t,
                       double sum[2])
{
    for (size_t y = 0; y < n; ++y) {
        const float *const row = tilted + (y + n - t.y) % n * n * 2;
        for (size_t x = 0; x < n; ++x) {
            const float *const a = row + (x + n - t.x) % n * 2;
            const float *const b = straight + (y * n + x) * 2;
            double const ar = (double)a[0];
            double const ai = (double)a[1];
            double const br = (double)b[0];
            double const bi = (double)b[1];
            sum[0] += ar * br + ai * bi;
            sum[1] += ai * br - ar * bi;
        }
    }
}

static int show(struct opu_acceptance *acceptance, const struct memory *memory, const char *name,
                const char *title, const char *drawn)
{
    double x[TILTS];
    double seen[TILTS];
    double worst = 0.0;
    for (size_t t = 0; t < memory->n_tilts; ++t) {
        double const re = memory->sum[t][0] / memory->sum[0][0];
        double const im = memory->sum[t][1] / memory->sum[0][0];
        x[t] = length_of(memory->tilts[t]) * memory->slab->wavelength_m /
               ((double)memory->n * memory->slab->pitch_m);
        seen[t] = re * re + im * im;
        worst = opu_accept_worse(worst, fabs(seen[t] - memory->wanted[t]));
    }
    struct opu_check_curve const curve = {.title = title,
                                          .x_label = "tilt, rad",
                                          .y_label = "intensity correlation",
                                          .n = memory->n_tilts,
                                          .x = x,
                                          .measured = seen,
                                          .expected = memory->wanted};
    return opu_accept(acceptance, (struct opu_check_row){
                                      .test = "T7",
                                      .name = name,
                                      .formula = formula,
                                      .drawn = drawn,
                                      .value = worst,
                                      .low = 0.0,
                                      .high = BAR,
                                      .samples = (double)(memory->n * memory->n * memory->runs),
                                      .curve = title != NULL ? &curve : NULL});
}

/*
 * A slab whose memory falls to about `last` at the last tilt of a grid of n points. lc = 3 to 12
 * lambda: rms angles of 0.1 to 0.3; the grid's pitch is lc / 4, 3/4 lambda and more.
 */
static struct opu_slab draw_slab(struct opu_acceptance *acceptance, size_t n)
{
    size_t const screens = opu_accept_draw_size(acceptance, 6, 9);
    double const variance = opu_accept_draw(acceptance, 0.7, 1.2);
    double const lc = opu_accept_draw(acceptance, 3.0, 12.0);
    double const last = opu_accept_draw(acceptance, 0.3, 0.5);
    double const squares =
        (double)(screens - 1) * (double)screens * (double)(2 * screens - 1) / 6.0;
    double const pitch = lc / 4.0;
    double const tilt = (TILTS - 1) / (pitch * (double)n);
    double const d = lc / tilt * sqrt(-log(last) / (2.0 * variance * squares));
    struct opu_slab slab = opu_thin_slab_of(screens, variance, lc, d);
    slab.pitch_m = pitch;
    return slab;
}

static int drawn_case(struct opu_acceptance *acceptance, struct opu_thin_slab *thin,
                      const char *title)
{
    struct memory memory = {
        .slab = &thin->slab, .n = thin->n, .n_tilts = TILTS, .runs = acceptance->thorough ? 16 : 4};
    for (size_t run = 0; run < memory.runs; ++run) {
        OPU_TRY(opu_thin_slab_run(thin, opu_accept_draw_seed(acceptance)));
        for (size_t t = 0; t < TILTS; ++t) {
            memory.tilts[t] = (struct tilt){t, 0};
            add_tilted(thin->out + t * thin->n * thin->n * 2, thin->out, thin->n, memory.tilts[t],
                       memory.sum[t]);
        }
    }
    struct correlation c;
    OPU_TRY(correlation_init(&c, acceptance->context, &thin->slab));
    expect(&memory, &c);
    correlation_fini(&c);
    char drawn[TEXT];
    snprintf(drawn, sizeof(drawn),
             "%zu screens, sigma^2 = %.2f, lc = %.2f, d = %.1f lambda, n = %zu; rms angle %.2f, "
             "where that of small angles is off by %.3f",
             thin->slab.screens, thin->slab.variance, thin->slab.correlation_m,
             thin->slab.spacing_m, thin->n,
             sqrt(2.0 * thin->slab.optical_thickness * (1.0 - thin->slab.anisotropy)),
             memory.small_angles);
    return show(acceptance, &memory, "memory effect: largest deviation over 8 tilts", title, drawn);
}

/* --- the device's own --- */

/* Wider grids would take minutes, and more memory than a small machine has. */
#define WIDEST 4096
#define FIRST_STEP 0.7 /* C that the grid's first step should keep */
#define LAST 0.03      /* and where a curve ends */
#define HALF_OF_DIFFUSION 1.4915
#define DIRECTIONS 4e6 /* summed at least: 1 / sqrt of them is next to nothing beside the bar */

/* One step of the device's own grid may be beyond all memory: a grid on which the curve shows. */
static void choose_grid(struct memory *memory, const struct correlation *c)
{
    static const struct tilt tilts[] = {{0, 0}, {1, 0}, {1, 1}, {2, 0}, {2, 1},
                                        {2, 2}, {3, 1}, {4, 0}, {5, 0}};
    memory->n = FORMULA_GRID;
    while (memory->n < WIDEST && memory_at(c, tilts[1], memory->n) < FIRST_STEP) {
        memory->n *= 2;
    }
    memory->n_tilts = 0;
    for (size_t t = 0; t < TILTS && (t < 2 || memory->wanted[t - 1] > LAST); ++t) {
        memory->tilts[t] = tilts[t];
        memory->wanted[t] = memory_at(c, tilts[t], memory->n);
        ++memory->n_tilts;
    }
    double const runs = ceil(DIRECTIONS / ((double)memory->n * (double)memory->n));
    memory->runs = (size_t)fmin(runs, 16.0);
}

/* in: [SIDE][SIDE], out: two fields [n][n]. */
static int own_run(struct opu_context *context, struct memory *memory, uint64_t seed,
                   struct opu_step *steps, float *in, float *out)
{
    const struct opu_slab *const slab = memory->slab;
    size_t const n = memory->n;
    float *const tilted = out + n * n * 2;
    struct opu_screens_setup const setup = {.context = context,
                                            .n = n,
                                            .count = slab->screens,
                                            .pitch_m = slab->pitch_m,
                                            .correlation_m = slab->correlation_m,
                                            .variance = slab->variance,
                                            .seed = seed,
                                            .slowness = 1.0};
    struct opu_screens *screens;
    OPU_TRY(opu_screens_create(&screens, &setup));
    struct opu_chain_setup const plan = {.context = context,
                                         .n = n,
                                         .pitch_m = slab->pitch_m,
                                         .wavelength_m = slab->wavelength_m,
                                         .steps = steps,
                                         .n_steps = opu_slab_steps(slab, screens, n, NULL, steps),
                                         .in = {.width = SIDE, .height = SIDE},
                                         .out = {.width = n, .height = n},
                                         .batch = 1};
    struct opu_chain_f32 *chain;
    int const status = opu_chain_create_f32(&chain, &plan, NULL);
    for (size_t t = 0; status == OPU_OK && t < memory->n_tilts; ++t) {
        float *const wave = in + (memory->tilts[t].y * SIDE + memory->tilts[t].x) * 2;
        wave[0] = 1.0f;
        opu_chain_apply_f32(chain, in, 1, t == 0 ? out : tilted);
        wave[0] = 0.0f;
        add_tilted(t == 0 ? out : tilted, out, n, memory->tilts[t], memory->sum[t]);
    }
    if (status == OPU_OK) {
        opu_chain_destroy_f32(chain);
    }
    opu_screens_destroy(screens);
    return status;
}

static int own_runs(struct opu_acceptance *acceptance, struct memory *memory)
{
    struct opu_context *const context = acceptance->context;
    size_t const n = memory->n;
    size_t const max_steps =
        OPU_SLAB_MAX_STEPS(memory->slab->screens, opu_slab_pieces(memory->slab, n));
    struct opu_step *const steps = opu_calloc(context, max_steps, sizeof(*steps));
    float *const in = opu_calloc(context, (size_t)SIDE * SIDE, 2 * sizeof(*in));
    float *const out = opu_calloc(context, 2 * n * n, 2 * sizeof(*out));
    int status = steps == NULL || in == NULL || out == NULL ? OPU_E_NO_MEMORY : OPU_OK;
    for (size_t run = 0; status == OPU_OK && run < memory->runs; ++run) {
        status = own_run(context, memory, acceptance->options->seed + run, steps, in, out);
    }
    opu_context_free(context, out);
    opu_context_free(context, in);
    opu_context_free(context, steps);
    return status;
}

/* What a sample is known by: the range of its memory effect. Ground glass has none: no row. */
static int stands_for(struct opu_acceptance *acceptance, const struct opu_slab *slab)
{
    const struct opu_medium_preset *const preset = &opu_medium_presets[acceptance->options->medium];
    const struct opu_sample *const sample = &preset->sample;
    bool const own = fabs(slab->thickness_m / (1e-6 * preset->thickness_um) - 1.0) < 1e-12;
    if (sample->transmission <= 0.0 || !own || slab->screens < 2) {
        return OPU_OK;
    }
    double half;
    OPU_TRY(opu_slab_memory_half(acceptance->context, slab, &half));
    double const of_sample = HALF_OF_DIFFUSION * slab->wavelength_m * preset->index /
                             (OPU_TWO_PI * sample->index * 1e-6 * sample->thickness_um);
    char drawn[TEXT];
    snprintf(drawn, sizeof(drawn), "%s of %g um: %.3g mrad; its slab of %.4g um: %.3g mrad",
             preset->name, sample->thickness_um, 1e3 * of_sample, 1e6 * slab->thickness_m,
             1e3 * half);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "T7",
            .name = "half width of the memory effect over the sample's",
            .formula = "C = (q L / sinh q L)^2, q = 2 pi tilt / lambda: half at q L = 1.4915 (Feng "
                       "et al., PRL 61, 834, 1988); the slab's from the formula above",
            .drawn = drawn,
            .value = half / of_sample,
            .low = 1.0 - BAR,
            .high = 1.0 + BAR});
}

/* The screens are those of the device's parameters and seed, on a grid wide enough for a curve. */
static int own_slab(struct opu_acceptance *acceptance)
{
    const struct opu_sim_options *const options = acceptance->options;
    struct opu_slab slab;
    OPU_TRY(opu_slab_from_options(&slab, options));
    struct memory memory = {.slab = &slab};
    struct correlation c;
    OPU_TRY(correlation_init(&c, acceptance->context, &slab));
    choose_grid(&memory, &c);
    expect(&memory, &c);
    correlation_fini(&c);
    OPU_TRY(own_runs(acceptance, &memory));
    char drawn[TEXT];
    snprintf(drawn, sizeof(drawn),
             "this device's %s: L = %.4g um, ls = %.4g um, g = %.4g, %zu screens, sigma^2 = %.3g, "
             "lc = %.3g um, seed %llu; on n = %zu, periodic, %zu run%s, %zu tilts; that of small "
             "angles is off by %.3f",
             opu_medium_presets[options->medium].name, 1e6 * slab.thickness_m,
             1e6 * slab.mean_free_path_m, slab.anisotropy, slab.screens, slab.variance,
             1e6 * slab.correlation_m, (unsigned long long)options->seed, memory.n, memory.runs,
             memory.runs == 1 ? "" : "s", memory.n_tilts - 1, memory.small_angles);
    ACCEPT_TRY(show(acceptance, &memory, "memory effect of the device's own slab",
                    "memory effect of this device's slab", drawn));
    return stands_for(acceptance, &slab);
}

static bool is_slab(const struct opu_acceptance *acceptance)
{
    return opu_media[acceptance->options->medium] == &opu_medium_slab;
}

int opu_accept_memory(struct opu_acceptance *acceptance)
{
    size_t const n = FORMULA_GRID;
    /* One kind of curve in a report: the device's own, if it has one. */
    const char *const title = is_slab(acceptance) ? NULL : "memory effect of a slab that was drawn";
    for (int k = 0; k < CASES; ++k) {
        struct opu_thin_slab thin;
        OPU_TRY(opu_thin_slab_init(&thin, acceptance->context, n, TILTS, draw_slab(acceptance, n)));
        int const status = drawn_case(acceptance, &thin, title);
        opu_thin_slab_fini(&thin);
        ACCEPT_TRY(status);
    }
    return is_slab(acceptance) ? own_slab(acceptance) : OPU_OK;
}
