/* SPDX-License-Identifier: MIT */
/* Slabs for tests of single formulas. */
#include "sim/acceptance/thin_slab.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#define PI 3.14159265358979323846

struct opu_slab opu_thin_slab_of(size_t screens, double variance, double correlation,
                                 double spacing)
{
    double const k_lc = 2.0 * PI * correlation;
    struct opu_slab slab = {.screens = screens,
                            .wavelength_m = 1.0,
                            .thickness_m = spacing * (double)screens,
                            .mean_free_path_m = spacing / variance,
                            .anisotropy = 1.0 - 2.0 / (k_lc * k_lc),
                            .thin = true};
    opu_slab_derive(&slab);
    return slab;
}

int opu_thin_slab_init(struct opu_thin_slab *thin, struct opu_context *context, size_t n,
                       size_t inputs, struct opu_slab slab)
{
    size_t const max_steps = OPU_SLAB_MAX_STEPS(slab.screens, opu_slab_pieces(&slab, n));
    *thin = (struct opu_thin_slab){.n = n, .inputs = inputs, .slab = slab, .context = context};
    thin->steps = opu_calloc(context, max_steps, sizeof(*thin->steps));
    thin->in = opu_calloc(context, inputs * inputs, 2 * sizeof(*thin->in));
    thin->out = opu_calloc(context, inputs * n * n, 2 * sizeof(*thin->out));
    if (thin->steps == NULL || thin->in == NULL || thin->out == NULL) {
        opu_thin_slab_fini(thin);
        return OPU_E_NO_MEMORY;
    }
    for (size_t j = 0; j < inputs; ++j) {
        thin->in[(j * inputs + j) * 2] = 1.0f;
    }
    return OPU_OK;
}

static void let_go(struct opu_thin_slab *thin)
{
    opu_chain_destroy_f32(thin->chain);
    opu_screens_destroy(thin->screens);
    thin->chain = NULL;
    thin->screens = NULL;
}

void opu_thin_slab_fini(struct opu_thin_slab *thin)
{
    let_go(thin);
    opu_context_free(thin->context, thin->out);
    opu_context_free(thin->context, thin->in);
    opu_context_free(thin->context, thin->steps);
}

int opu_thin_slab_run(struct opu_thin_slab *thin, uint64_t seed)
{
    const struct opu_slab *const slab = &thin->slab;
    struct opu_screens_setup const screens = {.context = thin->context,
                                              .n = thin->n,
                                              .count = slab->screens,
                                              .pitch_m = slab->pitch_m,
                                              .correlation_m = slab->correlation_m,
                                              .variance = slab->variance,
                                              .seed = seed,
                                              .slowness = 1.0};
    let_go(thin);
    OPU_TRY(opu_screens_create(&thin->screens, &screens));
    struct opu_chain_setup const chain = {
        .context = thin->context,
        .n = thin->n,
        .pitch_m = slab->pitch_m,
        .wavelength_m = slab->wavelength_m,
        .steps = thin->steps,
        .n_steps = opu_slab_steps(slab, thin->screens, thin->n, NULL, thin->steps),
        .in = {.width = thin->inputs, .height = 1},
        .out = {.width = thin->n, .height = thin->n},
        .batch = thin->inputs};
    OPU_TRY(opu_chain_create_f32(&thin->chain, &chain, NULL));
    opu_chain_apply_f32(thin->chain, thin->in, thin->inputs, thin->out);
    return OPU_OK;
}
