/* SPDX-License-Identifier: MIT */
/* Line plots as inline SVG: axes with round ticks, a legend, bands, hover titles on every point. */
#include "tools/svg.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 460, HEIGHT = 300, LEFT = 58, RIGHT = 16, TOP = 62, BOTTOM = 46 };

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
    range->low = floor(range->low / range->step + 1e-9) * range->step;
    range->high = ceil(range->high / range->step - 1e-9) * range->step;
}

static bool point_ok(const struct svg_series *series, size_t i)
{
    return isfinite(series->x[i]) && isfinite(series->y[i]);
}

static bool measure(const struct svg_plot *plot, const struct svg_ticks *ticks, struct frame *frame)
{
    struct range x = {(double)INFINITY, -(double)INFINITY, 1.0}, y = x;
    for (size_t i = 0; ticks != NULL && i < ticks->n; i++) {
        widen(&x, ticks->at[i]);
    }
    for (size_t k = 0; k < plot->n_series; k++) {
        const struct svg_series *const series = &plot->series[k];
        for (size_t i = 0; i < series->n; i++) {
            widen(&x, series->x[i]); /* all plots of a page share their epochs */
            if (!point_ok(series, i)) {
                continue;
            }
            double const spread =
                series->spread != NULL && isfinite(series->spread[i]) ? series->spread[i] : 0.0;
            widen(&y, plot->scale * (series->y[i] - spread));
            widen(&y, plot->scale * (series->y[i] + spread));
        }
    }
    if (x.low > x.high || y.low > y.high) {
        return false;
    }
    if (plot->from_zero) {
        widen(&y, 0.0);
    }
    round_range(&y, 5);
    if (ticks != NULL ? !(x.high > x.low) : x.high - x.low < 1.0) {
        x.low -= 0.5;
        x.high += 0.5;
    }
    x.step = round_step(x.high - x.low, 8);
    x.step = x.step < 1.0 ? 1.0 : x.step; /* epochs are whole */
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

static void x_mark(struct html *html, double x)
{
    html_add(html, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x,
             HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
    html_add(html, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x,
             HEIGHT - BOTTOM + 17);
}

static void x_axis(struct html *html, const struct frame *frame)
{
    double const first = ceil(frame->x.low / frame->x.step - 1e-9) * frame->x.step;
    for (int i = 0; first + i * frame->x.step <= frame->x.high + 1e-9; i++) {
        double const value = first + i * frame->x.step;
        x_mark(html, at_x(frame, value));
        html_add(html, "%.6g</text>", value);
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
    int const n_y = (int)floor((frame->y.high - frame->y.low) / frame->y.step + 0.5);
    for (int i = 0; i <= n_y; i++) {
        double value = frame->y.low + i * frame->y.step;
        value = fabs(value) < 1e-9 * frame->y.step ? 0.0 : value;
        double const y = at_y(frame, value);
        html_add(html, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                 WIDTH - RIGHT, y, y);
        html_add(html, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>",
                 LEFT - 7, y + 4.0, value);
    }
    if (frame->ticks != NULL) {
        x_axis_marked(html, frame);
    } else {
        x_axis(html, frame);
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
        if (point_ok(series, i) && isfinite(series->spread[i])) {
            double const y = series->y[i] + (top ? 1.0 : -1.0) * series->spread[i];
            html_add(html, "%.1f,%.1f ", at_x(frame, series->x[i]), at_y(frame, plot->scale * y));
        }
    }
    html_add(html, "\"/>");
}

static void legend(struct html *html, const struct svg_plot *plot)
{
    double x = LEFT;
    for (size_t k = 0; k < plot->n_series; k++) {
        html_add(html,
                 "<line class=\"line s%zu%s\" x1=\"%.0f\" x2=\"%.0f\" y1=\"43\" y2=\"43\"/>"
                 "<text class=\"tick\" x=\"%.0f\" y=\"47\">",
                 k % SVG_MAX_SERIES, plot->series[k].dashed ? " dashed" : "", x, x + 22.0,
                 x + 28.0);
        html_escape(html, plot->series[k].name);
        html_add(html, "</text>");
        x += 44.0 + 7.0 * (double)strlen(plot->series[k].name);
    }
}

/* Where a point stands, in words. */
static void add_place(struct html *html, const struct frame *frame, double x)
{
    if (frame->ticks == NULL) {
        html_add(html, ", epoch %g", x);
        return;
    }
    size_t near = 0;
    for (size_t i = 1; i < frame->ticks->n; i++) {
        near = fabs(frame->ticks->at[i] - x) < fabs(frame->ticks->at[near] - x) ? i : near;
    }
    html_add(html, ", ");
    html_escape(html, frame->ticks->n > 0 ? frame->ticks->labels[near] : "");
}

static void line(struct html *html, const struct svg_plot *plot, const struct frame *frame,
                 size_t k)
{
    const struct svg_series *const series = &plot->series[k];
    html_add(html, "<polyline class=\"line s%zu%s\" points=\"", k % SVG_MAX_SERIES,
             series->dashed ? " dashed" : "");
    for (size_t i = 0; i < series->n; i++) {
        if (point_ok(series, i)) {
            html_add(html, "%.1f,%.1f ", at_x(frame, series->x[i]),
                     at_y(frame, plot->scale * series->y[i]));
        }
    }
    html_add(html, "\"/>");
    for (size_t i = 0; i < series->n && !series->bare; i++) {
        if (!point_ok(series, i)) {
            continue;
        }
        html_add(html, "<circle class=\"dot s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>",
                 k % SVG_MAX_SERIES, at_x(frame, series->x[i]),
                 at_y(frame, plot->scale * series->y[i]), series->n > 60 ? "1.5" : "3.5");
        html_escape(html, series->name);
        add_place(html, frame, series->x[i]);
        html_add(html, ": %.4g", plot->scale * series->y[i]);
        if (series->spread != NULL && isfinite(series->spread[i])) {
            html_add(html, " +- %.3g", plot->scale * series->spread[i]);
        }
        html_escape(html, plot->unit);
        html_add(html, "</title></circle>");
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
        band(html, plot, &frame, k);
    }
    for (size_t k = 0; k < plot->n_series; k++) {
        line(html, plot, &frame, k);
    }
    html_add(html, "</svg>\n");
}
