/* SPDX-License-Identifier: MIT */
/* Measurements that the read-outs' calibrations are made of; formulas in core/device/measure.h. */
#include "core/device/measure.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/device/projection_internal.h"

#define RAMP_MAX 256
#define CUTOFF 0.9 /* share of full scale above which a count is left out of a fit */
#define FIT_MIN 4  /* points of a fit */

/* Sums of a straight-line fit. */
struct sums {
    double n, t, tt;
    double y[OPU_FIT_CHANNELS], ty[OPU_FIT_CHANNELS], yy[OPU_FIT_CHANNELS];
};

double opu_black(const struct opu_projection *p)
{
    return p->device->caps.black_level * (double)((1u << p->bits) - 1);
}

double opu_full_scale(const struct opu_projection *p)
{
    return (double)((1u << p->bits) - 1) - 0.5 - opu_black(p);
}

int opu_frames_configure(struct opu_projection *p, const double *exposures_us, size_t n_exposures,
                         const struct opu_reference *references, size_t n_references)
{
    struct opu_frame_setup const setup = {
        .size = sizeof setup,
        .n_inputs = p->layout.n_inputs,
        .output_kind = p->layout.region.width > 0 ? OPU_OUTPUT_REGION : OPU_OUTPUT_PIXELS,
        .n_pixels = p->layout.n_pixels,
        .region = p->layout.region,
        .bits = p->bits,
        .n_exposures = n_exposures,
        .exposures_us = exposures_us,
        .n_references = n_references,
        .references = references,
    };
    OPU_TRY(opu_device_configure(p->device, &setup));
    p->generation = p->device->generation;
    return OPU_OK;
}

double opu_chunk_count(const struct opu_projection *p, size_t f, size_t pixel)
{
    size_t const i = f * p->layout.n_pixels + pixel;
    const void *const counts = p->chunk.counts[0];
    return (p->bits <= 8 ? (double)((const uint8_t *)counts)[i]
                         : (double)((const uint16_t *)counts)[i]) -
           opu_black(p);
}

/* Takes one exposure's frames, the first of which is f, into every pixel's sums. */
static void accumulate(const struct opu_projection *p, size_t f, size_t frames, double t,
                       struct sums *all)
{
    double const cutoff = CUTOFF * opu_full_scale(p);
    double step[OPU_STEPS_MAX][2];
    for (size_t j = 0; j < frames; j++) {
        opu_phase_step(frames, j, step[j]);
    }
    for (size_t k = 0; k < p->layout.n_pixels; k++) {
        double y[OPU_FIT_CHANNELS] = {0.0};
        double top = 0.0;
        for (size_t j = 0; j < frames; j++) {
            double const i = opu_chunk_count(p, f + j, k);
            top = i > top ? i : top;
            y[0] += i / (double)frames;
            y[1] += frames > 1 ? i * step[j][0] / (double)frames : 0.0;
            y[2] += frames > 1 ? i * step[j][1] / (double)frames : 0.0;
        }
        if (top > cutoff) {
            continue;
        }
        struct sums *const sums = &all[k];
        sums->n += 1.0;
        sums->t += t;
        sums->tt += t * t;
        for (size_t c = 0; c < OPU_FIT_CHANNELS; c++) {
            sums->y[c] += y[c];
            sums->ty[c] += t * y[c];
            sums->yy[c] += y[c] * y[c];
        }
    }
}

static struct opu_line fit(const struct sums *sums)
{
    struct opu_line line = {.found = false};
    double const spread = sums->n > 0.0 ? sums->tt - sums->t * sums->t / sums->n : 0.0;
    if (sums->n < FIT_MIN || !(spread > 0.0)) {
        return line;
    }
    line.found = true;
    for (size_t c = 0; c < OPU_FIT_CHANNELS; c++) {
        double const cross = sums->ty[c] - sums->t * sums->y[c] / sums->n;
        double const total = sums->yy[c] - sums->y[c] * sums->y[c] / sums->n;
        double const residual = total - cross * cross / spread;
        line.slope[c] = cross / spread;
        line.slope_var[c] = residual > 0.0 ? residual / (sums->n - 2.0) / spread : 0.0;
    }
    return line;
}

