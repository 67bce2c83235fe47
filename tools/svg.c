/* SPDX-License-Identifier: MIT */
/* Line plots as inline SVG: axes with round ticks, a legend, bands, hover titles on every point. */
#include "tools/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 460, HEIGHT = 300, LEFT = 58, RIGHT = 16, TOP = 62, BOTTOM = 46, MAX_TICKS = 40 };

struct range {
    double low, high, step;
};

struct frame {
    struct range x, y;
    const struct svg_ticks *ticks; /* NULL: round numbers */
};

static void widen(struct range *range, double value)
{
    if (isfinite(value)) {
        range->low = value < range->low ? value : range->low;
        range->high = value > range->high ? value : range->high;
    }
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into at most n pieces. */
static double round_step(double span, int n)
{
    static const double factors[] = {1.0, 2.0, 5.0, 10.0};
    double const decade = pow(10.0, floor(log10(span / n)));
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        if (factors[i] * decade * n >= span * (1.0 - 1e-9)) {
            return factors[i] * decade;
        }
    }
    return 10.0 * decade;
}

static void round_range(struct range *range, int n)
{
    if (range->high - range->low < 1e-9 * (fabs(range->high) + 1e-9)) {
        range->low -= 0.5 * fabs(range->low) + 1e-3;
        range->high += 0.5 * fabs(range->high) + 1e-3;
    }
    range->step = round_step(range->high - range->low, n);
    /* A point may hang out by a fiftieth of a step: noise about zero wants no axis below it. */
    range->low = floor(range->low / range->step + 0.02) * range->step;
    range->high = ceil(range->high / range->step - 1e-9) * range->step;
}

/* Coordinates on an axis: of a logarithmic one the decades. */
static double on_axis(double value, bool logarithmic)
{
    return logarithmic ? (value > 0.0 ? log10(value) : (double)NAN) : value;
}

static double x_of(const struct svg_plot *plot, const struct svg_series *series, size_t i)
{
    return on_axis(series->x[i], plot->log_x);
}

static double y_of(const struct svg_plot *plot, const struct svg_series *series, size_t i,
                   double above)
{
    return on_axis(plot->scale * (series->y[i] + above), plot->log_y);
}

static bool point_ok(const struct svg_plot *plot, const struct svg_series *series, size_t i)
{
    return isfinite(x_of(plot, series, i)) && isfinite(y_of(plot, series, i, 0.0));
}

/* Whole decades, with a step that leaves at most seven ticks. */
static void decades(struct range *range)
{
    range->low = floor(range->low + 0.02);
    range->high = ceil(range->high - 0.02);
    range->high = range->high > range->low ? range->high : range->low + 1.0;
    range->step = ceil((range->high - range->low) / 7.0);
}

static void round_x(const struct svg_plot *plot, struct range *x)
{
    if (plot->log_x) {
        decades(x);
        return;
    }
    double const least = plot->real_x ? 1e-12 * (fabs(x->high) + 1e-12) : 1.0;
    if (x->high - x->low < least) {
        double const half = plot->real_x ? 0.5 * fabs(x->high) + 1e-3 : 0.5;
        x->low -= half;
        x->high += half;
    }
    x->step = round_step(x->high - x->low, 8);
    if (!plot->real_x) {
        x->step = x->step < 1.0 ? 1.0 : x->step; /* epochs are whole */
    }
}

/* Of a histogram: the least distance between neighbours. */
static double column_width(const struct svg_series *series)
{
    double width = (double)INFINITY;
    for (size_t i = 1; i < series->n; i++) {
        width = fmin(width, fabs(series->x[i] - series->x[i - 1]));
    }
    return isfinite(width) ? width : 1.0;
}

static bool measure(const struct svg_plot *plot, const struct svg_ticks *ticks, struct frame *frame)
{
    struct range x = {(double)INFINITY, -(double)INFINITY, 1.0}, y = x;
    for (size_t i = 0; ticks != NULL && i < ticks->n; i++) {
        widen(&x, ticks->at[i]);
    }
    for (size_t k = 0; k < plot->n_series; k++) {
        const struct svg_series *const series = &plot->series[k];
        double const edge = series->columns ? 0.5 * column_width(series) : 0.0;
        for (size_t i = 0; i < series->n; i++) {
            widen(&x, x_of(plot, series, i) - edge); /* all plots of a page share their epochs */
            widen(&x, x_of(plot, series, i) + edge);
            if (!point_ok(plot, series, i)) {
                continue;
            }
            double const spread =
                series->spread != NULL && isfinite(series->spread[i]) ? series->spread[i] : 0.0;
            widen(&y, y_of(plot, series, i, -spread));
            widen(&y, y_of(plot, series, i, spread));
        }
    }
    if (x.low > x.high || y.low > y.high) {
        return false;
    }
    if (plot->from_zero && !plot->log_y) {
        widen(&y, 0.0);
    }
    if (plot->log_y) {
        decades(&y);
    } else {
        round_range(&y, 5);
    }
    if (ticks != NULL && !(x.high > x.low)) {
        x.low -= 0.5;
        x.high += 0.5;
    } else if (ticks == NULL) {
        round_x(plot, &x);
    }
    *frame = (struct frame){x, y, ticks};
    return true;
}

