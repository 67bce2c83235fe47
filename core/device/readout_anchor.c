/* SPDX-License-Identifier: MIT */
/*
 * anchor: a linear answer without a reference arm. Mirrors beyond the n_in inputs, the anchor a,
 * are shown with and without the pattern x (Ohana et al., arXiv 2305.12988, the idea):
 *
 *   f = |H(x + a)|^2 - |H x|^2 - |H a|^2 = 2 Re[(H x) (H a)*],   f / (2 |H a|) = Re[(H a)* / |H a|
 * H x]
 *
 * one real output a pixel, two frames a pattern, variance (|S + A|^2 + |S|^2 + 2 sr^2) / (4 |A|^2).
 * It diverges where A is weak: of somewhat more pixels than outputs the first n_out with |A|^2
 * above 5 % of its mean serve. Which these are is measured: a pixel within the measurement's error
 * of the floor may be taken by one calibration and left out by another, and the outputs behind it
 * then move up by one. A saved calibration holds the choice.
 *
 * Mirrors that are off leak the amplitude e: a pattern p shows the field P + L with P = (1 - e) H
 * p, L = e H 1. Then |X + A + L|^2 - |X + L|^2 - (|A + L|^2 - |L|^2) = 2 Re(X A*) exactly: the
 * offset D = |A + L|^2 - |L|^2 is what is measured and taken off. |A| itself follows from four
 * brightnesses: nothing, anchor, inputs, all.
 */
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

#define RAMP_POINTS 128
#define RAMP_TOP 20.0    /* brings a pixel at the floor of 5 % to full scale */
#define RAMP_SPAN 1000.0 /* and still fits one 38 times the mean: of speckle, exp(-38) are more */
#define REPEATS 16
#define CERTAIN 5.0         /* standard deviations between a pixel's light and the floor */
#define GOLDEN 0.6180339887 /* moves the ramp's steps from one repeat to the next */

/* Mean slope and its variance for one pattern. */
struct light {
    double rate, var;
};

static bool layout(struct opu_layout *layout, size_t n_in, size_t n_out)
{
    size_t const anchor = n_in > 4 ? 2 * n_in : 8;
    size_t const pixels = n_out + n_out * 2 / 25 + 16;
    *layout = (struct opu_layout){
        .n_inputs = n_in + anchor,
        .n_anchor = anchor,
        .n_pixels = pixels,
        .n_table = n_out,
    };
    return n_in < SIZE_MAX / 4 && n_out < SIZE_MAX / 4;
}

size_t opu_anchor_pick(const double *light, size_t n, double least, uint32_t *pick, size_t n_out)
{
    size_t found = 0;
    for (size_t k = 0; k < n && found < n_out; k++) {
        if (light[k] > least) {
            pick[found++] = (uint32_t)k;
        }
    }
    return found;
}

static void set_bits(uint8_t *bits, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        bits[i / 8] |= (uint8_t)(1u << i % 8);
    }
}

/* Adds one ramp over a pattern of expected mean `rate` to the `n`-th mean of every pixel. */
static int add_ramp(struct opu_projection *p, const uint8_t *bits, double rate, size_t n,
                    struct opu_line *lines, struct light *light)
{
    double const shift = (double)n * GOLDEN;
    struct opu_ramp ramp = {.bits = bits, .points = RAMP_POINTS, .shift = shift - floor(shift)};
    opu_ramp_range(p, &ramp, rate, RAMP_TOP, RAMP_SPAN);
    OPU_TRY(opu_measure_ramp(p, &ramp, lines));
    double const kept = (double)n / (double)(n + 1);
    double const added = 1.0 - kept;
    for (size_t k = 0; k < p->layout.n_pixels; k++) {
        if (!lines[k].found) {
            return opu_fail(OPU_E_DEVICE, "%s: pixel %zu saturates at exposures from %g us on",
                            p->device->backend->scheme, k, ramp.low_us);
        }
        light[k].rate = kept * light[k].rate + added * lines[k].slope[0];
        light[k].var = kept * kept * light[k].var + added * added * lines[k].slope_var[0];
    }
    return OPU_OK;
}

