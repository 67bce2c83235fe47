/* SPDX-License-Identifier: MIT */
/*
 * Exposure classes. A pattern with n mirrors on gives a signal of mean brightness ns = s n t counts
 * at exposure t; the field is complex Gaussian over the pixels. With a reference of brightness nr =
 * alpha^2 ns, a pixel saturates where |S + R|^2 > F (full scale): with q = sqrt(F / ns) - alpha,
 * the Gaussian tail along R gives
 *
 *   P = P(|S + R| > sqrt F) ~ sqrt(1 + q / alpha) Q(sqrt2 q)
 *
 * (Q: the normal tail; the root comes from the Rice density's) and F = ns (alpha + q)^2, q
 * about 3.45 for P = 1e-6. Here the Rice integral itself is solved (opu_speckle_tail). Without a
 * reference it is exp(-F / ns). alpha = 2, nr = 4 ns, where the arm can be set: noise (ns + nr) /
 * (4 nr) is then 25 % above its limit, and the signal still takes a third of the range.
 */
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

#define ALPHA 2.0
/* Less reference than that reads out nothing: rather report too much light. */
#define ALPHA_MIN 0.5
#define TOLERANCE 3.0  /* of the predicted share, which assumes the same reference everywhere */
#define ADJUSTMENTS 12 /* a picture whose middle is three times as bright as its mean takes 7 */
#define STEP 0.85      /* exposure of a class that saturates too often, times this */
#define TEST_SAMPLES 100000
#define TEST_PATTERNS_MIN 4
#define TEST_PATTERNS_MAX 64

uint32_t opu_class_count(size_t n_in)
{
    uint32_t c = 0;
    while (((size_t)1 << c) < n_in) {
        c++;
    }
    return c + 1;
}

size_t opu_class_of(const struct opu_tables *tables, uint32_t n_on)
{
    uint32_t const c = n_on > 1 ? 32u - (uint32_t)__builtin_clz(n_on - 1) : 0;
    return c > tables->lowest ? c - tables->lowest : 0;
}

size_t opu_class_mirrors(const struct opu_projection *p, size_t index)
{
    size_t const n = (size_t)1 << (index + p->tables.lowest);
    return n < p->n_in ? n : p->n_in;
}

/* beta with opu_speckle_tail(alpha, beta) = share. */
static double solve_beta(double alpha, double share)
{
    double low = alpha;
    double high = alpha + 8.0;
    for (int i = 0; i < 50; i++) {
        double const middle = 0.5 * (low + high);
        *(opu_speckle_tail(alpha, middle) > share ? &low : &high) = middle;
    }
    return high;
}

/* The largest alpha with opu_speckle_tail(alpha, beta) <= share. */
static double solve_alpha(double beta, double share)
{
    double low = 0.0;
    double high = beta;
    for (int i = 0; i < 50; i++) {
        double const middle = 0.5 * (low + high);
        *(opu_speckle_tail(middle, beta) > share ? &high : &low) = middle;
    }
    return low;
}

/*
 * Light of the anchor, in mirrors like the inputs: as many as it has where the statement holds for
 * both. Else from the pixels that serve, whose mean is 1 + floor times that of all (exponential).
 */
static double anchor_mirrors(const struct opu_projection *p)
{
    double const rate = p->tables.signal_rate;
    double const stated = opu_stated_rate(p);
    if (p->layout.n_anchor == 0 || (rate <= stated && rate >= stated)) {
        return (double)p->layout.n_anchor;
    }
    return p->tables.reference_rate / (1.0 + OPU_ANCHOR_FLOOR) / rate;
}

