/* SPDX-License-Identifier: MIT */
/* Plots of a comparison: bars, curves over epochs, and curves against a knob. */
#include "tools/compare_plot.h"
#include "tools/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A decade and a bit: from here on equal steps would crowd the small values. */
#define LOG_FROM 20.0

static void figure(struct html *html, const struct svg_plot *plot, const struct svg_ticks *ticks)
{
    html_add(html, "<figure>");
    if (ticks != NULL) {
        svg_add_marked(html, plot, ticks);
    } else {
        svg_add(html, plot);
    }
    html_add(html, "</figure>\n");
}

enum figure { ACCURACY, LOSS, ALIGNMENT };

/* A run's figure by epoch; NULL where the run has none. tap: of ALIGNMENT alone. */
static const double *by_epoch(const struct compare_figures *f, enum figure what, size_t tap)
{
    if (what == ALIGNMENT) {
        return tap < f->n_taps ? f->taps[tap].mean : NULL;
    }
    return what == LOSS ? f->loss : f->accuracy;
}

/* Mean and deviation over seeds at each epoch. */
struct curve {
    double *x, *mean, *std;
    size_t n;
};

static void curve_of(struct curve *curve, const struct comparison *c, size_t arm, enum figure what,
                     size_t tap)
{
    const struct compare_run *const first = compare_first_done(c, arm);
    *curve = (struct curve){.n = first != NULL ? first->figures.n_epochs : 0};
    curve->x = calloc(3 * curve->n + 1, sizeof *curve->x);
    curve->n = curve->x != NULL ? curve->n : 0;
    curve->mean = curve->x + curve->n;
    curve->std = curve->mean + curve->n;
    for (size_t i = 0; i < curve->n; i++) {
        double sum = 0.0, squares = 0.0;
        size_t n = 0;
        for (size_t s = 0; s < c->n_seeds; s++) {
            const struct compare_figures *const f = &c->runs[arm * c->n_seeds + s].figures;
            const double *const values = by_epoch(f, what, tap);
            double const value = values != NULL && i < f->n_epochs ? values[i] : (double)NAN;
            if (isfinite(value)) {
                double const off = value - (n > 0 ? sum / (double)n : value);
                sum += value;
                n++;
                squares += off * off * (double)(n - 1) / (double)n; /* Welford's update */
            }
        }
        curve->x[i] = first->figures.epoch[i];
        curve->mean[i] = n > 0 ? sum / (double)n : (double)NAN;
        curve->std[i] = n > 1 ? sqrt(squares / (double)(n - 1)) : (double)NAN;
    }
}

/* By epoch, a line an arm; arms that don't measure it have none. */
static void add_curves(struct html *html, const struct comparison *c, enum figure what, size_t tap,
                       const char *title)
{
    static const struct {
        const char *label, *unit;
        double scale;
    } texts[] = {[ACCURACY] = {"rows right (%)", " %", 100.0},
                 [LOSS] = {"cross-entropy (nat)", " nat", 1.0},
                 [ALIGNMENT] = {"cosine", "", 1.0}};
    struct curve curves[COMPARE_N_METHODS];
    struct svg_series series[COMPARE_N_METHODS];
    size_t n = 0;
    for (size_t a = 0; a < c->n_arms && n < COMPARE_N_METHODS; a++) {
        const struct compare_run *const first = compare_first_done(c, a);
        if (what == ALIGNMENT && (first == NULL || by_epoch(&first->figures, what, tap) == NULL)) {
            continue;
        }
        curve_of(&curves[n], c, a, what, tap);
        series[n] = (struct svg_series){.name = c->arms[a].label,
                                        .x = curves[n].x,
                                        .y = curves[n].mean,
                                        .spread = curves[n].std,
                                        .n = curves[n].n};
        n++;
    }
    figure(html,
           &(struct svg_plot){.title = title,
                              .x_label = "epoch",
                              .y_label = texts[what].label,
                              .scale = texts[what].scale,
                              .unit = texts[what].unit,
                              .from_zero = what == ALIGNMENT,
                              .series = series,
                              .n_series = n},
           NULL);
    for (size_t a = 0; a < n; a++) {
        free(curves[a].x);
    }
}

/* A plot a tap, of those of the first arm that has some: every DFA arm has the same network. */
static void add_alignments(struct html *html, const struct comparison *c)
{
    const struct compare_run *first = NULL;
    for (size_t a = 0; a < c->n_arms && (first == NULL || first->figures.n_taps == 0); a++) {
        first = compare_first_done(c, a);
    }
    for (size_t i = 0; first != NULL && i < first->figures.n_taps; i++) {
        char title[96];
        snprintf(title, sizeof title, "Alignment at %.64s", first->figures.taps[i].name);
        add_curves(html, c, ALIGNMENT, i, title);
    }
}

