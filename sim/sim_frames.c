/* SPDX-License-Identifier: MIT */
/*
 * Frames through the bench. The batch falls into segments of equal drift step and, within them,
 * runs of equal pattern. A task is one camera tile of 256 pixels and a group of runs: it sums the
 * columns of its patterns into scratch that stays in cache, and exposes all their frames;
 * intensities never reach memory. Nothing depends on which thread takes which task.
 */
#include "sim/sim_device.h"

#include "core/base/fail.h"
#include "sim/laser.h"

#include <math.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static size_t thread_number(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

/* Frames [start[r], start[r + 1]) show one pattern. */
struct runs {
    const uint32_t *start;
    size_t n;
};

/* Fields in sqrt(electrons): S by sqrt(flux t), R by sqrt(t), both by the laser's power. */
static struct opu_light light_of(const struct opu_sim *sim, const struct opu_frame_batch *batch,
                                 size_t frame)
{
    size_t const exposure = batch->exposure != NULL ? batch->exposure[frame] : 0;
    double const dose_us = sim->exposures_us[exposure] * sim->power[frame];
    struct opu_sim_reference arm = {0.0, 0.0};
    if (sim->n_references > 0) {
        double const time_s = (double)batch->number[frame] / sim->options.rate_hz;
        arm = opu_sim_reference_turn(
            sim->references[batch->reference != NULL ? batch->reference[frame] : 0],
            opu_sim_reference_phase(&sim->options, time_s));
    }
    return (struct opu_light){
        .scale = (float)(sqrt(sim->options.flux * dose_us)),
        .scale_y = (float)(sqrt(sim->crossed * sim->options.flux * dose_us)),
        .reference_re = (float)(arm.re * sqrt(dose_us)),
        .reference_im = (float)(arm.im * sqrt(dose_us)),
        .dark_e = (float)(sim->exposures_us[exposure] * sim->camera.dark_e_per_us),
    };
}

/* The light of every frame of a batch. */
static void light_up(struct opu_sim *sim, const struct opu_frame_batch *batch)
{
    struct opu_laser const laser = {.seed = sim->options.seed,
                                    .rin = sim->options.rin,
                                    .drift = sim->options.power_drift,
                                    .drift_tau_s = sim->options.power_drift_tau_s,
                                    .rate_hz = sim->options.rate_hz};
    opu_laser_powers(&laser, batch->number, batch->n_frames, sim->power);
    for (size_t f = 0; f < batch->n_frames; ++f) {
        sim->lights[f] = light_of(sim, batch, f);
    }
}

/* Exposes the frames of one run on one tile; `apart` lies between the fields of the polarisations.
 */
static void expose_run(const struct opu_sim *sim, const struct opu_frame_batch *batch,
                       const uint32_t run[2], size_t tile, const float *field, size_t apart)
{
    size_t const first = tile * OPU_TILE_PIXELS;
    size_t const left = sim->n_pixels - first;
    uint32_t const n = left < OPU_TILE_PIXELS ? (uint32_t)left : OPU_TILE_PIXELS;
    size_t const count_bytes = sim->camera.bits <= 8 ? 1 : 2;
    struct opu_exposure exposure = {.field = field,
                                    .crossed = sim->n_fields > 1 ? field + apart : NULL,
                                    .tile = (uint32_t)tile,
                                    .n = n};
    for (size_t f = run[0]; f < run[1]; ++f) {
        uint8_t *const counts =
            (uint8_t *)batch->counts + (f * sim->n_pixels + first) * count_bytes;
        exposure.frame = batch->number[f];
        uint32_t const saturated =
            sim->camera_tile(&sim->camera, &sim->lights[f], &exposure, counts);
        if (batch->saturated != NULL && saturated > 0) {
#pragma omp atomic
            batch->saturated[f] += saturated;
        }
    }
}

static void expose_tile(const struct opu_sim *sim, const struct opu_frame_batch *batch,
                        struct runs runs, size_t tile, float *scratch)
{
    size_t const apart = OPU_SIM_PATTERNS * OPU_TILE_FLOATS;
    struct opu_patterns const patterns = {batch->bits, runs.start, runs.n};
    for (size_t k = 0; k < sim->n_fields; ++k) {
        opu_fields_tile(&sim->fields[k], patterns, tile, scratch + k * apart, OPU_TILE_FLOATS);
    }
    for (size_t r = 0; r < runs.n; ++r) {
        expose_run(sim, batch, runs.start + r, tile, scratch + r * OPU_TILE_FLOATS, apart);
    }
}

/* Runs to a task: many, so that a block of the matrix serves them all, but enough tasks for all
 * threads. */
static size_t runs_per_task(size_t n_runs, size_t n_tiles, size_t n_threads)
{
    size_t const groups = (4 * n_threads + n_tiles - 1) / n_tiles;
    size_t const n = (n_runs + groups - 1) / groups;
    return n < OPU_SIM_PATTERNS ? n : OPU_SIM_PATTERNS;
}

static void expose_by_tile(struct opu_sim *sim, const struct opu_frame_batch *batch,
                           struct runs runs)
{
    size_t const n_tiles = (sim->n_pixels + OPU_TILE_PIXELS - 1) / OPU_TILE_PIXELS;
    size_t const per_task = runs_per_task(runs.n, n_tiles, sim->n_threads);
    size_t const n_groups = (runs.n + per_task - 1) / per_task;
    ptrdiff_t const n_tasks = (ptrdiff_t)(n_tiles * n_groups);
#pragma omp parallel for schedule(static) num_threads((int)sim->n_threads)
    for (ptrdiff_t task = 0; task < n_tasks; ++task) {
        size_t const first = (size_t)task % n_groups * per_task;
        size_t const left = runs.n - first;
        struct runs const group = {runs.start + first, left < per_task ? left : per_task};
        float *const scratch =
            sim->scratch + thread_number() * sim->n_fields * OPU_SIM_PATTERNS * OPU_TILE_FLOATS;
        expose_tile(sim, batch, group, (size_t)task / n_groups, scratch);
    }
}

