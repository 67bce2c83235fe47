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
    double const power = opu_laser_power(sim->options.seed, sim->options.rin, batch->number[frame]);
    double const dose_us = sim->exposures_us[exposure] * power;
    struct opu_sim_reference arm = {0.0, 0.0};
    if (sim->n_references > 0) {
        arm = sim->references[batch->reference != NULL ? batch->reference[frame] : 0];
    }
    return (struct opu_light){
        .scale = (float)(sqrt(sim->options.flux * dose_us)),
        .reference_re = (float)(arm.re * sqrt(dose_us)),
        .reference_im = (float)(arm.im * sqrt(dose_us)),
    };
}

/* Exposes the frames of one run on one tile. */
static void expose_run(const struct opu_sim *sim, const struct opu_frame_batch *batch,
                       const uint32_t run[2], size_t tile, const float *field)
{
    size_t const first = tile * OPU_TILE_PIXELS;
    size_t const left = sim->n_pixels - first;
    uint32_t const n = left < OPU_TILE_PIXELS ? (uint32_t)left : OPU_TILE_PIXELS;
    size_t const count_bytes = sim->camera.bits == 8 ? 1 : 2;
    for (size_t f = run[0]; f < run[1]; ++f) {
        struct opu_light const light = light_of(sim, batch, f);
        uint8_t *const counts =
            (uint8_t *)batch->counts + (f * sim->n_pixels + first) * count_bytes;
        uint32_t const saturated = sim->camera_tile(&sim->camera, &light, field, (uint32_t)tile,
                                                    batch->number[f], n, counts);
        if (batch->saturated != NULL && saturated > 0) {
#pragma omp atomic
            batch->saturated[f] += saturated;
        }
    }
}

static void expose_tile(const struct opu_sim *sim, const struct opu_frame_batch *batch,
                        struct runs runs, size_t tile, float *scratch)
{
    struct opu_patterns const patterns = {batch->bits, runs.start, runs.n};
    for (size_t k = 0; k < 4 && tile * 4 + k < sim->matrix.n_blocks; ++k) {
        opu_sim_matrix_field(&sim->matrix, patterns, tile * 4 + k, scratch + k * OPU_BLOCK_FLOATS,
                             OPU_TILE_FLOATS);
    }
    for (size_t r = 0; r < runs.n; ++r) {
        expose_run(sim, batch, runs.start + r, tile, scratch + r * OPU_TILE_FLOATS);
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

static void expose_pixels(struct opu_sim *sim, const struct opu_frame_batch *batch,
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
        float *const scratch = sim->scratch + thread_number() * OPU_SIM_PATTERNS * OPU_TILE_FLOATS;
        expose_tile(sim, batch, group, (size_t)task / n_groups, scratch);
    }
}

static void expose_pictures(struct opu_sim *sim, const struct opu_frame_batch *batch,
                            struct runs runs)
{
    ptrdiff_t const n_blocks = (ptrdiff_t)sim->matrix.n_blocks;
    ptrdiff_t const n_tiles = (ptrdiff_t)((sim->n_pixels + OPU_TILE_PIXELS - 1) / OPU_TILE_PIXELS);
    for (size_t r = 0; r < runs.n; ++r) {
        struct opu_patterns const pattern = {batch->bits, runs.start + r, 1};
#pragma omp parallel for schedule(static) num_threads((int)sim->n_threads)
        for (ptrdiff_t block = 0; block < n_blocks; ++block) {
            opu_sim_matrix_field(&sim->matrix, pattern, (size_t)block,
                                 sim->modes + block * OPU_BLOCK_FLOATS, OPU_BLOCK_FLOATS);
        }
        opu_sim_region_field(sim->region, sim->modes, sim->picture);
#pragma omp parallel for schedule(static) num_threads((int)sim->n_threads)
        for (ptrdiff_t tile = 0; tile < n_tiles; ++tile) {
            expose_run(sim, batch, runs.start + r, (size_t)tile,
                       sim->picture + tile * OPU_TILE_FLOATS);
        }
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
    size_t first = 0;
    while (first < batch->n_frames) {
        uint64_t const step = step_of(sim, batch->number[first]);
        size_t end = first + 1;
        while (end < batch->n_frames && step_of(sim, batch->number[end]) == step) {
            ++end;
        }
        opu_sim_matrix_load(&sim->matrix, step);
        struct runs const runs = {
            sim->runs, opu_dmd_runs(sim->runs, batch->bits, sim->matrix.row_bytes, first, end)};
        if (sim->region != NULL) {
            expose_pictures(sim, batch, runs);
        } else {
            expose_pixels(sim, batch, runs);
        }
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

/* One block of H x in double. */
static void sum_block(const struct opu_sim *sim, const float *inputs, size_t block,
                      double sum[OPU_BLOCK_FLOATS])
{
    const float *column = sim->matrix.entries + block * sim->n_inputs * OPU_BLOCK_FLOATS;
    double const gain = 1.0 / (1.0 - sim->dmd.eps);
    memset(sum, 0, OPU_BLOCK_FLOATS * sizeof(*sum));
    for (size_t j = 0; j < sim->n_inputs; ++j, column += OPU_BLOCK_FLOATS) {
        if (inputs[j] == 0.0f) {
            continue;
        }
        for (size_t v = 0; v < OPU_BLOCK_FLOATS; ++v) {
            sum[v] += gain * (double)inputs[j] * (double)column[v];
        }
    }
}

/* Blocks of 64 re, 64 im to pairs. */
static void interleave(const float *blocks, size_t n_pixels, float *field)
{
    for (size_t p = 0; p < n_pixels; ++p) {
        const float *const re =
            blocks + p / OPU_BLOCK_PIXELS * OPU_BLOCK_FLOATS + p % OPU_BLOCK_PIXELS;
        field[2 * p] = re[0];
        field[2 * p + 1] = re[OPU_BLOCK_PIXELS];
    }
}

int opu_sim_field(void *device, const float *inputs, size_t rows, float *field)
{
    struct opu_sim *const sim = device;
    ptrdiff_t const n_blocks = (ptrdiff_t)sim->matrix.n_blocks;
    opu_sim_matrix_load(&sim->matrix, 0);
    for (size_t row = 0; row < rows; ++row) {
#pragma omp parallel for schedule(static)
        for (ptrdiff_t block = 0; block < n_blocks; ++block) {
            double sum[OPU_BLOCK_FLOATS];
            sum_block(sim, inputs + row * sim->n_inputs, (size_t)block, sum);
            for (size_t v = 0; v < OPU_BLOCK_FLOATS; ++v) {
                sim->modes[(size_t)block * OPU_BLOCK_FLOATS + v] = (float)sum[v];
            }
        }
        const float *blocks = sim->modes;
        if (sim->region != NULL) {
            opu_sim_region_field(sim->region, sim->modes, sim->picture);
            blocks = sim->picture;
        }
        interleave(blocks, sim->n_pixels, field + row * sim->n_pixels * 2);
    }
    return OPU_OK;
}
