/* SPDX-License-Identifier: MIT */
/* The light of a mirror, as stated and as measured; formulas in core/device/measure.h. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

#define GROUPS 28
#define OFF_FRAMES 3 /* all mirrors off, at OFF_STEP, OFF_STEP^2 ... of the exposure for all on */
#define OFF_STEP 10.0
#define MEAN_SHARE 0.1  /* of full scale: exp(-10) of the pixels saturate */
#define SATURATED 0.003 /* the mean of exponential light loses the share that saturates */
#define ADJUSTMENTS 6
#define CERTAIN 4.0       /* deviations between a statement and what contradicts it */
#define CAMERA_ERROR 0.01 /* of a mean brightness: gain, converter, saturation */
#define DISAGREEMENT 1.5  /* between stated and measured signal that deserves a warning */

double opu_stated_rate(const struct opu_projection *p)
{
    return p->device->caps.signal_per_us * (double)((1u << p->bits) - 1);
}

size_t opu_light_groups(size_t n_in)
{
    return n_in < GROUPS ? n_in : GROUPS;
}

size_t opu_light_input(size_t run, size_t group, size_t n_groups)
{
    /* Each time another of the neighbours, lest groups be rows or columns of mirrors. */
    uint64_t const draw = (UINT64_C(1) << 62) + run;
    uint32_t const turn = opu_philox(0, OPU_STREAM_CALIBRATE, 0, draw).v[0];
    return run * n_groups + (group + turn % n_groups) % n_groups;
}

double opu_light_grains(const struct opu_layout *layout)
{
    double const n = (double)layout->n_pixels;
    if (layout->region.width == 0) {
        return n;
    }
    /* The pupil's modes in the picture: pi B^2 W H, B = 1.029 / (2 grain) (sideband.h). */
    double const radius = 1.0290 / (2.0 * layout->region.pixels_per_grain);
    return fmax(1.0, 3.14159265358979323846 * radius * radius * n);
}

double opu_light_freedom(const double *groups, size_t n_groups, double grains)
{
    double sum = 0.0;
    double squares = 0.0;
    for (size_t k = 0; k < n_groups; k++) {
        sum += groups[k];
        squares += groups[k] * groups[k];
    }
    return squares > 0.0 ? grains * sum * sum / squares : grains;
}

bool opu_light_contradicts(double ratio, double freedom)
{
    double const sd = 1.0 / (3.0 * sqrt(freedom));
    double const mean = 1.0 - sd * sd;
    return cbrt(ratio / (1.0 + CAMERA_ERROR)) > mean + CERTAIN * sd ||
           cbrt(ratio * (1.0 + CAMERA_ERROR)) < mean - CERTAIN * sd;
}

/* Light of one pattern, and how much of it was more than the camera holds. */
struct glance {
    double rate;      /* counts a microsecond, mean over the pixels */
    double saturated; /* share of the pixels */
};

/* n frames at one exposure; draw() writes the i-th pattern. */
static int glance_at(struct opu_projection *p, size_t n, double *exposure_us,
                     void (*draw)(const struct opu_projection *p, size_t i, uint8_t *bits),
                     struct glance *seen)
{
    const struct opu_caps *const caps = &p->device->caps;
    uint8_t *const bits = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    if (bits == NULL) {
        return OPU_E_NO_MEMORY;
    }
    *exposure_us = fmin(fmax(*exposure_us, caps->min_exposure_us), caps->max_exposure_us);
    int status = opu_frames_configure(p, exposure_us, 1, NULL, 0);
    double const pixels = (double)p->layout.n_pixels;
    double const full = opu_full_scale(p);
    size_t const batch = p->chunk.capacity;
    assert(batch > 0);
    for (size_t first = 0; first < n && status == OPU_OK; first += batch) {
        for (size_t i = first; i < n && i < first + batch; i++) {
            draw(p, i, bits);
            opu_chunk_add(p, bits, 0, 0);
        }
        size_t fired = 0;
        status = opu_chunk_fire(p, &fired);
        for (size_t f = 0; f < fired && status == OPU_OK; f++) {
            struct glance *const one = &seen[first + f];
            *one = (struct glance){0.0, 0.0};
            for (size_t k = 0; k < p->layout.n_pixels; k++) {
                double const counts = opu_chunk_count(p, f, k);
                one->rate += counts / *exposure_us / pixels;
                one->saturated += counts > full ? 1.0 / pixels : 0.0;
            }
        }
    }
    opu_context_free(p->context, bits);
    return status;
}

