/* SPDX-License-Identifier: MIT */
/*
 * Propagation against theory, A1-A4 and A13: identities that hold to rounding, in double and in
 * float, each for three drawn grids. Bars: physics of a unitary chain, sec. 6 of the notes; 1e-12
 * in double is some thousand rounding units, 1e-5 in float a hundred.
 */
#include "sim/acceptance/propagation.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/acceptance/measured.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES 3
#define BAR_F64 1e-12
#define BAR_F32 1e-5

int opu_wave_once(const struct opu_chain_setup *setup, bool adjoint, bool narrow,
                  const double complex *in, double complex *out)
{
    size_t const area_in = setup->in.width * setup->in.height;
    size_t const area_out = setup->out.width * setup->out.height;
    size_t const n_in = adjoint ? area_out : area_in;
    size_t const n_out = adjoint ? area_in : area_out;
    if (!narrow) {
        struct opu_chain_f64 *chain;
        OPU_TRY(opu_chain_create_f64(&chain, setup, NULL));
        (adjoint ? opu_chain_adjoint_f64 : opu_chain_apply_f64)(chain, (const double *)in, 1,
                                                                (double *)out);
        opu_chain_destroy_f64(chain);
        return OPU_OK;
    }
    float *const data = opu_calloc(setup->context, n_in + n_out, 2 * sizeof(float));
    if (data == NULL) {
        return OPU_E_NO_MEMORY;
    }
    struct opu_chain_f32 *chain;
    int const status = opu_chain_create_f32(&chain, setup, NULL);
    if (status == OPU_OK) {
        float *const to = data + 2 * n_in;
        for (size_t i = 0; i < n_in; ++i) {
            data[2 * i] = (float)creal(in[i]);
            data[2 * i + 1] = (float)cimag(in[i]);
        }
        (adjoint ? opu_chain_adjoint_f32 : opu_chain_apply_f32)(chain, data, 1, to);
        for (size_t i = 0; i < n_out; ++i) {
            out[i] = (double)to[2 * i] + OPU_IMAGINARY * (double)to[2 * i + 1];
        }
        opu_chain_destroy_f32(chain);
    }
    opu_context_free(setup->context, data);
    return status;
}

/* A drawn grid with drawn fields, a mask and a taper. */
struct scene {
    struct opu_chain_setup setup;
    double critical_m;         /* n pitch^2 / lambda */
    double complex *x, *y;     /* [n][n] inputs */
    double complex *one, *two; /* [n][n] outputs */
    uint16_t *mask;
    double *taper;
    char drawn[120];
};

static void free_scene(struct scene *scene)
{
    struct opu_context *const context = scene->setup.context;
    opu_context_free(context, scene->taper);
    opu_context_free(context, scene->mask);
    opu_context_free(context, scene->x);
}

/* Every frequency of the grid travels: pitch >= lambda / sqrt2. */
static int draw_scene(struct opu_acceptance *acceptance, struct scene *scene)
{
    size_t const n = (size_t)64 << (int)opu_accept_draw(acceptance, 0.0, 3.0);
    double const wavelength_m = opu_accept_draw(acceptance, 400e-9, 800e-9);
    double const pitch_m = wavelength_m * opu_accept_draw(acceptance, 0.75, 3.0);
    struct opu_window const whole = {0, 0, n, n};
    memset(scene, 0, sizeof(*scene));
    scene->setup = (struct opu_chain_setup){.context = acceptance->context,
                                            .n = n,
                                            .pitch_m = pitch_m,
                                            .wavelength_m = wavelength_m,
                                            .in = whole,
                                            .out = whole,
                                            .batch = 1};
    scene->critical_m = (double)n * pitch_m * pitch_m / wavelength_m;
    scene->x = opu_calloc(acceptance->context, 4 * n * n, sizeof(*scene->x));
    scene->mask = opu_calloc(acceptance->context, n * n, sizeof(*scene->mask));
    scene->taper = opu_calloc(acceptance->context, n, sizeof(*scene->taper));
    if (scene->x == NULL || scene->mask == NULL || scene->taper == NULL) {
        free_scene(scene);
        return OPU_E_NO_MEMORY;
    }
    scene->y = scene->x + n * n;
    scene->one = scene->x + 2 * n * n;
    scene->two = scene->x + 3 * n * n;
    for (size_t i = 0; i < n * n; ++i) {
        scene->x[i] = opu_accept_draw(acceptance, -1.0, 1.0) +
                      OPU_IMAGINARY * opu_accept_draw(acceptance, -1.0, 1.0);
        scene->y[i] = opu_accept_draw(acceptance, -1.0, 1.0) +
                      OPU_IMAGINARY * opu_accept_draw(acceptance, -1.0, 1.0);
        scene->mask[i] = (uint16_t)opu_accept_draw(acceptance, 0.0, 65536.0);
    }
    for (size_t i = 0; i < n; ++i) {
        scene->taper[i] = opu_accept_draw(acceptance, 0.1, 1.0);
    }
    snprintf(scene->drawn, sizeof(scene->drawn), "n = %zu, lambda = %.1f nm, pitch = %.3f um", n,
             1e9 * wavelength_m, 1e6 * pitch_m);
    return OPU_OK;
}

