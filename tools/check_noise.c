/* SPDX-License-Identifier: MIT */
/*
 * What noise a linear read-out must have, from a device's facts and its calibration. In electrons,
 * at the exposure of the pattern's class: signal ns over both quadratures, reference or anchor nr,
 * V(n) = n + sr^2 + sq^2 the variance of one reading of n electrons (sr read noise, sq the
 * converter's). E: mean over the pixels.
 *
 *   phaseN   Var S = V(nl + nr) / (N nr) over both quadratures
 *            (phase shifting; Gross et al., arXiv 1206.1475: one photo-electron is the limit)
 *   offaxis  Var S = eta/v V(nl + nr) / nr over both quadratures of a mode; eta/v, the part of the
 *            pixels' noise that a mode gathers, from the picture's size (core/device/sideband.h)
 *   anchor   Var = E [V(|S+A|^2) + V(|S|^2)] / (4 |A|^2) for one quadrature, of signal ns / 2
 *            (after Ohana et al., arXiv 2305.12988). |A|^2 is exponential; pixels below 0.05 of
 *            its mean a are left out, so that nr = 1.05 a and E nr / |A|^2 = 1.05 e^0.05 E1(0.05) =
 *            2.724; of the pixels that calibration picked it is known, and taken as it is
 *
 * Light. A mirror that is off still sends the amplitude e, so that turning one of n on adds but (1
 * - e)^2 of what it sends: with k = e / (1 - e), by the light of all off over that of all on,
 *
 *   nl = (1 + k)^2 (n_on + e^2 n_off) electrons of a mirror's step;   with an anchor |S|^2 = nl +
 * k^2 |A|^2 and |S + A|^2 = nl + (1 + k)^2 |A|^2 on average over S
 *
 * Full scale holds the well above the black level.
 *
 * Rounding. Against the truth sq^2 = step^2 / 12. Between repetitions of one frame a steady value
 * is always rounded alike: where the rest of the noise is below a step, the variance of the rounded
 * normal is taken at every place between the steps, on average over speckle.
 */
#include "tools/check.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979324
#define GOLDEN 0.618033988749895
#define ANCHOR_FLOOR 0.05
#define ANCHOR_INVERSE 2.724
#define BLURS 0.7 /* a deviation of so many steps hides them: 1/12 is then right to 2e-4 */
/* offaxis: |S|^2 that the picture's edge spills into a mode, over ns^2 / nr. No noise, as it is the
 * same each time, but an error; 4e-5 to 9e-5 was measured, for 40 to 250 pixels a side. */
#define SPILL 6e-5

/* One class of patterns in electrons. */
struct light {
    double signal;    /* of all mirrors, as a read-out sees them */
    double pattern;   /* photo-electrons of the pattern, with what mirrors leak */
    double nr;        /* of the reference or anchor */
    double k;         /* e / (1 - e) */
    double read2;     /* read noise squared */
    double step;      /* of the converter */
    double black;     /* in steps */
    bool shot, error; /* error: against the truth; else between repetitions */
};

/* Light that is the square of a circular Gaussian field of mean intensity `speckle` and of a steady
 * field of intensity `steady` (Rice). */
struct intensity {
    double speckle, steady;
};

/* Variance of a normal value of mean `place` and deviation s, rounded and not below 0. */
static double rounded_variance(double place, double s)
{
    if (s > BLURS) {
        return s * s + 1.0 / 12.0;
    }
    double const first = fmax(0.0, rint(place - 6.0 * s)), last = rint(place + 6.0 * s) + 1.0;
    double mean = 0.0, square = 0.0, below = 0.0;
    size_t const steps = (size_t)(last - first);
    for (size_t i = 0; i <= steps; i++) {
        double const n = first + (double)i;
        double const up_to = s > 0.0 ? 0.5 * erfc((place - n - 0.5) / (s * sqrt(2.0)))
                                     : (n + 0.5 > place ? 1.0 : 0.0);
        double const off = n - first, share = up_to - below;
        mean += share * off;
        square += share * off * off;
        below = up_to;
    }
    return square - mean * mean;
}

