/* SPDX-License-Identifier: MIT */
/*
 * offaxis: one frame of a region of the camera with the reference arm tilted gives the field's
 * Fourier modes (formulas and sources: core/device/sideband.h). Both quadratures of mode m are
 * outputs 2m and 2m + 1. With pixels of signal ns and reference nr electrons, the side band of I /
 * R* has the variance
 *
 *   eta (ns + nr + sr^2 + sq^2) / (nr v),   eta = pi B^2 = 0.0707
 *
 * over both quadratures of a mode, in units in which the mode's signal is ns; v (0.93 to 1) is what
 * the picture's edge leaves of it. One frame, but 14 pixels and more for a complex output.
 *
 * The arm's light is measured at every pixel, by a ramp over frames at the phases 0 and pi with all
 * mirrors off: half their sum is m = (1 + u) (R^2 + |S_off|^2), u the pixel's deviation in gain,
 * half their difference is the fringe 2 (1 + u) Re(R* S_off exp(-2 pi i f r)). R is smooth over a
 * few pixels, u is not: with R^2 from m by a running mean, every count is multiplied by
 *
 *   gain = sqrt(2 variance / s) / ((1 + u) r),   R = a r sqrt(t)
 *
 * before the transform, and the result divided by the class's a t. S_off is the transform of the
 * measured fringe, and taken off in proportion to the sum of a row's weights.
 *
 * Rows of B depend on the size of the picture, which is the smallest that has n_out / 2 modes.
 */
#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"
#include "core/device/sideband.h"

/* Share of the inputs whose light the ramp's reference is chosen for: |S_off|^2, which passes for
 * unlike pixels here, is then 1 / 400 of it at a leakage of 1 / 1000. */
#define LEAKING 0.1
#define SMOOTH 8 /* pixels to each side in the running mean of the reference */

static bool layout(struct opu_layout *layout, size_t n_in, size_t n_out)
{
    *layout = (struct opu_layout){.n_inputs = n_in};
    if (!opu_sideband_region(&layout->region, n_out / 2 + n_out % 2)) {
        return false;
    }
    layout->n_pixels = (size_t)layout->region.width * layout->region.height;
    layout->n_table = layout->n_pixels;
    return true;
}

static int prepare(struct opu_projection *p)
{
    return opu_sideband_create(&p->sideband, p->context, &p->layout.region,
                               p->n_out / 2 + p->n_out % 2, p->n_threads);
}

/* Mean over `count` neighbours of every n-th value: to[i] for i = 0 .. n - 1, ends cut. */
static void running_mean(const double *from, size_t n, size_t step, double *to)
{
    for (size_t i = 0; i < n; i++) {
        size_t const first = i > SMOOTH ? i - SMOOTH : 0;
        size_t const last = i + SMOOTH < n ? i + SMOOTH : n - 1;
        double sum = 0.0;
        for (size_t j = first; j <= last; j++) {
            sum += from[j * step];
        }
        to[i * step] = sum / (double)(last - first + 1);
    }
}

/* room[0 .. n) holds m; room[n .. 2n) serves as scratch. Leaves the smoothed m in room[0 .. n). */
static void smooth_reference(const struct opu_projection *p, double *room)
{
    size_t const width = p->layout.region.width;
    size_t const height = p->layout.region.height;
    double *const half = room + p->layout.n_pixels;
    for (size_t y = 0; y < height; y++) {
        running_mean(room + y * width, width, 1, half + y * width);
    }
    for (size_t x = 0; x < width; x++) {
        running_mean(half + x, height, width, room + x);
    }
}

/* S_off's modes from the ramp's fringes, its mean brightness, and what of that is noise. */
static const float *solve_offset(struct opu_projection *p, const struct opu_line *lines,
                                 double amplitude, double *off, double *noise)
{
    size_t const width = p->layout.region.width;
    size_t const stride = opu_sideband_stride(p->sideband);
    size_t const n_modes = opu_sideband_modes(p->sideband);
    float *const picture = opu_sideband_picture(p->sideband, 0);
    double var = 0.0;
    for (size_t k = 0; k < p->layout.n_pixels; k++) {
        double const gain = (double)p->gain[k] / amplitude;
        picture[k / width * stride + k % width] = (float)(gain * lines[k].slope[1]);
        var += gain * gain * lines[k].slope_var[1];
    }
    const float *const modes = opu_sideband_filter(p->sideband, 0);
    *off = 0.0;
    *noise = 0.0;
    for (size_t m = 0; m < n_modes; m++) {
        double const re = (double)modes[2 * m];
        double const im = (double)modes[2 * m + 1];
        double const scale = (double)opu_sideband_scale(p->sideband, m);
        *off += (re * re + im * im) / (double)n_modes;
        *noise += scale * scale * var / (double)n_modes;
    }
    return modes;
}