/* The `repeat`-th look at inputs, all and anchor. */
static int measure_bright(struct opu_projection *p, uint8_t *bits, size_t repeat,
                          struct opu_line *lines, struct light *light)
{
    size_t const n = p->layout.n_pixels;
    size_t const all = p->layout.n_inputs;
    double const s = p->tables.signal_rate;
    memset(bits, 0, p->chunk.frame_bytes);
    set_bits(bits, 0, p->n_in);
    OPU_TRY(add_ramp(p, bits, s * (double)p->n_in, repeat, lines, light + 2 * n));
    set_bits(bits, p->n_in, all);
    OPU_TRY(add_ramp(p, bits, s * (double)all, repeat, lines, light + 3 * n));
    return add_ramp(p, p->anchor, s * (double)p->layout.n_anchor, repeat, lines, light + n);
}

/* The four brightnesses of every pixel, [4][n_pixels]: nothing, anchor, inputs, all. */
static int measure_four(struct opu_projection *p, uint8_t *bits, struct opu_line *lines,
                        struct light *light)
{
    double off = 0.0;
    struct opu_ramp const nothing = {.bits = bits};
    OPU_TRY(opu_measure_rate(p, &nothing, &off));
    /* Below a millionth of all mirrors' light the rest is the converter's own. */
    if (off > 1e-6 * p->tables.signal_rate * (double)p->layout.n_inputs) {
        OPU_TRY(add_ramp(p, bits, off, 0, lines, light));
    }
    return measure_bright(p, bits, 0, lines, light);
}

/*
 * |A|^2 of every pixel. With k = e / (1 - e), Y = X1 + A (all inputs and the anchor), L = k Y and c
 * = Re(X1 A*): |A + L|^2 = a (1 + 2k) + 2k c + k^2 y, |X1 + L|^2 = b (1 + 2k) + 2k c + k^2 y, a + b
 * + 2c = y. Returns k.
 */
static double solve(const struct opu_projection *p, const struct light *light, double *a)
{
    size_t const n = p->layout.n_pixels;
    double off = 0.0;
    double on = 0.0;
    for (size_t i = 0; i < n; i++) {
        off += light[i].rate;
        on += light[3 * n + i].rate;
    }
    double const e = off > 0.0 && on > off ? sqrt(off / on) : 0.0;
    double const k = e / (1.0 - e);
    for (size_t i = 0; i < n; i++) {
        double const anchor = light[n + i].rate;
        double const inputs = light[2 * n + i].rate;
        double const y = light[3 * n + i].rate * (1.0 - e) * (1.0 - e);
        double const c = 0.5 * (y * (1.0 + 2.0 * k) - anchor - inputs + 2.0 * k * k * y);
        a[i] = (anchor - k * k * y - 2.0 * k * c) / (1.0 + 2.0 * k);
    }
    return k;
}

/*
 * Whether a pixel may lie on either side of the floor. To first order in k the errors of anchor,
 * inputs and all enter a[] with the factors 1, k and k (see solve()).
 */
static bool doubtful(const struct opu_projection *p, const double *a, const struct light *light,
                     double k, double floor_rate)
{
    size_t const n = p->layout.n_pixels;
    for (size_t i = 0; i < n; i++) {
        double const var = light[n + i].var + k * k * (light[2 * n + i].var + light[3 * n + i].var);
        if (fabs(a[i] - floor_rate) < CERTAIN * sqrt(var)) {
            return true;
        }
    }
    return false;
}

