/* SPDX-License-Identifier: MIT */
/*
 * Probe: how much of the matrix is still what calibration saw. Fixed patterns x_k, half of the
 * mirrors on, are shown with their complements; d_k = y(x_k) - y(1 - x_k) is rid of all that does
 * not depend on the pattern: the light of mirrors that are off, the anchor's own, the mean of an
 * intensity. Calibration stores a_k, the mean of d_k over STORED readings; a probe takes SHOWN
 * more.
 *
 *   c = <a, b> / sqrt(<a, a> <b, b>)   over all patterns and outputs, b the mean of the new ones
 *
 * where the powers under the root are sums over products of *different* readings, in which noise
 * that is independent from reading to reading has mean 0: c is 1 for a matrix that stands still,
 * whatever the noise. To first order in the noise numerator and root move alike; what is left has
 * the standard deviation 0.65 v / sqrt(N) (v: noise over signal power of one reading, N = outputs x
 * patterns). For a matrix that has decorrelated to <H H'*> = rho:
 *
 *   phase steps, off-axis    d = H s, linear in H:    c = rho
 *   intensity                d = |H x|^2 - |H (1 - x)|^2: c = rho^2 (g2 - 1 = rho^2)
 *   anchor                   d = 2 Re[H s (H a)*]:    c = rho^2 sqrt(m / (1 + (m - 1) rho^2))
 *
 * with standard deviation (1 - c^2) / sqrt(N) or, for the products of two Gaussians, up to
 * sqrt(3) times that. For the anchor the division by |H a| is taken back first; only pixels with
 * bright anchors are outputs, whose light E|H a|^2 = m = 1 + OPU_ANCHOR_FLOOR falls to the mean 1
 * as the matrix drifts. rho is what is told. A wandering reference phase turns the outputs and so
 * counts as change, as it should.
 */
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/measure.h"
#include "core/device/projection_internal.h"

#define STORED 4
#define SHOWN 2
#define SAMPLES 4096 /* outputs times patterns that are wanted: 1 / sqrt of it is 1.6 % */
#define PAIRS_MIN 2
#define PAIRS_MAX 16
#define DRAW (UINT64_C(1) << 56) /* apart from the draws of calibration's own patterns */

int opu_probe_create(struct opu_projection *p)
{
    struct opu_probe *const probe = &p->probe;
    if ((p->device->caps.flags & OPU_CAP_DRIFT) == 0) {
        return OPU_OK;
    }
    size_t const wanted = (SAMPLES + p->n_out - 1) / p->n_out;
    size_t const most = wanted < PAIRS_MAX ? wanted : PAIRS_MAX;
    probe->n_pairs = most > PAIRS_MIN ? most : PAIRS_MIN;
    probe->bits = opu_calloc(p->context, (p->n_in + 7) / 8, 1);
    probe->in = opu_calloc(p->context, p->n_in, 2 * STORED * sizeof *probe->in);
    probe->out = opu_calloc(p->context, p->n_out, 2 * STORED * sizeof *probe->out);
    probe->answer = opu_calloc(p->context, p->n_out, probe->n_pairs * sizeof *probe->answer);
    return probe->bits != NULL && probe->in != NULL && probe->out != NULL && probe->answer != NULL
               ? OPU_OK
               : OPU_E_NO_MEMORY;
}

void opu_probe_destroy(struct opu_projection *p)
{
    opu_context_free(p->context, p->probe.bits);
    opu_context_free(p->context, p->probe.in);
    opu_context_free(p->context, p->probe.out);
    opu_context_free(p->context, p->probe.answer);
    p->probe = (struct opu_probe){0};
}

/* Rows 2r and 2r + 1 of `in`: pattern and complement, so that both see the same time. */
static void fill(struct opu_projection *p, size_t pair, size_t readings)
{
    struct opu_probe *const probe = &p->probe;
    opu_random_pattern(probe->bits, p->n_in, (p->n_in + 1) / 2, DRAW | pair);
    for (size_t r = 0; r < readings; r++) {
        float *const row = probe->in + 2 * r * p->n_in;
        for (size_t i = 0; i < p->n_in; i++) {
            bool const on = (probe->bits[i / 8] >> i % 8 & 1) != 0;
            row[i] = on ? 1.0f : 0.0f;
            row[p->n_in + i] = on ? 0.0f : 1.0f;
        }
    }
}

