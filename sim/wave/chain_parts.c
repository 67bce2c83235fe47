/* SPDX-License-Identifier: MIT */
/* Tables and programs of a chain. See sim/wave/chain_parts.h. */
#include "sim/wave/chain_parts.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/wave/big_memory.h"
#include "sim/wave/factor.h"

#include <math.h>
#include <string.h>

#define PAGE_BYTES 4096

static bool transforms(enum opu_step_kind kind)
{
    return kind == OPU_STEP_FORWARD || kind == OPU_STEP_INVERSE;
}

/* Quarter plane [n / 2 + 1][2][stride] of the factor of free space. */
static int make_space(struct OPU_REAL(opu_wave_parts) * parts,
                      struct OPU_REAL(opu_wave_step) * step, const struct opu_chain_setup *setup)
{
    for (size_t k = 0; &parts->steps[k] < step; ++k) {
        const struct OPU_REAL(opu_wave_step) *const other = &parts->steps[k];
        bool const same = other->distance_m >= step->distance_m &&
                          other->distance_m <= step->distance_m; /* -Wfloat-equal */
        if (other->kind == OPU_STEP_SPACE && same) {
            step->table = other->table;
            return OPU_OK;
        }
    }
    size_t const half = parts->n / 2 + 1;
    size_t const stride = parts->quarter_stride;
    real *const table = opu_big_alloc(parts->context, half * 2 * stride, sizeof(real));
    if (table == NULL) {
        return OPU_E_NO_MEMORY;
    }
    parts->bytes += half * 2 * stride * sizeof(real);
    struct opu_space const space =
        opu_space_make(setup->n, setup->pitch_m, setup->wavelength_m, step->distance_m);
#pragma omp parallel for schedule(static)
    for (size_t y = 0; y < half; ++y) {
        real *const row = table + y * 2 * stride;
        for (size_t x = 0; x < stride; ++x) {
            double factor[2] = {0.0, 0.0};
            if (x < half) {
                opu_space_factor(&space, (double)x, (double)y, factor);
            }
            row[x] = (real)factor[0];
            row[stride + x] = (real)factor[1];
        }
    }
    step->table = table;
    step->owned = true;
    return OPU_OK;
}

/* [2][padded] of a factor that is the product of one of x and one of y; tapers have one half. */
static int make_line(struct OPU_REAL(opu_wave_parts) * parts, struct OPU_REAL(opu_wave_step) * step,
                     const struct opu_step *from, const struct opu_chain_setup *setup)
{
    size_t const n = parts->n;
    real *const table = opu_calloc(parts->context, parts->padded, 2 * sizeof(real));
    if (table == NULL) {
        return OPU_E_NO_MEMORY;
    }
    parts->bytes += parts->padded * 2 * sizeof(real);
    for (size_t i = 0; i < n; ++i) {
        double const k = opu_signed_index(i, n);
        double factor[2] = {0.0, 0.0};
        if (from->kind == OPU_STEP_TAPER) {
            factor[0] = from->taper[i];
        } else {
            double const turns =
                from->kind == OPU_STEP_LENS
                    ? opu_lens_turns(setup->pitch_m, setup->wavelength_m, from->focal_m, k)
                    : opu_fresnel_turns(n, setup->pitch_m, setup->wavelength_m, from->distance_m,
                                        k);
            opu_turns_to_phase(turns, factor);
        }
        table[i] = (real)factor[0];
        table[parts->padded + i] = (real)factor[1];
    }
    step->table = table;
    step->owned = true;
    return OPU_OK;
}