static int solve(struct opu_projection *p, const struct opu_line *lines, double amplitude,
                 double *room)
{
    size_t const n = p->layout.n_pixels;
    struct opu_tables *const tables = &p->tables;
    double sum = 0.0;
    for (size_t k = 0; k < n; k++) {
        if (!lines[k].found || !(lines[k].slope[0] > 0.0)) {
            return opu_fail_reference(p, k, lines[k].found);
        }
        room[k] = lines[k].slope[0];
        sum += lines[k].slope[0] / (double)n;
    }
    smooth_reference(p, room);
    double const unit = sqrt(2.0 * p->variance / tables->signal_rate);
    for (size_t k = 0; k < n; k++) {
        p->gain[k] = (float)(unit * amplitude * sqrt(room[k]) / lines[k].slope[0]);
    }
    double off;
    double noise;
    const float *const modes = solve_offset(p, lines, amplitude, &off, &noise);
    /* As in readout_steps.c. */
    double const keep = off > noise ? 1.0 - noise / off : 0.0;
    for (size_t i = 0; i < p->n_out; i++) {
        p->offset[i] = (float)(keep * (double)modes[i]);
    }
    p->has_offset = keep > 0.0;
    tables->leak_rate = keep * off / (unit * unit);
    tables->reference_rate = fmax(sum - tables->leak_rate, 0.5 * sum) / (amplitude * amplitude);
    return OPU_OK;
}

static int measure(struct opu_projection *p)
{
    OPU_TRY(opu_measure_signal(p));
    size_t const n = p->layout.n_pixels;
    struct opu_line *const lines = opu_calloc(p->context, n, sizeof *lines);
    double *const room = opu_calloc(p->context, 2 * n, sizeof *room);
    int status = OPU_E_NO_MEMORY;
    if (lines != NULL && room != NULL) {
        double amplitude = 1.0;
        status = opu_measure_reference(p, 2, LEAKING, lines, &amplitude);
        if (status == OPU_OK) {
            status = solve(p, lines, amplitude, room);
        }
    }
    opu_context_free(p->context, room);
    opu_context_free(p->context, lines);
    return status;
}

/* The thread's picture, flat-fielded. */
static void load(const struct opu_projection *p, const void *counts, float *picture)
{
    size_t const width = p->layout.region.width;
    size_t const stride = opu_sideband_stride(p->sideband);
    float const black = (float)opu_black(p);
    for (size_t y = 0; y < p->layout.region.height; y++) {
        const float *const gain = p->gain + y * width;
        float *const to = picture + y * stride;
        if (p->bits <= 8) {
            p->kernels->flat_u8(width, (const uint8_t *)counts + y * width, black, gain, to);
        } else {
            p->kernels->flat_u16(width, (const uint16_t *)counts + y * width, black, gain, to);
        }
    }
}

static void decode(const struct opu_projection *p, const struct opu_answer *answer, float *out)
{
    const struct opu_tables *const tables = &p->tables;
    size_t const c = answer->class_index;
    double const factor = (double)answer->weight / (tables->amplitude[c] * tables->exposure_us[c]);
    float const turn[2] = {(float)(factor * (double)answer->turn[0]),
                           (float)(factor * (double)answer->turn[1])};
    load(p, answer->counts, opu_sideband_picture(p->sideband, answer->thread));
    const float *const modes = opu_sideband_filter(p->sideband, answer->thread);
    bool const set = answer->first && !opu_take_offset(p, answer, p->offset, out);
    for (size_t i = 0; i < answer->n_out; i++) {
        float const re = modes[i / 2 * 2];
        float const im = modes[i / 2 * 2 + 1];
        float const value = i % 2 == 0 ? re * turn[0] - im * turn[1] : re * turn[1] + im * turn[0];
        out[i] = set ? value : out[i] + value;
    }
}

const struct opu_readout opu_readout_offaxis = {
    .name = "offaxis",
    .needs = OPU_CAP_FRAMES | OPU_CAP_REFERENCE | OPU_CAP_REGION | OPU_CAP_CARRIER,
    .linear = true,
    .quadratures = true,
    .frames = 1,
    .n_references = 1,
    .layout = layout,
    .prepare = prepare,
    .measure = measure,
    .decode = decode,
};
