/* SPDX-License-Identifier: MIT */
/*
 * A group of lines in a pass: a tile is filled with as many lines as vectors have lanes, gets all
 * that these lines allow while they are in cache, and is emptied. Each lane's arithmetic is its
 * own, so bits depend on neither threads nor batch nor vector level.
 */
#include "sim/wave/chain_lines.h"

#include <string.h>

#define LANES ((size_t)OPU_LANES)

/* A tile's lines in a pass. */
struct work {
    const struct OPU_REAL(opu_journey) * journey;
    const struct opu_wave_pass *pass;
    size_t line; /* group of lanes lines */
    real *tile, *scratch;
};

static real *block_at(const struct OPU_REAL(opu_journey) * journey, size_t row, size_t column)
{
    size_t const pitch = journey->chain->parts.blocks + 1;
    return journey->field + (row * pitch + column) * OPU_BLOCK_REALS;
}

/* Points of the stretch `first` .. + lanes - 1 relative to a window that may wrap around. */
static size_t relative(size_t point, size_t first, size_t n)
{
    return (point + n - first) % n;
}

/* Block of the input; false where it is dark. */
static bool gather(const struct work *work, size_t row, size_t column)
{
    const struct OPU_REAL(opu_journey) *const journey = work->journey;
    const struct opu_window *const window = &journey->program->in;
    size_t const n = journey->chain->parts.n;
    size_t const count = n < LANES ? n : LANES;
    bool any = false;
    for (size_t r = 0; r < LANES; ++r) {
        real *const re = work->scratch + r * OPU_POINT_REALS;
        size_t const y = relative(row * LANES + r, window->y, n);
        size_t const x0 = relative(column * LANES, window->x, n);
        const real *const line = journey->in + 2 * y * window->width;
        if (r < count && y < window->height && count == LANES && x0 + LANES <= window->width) {
            journey->chain->kernels->split(re, re + LANES, line + 2 * x0, LANES);
            any = true;
            continue;
        }
        for (size_t l = 0; l < LANES; ++l) {
            size_t const x = relative(column * LANES + l, window->x, n);
            bool const inside = r < count && l < count && y < window->height && x < window->width;
            re[l] = inside ? line[2 * x] : 0;
            re[LANES + l] = inside ? line[2 * x + 1] : 0;
            any = any || inside;
        }
    }
    return any;
}

/* Block to the output, what of it is wanted. */
static void scatter(const struct work *work, size_t row, size_t column)
{
    const struct OPU_REAL(opu_journey) *const journey = work->journey;
    const struct opu_window *const window = &journey->program->out;
    size_t const n = journey->chain->parts.n;
    size_t const count = n < LANES ? n : LANES;
    for (size_t r = 0; r < count; ++r) {
        const real *const re = work->scratch + r * OPU_POINT_REALS;
        size_t const y = relative(row * LANES + r, window->y, n);
        size_t const x0 = relative(column * LANES, window->x, n);
        if (y >= window->height) {
            continue;
        }
        real *const line = journey->out + 2 * y * window->width;
        if (count == LANES && x0 + LANES <= window->width) {
            journey->chain->kernels->join(line + 2 * x0, re, re + LANES, LANES);
            continue;
        }
        for (size_t l = 0; l < count; ++l) {
            size_t const x = relative(column * LANES + l, window->x, n);
            if (x < window->width) {
                line[2 * x] = re[l];
                line[2 * x + 1] = re[LANES + l];
            }
        }
    }
}

static void fill_tile(const struct work *work)
{
    const struct OPU_REAL(opu_chain) *const chain = work->journey->chain;
    const struct opu_wave_pass *const pass = work->pass;
    size_t const n = chain->parts.n;
    size_t const count = n < LANES ? n : LANES;
    size_t const index = (size_t)(pass - work->journey->program->passes);
    const uint16_t *const points = pass->before != 0 ? chain->plan.reversed : chain->plan.in_order;
    /* Unitary: n^-1 for both axes of a transform, a power of two, along its first one. */
    real const scale = pass->after != 0 ? (real)1 / (real)n : (real)1;
    for (size_t b = 0; b < chain->parts.blocks; ++b) {
        size_t const row = pass->columns ? b : work->line;
        size_t const column = pass->columns ? work->line : b;
        const uint16_t *const point = points + b * LANES;
        bool const light = index == 0   ? gather(work, row, column)
                           : index == 1 ? work->journey->program->live[b]
                                        : true;
        if (!light) {
            for (size_t r = 0; r < count; ++r) {
                memset(work->tile + point[r] * OPU_POINT_REALS, 0, OPU_POINT_REALS * sizeof(real));
            }
            continue;
        }
        const real *const block = index == 0 ? work->scratch : block_at(work->journey, row, column);
        chain->kernels->place(work->tile, point, count, block, scale, !pass->columns);
    }
}

