/* SPDX-License-Identifier: MIT */
/*
 * A chain of planes, worked off in passes along lines (chain_lines.c): fields, threads and memory.
 */
#include "sim/wave/chain.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/wave/big_memory.h"
#include "sim/wave/chain_lines.h"
#include "sim/wave/check_setup.h"

#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define LANES ((size_t)OPU_LANES)

/* Up to this size fields of a batch run side by side: each fits a core's cache. */
#define SIDE_BY_SIDE 512

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
static void travel_together(const struct OPU_REAL(opu_journey) * journey, size_t n_threads)
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
                OPU_REAL(opu_chain_lines)(journey, pass, pass->lines[i], tile);
            }
        }
    }
    (void)n_threads;
}

/* Several fields, a thread each. */
static void travel_apart(const struct OPU_REAL(opu_journey) * first, size_t count, size_t in_reals,
                         size_t out_reals, size_t n_threads)
{
    const struct OPU_REAL(opu_chain) *const chain = first->chain;
#pragma omp parallel for schedule(static) num_threads((int)n_threads)
    for (size_t i = 0; i < count; ++i) {
        size_t const thread = thread_number();
        struct OPU_REAL(opu_journey) journey = *first;
        journey.field = chain->fields + thread * chain->field_reals;
        journey.in += i * in_reals;
        journey.out += i * out_reals;
        real *const tile = chain->tiles + thread * chain->tile_reals;
        for (size_t p = 0; p < journey.program->n_passes; ++p) {
            const struct opu_wave_pass *const pass = &journey.program->passes[p];
            for (size_t k = 0; k < pass->n_lines; ++k) {
                OPU_REAL(opu_chain_lines)(&journey, pass, pass->lines[k], tile);
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
    struct OPU_REAL(opu_journey) journey = {chain, program, chain->fields, in, out};
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