void compare_plot_arms(struct html *html, const struct comparison *c)
{
    struct svg_bar bars[COMPARE_N_METHODS];
    double points[COMPARE_N_METHODS][COMPARE_MAX_SEEDS];
    size_t const n = c->n_arms < COMPARE_N_METHODS ? c->n_arms : COMPARE_N_METHODS;
    for (size_t a = 0; a < n; a++) {
        struct compare_stat const seen = COMPARE_STAT(c, a, test_accuracy);
        for (size_t s = 0; s < c->n_seeds; s++) {
            const struct compare_run *const run = &c->runs[a * c->n_seeds + s];
            points[a][s] = run->state == COMPARE_DONE ? run->figures.test_accuracy : (double)NAN;
        }
        bars[a] = (struct svg_bar){.name = c->arms[a].label,
                                   .value = seen.mean,
                                   .spread = seen.std,
                                   .points = points[a],
                                   .n = c->n_seeds};
    }
    html_add(html, "<div class=\"plots\">\n<figure>");
    svg_add_bars(html,
                 &(struct svg_plot){.title = "Test accuracy after the last epoch, each seed a dot",
                                    .scale = 100.0,
                                    .unit = " %"},
                 bars, n);
    html_add(html, "</figure>\n");
    add_curves(html, c, ACCURACY, 0, "Test accuracy");
    add_curves(html, c, LOSS, 0, "Test loss");
    add_alignments(html, c);
    html_add(html, "</div>\n");
}

/* Where the first knob's values stand on the x axis. */
struct axis {
    double at[COMPARE_MAX_VALUES]; /* by value's index */
    double sorted[COMPARE_MAX_VALUES];
    const char *labels[COMPARE_MAX_VALUES]; /* by place from the left */
    char name[256];
    struct svg_ticks ticks;
};

