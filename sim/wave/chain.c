/* SPDX-License-Identifier: MIT */
/*
 * A chain of planes, worked off in passes along lines. A pass fills a tile with as many lines as
 * vectors have lanes, does all that these lines allow while they are in cache, and empties it.
 * Each lane's arithmetic is its own, so bits depend on neither threads nor batch nor vector level.
 */
#include "sim/wave/chain.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/wave/big_memory.h"
#include "sim/wave/chain_parts.h"
#include "sim/wave/check_setup.h"

#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define LANES ((size_t)OPU_LANES)

/* Up to this size fields of a batch run side by side: each fits a core's cache. */
#define SIDE_BY_SIDE 512

struct OPU_REAL(opu_chain) {
    struct opu_context *context;
    struct OPU_REAL(opu_wave_parts) parts;
    struct OPU_REAL(opu_line_plan) plan;
    const struct OPU_REAL(opu_line_kernels) * kernels;
    size_t n_threads, n_fields;
    size_t field_reals, tile_reals; /* of one */
    real *fields;                   /* [n_fields] blocks, rows of them padded by one */
    real *tiles;                    /* [n_threads] lines, then one block */
};

/* One field on its way. */
struct journey {
    const struct OPU_REAL(opu_chain) * chain;
    const struct opu_wave_program *program;
    real *field;
    const real *in;
    real *out;
};

/* A tile's lines in a pass. */
struct work {
    const struct journey *journey;
    const struct opu_wave_pass *pass;
    size_t line; /* group of lanes lines */
    real *tile, *scratch;
};

static real *block_at(const struct journey *journey, size_t row, size_t column)
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
    const struct journey *const journey = work->journey;
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
    const struct journey *const journey = work->journey;
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

static void do_lines(const struct journey *journey, const struct opu_wave_pass *pass, size_t line,
                     real *tile)
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

/* Threads that this call may use, of those that tiles were made for. */
static size_t threads_now(const struct OPU_REAL(opu_chain) * chain)
{
#ifdef _OPENMP
    size_t const most = omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
    return most < chain->n_threads ? most : chain->n_threads;
#else
    (void)chain;
    return 1;
#endif
}