static double norm(const double complex *field, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i) {
        sum += creal(field[i] * conj(field[i]));
    }
    return sqrt(sum);
}

/* Largest difference relative to the rms of b. */
static double difference(const double complex *a, const double complex *b, size_t count)
{
    double worst = 0.0;
    for (size_t i = 0; i < count; ++i) {
        worst = opu_accept_worse(worst, cabs(a[i] - b[i]));
    }
    return worst / (norm(b, count) / sqrt((double)count));
}

/* What each test measures: steps, and a figure that should be 0. */
typedef int (*measure_fn)(struct opu_acceptance *acceptance, struct scene *scene, bool narrow,
                          double *value);

static int run(struct scene *scene, const struct opu_step *steps, size_t n_steps, bool narrow,
               const double complex *in, double complex *out)
{
    scene->setup.steps = steps;
    scene->setup.n_steps = n_steps;
    return opu_wave_once(&scene->setup, false, narrow, in, out);
}

static int measure_identity(struct opu_acceptance *acceptance, struct scene *scene, bool narrow,
                            double *value)
{
    (void)acceptance;
    size_t const count = scene->setup.n * scene->setup.n;
    struct opu_step const steps[] = {
        {.kind = OPU_STEP_FORWARD}, {.kind = OPU_STEP_SPACE}, {.kind = OPU_STEP_INVERSE}};
    OPU_TRY(run(scene, steps, 3, narrow, scene->x, scene->one));
    *value = difference(scene->one, scene->x, count);
    return OPU_OK;
}

static int measure_return(struct opu_acceptance *acceptance, struct scene *scene, bool narrow,
                          double *value)
{
    double const z = scene->critical_m * opu_accept_draw(acceptance, 0.1, 1.0);
    size_t const count = scene->setup.n * scene->setup.n;
    struct opu_step const steps[] = {{.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_SPACE, .distance_m = z},
                                     {.kind = OPU_STEP_INVERSE},
                                     {.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_SPACE, .distance_m = -z},
                                     {.kind = OPU_STEP_INVERSE}};
    OPU_TRY(run(scene, steps, 6, narrow, scene->x, scene->one));
    *value = difference(scene->one, scene->x, count);
    return OPU_OK;
}

static int measure_energy(struct opu_acceptance *acceptance, struct scene *scene, bool narrow,
                          double *value)
{
    double const z = scene->critical_m * opu_accept_draw(acceptance, 0.1, 1.0);
    size_t const count = scene->setup.n * scene->setup.n;
    struct opu_step const steps[] = {
        {.kind = OPU_STEP_FORWARD}, {.kind = OPU_STEP_PHASE, .phase = scene->mask},
        {.kind = OPU_STEP_FORWARD}, {.kind = OPU_STEP_SPACE, .distance_m = z},
        {.kind = OPU_STEP_INVERSE}, {.kind = OPU_STEP_PHASE, .phase = scene->mask}};
    OPU_TRY(run(scene, steps, 6, narrow, scene->x, scene->one));
    double const ratio = norm(scene->one, count) / norm(scene->x, count);
    *value = fabs(ratio * ratio - 1.0);
    return OPU_OK;
}

static struct opu_window draw_window(struct opu_acceptance *acceptance, size_t n)
{
    double const end = (double)n;
    return (struct opu_window){.x = (size_t)opu_accept_draw(acceptance, 0.0, end),
                               .y = (size_t)opu_accept_draw(acceptance, 0.0, end),
                               .width = 1 + (size_t)opu_accept_draw(acceptance, 0.0, end),
                               .height = 1 + (size_t)opu_accept_draw(acceptance, 0.0, end)};
}

