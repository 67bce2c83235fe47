/* SPDX-License-Identifier: MIT */
/* Acceptance through a projection: linearity, repeatability, noise, saturation, rate; the moments
 * of B. */
#include "tools/check.h"

#include <math.h>
#include <string.h>

enum { PAIRS = 16, REPEATS = 32 };

/* What saturates is counted from the first answer on. */
static int start_counting(struct check *check)
{
    if (check->before.size != 0) {
        return OPU_OK;
    }
    check->before.size = sizeof check->before;
    return opu_device_statistics(check->device, &check->before);
}

/* Rows of `in` through the projection, n_in at most. */
static int project(struct check *check, size_t rows, float *out)
{
    return opu_project(check->projection, check->in, check->n_in, rows, out, check->n_out);
}

/*
 * Row `row` with `per_sign` entries +1 and as many -1, all inside the columns [first, first +
 * width): ternary encoding holds it exactly. A Fisher-Yates pass picks the columns.
 */
static void fill_ternary(struct check *check, size_t row, size_t first, size_t width,
                         size_t per_sign)
{
    float *const x = check->in + row * check->n_in;
    memset(x, 0, check->n_in * sizeof *x);
    for (size_t i = 0; i < width; i++) {
        x[first + i] = i < per_sign ? 1.0f : (i < 2 * per_sign ? -1.0f : 0.0f);
    }
    for (size_t i = 0; i + 1 < width; i++) {
        size_t const j = i + (size_t)(check_random(check) % (width - i));
        float const held = x[first + i];
        x[first + i] = x[first + j];
        x[first + j] = held;
    }
}

/* B(x - y) against B x - B y, for x and y on halves of the inputs that don't overlap. */
static int linearity(struct check *check)
{
    size_t const n = check->n_in, half = n / 2, m = check->n_out;
    size_t pairs = n / 3 < PAIRS ? n / 3 : PAIRS;
    for (size_t p = 0; p < pairs; p++) {
        float *const x = check->in + 3 * p * n;
        fill_ternary(check, 3 * p, 0, half, half / 2);
        fill_ternary(check, 3 * p + 1, half, half, half / 2);
        for (size_t i = 0; i < n; i++) {
            x[2 * n + i] = x[i] - x[n + i];
        }
    }
    int const status = project(check, 3 * pairs, check->out);
    if (status < 0) {
        return status;
    }
    double wrong = 0.0, all = 0.0;
    for (size_t p = 0; p < pairs; p++) {
        const float *const y = check->out + 3 * p * m;
        for (size_t i = 0; i < m; i++) {
            double const whole = (double)y[2 * m + i];
            double const error = whole - ((double)y[i] - (double)y[m + i]);
            wrong += error * error;
            all += whole * whole;
        }
    }
    /* z = x - y shows two patterns of half the mirrors, x and y two of a quarter each. Rounding of
     * floats adds n 2^-24: 1e-5 with room. */
    double const relative = sqrt(wrong / all);
    double const predicted =
        check->frames
            ? sqrt((2.0 * check->noise.half + 4.0 * check->noise.quarter) / check->variance)
            : 0.0;
    if (isnan(predicted)) {
        check_add(check, "linearity error", relative, "", CHECK_NONE, "noise unknown");
    } else {
        double const bar = 1.3 * predicted + 1e-5;
        check_add(check, "linearity error", relative, "", check_verdict_of(relative <= bar),
                  "<= %.3g (noise explains %.3g)", bar, predicted);
    }
    check_explain(
        check,
        "B (x - y) = B x - B y, fields add (Goodman, Fourier Optics, 2.2); rms error over "
        "rms answer, 1.3 times what the formula of the read-out's noise leaves",
        (double)(pairs * m));
    return OPU_OK;
}

/*
 * Sums over the entries of B seen twice: a, b. Noise that differs between the two drops out of a b.
 */
struct moments {
    double n, mean, square, product;
    double mean_spread,
        square_spread; /* variance between outputs of their mean and their product */
    double kurtosis, kurtosis_samples;
};

/*
 * Kurtosis of the entries, each input's column divided by its rms. Uneven light (a beam, stuck
 * mirrors) gives the columns variances v_j that differ, and a mixture of Gaussians is no Gaussian:
 * over all entries E B^4 / (E B^2)^2 = 3 <v^2> / <v>^2, whatever the medium. Dark columns hold
 * little but noise, so that columns count by v_j^2: the quotient of sums is <E B_j^4> / <v_j^2>,
 * and as many samples as m (sum v^2)^2 / sum v^4. Of a column of m outputs, each with noise of
 * variance z beside it, E a^2 b^2 = E B^4 + 2 v z + z^2, and the square of its mean product is too
 * large by (2 v^2 + 2 v z + z^2) / m.
 */
