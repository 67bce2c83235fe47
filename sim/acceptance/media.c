/* SPDX-License-Identifier: MIT */
/*
 * Acceptance tests of the media's physics: energy and adjoints, matrix against propagation, partial
 * control of a unitary, wavefront shaping, and two that must fail to be random. What light does in
 * a slab is in slab.c.
 */
#include "sim/acceptance/measured.h"
#include "sim/acceptance/thin_slab.h"
#include "sim/medium/medium_grid.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

#include <math.h>
#include <stdio.h>

#define PI 3.14159265358979323846
#define CASES 3
#define TEXT 200

static const char *const medium_names[] = {
    [OPU_MEDIUM_SLAB] = "slab", [OPU_MEDIUM_CASCADE] = "cascade"};

/* A slab thick enough for the tests' inputs, or a cascade of three or more. */
static struct opu_sim_options draw_medium(struct opu_acceptance *acceptance,
                                          enum opu_medium_name name, char text[TEXT])
{
    struct opu_sim_options options = opu_accept_defaults(name);
    if (name == OPU_MEDIUM_CASCADE) {
        options.masks = opu_accept_draw_size(acceptance, 3, 5);
        snprintf(text, TEXT, "cascade, K = %u", (unsigned)options.masks);
        return options;
    }
    double const paths = opu_accept_draw(acceptance, 14.0, 30.0);
    options.thickness_um = opu_accept_draw(acceptance, 40.0, 80.0);
    options.mean_free_path_um = options.thickness_um / paths;
    options.anisotropy = opu_accept_draw(acceptance, 0.88, 0.92);
    options.screens = opu_accept_draw_size(acceptance, 4, 7);
    snprintf(text, TEXT, "slab, L = %.1f um, L/ls = %.1f, g = %.3f, %u screens",
             options.thickness_um, paths, options.anisotropy, (unsigned)options.screens);
    return options;
}

static int unitarity_of(struct opu_acceptance *acceptance, enum opu_medium_name name)
{
    char text[TEXT];
    double worst[4] = {0};
    for (int k = 0; k < CASES; ++k) {
        struct opu_sim_options options = draw_medium(acceptance, name, text);
        uint64_t const seed = opu_accept_draw_seed(acceptance);
        struct opu_medium_setup const setup = {.context = acceptance->context,
                                               .options = &options,
                                               .seed = seed,
                                               .n_inputs = 64,
                                               .n_outputs = k == 0 ? 1024 : 256,
                                               .input_columns = 8};
        struct opu_medium *medium;
        OPU_TRY(opu_media[name]->create(&medium, &setup));
        struct opu_chain_setup const chain = opu_grid_medium_chain(medium);
        double now[4];
        int status = opu_accept_unitarity_f32(&chain, seed, &now[0], &now[1]);
        if (status == OPU_OK) {
            status = opu_accept_unitarity_f64(&chain, seed, &now[2], &now[3]);
        }
        medium->ops->destroy(medium);
        ACCEPT_TRY(status);
        for (int q = 0; q < 4; ++q) {
            worst[q] = opu_accept_worse(worst[q], now[q]);
        }
    }
    static const struct {
        const char *test, *name, *formula;
        double bar;
    } rows[4] = {
        {"A3", "energy, float",
         "|Hx|^2 = |x|^2 on the whole grid: unitary steps (sim/medium/medium_grid.h)", 1e-5},
        {"A4", "adjoint, float", "<Hx, y> = <x, H^y> (definition of the adjoint; sim/wave/chain.h)",
         1e-5},
        {"A3", "energy, double",
         "|Hx|^2 = |x|^2 on the whole grid: unitary steps (sim/medium/medium_grid.h)", 1e-12},
        {"A4", "adjoint, double",
         "<Hx, y> = <x, H^y> (definition of the adjoint; sim/wave/chain.h)", 1e-12},
    };
    for (int q = 0; q < 4; ++q) {
        char title[TEXT];
        char drawn[TEXT + 32];
        snprintf(title, sizeof(title), "%s: %s", medium_names[name], rows[q].name);
        snprintf(drawn, sizeof(drawn), "worst of 3; last: %s", text);
        ACCEPT_TRY(opu_accept(acceptance, (struct opu_check_row){.test = rows[q].test,
                                                                 .name = title,
                                                                 .formula = rows[q].formula,
                                                                 .drawn = drawn,
                                                                 .value = worst[q],
                                                                 .low = 0.0,
                                                                 .high = rows[q].bar}));
    }
    return OPU_OK;
}

