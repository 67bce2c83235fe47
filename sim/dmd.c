/* SPDX-License-Identifier: MIT */
/* The micro-mirror array. Formulas: sim/dmd.h. */
#include "sim/dmd.h"

#include "core/base/dmath.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define DEGREE 0.017453292519943295
#define PI 3.14159265358979323846
#define SQRT2 1.41421356237309504880
#define DARKEST 1e-30  /* mean square of the steps: below, floats would not hold them */
#define FARTHEST 690.0 /* r^2 / w^2 of the beam: no light is left there */

/*
 * Mirrors, pitch and tilt: Texas Instruments' data sheets of the chips. Rates: all mirrors loaded
 * and reset at once, by the makers of controllers (ViaLux V-7000 and V-9501; DLPC900 for DLP6500,
 * DLPC350 for DLP4500). Fill factor: about 0.92 for all (0.90 to 0.95 in use, arXiv 2311.17496).
 */
const struct opu_dmd_chip opu_dmd_chips[] = {
    [OPU_DMD_IDEAL] = {.name = "ideal",
                       .pitch_m = 13.68e-6,
                       .tilt_rad = 12 * DEGREE,
                       .fill_factor = 1.0},
    [OPU_DMD_DLP7000] = {.name = "dlp7000",
                         .columns = 1024,
                         .rows = 768,
                         .pitch_m = 13.68e-6,
                         .tilt_rad = 12 * DEGREE,
                         .rate_hz = 22727.0,
                         .fill_factor = 0.92},
    [OPU_DMD_DLP6500] = {.name = "dlp6500",
                         .columns = 1920,
                         .rows = 1080,
                         .pitch_m = 7.56e-6,
                         .tilt_rad = 12 * DEGREE,
                         .rate_hz = 9523.0,
                         .fill_factor = 0.92},
    [OPU_DMD_DLP9500] = {.name = "dlp9500",
                         .columns = 1920,
                         .rows = 1080,
                         .pitch_m = 10.8e-6,
                         .tilt_rad = 12 * DEGREE,
                         .rate_hz = 17857.0,
                         .fill_factor = 0.92},
    [OPU_DMD_DLP4500] = {.name = "dlp4500",
                         .columns = 912,
                         .rows = 1140,
                         .pitch_m = 7.637e-6,
                         .tilt_rad = 12 * DEGREE,
                         .rate_hz = 4225.0,
                         .fill_factor = 0.92,
                         .diamond = true},
};

/* Mirrors of one macro-pixel, counted by what they do. */
struct census {
    size_t live, stuck_on, stuck_off;
};

static size_t ceil_sqrt(size_t n)
{
    size_t root = (size_t)sqrt((double)n);
    while (root * root < n) {
        ++root;
    }
    while (root > 1 && (root - 1) * (root - 1) >= n) {
        --root;
    }
    return root;
}

size_t opu_dmd_room(const struct opu_dmd_chip *chip, enum opu_dmd_layout layout)
{
    if (chip->columns == 0) {
        return SIZE_MAX;
    }
    return layout == OPU_DMD_LINE ? chip->columns : (size_t)chip->columns * chip->rows;
}

static int lay_out(struct opu_dmd *dmd, const struct opu_dmd_setup *setup)
{
    const struct opu_dmd_chip *const chip = setup->chip;
    size_t const n = setup->n_inputs;
    size_t const room = opu_dmd_room(chip, setup->layout);
    bool const line = setup->layout == OPU_DMD_LINE;
    if (n > room) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s has %u x %u mirrors, at most %zu macro-pixels fit in layout=%s; "
                        "saw %zu inputs",
                        chip->name, (unsigned)chip->columns, (unsigned)chip->rows, room,
                        line ? "line" : "square", n);
    }
    if (chip->columns == 0) {
        dmd->columns = line ? n : ceil_sqrt(n);
        dmd->width = dmd->height = 1;
    } else if (line) {
        dmd->columns = n;
        dmd->width = chip->columns / n;
        dmd->height = chip->rows;
    } else {
        size_t b = 1;
        while ((chip->columns / (b + 1)) * (chip->rows / (b + 1)) >= n) {
            ++b;
        }
        size_t const in_a_row = chip->columns / b;
        dmd->columns = in_a_row < n ? in_a_row : n;
        dmd->width = dmd->height = b;
    }
    assert(dmd->columns > 0);
    size_t const rows = (n + dmd->columns - 1) / dmd->columns;
    dmd->mirrors_per_input = dmd->width * dmd->height;
    if (chip->columns != 0) {
        dmd->left = (chip->columns - dmd->columns * dmd->width) / 2;
        dmd->top = (chip->rows - rows * dmd->height) / 2;
    }
    return OPU_OK;
}

