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

/* The inputs that one frame shows: one group of those of the projection, or of the anchor's. */
struct group {
    size_t first, count; /* the inputs that are parted */
    size_t n, index;     /* into n groups, of which this is number index */
};

static struct group group_of(const struct opu_layout *layout, size_t frame)
{
    size_t const n_in = layout->n_inputs - layout->n_anchor;
    size_t const half = layout->n_anchor > 0 ? GROUPS / 2 : GROUPS;
    bool const anchor = frame >= half;
    struct group group = {.first = anchor ? n_in : 0, .count = anchor ? layout->n_anchor : n_in};
    group.n = group.count < half ? group.count : half;
    group.index = frame % half % group.n;
    return group;
}

/* The group's one of each run of n neighbours, where there is one. */
static bool find_input(const struct group *group, size_t run, size_t *input)
{
    /* Each time another of the neighbours, lest groups be rows or columns of mirrors. */
    uint64_t const draw = (UINT64_C(1) << 62) + run;
    uint32_t const turn = opu_philox(0, OPU_STREAM_CALIBRATE, 0, draw).v[0];
    size_t const j = run * group->n + (group->index + turn % group->n) % group->n;
    *input = group->first + j;
    return j < group->count;
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

bool opu_light_contradicts(double ratio, double freedom, double other)
{
    double const a = 1.0 / (9.0 * freedom);
    double const b = 1.0 / (9.0 * other);
    double const high = cbrt(ratio / (1.0 + CAMERA_ERROR));
    double const low = cbrt(ratio * (1.0 + CAMERA_ERROR));
    return (1.0 - b) * high - (1.0 - a) > CERTAIN * sqrt(b * high * high + a) ||
           (1.0 - b) * low - (1.0 - a) < -CERTAIN * sqrt(b * low * low + a);
}

/* Brightness of a mirror, mean over the inputs (0) and over the anchor (1), and its freedom. */
struct brightness {
    double mirror[2], freedom[2];
};

/* From the brightness of every frame less that of all mirrors off. */
static struct brightness add_up(const struct opu_layout *layout, const double *frames)
{
    struct brightness found = {{0.0, 0.0}, {1.0, 1.0}};
    for (size_t f = 0; f < GROUPS;) {
        struct group const group = group_of(layout, f);
        size_t const half = layout->n_anchor > 0 ? GROUPS / 2 : GROUPS;
        double sum = 0.0;
        double squares = 0.0;
        for (size_t k = 0; k < group.n; k++) {
            size_t const n_shown = (half - k + group.n - 1) / group.n;
            double const shown = (double)n_shown;
            double mean = 0.0;
            for (size_t i = k; i < half; i += group.n) {
                mean += frames[f + i] / shown;
            }
            sum += mean;
            squares += mean * mean;
        }
        size_t const set = group.first > 0;
        found.mirror[set] = fmax(sum, 0.0) / (double)group.count;
        found.freedom[set] =
            squares > 0.0 ? fmax(1.0, opu_light_grains(layout) * sum * sum / squares) : 1.0;
        f += half;
    }
    return found;
}

/*
 * Light of an input over that of all that are configured; exactly 1 unless inputs and anchor
 * contradict that.
 */
static double unevenness(const struct opu_layout *layout, const struct brightness *found)
{
    double const n_anchor = (double)layout->n_anchor;
    double const n_all = (double)layout->n_inputs;
    double const *const mirror = found->mirror;
    if (layout->n_anchor == 0 || !(mirror[0] > 0.0) || !(mirror[1] > 0.0) ||
        !opu_light_contradicts(mirror[0] / mirror[1], found->freedom[0], found->freedom[1])) {
        return 1.0;
    }
    return mirror[0] * n_all / (mirror[0] * (n_all - n_anchor) + mirror[1] * n_anchor);
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
    struct group const group = group_of(&p->layout, i);
    opu_random_pattern(bits, p->layout.n_inputs, 0, 0);
    for (size_t run = 0; run * group.n < group.count; run++) {
        size_t j;
        if (find_input(&group, run, &j)) {
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
    struct glance on = {0};
    double const on_us = MEAN_SHARE * opu_full_scale(p) / (rough * (double)p->layout.n_inputs);
    double exposure_us = on_us;
    OPU_TRY(glance_at(p, 1, &exposure_us, draw_on, &on));
    *off = 0.0;
    exposure_us = on_us;
    bool fits = true;
    for (size_t i = 0; i < OFF_FRAMES; i++) {
        /* The longest exposure that does not saturate says most. */
        struct glance dark = {0};
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
static int glance_at_groups(struct opu_projection *p, double rough, double *frames,
                            double *saturated)
{
    size_t largest = 0;
    for (size_t f = 0; f < GROUPS; f++) {
        struct group const group = group_of(&p->layout, f);
        size_t const n = (group.count + group.n - 1) / group.n;
        largest = n > largest ? n : largest;
    }
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
    for (size_t f = 0; f < GROUPS; f++) {
        frames[f] = seen[f].rate;
    }
    return OPU_OK;
}

/* Takes the last term's share, 2 k, and its scatter into account. */
static void widen(const struct opu_layout *layout, double k, struct brightness *found)
{
    double const n_anchor = (double)layout->n_anchor;
    double const n_in = (double)layout->n_inputs - n_anchor;
    double const grains = opu_light_grains(layout);
    double const others[2] = {n_anchor / n_in, n_anchor > 0.0 ? n_in / n_anchor : 0.0};
    for (size_t i = 0; i < 2; i++) {
        double const cross = 4.0 * k * k * (1.0 + 0.5 * others[i]) / grains;
        found->freedom[i] = 1.0 / (1.0 / found->freedom[i] + cross);
    }
}

/* Whether all mirrors' light contradicts the statement, whatever the last term's mean is. */
static bool believe(const struct opu_projection *p, double stated, double k,
                    const struct brightness *found, double saturated)
{
    double const share = (double)p->layout.n_anchor / (double)p->layout.n_inputs;
    double const one = found->mirror[0] * (1.0 - share);
    double const other = found->mirror[1] * share;
    double const mean = one + other;
    double const freedom =
        mean > 0.0
            ? mean * mean / (one * one / found->freedom[0] + other * other / found->freedom[1])
            : 1.0;
    double const most = mean / stated;
    double const least = most / (1.0 + 2.0 * k);
    bool const brighter = least > 1.0 && opu_light_contradicts(least, freedom, (double)INFINITY);
    /* saturated light is brighter than it looks */
    bool const darker = most < 1.0 && saturated <= SATURATED &&
                        opu_light_contradicts(most, freedom, (double)INFINITY);
    return !brighter && !darker;
}

static void tell(const struct opu_projection *p, double stated)
{
    double const ratio = p->tables.signal_rate / stated;
    bool const far = ratio > DISAGREEMENT || ratio < 1.0 / DISAGREEMENT;
    opu_context_log(p->context, far ? OPU_LOG_WARNING : OPU_LOG_INFO, "calibrate",
                    "%s: a mirror in use adds %g counts/us, stated are %g; goes by the former",
                    p->device->backend->scheme, p->tables.signal_rate, stated);
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
    double frames[GROUPS];
    double saturated;
    OPU_TRY(glance_at_leakage(p, rough, &off, &eps));
    OPU_TRY(glance_at_groups(p, rough, frames, &saturated));
    for (size_t f = 0; f < GROUPS; f++) {
        frames[f] -= off;
    }
    double const k = eps / (1.0 - eps);
    struct brightness found = add_up(&p->layout, frames);
    widen(&p->layout, k, &found);
    if (!(found.mirror[0] > 0.0)) {
        return opu_fail(OPU_E_DEVICE, "%s: no light with any of the %zu inputs on",
                        p->device->backend->scheme, p->n_in);
    }
    bool const keep = stated > 0.0 && believe(p, stated, k, &found, saturated);
    p->tables.signal_rate =
        keep ? stated * unevenness(&p->layout, &found) : found.mirror[0] / (1.0 + 2.0 * k);
    if (stated > 0.0 &&
        (!keep || p->tables.signal_rate < stated || p->tables.signal_rate > stated)) {
        tell(p, stated);
    }
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

int opu_tell_light(struct opu_device *device, const struct opu_layout *layout, float *input,
                   float *field, double *light)
{
    double frames[GROUPS] = {0.0};
    *light = 1.0;
    if (layout->n_anchor == 0) {
        return OPU_OK;
    }
    for (size_t f = 0; f < GROUPS; f++) {
        struct group const group = group_of(layout, f);
        memset(input, 0, layout->n_inputs * sizeof *input);
        for (size_t run = 0; run * group.n < group.count; run++) {
            size_t j;
            if (find_input(&group, run, &j)) {
                input[j] = 1.0f;
            }
        }
        OPU_TRY(opu_device_field(device, input, 1, field));
        frames[f] = opu_mean_light(field, layout->n_pixels);
    }
    struct brightness const found = add_up(layout, frames);
    *light = unevenness(layout, &found);
    return OPU_OK;
}