static void draw_off(const struct opu_projection *p, size_t i, uint8_t *bits)
{
    (void)i;
    opu_random_pattern(bits, p->layout.n_inputs, 0, 0);
}

static void draw_on(const struct opu_projection *p, size_t i, uint8_t *bits)
{
    (void)i;
    opu_random_pattern(bits, p->layout.n_inputs, p->layout.n_inputs, 0);
}

static void draw_group(const struct opu_projection *p, size_t i, uint8_t *bits)
{
    size_t const n = opu_light_groups(p->n_in);
    opu_random_pattern(bits, p->layout.n_inputs, 0, 0);
    for (size_t run = 0; run * n < p->n_in; run++) {
        size_t const j = opu_light_input(run, i % n, n);
        if (j < p->n_in) {
            bits[j / 8] |= (uint8_t)(1u << j % 8);
        }
    }
}

/* Mean rates with all mirrors off and with all on, the reference blocked. */
static int measure_extremes(struct opu_projection *p, double *off, double *on)
{
    uint8_t *const bits = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    if (bits == NULL) {
        return OPU_E_NO_MEMORY;
    }
    struct opu_ramp const ramp = {.bits = bits};
    *on = 0.0;
    int status = opu_measure_rate(p, &ramp, off);
    if (status == OPU_OK) {
        opu_random_pattern(bits, p->layout.n_inputs, p->layout.n_inputs, 0);
        status = opu_measure_rate(p, &ramp, on);
    }
    if (status == OPU_OK && !(*on > 0.0)) {
        status = opu_fail(OPU_E_DEVICE, "%s: no light with all %zu mirrors on at %g us",
                          p->device->backend->scheme, p->layout.n_inputs,
                          p->device->caps.max_exposure_us);
    }
    opu_context_free(p->context, bits);
    return status;
}

int opu_measure_leakage(struct opu_projection *p, double *eps)
{
    double off;
    double on;
    OPU_TRY(measure_extremes(p, &off, &on));
    *eps = off < on ? sqrt(off / on) : 0.0;
    return OPU_OK;
}

/* Amplitude of mirrors that are off, and *off, their rate. `rough`: about the rate of a mirror. */
static int glance_at_leakage(struct opu_projection *p, double rough, double *off, double *eps)
{
    struct glance on;
    double const on_us = MEAN_SHARE * opu_full_scale(p) / (rough * (double)p->layout.n_inputs);
    double exposure_us = on_us;
    OPU_TRY(glance_at(p, 1, &exposure_us, draw_on, &on));
    *off = 0.0;
    exposure_us = on_us;
    bool fits = true;
    for (size_t i = 0; i < OFF_FRAMES; i++) {
        /* The longest exposure that does not saturate says most. */
        struct glance dark;
        exposure_us *= OFF_STEP;
        double shown_us = exposure_us;
        OPU_TRY(glance_at(p, 1, &shown_us, draw_off, &dark));
        fits = fits && dark.saturated <= SATURATED;
        *off = fits || i == 0 ? fmax(dark.rate, 0.0) : *off;
    }
    *eps = *off < on.rate ? sqrt(*off / on.rate) : 0.0;
    return OPU_OK;
}

/* Rates of the groups; *saturated: the share of their pixels that did. */
static int glance_at_groups(struct opu_projection *p, double rough, double *groups,
                            double *saturated)
{
    size_t const n_groups = opu_light_groups(p->n_in);
    size_t const largest = (p->n_in + n_groups - 1) / n_groups;
    double exposure_us = MEAN_SHARE * opu_full_scale(p) / (rough * (double)largest);
    struct glance seen[GROUPS];
    for (int i = 0; i < ADJUSTMENTS; i++) {
        OPU_TRY(glance_at(p, GROUPS, &exposure_us, draw_group, seen));
        *saturated = 0.0;
        for (size_t f = 0; f < GROUPS; f++) {
            *saturated += seen[f].saturated / GROUPS;
        }
        if (*saturated <= SATURATED || exposure_us <= p->device->caps.min_exposure_us) {
            break;
        }
        exposure_us *= 0.25;
    }
    for (size_t k = 0; k < n_groups; k++) {
        groups[k] = 0.0;
        double const shown = (double)((GROUPS - k + n_groups - 1) / n_groups);
        for (size_t f = k; f < GROUPS; f += n_groups) {
            groups[k] += seen[f].rate / shown;
        }
    }
    return OPU_OK;
}

