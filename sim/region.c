/* SPDX-License-Identifier: MIT */
/* Speckle pictures: pupil modes to camera pixels by one FFT. Formulas: sim/region.h. */
#include "sim/region.h"

#include "core/base/dmath.h"
#include "core/base/fail.h"
#include "core/base/fft_lock.h"
#include "core/base/mem.h"
#include "sim/camera/camera.h"

#include <fftw3.h>
#include <math.h>
#include <string.h>

/* Full width at half maximum of |2 J1(s) / s|^2 is 2 * 1.61634 = 2 pi f_c * grain. */
#define FWHM_TIMES_2FC 1.0290

struct opu_sim_region {
    struct opu_context *context;
    size_t width, height;
    size_t grid_width, grid_height;
    size_t n_modes;
    uint32_t *place; /* [n_modes] grid point of each mode */
    float *scale;    /* [n_modes] root of a mode's share of the pupil */
    bool carrier;
    float *turn_x; /* [width][2] exp(-2 pi i f_x x) */
    float *turn_y; /* [height][2] */
    fftwf_complex *grid;
    fftwf_plan plan;
};

/* The next length whose prime factors are 2, 3, 5. */
static size_t smooth_length(size_t n)
{
    for (;; ++n) {
        size_t rest = n;
        static const size_t primes[] = {2, 3, 5};
        for (size_t k = 0; k < 3; ++k) {
            while (rest % primes[k] == 0) {
                rest /= primes[k];
            }
        }
        if (rest == 1) {
            return n;
        }
    }
}

/* Visits the pupil row by row; place NULL only counts. Modes beyond the grid's own frequencies fold
 * back. */
static size_t list_modes(uint32_t *place, size_t width, size_t height, double cut_off)
{
    ptrdiff_t const kx_max = (ptrdiff_t)(cut_off * (double)width);
    ptrdiff_t const ky_max = (ptrdiff_t)(cut_off * (double)height);
    size_t n = 0;
    for (ptrdiff_t ky = -ky_max; ky <= ky_max; ++ky) {
        for (ptrdiff_t kx = -kx_max; kx <= kx_max; ++kx) {
            double const fx = (double)kx / (double)width;
            double const fy = (double)ky / (double)height;
            if (fx * fx + fy * fy > cut_off * cut_off) {
                continue;
            }
            if (place != NULL) {
                size_t const x = (size_t)(kx + (ptrdiff_t)width) % width;
                size_t const y = (size_t)(ky + (ptrdiff_t)height) % height;
                place[n] = (uint32_t)(y * width + x);
            }
            ++n;
        }
    }
    return n;
}

/* Points of a cell's side that its share of the pupil is counted with. */
#define SUBCELLS 16

/* Rows and columns of modes, from -y_max and -x_max on. */
struct pupil {
    ptrdiff_t x_max, y_max;
    double width, height, cut_off;
    double *area; /* [2 y_max + 1][2 x_max + 1] */
};

static bool inside(const struct pupil *pupil, double x, double y)
{
    double const fx = x / pupil->width;
    double const fy = y / pupil->height;
    return fx * fx + fy * fy <= pupil->cut_off * pupil->cut_off;
}

/* The mode inside the pupil that is next to a point of the cell (x, y); there always is one, as the
 * cells nearer to the middle are inside where the point is. */
static double *nearest(const struct pupil *pupil, ptrdiff_t x, ptrdiff_t y, double px, double py)
{
    double best = (double)INFINITY;
    double *area = NULL;
    for (ptrdiff_t j = y - 1; j <= y + 1; ++j) {
        for (ptrdiff_t i = x - 1; i <= x + 1; ++i) {
            double const fx = (px - (double)i) / pupil->width;
            double const fy = (py - (double)j) / pupil->height;
            double const d = fx * fx + fy * fy;
            if (d < best && inside(pupil, (double)i, (double)j)) {
                best = d;
                area =
                    pupil->area + (j + pupil->y_max) * (2 * pupil->x_max + 1) + (i + pupil->x_max);
            }
        }
    }
    return area;
}