/* Runs whose whole fields are in sim->whole. */
static void expose_whole(struct opu_sim *sim, const struct opu_frame_batch *batch, struct runs runs,
                         size_t apart)
{
    size_t const n_tiles = (sim->n_pixels + OPU_TILE_PIXELS - 1) / OPU_TILE_PIXELS;
    ptrdiff_t const n_tasks = (ptrdiff_t)(n_tiles * runs.n);
#pragma omp parallel for schedule(static) num_threads((int)sim->n_threads)
    for (ptrdiff_t task = 0; task < n_tasks; ++task) {
        size_t const r = (size_t)task / n_tiles;
        size_t const tile = (size_t)task % n_tiles;
        expose_run(sim, batch, runs.start + r, tile,
                   sim->whole + r * sim->field_floats + tile * OPU_TILE_FLOATS, apart);
    }
}

/* Fields by propagation of each pattern, a few at a time. */
static void expose_propagated(struct opu_sim *sim, const struct opu_frame_batch *batch,
                              struct runs runs)
{
    size_t const most = sim->fields[0].batch;
    for (size_t first = 0; first < runs.n; first += most) {
        size_t const n = runs.n - first < most ? runs.n - first : most;
        struct opu_patterns const patterns = {batch->bits, runs.start + first, n};
        for (size_t k = 0; k < sim->n_fields; ++k) {
            opu_fields_whole(&sim->fields[k], patterns, sim->whole + k * most * sim->field_floats,
                             sim->field_floats);
        }
        struct runs const group = {runs.start + first, n};
        expose_whole(sim, batch, group, most * sim->field_floats);
    }
}

static void expose_pictures(struct opu_sim *sim, const struct opu_frame_batch *batch,
                            struct runs runs)
{
    for (size_t r = 0; r < runs.n; ++r) {
        struct opu_patterns const pattern = {batch->bits, runs.start + r, 1};
        for (size_t k = 0; k < sim->n_fields; ++k) {
            opu_fields_whole(&sim->fields[k], pattern, sim->modes, OPU_BLOCK_FLOATS);
            opu_sim_region_field(sim->region, sim->modes, true, sim->whole + k * sim->field_floats);
        }
        struct runs const one = {runs.start + r, 1};
        expose_whole(sim, batch, one, sim->field_floats);
    }
}

static void expose(struct opu_sim *sim, const struct opu_frame_batch *batch, struct runs runs)
{
    if (sim->region != NULL) {
        expose_pictures(sim, batch, runs);
    } else if (opu_fields_by_tile(&sim->fields[0])) {
        expose_by_tile(sim, batch, runs);
    } else {
        expose_propagated(sim, batch, runs);
    }
}

static uint64_t step_of(const struct opu_sim *sim, uint64_t number)
{
    return opu_drift_step((double)number / sim->options.rate_hz, sim->options.tau_s);
}

int opu_sim_submit(void *device, struct opu_frame_batch *batch, uint64_t *job)
{
    struct opu_sim *const sim = device;
    if (batch->saturated != NULL) {
        memset(batch->saturated, 0, batch->n_frames * sizeof(*batch->saturated));
    }
    light_up(sim, batch);
    size_t first = 0;
    while (first < batch->n_frames) {
        uint64_t const step = step_of(sim, batch->number[first]);
        size_t end = first + 1;
        while (end < batch->n_frames && step_of(sim, batch->number[end]) == step) {
            ++end;
        }
        for (size_t k = 0; k < sim->n_fields; ++k) {
            opu_fields_move(&sim->fields[k], step);
        }
        struct runs const runs = {
            sim->runs, opu_dmd_runs(sim->runs, batch->bits, (sim->n_inputs + 7) / 8, first, end)};
        expose(sim, batch, runs);
        first = end;
    }
    for (size_t f = 0; f < batch->n_frames; ++f) {
        if (batch->time_s != NULL) {
            batch->time_s[f] = (double)batch->number[f] / sim->options.rate_hz;
        }
        if (batch->status != NULL) {
            batch->status[f] = OPU_FRAME_OK;
        }
    }
    *job = ++sim->job;
    return OPU_OK;
}

/* Blocks of 64 re, 64 im to pairs. */
static void interleave(const float *blocks, size_t n_pixels, float *field)
{
    for (size_t p = 0; p < n_pixels; ++p) {
        const float *const re = blocks + opu_block_offset(p);
        field[2 * p] = re[0];
        field[2 * p + 1] = re[OPU_BLOCK_PIXELS];
    }
}

int opu_sim_field(void *device, const float *inputs, size_t rows, float *field)
{
    struct opu_sim *const sim = device;
    opu_fields_move(&sim->fields[0], 0);
    for (size_t row = 0; row < rows; ++row) {
        opu_fields_of_weights(&sim->fields[0], inputs + row * sim->n_inputs, sim->modes);
        const float *blocks = sim->modes;
        if (sim->region != NULL) {
            opu_sim_region_field(sim->region, sim->modes, false, sim->whole);
            blocks = sim->whole;
        }
        interleave(blocks, sim->n_pixels, field + row * sim->n_pixels * 2);
    }
    return OPU_OK;
}