/* A step's rate from groups and leakage, and how many degrees of freedom it has. */
static double solve(const struct opu_projection *p, double *groups, double off, double eps,
                    double *freedom)
{
    size_t const n = opu_light_groups(p->n_in);
    double const k = eps / (1.0 - eps);
    double const anchors = (double)p->layout.n_anchor / (double)p->n_in;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        groups[i] = fmax(groups[i] - off, 0.0);
        sum += groups[i];
    }
    double const grains = opu_light_grains(&p->layout);
    double const cross = 4.0 * k * k * (1.0 + 0.5 * anchors) / grains;
    *freedom = 1.0 / (1.0 / opu_light_freedom(groups, n, grains) + cross);
    return sum / ((1.0 + 2.0 * k) * (double)p->n_in);
}

/* Whether to go by the statement; saturated light is brighter than it looks. */
static bool believe(const struct opu_projection *p, double stated, double measured, double freedom,
                    double saturated)
{
    double const ratio = measured / stated;
    bool const right =
        !opu_light_contradicts(ratio, freedom) || (ratio < 1.0 && saturated > SATURATED);
    if (!right) {
        bool const far = ratio > DISAGREEMENT || ratio < 1.0 / DISAGREEMENT;
        opu_context_log(p->context, far ? OPU_LOG_WARNING : OPU_LOG_INFO, "calibrate",
                        "%s: a mirror in use adds %g counts/us, stated are %g; goes by the former",
                        p->device->backend->scheme, measured, stated);
    }
    return right;
}

int opu_measure_signal(struct opu_projection *p)
{
    double const stated = opu_stated_rate(p);
    double rough = stated;
    double off;
    if (!(stated > 0.0)) {
        OPU_TRY(measure_extremes(p, &off, &rough));
        rough /= (double)p->layout.n_inputs;
    }
    double eps;
    double groups[GROUPS];
    double saturated;
    double freedom;
    OPU_TRY(glance_at_leakage(p, rough, &off, &eps));
    OPU_TRY(glance_at_groups(p, rough, groups, &saturated));
    double const measured = solve(p, groups, off, eps, &freedom);
    if (!(measured > 0.0)) {
        return opu_fail(OPU_E_DEVICE, "%s: no light with any of the %zu inputs on",
                        p->device->backend->scheme, p->n_in);
    }
    bool const keep = stated > 0.0 && believe(p, stated, measured, freedom, saturated);
    p->tables.signal_rate = keep ? stated : measured;
    return OPU_OK;
}

double opu_mean_light(const float *field, size_t n_pixels)
{
    double sum = 0.0;
    for (size_t k = 0; k < 2 * n_pixels; k++) {
        sum += (double)field[k] * (double)field[k];
    }
    return sum / (double)n_pixels;
}

int opu_tell_light(struct opu_device *device, const struct opu_layout *layout, size_t n_in,
                   float *input, float *field, double *light)
{
    size_t const n = opu_light_groups(n_in);
    double groups[GROUPS];
    double sum = 0.0;
    for (size_t g = 0; g < n; g++) {
        memset(input, 0, layout->n_inputs * sizeof *input);
        for (size_t run = 0; run * n < n_in; run++) {
            size_t const j = opu_light_input(run, g, n);
            if (j < n_in) {
                input[j] = 1.0f;
            }
        }
        OPU_TRY(opu_device_field(device, input, 1, field));
        groups[g] = opu_mean_light(field, layout->n_pixels);
        sum += groups[g];
    }
    double const ratio = sum / (double)n_in;
    double const freedom = opu_light_freedom(groups, n, opu_light_grains(layout));
    *light = ratio > 0.0 && opu_light_contradicts(ratio, freedom) ? ratio : 1.0;
    return OPU_OK;
}