struct opu_dmd_point opu_dmd_mirror(const struct opu_dmd_chip *chip, double column, double row)
{
    double const d = chip->pitch_m;
    if (!chip->diamond) {
        return (struct opu_dmd_point){column * d, row * d};
    }
    double const shift = fmod(row, 2.0) >= 1.0 ? 0.5 : 0.0;
    return (struct opu_dmd_point){(column + shift) * d * SQRT2, row * d / SQRT2};
}

/* Mean place of a rectangle of mirrors: rows alternate, so a diamond's shift is that of the mean.
 */
static struct opu_dmd_point middle(const struct opu_dmd_chip *chip, size_t left, size_t top,
                                   size_t width, size_t height)
{
    struct opu_dmd_point sum = {0.0, 0.0};
    for (size_t row = top; row < top + height; ++row) {
        struct opu_dmd_point const first = opu_dmd_mirror(chip, (double)left, (double)row);
        struct opu_dmd_point const last =
            opu_dmd_mirror(chip, (double)(left + width - 1), (double)row);
        sum.x_m += 0.5 * (first.x_m + last.x_m) / (double)height;
        sum.y_m += first.y_m / (double)height;
    }
    return sum;
}

/* The beam's amplitude on each macro-pixel; w = beam x half the array's diagonal. */
static void light_up(const struct opu_dmd *dmd, const struct opu_dmd_setup *setup, double *g)
{
    const struct opu_dmd_chip *const chip = setup->chip;
    size_t const columns = chip->columns != 0 ? chip->columns : dmd->columns;
    size_t const rows =
        chip->columns != 0 ? chip->rows : (dmd->n_inputs + dmd->columns - 1) / dmd->columns;
    struct opu_dmd_point const centre = middle(chip, 0, 0, columns, rows);
    struct opu_dmd_point const size = opu_dmd_mirror(chip, (double)columns, (double)rows);
    double const w = setup->beam * 0.5 * sqrt(size.x_m * size.x_m + size.y_m * size.y_m);
    for (size_t j = 0; j < dmd->n_inputs; ++j) {
        struct opu_dmd_point const at =
            middle(chip, dmd->left + j % dmd->columns * dmd->width,
                   dmd->top + j / dmd->columns * dmd->height, dmd->width, dmd->height);
        double const x = (at.x_m - centre.x_m) / w;
        double const y = (at.y_m - centre.y_m) / w;
        g[j] = setup->beam > 0.0 ? opu_exp(-fmin(x * x + y * y, FARTHEST)) : 1.0;
    }
}

/* Mirror k of the array takes word k % 4 of block k / 4. */
static struct census count_mirrors(const struct opu_dmd *dmd, const struct opu_dmd_setup *setup,
                                   size_t j)
{
    struct census census = {dmd->mirrors_per_input, 0, 0};
    size_t const in_a_row = setup->chip->columns != 0 ? setup->chip->columns : dmd->columns;
    size_t const left = dmd->left + j % dmd->columns * dmd->width;
    size_t const top = dmd->top + j / dmd->columns * dmd->height;
    for (size_t m = 0; setup->dead > 0.0 && m < dmd->mirrors_per_input; ++m) {
        size_t const k = (top + m / dmd->width) * in_a_row + left + m % dmd->width;
        double const u =
            opu_uniform(opu_philox(setup->seed, OPU_STREAM_MIRROR, (uint32_t)(k / 4), 0).v[k % 4]);
        if (u < setup->dead) {
            --census.live;
            ++*(u < 0.5 * setup->dead ? &census.stuck_on : &census.stuck_off);
        }
    }
    return census;
}

/* Amplitudes before they are normalised; the mean square of the steps. */
static double set_amplitudes(struct opu_dmd *dmd, const struct opu_dmd_setup *setup,
                             const double *g)
{
    double power = 0.0;
    for (size_t j = 0; j < dmd->n_inputs; ++j) {
        struct census const mirrors = count_mirrors(dmd, setup, j);
        double const all = (double)dmd->mirrors_per_input;
        double const step = g[j] * (double)mirrors.live / all * (1.0 - dmd->eps);
        double const off =
            g[j] *
            ((double)mirrors.stuck_on + dmd->eps * (double)(mirrors.live + mirrors.stuck_off)) /
            all;
        dmd->step[j] = (float)step;
        dmd->off[j] = (float)off;
        dmd->n_stuck_on += mirrors.stuck_on;
        dmd->n_stuck_off += mirrors.stuck_off;
        power += step * step / (double)dmd->n_inputs;
    }
    return power;
}