/* Adds the part of the pupil that lies in the cell around (x, y) to the modes next to it. */
static void add_cell(const struct pupil *pupil, ptrdiff_t x, ptrdiff_t y)
{
    double const far_x = fabs((double)x) + 0.5;
    double const far_y = fabs((double)y) + 0.5;
    if (inside(pupil, far_x, far_y)) {
        *nearest(pupil, x, y, (double)x, (double)y) += 1.0;
        return;
    }
    if (!inside(pupil, fmax(far_x - 1.0, 0.0), fmax(far_y - 1.0, 0.0))) {
        return;
    }
    for (int j = 0; j < SUBCELLS; ++j) {
        for (int i = 0; i < SUBCELLS; ++i) {
            double const px = (double)x + ((double)i + 0.5) / SUBCELLS - 0.5;
            double const py = (double)y + ((double)j + 0.5) / SUBCELLS - 0.5;
            double *const area = inside(pupil, px, py) ? nearest(pupil, x, y, px, py) : NULL;
            if (area != NULL) {
                *area += 1.0 / (SUBCELLS * SUBCELLS);
            }
        }
    }
}

/* Fills scale[n_modes], in the order of list_modes(). */
static int weigh_modes(struct opu_sim_region *region, struct opu_context *context, double cut_off)
{
    struct pupil pupil = {.x_max = (ptrdiff_t)(cut_off * (double)region->grid_width),
                          .y_max = (ptrdiff_t)(cut_off * (double)region->grid_height),
                          .width = (double)region->grid_width,
                          .height = (double)region->grid_height,
                          .cut_off = cut_off};
    size_t const columns = 2 * (size_t)pupil.x_max + 1;
    pupil.area = opu_calloc(context, columns * (2 * (size_t)pupil.y_max + 1), sizeof(*pupil.area));
    if (pupil.area == NULL) {
        return OPU_E_NO_MEMORY;
    }
    double all = 0.0;
    for (ptrdiff_t y = -pupil.y_max - 1; y <= pupil.y_max + 1; ++y) {
        for (ptrdiff_t x = -pupil.x_max - 1; x <= pupil.x_max + 1; ++x) {
            add_cell(&pupil, x, y);
        }
    }
    size_t n = 0;
    for (size_t k = 0; k < columns * (2 * (size_t)pupil.y_max + 1); ++k) {
        all += pupil.area[k];
    }
    for (ptrdiff_t y = -pupil.y_max; y <= pupil.y_max; ++y) {
        for (ptrdiff_t x = -pupil.x_max; x <= pupil.x_max; ++x) {
            if (inside(&pupil, (double)x, (double)y)) {
                double const area =
                    pupil.area[(size_t)(y + pupil.y_max) * columns + (size_t)(x + pupil.x_max)];
                region->scale[n++] = (float)sqrt(area / all);
            }
        }
    }
    opu_context_free(context, pupil.area);
    return OPU_OK;
}

static int check(const struct opu_region *setup)
{
    if (setup->stride > 1 || setup->binning > 1) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "sim: region with stride %u and binning %u, only 1 and 1 are simulated",
                        setup->stride, setup->binning);
    }
    double const grain = setup->pixels_per_grain;
    if (grain != 0.0 && !(grain >= 1.0 && grain <= 1024.0)) {
        return opu_fail(
            OPU_E_INVALID,
            "sim: region with %g pixels per grain, wanted 1 to 1024 (0: the device's own)", grain);
    }
    if (setup->width == 0 || setup->height == 0 || setup->width > 8192 || setup->height > 8192) {
        return opu_fail(OPU_E_INVALID, "sim: region of %u x %u pixels, wanted 1 to 8192 a side",
                        setup->width, setup->height);
    }
    return OPU_OK;
}

/* exp(-2 pi i carrier k); NULL where memory lacks. */
static float *make_turns(struct opu_context *context, double carrier, size_t n)
{
    float *const turns = opu_calloc(context, n, 2 * sizeof(*turns));
    for (size_t k = 0; turns != NULL && k < n; ++k) {
        double const cycles = carrier * (double)k;
        double sine;
        double cosine;
        opu_sincos(6.28318530717958647692 * (cycles - floor(cycles)), &sine, &cosine);
        turns[2 * k] = (float)cosine;
        turns[2 * k + 1] = (float)-sine;
    }
    return turns;
}

/* FFTW's own code without vectors, the same on every processor; a flag that its header leaves
 * undocumented. */
#define WITHOUT_VECTORS (1U << 17)