static double ramp_exposure(const struct opu_ramp *ramp, size_t i)
{
    double const x = ((double)i + ramp->shift) / (double)ramp->points;
    return ramp->low_us * pow(ramp->high_us / ramp->low_us, x);
}

/* Frames for exposures [first, first + n) of the ramp: as many at a time as a chunk holds. */
static int ramp_part(struct opu_projection *p, const struct opu_ramp *ramp, const double *exposures,
                     size_t n, struct sums *sums)
{
    size_t const frames = ramp->n_references > 0 ? ramp->n_references : 1;
    size_t const batch = p->chunk.capacity / frames;
    if (batch == 0) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s: takes %zu frames at a time, calibration wants %zu",
                        p->device->backend->scheme, p->chunk.capacity, frames);
    }
    for (size_t first = 0; first < n; first += batch) {
        size_t const end = n - first < batch ? n : first + batch;
        for (size_t i = first; i < end; i++) {
            for (size_t j = 0; j < frames; j++) {
                opu_chunk_add(p, ramp->bits, j, i);
            }
        }
        size_t fired;
        OPU_TRY(opu_chunk_fire(p, &fired));
        for (size_t i = first; i < end; i++) {
            accumulate(p, (i - first) * frames, frames, exposures[i] / ramp->high_us, sums);
        }
    }
    return OPU_OK;
}

int opu_measure_ramp(struct opu_projection *p, const struct opu_ramp *ramp, struct opu_line *lines)
{
    struct sums *const sums = opu_calloc(p->context, p->layout.n_pixels, sizeof *sums);
    if (sums == NULL) {
        return OPU_E_NO_MEMORY;
    }
    size_t table = p->device->caps.max_exposures;
    table = table < RAMP_MAX ? table : RAMP_MAX;
    int status = OPU_OK;
    for (size_t first = 0; first < ramp->points && status == OPU_OK; first += table) {
        double exposures[RAMP_MAX];
        size_t const n = ramp->points - first < table ? ramp->points - first : table;
        for (size_t i = 0; i < n; i++) {
            exposures[i] = ramp_exposure(ramp, first + i);
        }
        status = opu_frames_configure(p, exposures, n, ramp->references, ramp->n_references);
        if (status == OPU_OK) {
            status = ramp_part(p, ramp, exposures, n, sums);
        }
    }
    for (size_t k = 0; k < p->layout.n_pixels; k++) {
        lines[k] = fit(&sums[k]);
        for (size_t c = 0; c < OPU_FIT_CHANNELS; c++) {
            lines[k].slope[c] /= ramp->high_us;
            lines[k].slope_var[c] /= ramp->high_us * ramp->high_us;
        }
    }
    opu_context_free(p->context, sums);
    return status;
}

void opu_ramp_range(const struct opu_projection *p, struct opu_ramp *ramp, double rate, double top,
                    double span)
{
    const struct opu_caps *const caps = &p->device->caps;
    double const high = top * opu_full_scale(p) / rate;
    ramp->high_us = fmin(fmax(high, caps->min_exposure_us), caps->max_exposure_us);
    ramp->low_us = fmax(ramp->high_us / span, caps->min_exposure_us);
}

