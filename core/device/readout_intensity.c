/* SPDX-License-Identifier: MIT */
/*
 * intensity: out = variance |H x|^2 with E|H_ij|^2 = 1: the non-linear random feature map. One
 * frame, the reference blocked.
 *
 * Mirrors that are off leak the amplitude e. The field is then H x + e H (1 - x): the first part
 * has the brightness of whole mirrors, s / (1 - e)^2 where s is the rate of a step from off to on;
 * the second can't be told apart from intensities alone and stays in, an error of relative size e
 * sqrt(2 n_off / n_on). Its mean e^2 n_off / n_on is below the rest and left in too. The camera's
 * black level is taken off.
 */
#include "core/base/fail.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

static bool layout(struct opu_layout *layout, size_t n_in, size_t n_out)
{
    *layout = (struct opu_layout){.n_inputs = n_in, .n_pixels = n_out, .n_table = 1};
    return true;
}

static int measure(struct opu_projection *p)
{
    double eps;
    OPU_TRY(opu_measure_signal(p));
    OPU_TRY(opu_measure_leakage(p, &eps));
    double const whole = p->tables.signal_rate / ((1.0 - eps) * (1.0 - eps));
    p->tables.leak_rate = eps * eps * whole * (double)p->n_in;
    p->gain[0] = (float)(p->variance / whole);
    return OPU_OK;
}

static void decode(const struct opu_projection *p, const struct opu_answer *answer, float *out)
{
    double const exposure_us = p->tables.exposure_us[answer->class_index];
    float const factor = (float)((double)answer->weight * (double)p->gain[0] / exposure_us);
    float const black = (float)opu_black(p);
    if (p->bits <= 8) {
        p->kernels->scale_u8(answer->n_out, answer->counts, black, factor, answer->first, out);
    } else {
        p->kernels->scale_u16(answer->n_out, answer->counts, black, factor, answer->first, out);
    }
}

const struct opu_readout opu_readout_intensity = {
    .name = "intensity",
    .needs = OPU_CAP_FRAMES,
    .linear = false,
    .frames = 1,
    .n_references = 0,
    .layout = layout,
    .measure = measure,
    .decode = decode,
};