static double at_x(const struct frame *frame, double x)
{
    double const share = (x - frame->x.low) / (frame->x.high - frame->x.low);
    return LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16);
}

static double at_y(const struct frame *frame, double y)
{
    double const share = (y - frame->y.low) / (frame->y.high - frame->y.low);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

static void tick_text(char *text, size_t n, double value, bool logarithmic)
{
    if (!logarithmic) {
        snprintf(text, n, "%.6g", value);
    } else if (value > -2.5 && value < 3.5) { /* what fits beside the label */
        snprintf(text, n, "%.4g", pow(10.0, value));
    } else {
        snprintf(text, n, "1e%.0f", value);
    }
}

static void x_mark(struct html *html, double x)
{
    html_add(html, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x,
             HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
    html_add(html, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x,
             HEIGHT - BOTTOM + 17);
}

static void x_axis(struct html *html, const struct svg_plot *plot, const struct frame *frame)
{
    char text[32];
    double const step = frame->x.step, first = ceil(frame->x.low / step - 1e-9) * step;
    /* Nine at most, where steps are not lost in the numbers' last digit. */
    for (int i = 0; i < MAX_TICKS && first + i * step <= frame->x.high + 1e-9 * step; i++) {
        double const value = fabs(first + i * step) < 1e-9 * step ? 0.0 : first + i * step;
        tick_text(text, sizeof text, value, plot->log_x);
        x_mark(html, at_x(frame, value));
        html_add(html, "%s</text>", text);
    }
}

/* Labels that would run into the one before are left out; the hover titles have them all. */
static void x_axis_marked(struct html *html, const struct frame *frame)
{
    double free_from = 0.0;
    for (size_t i = 0; i < frame->ticks->n; i++) {
        double const x = at_x(frame, frame->ticks->at[i]);
        double const half = 3.5 * (double)strlen(frame->ticks->labels[i]);
        bool const fits = x - half >= free_from;
        x_mark(html, x);
        html_escape(html, fits ? frame->ticks->labels[i] : "");
        html_add(html, "</text>");
        free_from = fits ? x + half + 6.0 : free_from;
    }
}

static void axes(struct html *html, const struct svg_plot *plot, const struct frame *frame)
{
    char text[32];
    double const steps = floor((frame->y.high - frame->y.low) / frame->y.step + 1e-6);
    int const n_y = steps < MAX_TICKS ? (int)steps : MAX_TICKS; /* NaN: of numbers beyond reason */
    for (int i = 0; i <= n_y; i++) {
        double value = frame->y.low + i * frame->y.step;
        value = fabs(value) < 1e-9 * frame->y.step ? 0.0 : value;
        double const y = at_y(frame, value);
        tick_text(text, sizeof text, value, plot->log_y);
        html_add(html, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                 WIDTH - RIGHT, y, y);
        html_add(html, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                 LEFT - 7, y + 4.0, text);
    }
    if (frame->ticks != NULL) {
        x_axis_marked(html, frame);
    } else {
        x_axis(html, plot, frame);
    }
    html_add(html, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT,
             WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    html_add(html, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
             (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8);
    html_escape(html, plot->x_label);
    html_add(html,
             "</text><text class=\"label\" transform=\"translate(14 %d) rotate(-90)\" "
             "text-anchor=\"middle\">",
             (TOP + HEIGHT - BOTTOM) / 2);
    html_escape(html, plot->y_label);
    html_add(html, "</text>");
}

static void band(struct html *html, const struct svg_plot *plot, const struct frame *frame,
                 size_t k)
{
    const struct svg_series *const series = &plot->series[k];
    if (series->spread == NULL) {
        return;
    }
    html_add(html, "<polygon class=\"band s%zu\" points=\"", k % SVG_MAX_SERIES);
    for (size_t j = 0; j < 2 * series->n; j++) { /* along the top, and back along the bottom */
        bool const top = j < series->n;
        size_t const i = top ? j : 2 * series->n - 1 - j;
        double const y = y_of(plot, series, i, (top ? 1.0 : -1.0) * series->spread[i]);
        if (point_ok(plot, series, i) && isfinite(y)) {
            html_add(html, "%.1f,%.1f ", at_x(frame, x_of(plot, series, i)), at_y(frame, y));
        }
    }
    html_add(html, "\"/>");
}

/* A second row takes what the first has no room for. */
static void legend(struct html *html, const struct svg_plot *plot)
{
    double x = LEFT, y = 38.0;
    for (size_t k = 0; k < plot->n_series; k++) {
        double const width = 44.0 + 7.0 * (double)strlen(plot->series[k].name);
        if (x > LEFT && x + width - 16.0 > WIDTH) {
            x = LEFT;
            y = 53.0;
        }
        html_add(html,
                 "<line class=\"line s%zu%s\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\"/>"
                 "<text class=\"tick\" x=\"%.0f\" y=\"%.0f\">",
                 k % SVG_MAX_SERIES, plot->series[k].dashed ? " dashed" : "", x, x + 22.0, y, y,
                 x + 28.0, y + 4.0);
        html_escape(html, plot->series[k].name);
        html_add(html, "</text>");
        x += width;
    }
}

/* Where a point stands, in words. */
static void add_place(struct html *html, const struct svg_plot *plot, const struct frame *frame,
                      double x)
{
    if (frame->ticks == NULL) {
        html_add(html, ", ");
        html_escape(html, plot->x_name != NULL ? plot->x_name : "epoch");
        html_add(html, " %.4g", x);
        return;
    }
    size_t near = 0;
    for (size_t i = 1; i < frame->ticks->n; i++) {
        near = fabs(frame->ticks->at[i] - x) < fabs(frame->ticks->at[near] - x) ? i : near;
    }
    html_add(html, ", ");
    html_escape(html, frame->ticks->n > 0 ? frame->ticks->labels[near] : "");
}

static void hover(struct html *html, const struct svg_plot *plot, const struct frame *frame,
                  const struct svg_series *series, size_t i)
{
    html_add(html, "<title>");
    html_escape(html, series->name);
    add_place(html, plot, frame, series->x[i]);
    html_add(html, ": %.4g", plot->scale * series->y[i]);
    if (series->spread != NULL && isfinite(series->spread[i])) {
        html_add(html, " +- %.3g", plot->scale * series->spread[i]);
    }
    html_escape(html, plot->unit);
    html_add(html, "</title>");
}

static void columns(struct html *html, const struct svg_plot *plot, const struct frame *frame,
                    size_t k)
{
    const struct svg_series *const series = &plot->series[k];
    double const base =
        at_y(frame, plot->log_y || frame->y.low > 0.0 ? frame->y.low : fmin(frame->y.high, 0.0));
    double const half = 0.5 * column_width(series);
    for (size_t i = 0; i < series->n; i++) {
        if (!point_ok(plot, series, i)) {
            continue;
        }
        double const x = x_of(plot, series, i), y = at_y(frame, y_of(plot, series, i, 0.0));
        double const left = at_x(frame, x - half), width = at_x(frame, x + half) - left;
        html_add(html,
                 "<rect class=\"column s%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                 "height=\"%.1f\">",
                 k % SVG_MAX_SERIES, left + 0.05 * width, fmin(y, base), 0.9 * width,
                 fabs(base - y));
        hover(html, plot, frame, series, i);
        html_add(html, "</rect>");
    }
}

static void line(struct html *html, const struct svg_plot *plot, const struct frame *frame,
                 size_t k)
{
    const struct svg_series *const series = &plot->series[k];
    if (!series->loose) {
        html_add(html, "<polyline class=\"line s%zu%s\" points=\"", k % SVG_MAX_SERIES,
                 series->dashed ? " dashed" : "");
        for (size_t i = 0; i < series->n; i++) {
            if (point_ok(plot, series, i)) {
                html_add(html, "%.1f,%.1f ", at_x(frame, x_of(plot, series, i)),
                         at_y(frame, y_of(plot, series, i, 0.0)));
            }
        }
        html_add(html, "\"/>");
    }
    for (size_t i = 0; i < series->n && !series->bare; i++) {
        if (!point_ok(plot, series, i)) {
            continue;
        }
        html_add(html, "<circle class=\"dot s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\">",
                 k % SVG_MAX_SERIES, at_x(frame, x_of(plot, series, i)),
                 at_y(frame, y_of(plot, series, i, 0.0)), series->n > 60 ? "1.5" : "3.5");
        hover(html, plot, frame, series, i);
        html_add(html, "</circle>");
    }
}

void svg_add(struct html *html, const struct svg_plot *plot)
{
    svg_add_marked(html, plot, NULL);
}

void svg_add_marked(struct html *html, const struct svg_plot *plot, const struct svg_ticks *ticks)
{
    struct frame frame;
    html_add(html, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    html_escape(html, plot->title);
    html_add(html, "\"><text class=\"title\" x=\"%d\" y=\"22\">", LEFT);
    html_escape(html, plot->title);
    html_add(html, "</text>");
    if (!measure(plot, ticks, &frame)) {
        html_add(html, "<text class=\"tick\" x=\"%d\" y=\"%d\">nothing was measured</text></svg>\n",
                 LEFT, HEIGHT / 2);
        return;
    }
    axes(html, plot, &frame);
    legend(html, plot);
    for (size_t k = 0; k < plot->n_series; k++) {
        if (plot->series[k].columns) {
            columns(html, plot, &frame, k);
        }
        band(html, plot, &frame, k);
    }
    for (size_t k = 0; k < plot->n_series; k++) {
        if (!plot->series[k].columns) {
            line(html, plot, &frame, k);
        }
    }
    html_add(html, "</svg>\n");
}