static void sum_columns(const struct check *check, struct moments *sum)
{
    size_t const n = check->n_in, m = check->n_out;
    double const count = (double)m, z = fmax(0.0, sum->square - sum->product);
    double fourth = 0.0, square2 = 0.0, square4 = 0.0;
    for (size_t j = 0; j < n; j++) {
        double v = 0.0, f = 0.0;
        for (size_t k = 0; k < m; k++) {
            double const ab = (double)check->out[j * m + k] * (double)check->again[j * m + k];
            v += ab / count;
            f += ab * ab / count;
        }
        double const v2 = (v * v - (2.0 * v * z + z * z) / count) / (1.0 + 2.0 / count);
        fourth += f - 2.0 * v * z - z * z;
        square2 += v2;
        square4 += v2 * v2;
    }
    sum->kurtosis = fourth / square2;
    sum->kurtosis_samples = count * square2 * square2 / square4;
}

static struct moments sum_up(const struct check *check)
{
    size_t const n = check->n_in, m = check->n_out;
    struct moments sum = {.n = (double)n * (double)m};
    double mean2 = 0.0, product2 = 0.0;
    for (size_t k = 0; k < m; k++) {
        double mean = 0.0, product = 0.0;
        for (size_t j = 0; j < n; j++) {
            double const a = (double)check->out[j * m + k], b = (double)check->again[j * m + k];
            mean += 0.5 * (a + b);
            product += a * b;
            sum.square += 0.5 * (a * a + b * b);
        }
        sum.mean += mean;
        sum.product += product;
        mean2 += (mean / (double)n) * (mean / (double)n);
        product2 += (product / (double)n) * (product / (double)n);
    }
    sum.mean /= sum.n;
    sum.product /= sum.n;
    sum.square /= sum.n;
    sum.mean_spread = mean2 / (double)m - sum.mean * sum.mean;
    sum.square_spread = product2 / (double)m - sum.product * sum.product;
    sum_columns(check, &sum);
    return sum;
}

/* out[n][m] = W out / n for the Walsh-Hadamard matrix W: undoes rows of W. n is a power of two. */
static void unmix(float *out, size_t n, size_t m)
{
    float const scale = 1.0f / (float)n;
    for (size_t step = 1; step < n; step *= 2) {
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; (i & step) == 0 && k < m; k++) {
                float const a = out[i * m + k], b = out[(i + step) * m + k];
                out[i * m + k] = a + b;
                out[(i + step) * m + k] = a - b;
            }
        }
    }
    for (size_t i = 0; i < n * m; i++) {
        out[i] *= scale;
    }
}

/*
 * B's entries from Walsh-Hadamard rows: every entry is seen in every answer, with 1/n of the noise
 * that unit rows would have (one lit mirror is next to nothing beside an anchor). Twice, to tell
 * noise from matrix.
 */
static int measure_matrix(struct check *check, struct moments *found)
{
    size_t const n = check->n_in;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            check->in[i * n + j] = __builtin_parityll(i & j) != 0 ? -1.0f : 1.0f;
        }
    }
    int status = start_counting(check);
    status = status == OPU_OK ? project(check, n, check->out) : status;
    status = status == OPU_OK ? project(check, n, check->again) : status;
    if (status < 0) {
        return status;
    }
    unmix(check->out, n, check->n_out);
    unmix(check->again, n, check->n_out);
    *found = sum_up(check);
    check->variance = found->product;
    return OPU_OK;
}

