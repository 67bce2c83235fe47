/* SPDX-License-Identifier: MIT */
/*
 * Acceptance tests of light in a slab of phase screens, for the media group: ballistic light (M2),
 * angles (M3), memory effect (T7). Formulas: sim/medium/medium_slab.h. Lengths are in wavelengths.
 */
#include "sim/acceptance/measured.h"
#include "sim/acceptance/propagation.h"
#include "sim/acceptance/thin_slab.h"
#include "sim/wave/factor.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <math.h>
#include <stdio.h>

#define CASES 3
#define TEXT 200

/* On the axis the mean amplitude is real, exp(-b / 2). */
static int ballistic(struct opu_acceptance *acceptance)
{
    size_t const runs = acceptance->thorough ? 128 : 64;
    for (int k = 0; k < CASES; ++k) {
        double const b = opu_accept_draw(acceptance, 1.0, 2.5);
        size_t const screens = opu_accept_draw_size(acceptance, 2, 5);
        double const lc = opu_accept_draw(acceptance, 1.0, 3.0);
        double const d = opu_accept_draw(acceptance, 5.0, 20.0);
        struct opu_estimate t = {0, 0.0, 0.0};
        struct opu_thin_slab thin;
        OPU_TRY(opu_thin_slab_init(&thin, acceptance->context, 128, 1,
                                   opu_thin_slab_of(screens, b / (double)screens, lc, d)));
        int status = OPU_OK;
        for (size_t run = 0; run < runs && status == OPU_OK; ++run) {
            status = opu_thin_slab_run(&thin, opu_accept_draw_seed(acceptance));
            opu_estimate_add(&t, (double)thin.out[0]);
        }
        opu_thin_slab_fini(&thin);
        ACCEPT_TRY(status);
        char drawn[TEXT];
        snprintf(drawn, sizeof(drawn),
                 "%zu screens, sum sigma^2 = %.3f, lc = %.2f, d = %.1f lambda", screens, b, lc, d);
        double const wanted = exp(-0.5 * b);
        double const bar = opu_accept_sigmas(runs) * opu_estimate_error(&t) / wanted;
        ACCEPT_TRY(opu_accept(
            acceptance,
            (struct opu_check_row){
                .test = "M2",
                .name = "ballistic amplitude over its formula",
                .formula =
                    "<t> = exp(-sum sigma^2 / 2) = exp(-L / (2 ls)) (sim/medium/medium_slab.h)",
                .drawn = drawn,
                .value = opu_estimate_mean(&t) / wanted,
                .low = 1.0 - bar,
                .high = 1.0 + bar,
                .samples = (double)runs}));
    }
    return OPU_OK;
}

/* Mean of sin^2 theta over the field [n][n][2] of directions. */
static double mean_angle(const float *out, size_t n, double pitch)
{
    double power = 0.0;
    double sum = 0.0;
    for (size_t y = 0; y < n; ++y) {
        for (size_t x = 0; x < n; ++x) {
            double const fx = opu_signed_index(x, n) / ((double)n * pitch);
            double const fy = opu_signed_index(y, n) / ((double)n * pitch);
            double const re = (double)out[(y * n + x) * 2];
            double const im = (double)out[(y * n + x) * 2 + 1];
            power += re * re + im * im;
            sum += (re * re + im * im) * (fx * fx + fy * fy);
        }
    }
    return sum / power;
}

/* Rms frequencies below 0.14 / pitch an axis: Nyquist's folds less than 4e-4 of the power back. */
static int angles(struct opu_acceptance *acceptance)
{
    size_t const runs = acceptance->thorough ? 96 : 48;
    for (int k = 0; k < CASES; ++k) {
        size_t const screens = opu_accept_draw_size(acceptance, 3, 6);
        double const b = opu_accept_draw(acceptance, 3.0, 6.0);
        double const lc = opu_accept_draw(acceptance, 3.0, 4.0);
        double const d = opu_accept_draw(acceptance, 5.0, 20.0);
        struct opu_estimate angle = {0, 0.0, 0.0};
        struct opu_thin_slab thin;
        OPU_TRY(opu_thin_slab_init(&thin, acceptance->context, 128, 1,
                                   opu_thin_slab_of(screens, b / (double)screens, lc, d)));
        int status = OPU_OK;
        for (size_t run = 0; run < runs && status == OPU_OK; ++run) {
            status = opu_thin_slab_run(&thin, opu_accept_draw_seed(acceptance));
            opu_estimate_add(&angle, mean_angle(thin.out, thin.n, thin.slab.pitch_m));
        }
        opu_thin_slab_fini(&thin);
        ACCEPT_TRY(status);
        char drawn[TEXT];
        snprintf(drawn, sizeof(drawn), "%zu screens, L/ls = %.2f, g = %.4f, d = %.1f lambda",
                 screens, b, thin.slab.anisotropy, d);
        double const wanted = 2.0 * b * (1.0 - thin.slab.anisotropy);
        double const bar = opu_accept_sigmas(runs) * opu_estimate_error(&angle) / wanted;
        ACCEPT_TRY(opu_accept(
            acceptance,
            (struct opu_check_row){.test = "M3",
                                   .name = "mean square angle over its formula",
                                   .formula = "<sin^2 theta> = 2 L / l* (sim/medium/medium_slab.h)",
                                   .drawn = drawn,
                                   .value = opu_estimate_mean(&angle) / wanted,
                                   .low = 1.0 - bar,
                                   .high = 1.0 + bar,
                                   .samples = (double)runs}));
    }
    return OPU_OK;
}

