/* SPDX-License-Identifier: MIT */
/* Media on a grid: limits, windows, propagation. Formulas: sim/medium/medium_grid.h. */
#include "sim/medium/medium_grid.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/sim_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Grids up to this size run side by side, one a thread; larger ones one after the other. */
#define SIDE_BY_SIDE 1024

/* Smallest grid with room for so many points, and for the window of inputs. */
static size_t smallest_grid(size_t points, size_t side)
{
    size_t n = OPU_GRID_MIN;
    while (n < OPU_GRID_MAX && (n * n < points || n < side)) {
        n *= 2;
    }
    return n;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct opu_window around_axis(size_t n, size_t width, size_t height)
{
    return (struct opu_window){
        .x = (n - width / 2) % n, .y = (n - height / 2) % n, .width = width, .height = height};
}

/* Edges of the singular values where <s^2> = 1 over the smaller side's count. */
static void describe_jacobi(struct opu_grid_fit *fit, double a, double b)
{
    double const mean = a < b ? b : a;
    double const x = sqrt(a * (1.0 - b) / mean);
    double const y = sqrt(b * (1.0 - a) / mean);
    snprintf(fit->regime, sizeof(fit->regime),
             "n_in/N = 1/%.3g, n_out/N = 1/%.3g: Jacobi: singular values in [%.3f, %.3f]", 1.0 / a,
             1.0 / b, fabs(x - y), x + y);
}

static int check_grid(const struct opu_grid_fit *fit, const struct opu_medium_setup *setup,
                      const char *name, size_t wanted)
{
    size_t const n = fit->n;
    double const modes = (double)n * (double)n;
    double const a = (double)setup->n_inputs / modes;
    double const b = (double)setup->n_outputs / modes;
    if (n < OPU_GRID_MIN || n > OPU_GRID_MAX || (n & (n - 1)) != 0) {
        return opu_fail(OPU_E_INVALID, "sim: grid=%zu, wanted a power of two, %d to %d", n,
                        OPU_GRID_MIN, OPU_GRID_MAX);
    }
    if (fit->in.width > n || fit->in.height > n) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: %zu x %zu inputs do not fit on grid=%zu, wanted at least %zu",
                        name, fit->in.width, fit->in.height, n, wanted);
    }
    if (a + b > 1.0) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: grid=%zu has %.0f modes, fewer than %zu inputs and %zu outputs "
                        "together; wanted grid=%zu",
                        name, n, modes, setup->n_inputs, setup->n_outputs, wanted);
    }
    double const share = 1.0 / OPU_GRID_SHARE;
    if ((a > share || b > share) && !setup->options->jacobi) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: on grid=%zu n_in/N = 1/%.3g and n_out/N = 1/%.3g, wanted at most "
                        "1/%d each: grid=%zu, or jacobi=yes for singular values by Jacobi's law",
                        name, n, 1.0 / a, 1.0 / b, OPU_GRID_SHARE, wanted);
    }
    return OPU_OK;
}

int opu_grid_fit(struct opu_grid_fit *fit, const struct opu_medium_setup *setup, const char *name)
{
    *fit = (struct opu_grid_fit){.n = (size_t)setup->options->grid};
    size_t const n_in = setup->n_inputs;
    size_t const n_out = setup->n_outputs;
    size_t const columns = setup->input_columns < n_in ? setup->input_columns : n_in;
    size_t const rows = (n_in + columns - 1) / columns;
    size_t const wanted =
        smallest_grid(OPU_GRID_SHARE * larger(n_in, n_out), larger(columns, rows));
    fit->in = (struct opu_window){.width = columns, .height = rows};
    if (fit->n == 0) {
        fit->n = wanted;
    }
    OPU_TRY(check_grid(fit, setup, name, wanted));
    size_t width = 1;
    while (width * width < n_out) {
        ++width;
    }
    fit->in = around_axis(fit->n, columns, rows);
    fit->out = around_axis(fit->n, width, (n_out + width - 1) / width);
    double const modes = (double)fit->n * (double)fit->n;
    double const a = (double)n_in / modes;
    double const b = (double)n_out / modes;
    if (a * OPU_GRID_SHARE > 1.0 || b * OPU_GRID_SHARE > 1.0) {
        describe_jacobi(fit, a, b);
    } else {
        snprintf(fit->regime, sizeof(fit->regime),
                 "n_in/N = 1/%.0f, n_out/N = 1/%.0f: Marchenko-Pastur", 1.0 / a, 1.0 / b);
    }
    return OPU_OK;
}

int opu_grid_medium_create(struct opu_grid_medium **out, const struct opu_medium_ops *ops,
                           const struct opu_medium_setup *setup, size_t max_steps)
{
    *out = NULL;
    struct opu_grid_fit fit;
    OPU_TRY(opu_grid_fit(&fit, setup, ops->name));
    struct opu_grid_medium *const medium = opu_calloc(setup->context, 1, sizeof(*medium));
    if (medium == NULL) {
        return OPU_E_NO_MEMORY;
    }
    medium->base = (struct opu_medium){.ops = ops,
                                       .context = setup->context,
                                       .seed = setup->seed,
                                       .isa = opu_isa_best(),
                                       .n_inputs = setup->n_inputs,
                                       .n_outputs = setup->n_outputs,
                                       .grid = fit.n};
    memcpy(medium->base.regime, fit.regime, sizeof(fit.regime));
    medium->fit = fit;
    medium->scale = (double)fit.n;
    size_t const side_by_side = OPU_MEDIUM_BATCH;
    medium->batch = fit.n <= SIDE_BY_SIDE ? side_by_side : 1;
    medium->steps = opu_calloc(setup->context, max_steps, sizeof(*medium->steps));
    if (medium->steps == NULL) {
        opu_grid_medium_destroy(&medium->base);
        return OPU_E_NO_MEMORY;
    }
    *out = medium;
    return OPU_OK;
}

