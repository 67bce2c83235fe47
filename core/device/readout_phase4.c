/* SPDX-License-Identifier: MIT */
/*
 * phase4: four frames with the reference at phases 0, pi/2, pi, 3 pi/2 give the complex field
 * (four-step phase shifting). With S the signal's field, R > 0 the reference's amplitude, I_k = |S
 * + R exp(i k pi/2)|^2:
 *
 *   I_0 - I_2 = 4 R Re S,   I_1 - I_3 = 4 R Im S       since |S + i R|^2 = |S|^2 + R^2 + 2 R Im S
 *
 * so S = ((I_0 - I_2) + i (I_1 - I_3)) / (4 R), with variance (ns + nr + sr^2 + sq^2) / (4 nr) over
 * both quadratures (electrons; sr read noise, sq the converter's step / sqrt 12). Both quadratures
 * are outputs: pixel k gives outputs 2k and 2k + 1. In units of the signal rate s, S = sqrt(s t) H
 * x with E|H_ij|^2 = 1, so that Re and Im have variance 1/2 and the factor sqrt(2 variance) makes
 * B's entries what was asked for.
 *
 * Per class R = a r sqrt(t), with r from the table: out = w (I_0 - I_2) / (a t) * gain,
 * gain = sqrt(2 variance) / (4 r sqrt s).
 *
 * Mirrors that are off leak, so that every answer carries the answer to "all off", S_off. It is
 * measured, and taken off in proportion to the sum of a row's weights (0 where both halves of a
 * ternary row are sent).
 */
#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

#define RAMP_POINTS 128
#define TOP 1.5   /* the ramp's longest exposure brings the reference to so many times full scale */
#define SPAN 32.0 /* and its shortest to one 32nd of that */
#define LEAKING 0.01 /* share of the inputs whose light the ramp's reference is chosen for */
#define NR_PER_NS 4.0

static bool layout(struct opu_layout *layout, size_t n_in, size_t n_out)
{
    size_t const pixels = n_out / 2 + n_out % 2;
    *layout = (struct opu_layout){.n_inputs = n_in, .n_pixels = pixels, .n_table = pixels};
    return true;
}

/*
 * Range of exposures and amplitude of the arm. Where the amplitude can be set it is that of a class
 * of few mirrors: the ramp's exposures are then as long as any class's, and S_off, which grows with
 * their root, is known better than one reading knows a field. Leakage of all mirrors must stay
 * below the arm's light, hence one mirror in a hundred.
 */
static int choose_ramp(struct opu_projection *p, struct opu_ramp *ramp, double *amplitude)
{
    const struct opu_caps *const caps = &p->device->caps;
    double rate = caps->reference_per_us * (double)((1u << p->bits) - 1);
    if (!(rate > 0.0)) {
        OPU_TRY(opu_measure_rate(p, ramp, &rate));
    }
    if (!(rate > 0.0)) {
        return opu_fail(OPU_E_DEVICE, "%s: no light from the reference arm at %g us",
                        p->device->backend->scheme, caps->max_exposure_us);
    }
    *amplitude = 1.0;
    if ((caps->flags & OPU_CAP_REFERENCE_LEVELS) != 0) {
        double const mirrors = fmax(1.0, LEAKING * (double)p->n_in);
        double const longest = TOP * opu_full_scale(p) / caps->max_exposure_us;
        double const shortest = opu_full_scale(p) / (8.0 * caps->min_exposure_us);
        double const wanted = fmax(NR_PER_NS * p->tables.signal_rate * mirrors, longest);
        *amplitude = fmin(1.0, sqrt(fmin(wanted, shortest) / rate));
        rate *= *amplitude * *amplitude;
        for (size_t k = 0; k < 4; k++) {
            ramp->references[k].amplitude = *amplitude;
        }
    }
    opu_ramp_range(p, ramp, rate, TOP, SPAN);
    ramp->points = RAMP_POINTS;
    return OPU_OK;
}

/*
 * All mirrors off: mean of the four is m = R^2 + |S|^2, the differences d = R S. Hence R^2 = (m +
 * sqrt(m^2 - 4 |d|^2)) / 2, the root with R > |S|.
 */