/* Exposure and reference amplitude of class c. */
static int expose(struct opu_projection *p, size_t c)
{
    struct opu_tables *const tables = &p->tables;
    const struct opu_caps *const caps = &p->device->caps;
    double const full = opu_full_scale(p);
    double const mirrors = (double)opu_class_mirrors(p, c) + anchor_mirrors(p);
    double const signal = tables->signal_rate * mirrors + tables->leak_rate;
    bool const arm = p->readout->n_references > 0;
    double alpha = arm ? ALPHA : 0.0;
    double amplitude = 0.0;
    if (arm) {
        amplitude = ALPHA * sqrt(signal / tables->reference_rate);
        if (amplitude > 1.0 || (caps->flags & OPU_CAP_REFERENCE_LEVELS) == 0) {
            amplitude = 1.0;
            alpha = sqrt(tables->reference_rate / signal);
        }
    }
    double beta = solve_beta(alpha, p->saturation);
    double exposure_us = full / (signal * beta * beta);
    double const possible_us =
        fmin(fmax(exposure_us, caps->min_exposure_us), caps->max_exposure_us);
    if (arm && amplitude < 1.0 && (possible_us < exposure_us || possible_us > exposure_us)) {
        /* Too dark: more reference lifts the signal further above the converter's steps. Too
         * bright: less of it leaves room for the signal. */
        beta = sqrt(full / (signal * possible_us));
        alpha = fmax(solve_alpha(beta, p->saturation), ALPHA_MIN);
        amplitude = fmin(1.0, alpha * sqrt(signal / tables->reference_rate));
    }
    tables->exposure_us[c] = possible_us;
    tables->amplitude[c] = amplitude;
    double const share = opu_speckle_tail(alpha, sqrt(full / (signal * possible_us)));
    if (share > TOLERANCE * p->saturation) {
        return opu_fail(
            OPU_E_DEVICE,
            "%s: with %g mirrors on, a share of %.2g of the pixels saturates even at %g us, "
            "wanted %g: there is too much light",
            p->device->backend->scheme, mirrors, share, possible_us, p->saturation);
    }
    return OPU_OK;
}

static int choose_classes(struct opu_projection *p)
{
    struct opu_tables *const tables = &p->tables;
    const struct opu_caps *const caps = &p->device->caps;
    size_t const wanted = opu_class_count(p->n_in);
    size_t n = wanted < OPU_CLASSES_MAX ? wanted : OPU_CLASSES_MAX;
    n = n < caps->max_exposures ? n : caps->max_exposures;
    if (p->readout->n_references > 0 && n > caps->max_references / p->readout->n_references) {
        n = caps->max_references / p->readout->n_references;
    }
    tables->n_classes = (uint32_t)n;
    tables->lowest = (uint32_t)(wanted - n);
    for (size_t c = 0; c < n; c++) {
        OPU_TRY(expose(p, c));
    }
    return OPU_OK;
}

int opu_tables_install(struct opu_projection *p)
{
    const struct opu_tables *const tables = &p->tables;
    size_t const per_class = p->readout->n_references;
    struct opu_reference references[OPU_STEPS_MAX * OPU_CLASSES_MAX];
    for (size_t c = 0; c < tables->n_classes; c++) {
        for (size_t k = 0; k < per_class; k++) {
            references[c * per_class + k] = (struct opu_reference){
                .phase_rad = 2.0 * 3.14159265358979323846 * (double)k / (double)per_class,
                .amplitude = tables->amplitude[c],
            };
        }
    }
    return opu_frames_configure(p, tables->exposure_us, tables->n_classes, references,
                                tables->n_classes * per_class);
}

/* Random patterns of class c at its largest; *share of their pixels saturated, *n pixels seen. */
static int test_class(struct opu_projection *p, size_t c, double *saturated, double *n)
{
    uint8_t *const bits = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    if (bits == NULL) {
        return OPU_E_NO_MEMORY;
    }
    size_t const frames = p->readout->frames;
    size_t patterns = TEST_SAMPLES / (frames * p->layout.n_pixels) + 1;
    patterns = patterns < TEST_PATTERNS_MIN ? TEST_PATTERNS_MIN : patterns;
    patterns = patterns > TEST_PATTERNS_MAX ? TEST_PATTERNS_MAX : patterns;
    size_t const batch = p->chunk.capacity / frames;
    int status = OPU_OK;
    *saturated = 0.0;
    *n = (double)(patterns * frames) * (double)p->layout.n_pixels;
    for (size_t first = 0; first < patterns && status == OPU_OK; first += batch) {
        for (size_t i = first; i < patterns && i < first + batch; i++) {
            uint64_t const draw = (uint64_t)(c + 1) << 32 | i;
            opu_random_pattern(bits, p->n_in, opu_class_mirrors(p, c), draw);
            opu_chunk_add_pattern(p, bits, c);
        }
        size_t fired = 0;
        status = opu_chunk_fire(p, &fired);
        for (size_t f = 0; f < fired && status == OPU_OK; f++) {
            *saturated += (double)p->chunk.saturated[f];
        }
    }
    opu_context_free(p->context, bits);
    return status;
}