static size_t thread_number(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

/* One field by all threads: each takes lines. */
static void travel_together(const struct journey *journey, size_t n_threads)
{
    const struct OPU_REAL(opu_chain) *const chain = journey->chain;
    const struct opu_wave_program *const program = journey->program;
#pragma omp parallel num_threads((int)n_threads)
    {
        real *const tile = chain->tiles + thread_number() * chain->tile_reals;
        for (size_t p = 0; p < program->n_passes; ++p) {
            const struct opu_wave_pass *const pass = &program->passes[p];
#pragma omp for schedule(static)
            for (size_t i = 0; i < pass->n_lines; ++i) {
                do_lines(journey, pass, pass->lines[i], tile);
            }
        }
    }
    (void)n_threads;
}

/* Several fields, a thread each. */
static void travel_apart(const struct journey *first, size_t count, size_t in_reals,
                         size_t out_reals, size_t n_threads)
{
    const struct OPU_REAL(opu_chain) *const chain = first->chain;
#pragma omp parallel for schedule(static) num_threads((int)n_threads)
    for (size_t i = 0; i < count; ++i) {
        size_t const thread = thread_number();
        struct journey journey = *first;
        journey.field = chain->fields + thread * chain->field_reals;
        journey.in += i * in_reals;
        journey.out += i * out_reals;
        real *const tile = chain->tiles + thread * chain->tile_reals;
        for (size_t p = 0; p < journey.program->n_passes; ++p) {
            const struct opu_wave_pass *const pass = &journey.program->passes[p];
            for (size_t k = 0; k < pass->n_lines; ++k) {
                do_lines(&journey, pass, pass->lines[k], tile);
            }
        }
    }
    (void)n_threads;
}

static void travel(const struct OPU_REAL(opu_chain) * chain, const struct opu_wave_program *program,
                   const real *in, size_t batch, real *out)
{
    size_t const in_reals = 2 * program->in.width * program->in.height;
    size_t const out_reals = 2 * program->out.width * program->out.height;
    size_t const n_threads = threads_now(chain);
    size_t const abreast = n_threads < chain->n_fields ? n_threads : chain->n_fields;
    size_t const apart = abreast > 1 ? batch / abreast * abreast : 0;
    struct journey journey = {chain, program, chain->fields, in, out};
    if (apart > 0) {
        travel_apart(&journey, apart, in_reals, out_reals, abreast);
    }
    for (size_t i = apart; i < batch; ++i) {
        journey.in = in + i * in_reals;
        journey.out = out + i * out_reals;
        travel_together(&journey, n_threads);
    }
}

static int allocate(struct OPU_REAL(opu_chain) * chain, const struct opu_chain_setup *setup)
{
    size_t const blocks = chain->parts.blocks;
#ifdef _OPENMP
    chain->n_threads = (size_t)omp_get_max_threads();
#else
    chain->n_threads = 1;
#endif
    chain->n_fields = 1;
    if (setup->n <= SIDE_BY_SIDE) {
        chain->n_fields = setup->batch < chain->n_threads ? setup->batch : chain->n_threads;
    }
    chain->field_reals = blocks * (blocks + 1) * OPU_BLOCK_REALS;
    chain->tile_reals = setup->n * OPU_POINT_REALS + OPU_BLOCK_REALS;
    size_t const fields = chain->n_fields * chain->field_reals;
    size_t const tiles = chain->n_threads * chain->tile_reals;
    chain->fields = opu_big_alloc(chain->context, fields, sizeof(real));
    chain->tiles = opu_big_alloc(chain->context, tiles, sizeof(real));
    if (chain->fields == NULL || chain->tiles == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (setup->n < LANES) {
        /* Blocks are larger than the grid: the rest is moved about, so let it be numbers. */
        memset(chain->fields, 0, fields * sizeof(real));
        memset(chain->tiles, 0, tiles * sizeof(real));
    }
    return OPU_OK;
}

int OPU_REAL(opu_chain_create)(struct OPU_REAL(opu_chain) * *out,
                               const struct opu_chain_setup *setup, size_t *bytes)
{
    *out = NULL;
    OPU_TRY(opu_chain_check(setup));
    struct OPU_REAL(opu_chain) *const chain = opu_calloc(setup->context, 1, sizeof(*chain));
    if (chain == NULL) {
        return OPU_E_NO_MEMORY;
    }
    chain->context = setup->context;
    chain->kernels = OPU_REAL(opu_line_kernels_of)(opu_isa_best());
    int status = OPU_REAL(opu_wave_parts_init)(&chain->parts, setup);
    if (status == OPU_OK) {
        status = OPU_REAL(opu_line_plan_init)(&chain->plan, setup->context, setup->n);
    }
    if (status == OPU_OK) {
        status = allocate(chain, setup);
    }
    if (status != OPU_OK) {
        OPU_REAL(opu_chain_destroy)(chain);
        return status;
    }
    if (bytes != NULL) {
        *bytes = sizeof(*chain) + chain->parts.bytes + chain->plan.bytes +
                 (chain->n_fields * chain->field_reals + chain->n_threads * chain->tile_reals) *
                     sizeof(real);
    }
    *out = chain;
    return OPU_OK;
}

void OPU_REAL(opu_chain_destroy)(struct OPU_REAL(opu_chain) * chain)
{
    if (chain == NULL) {
        return;
    }
    opu_context_free(chain->context, chain->tiles);
    opu_context_free(chain->context, chain->fields);
    OPU_REAL(opu_line_plan_fini)(&chain->plan);
    OPU_REAL(opu_wave_parts_fini)(&chain->parts);
    opu_context_free(chain->context, chain);
}

void OPU_REAL(opu_chain_apply)(struct OPU_REAL(opu_chain) * chain, const real *in, size_t batch,
                               real *out)
{
    travel(chain, &chain->parts.forward, in, batch, out);
}

void OPU_REAL(opu_chain_adjoint)(struct OPU_REAL(opu_chain) * chain, const real *in, size_t batch,
                                 real *out)
{
    travel(chain, &chain->parts.adjoint, in, batch, out);
}