static int make_step(struct OPU_REAL(opu_wave_parts) * parts, size_t k,
                     const struct opu_chain_setup *setup)
{
    const struct opu_step *const from = &setup->steps[k];
    struct OPU_REAL(opu_wave_step) *const step = &parts->steps[k];
    step->kind = from->kind;
    step->phase = from->phase;
    step->distance_m = from->distance_m;
    switch (from->kind) {
    case OPU_STEP_SPACE:
        return make_space(parts, step, setup);
    case OPU_STEP_FRESNEL:
    case OPU_STEP_LENS:
    case OPU_STEP_TAPER:
        return make_line(parts, step, from, setup);
    case OPU_STEP_APERTURE:
        step->radius2 = (int32_t)fmin(floor(from->radius * from->radius), INT32_MAX);
        return OPU_OK;
    case OPU_STEP_FORWARD:
    case OPU_STEP_INVERSE:
    case OPU_STEP_PHASE:
        break;
    }
    return OPU_OK;
}

/* Which groups of lanes lines, of `blocks`, a stretch of a periodic axis touches. */
static size_t mark_lines(bool *touched, uint16_t *list, size_t first, size_t length, size_t n,
                         size_t blocks)
{
    for (size_t i = 0; i < length; ++i) {
        touched[(first + i) % n / OPU_LANES] = true;
    }
    size_t count = 0;
    for (size_t b = 0; b < blocks; ++b) {
        if (touched[b]) {
            list[count++] = (uint16_t)b;
        }
    }
    return count;
}

static void list_passes(const struct OPU_REAL(opu_wave_parts) * parts,
                        struct opu_wave_program *program, bool columns_first)
{
    struct opu_wave_pass *pass = &program->passes[0];
    pass->columns = columns_first;
    for (size_t i = 0; i < parts->n_steps; ++i) {
        size_t const k = program->adjoint ? parts->n_steps - 1 - i : i;
        enum opu_step_kind const kind = parts->steps[k].kind;
        if (!transforms(kind)) {
            ++pass->n_steps;
            continue;
        }
        int const sign = (kind == OPU_STEP_FORWARD) != program->adjoint ? 1 : -1;
        pass->after = sign;
        pass[1].before = sign;
        pass[1].columns = !pass->columns;
        pass[1].first_step = i + 1;
        ++pass;
    }
    program->n_passes = (size_t)(pass - program->passes) + 1;
}

static void list_lines(const struct OPU_REAL(opu_wave_parts) * parts,
                       struct opu_wave_program *program)
{
    size_t const blocks = parts->blocks;
    struct opu_wave_pass *const first = &program->passes[0];
    struct opu_wave_pass *const last = &program->passes[program->n_passes - 1];
    for (size_t b = 0; b < blocks; ++b) {
        program->all[b] = (uint16_t)b;
    }
    for (struct opu_wave_pass *pass = first; pass <= last; ++pass) {
        pass->lines = program->all;
        pass->n_lines = blocks;
    }
    const struct opu_window *const in = &program->in;
    const struct opu_window *const out = &program->out;
    first->lines = program->live_list;
    first->n_lines = mark_lines(program->live, program->live_list, first->columns ? in->x : in->y,
                                first->columns ? in->width : in->height, parts->n, blocks);
    /* Where there is one pass only, what is wanted counts: it reads zeros outside the input. */
    last->lines = program->wanted_list;
    last->n_lines =
        mark_lines(program->wanted, program->wanted_list, last->columns ? out->x : out->y,
                   last->columns ? out->width : out->height, parts->n, blocks);
}

static int make_program(const struct OPU_REAL(opu_wave_parts) * parts,
                        struct opu_wave_program *program, bool columns_first)
{
    size_t const blocks = parts->blocks;
    program->passes = opu_calloc(parts->context, parts->n_steps + 1, sizeof(*program->passes));
    program->live = opu_calloc(parts->context, 2 * blocks, sizeof(*program->live));
    program->all = opu_calloc(parts->context, 3 * blocks, sizeof(*program->all));
    if (program->passes == NULL || program->live == NULL || program->all == NULL) {
        return OPU_E_NO_MEMORY;
    }
    program->wanted = program->live + blocks;
    program->live_list = program->all + blocks;
    program->wanted_list = program->all + 2 * blocks;
    list_passes(parts, program, columns_first);
    list_lines(parts, program);
    return OPU_OK;
}