static int unitarity(struct opu_acceptance *acceptance)
{
    ACCEPT_TRY(unitarity_of(acceptance, OPU_MEDIUM_SLAB));
    return unitarity_of(acceptance, OPU_MEDIUM_CASCADE);
}

/* Relative error in the mean of squares between a and b. */
static double difference(const float *a, const float *b, size_t n)
{
    double error = 0.0;
    double power = 0.0;
    for (size_t i = 0; i < n; ++i) {
        double const d = (double)a[i] - (double)b[i];
        error += d * d;
        power += (double)b[i] * (double)b[i];
    }
    return sqrt(error / power);
}

/* room: rows [m][n][2], then x [n][2], y [m][2], sums [m][2]. */
static int compare_ways(const struct opu_measured *measured, float *room, uint64_t seed,
                        double *worst)
{
    size_t const n = measured->n;
    size_t const m = measured->m;
    float *const x = room + 2 * n * m;
    float *const y = x + 2 * n;
    float *const sums = y + 2 * m;
    OPU_TRY(opu_medium_rows(measured->medium, 0, m, room));
    double error = 0.0;
    for (size_t j = 0; j < n; ++j) {
        float z[4];
        opu_normal4(opu_philox(seed, OPU_STREAM_TEST, 0, j), z);
        x[2 * j] = z[0];
        x[2 * j + 1] = z[1];
        for (size_t i = 0; i < m; ++i) {
            const float *const h = measured->h + (j * m + i) * 2;
            const float *const row = room + (i * n + j) * 2;
            error +=
                pow((double)h[0] - (double)row[0], 2.0) + pow((double)h[1] - (double)row[1], 2);
            sums[2 * i] += h[0] * z[0] - h[1] * z[1];
            sums[2 * i + 1] += h[0] * z[1] + h[1] * z[0];
        }
    }
    measured->medium->ops->apply(measured->medium, x, 1, y);
    *worst = opu_accept_worse(sqrt(error / (double)(n * m)), difference(y, sums, 2 * m));
    return OPU_OK;
}

/* Measured by columns, by rows of the adjoint, and not measured at all. */
static int ways(struct opu_acceptance *acceptance)
{
    for (int k = 0; k < CASES; ++k) {
        char text[TEXT];
        enum opu_medium_name const name = k % 2 == 0 ? OPU_MEDIUM_SLAB : OPU_MEDIUM_CASCADE;
        struct opu_sim_options const options = draw_medium(acceptance, name, text);
        size_t const n = opu_accept_draw_size(acceptance, 50, 250);
        size_t const m = opu_accept_draw_size(acceptance, 50, 250);
        uint64_t const seed = opu_accept_draw_seed(acceptance);
        struct opu_measured measured;
        OPU_TRY(opu_measured_init(&measured, acceptance->context, &options, seed, n, m));
        double worst = (double)NAN;
        float *const room = opu_calloc(acceptance->context, 2 * (n * m + n + 2 * m), sizeof(*room));
        int const status =
            room == NULL ? OPU_E_NO_MEMORY : compare_ways(&measured, room, seed, &worst);
        opu_context_free(acceptance->context, room);
        opu_measured_fini(&measured);
        ACCEPT_TRY(status);
        char drawn[TEXT + 64];
        snprintf(drawn, sizeof(drawn), "%s, %zu inputs, %zu outputs", text, n, m);
        ACCEPT_TRY(opu_accept(
            acceptance,
            (struct opu_check_row){.test = "M1",
                                   .name = "matrix by columns, by adjoint rows, matrix-free",
                                   .formula = "one H by columns, by adjoint rows, matrix-free: "
                                              "relative difference (sim/medium/medium.h)",
                                   .drawn = drawn,
                                   .value = worst,
                                   .low = 0.0,
                                   .high = 1e-4}));
    }
    return OPU_OK;
}

/*
 * Partial control: the edges of the spectrum on a grid of 128 x 128 modes, of which half carry
 * outputs. Finite matrices stay inside the edges by (Tracy and Widom) 1.77 / 2 (n^-1/2 -
 * m^-1/2)^(1/3) / (m^1/2 - n^1/2) = 0.5 % with half of that for a spread.
 */