static int plan(struct opu_sim_region *region, bool deterministic)
{
    unsigned const flags = FFTW_ESTIMATE | (deterministic ? WITHOUT_VECTORS : 0U);
    opu_fft_lock();
    region->grid = fftwf_alloc_complex(region->grid_width * region->grid_height);
    if (region->grid != NULL) {
        region->plan = fftwf_plan_dft_2d((int)region->grid_height, (int)region->grid_width,
                                         region->grid, region->grid, FFTW_BACKWARD, flags);
    }
    opu_fft_unlock();
    if (region->plan == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "sim: no memory for a Fourier transform of %zu x %zu",
                        region->grid_width, region->grid_height);
    }
    return OPU_OK;
}

int opu_sim_region_create(struct opu_sim_region **out, size_t *n_modes, struct opu_context *context,
                          const struct opu_region *setup, bool deterministic)
{
    *out = NULL;
    OPU_TRY(check(setup));
    struct opu_sim_region *const region = opu_calloc(context, 1, sizeof(*region));
    if (region == NULL) {
        return OPU_E_NO_MEMORY;
    }
    double const grain =
        setup->pixels_per_grain > 0.0 ? setup->pixels_per_grain : OPU_REGION_GRAIN_PIXELS;
    double const cut_off = FWHM_TIMES_2FC / (2.0 * grain);
    size_t const margin = (size_t)ceil(2.0 * grain);
    region->context = context;
    region->width = setup->width;
    region->height = setup->height;
    region->grid_width = smooth_length(setup->width + margin);
    region->grid_height = smooth_length(setup->height + margin);
    region->n_modes = list_modes(NULL, region->grid_width, region->grid_height, cut_off);
    int status = OPU_E_NO_MEMORY;
    region->place = opu_calloc(context, region->n_modes, sizeof(*region->place));
    region->scale = opu_calloc(context, region->n_modes, sizeof(*region->scale));
    region->carrier = setup->carrier_x != 0.0 || setup->carrier_y != 0.0;
    region->turn_x = make_turns(context, setup->carrier_x, region->width);
    region->turn_y = make_turns(context, setup->carrier_y, region->height);
    if (region->place == NULL || region->scale == NULL || region->turn_x == NULL ||
        region->turn_y == NULL || (status = plan(region, deterministic)) != OPU_OK ||
        (status = weigh_modes(region, context, cut_off)) != OPU_OK) {
        opu_sim_region_destroy(region);
        return status;
    }
    list_modes(region->place, region->grid_width, region->grid_height, cut_off);
    *n_modes = region->n_modes;
    *out = region;
    return OPU_OK;
}

void opu_sim_region_destroy(struct opu_sim_region *region)
{
    if (region == NULL) {
        return;
    }
    opu_fft_lock();
    if (region->plan != NULL) {
        fftwf_destroy_plan(region->plan);
    }
    fftwf_free(region->grid);
    opu_fft_unlock();
    opu_context_free(region->context, region->place);
    opu_context_free(region->context, region->scale);
    opu_context_free(region->context, region->turn_x);
    opu_context_free(region->context, region->turn_y);
    opu_context_free(region->context, region);
}

/* Row y of the grid to the pixels, turned by the carrier if that is asked for. */
static void store_row(const struct opu_sim_region *region, size_t y, bool tilted, float *field)
{
    const float *const ty = region->turn_y + 2 * y;
    for (size_t x = 0; x < region->width; ++x) {
        const float *const e = region->grid[y * region->grid_width + x];
        float *const pixel = field + opu_block_offset(y * region->width + x);
        float turn[2] = {1.0f, 0.0f};
        if (tilted) {
            const float *const tx = region->turn_x + 2 * x;
            turn[0] = tx[0] * ty[0] - tx[1] * ty[1];
            turn[1] = tx[0] * ty[1] + tx[1] * ty[0];
        }
        pixel[0] = e[0] * turn[0] - e[1] * turn[1];
        pixel[OPU_BLOCK_PIXELS] = e[0] * turn[1] + e[1] * turn[0];
    }
}

void opu_sim_region_field(struct opu_sim_region *region, const float *modes, bool tilted,
                          float *field)
{
    memset(region->grid, 0, region->grid_width * region->grid_height * sizeof(*region->grid));
    for (size_t k = 0; k < region->n_modes; ++k) {
        const float *const mode = modes + opu_block_offset(k);
        region->grid[region->place[k]][0] += region->scale[k] * mode[0];
        region->grid[region->place[k]][1] += region->scale[k] * mode[OPU_BLOCK_PIXELS];
    }
    fftwf_execute(region->plan);
#pragma omp parallel for schedule(static)
    for (size_t y = 0; y < region->height; ++y) {
        store_row(region, y, tilted && region->carrier, field);
    }
}
