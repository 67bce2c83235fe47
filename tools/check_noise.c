/* SPDX-License-Identifier: MIT */
/*
 * What noise a linear read-out must have, from a device's facts and its calibration. In electrons,
 * with ns the mean signal, nr the reference or anchor, sr read noise, sq the converter's step /
 * sqrt 12:
 *
 *   phaseN   Var S = (ns + nr + sr^2 + sq^2) / (N nr) over both quadratures, signal ns
 *            (phase shifting; Gross et al., arXiv 1206.1475: one photo-electron is the limit)
 *   offaxis  Var S = eta (ns + nr + sr^2 + sq^2) / (nr v) of a mode, signal ns; eta = pi 0.15^2 the
 *            pupil's share of the spectrum, v = 0.97 what a picture's edge leaves of a mode (0.93
 *            to 0.99 for 40 to 250 pixels a side). No noise, but no signal either: |S|^2 that the
 *            edge spills, measured to be 4e-5 to 9e-5 ns^2 / nr
 *   anchor   Var = (|S+A|^2 + |S|^2 + 2 sr^2 + 2 sq^2) / (4 |A|^2) for one quadrature, signal ns /
 * 2 (after Ohana et al., arXiv 2305.12988), averaged over pixels with |A|^2 >= 0.05 mean: |A|^2 is
 * exponential, so E 1/|A|^2 = e^0.05 E1(0.05) / nr = 2.594 / nr
 *
 * Full scale holds the well above the black level. Fewer mirrors are shown longer: with a reference
 * arm ns and nr stay as they are, and noise falls with the signal. An anchor's light does not
 * shrink, so exposures are nearly the same for all: ns falls, noise stays.
 */
#include "tools/check.h"

#include <math.h>
#include <string.h>

#define ANCHOR_INVERSE 2.594

/* Read-outs with an arm: noise over (ns + nr + ..) / nr, and spilled power over ns^2 / nr. */
static const struct {
    const char *name;
    double factor, spill;
} arms[] = {
    {"phase3", 1.0 / 3.0, 0.0},
    {"phase4", 1.0 / 4.0, 0.0},
    {"offaxis", 0.0707 / 0.97, 6e-5},
};

double check_predict_noise(const struct opu_caps *caps, const struct opu_calibration *found,
                           const char *readout, double share)
{
    double const full = (ldexp(1.0, (int)found->bits) - 1.0) * (1.0 - caps->black_level);
    if (!(caps->full_well_e > 0.0) || !(found->signal_counts > 0.0) ||
        !(found->reference_counts > 0.0)) {
        return (double)NAN;
    }
    double const step_e = caps->full_well_e / full;
    double const nr = found->reference_counts * step_e;
    double const most = found->signal_counts * step_e; /* signal of all mirrors */
    double const fixed = caps->read_noise_e * caps->read_noise_e + step_e * step_e / 12.0;
    double const shot = caps->shot_noise ? 1.0 : 0.0;
    for (size_t i = 0; i < sizeof arms / sizeof arms[0]; i++) {
        if (strcmp(readout, arms[i].name) == 0) {
            double const noise = arms[i].factor * (shot * (most + nr) + fixed) / nr;
            return share * (noise + arms[i].spill * most * most / nr) / most;
        }
    }
    if (strcmp(readout, "anchor") == 0) {
        double const ns = share * most;
        double const variance =
            shot * 0.25 + (shot * 2.0 * ns + 2.0 * fixed) * ANCHOR_INVERSE / (4.0 * nr);
        return variance / (0.5 * most);
    }
    return (double)NAN;
}

double check_noise_spread(const char *readout)
{
    return strcmp(readout, "anchor") == 0 ? 1.26 : 0.5;
}