static int jacobi(struct opu_acceptance *acceptance)
{
    for (int k = 0; k < CASES; ++k) {
        char text[TEXT];
        enum opu_medium_name const name = k % 2 == 0 ? OPU_MEDIUM_CASCADE : OPU_MEDIUM_SLAB;
        struct opu_sim_options options = draw_medium(acceptance, name, text);
        size_t const n = opu_accept_draw_size(acceptance, 280, 360);
        size_t const m = opu_accept_draw_size(acceptance, 5000, 8000);
        options.grid = 128;
        options.jacobi = true;
        struct opu_measured measured;
        OPU_TRY(opu_measured_init(&measured, acceptance->context, &options,
                                  opu_accept_draw_seed(acceptance), n, m));
        double *const s = opu_calloc(acceptance->context, n, sizeof(*s));
        int const status = s == NULL ? OPU_E_NO_MEMORY : opu_measured_singular(&measured, s);
        double const edges[2] = {s == NULL ? 0.0 : s[0], s == NULL ? 0.0 : s[n - 1]};
        opu_context_free(acceptance->context, s);
        opu_measured_fini(&measured);
        ACCEPT_TRY(status);
        double const a = (double)n / 16384.0;
        double const b = (double)m / 16384.0;
        char drawn[TEXT + 64];
        snprintf(drawn, sizeof(drawn), "%s, n/N = %.4f, m/N = %.4f", text, a, b);
        for (int edge = 0; edge < 2; ++edge) {
            double const sign = edge == 0 ? -1.0 : 1.0;
            double const wanted = (sqrt(b * (1.0 - a)) + sign * sqrt(a * (1.0 - b))) / sqrt(b);
            ACCEPT_TRY(opu_accept(
                acceptance, (struct opu_check_row){
                                .test = "M4",
                                .name = edge == 0 ? "lowest singular value over Jacobi's edge"
                                                  : "highest singular value over Jacobi's edge",
                                .formula = "s = (sqrt(b (1 - a)) -/+ sqrt(a (1 - b))) / sqrt(b) "
                                           "(sim/medium/medium_grid.h)",
                                .drawn = drawn,
                                .value = edges[edge] / wanted,
                                .low = 0.98,
                                .high = 1.02,
                                .samples = (double)n}));
        }
    }
    return OPU_OK;
}

enum { TARGETS = OPU_MEDIUM_BATCH };

/* How mirrors are set for a target whose row of H is h, and what theory says of it. */
struct shaping {
    const char *name, *formula;
    double (*enhancement)(double n);
    double spread; /* variance of the enhancement of one target, relative, times n */
};

static double by_phase(double n)
{
    return 0.25 * PI * (n - 1.0) + 1.0;
}

static double by_field(double n)
{
    return n;
}

static double by_mirrors(double n)
{
    return n / (2.0 * PI) + 1.0 - 1.0 / (2.0 * PI);
}

/* Spreads: 4 Var|h| / <|h|>^2; 1; 4 (pi - 1), from the moments of a circular Gaussian. */
static const struct shaping shapings[3] = {
    {"phase", "(pi / 4)(n - 1) + 1 (Vellekoop and Mosk, Opt. Lett. 32, 2309, 2007)", by_phase,
     1.093},
    {"phase and amplitude", "n", by_field, 1.0},
    {"mirrors on or off", "n / (2 pi) + 1 - 1 / (2 pi), over half of them on at random", by_mirrors,
     8.57},
};

static void shape(const float *h, size_t n, int way, float *x)
{
    double norm = 0.0;
    for (size_t j = 0; j < 2 * n; ++j) {
        norm += (double)h[j] * (double)h[j] / (double)n;
    }
    for (size_t j = 0; j < n; ++j) {
        double const re = (double)h[2 * j];
        double const im = (double)h[2 * j + 1];
        double const scale = 1.0 / (way == 0 ? hypot(re, im) : sqrt(norm));
        x[2 * j] = way == 2 ? (float)(re > 0.0) : (float)(scale * re);
        x[2 * j + 1] = way == 2 ? 0.0f : (float)(-scale * im);
    }
}

/* room: rows [TARGETS][n][2], shaped [TARGETS][n][2], answers [TARGETS][m][2]. Targets are spread
 * over the outputs; the light behind comes from all other outputs. */