int check_matrix(struct check *check)
{
    struct moments sum;
    int const status = measure_matrix(check, &sum);
    if (status < 0) {
        return status;
    }
    double const v = sum.product, noise = sum.square - v;
    /* Four standard deviations throughout; those of mean and variance from the spread between
     * outputs, which also holds what calibration left (dark offset, unequal gain). */
    double const mean_bar = 4.0 * sqrt(sum.mean_spread / (double)check->n_out);
    double const variance_bar = 4.0 * sqrt(sum.square_spread / (double)check->n_out) + 0.02;
    check_add(check, "entries' mean", sum.mean, "",
              check_verdict_of(v > 0.0 && fabs(sum.mean) <= mean_bar + 1e-6), "0 +- %.2g",
              mean_bar + 1e-6);
    check_explain(check, "E B = 0: circular Gaussian entries (Goodman, Speckle, 2); 4 deviations",
                  sum.n);
    check_add(check, "entries' variance", v, "", check_verdict_of(fabs(v - 1.0) <= variance_bar),
              "1 +- %.2g (2 %% for the gain)", variance_bar);
    check_explain(check,
                  "E B^2 = 1, the scale that projections promise (opu/projection.h); 4 deviations",
                  sum.n);
    if (!(v > 0.0)) {
        check_add(check, "entries' kurtosis", (double)NAN, "", CHECK_FAIL, "3 (Gaussian)");
        return OPU_OK;
    }
    /* Its deviation for a Gaussian is sqrt(24 / n), more with noise. Gains that differ by 2 %
     * between pixels add 0.005. */
    double const kurtosis_bar =
        4.0 * sqrt(24.0 / sum.kurtosis_samples) * pow(1.0 + noise / v, 2.0) + 0.01;
    check_add(check, "entries' kurtosis", sum.kurtosis, "",
              check_verdict_of(fabs(sum.kurtosis - 3.0) <= kurtosis_bar), "3 +- %.2g (Gaussian)",
              kurtosis_bar);
    check_explain(check,
                  "E B^4 / (E B^2)^2 = 3 for a Gaussian, deviation sqrt(24 / entries) (Goodman, "
                  "Speckle, 2); each input's column over its rms, as light may be uneven",
                  sum.kurtosis_samples);
    return OPU_OK;
}

