/* SPDX-License-Identifier: MIT */
/* The slab: phase screens with free space between them. Formulas: sim/medium/medium_slab.h. */
#include "sim/medium/medium_slab.h"

#include "core/base/dmath.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "sim/medium/medium_grid.h"
#include "sim/medium/medium_presets.h"
#include "sim/sim_options.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define PITCH 0.75 /* wavelengths */
/* Few strong screens scatter like many weak ones, with fewer transforms: 8 mean free paths each. */
#define PATHS_PER_SCREEN 8.0
#define MIN_SCREENS 4
#define MAX_PIECES 16 /* of the space between two screens */
#define RIM 0.1       /* of the width, on each side */

void opu_slab_derive(struct opu_slab *slab)
{
    double const k = 2.0 * PI / slab->wavelength_m;
    slab->optical_thickness = slab->thickness_m / slab->mean_free_path_m;
    slab->spacing_m = slab->thickness_m / (double)slab->screens;
    slab->variance = slab->optical_thickness / (double)slab->screens;
    slab->correlation_m = sqrt(2.0 / (1.0 - slab->anisotropy)) / k;
    slab->pitch_m = PITCH * slab->wavelength_m;
}

static size_t default_screens(double optical_thickness)
{
    double const wanted = ceil(optical_thickness / PATHS_PER_SCREEN);
    double const most = OPU_SCREENS_MAX;
    return (size_t)fmin(fmax(wanted, MIN_SCREENS), most);
}

int opu_slab_from_options(struct opu_slab *slab, const struct opu_sim_options *options)
{
    const struct opu_medium_preset *const preset = &opu_medium_presets[options->medium];
    double const thickness_um =
        options->thickness_um > 0.0 ? options->thickness_um : preset->thickness_um;
    double const path_um =
        options->mean_free_path_um > 0.0 ? options->mean_free_path_um : preset->mean_free_path_um;
    double const index = options->index > 0.0 ? options->index : preset->index;
    bool const own_g = options->anisotropy != -1.0;
    *slab = (struct opu_slab){.thickness_m = 1e-6 * thickness_um,
                              .mean_free_path_m = 1e-6 * path_um,
                              .anisotropy = own_g ? options->anisotropy : preset->anisotropy,
                              .wavelength_m = 1e-9 * options->wavelength_nm / index,
                              .thin = preset->thin};
    double const paths = thickness_um / path_um;
    if (paths > OPU_DRIFT_MAX_SLOWNESS) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: thickness=%g um is %.0f mean free paths, wanted at most %.0f",
                        preset->name, thickness_um, paths, OPU_DRIFT_MAX_SLOWNESS);
    }
    if (index < 1.0) {
        return opu_fail(OPU_E_INVALID, "sim: %s: index=%g, wanted at least 1 (0: the preset's)",
                        preset->name, index);
    }
    if (slab->anisotropy < 0.0) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: anisotropy=%g, wanted 0 to 0.999: screens only scatter forward",
                        preset->name, slab->anisotropy);
    }
    size_t const screens = options->screens > 0 ? (size_t)options->screens : preset->screens;
    slab->screens = screens > 0 ? screens : default_screens(paths);
    opu_slab_derive(slab);
    return OPU_OK;
}

size_t opu_slab_pieces(const struct opu_slab *slab, size_t n)
{
    double const reach_m = 0.999 * (double)n * slab->pitch_m * slab->pitch_m / slab->wavelength_m;
    return (size_t)fmax(1.0, ceil(slab->spacing_m / reach_m));
}

size_t opu_slab_steps(const struct opu_slab *slab, const struct opu_screens *screens, size_t grid,
                      const double *taper, struct opu_step *steps)
{
    size_t n = 0;
    size_t const pieces = opu_slab_pieces(slab, grid);
    double const distance_m = slab->spacing_m / (double)pieces;
    steps[n++] = (struct opu_step){.kind = OPU_STEP_FORWARD};
    for (size_t s = 0; s < slab->screens; ++s) {
        if (s > 0) {
            steps[n++] = (struct opu_step){.kind = OPU_STEP_FORWARD};
            for (size_t piece = 0; piece < pieces; ++piece) {
                steps[n++] = (struct opu_step){.kind = OPU_STEP_SPACE, .distance_m = distance_m};
            }
            steps[n++] = (struct opu_step){.kind = OPU_STEP_INVERSE};
        }
        steps[n++] =
            (struct opu_step){.kind = OPU_STEP_PHASE, .phase = opu_screens_phase(screens, s)};
        if (taper != NULL) {
            steps[n++] = (struct opu_step){.kind = OPU_STEP_TAPER, .taper = taper};
        }
    }
    steps[n++] = (struct opu_step){.kind = OPU_STEP_FORWARD};
    return n;
}