static void sort_ticks(struct axis *axis, const struct compare_sweep *sweep)
{
    size_t order[COMPARE_MAX_VALUES];
    for (size_t i = 0; i < sweep->n; i++) {
        size_t k = i;
        for (; k > 0 && axis->at[order[k - 1]] > axis->at[i]; k--) {
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    for (size_t i = 0; i < sweep->n; i++) {
        axis->sorted[i] = axis->at[order[i]];
        axis->labels[i] = sweep->value[order[i]];
    }
    axis->ticks = (struct svg_ticks){axis->sorted, axis->labels, sweep->n};
}

/* The unit of a device's option, "" where it has none. */
static const char *unit_of(const char *key)
{
    const char *const dot = strrchr(key, '.');
    const struct opu_backend_info *backend;
    for (size_t i = 0; dot != NULL && (backend = opu_backend_info(i)) != NULL; i++) {
        size_t const n = strlen(backend->scheme);
        for (size_t k = 0; strncmp(key, backend->scheme, n) == 0 && k < backend->n_options; k++) {
            if (strcmp(backend->options[k].key, dot + 1) == 0 && backend->options[k].unit != NULL) {
                return backend->options[k].unit;
            }
        }
    }
    return "";
}

/*
 * Numbers stand where they are, on a logarithmic axis where they span more than a decade; a zero
 * then stands one step left of the smallest. Words stand side by side.
 */
static void make_axis(struct axis *axis, const struct compare_sweep *sweep)
{
    double low = (double)INFINITY, high = 0.0;
    bool numbers = true, above = true;
    for (size_t i = 0; i < sweep->n; i++) {
        char *end = NULL;
        double const value = strtod(sweep->value[i], &end);
        numbers = numbers && *end == 0 && isfinite(value);
        above = above && value >= 0.0;
        low = value > 0.0 && value < low ? value : low;
        high = value > high ? value : high;
        axis->at[i] = value;
    }
    bool const decades = numbers && above && isfinite(low) && high > LOG_FROM * low;
    for (size_t i = 0; i < sweep->n; i++) {
        if (!numbers) {
            axis->at[i] = (double)i;
        } else if (decades) {
            double const step = (log10(high) - log10(low)) / (double)sweep->n;
            axis->at[i] = axis->at[i] > 0.0 ? log10(axis->at[i]) : log10(low) - step;
        }
    }
    const char *const unit = unit_of(sweep->key);
    snprintf(axis->name, sizeof axis->name, "%s%s%s%s%s", sweep->key, unit[0] != 0 ? " (" : "",
             unit, unit[0] != 0 ? ")" : "", decades ? ", logarithmic" : "");
    sort_ticks(axis, sweep);
}

struct lines {
    struct svg_series series[SVG_MAX_SERIES];
    double x[SVG_MAX_SERIES][COMPARE_MAX_VALUES], y[SVG_MAX_SERIES][COMPARE_MAX_VALUES],
        spread[SVG_MAX_SERIES][COMPARE_MAX_VALUES];
    char name[SVG_MAX_SERIES][96];
    size_t n;
};

static struct compare_stat stat_for(const struct comparison *c, size_t arm, enum figure what,
                                    size_t tap)
{
    return what == ACCURACY ? COMPARE_STAT(c, arm, test_accuracy)
           : what == LOSS   ? COMPARE_STAT(c, arm, test_loss)
                            : compare_tap_stat(c, arm, tap, true);
}

static struct svg_series *new_line(struct lines *lines, const char *name)
{
    size_t const k = lines->n++;
    snprintf(lines->name[k], sizeof lines->name[k], "%s", name);
    lines->series[k] = (struct svg_series){
        .name = lines->name[k], .x = lines->x[k], .y = lines->y[k], .spread = lines->spread[k]};
    return &lines->series[k];
}

/* DFA optical along the first knob, at one value of the second, from left to right. */
static void add_swept(struct lines *lines, const struct comparison *c, const struct axis *axis,
                      enum figure what, size_t second, size_t tap, const char *name)
{
    size_t const k = lines->n;
    if (k == SVG_MAX_SERIES) {
        return;
    }
    struct svg_series *const series = new_line(lines, name);
    for (size_t place = 0; place < axis->ticks.n; place++) {
        for (size_t a = 0; a < c->n_arms; a++) {
            const struct compare_arm *const arm = &c->arms[a];
            if (arm->swept && arm->at[1] == second &&
                c->sweeps[0].value[arm->at[0]] == axis->labels[place]) {
                struct compare_stat const seen = stat_for(c, a, what, tap);
                lines->x[k][series->n] = axis->sorted[place];
                lines->y[k][series->n] = seen.mean;
                lines->spread[k][series->n++] = seen.std;
            }
        }
    }
}

/* An arm without the knob, as a line across. */
static void add_reference(struct lines *lines, const struct comparison *c, const struct axis *axis,
                          enum figure what, size_t arm)
{
    size_t const k = lines->n;
    struct compare_stat const seen = stat_for(c, arm, what, 0);
    if (k == SVG_MAX_SERIES || seen.n == 0) {
        return;
    }
    struct svg_series *const series = new_line(lines, c->arms[arm].label);
    series->dashed = series->bare = true;
    for (size_t end = 0; end < 2; end++) {
        lines->x[k][end] = axis->sorted[end * (axis->ticks.n - 1)];
        lines->y[k][end] = seen.mean;
        lines->spread[k][end] = seen.std;
    }
    series->n = 2;
}

static void add_knob_plot(struct html *html, const struct comparison *c, const struct axis *axis,
                          enum figure what)
{
    static const struct {
        const char *title, *label, *unit;
        double scale;
    } texts[] = {[ACCURACY] = {"Test accuracy", "rows right (%)", " %", 100.0},
                 [LOSS] = {"Test loss", "cross-entropy (nat)", " nat", 1.0},
                 [ALIGNMENT] = {"Alignment with back-propagation, best epoch", "cosine", "", 1.0}};
    struct lines *const lines = calloc(1, sizeof *lines);
    const struct compare_run *first = NULL;
    for (size_t a = 0; a < c->n_arms && first == NULL; a++) {
        first = c->arms[a].swept ? compare_first_done(c, a) : NULL;
    }
    if (lines == NULL || first == NULL) {
        free(lines);
        return;
    }
    if (what == ALIGNMENT) {
        for (size_t t = 0; t < first->figures.n_taps; t++) {
            add_swept(lines, c, axis, what, 0, t, first->figures.taps[t].name);
        }
    } else {
        bool const grid = c->n_sweeps > 1;
        for (size_t k = 0; k < (grid ? c->sweeps[1].n : 1); k++) {
            add_swept(lines, c, axis, what, k, 0, grid ? c->sweeps[1].value[k] : "DFA optical");
        }
        for (size_t a = 0; a < c->n_arms; a++) {
            if (!c->arms[a].swept) {
                add_reference(lines, c, axis, what, a);
            }
        }
    }
    if (lines->n > 0) {
        figure(html,
               &(struct svg_plot){.title = texts[what].title,
                                  .x_label = axis->name,
                                  .y_label = texts[what].label,
                                  .scale = texts[what].scale,
                                  .unit = texts[what].unit,
                                  .series = lines->series,
                                  .n_series = lines->n},
               &axis->ticks);
    }
    free(lines);
}

void compare_plot_knob(struct html *html, const struct comparison *c)
{
    struct axis axis;
    make_axis(&axis, &c->sweeps[0]);
    html_add(html, "<div class=\"plots\">\n");
    add_knob_plot(html, c, &axis, ACCURACY);
    add_knob_plot(html, c, &axis, LOSS);
    if (c->n_sweeps == 1) {
        add_knob_plot(html, c, &axis, ALIGNMENT);
    }
    html_add(html, "</div>\n");
}