enum { TILTS = 8 };

/* sum[t] += sum over directions of T(i - t, t) T*(i, 0): the lens behind turns the axes round. */
static void add_tilts(const struct opu_thin_slab *thin, double sum[TILTS + 1][2])
{
    size_t const n = thin->n;
    for (size_t t = 0; t <= TILTS; ++t) {
        const float *const tilted = thin->out + t * n * n * 2;
        for (size_t y = 0; y < n; ++y) {
            for (size_t x = 0; x < n; ++x) {
                const float *const a = tilted + (y * n + (x + n - t) % n) * 2;
                const float *const b = thin->out + (y * n + x) * 2;
                double const ar = (double)a[0];
                double const ai = (double)a[1];
                double const br = (double)b[0];
                double const bi = (double)b[1];
                sum[t][0] += ar * br + ai * bi;
                sum[t][1] += ai * br - ar * bi;
            }
        }
    }
}

/* That of small angles, where a tilt moves light sideways by z_s times itself. */
static double paraxial_memory(const struct opu_slab *slab, double tilt)
{
    double sum = 0.0;
    for (size_t s = 0; s < slab->screens; ++s) {
        double const z = (double)(slab->screens - 1 - s) * slab->spacing_m;
        sum += 1.0 - exp(-pow(z * tilt / slab->correlation_m, 2.0));
    }
    return exp(-2.0 * slab->variance * sum);
}

/* A mean correlation on the grid [n][n], as a function of offset and of frequency by turns. */
struct correlation {
    const struct opu_slab *slab;
    size_t n;
    double complex *a, *room;
    struct opu_chain_f64 *to_frequency, *to_offset;
};

/* Axial frequency, 1 / wavelength, of the grid's indices. */
static double axial(const struct correlation *c, size_t x, size_t y)
{
    double const unit = 1.0 / ((double)c->n * c->slab->pitch_m);
    double const fx = opu_signed_index(x, c->n) * unit;
    double const fy = opu_signed_index(y, c->n) * unit;
    double const per_wavelength = 1.0 / c->slab->wavelength_m;
    return sqrt(fmax(per_wavelength * per_wavelength - fx * fx - fy * fy, 0.0));
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

static void cross_space(const struct correlation *c, size_t tilt)
{
    opu_chain_apply_f64(c->to_frequency, (const double *)c->a, 1, (double *)c->room);
    for (size_t i = 0; i < c->n * c->n; ++i) {
        size_t const x = i % c->n;
        size_t const y = i / c->n;
        double const ahead = axial(c, (x + c->n - tilt) % c->n, y) - axial(c, x, y);
        c->room[i] *= cexp(OPU_IMAGINARY * OPU_TWO_PI * c->slab->spacing_m * ahead);
    }
    opu_chain_apply_f64(c->to_offset, (const double *)c->room, 1, (double *)c->a);
}

/*
 * The memory effect at any angle, on average over screens. Of two plane waves that differ by the
 * frequency f, the mean E u_f(x + r) u_0*(x) is exp(-2 pi i f x) G(r) everywhere, as screens look
 * alike from every place; G = 1 before the slab. A screen multiplies G by E exp(i phi(x + r) - i
 * phi(x)) = exp(-sigma^2 (1 - exp(-r^2 / lc^2))), space its transform over r by exp(2 pi i d (w(p -
 * f) - w(p))), w(p)^2 = 1 / lambda^2 - p^2. At the last screen G(0) is the sum over directions of
 * T(p - f, f) T*(p, 0), of which C is the square. With w = 1 / lambda - lambda p^2 / 2 space shifts
 * r by lambda f d, and C is the closed formula of small angles.
 */
static double memory_formula(const struct correlation *c, size_t tilt)
{
    for (size_t i = 0; i < c->n * c->n; ++i) {
        c->a[i] = 1.0;
    }
    for (size_t s = 0; s + 1 < c->slab->screens; ++s) {
        cross_screen(c);
        cross_space(c, tilt);
    }
    return pow(cabs(c->a[0]), 2.0);
}

static void correlation_fini(struct correlation *c, struct opu_context *context)
{
    opu_chain_destroy_f64(c->to_offset);
    opu_chain_destroy_f64(c->to_frequency);
    opu_context_free(context, c->room);
    opu_context_free(context, c->a);
}

static int correlation_init(struct correlation *c, struct opu_context *context,
                            const struct opu_slab *slab, size_t n)
{
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
    *c = (struct correlation){.slab = slab, .n = n};
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
        correlation_fini(c, context);
    }
    return status;
}