static double correlation(const float *a, const float *b, size_t n)
{
    double sa = 0.0, sb = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
    for (size_t i = 0; i < n; i++) {
        double const x = (double)a[i], y = (double)b[i];
        sa += x;
        sb += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    double const count = (double)n;
    return (ab - sa * sb / count) / sqrt((aa - sa * sa / count) * (bb - sb * sb / count));
}

static int repeatability(struct check *check)
{
    size_t const rows = check->n_in < PAIRS ? check->n_in : PAIRS, n = rows * check->n_out;
    bool const computed =
        (opu_device_caps(check->device)->flags & (OPU_CAP_FLOATS | OPU_CAP_FIELD)) != 0;
    for (size_t i = 0; i < rows; i++) {
        fill_ternary(check, i, 0, check->n_in, check->n_in / 2);
    }
    uint64_t const clock = opu_device_clock(check->device);
    int status = project(check, rows, check->out);
    if (status == OPU_OK) {
        status = project(check, rows, check->again);
    }
    if (status < 0) {
        return status;
    }
    double const seen = correlation(check->out, check->again, n);
    /* Two answers of one signal, each row two patterns of half the mirrors. */
    double const power = check->linear ? check->variance : 1.0;
    double const predicted = check->frames ? 1.0 / (1.0 + 2.0 * check->noise.half / power) : 1.0;
    double const bar = isnan(predicted) ? 0.95 : predicted - 0.01;
    check_add(check, "repeated answer", seen, "", check_verdict_of(seen >= bar),
              "correlation >= %.4f", bar);
    check_explain(
        check,
        "rho = 1 / (1 + noise / signal) of two answers (Pearson's correlation), less 0.01; "
        "noise by the read-out's formula",
        (double)n);

    opu_device_clock_set(check->device, clock);
    status = project(check, rows, check->again);
    bool const same = status == OPU_OK && memcmp(check->out, check->again, n * sizeof(float)) == 0;
    check_add(check, "same frame numbers", same ? 1.0 : 0.0, "",
              computed || same ? check_verdict_of(same) : CHECK_NONE,
              computed ? "1: the same bits" : "1: the same bits (simulators only)");
    check_explain(check, "noise and drift follow from the frame's number (opu/device.h)", 0.0);
    return status;
}

/* One row with every mirror on, over and over: the largest exposure class, full, as the formula has
 * it. */
static int noise(struct check *check)
{
    size_t const rows = check->n_in < REPEATS ? check->n_in : REPEATS, m = check->n_out;
    for (size_t i = 0; i < rows * check->n_in; i++) {
        check->in[i] = 1.0f;
    }
    int const status = project(check, rows, check->out);
    if (status < 0) {
        return status;
    }
    double variance = 0.0;
    for (size_t k = 0; k < m; k++) {
        double sum = 0.0, square = 0.0;
        for (size_t i = 0; i < rows; i++) {
            double const y = (double)check->out[i * m + k];
            sum += y;
            square += y * y;
        }
        variance += fmax(0.0, square - sum * sum / (double)rows) / ((double)rows - 1.0) / (double)m;
    }
    /* The signal from the entries' variance: this one pattern's own speckle is uncertain by sqrt(2
     * / m). */
    double const signal = check->variance * (double)check->n_in;
    double const db = 10.0 * log10(signal / variance);
    double const wanted = 10.0 * log10(check->variance / check->noise.all);
    const struct opu_caps *const caps = opu_device_caps(check->device);
    bool const noisy = caps->shot_noise || caps->read_noise_e > 0.0;
    if (!check->frames || !noisy || isnan(check->noise.all)) {
        check_add(check, "signal to noise", db, "dB", CHECK_NONE,
                  !check->frames || !noisy ? "no noise" : "noise unknown");
    } else {
        /* 5 % for the formula (0.2 dB), and four deviations of the mean over m pixels. */
        double const bar = 0.2 + 4.0 * 4.343 * check->noise.spread / sqrt((double)m);
        check_add(check, "signal to noise", db, "dB", check_verdict_of(fabs(db - wanted) <= bar),
                  "%.2f +- %.2f (shot, read, ADC)", wanted, bar);
    }
    check_explain(
        check,
        "10 log10(Var B x / noise), x = 1; noise of phaseN (ns + nr + sr^2 + sq^2) / (N nr) "
        "(Gross et al., arXiv 1206.1475), of the others as in the group read-out; 0.2 dB, 4 "
        "deviations",
        (double)(rows * m));
    return OPU_OK;
}

/* Rows a second here, for about a third of a second, and what the hardware would do. */
static int rate(struct check *check)
{
    const struct opu_caps *const caps = opu_device_caps(check->device);
    size_t const per_row = opu_projection_frames_per_row(check->projection);
    for (size_t i = 0; i < check->n_in; i++) {
        fill_ternary(check, i, 0, check->n_in, check->n_in / 4);
    }
    /* How many rows fit depends on the machine: the clock goes back, so that later rows see the
     * same frame numbers each time. */
    uint64_t const clock = opu_device_clock(check->device);
    double const start = cli_seconds();
    double taken = 0.0, rows = 0.0;
    int status = OPU_OK;
    while (status == OPU_OK && taken < 0.3) {
        status = project(check, check->n_in, check->out);
        rows += (double)check->n_in;
        taken = cli_seconds() - start;
    }
    opu_device_clock_set(check->device, clock);
    check_add(check, "rate here", rows / taken, "rows/s", CHECK_NONE, "for information");
    check_explain(check, "rows over the time they took, a third of a second (opu_project())", 0.0);
    if (check->frames && caps->frame_rate_hz > 0.0) {
        check_add(check, "rate of the optics", caps->frame_rate_hz / (double)per_row, "rows/s",
                  CHECK_NONE, "%.4g frames/s, %zu a row", caps->frame_rate_hz, per_row);
        check_explain(check, "frames a second over frames a row (the device's facts)", 0.0);
    }
    return status;
}

static int saturation(struct check *check)
{
    const struct opu_device_stats *const before = &check->before;
    struct opu_device_stats after = {.size = sizeof after};
    int const status = opu_device_statistics(check->device, &after);
    if (status == OPU_OK && check->frames) {
        double const share =
            (double)(after.saturated - before->saturated) / (double)(after.pixels - before->pixels);
        /* Calibration allows 1e-6 for random patterns; here patterns share mirrors, so that a pixel
         * bright for one is bright for many: one such pixel, seen in up to 1/80 of the frames, 1/16
         * without a reference, has to pass however few its neighbours are. Three are allowed. */
        double const bar =
            (check->linear ? 1e-5 : 1e-4) + (check->linear ? 0.04 : 0.2) / (double)check->n_out;
        check_add(check, "saturated pixels", share, "", check_verdict_of(share <= bar), "<= %g",
                  bar);
        check_explain(
            check,
            "P(|R + S|^2 > full well) <= saturation, S circular Gaussian (Goodman, Speckle, "
            "2; core/device/calibrate.c), with room for one bright pixel",
            (double)(after.pixels - before->pixels));
    }
    return status;
}

int check_projection(struct check *check)
{
    struct moments unused;
    int status = start_counting(check);
    if (check->linear && !(check->variance > 0.0)) { /* the noise row wants it */
        status = status == OPU_OK ? measure_matrix(check, &unused) : status;
    }
    if (check->linear) {
        status = status == OPU_OK ? linearity(check) : status;
    } else {
        check_add(check, "linearity error", (double)NAN, "", CHECK_NONE,
                  "not for a non-linear read-out");
    }
    status = status == OPU_OK ? repeatability(check) : status;
    if (check->linear) {
        status = status == OPU_OK ? noise(check) : status;
    }
    status = status == OPU_OK ? saturation(check) : status;
    return status == OPU_OK ? rate(check) : status;
}