static int fill_in(struct opu_dmd *dmd, const struct opu_dmd_setup *setup)
{
    OPU_TRY(lay_out(dmd, setup));
    dmd->step = opu_calloc(setup->context, setup->n_inputs, sizeof(*dmd->step));
    dmd->off = opu_calloc(setup->context, setup->n_inputs, sizeof(*dmd->off));
    double *const g = opu_calloc(setup->context, setup->n_inputs, sizeof(*g));
    if (dmd->step == NULL || dmd->off == NULL || g == NULL) {
        opu_context_free(setup->context, g);
        return OPU_E_NO_MEMORY;
    }
    light_up(dmd, setup, g);
    double const power = set_amplitudes(dmd, setup, g);
    opu_context_free(setup->context, g);
    if (!(power > DARKEST)) {
        return opu_fail(OPU_E_INVALID,
                        "sim: all %zu mirrors in use are stuck or dark (dead=%g, beam=%g)",
                        dmd->n_inputs * dmd->mirrors_per_input, setup->dead, setup->beam);
    }
    dmd->uniform = setup->beam <= 0.0 && dmd->n_stuck_on + dmd->n_stuck_off == 0;
    float const c = dmd->uniform ? 1.0f : (float)((1.0 - dmd->eps) / sqrt(power));
    for (size_t j = 0; j < dmd->n_inputs; ++j) {
        dmd->step[j] *= c;
        dmd->off[j] *= c;
    }
    return OPU_OK;
}

int opu_dmd_init(struct opu_dmd *dmd, const struct opu_dmd_setup *setup)
{
    *dmd = (struct opu_dmd){
        .context = setup->context, .n_inputs = setup->n_inputs, .eps = sqrt(setup->leakage)};
    int const status = fill_in(dmd, setup);
    if (status != OPU_OK) {
        opu_dmd_fini(dmd);
    }
    return status;
}

void opu_dmd_fini(struct opu_dmd *dmd)
{
    opu_context_free(dmd->context, dmd->step);
    opu_context_free(dmd->context, dmd->off);
    *dmd = (struct opu_dmd){0};
}

double opu_dmd_blaze(const struct opu_dmd_chip *chip, double wavelength_m, double incidence_rad)
{
    double const twice = 4.0 * chip->pitch_m / (SQRT2 * wavelength_m) * sin(chip->tilt_rad) *
                         cos(chip->tilt_rad - incidence_rad);
    return fabs(fmod(twice, 2.0) - 1.0);
}

double opu_dmd_order_angle(const struct opu_dmd_chip *chip, double wavelength_m,
                           double incidence_rad, int order)
{
    return asin(order * SQRT2 * wavelength_m / chip->pitch_m - sin(incidence_rad));
}

static double sinc2(double x)
{
    double const y = PI * x;
    double const s = fabs(y) < 1e-8 ? 1.0 : sin(y) / y;
    return s * s;
}

double opu_dmd_envelope(const struct opu_dmd_chip *chip, double wavelength_m, double incidence_rad,
                        int m, int n)
{
    double const unit = wavelength_m / (SQRT2 * chip->pitch_m);
    double const sx = (m + n) * unit - sin(incidence_rad);
    double const sy = (m - n) * unit;
    double const sz2 = 1.0 - sx * sx - sy * sy;
    if (sz2 < 0.0) {
        return 0.0;
    }
    double const q = sx * cos(chip->tilt_rad) - sqrt(sz2) * sin(chip->tilt_rad) -
                     sin(chip->tilt_rad - incidence_rad);
    double const side = chip->pitch_m * sqrt(chip->fill_factor) / (SQRT2 * wavelength_m);
    return sinc2(side * (q + sy)) * sinc2(side * (q - sy));
}

double opu_dmd_efficiency(const struct opu_dmd_chip *chip, double wavelength_m,
                          double incidence_rad)
{
    /* the order in the middle of the envelope, were there one, and those around it */
    int const near = (int)floor(SQRT2 * chip->pitch_m / wavelength_m * sin(chip->tilt_rad) *
                                cos(chip->tilt_rad - incidence_rad));
    double best = 0.0;
    for (int m = near - 1; m <= near + 2; ++m) {
        for (int n = near - 1; n <= near + 2; ++n) {
            best = fmax(best, opu_dmd_envelope(chip, wavelength_m, incidence_rad, m, n));
        }
    }
    return chip->fill_factor * chip->fill_factor * best;
}

size_t opu_dmd_runs(uint32_t *start, const uint8_t *bits, size_t row_bytes, size_t first,
                    size_t end)
{
    size_t n = 0;
    for (size_t f = first; f < end; ++f) {
        const uint8_t *const row = bits + f * row_bytes;
        if (f == first || memcmp(row, row - row_bytes, row_bytes) != 0) {
            start[n++] = (uint32_t)f;
        }
    }
    start[n] = (uint32_t)end;
    return n;
}