/* Readings of one pair; d of reading r is at out + r * n_out. */
static int show(struct opu_projection *p, size_t pair, size_t readings)
{
    struct opu_probe *const probe = &p->probe;
    uint64_t const rows = p->device->stats.rows;
    size_t const n = p->n_out;
    fill(p, pair, readings);
    for (size_t first = 0; first < 2 * readings; first += p->max_rows) {
        size_t const left = 2 * readings - first;
        OPU_TRY(opu_project(p, probe->in + first * p->n_in, p->n_in,
                            left < p->max_rows ? left : p->max_rows, probe->out + first * n, n));
    }
    p->device->stats.rows = rows; /* these are nobody's rows; their frames count */
    bool const anchor = p->layout.n_anchor > 0;
    for (size_t r = 0; r < readings; r++) {
        const float *const plus = probe->out + 2 * r * n;
        const float *const minus = plus + n;
        float *const d = probe->out + r * n;
        for (size_t i = 0; i < n; i++) {
            d[i] = (plus[i] - minus[i]) / (anchor ? p->gain[i] : 1.0f);
        }
    }
    return OPU_OK;
}

/* Answers of one pair from its readings; returns the sum of products of different readings, their
 * mean. */
static double take(const float *readings, size_t n, float *answer)
{
    double cross = 0.0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        double squares = 0.0;
        for (size_t r = 0; r < STORED; r++) {
            double const d = (double)readings[r * n + i];
            sum += d;
            squares += d * d;
        }
        answer[i] = (float)(sum / STORED);
        cross += sum * sum - squares;
    }
    return cross / (STORED * (STORED - 1));
}

int opu_probe_store(struct opu_projection *p)
{
    struct opu_probe *const probe = &p->probe;
    probe->power = 0.0;
    for (size_t k = 0; k < probe->n_pairs; k++) {
        OPU_TRY(show(p, k, STORED));
        probe->power += take(probe->out, p->n_out, probe->answer + k * p->n_out);
    }
    return OPU_OK;
}

/* rho from c: see the top. */
static double field_correlation(const struct opu_projection *p, double c)
{
    if (p->readout->n_references > 0) {
        return c;
    }
    /* u = rho^2 from m u^2 = c^2 (1 + (m - 1) u) */
    double const m = p->layout.n_anchor > 0 ? 1.0 + OPU_ANCHOR_FLOOR : 1.0;
    double const half = 0.5 * c * c * (m - 1.0);
    double const u = (half + sqrt(half * half + m * c * c)) / m;
    return copysign(sqrt(u), c);
}

static int probe_frames(struct opu_projection *p, double *correlation)
{
    struct opu_probe *const probe = &p->probe;
    size_t const n = p->n_out;
    double power = 0.0;
    double product = 0.0;
    for (size_t k = 0; k < probe->n_pairs; k++) {
        OPU_TRY(show(p, k, SHOWN));
        const float *const a = probe->answer + k * n;
        for (size_t i = 0; i < n; i++) {
            double const b0 = (double)probe->out[i];
            double const b1 = (double)probe->out[n + i];
            product += 0.5 * (double)a[i] * (b0 + b1);
            power += b0 * b1;
        }
    }
    if (!(probe->power > 0.0)) {
        return opu_fail(OPU_E_DEVICE,
                        "%s: the probe's stored answers are noise alone (power %g), wanted light",
                        p->device->backend->scheme, probe->power);
    }
    /* No light now: nothing of the matrix is left to be seen. */
    *correlation = power > 0.0 ? field_correlation(p, product / sqrt(probe->power * power)) : 0.0;
    return OPU_OK;
}

static int check(const struct opu_projection *p)
{
    if (p->under_way) {
        return opu_fail(OPU_E_BUSY, "projection: a call is under way; wait for it first");
    }
    if (p->generation != p->device->generation) {
        return opu_fail(OPU_E_BUSY, "projection: device %s has been set up for another use since",
                        p->device->uri);
    }
    return OPU_OK;
}

int opu_projection_probe(struct opu_projection *p, double *correlation)
{
    *correlation = 1.0;
    OPU_TRY(check(p));
    return p->probe.n_pairs > 0 ? probe_frames(p, correlation) : OPU_OK;
}

int opu_projection_recalibrate(struct opu_projection *p)
{
    OPU_TRY(check(p));
    if (p->floats) {
        return OPU_OK;
    }
    int status = opu_calibrate(p);
    if (status == OPU_OK) {
        status = opu_probe_store(p);
    }
    if (status < 0) {
        p->generation = 0; /* half of the tables are new: no call may use them */
        return status;
    }
    opu_projection_redescribe(p);
    return OPU_OK;
}