/* Mean over the frequencies q of inputs and outputs of exp(2 pi i q r / n), on one axis. The
 * windows lie around 0 up to half a step, whose phase is left out: it moves the mean by less than
 * what one step of the grid does. */
static double window_mean(size_t in, size_t out, ptrdiff_t r, size_t n)
{
    if (r == 0) {
        return 1.0;
    }
    double const x = PI * (double)r / (double)n;
    double s, s_in, s_out, cosine;
    opu_sincos(x, &s, &cosine);
    opu_sincos((double)in * x, &s_in, &cosine);
    opu_sincos((double)out * x, &s_out, &cosine);
    return s_in / ((double)in * s) * s_out / ((double)out * s);
}

/*
 * The mean of |entry|^2 at frequencies q_in, q_out is the Fourier transform of the coherence that K
 * screens leave at a distance r, exp(-(L / ls)(1 - exp(-r^2 / lc^2))); so its mean over windows is
 * the coherence summed with their sums over q. Far away the coherence is that of ballistic light.
 */
double opu_slab_mean_intensity(const struct opu_slab *slab, size_t n, struct opu_window in,
                               struct opu_window out)
{
    double const b = slab->optical_thickness;
    double const ballistic = opu_exp(-b);
    double const points = slab->correlation_m / slab->pitch_m;
    ptrdiff_t const half = (ptrdiff_t)(n / 2);
    ptrdiff_t const radius = 6.5 * points < (double)half ? (ptrdiff_t)(6.5 * points) : half;
    double all_x = 0.0;
    double all_y = 0.0;
    double near = 0.0;
    for (ptrdiff_t y = -half; y < half; ++y) {
        all_x += window_mean(in.width, out.width, y, n);
        all_y += window_mean(in.height, out.height, y, n);
    }
    for (ptrdiff_t y = -radius; y < half && y <= radius; ++y) {
        double const wy = window_mean(in.height, out.height, y, n);
        for (ptrdiff_t x = -radius; x < half && x <= radius; ++x) {
            double const r2 = (double)(x * x + y * y) / (points * points);
            double const kept = opu_exp(-b * (1.0 - opu_exp(-r2))) - ballistic;
            near += kept * wy * window_mean(in.width, out.width, x, n);
        }
    }
    return (near + ballistic * all_x * all_y) / ((double)n * (double)n);
}

static int check_thickness(const struct opu_slab *slab, const struct opu_medium_setup *setup,
                           const char *name)
{
    double const wanted = log((double)setup->n_inputs) + 4.0;
    if (!slab->thin && slab->optical_thickness < wanted) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: %.1f mean free paths are too thin for %zu inputs, light that is "
                        "not scattered would outshine the speckle: wanted at least ln(n_in) + 4 = "
                        "%.1f",
                        name, slab->optical_thickness, setup->n_inputs, wanted);
    }
    double const transport = slab->optical_thickness * (1.0 - slab->anisotropy);
    if (transport > 3.05) {
        opu_context_log(setup->context, OPU_LOG_WARNING, "sim",
                        "%s: %.1f transport mean free paths: beyond 3 much light would turn back, "
                        "which screens can't show; statistics of the rest are right",
                        name, transport);
    }
    if (slab->screens > 1 && slab->spacing_m < slab->correlation_m) {
        opu_context_log(setup->context, OPU_LOG_WARNING, "sim",
                        "%s: %zu screens lie %.3g um apart, closer than lc = %.3g um, over which "
                        "the medium itself is alike: they are drawn as independent none the less",
                        name, slab->screens, 1e6 * slab->spacing_m, 1e6 * slab->correlation_m);
    }
    return OPU_OK;
}

static int check_spacing(const struct opu_slab *slab, size_t n, const char *name)
{
    if (slab->screens > 1 && opu_slab_pieces(slab, n) > MAX_PIECES) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: %zu screens lie %.3g um apart, too far for grid=%zu: wanted at "
                        "most %.3g um",
                        name, slab->screens, 1e6 * slab->spacing_m, n,
                        1e6 * MAX_PIECES * 0.999 * (double)n * PITCH * slab->pitch_m);
    }
    return OPU_OK;
}

