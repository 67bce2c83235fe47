/* SPDX-License-Identifier: MIT */
/* The cost model. Formulas: sim/way.h. */
#include "sim/way.h"

#include "core/base/fail.h"
#include "sim/medium/drift.h"

#include <math.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)
#define BATCH_PATTERNS 128.0 /* that share one drawing of the entries */

static double propagation_s(const struct opu_medium *medium)
{
    double const points = (double)medium->grid * (double)medium->grid;
    return points > 0.0
               ? (double)medium->transforms * 5.0 * points * log2(points) / OPU_WAY_FFT_FLOPS
               : 0.0;
}

/* Patterns that one measurement of the matrix serves. */
static double patterns_served(const struct opu_sim_options *options)
{
    if (!(options->tau_s > 0.0)) {
        return OPU_WAY_PATTERNS;
    }
    double const step = options->rate_hz * options->tau_s / OPU_DRIFT_STEPS_PER_TAU;
    return fmin(OPU_WAY_PATTERNS, fmax(1.0, step));
}

static int refuse_memory(const struct opu_way *way, const struct opu_medium *medium,
                         const struct opu_sim_options *options, size_t n_matrices)
{
    return opu_fail(
        OPU_E_INVALID,
        "sim: the matrix of %zu inputs x %zu outputs%s takes %.0f MiB, more than "
        "memory=%llu MiB allows; way=free keeps none",
        medium->n_inputs, medium->n_outputs, n_matrices > 1 ? ", one a polarisation," : "",
        ceil((double)n_matrices * way->bytes / MIB), (unsigned long long)options->memory_mib);
}

int opu_way_choose(struct opu_way *way, const struct opu_medium *medium,
                   const struct opu_sim_options *options, size_t n_matrices)
{
    double const n = (double)medium->n_inputs;
    double const m = ceil((double)medium->n_outputs / 64.0) * 64.0;
    bool const drawn = medium->ops->strip != NULL;
    double const draw_s = 2.0 * m * n / OPU_WAY_NORMALS;
    double const product_s = 4.0 * m * n / OPU_WAY_FIELD_FLOPS;
    double const propagate_s = propagation_s(medium);
    double const without_s = drawn ? product_s + draw_s / BATCH_PATTERNS : propagate_s;
    *way = (struct opu_way){
        .by_rows = !drawn && medium->n_outputs < medium->n_inputs,
        .bytes = 8.0 * m * n,
        .measure_s = drawn ? draw_s : propagate_s * fmin(n, m),
        .patterns = patterns_served(options),
    };
    bool const fits = (double)n_matrices * way->bytes <= (double)options->memory_mib * MIB;
    double const stored_s = product_s + way->measure_s / way->patterns;
    if (options->way == OPU_SIM_WAY_MATRIX && !fits) {
        return refuse_memory(way, medium, options, n_matrices);
    }
    if (options->way == OPU_SIM_WAY_MATRIX ||
        (options->way == OPU_SIM_WAY_AUTO && fits && stored_s <= without_s)) {
        way->kind = OPU_WAY_STORED;
        way->pattern_s = product_s;
        way->other_s = without_s;
        return OPU_OK;
    }
    way->kind = drawn ? OPU_WAY_DRAWN : OPU_WAY_FREE;
    way->measure_s = 0.0;
    way->pattern_s = without_s;
    way->other_s = fits ? stored_s : 0.0;
    return OPU_OK;
}

/* "12 us", "3.4 ms", "5.6 s" */
static void format_time(char text[32], double seconds)
{
    static const struct {
        double least;
        double scale;
        const char *unit;
    } units[] = {{1.0, 1.0, "s"}, {1e-3, 1e3, "ms"}, {0.0, 1e6, "us"}};
    size_t k = 0;
    while (seconds < units[k].least) {
        ++k;
    }
    (void)snprintf(text, 32, "%.2g %s", seconds * units[k].scale, units[k].unit);
}

void opu_way_describe(const struct opu_way *way, const struct opu_medium *medium, char *text,
                      size_t n)
{
    char once[32], pattern[32], other[32], how[160];
    format_time(once, way->measure_s);
    format_time(pattern, way->pattern_s);
    format_time(other, way->other_s);
    size_t const fewer =
        medium->n_inputs < medium->n_outputs ? medium->n_inputs : medium->n_outputs;
    if (way->kind == OPU_WAY_FREE) {
        (void)snprintf(how, sizeof(how), "matrix-free, %zu transforms of %zu x %zu a pattern",
                       medium->transforms, medium->grid, medium->grid);
    } else if (way->kind == OPU_WAY_DRAWN) {
        (void)snprintf(how, sizeof(how), "matrix drawn anew for every batch, none kept");
    } else if (medium->grid > 0) {
        (void)snprintf(how, sizeof(how),
                       "matrix measured by %s, %zu propagations of %zu x %zu, %.3g MiB (%s once)",
                       way->by_rows ? "rows" : "columns", fewer, medium->grid, medium->grid,
                       way->bytes / MIB, once);
    } else {
        (void)snprintf(how, sizeof(how), "matrix drawn once and kept, %.3g MiB (%s)",
                       way->bytes / MIB, once);
    }
    int used = snprintf(text, n, "%s; about %s a pattern", how, pattern);
    if (way->other_s > 0.0 && used > 0 && (size_t)used < n) {
        used += snprintf(text + used, n - (size_t)used, " (%s by %s)", other,
                         way->kind != OPU_WAY_STORED ? "a stored matrix"
                         : medium->grid > 0          ? "propagating each"
                                                     : "drawing anew");
    }
    if (medium->regime[0] != '\0' && used > 0 && (size_t)used < n) {
        (void)snprintf(text + used, n - (size_t)used, "; %s", medium->regime);
    }
}