static void empty_tile(const struct work *work)
{
    const struct OPU_REAL(opu_chain) *const chain = work->journey->chain;
    const struct opu_wave_program *const program = work->journey->program;
    const struct opu_wave_pass *const pass = work->pass;
    size_t const n = chain->parts.n;
    size_t const count = n < LANES ? n : LANES;
    size_t const index = (size_t)(pass - program->passes);
    bool const last = index + 1 == program->n_passes;
    const uint16_t *const points = pass->after != 0 ? chain->plan.reversed : chain->plan.in_order;
    for (size_t b = 0; b < chain->parts.blocks; ++b) {
        if (index + 2 == program->n_passes && !program->wanted[b]) {
            continue;
        }
        size_t const row = pass->columns ? b : work->line;
        size_t const column = pass->columns ? work->line : b;
        real *const block = last ? work->scratch : block_at(work->journey, row, column);
        chain->kernels->collect(work->tile, points + b * LANES, count, block, !pass->columns);
        if (last) {
            scatter(work, row, column);
        }
    }
}

static void phase(const struct work *work, const uint16_t *mask, bool conjugate)
{
    const struct OPU_REAL(opu_chain) *const chain = work->journey->chain;
    bool const columns = work->pass->columns;
    size_t const n = chain->parts.n;
    if (n < LANES) {
        uint16_t block[16 * 16] = {0};
        for (size_t y = 0; y < n; ++y) {
            for (size_t x = 0; x < n; ++x) {
                block[columns ? y * LANES + x : x * LANES + y] = mask[y * n + x];
            }
        }
        chain->kernels->phase(work->tile, n, block, LANES, false, conjugate);
        return;
    }
    for (size_t b = 0; b < chain->parts.blocks; ++b) {
        size_t const row = columns ? b : work->line;
        size_t const column = columns ? work->line : b;
        chain->kernels->phase(work->tile + b * OPU_BLOCK_REALS, LANES,
                              mask + row * LANES * n + column * LANES, n, !columns, conjugate);
    }
}

static void do_steps(const struct work *work)
{
    const struct OPU_REAL(opu_wave_parts) *const parts = &work->journey->chain->parts;
    const struct OPU_REAL(opu_line_kernels) *const kernels = work->journey->chain->kernels;
    bool const adjoint = work->journey->program->adjoint;
    size_t const first = work->line * LANES;
    for (size_t i = 0; i < work->pass->n_steps; ++i) {
        size_t const at = work->pass->first_step + i;
        const struct OPU_REAL(opu_wave_step) *const step =
            &parts->steps[adjoint ? parts->n_steps - 1 - at : at];
        switch (step->kind) {
        case OPU_STEP_PHASE:
            phase(work, step->phase, adjoint);
            break;
        case OPU_STEP_SPACE:
            kernels->even(work->tile, parts->n, step->table, parts->quarter_stride, first, adjoint);
            break;
        case OPU_STEP_FRESNEL:
        case OPU_STEP_LENS:
            kernels->separable(work->tile, parts->n, step->table, parts->padded, first, adjoint);
            break;
        case OPU_STEP_TAPER:
            kernels->taper(work->tile, parts->n, step->table, first);
            break;
        case OPU_STEP_APERTURE:
            kernels->aperture(work->tile, parts->n, parts->squares, first, step->radius2);
            break;
        case OPU_STEP_FORWARD:
        case OPU_STEP_INVERSE:
            break;
        }
    }
}

void OPU_REAL(opu_chain_lines)(const struct OPU_REAL(opu_journey) * journey,
                               const struct opu_wave_pass *pass, size_t line, real *tile)
{
    const struct OPU_REAL(opu_chain) *const chain = journey->chain;
    struct work const work = {.journey = journey,
                              .pass = pass,
                              .line = line,
                              .tile = tile,
                              .scratch = tile + chain->tile_reals - OPU_BLOCK_REALS};
    fill_tile(&work);
    if (pass->before != 0) {
        chain->kernels->from_reversed(&chain->plan, tile, pass->before < 0);
    }
    do_steps(&work);
    if (pass->after != 0) {
        chain->kernels->to_reversed(&chain->plan, tile, pass->after < 0);
    }
    empty_tile(&work);
}