/* Mean slope of the pixels that have one. */
static int mean_rate(struct opu_projection *p, const struct opu_ramp *ramp, double *rate)
{
    struct opu_line *const lines = opu_calloc(p->context, p->layout.n_pixels, sizeof *lines);
    if (lines == NULL) {
        return OPU_E_NO_MEMORY;
    }
    int status = opu_measure_ramp(p, ramp, lines);
    double sum = 0.0;
    double n = 0.0;
    for (size_t k = 0; k < p->layout.n_pixels; k++) {
        sum += lines[k].found ? lines[k].slope[0] : 0.0;
        n += lines[k].found;
    }
    opu_context_free(p->context, lines);
    if (status == OPU_OK && !(n >= 0.5 * (double)p->layout.n_pixels)) {
        status = opu_fail(OPU_E_DEVICE, "%s: %zu of %zu pixels saturate at exposures from %g us on",
                          p->device->backend->scheme, p->layout.n_pixels - (size_t)n,
                          p->layout.n_pixels, ramp->low_us);
    }
    *rate = n > 0.0 && sum > 0.0 ? sum / n : 0.0;
    return status;
}

int opu_measure_rate(struct opu_projection *p, const struct opu_ramp *like, double *rate)
{
    const struct opu_caps *const caps = &p->device->caps;
    struct opu_ramp ramp = *like;
    ramp.low_us = caps->min_exposure_us;
    ramp.high_us = caps->max_exposure_us;
    ramp.points = 64;
    OPU_TRY(mean_rate(p, &ramp, rate));
    if (!(*rate > 0.0)) {
        return OPU_OK; /* dark */
    }
    opu_ramp_range(p, &ramp, *rate, 0.3, 32.0);
    /* Where light is bright even at the shortest exposure there is no room for a finer look. */
    return ramp.high_us > 4.0 * ramp.low_us ? mean_rate(p, &ramp, rate) : OPU_OK;
}

void opu_random_pattern(uint8_t *bits, size_t n, size_t n_on, uint64_t draw)
{
    /* Selection sampling (Knuth, TAOCP 3.4.2 S): exact counts, in order, one uniform number an
     * element. */
    struct opu_philox4 block = {{0}};
    size_t left = n_on;
    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n && left > 0; i++) {
        if (i % 4 == 0) {
            block = opu_philox(0, OPU_STREAM_CALIBRATE, (uint32_t)(i / 4), draw);
        }
        if (opu_uniform(block.v[i % 4]) * (double)(n - i) < (double)left) {
            bits[i / 8] |= (uint8_t)(1u << i % 8);
            left--;
        }
    }
}

/* exp(-x) I0(x), Abramowitz & Stegun 9.8.1 and 9.8.2, relative error below 2e-7. */
static double bessel_i0_scaled(double x)
{
    if (x < 3.75) {
        double const t = x * x / (3.75 * 3.75);
        double const sum =
            1.0 + t * (3.5156229 +
                       t * (3.0899424 +
                            t * (1.2067492 + t * (0.2659732 + t * (0.0360768 + t * 0.0045813)))));
        return exp(-x) * sum;
    }
    double const t = 3.75 / x;
    double const sum =
        0.39894228 +
        t * (0.01328592 +
             t * (0.00225319 +
                  t * (-0.00157565 +
                       t * (0.00916281 +
                            t * (-0.02057706 +
                                 t * (0.02635537 + t * (-0.01647633 + t * 0.00392377)))))));
    return sum / sqrt(x);
}

double opu_speckle_tail(double alpha, double beta)
{
    /* Rice: P = integral from beta of 2 x exp(-(x - alpha)^2) [exp(-2 alpha x) I0(2 alpha x)] dx;
     * Simpson. */
    double const step = (beta > alpha ? 4.0 : 6.0) / 128.0;
    double const start = beta;
    double sum = 0.0;
    for (int i = 0; i <= 128; i++) {
        double const x = start + step * i;
        double const weight = i == 0 || i == 128 ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
        double const d = x - alpha;
        sum += weight * 2.0 * x * exp(-d * d) * bessel_i0_scaled(2.0 * alpha * x);
    }
    /* Where beta lies far below alpha the integral stops short of the bulk: all of it saturates. */
    return alpha - beta > 2.0 ? 1.0 : sum * step / 3.0;
}