/* 1 inside, cos^2 in the rim; index 0 is the axis. */
static double *make_taper(struct opu_context *context, size_t n)
{
    double *const taper = opu_calloc(context, n, sizeof(*taper));
    for (size_t i = 0; taper != NULL && i < n; ++i) {
        double const r = fabs(i < n / 2 ? (double)i : (double)i - (double)n) / (double)n;
        double const depth = r <= 0.5 - RIM ? 0.0 : (r - (0.5 - RIM)) / RIM;
        double sine, cosine;
        opu_sincos(0.5 * PI * depth, &sine, &cosine);
        taper[i] = cosine * cosine;
    }
    return taper;
}

static int build(struct opu_grid_medium *medium, const struct opu_slab *slab,
                 const struct opu_medium_setup *setup)
{
    const struct opu_sim_options *const options = setup->options;
    struct opu_screens_setup const screens = {.context = setup->context,
                                              .n = medium->fit.n,
                                              .count = slab->screens,
                                              .pitch_m = slab->pitch_m,
                                              .correlation_m = slab->correlation_m,
                                              .variance = slab->variance,
                                              .seed = setup->seed,
                                              .drifts = options->tau_s > 0.0,
                                              .slowness = slab->optical_thickness};
    OPU_TRY(opu_screens_create(&medium->screens, &screens));
    if (options->boundary == OPU_SIM_ABSORBING) {
        medium->taper = make_taper(setup->context, medium->fit.n);
        if (medium->taper == NULL) {
            return OPU_E_NO_MEMORY;
        }
    }
    medium->n_steps =
        opu_slab_steps(slab, medium->screens, medium->fit.n, medium->taper, medium->steps);
    return opu_grid_medium_plan(medium);
}

static int create(struct opu_medium **out, const struct opu_medium_setup *setup)
{
    *out = NULL;
    const char *const name = opu_medium_presets[setup->options->medium].name;
    struct opu_slab slab;
    OPU_TRY(opu_slab_from_options(&slab, setup->options));
    OPU_TRY(check_thickness(&slab, setup, name));
    struct opu_grid_medium *medium;
    OPU_TRY(opu_grid_medium_create(&medium, &opu_medium_slab, setup,
                                   OPU_SLAB_MAX_STEPS(slab.screens, MAX_PIECES)));
    size_t const n = medium->fit.n;
    medium->pitch_m = slab.pitch_m;
    medium->wavelength_m = slab.wavelength_m;
    medium->scale = 1.0 / sqrt(opu_slab_mean_intensity(&slab, n, medium->fit.in, medium->fit.out));
    medium->base.transforms = 2 * slab.screens;
    medium->base.bytes = n * n * (2 * slab.screens + 16);
    int status = check_spacing(&slab, n, name);
    if (status == OPU_OK) {
        status = build(medium, &slab, setup);
    }
    if (status != OPU_OK) {
        opu_grid_medium_destroy(&medium->base);
        return status;
    }
    *out = &medium->base;
    return OPU_OK;
}

static uint64_t hash_word(uint64_t hash, const void *word)
{
    uint8_t bytes[8];
    uint64_t value;
    memcpy(&value, word, sizeof(value));
    for (size_t k = 0; k < sizeof(bytes); ++k) {
        bytes[k] = (uint8_t)(value >> (8 * k));
    }
    return opu_hash64(hash, bytes, sizeof(bytes));
}

/* The slab that results, however it was asked for. Drift is left out: the identity is that of the
 * matrix at time 0. */
static uint64_t hash(uint64_t start, const struct opu_sim_options *options)
{
    struct opu_slab slab;
    if (opu_slab_from_options(&slab, options) != OPU_OK) {
        return start; /* no such slab can be created */
    }
    double const numbers[] = {slab.thickness_m,
                              slab.mean_free_path_m,
                              slab.anisotropy,
                              slab.wavelength_m,
                              (double)slab.screens,
                              (double)options->grid,
                              (double)(options->boundary == OPU_SIM_ABSORBING)};
    uint64_t result = start;
    for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); ++k) {
        result = hash_word(result, &numbers[k]);
    }
    return result;
}

const struct opu_medium_ops opu_medium_slab = {
    .name = "slab",
    .create = create,
    .destroy = opu_grid_medium_destroy,
    .hash = hash,
    .move = opu_grid_medium_move,
    .apply = opu_grid_medium_apply,
    .adjoint = opu_grid_medium_adjoint,
};