/* |<Hx, y> - <x, H*y>| / (|Hx| |y|) with every kind of step and drawn windows. */
static int measure_adjoint(struct opu_acceptance *acceptance, struct scene *scene, bool narrow,
                           double *value)
{
    double const z = scene->critical_m;
    size_t const n = scene->setup.n;
    struct opu_step const steps[] = {{.kind = OPU_STEP_LENS, .focal_m = z},
                                     {.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_PHASE, .phase = scene->mask},
                                     {.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_SPACE, .distance_m = 0.7 * z},
                                     {.kind = OPU_STEP_INVERSE},
                                     {.kind = OPU_STEP_TAPER, .taper = scene->taper},
                                     {.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_FRESNEL, .distance_m = -0.3 * z},
                                     {.kind = OPU_STEP_APERTURE, .radius = 0.45 * (double)n},
                                     {.kind = OPU_STEP_INVERSE},
                                     {.kind = OPU_STEP_PHASE, .phase = scene->mask}};
    scene->setup.steps = steps;
    scene->setup.n_steps = sizeof(steps) / sizeof(*steps);
    scene->setup.in = draw_window(acceptance, n);
    scene->setup.out = draw_window(acceptance, n);
    size_t const n_in = scene->setup.in.width * scene->setup.in.height;
    size_t const n_out = scene->setup.out.width * scene->setup.out.height;
    OPU_TRY(opu_wave_once(&scene->setup, false, narrow, scene->x, scene->one));
    OPU_TRY(opu_wave_once(&scene->setup, true, narrow, scene->y, scene->two));
    double complex sum = 0.0;
    for (size_t i = 0; i < n_out; ++i) {
        sum += conj(scene->one[i]) * scene->y[i];
    }
    for (size_t i = 0; i < n_in; ++i) {
        sum -= conj(scene->x[i]) * scene->two[i];
    }
    *value = cabs(sum) * sqrt((double)n_out) / (norm(scene->one, n_out) * norm(scene->y, n_out));
    return OPU_OK;
}

static int measure_semigroup(struct opu_acceptance *acceptance, struct scene *scene, bool narrow,
                             double *value)
{
    double const first = scene->critical_m * opu_accept_draw(acceptance, 0.1, 0.5);
    double const second = scene->critical_m * opu_accept_draw(acceptance, 0.1, 0.5);
    size_t const count = scene->setup.n * scene->setup.n;
    struct opu_step const twice[] = {{.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_SPACE, .distance_m = first},
                                     {.kind = OPU_STEP_INVERSE},
                                     {.kind = OPU_STEP_FORWARD},
                                     {.kind = OPU_STEP_SPACE, .distance_m = second},
                                     {.kind = OPU_STEP_INVERSE}};
    struct opu_step const once[] = {{.kind = OPU_STEP_FORWARD},
                                    {.kind = OPU_STEP_SPACE, .distance_m = first + second},
                                    {.kind = OPU_STEP_INVERSE}};
    OPU_TRY(run(scene, twice, 6, narrow, scene->x, scene->one));
    OPU_TRY(run(scene, once, 3, narrow, scene->x, scene->two));
    *value = difference(scene->one, scene->two, count);
    return OPU_OK;
}

static const struct {
    const char *test, *name, *formula;
    measure_fn measure;
} tests[] = {
    {"A1", "no distance, no change",
     "H(0) = 1; largest |E' - E| / rms (angular spectrum: Goodman, Fourier Optics, 3.10)",
     measure_identity},
    {"A2", "forth and back",
     "H(-z) H(z) = 1, z < n p^2 / lambda; largest |E' - E| / rms (Goodman, Fourier Optics, 3.10.2)",
     measure_return},
    {"A3", "energy",
     "| |Hx|^2 / |x|^2 - 1 |, pitch >= lambda / sqrt2: |H| = 1, Parseval (Goodman, Fourier Optics, "
     "2.1.3, 3.10.2)",
     measure_energy},
    {"A4", "adjoint",
     "|<Hx,y> - <x,H*y>| / rms <Hx,y>, all steps, drawn windows (definition of the adjoint; "
     "sim/wave/chain.h)",
     measure_adjoint},
    {"A13", "two distances are their sum",
     "H(z1) H(z2) = H(z1 + z2); largest difference / rms (Goodman, Fourier Optics, 3.10.2)",
     measure_semigroup},
};

static int accept_case(struct opu_acceptance *acceptance, size_t k, bool narrow)
{
    struct scene scene;
    double value = (double)NAN;
    char name[80];
    OPU_TRY(draw_scene(acceptance, &scene));
    snprintf(name, sizeof(name), "%s, %s", tests[k].name, narrow ? "float" : "double");
    int status = tests[k].measure(acceptance, &scene, narrow, &value);
    if (status == OPU_OK) {
        status = opu_accept(acceptance, (struct opu_check_row){.test = tests[k].test,
                                                               .name = name,
                                                               .formula = tests[k].formula,
                                                               .drawn = scene.drawn,
                                                               .value = value,
                                                               .unit = "",
                                                               .low = 0.0,
                                                               .high = narrow ? BAR_F32 : BAR_F64});
    }
    free_scene(&scene);
    return status;
}

int opu_accept_propagation(struct opu_acceptance *acceptance)
{
    opu_accept_begin(acceptance, "propagation");
    for (size_t k = 0; k < sizeof(tests) / sizeof(*tests); ++k) {
        for (int narrow = 0; narrow < 2; ++narrow) {
            for (int i = 0; i < CASES; ++i) {
                int const status = accept_case(acceptance, k, narrow == 1);
                if (status != 0) {
                    return status;
                }
            }
        }
    }
    return opu_accept_diffraction(acceptance);
}