/*
 * A slab whose memory falls to about `last` at the last tilt of a grid of n points. lc = 3 to 12
 * lambda: rms angles of 0.1 to 0.3; the grid's pitch is lc / 4, 3/4 lambda and more.
 */
static struct opu_slab memory_slab(size_t screens, double variance, double lc, double last,
                                   size_t n)
{
    double const squares =
        (double)(screens - 1) * (double)screens * (double)(2 * screens - 1) / 6.0;
    double const pitch = lc / 4.0;
    double const tilt = TILTS / (pitch * (double)n);
    double const d = lc / tilt * sqrt(-log(last) / (2.0 * variance * squares));
    struct opu_slab slab = opu_thin_slab_of(screens, variance, lc, d);
    slab.pitch_m = pitch;
    return slab;
}

/* wanted[t] of each tilt; what the formula of small angles is off at most. */
static int expect_memory(struct opu_acceptance *acceptance, const struct opu_thin_slab *thin,
                         double wanted[TILTS + 1], double *small_angles)
{
    struct correlation c;
    OPU_TRY(correlation_init(&c, acceptance->context, &thin->slab, thin->n));
    *small_angles = 0.0;
    for (size_t t = 0; t <= TILTS; ++t) {
        double const tilt = (double)t / ((double)thin->n * thin->slab.pitch_m);
        wanted[t] = memory_formula(&c, t);
        *small_angles = fmax(*small_angles, fabs(paraxial_memory(&thin->slab, tilt) - wanted[t]));
    }
    correlation_fini(&c, acceptance->context);
    return OPU_OK;
}

static int memory_case(struct opu_acceptance *acceptance, struct opu_thin_slab *thin, size_t runs)
{
    double sum[TILTS + 1][2] = {{0}};
    for (size_t run = 0; run < runs; ++run) {
        OPU_TRY(opu_thin_slab_run(thin, opu_accept_draw_seed(acceptance)));
        add_tilts(thin, sum);
    }
    double x[TILTS + 1];
    double seen[TILTS + 1];
    double wanted[TILTS + 1];
    double worst = 0.0;
    double small_angles;
    OPU_TRY(expect_memory(acceptance, thin, wanted, &small_angles));
    for (size_t t = 0; t <= TILTS; ++t) {
        double const re = sum[t][0] / sum[0][0];
        double const im = sum[t][1] / sum[0][0];
        x[t] = (double)t / ((double)thin->n * thin->slab.pitch_m);
        seen[t] = re * re + im * im;
        worst = opu_accept_worse(worst, fabs(seen[t] - wanted[t]));
    }
    struct opu_check_curve const curve = {.title = "memory effect of a multislice slab",
                                          .x_label = "tilt, rad",
                                          .y_label = "intensity correlation",
                                          .n = TILTS + 1,
                                          .x = x,
                                          .measured = seen,
                                          .expected = wanted};
    char drawn[TEXT];
    snprintf(drawn, sizeof(drawn),
             "%zu screens, sigma^2 = %.2f, lc = %.2f, d = %.1f lambda, n = %zu; rms angle %.2f, "
             "where that of small angles is off by %.3f",
             thin->slab.screens, thin->slab.variance, thin->slab.correlation_m,
             thin->slab.spacing_m, thin->n,
             sqrt(2.0 * thin->slab.optical_thickness * (1.0 - thin->slab.anisotropy)),
             small_angles);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "T7",
            .name = "memory effect: largest deviation over 8 tilts",
            .formula = "C = |G(0)|^2: a screen multiplies G(r) by exp(-sigma^2 (1 - exp(-r^2 / "
                       "lc^2))), space its transform by exp(2 pi i d (w(p - f) - w(p))); for small "
                       "angles exp(-2 sum sigma^2 (1 - exp(-(z_s tilt)^2 / lc^2)))",
            .drawn = drawn,
            .value = worst,
            .low = 0.0,
            .high = 0.02,
            .samples = (double)runs,
            .curve = &curve});
}

static int memory(struct opu_acceptance *acceptance)
{
    size_t const n = 256;
    for (int k = 0; k < CASES; ++k) {
        size_t const screens = opu_accept_draw_size(acceptance, 6, 9);
        double const variance = opu_accept_draw(acceptance, 0.7, 1.2);
        double const lc = opu_accept_draw(acceptance, 3.0, 12.0);
        double const last = opu_accept_draw(acceptance, 0.3, 0.5);
        struct opu_thin_slab thin;
        OPU_TRY(opu_thin_slab_init(&thin, acceptance->context, n, TILTS + 1,
                                   memory_slab(screens, variance, lc, last, n)));
        int const status = memory_case(acceptance, &thin, acceptance->thorough ? 16 : 4);
        opu_thin_slab_fini(&thin);
        ACCEPT_TRY(status);
    }
    return OPU_OK;
}

int opu_accept_slab(struct opu_acceptance *acceptance)
{
    ACCEPT_TRY(ballistic(acceptance));
    ACCEPT_TRY(angles(acceptance));
    return memory(acceptance);
}
