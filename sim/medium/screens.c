/* SPDX-License-Identifier: MIT */
/* Phase screens, still and drifting. Formulas: sim/medium/screens.h. */
#include "sim/medium/screens.h"

#include "core/base/cpu.h"
#include "core/base/dmath.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/medium/screens_kernels.h"
#include "sim/wave/chain.h"

#include <math.h>
#include <string.h>

#define TURN 65536.0
#define PI 3.14159265358979323846

struct kernels {
    void (*normals)(uint64_t seed, const struct opu_drift_mix *mix, uint32_t screen, uint32_t first,
                    float z[restrict 4][OPU_SCREEN_DRAWS]);
    void (*words)(uint64_t seed, uint32_t screen, uint32_t first, uint16_t *restrict phase);
};

struct opu_screens {
    struct opu_screens_setup setup;
    struct kernels kernels;
    size_t points;    /* n x n */
    uint64_t step;    /* drift step they stand at */
    uint16_t *phases; /* [count][n][n] */

    /* correlated screens; noise and field are let go of where nothing drifts */
    double *filter; /* [n] exp(-k^2 lc^2 / 8) of one axis */
    double scale;   /* turns of 1/65536 for unit noise */
    double *noise;  /* [n][n][2] over frequencies */
    double *field;  /* [n][n][2] over points */
    struct opu_chain_f64 *transform;
    size_t transform_bytes;
};

static struct kernels kernels_of(enum opu_isa isa)
{
#if defined(__x86_64__)
    static const struct kernels table[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = {opu_screen_normals_base, opu_screen_words_base},
        [OPU_ISA_AVX2] = {opu_screen_normals_avx2, opu_screen_words_avx2},
        [OPU_ISA_AVX512] = {opu_screen_normals_avx512, opu_screen_words_avx512},
    };
    return table[isa];
#else
    (void)isa;
    return (struct kernels){opu_screen_normals_base, opu_screen_words_base};
#endif
}

/* The filter of one axis, and the scale that theory gives: the axes factorise. */
static void make_filter(struct opu_screens *screens)
{
    const struct opu_screens_setup *const setup = &screens->setup;
    double const width_m = (double)setup->n * setup->pitch_m;
    double sum = 0.0;
    for (size_t q = 0; q < setup->n; ++q) {
        double const index = q < setup->n / 2 ? (double)q : (double)q - (double)setup->n;
        double const k_lc = 2.0 * PI * index * setup->correlation_m / width_m;
        screens->filter[q] = opu_exp(-fmin(k_lc * k_lc / 8.0, 690.0)); /* below, nothing is left */
        sum += screens->filter[q] * screens->filter[q];
    }
    double const mean = sum / (double)setup->n;
    screens->scale = sqrt(setup->variance) / mean * TURN / (2.0 * PI);
}

static uint16_t to_turn(double phase)
{
    return (uint16_t)(int64_t)rint(phase);
}

/* White noise over the frequencies, mixed over the drift's nodes, times the filter. */
static void draw_noise(struct opu_screens *screens, const struct opu_drift_mix *mix, size_t pair)
{
    size_t const n = screens->setup.n;
    ptrdiff_t const blocks = (ptrdiff_t)(screens->points / (2 * OPU_SCREEN_DRAWS));
#pragma omp parallel for schedule(static)
    for (ptrdiff_t block = 0; block < blocks; ++block) {
        float z[4][OPU_SCREEN_DRAWS];
        size_t const first = (size_t)block * OPU_SCREEN_DRAWS;
        screens->kernels.normals(screens->setup.seed, mix, (uint32_t)pair, (uint32_t)first, z);
        for (size_t i = 0; i < 2 * OPU_SCREEN_DRAWS; ++i) {
            size_t const point = 2 * first + i;
            double const factor = screens->filter[point % n] * screens->filter[point / n];
            screens->noise[2 * point] = factor * (double)z[2 * (i % 2)][i / 2];
            screens->noise[2 * point + 1] = factor * (double)z[2 * (i % 2) + 1][i / 2];
        }
    }
}

/* Real parts make the pair's first screen, imaginary parts its second. */
static void keep_pair(struct opu_screens *screens, size_t pair)
{
    uint16_t *const first = screens->phases + 2 * pair * screens->points;
    bool const both = 2 * pair + 1 < screens->setup.count;
    ptrdiff_t const points = (ptrdiff_t)screens->points;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < points; ++i) {
        first[i] = to_turn(screens->scale * screens->field[2 * i]);
        if (both) {
            first[points + i] = to_turn(screens->scale * screens->field[2 * i + 1]);
        }
    }
}

static void draw_correlated(struct opu_screens *screens, uint64_t step)
{
    struct opu_drift_mix mix;
    opu_drift_mix_slow(&mix, step, screens->setup.slowness);
    for (size_t pair = 0; 2 * pair < screens->setup.count; ++pair) {
        draw_noise(screens, &mix, pair);
        opu_chain_apply_f64(screens->transform, screens->noise, 1, screens->field);
        keep_pair(screens, pair);
    }
}

/* What a process has moved since step 0: the mix less the node of step 0. */
static struct opu_drift_mix mix_since_start(uint64_t step, double slowness)
{
    struct opu_drift_mix mix;
    opu_drift_mix_slow(&mix, step, slowness);
    size_t k = 0;
    while (k < mix.n && mix.node[k] != 0) {
        ++k;
    }
    if (k == mix.n) {
        mix.node[mix.n++] = 0;
    }
    mix.weight[k] -= 1.0;
    return mix;
}