/* V: of one reading, in electrons, on average over the light. */
static double reading(const struct light *light, struct intensity i)
{
    enum { POINTS = 2048 };
    double const step2 = light->step * light->step, shot = light->shot ? 1.0 : 0.0;
    if (light->error || light->read2 > BLURS * BLURS * step2) {
        return shot * (i.speckle + i.steady) + light->read2 + step2 / 12.0;
    }
    double sum = 0.0;
    for (int p = 0; p < POINTS; p++) { /* the field's plane, by a sunflower's even spiral */
        double const power = -log(((double)p + 0.5) / POINTS) * i.speckle;
        double const angle = 2.0 * PI * GOLDEN * p;
        double const n = power + i.steady + 2.0 * sqrt(power * i.steady) * cos(angle);
        double const s = sqrt(shot * n + light->read2) / light->step;
        sum += rounded_variance(n / light->step + light->black, s) / POINTS;
    }
    return step2 * sum;
}

/* E over |A|^2 = u a, u exponential above the floor; du = u d(log u) where the integrand is steep.
 */
static double anchor_variance(const struct light *light, double inverse)
{
    enum { STEPS = 64 };
    double const a = light->nr / (1.0 + ANCHOR_FLOOR), k = light->k;
    double const step = log(1.0 + 30.0 / ANCHOR_FLOOR) / STEPS;
    double sum = 0.0;
    for (int i = 0; i < STEPS; i++) {
        double const u = ANCHOR_FLOOR * exp(((double)i + 0.5) * step);
        struct intensity const both = {light->pattern, (1.0 + k) * (1.0 + k) * u * a};
        struct intensity const alone = {light->pattern, k * k * u * a};
        double const variance = (reading(light, both) + reading(light, alone)) / (4.0 * u * a);
        sum += exp(ANCHOR_FLOOR - u) * u * step * variance;
    }
    /* A term in 1 / |A|^2 makes up for the pixels' own mean of it. */
    double const dark = 2.0 * reading(light, (struct intensity){light->pattern, 0.0});
    return sum + (inverse - ANCHOR_INVERSE) * dark / (4.0 * light->nr);
}

/* False: the device doesn't tell enough. */
static bool find_light(const struct check_noise *of, struct light *light)
{
    const struct opu_calibration *const found = of->found;
    const struct opu_caps *const caps = of->caps;
    if (!(caps->full_well_e > 0.0) || !(found->signal_per_us > 0.0) || found->n_classes == 0) {
        return false;
    }
    size_t c = 0;
    while (c + 1 < found->n_classes && ((size_t)1 << (found->first_class + c)) < of->n_on) {
        c++;
    }
    double const full = (ldexp(1.0, (int)found->bits) - 1.0) * (1.0 - caps->black_level);
    double const step = caps->full_well_e / full;
    double const mirror = found->signal_per_us * found->exposures_us[c] * step;
    double const mirrors = (double)(of->n_in + found->anchor_mirrors);
    double const k = sqrt(found->leak_per_us / (found->signal_per_us * mirrors));
    double const off = k * k * (mirrors - (double)found->anchor_mirrors - (double)of->n_on);
    *light = (struct light){.signal = mirror * (double)of->n_in,
                            .pattern = mirror * of->light *
                                       ((1.0 + k) * (1.0 + k) * (double)of->n_on + off),
                            .nr = found->class_references[c] * step,
                            .k = k,
                            .read2 = caps->read_noise_e * caps->read_noise_e,
                            .step = step,
                            .black = caps->black_level * (ldexp(1.0, (int)found->bits) - 1.0),
                            .shot = caps->shot_noise,
                            .error = of->error};
    return light->nr > 0.0;
}

double check_predict_noise(const struct check_noise *of)
{
    struct light light;
    double steps = 0.0;
    if (!find_light(of, &light)) {
        return (double)NAN;
    }
    if (strcmp(of->readout, "anchor") == 0) {
        return anchor_variance(&light, of->found->anchor_inverse) / (0.5 * light.signal);
    }
    double const one =
        reading(&light, (struct intensity){light.pattern, light.nr}) / light.nr / light.signal;
    if (strcmp(of->readout, "offaxis") == 0) {
        double const share = (double)of->n_on / (double)of->n_in;
        double const spill = SPILL * share * share * light.signal / light.nr;
        return of->found->sideband_share * one + (of->error ? spill : 0.0);
    }
    steps = strcmp(of->readout, "phase3") == 0 ? 3.0 : steps;
    steps = strcmp(of->readout, "phase4") == 0 ? 4.0 : steps;
    return steps > 0.0 ? one / steps : (double)NAN;
}

double check_noise_spread(const char *readout)
{
    return strcmp(readout, "anchor") == 0 ? 1.3 : 0.5;
}
