/* SPDX-License-Identifier: MIT */
/*
 * The cascade: K diffusers, each in the Fourier plane of the one before,
 *
 *   H = sqrt(N) . crop . (F D_K) ... (F D_1) . embed
 *
 * D_k uniform random phases on all N points of the grid, F the unitary transform of a lens. Three
 * give entries that pass for independent circular Gaussian; with one, H is a piece of a Fourier
 * matrix (infinite memory effect), with two it still shows. Each costs one transform.
 *
 * Drift: to the phases of each mask but the first is added what an Ornstein-Uhlenbeck process of
 * variance b / (K - 1) and correlation time b tau has moved (the first lies in the plane of the
 * inputs, where it would only turn the phase of each; a single one drifts itself), so that
 *
 *   <H(t + dt) H*(t)> = exp(-b (1 - exp(-dt / (b tau)))) = exp(-dt / tau + dt^2 / (2 b tau^2) - ..)
 *
 * which for b = 256 is above exp(-dt / tau) by at most 2 / b = 0.8 % up to dt = 2 tau.
 */
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "sim/medium/medium_cascade.h"
#include "sim/medium/medium_grid.h"
#include "sim/sim_options.h"

static int build(struct opu_grid_medium *medium, const struct opu_medium_setup *setup)
{
    const struct opu_sim_options *const options = setup->options;
    size_t const masks = (size_t)options->masks;
    size_t const still = masks > 1 ? 1 : 0;
    struct opu_screens_setup const screens = {.context = setup->context,
                                              .n = medium->fit.n,
                                              .count = masks,
                                              .pitch_m = medium->pitch_m,
                                              .variance =
                                                  OPU_CASCADE_VARIANCE / (double)(masks - still),
                                              .seed = setup->seed,
                                              .drifts = options->tau_s > 0.0,
                                              .still = still,
                                              .slowness = OPU_CASCADE_VARIANCE};
    OPU_TRY(opu_screens_create(&medium->screens, &screens));
    for (size_t k = 0; k < masks; ++k) {
        const uint16_t *const phase = opu_screens_phase(medium->screens, k);
        medium->steps[2 * k] = (struct opu_step){.kind = OPU_STEP_PHASE, .phase = phase};
        medium->steps[2 * k + 1] = (struct opu_step){.kind = OPU_STEP_FORWARD};
    }
    medium->n_steps = 2 * masks;
    return opu_grid_medium_plan(medium);
}

static int create(struct opu_medium **out, const struct opu_medium_setup *setup)
{
    *out = NULL;
    size_t const masks = (size_t)setup->options->masks;
    struct opu_grid_medium *medium;
    OPU_TRY(opu_grid_medium_create(&medium, &opu_medium_cascade, setup, 2 * masks));
    medium->wavelength_m = 1e-9 * setup->options->wavelength_nm;
    medium->pitch_m = medium->wavelength_m; /* lenses of any focal length: it moves nothing */
    medium->base.transforms = masks;
    medium->base.bytes = medium->fit.n * medium->fit.n * (2 * masks + 16);
    int const status = build(medium, setup);
    if (status != OPU_OK) {
        opu_grid_medium_destroy(&medium->base);
        return status;
    }
    *out = &medium->base;
    return OPU_OK;
}

static uint64_t hash(uint64_t start, const struct opu_sim_options *options)
{
    uint64_t const numbers[] = {options->masks, options->grid};
    uint64_t result = start;
    for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); ++k) {
        uint8_t bytes[8];
        for (size_t b = 0; b < sizeof(bytes); ++b) {
            bytes[b] = (uint8_t)(numbers[k] >> (8 * b));
        }
        result = opu_hash64(result, bytes, sizeof(bytes));
    }
    return result;
}

const struct opu_medium_ops opu_medium_cascade = {
    .name = "cascade",
    .create = create,
    .destroy = opu_grid_medium_destroy,
    .hash = hash,
    .move = opu_grid_medium_move,
    .apply = opu_grid_medium_apply,
    .adjoint = opu_grid_medium_adjoint,
};