static void add_drift(const struct opu_screens *screens, const struct opu_drift_mix *mix,
                      size_t screen, size_t first_point)
{
    float z[4][OPU_SCREEN_DRAWS];
    double const scale = sqrt(screens->setup.variance) * TURN / (2.0 * PI);
    uint16_t *const phase = screens->phases + screen * screens->points + first_point;
    screens->kernels.normals(screens->setup.seed, mix, (uint32_t)screen,
                             (uint32_t)(first_point / 4), z);
    for (size_t i = 0; i < 4 * OPU_SCREEN_DRAWS; ++i) {
        phase[i] = (uint16_t)(phase[i] + to_turn(scale * (double)z[i % 4][i / 4]));
    }
}

static void draw_white(struct opu_screens *screens, uint64_t step)
{
    struct opu_drift_mix const mix = mix_since_start(step, screens->setup.slowness);
    size_t const per_block = 8 * OPU_SCREEN_DRAWS;
    ptrdiff_t const blocks = (ptrdiff_t)(screens->points / per_block);
    for (size_t screen = 0; screen < screens->setup.count; ++screen) {
        uint16_t *const phase = screens->phases + screen * screens->points;
#pragma omp parallel for schedule(static)
        for (ptrdiff_t block = 0; block < blocks; ++block) {
            size_t const first = (size_t)block * per_block;
            screens->kernels.words(screens->setup.seed, (uint32_t)screen, (uint32_t)(first / 8),
                                   phase + first);
            if (step != 0 && screen >= screens->setup.still) {
                add_drift(screens, &mix, screen, first);
                add_drift(screens, &mix, screen, first + per_block / 2);
            }
        }
    }
}

static void draw(struct opu_screens *screens, uint64_t step)
{
    if (screens->setup.correlation_m > 0.0) {
        draw_correlated(screens, step);
    } else {
        draw_white(screens, step);
    }
    screens->step = step;
}

static int prepare_transform(struct opu_screens *screens)
{
    struct opu_context *const context = screens->setup.context;
    size_t const n = screens->setup.n;
    struct opu_step const step = {.kind = OPU_STEP_INVERSE};
    struct opu_chain_setup const chain = {.context = context,
                                          .n = n,
                                          .pitch_m = screens->setup.pitch_m,
                                          .wavelength_m = screens->setup.pitch_m,
                                          .steps = &step,
                                          .n_steps = 1,
                                          .in = {.width = n, .height = n},
                                          .out = {.width = n, .height = n},
                                          .batch = 1};
    screens->filter = opu_calloc(context, n, sizeof(*screens->filter));
    screens->noise = opu_calloc(context, screens->points, 2 * sizeof(*screens->noise));
    screens->field = opu_calloc(context, screens->points, 2 * sizeof(*screens->field));
    if (screens->filter == NULL || screens->noise == NULL || screens->field == NULL) {
        return OPU_E_NO_MEMORY;
    }
    OPU_TRY(opu_chain_create_f64(&screens->transform, &chain, &screens->transform_bytes));
    make_filter(screens);
    return OPU_OK;
}

static void release_transform(struct opu_screens *screens)
{
    opu_chain_destroy_f64(screens->transform);
    opu_context_free(screens->setup.context, screens->field);
    opu_context_free(screens->setup.context, screens->noise);
    opu_context_free(screens->setup.context, screens->filter);
    screens->transform = NULL;
    screens->field = NULL;
    screens->noise = NULL;
    screens->filter = NULL;
}

static int prepare(struct opu_screens *screens)
{
    const struct opu_screens_setup *const setup = &screens->setup;
    screens->phases = opu_calloc(setup->context, setup->count * screens->points, sizeof(uint16_t));
    if (screens->phases == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (setup->correlation_m > 0.0) {
        OPU_TRY(prepare_transform(screens));
    }
    draw(screens, 0);
    if (!setup->drifts) {
        release_transform(screens);
    }
    return OPU_OK;
}

int opu_screens_create(struct opu_screens **out, const struct opu_screens_setup *setup)
{
    *out = NULL;
    struct opu_screens *const screens = opu_calloc(setup->context, 1, sizeof(*screens));
    if (screens == NULL) {
        return OPU_E_NO_MEMORY;
    }
    screens->setup = *setup;
    screens->kernels = kernels_of(opu_isa_best());
    screens->points = setup->n * setup->n;
    int const status = prepare(screens);
    if (status != OPU_OK) {
        opu_screens_destroy(screens);
        return status;
    }
    *out = screens;
    return OPU_OK;
}

void opu_screens_destroy(struct opu_screens *screens)
{
    if (screens == NULL) {
        return;
    }
    release_transform(screens);
    opu_context_free(screens->setup.context, screens->phases);
    opu_context_free(screens->setup.context, screens);
}

const uint16_t *opu_screens_phase(const struct opu_screens *screens, size_t screen)
{
    return screens->phases + screen * screens->points;
}

void opu_screens_move(struct opu_screens *screens, uint64_t step)
{
    if (screens->step != step && screens->setup.drifts) {
        draw(screens, step);
    }
}

size_t opu_screens_bytes(const struct opu_screens *screens)
{
    size_t const phases = screens->setup.count * screens->points * sizeof(uint16_t);
    size_t const room = screens->noise == NULL ? 0
                                               : 4 * screens->points * sizeof(*screens->noise) +
                                                     screens->transform_bytes;
    return sizeof(*screens) + phases + room;
}
