/* SPDX-License-Identifier: MIT */
/*
 * phase3, phase4: N frames with the reference at the phases d_k = 2 pi k / N give the complex field
 * (phase-shifting holography; Yamaguchi & Zhang, Opt. Lett. 22, 1268 (1997)). With S the signal's
 * field, R > 0 the reference's amplitude, I_k = |S + R exp(i d_k)|^2 = |S|^2 + R^2 + 2 R Re(S
 * exp(-i d_k)), so that for N >= 3, where the sums of exp(i d_k) and exp(2 i d_k) vanish,
 *
 *   sum over k of I_k exp(i d_k) = N R S
 *
 * and S has the variance (ns + nr + sr^2 + sq^2) / (N nr) over both quadratures (electrons; sr read
 * noise, sq the converter's step / sqrt 12). A black level cancels. Both quadratures are outputs:
 * pixel k gives outputs 2k and 2k + 1. In units of the signal rate s, S = sqrt(s t) H x with
 * E|H_ij|^2 = 1, so that Re and Im have variance 1/2 and the factor sqrt(2 variance) makes B's
 * entries what was asked for.
 *
 * Per class R = a r sqrt(t), with r from the table: out = w (sum of I_k exp(i d_k)) / (a t) * gain,
 * gain = sqrt(2 variance) / (N r sqrt s). A phase that a pilot has seen is taken off by turning the
 * coefficients exp(i d_k).
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

#define LEAKING 0.01 /* share of the inputs whose light the ramp's reference is chosen for */

static bool layout(struct opu_layout *layout, size_t n_in, size_t n_out)
{
    size_t const pixels = n_out / 2 + n_out % 2;
    *layout = (struct opu_layout){.n_inputs = n_in, .n_pixels = pixels, .n_table = pixels};
    return true;
}

/*
 * All mirrors off: mean of the steps is m = R^2 + |S|^2, the other two channels d = R S. Hence R^2
 * = (m + sqrt(m^2 - 4 |d|^2)) / 2, the root with R > |S|.
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
            return opu_fail_reference(p, k, lines[k].found);
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
    double const steps = (double)p->readout->frames;
    for (size_t k = 0; k < n; k++) {
        p->gain[k] = (float)(unit * amplitude / (steps * (double)p->gain[k]));
        p->offset[2 * k] = (float)(unit * keep * (double)p->offset[2 * k]);
        p->offset[2 * k + 1] = (float)(unit * keep * (double)p->offset[2 * k + 1]);
    }
    p->has_offset = keep > 0.0;
    return OPU_OK;
}

static int measure(struct opu_projection *p)
{
    OPU_TRY(opu_measure_signal(p));
    struct opu_line *const lines = opu_calloc(p->context, p->layout.n_pixels, sizeof *lines);
    if (lines == NULL) {
        return OPU_E_NO_MEMORY;
    }
    double amplitude = 1.0;
    int status = opu_measure_reference(p, p->readout->frames, LEAKING, lines, &amplitude);
    if (status == OPU_OK) {
        status = solve(p, lines, amplitude, &p->tables);
    }
    opu_context_free(p->context, lines);
    return status;
}

static void run_kernel(const struct opu_projection *p, const void *counts, size_t first, size_t n,
                       const float *step, float factor, bool set, float *out)
{
    size_t const stride = p->layout.n_pixels;
    size_t const steps = p->readout->frames;
    if (p->bits <= 8) {
        p->kernels->steps_u8(n, (const uint8_t *)counts + first, stride, steps, step,
                             p->gain + first, factor, set, out);
    } else {
        p->kernels->steps_u16(n, (const uint16_t *)counts + first, stride, steps, step,
                              p->gain + first, factor, set, out);
    }
}

static void decode(const struct opu_projection *p, const struct opu_answer *answer, float *out)
{
    const struct opu_tables *const tables = &p->tables;
    size_t const c = answer->class_index;
    size_t const whole = answer->n_out / 2;
    float const factor =
        (float)((double)answer->weight / (tables->amplitude[c] * tables->exposure_us[c]));
    float step[2 * OPU_STEPS_MAX];
    for (size_t k = 0; k < p->readout->frames; k++) {
        double at[2];
        opu_phase_step(p->readout->frames, k, at);
        double const turn[2] = {(double)answer->turn[0], (double)answer->turn[1]};
        step[2 * k] = (float)(at[0] * turn[0] - at[1] * turn[1]);
        step[2 * k + 1] = (float)(at[0] * turn[1] + at[1] * turn[0]);
    }
    bool first = answer->first;
    if (first && opu_take_offset(p, answer, p->offset, out)) {
        first = false;
    }
    run_kernel(p, answer->counts, 0, whole, step, factor, first, out);
    if (answer->n_out % 2 == 1) {
        float last[2];
        run_kernel(p, answer->counts, whole, 1, step, factor, true, last);
        out[2 * whole] = first ? last[0] : out[2 * whole] + last[0];
    }
}

#define READOUT(steps) \
    { \
        .name = "phase" #steps, .needs = OPU_CAP_FRAMES | OPU_CAP_REFERENCE, .linear = true, \
        .quadratures = true, .frames = (steps), .n_references = (steps), .layout = layout, \
        .measure = measure, .decode = decode, \
    }

const struct opu_readout opu_readout_phase3 = READOUT(3);
const struct opu_readout opu_readout_phase4 = READOUT(4);
