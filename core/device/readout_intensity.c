/* SPDX-License-Identifier: MIT */
/*
 * intensity: out = variance |H x|^2 with E|H_ij|^2 = 1: the non-linear random feature map. One
 * frame, the reference blocked. Leakage of mirrors that are off stays in: from intensities alone it
 * can't be told apart.
 *
 *   counts = s t |H x|^2,   s: signal rate, t: exposure
 */
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

static bool layout(struct opu_layout *layout, size_t n_in, size_t n_out)
{
    *layout = (struct opu_layout){.n_inputs = n_in, .n_pixels = n_out, .n_table = 1};
    return true;
}

static int measure(struct opu_projection *p)
{
    return opu_measure_signal(p);
}

static void decode(const struct opu_projection *p, size_t class_index, float weight,
                   float row_weight, bool first, const void *counts, float *out)
{
    const struct opu_tables *const tables = &p->tables;
    double const unit = tables->signal_rate * tables->exposure_us[class_index];
    float const factor = (float)((double)weight * p->variance / unit);
    (void)row_weight;
    if (p->bits == 8) {
        p->kernels->scale_u8(p->n_out, counts, factor, first, out);
    } else {
        p->kernels->scale_u16(p->n_out, counts, factor, first, out);
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