/* Picks the pixels and fills the tables. */
static int finish(struct opu_projection *p, const struct light *light, const double *a,
                  double floor_rate)
{
    struct opu_tables *const tables = &p->tables;
    size_t const n = p->layout.n_pixels;
    size_t const found = opu_anchor_pick(a, n, floor_rate, p->pick, p->n_out);
    if (found < p->n_out) {
        return opu_fail(OPU_E_DEVICE,
                        "%s: %zu of %zu pixels have anchor light above %g counts/us, wanted %zu",
                        p->device->backend->scheme, found, n, floor_rate, p->n_out);
    }
    double sum = 0.0;
    double leak = 0.0;
    for (size_t i = 0; i < p->n_out; i++) {
        size_t const k = p->pick[i];
        sum += a[k];
        leak += light[k].rate;
        p->gain[i] = (float)(0.5 * sqrt(2.0 * p->variance / (a[k] * tables->signal_rate)));
        p->offset[i] = (float)(light[n + k].rate - light[k].rate);
    }
    tables->reference_rate = sum / (double)p->n_out;
    tables->leak_rate = fmax(leak / (double)p->n_out, 0.0);
    return OPU_OK;
}

/* Of the anchor, as stated; where the inputs were seen to have other light, so may the anchor. */
static double mean_light(const struct opu_projection *p, const double *a)
{
    double const rate = p->tables.signal_rate;
    double const stated = opu_stated_rate(p);
    if (rate <= stated && rate >= stated) {
        return stated * (double)p->layout.n_anchor;
    }
    double sum = 0.0;
    for (size_t i = 0; i < p->layout.n_pixels; i++) {
        sum += a[i];
    }
    return sum / (double)p->layout.n_pixels;
}

static int measure_with(struct opu_projection *p, uint8_t *bits, struct opu_line *lines,
                        struct light *light, double *a)
{
    OPU_TRY(measure_four(p, bits, lines, light));
    double k = solve(p, light, a);
    double const floor_rate = OPU_ANCHOR_FLOOR * mean_light(p, a);
    for (size_t i = 1; i < REPEATS && doubtful(p, a, light, k, floor_rate); i++) {
        OPU_TRY(measure_bright(p, bits, i, lines, light));
        k = solve(p, light, a);
    }
    return finish(p, light, a, floor_rate);
}

static int measure(struct opu_projection *p)
{
    set_bits(p->anchor, p->n_in, p->layout.n_inputs);
    OPU_TRY(opu_measure_signal(p));
    size_t const n = p->layout.n_pixels;
    uint8_t *const bits = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    struct opu_line *const lines = opu_calloc(p->context, n, sizeof *lines);
    struct light *const light = opu_calloc(p->context, 4 * n, sizeof *light);
    double *const a = opu_calloc(p->context, n, sizeof *a);
    int status = OPU_E_NO_MEMORY;
    if (bits != NULL && lines != NULL && light != NULL && a != NULL) {
        status = measure_with(p, bits, lines, light, a);
    }
    opu_context_free(p->context, a);
    opu_context_free(p->context, light);
    opu_context_free(p->context, lines);
    opu_context_free(p->context, bits);
    return status;
}

static void decode(const struct opu_projection *p, const struct opu_answer *answer, float *out)
{
    double const exposure_us = p->tables.exposure_us[answer->class_index];
    float const factor = (float)((double)answer->weight / exposure_us);
    size_t const stride = p->layout.n_pixels;
    if (p->bits <= 8) {
        p->kernels->anchor_u8(answer->n_out, answer->counts, stride, p->pick, p->gain, p->offset,
                              (float)exposure_us, factor, answer->first, out);
    } else {
        p->kernels->anchor_u16(answer->n_out, answer->counts, stride, p->pick, p->gain, p->offset,
                               (float)exposure_us, factor, answer->first, out);
    }
}

const struct opu_readout opu_readout_anchor = {
    .name = "anchor",
    .needs = OPU_CAP_FRAMES,
    .linear = true,
    .offset_is_rate = true,
    .frames = 2,
    .n_references = 0,
    .layout = layout,
    .measure = measure,
    .decode = decode,
};
