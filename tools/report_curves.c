/* SPDX-License-Identifier: MIT */
/* What a run measured, by epoch, and its device's drift, by device time. */
#include "tools/report_curves.h"
#include "tools/svg.h"

#include <math.h>
#include <stdlib.h>

static void add_plot(struct html *html, const struct svg_plot *plot)
{
    html_add(html, "<figure>");
    svg_add(html, plot);
    html_add(html, "</figure>\n");
}

static void add_accuracy(struct html *html, const struct run_folder *run)
{
    struct svg_series const accuracy[] = {
        {.name = "test", .x = run->epoch, .y = run->test_accuracy, .n = run->n_epochs},
        {.name = "training (running)",
         .x = run->epoch,
         .y = run->train_accuracy,
         .n = run->n_epochs,
         .dashed = true}};
    add_plot(html, &(struct svg_plot){.title = "Accuracy",
                                      .x_label = "epoch",
                                      .y_label = "rows right (%)",
                                      .scale = 100.0,
                                      .unit = " %",
                                      .series = accuracy,
                                      .n_series = 2});
}

static void add_loss(struct html *html, const struct run_folder *run)
{
    struct svg_series const loss[] = {
        {.name = "test", .x = run->epoch, .y = run->test_loss, .n = run->n_epochs},
        {.name = "training (running)",
         .x = run->epoch,
         .y = run->train_loss,
         .n = run->n_epochs,
         .dashed = true}};
    add_plot(html, &(struct svg_plot){.title = "Loss",
                                      .x_label = "epoch",
                                      .y_label = "cross-entropy (nat)",
                                      .scale = 1.0,
                                      .unit = " nat",
                                      .from_zero = true,
                                      .series = loss,
                                      .n_series = 2});
}

static void add_taps(struct html *html, const struct run_folder *run)
{
    struct svg_series taps[SVG_MAX_SERIES];
    size_t const n_taps = run->n_taps < SVG_MAX_SERIES ? run->n_taps : SVG_MAX_SERIES;
    if (n_taps == 0) {
        return;
    }
    for (size_t i = 0; i < n_taps; i++) {
        taps[i] = (struct svg_series){.name = run->taps[i].name,
                                      .x = run->epoch,
                                      .y = run->taps[i].mean,
                                      .spread = run->taps[i].std,
                                      .n = run->n_epochs};
    }
    add_plot(html, &(struct svg_plot){.title = "Alignment with back-propagation, by tap",
                                      .x_label = "epoch",
                                      .y_label = "cosine, mean and deviation",
                                      .scale = 1.0,
                                      .unit = "",
                                      .from_zero = true,
                                      .series = taps,
                                      .n_series = n_taps});
}

static void add_rate(struct html *html, const struct run_folder *run)
{
    struct svg_series const rate[] = {
        {.name = "learning rate", .x = run->epoch, .y = run->lr, .n = run->n_epochs}};
    add_plot(html, &(struct svg_plot){.title = "Learning rate at the epoch's end",
                                      .x_label = "epoch",
                                      .y_label = "rate (1e-3)",
                                      .scale = 1000.0,
                                      .unit = "e-3",
                                      .from_zero = true,
                                      .series = rate,
                                      .n_series = 1});
}

static const struct {
    const char *key, *name;
} bounds[] = {{"probe.warn", "warn"}, {"probe.recalibrate", "recalibrate"}, {"probe.stop", "stop"}};

enum { N_BOUNDS = sizeof bounds / sizeof bounds[0] };

/* 0: no bound. */
static double bound_of(const struct run_folder *run, size_t i)
{
    char text[OPU_OPTION_TEXT_SIZE];
    int const status = opu_train_config_get(run->config, bounds[i].key, text, sizeof text);
    return status == OPU_OK ? strtod(text, NULL) : 0.0;
}

static void add_caption(struct html *html, const struct run_folder *run)
{
    size_t again = 0;
    for (size_t i = 0; i < run->n_probes; i++) {
        again += isfinite(run->recalibrated[i]) ? 1 : 0;
    }
    html_add(html, "<figcaption>%zu probes, calibrated again after %zu of them.", run->n_probes,
             again);
    for (size_t i = 0; i < N_BOUNDS; i++) {
        if (bound_of(run, i) > 0.0) {
            html_add(html, " %s = %g.", bounds[i].key, bound_of(run, i));
        }
    }
    html_add(html, "</figcaption>");
}

/*
 * Correlation with the calibrated matrix, the bounds across it, and the probes that led to another
 * calibration. A device without a frame rate has no time: there the probes are counted.
 */
static void add_probes(struct html *html, const struct run_folder *run)
{
    size_t const n = run->n_probes;
    bool const timed = n > 0 && isfinite(run->probe_s[n - 1]);
    double *const counted = malloc((n + 1) * sizeof *counted);
    struct svg_series series[N_BOUNDS + 2] = {{.name = "correlation"}};
    double levels[N_BOUNDS][2], ends[2] = {0.0, (double)n};
    size_t n_series = 1;
    if (n == 0 || counted == NULL) {
        free(counted);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        counted[i] = (double)(i + 1);
    }
    const double *const x = timed ? run->probe_s : counted;
    ends[1] = x[n - 1];
    series[0] = (struct svg_series){.name = "correlation", .x = x, .y = run->correlation, .n = n};
    for (size_t i = 0; i < N_BOUNDS; i++) {
        levels[i][0] = levels[i][1] = bound_of(run, i);
        if (levels[i][0] > 0.0) {
            series[n_series++] = (struct svg_series){.name = bounds[i].name,
                                                     .x = ends,
                                                     .y = levels[i],
                                                     .n = 2,
                                                     .dashed = true,
                                                     .bare = true};
        }
    }
    series[n_series++] = (struct svg_series){
        .name = "calibrated again", .x = x, .y = run->recalibrated, .n = n, .loose = true};
    html_add(html, "<figure>");
    svg_add(html, &(struct svg_plot){.title = "Drift: correlation with the calibrated matrix",
                                     .x_label = timed ? "device time (s)" : "probe",
                                     .x_name = timed ? "device time in s" : "probe",
                                     .y_label = "correlation",
                                     .scale = 1.0,
                                     .unit = "",
                                     .series = series,
                                     .n_series = n_series,
                                     .real_x = timed});
    add_caption(html, run);
    html_add(html, "</figure>\n");
    free(counted);
}

void report_curves(struct html *html, const struct run_folder *run)
{
    html_add(html, "<h2>Curves</h2>\n<div class=\"plots\">\n");
    add_accuracy(html, run);
    add_loss(html, run);
    add_taps(html, run);
    add_probes(html, run);
    add_rate(html, run);
    html_add(html, "</div>\n");
}