static int shape_case(struct opu_acceptance *acceptance, struct opu_medium *medium, float *room,
                      const char *text)
{
    size_t const n = medium->n_inputs;
    size_t const m = medium->n_outputs;
    float *const shaped = room + TARGETS * n * 2;
    float *const answers = shaped + TARGETS * n * 2;
    for (size_t t = 0; t < TARGETS; ++t) {
        OPU_TRY(opu_medium_rows(medium, t * (m / TARGETS), 1, room + t * n * 2));
    }
    for (int way = 0; way < 3; ++way) {
        double target = 0.0;
        double around = 0.0;
        for (size_t t = 0; t < TARGETS; ++t) {
            shape(room + t * n * 2, n, way, shaped + t * n * 2);
        }
        medium->ops->apply(medium, shaped, TARGETS, answers);
        for (size_t e = 0; e < TARGETS * m; ++e) {
            double const re = (double)answers[2 * e];
            double const im = (double)answers[2 * e + 1];
            bool const hit = e % m == e / m * (m / TARGETS);
            *(hit ? &target : &around) += re * re + im * im;
        }
        double const enhancement = target / TARGETS / (around / (TARGETS * (double)(m - 1)));
        const struct shaping *const by = &shapings[way];
        double const wanted = by->enhancement((double)n);
        double const bar =
            ACCEPT_SIGMAS * sqrt(by->spread / ((double)n * TARGETS) + 1.0 / (TARGETS * (double)m));
        char name[TEXT];
        snprintf(name, sizeof(name), "focus by %s: enhancement over its formula", by->name);
        ACCEPT_TRY(opu_accept(acceptance, (struct opu_check_row){.test = "T9",
                                                                 .name = name,
                                                                 .formula = by->formula,
                                                                 .drawn = text,
                                                                 .value = enhancement / wanted,
                                                                 .low = 1.0 - bar,
                                                                 .high = 1.0 + bar,
                                                                 .samples = TARGETS}));
    }
    return OPU_OK;
}

static int wavefront(struct opu_acceptance *acceptance)
{
    for (int k = 0; k < CASES; ++k) {
        char text[TEXT];
        enum opu_medium_name const name = k % 2 == 0 ? OPU_MEDIUM_SLAB : OPU_MEDIUM_CASCADE;
        struct opu_sim_options const options = draw_medium(acceptance, name, text);
        size_t const n = opu_accept_draw_size(acceptance, 200, 400);
        size_t const m = 1024;
        struct opu_medium_setup const setup = {.context = acceptance->context,
                                               .options = &options,
                                               .seed = opu_accept_draw_seed(acceptance),
                                               .n_inputs = n,
                                               .n_outputs = m,
                                               .input_columns = 20};
        struct opu_medium *medium;
        OPU_TRY(opu_media[name]->create(&medium, &setup));
        float *const room =
            opu_calloc(acceptance->context, TARGETS * (2 * n + m), 2 * sizeof(*room));
        char drawn[TEXT + 32];
        snprintf(drawn, sizeof(drawn), "%s, n = %zu", text, n);
        int const status =
            room == NULL ? OPU_E_NO_MEMORY : shape_case(acceptance, medium, room, drawn);
        opu_context_free(acceptance->context, room);
        medium->ops->destroy(medium);
        ACCEPT_TRY(status);
    }
    return OPU_OK;
}

/* Media that are not random enough: what the tests of the others would not let pass. */
static int contrast_of(struct opu_acceptance *acceptance, const struct opu_sim_options *options,
                       const char *name)
{
    size_t const n = 256;
    size_t const m = 1024;
    struct opu_measured measured;
    double s[256];
    uint64_t const seed = opu_accept_draw_seed(acceptance);
    OPU_TRY(opu_measured_init(&measured, acceptance->context, options, seed, n, m));
    int const status = opu_measured_singular(&measured, s);
    opu_measured_fini(&measured);
    ACCEPT_TRY(status);
    return opu_accept(
        acceptance,
        (struct opu_check_row){.test = "M5",
                               .name = name,
                               .formula = "one screen: infinite memory effect (Feng et al., PRL "
                                          "61, 834, 1988), far from Marchenko-Pastur",
                               .value = opu_marchenko_pastur_distance(s, n, (double)m / (double)n),
                               .low = 0.1,
                               .high = (double)INFINITY,
                               .samples = (double)n});
}

static int contrast(struct opu_acceptance *acceptance)
{
    struct opu_sim_options cascade = opu_accept_defaults(OPU_MEDIUM_CASCADE);
    cascade.masks = 1;
    ACCEPT_TRY(contrast_of(acceptance, &cascade, "one diffuser alone is not random: KS above"));
    struct opu_sim_options const glass = opu_accept_defaults(OPU_MEDIUM_GROUND_GLASS);
    return contrast_of(acceptance, &glass, "ground glass is not random: KS above");
}

int opu_accept_media(struct opu_acceptance *acceptance)
{
    static int (*const tests[])(struct opu_acceptance *) = {unitarity, ways,      opu_accept_slab,
                                                            jacobi,    wavefront, contrast};
    opu_accept_begin(acceptance, "media");
    for (size_t k = 0; k < sizeof(tests) / sizeof(tests[0]); ++k) {
        ACCEPT_TRY(tests[k](acceptance));
    }
    return OPU_OK;
}
