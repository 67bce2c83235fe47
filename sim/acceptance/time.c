/* SPDX-License-Identifier: MIT */
/*
 * Acceptance tests of what moves in time: decorrelation of each medium (T11), fields and
 * intensities, at times that are drawn. Every start lies many correlation times from the next.
 */
#include "sim/acceptance/measured.h"
#include "sim/medium/drift.h"
#include "sim/medium/medium_cascade.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES 3
#define INPUTS 32
#define OUTPUTS 256

/* How one medium forgets: field correlation at dt = x tau, for its thickness b. */
struct law {
    enum opu_medium_name medium;
    const char *name, *formula;
    double (*correlation)(double x, double b);
};

static double exponential(double x, double b)
{
    (void)b;
    return exp(-x);
}

static double of_screens(double x, double b)
{
    return exp(-b * (1.0 - exp(-x / b)));
}

static const struct law laws[] = {
    {OPU_MEDIUM_GAUSSIAN, "gaussian",
     "rho = exp(-dt / tau): Ornstein-Uhlenbeck (sim/medium/drift.h)", exponential},
    {OPU_MEDIUM_SLAB, "slab",
     "rho = exp(-b (1 - exp(-dt / (b tau)))), b = L / ls (sim/medium/medium_slab.h)", of_screens},
    {OPU_MEDIUM_CASCADE, "cascade",
     "rho = exp(-b (1 - exp(-dt / (b tau)))), b = 256 (sim/medium/medium_cascade.c)", of_screens},
};

/* Correlation of two matrices: fields, and intensities (<I I'> / (<I> <I'>) - 1). */
static void correlate(const float *a, const float *b, size_t n, struct opu_estimate *field,
                      struct opu_estimate *intensity)
{
    double ab = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    double products = 0.0;
    for (size_t e = 0; e < n; ++e) {
        double const ar = (double)a[2 * e];
        double const ai = (double)a[2 * e + 1];
        double const br = (double)b[2 * e];
        double const bi = (double)b[2 * e + 1];
        double const ia = ar * ar + ai * ai;
        double const ib = br * br + bi * bi;
        ab += ar * br + ai * bi;
        aa += ia;
        bb += ib;
        products += ia * ib;
    }
    opu_estimate_add(field, ab / sqrt(aa * bb));
    opu_estimate_add(intensity, products * (double)n / (aa * bb) - 1.0);
}

struct moving {
    struct opu_measured measured;
    float *before; /* as measured.h */
    uint64_t lag;  /* in steps */
    struct opu_estimate field, intensity;
};

static int measure_pairs(struct opu_acceptance *acceptance, struct moving *moving, size_t pairs)
{
    struct opu_measured *const measured = &moving->measured;
    for (size_t p = 0; p < pairs; ++p) {
        uint64_t const start = (uint64_t)opu_accept_draw_size(acceptance, 0, 1u << 30);
        measured->medium->ops->move(measured->medium, start);
        ACCEPT_TRY(opu_measured_again(measured));
        memcpy(moving->before, measured->h, measured->n * measured->m * 2 * sizeof(float));
        measured->medium->ops->move(measured->medium, start + moving->lag);
        ACCEPT_TRY(opu_measured_again(measured));
        correlate(moving->before, measured->h, measured->n * measured->m, &moving->field,
                  &moving->intensity);
    }
    return OPU_OK;
}

static int tell(struct opu_acceptance *acceptance, const struct moving *moving,
                const struct law *law, double wanted, const char *drawn)
{
    double const samples =
        (double)moving->field.n * (double)(moving->measured.n * moving->measured.m);
    double const sigmas = opu_accept_sigmas(moving->field.n);
    char name[96];
    snprintf(name, sizeof(name), "%s: field correlation after dt, less the formula's", law->name);
    double const bar = sigmas * opu_estimate_error(&moving->field);
    ACCEPT_TRY(opu_accept(
        acceptance, (struct opu_check_row){.test = "T11",
                                           .name = name,
                                           .formula = law->formula,
                                           .drawn = drawn,
                                           .value = opu_estimate_mean(&moving->field) - wanted,
                                           .low = -bar,
                                           .high = bar,
                                           .samples = samples}));
    snprintf(name, sizeof(name), "%s: g2 - 1 after dt, less rho^2", law->name);
    double const bar2 = sigmas * opu_estimate_error(&moving->intensity);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "T11",
            .name = name,
            .formula = "<I I'> / <I>^2 - 1 = rho^2 (Siegert's relation: circular Gaussian fields)",
            .drawn = drawn,
            .value = opu_estimate_mean(&moving->intensity) - wanted * wanted,
            .low = -bar2,
            .high = bar2,
            .samples = samples});
}

static int drift_of(struct opu_acceptance *acceptance, const struct law *law)
{
    struct opu_sim_options options = opu_accept_defaults(law->medium);
    double const paths = opu_accept_draw(acceptance, 10.0, 30.0);
    bool const slab = law->medium == OPU_MEDIUM_SLAB;
    options.tau_s = 1.0;
    options.thickness_um = 60.0;
    options.mean_free_path_um = options.thickness_um / paths;
    struct moving moving = {.lag = (uint64_t)opu_accept_draw_size(acceptance, 20, 500)};
    uint64_t const seed = opu_accept_draw_seed(acceptance);
    OPU_TRY(
        opu_measured_init(&moving.measured, acceptance->context, &options, seed, INPUTS, OUTPUTS));
    moving.before = opu_calloc(acceptance->context, (size_t)INPUTS * OUTPUTS, 2 * sizeof(float));
    int status = moving.before == NULL
                     ? OPU_E_NO_MEMORY
                     : measure_pairs(acceptance, &moving, acceptance->thorough ? 128 : 32);
    if (status == OPU_OK) {
        double const x = (double)moving.lag / OPU_DRIFT_STEPS_PER_TAU;
        double const wanted = law->correlation(x, slab ? paths : OPU_CASCADE_VARIANCE);
        char drawn[96];
        int const used = snprintf(drawn, sizeof(drawn), "dt = %.3f tau", x);
        if (slab) {
            snprintf(drawn + used, sizeof(drawn) - (size_t)used, ", L/ls = %.1f", paths);
        }
        status = tell(acceptance, &moving, law, wanted, drawn);
    }
    opu_context_free(acceptance->context, moving.before);
    opu_measured_fini(&moving.measured);
    return status;
}

int opu_accept_time(struct opu_acceptance *acceptance)
{
    opu_accept_begin(acceptance, "time");
    for (int k = 0; k < CASES; ++k) {
        for (size_t law = 0; law < sizeof(laws) / sizeof(laws[0]); ++law) {
            ACCEPT_TRY(drift_of(acceptance, &laws[law]));
        }
    }
    return OPU_OK;
}
