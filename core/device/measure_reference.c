/* SPDX-License-Identifier: MIT */
/* A ramp over the reference arm with all mirrors off, as all read-outs with an arm begin. */
#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

#define RAMP_POINTS 128
#define TOP 1.5   /* the ramp's longest exposure brings the reference to so many times full scale */
#define SPAN 32.0 /* and its shortest to one 32nd of that */
#define NR_PER_NS 4.0

/*
 * Range of exposures and amplitude of the arm. Where the amplitude can be set it is that of a class
 * of few mirrors: the ramp's exposures are then as long as any class's, and S_off, which grows with
 * their root, is known better than one reading knows a field. Leakage of all mirrors must stay
 * below the arm's light, hence one mirror in a hundred at least (`share`).
 */
static int choose_ramp(struct opu_projection *p, struct opu_ramp *ramp, double share,
                       double *amplitude)
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
        double const mirrors = fmax(1.0, share * (double)p->n_in);
        double const longest = TOP * opu_full_scale(p) / caps->max_exposure_us;
        double const shortest = opu_full_scale(p) / (8.0 * caps->min_exposure_us);
        double const wanted = fmax(NR_PER_NS * p->tables.signal_rate * mirrors, longest);
        *amplitude = fmin(1.0, sqrt(fmin(wanted, shortest) / rate));
        rate *= *amplitude * *amplitude;
        for (size_t k = 0; k < ramp->n_references; k++) {
            ramp->references[k].amplitude = *amplitude;
        }
    }
    opu_ramp_range(p, ramp, rate, TOP, SPAN);
    ramp->points = RAMP_POINTS;
    return OPU_OK;
}

int opu_measure_reference(struct opu_projection *p, size_t n_steps, double share,
                          struct opu_line *lines, double *amplitude)
{
    uint8_t *const dark = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    if (dark == NULL) {
        return OPU_E_NO_MEMORY;
    }
    struct opu_ramp ramp = {.bits = dark, .n_references = n_steps};
    for (size_t k = 0; k < n_steps; k++) {
        ramp.references[k] = (struct opu_reference){.phase_rad = 2.0 * 3.14159265358979323846 *
                                                                 (double)k / (double)n_steps,
                                                    .amplitude = 1.0};
    }
    int status = choose_ramp(p, &ramp, share, amplitude);
    if (status == OPU_OK) {
        status = opu_measure_ramp(p, &ramp, lines);
    }
    opu_context_free(p->context, dark);
    return status;
}

int opu_fail_reference(const struct opu_projection *p, size_t pixel, bool found)
{
    const char *const scheme = p->device->backend->scheme;
    return found ? opu_fail(OPU_E_DEVICE,
                            "%s: pixel %zu stays dark while the reference is measured, wanted "
                            "light of it",
                            scheme, pixel)
                 : opu_fail(OPU_E_DEVICE,
                            "%s: pixel %zu saturates while the reference is measured, all mirrors "
                            "off: wanted an arm brighter than what mirrors leak or stuck ones send",
                            scheme, pixel);
}