/*
 * Shows every class its largest patterns. Classes that saturate clearly more often than asked for
 * (5 standard deviations of a Poisson number, and 5 pixels) get less light. *again: some did.
 */
static int test_classes(struct opu_projection *p, bool *again)
{
    struct opu_tables *const tables = &p->tables;
    double all = 0.0;
    double all_saturated = 0.0;
    *again = false;
    for (size_t c = 0; c < tables->n_classes; c++) {
        double saturated;
        double n;
        OPU_TRY(test_class(p, c, &saturated, &n));
        double const expected = n * p->saturation;
        all += n;
        all_saturated += saturated;
        if (saturated > expected + 5.0 * sqrt(expected) + 5.0) {
            *again = true;
            tables->exposure_us[c] =
                fmax(STEP * tables->exposure_us[c], p->device->caps.min_exposure_us);
        }
    }
    tables->saturated_share = all_saturated / all;
    return OPU_OK;
}

static int calibrate(struct opu_projection *p)
{
    struct opu_tables *const tables = &p->tables;
    /* Ramps saturate on purpose: they would blur what the statistics say of the device's use. */
    uint64_t const pixels = p->device->stats.pixels;
    uint64_t const saturated = p->device->stats.saturated;
    OPU_TRY(p->readout->measure(p));
    p->device->stats.pixels = pixels;
    p->device->stats.saturated = saturated;
    OPU_TRY(choose_classes(p));
    bool again = true;
    for (int i = 0; i < ADJUSTMENTS && again; i++) {
        OPU_TRY(opu_tables_install(p));
        OPU_TRY(test_classes(p, &again));
    }
    if (again) {
        return opu_fail(
            OPU_E_DEVICE,
            "%s: %g of the pixels saturate at exposures from %g us on, wanted %g; is the "
            "light too bright?",
            p->device->backend->scheme, tables->saturated_share,
            tables->exposure_us[tables->n_classes - 1], p->saturation);
    }
    opu_context_log(p->context, OPU_LOG_INFO, "calibrate",
                    "%s: %u classes, exposures %.4g-%.4g us, %g counts/us a mirror, %g saturated",
                    p->device->backend->scheme, tables->n_classes,
                    tables->exposure_us[tables->n_classes - 1], tables->exposure_us[0],
                    tables->signal_rate, tables->saturated_share);
    return OPU_OK;
}

/* Depth that calibration reads in: straight lines want more than a few steps of the converter. */
static uint32_t calibration_bits(const struct opu_projection *p)
{
    bool const better = p->bits < 8 && (p->device->caps.adc_bits >> 8 & 1) != 0;
    return better ? 8 : p->bits;
}

/* Tables measured in counts of `from` bits become those of p->bits. */
static void convert_depth(struct opu_projection *p, uint32_t from)
{
    double const ratio = (double)((1u << p->bits) - 1) / (double)((1u << from) - 1);
    p->tables.signal_rate *= ratio;
    p->tables.leak_rate *= ratio;
    p->tables.reference_rate *= ratio;
    for (size_t i = 0; i < p->layout.n_table; i++) {
        p->gain[i] = (float)((double)p->gain[i] / ratio);
    }
    for (size_t i = 0; p->readout->offset_is_rate && i < 2 * p->layout.n_table; i++) {
        p->offset[i] = (float)((double)p->offset[i] * ratio);
    }
}

int opu_calibrate(struct opu_projection *p)
{
    uint32_t const bits = p->bits;
    p->bits = calibration_bits(p);
    int const status = calibrate(p);
    uint32_t const from = p->bits;
    p->bits = bits;
    OPU_TRY(status);
    if (from != bits) {
        convert_depth(p, from);
        OPU_TRY(opu_tables_install(p));
    }
    return opu_pilot_calibrate(p);
}