static int solve(struct opu_projection *p, const struct opu_line *lines, double amplitude,
                 struct opu_tables *tables)
{
    size_t const n = p->layout.n_pixels;
    double off = 0.0;
    double noise = 0.0;
    double reference = 0.0;
    for (size_t k = 0; k < n; k++) {
        const double *const y = lines[k].slope;
        double const d2 = y[1] * y[1] + y[2] * y[2];
        double const m = y[0];
        double const r2 = 0.5 * (m + sqrt(fmax(m * m - 4.0 * d2, 0.0)));
        if (!lines[k].found || !(r2 > 0.0)) {
            return opu_fail(OPU_E_DEVICE,
                            "%s: pixel %zu %s while the reference is measured, wanted light of it",
                            p->device->backend->scheme, k,
                            lines[k].found ? "stays dark" : "saturates");
        }
        reference += r2;
        off += d2 / r2;
        noise += (lines[k].slope_var[1] + lines[k].slope_var[2]) / r2;
        p->gain[k] = (float)sqrt(r2);
        p->offset[2 * k] = (float)(y[1] / sqrt(r2));
        p->offset[2 * k + 1] = (float)(y[2] / sqrt(r2));
    }
    /* What noise alone would show as S_off is shrunk away (James & Stein 1961, positive part). */
    double const keep = off > noise ? 1.0 - noise / off : 0.0;
    tables->reference_rate = reference / (double)n / (amplitude * amplitude);
    tables->leak_rate = keep * off / (double)n;
    double const unit = sqrt(2.0 * p->variance / tables->signal_rate);
    for (size_t k = 0; k < n; k++) {
        p->gain[k] = (float)(unit * amplitude / (4.0 * (double)p->gain[k]));
        p->offset[2 * k] = (float)(unit * keep * (double)p->offset[2 * k]);
        p->offset[2 * k + 1] = (float)(unit * keep * (double)p->offset[2 * k + 1]);
    }
    p->has_offset = keep > 0.0;
    return OPU_OK;
}

static int measure(struct opu_projection *p)
{
    OPU_TRY(opu_measure_signal(p));
    uint8_t *const dark = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    struct opu_line *const lines = opu_calloc(p->context, p->layout.n_pixels, sizeof *lines);
    int status = OPU_E_NO_MEMORY;
    if (dark != NULL && lines != NULL) {
        struct opu_ramp ramp = {.bits = dark, .n_references = 4};
        for (size_t k = 0; k < 4; k++) {
            ramp.references[k] = (struct opu_reference){
                .phase_rad = 0.5 * 3.14159265358979323846 * (double)k, .amplitude = 1.0};
        }
        double amplitude = 1.0;
        status = choose_ramp(p, &ramp, &amplitude);
        if (status == OPU_OK) {
            status = opu_measure_ramp(p, &ramp, lines);
        }
        if (status == OPU_OK) {
            status = solve(p, lines, amplitude, &p->tables);
        }
    }
    opu_context_free(p->context, lines);
    opu_context_free(p->context, dark);
    return status;
}

static void decode(const struct opu_projection *p, size_t class_index, float weight,
                   float row_weight, bool first, const void *counts, float *out)
{
    const struct opu_tables *const tables = &p->tables;
    size_t const stride = p->layout.n_pixels;
    size_t const whole = p->n_out / 2;
    double const unit = tables->amplitude[class_index] * tables->exposure_us[class_index];
    float const factor = (float)((double)weight / unit);
    bool const leak = p->has_offset && (row_weight < 0.0f || row_weight > 0.0f);
    if (first && leak) {
        for (size_t i = 0; i < p->n_out; i++) {
            out[i] = -row_weight * p->offset[i];
        }
        first = false;
    }
    float odd;
    if (p->bits == 8) {
        const uint8_t *const c = counts;
        p->kernels->phase4_u8(whole, c, stride, p->gain, factor, first, out);
        odd = (float)(c[stride - 1] - c[3 * stride - 1]);
    } else {
        const uint16_t *const c = counts;
        p->kernels->phase4_u16(whole, c, stride, p->gain, factor, first, out);
        odd = (float)(c[stride - 1] - c[3 * stride - 1]);
    }
    if (p->n_out % 2 == 1) {
        float const value = odd * (p->gain[whole] * factor);
        out[2 * whole] = first ? value : out[2 * whole] + value;
    }
}

const struct opu_readout opu_readout_phase4 = {
    .name = "phase4",
    .needs = OPU_CAP_FRAMES | OPU_CAP_REFERENCE,
    .linear = true,
    .frames = 4,
    .n_references = 4,
    .layout = layout,
    .measure = measure,
    .decode = decode,
};