static void free_program(struct opu_context *context, struct opu_wave_program *program)
{
    opu_context_free(context, program->all);
    opu_context_free(context, program->live);
    opu_context_free(context, program->passes);
}

/*
 * Which direction comes first: the one that leaves fewer lines to the first and last pass. Else the
 * one in which most masks meet columns, which lie as the tile does; but rows where every row of a
 * column's stretch of the mask is on another page.
 */
static bool prefer_columns(const struct opu_chain_setup *setup)
{
    size_t n_transforms = 0;
    size_t masks[2] = {0, 0}; /* by the parity of the transforms before them */
    for (size_t k = 0; k < setup->n_steps; ++k) {
        n_transforms += transforms(setup->steps[k].kind);
        masks[n_transforms % 2] += setup->steps[k].kind == OPU_STEP_PHASE;
    }
    bool const alike = n_transforms % 2 == 0;
    size_t const with_columns = setup->n * sizeof(uint16_t) >= PAGE_BYTES ? 1 : 0;
    size_t const rows = setup->in.height + (alike ? setup->out.height : setup->out.width);
    size_t const columns = setup->in.width + (alike ? setup->out.width : setup->out.height);
    return columns < rows || (columns == rows && masks[with_columns] >= masks[1 - with_columns]);
}

int OPU_REAL(opu_wave_parts_init)(struct OPU_REAL(opu_wave_parts) * parts,
                                  const struct opu_chain_setup *setup)
{
    size_t const lanes = (size_t)OPU_LANES;
    memset(parts, 0, sizeof(*parts));
    parts->context = setup->context;
    parts->n = setup->n;
    parts->blocks = (setup->n + lanes - 1) / lanes;
    parts->padded = parts->blocks * lanes;
    parts->quarter_stride = setup->n / 2 + lanes;
    parts->n_steps = setup->n_steps;
    parts->forward = (struct opu_wave_program){.in = setup->in, .out = setup->out};
    parts->adjoint = (struct opu_wave_program){.in = setup->out, .out = setup->in, .adjoint = true};
    parts->steps = opu_calloc(parts->context, setup->n_steps, sizeof(*parts->steps));
    parts->squares = opu_calloc(parts->context, parts->padded, sizeof(*parts->squares));
    int status = parts->steps == NULL || parts->squares == NULL ? OPU_E_NO_MEMORY : OPU_OK;
    for (size_t k = 0; status == OPU_OK && k < setup->n_steps; ++k) {
        status = make_step(parts, k, setup);
    }
    bool const columns_first = prefer_columns(setup);
    if (status == OPU_OK) {
        status = make_program(parts, &parts->forward, columns_first);
    }
    if (status == OPU_OK) {
        size_t const n_passes = parts->forward.n_passes;
        status = make_program(parts, &parts->adjoint, parts->forward.passes[n_passes - 1].columns);
    }
    if (status != OPU_OK) {
        OPU_REAL(opu_wave_parts_fini)(parts);
        return status;
    }
    for (size_t i = 0; i < parts->padded; ++i) {
        double const k = opu_signed_index(i, parts->n);
        parts->squares[i] = (int32_t)(k * k);
    }
    return OPU_OK;
}

void OPU_REAL(opu_wave_parts_fini)(struct OPU_REAL(opu_wave_parts) * parts)
{
    free_program(parts->context, &parts->adjoint);
    free_program(parts->context, &parts->forward);
    for (size_t k = 0; parts->steps != NULL && k < parts->n_steps; ++k) {
        if (parts->steps[k].owned) {
            opu_context_free(parts->context, parts->steps[k].table);
        }
    }
    opu_context_free(parts->context, parts->squares);
    opu_context_free(parts->context, parts->steps);
    memset(parts, 0, sizeof(*parts));
}
