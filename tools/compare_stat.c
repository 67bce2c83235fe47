/* SPDX-License-Identifier: MIT */
/* Means and deviations over seeds. */
#include "tools/compare.h"

#include <math.h>
#include <string.h>

/* Sums in the order of the seeds; the deviation is the sample's. */
static struct compare_stat stat(const double *values, size_t n)
{
    struct compare_stat seen = {.mean = (double)NAN, .std = (double)NAN};
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            sum += values[i];
            seen.n++;
        }
    }
    if (seen.n == 0) {
        return seen;
    }
    seen.mean = sum / (double)seen.n;
    for (size_t i = 0; i < n; i++) {
        double const off = values[i] - seen.mean;
        squares += isfinite(values[i]) ? off * off : 0.0;
    }
    if (seen.n > 1) {
        seen.std = sqrt(squares / (double)(seen.n - 1));
    }
    return seen;
}

static const struct compare_run *done(const struct comparison *c, size_t arm, size_t seed)
{
    const struct compare_run *const run = &c->runs[arm * c->n_seeds + seed];
    return run->state == COMPARE_DONE ? run : NULL;
}

struct compare_stat compare_stat_of(const struct comparison *c, size_t arm, size_t offset)
{
    double values[COMPARE_MAX_SEEDS] = {0.0};
    for (size_t s = 0; s < c->n_seeds; s++) {
        const struct compare_run *const run = done(c, arm, s);
        values[s] = (double)NAN;
        if (run != NULL) {
            memcpy(&values[s], (const char *)&run->figures + offset, sizeof values[s]);
        }
    }
    return stat(values, c->n_seeds);
}

struct compare_stat compare_difference(const struct comparison *c, size_t a, size_t b)
{
    double values[COMPARE_MAX_SEEDS] = {0.0};
    for (size_t s = 0; s < c->n_seeds; s++) {
        const struct compare_run *const one = done(c, a, s), *const other = done(c, b, s);
        values[s] = one != NULL && other != NULL
                        ? one->figures.test_accuracy - other->figures.test_accuracy
                        : (double)NAN;
    }
    return stat(values, c->n_seeds);
}

struct compare_stat compare_tap_stat(const struct comparison *c, size_t arm, size_t tap, bool best)
{
    double values[COMPARE_MAX_SEEDS] = {0.0};
    for (size_t s = 0; s < c->n_seeds; s++) {
        const struct compare_run *const run = done(c, arm, s);
        const struct compare_tap *const seen =
            run != NULL && tap < run->figures.n_taps ? &run->figures.taps[tap] : NULL;
        values[s] = seen == NULL ? (double)NAN : (best ? seen->best : seen->last);
    }
    return stat(values, c->n_seeds);
}

const struct compare_run *compare_first_done(const struct comparison *c, size_t arm)
{
    for (size_t s = 0; s < c->n_seeds; s++) {
        const struct compare_run *const run = done(c, arm, s);
        if (run != NULL) {
            return run;
        }
    }
    return NULL;
}

size_t compare_pairs(const struct comparison *c, size_t pairs[][2], size_t room)
{
    static const enum compare_method wanted[][2] = {
        {COMPARE_OPTICAL, COMPARE_BP},      {COMPARE_OPTICAL, COMPARE_EXACT},
        {COMPARE_OPTICAL, COMPARE_SHALLOW}, {COMPARE_EXACT, COMPARE_BP},
        {COMPARE_EXACT, COMPARE_SHALLOW},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        for (size_t a = 0; a < c->n_arms; a++) {
            for (size_t b = 0; b < c->n_arms && n < room; b++) {
                /* Along a sweep the table shows it. */
                if (c->arms[a].method == wanted[i][0] && c->arms[b].method == wanted[i][1] &&
                    !c->arms[a].swept) {
                    pairs[n][0] = a;
                    pairs[n++][1] = b;
                }
            }
        }
    }
    return n;
}

void compare_format(char *text, size_t n, const struct compare_stat *seen, double scale,
                    int decimals)
{
    /* A loss that has run away would fill the line with digits. */
    bool const wild = fabs(scale * seen->mean) >= 1e6 || fabs(scale * seen->std) >= 1e6;
    if (!isfinite(seen->mean)) {
        snprintf(text, n, "-");
    } else if (!isfinite(seen->std)) {
        snprintf(text, n, wild ? "%.*e" : "%.*f", wild ? 2 : decimals, scale * seen->mean);
    } else {
        snprintf(text, n, wild ? "%.*e +- %.*e" : "%.*f +- %.*f", wild ? 2 : decimals,
                 scale * seen->mean, wild ? 2 : decimals, scale * seen->std);
    }
}

struct compare_words compare_words(const struct comparison *c, size_t arm)
{
    struct compare_words words = {
        .time = "-", .frames = "-", .light = "-", .energy = "-", .saturated = "-"};
    struct compare_stat const accuracy = COMPARE_STAT(c, arm, test_accuracy);
    struct compare_stat const loss = COMPARE_STAT(c, arm, test_loss);
    struct compare_stat const seconds = COMPARE_STAT(c, arm, seconds);
    struct compare_stat const frames = COMPARE_STAT(c, arm, frames);
    compare_format(words.accuracy, sizeof words.accuracy, &accuracy, 100.0, 2);
    compare_format(words.loss, sizeof words.loss, &loss, 1.0, 4);
    if (seconds.n > 0) {
        cli_format_seconds(words.time, sizeof words.time, seconds.mean);
    }
    if (frames.n > 0 && frames.mean > 0.0) {
        snprintf(words.frames, sizeof words.frames, "%.0f", frames.mean);
        snprintf(words.saturated, sizeof words.saturated, "%.2g %%",
                 100.0 * COMPARE_STAT(c, arm, saturated_share).mean);
        cli_format_seconds(words.light, sizeof words.light, COMPARE_STAT(c, arm, optical_s).mean);
        cli_format_si(words.energy, sizeof words.energy, COMPARE_STAT(c, arm, optical_j).mean, "J");
    }
    return words;
}