static size_t points_of(struct opu_window window)
{
    return window.width * window.height;
}

static float *window_room(const struct opu_grid_medium *medium, struct opu_window window)
{
    return opu_calloc(medium->base.context, medium->batch * points_of(window), 2 * sizeof(float));
}

struct opu_chain_setup opu_grid_medium_chain(const struct opu_medium *medium)
{
    const struct opu_grid_medium *const grid = (const struct opu_grid_medium *)medium;
    return (struct opu_chain_setup){.context = medium->context,
                                    .n = grid->fit.n,
                                    .pitch_m = grid->pitch_m,
                                    .wavelength_m = grid->wavelength_m,
                                    .steps = grid->steps,
                                    .n_steps = grid->n_steps,
                                    .in = grid->fit.in,
                                    .out = grid->fit.out,
                                    .batch = grid->batch};
}

int opu_grid_medium_plan(struct opu_grid_medium *medium)
{
    struct opu_medium *const base = &medium->base;
    struct opu_chain_setup const setup = opu_grid_medium_chain(base);
    size_t bytes = 0;
    OPU_TRY(opu_chain_create_f32(&medium->chain, &setup, &bytes));
    base->bytes = bytes + opu_screens_bytes(medium->screens) + sizeof(*medium);
    if (points_of(medium->fit.in) != base->n_inputs) {
        medium->in = window_room(medium, medium->fit.in);
        base->bytes += medium->batch * points_of(medium->fit.in) * 2 * sizeof(float);
        if (medium->in == NULL) {
            return OPU_E_NO_MEMORY;
        }
    }
    if (points_of(medium->fit.out) != base->n_outputs) {
        medium->out = window_room(medium, medium->fit.out);
        base->bytes += medium->batch * points_of(medium->fit.out) * 2 * sizeof(float);
        if (medium->out == NULL) {
            return OPU_E_NO_MEMORY;
        }
    }
    return OPU_OK;
}

void opu_grid_medium_destroy(struct opu_medium *medium)
{
    if (medium == NULL) {
        return;
    }
    struct opu_grid_medium *const grid = (struct opu_grid_medium *)medium;
    opu_chain_destroy_f32(grid->chain);
    opu_screens_destroy(grid->screens);
    opu_context_free(medium->context, grid->out);
    opu_context_free(medium->context, grid->in);
    opu_context_free(medium->context, grid->taper);
    opu_context_free(medium->context, grid->steps);
    opu_context_free(medium->context, grid);
}

void opu_grid_medium_move(struct opu_medium *medium, uint64_t step)
{
    opu_screens_move(((struct opu_grid_medium *)medium)->screens, step);
    medium->step = step;
}

typedef void (*chain_fn)(struct opu_chain_f32 *chain, const float *in, size_t batch, float *out);

/* One side of the medium: how many points, the room for a window that they do not fill. */
struct side {
    size_t count, window;
    float *room;
};

/* Spreads [batch][count] over windows whose last points stay dark. */
static const float *into_windows(const struct side *side, const float *in, size_t batch)
{
    if (side->room == NULL) {
        return in;
    }
    for (size_t b = 0; b < batch; ++b) {
        float *const window = side->room + b * side->window * 2;
        memcpy(window, in + b * side->count * 2, side->count * 2 * sizeof(float));
        memset(window + side->count * 2, 0, (side->window - side->count) * 2 * sizeof(float));
    }
    return side->room;
}

static void out_of_windows(const struct side *side, size_t batch, float scale, float *out)
{
    ptrdiff_t const n = (ptrdiff_t)(side->count * 2);
    for (size_t b = 0; b < batch; ++b) {
        float *const to = out + b * side->count * 2;
        const float *const from = side->room == NULL ? to : side->room + b * side->window * 2;
#pragma omp parallel for schedule(static) if (n > 65536)
        for (ptrdiff_t i = 0; i < n; ++i) {
            to[i] = scale * from[i];
        }
    }
}

static void propagate(struct opu_grid_medium *medium, chain_fn chain, const struct side *from,
                      const struct side *to, const float *in, size_t batch, float *out)
{
    for (size_t b = 0; b < batch; b += medium->batch) {
        size_t const now = batch - b < medium->batch ? batch - b : medium->batch;
        float *const target = out + b * to->count * 2;
        chain(medium->chain, into_windows(from, in + b * from->count * 2, now), now,
              to->room == NULL ? target : to->room);
        out_of_windows(to, now, (float)medium->scale, target);
    }
}

static struct side inputs_of(const struct opu_grid_medium *medium)
{
    return (struct side){medium->base.n_inputs, points_of(medium->fit.in), medium->in};
}

static struct side outputs_of(const struct opu_grid_medium *medium)
{
    return (struct side){medium->base.n_outputs, points_of(medium->fit.out), medium->out};
}

void opu_grid_medium_apply(struct opu_medium *medium, const float *in, size_t batch, float *out)
{
    struct opu_grid_medium *const grid = (struct opu_grid_medium *)medium;
    struct side const from = inputs_of(grid);
    struct side const to = outputs_of(grid);
    propagate(grid, opu_chain_apply_f32, &from, &to, in, batch, out);
}

void opu_grid_medium_adjoint(struct opu_medium *medium, const float *in, size_t batch, float *out)
{
    struct opu_grid_medium *const grid = (struct opu_grid_medium *)medium;
    struct side const from = outputs_of(grid);
    struct side const to = inputs_of(grid);
    propagate(grid, opu_chain_adjoint_f32, &from, &to, in, batch, out);
}
