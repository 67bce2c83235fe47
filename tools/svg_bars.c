/* SPDX-License-Identifier: MIT */
/* Lying bars as inline SVG: from zero, with a whisker, the points behind the mean, and the value.
 */
#include "tools/svg.h"

#include <math.h>

enum { WIDTH = 460, LEFT = 104, RIGHT = 118, TOP = 44, STEP = 38, THICK = 20 };

static double longest(const struct svg_plot *plot, const struct svg_bar *bars, size_t n)
{
    double most = 0.0;
    for (size_t k = 0; k < n; k++) {
        double const spread = isfinite(bars[k].spread) ? bars[k].spread : 0.0;
        double const end = plot->scale * (bars[k].value + spread);
        most = isfinite(end) && end > most ? end : most;
        for (size_t i = 0; i < bars[k].n; i++) {
            double const point = plot->scale * bars[k].points[i];
            most = isfinite(point) && point > most ? point : most;
        }
    }
    return most > 0.0 ? most : 1.0;
}

static void bar(struct html *html, const struct svg_plot *plot, const struct svg_bar *one, size_t k,
                double most)
{
    double const pixels = (WIDTH - LEFT - RIGHT) / most * plot->scale;
    double const y = TOP + STEP * (double)k, middle = y + THICK / 2.0;
    html_add(html, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 8,
             middle + 4.0);
    html_escape(html, one->name);
    html_add(html, "</text>");
    if (!isfinite(one->value)) {
        html_add(html, "<text class=\"tick\" x=\"%d\" y=\"%.1f\">no result</text>", LEFT,
                 middle + 4.0);
        return;
    }
    html_add(html, "<rect class=\"bar s%zu\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>",
             k % SVG_MAX_SERIES, LEFT, y, fmax(pixels * one->value, 0.0), THICK);
    if (isfinite(one->spread)) {
        html_add(html, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                 LEFT + pixels * (one->value - one->spread),
                 LEFT + pixels * (one->value + one->spread), middle, middle);
    }
    for (size_t i = 0; i < one->n; i++) {
        if (isfinite(one->points[i])) {
            html_add(html,
                     "<circle class=\"dot s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\">"
                     "<title>%.4g",
                     k % SVG_MAX_SERIES, LEFT + pixels * one->points[i], middle,
                     plot->scale * one->points[i]);
            html_escape(html, plot->unit);
            html_add(html, "</title></circle>");
        }
    }
    html_add(html, "<text class=\"tick\" x=\"%d\" y=\"%.1f\">%.4g", WIDTH - RIGHT + 10,
             middle + 4.0, plot->scale * one->value);
    if (isfinite(one->spread)) {
        html_add(html, " +- %.2g", plot->scale * one->spread);
    }
    html_escape(html, plot->unit);
    html_add(html, "</text>");
}

void svg_add_bars(struct html *html, const struct svg_plot *plot, const struct svg_bar *bars,
                  size_t n)
{
    double const most = longest(plot, bars, n);
    int const height = TOP + STEP * (int)n;
    html_add(html, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, height);
    html_escape(html, plot->title);
    html_add(html, "\"><text class=\"title\" x=\"14\" y=\"22\">");
    html_escape(html, plot->title);
    html_add(html, "</text>");
    for (size_t k = 0; k < n; k++) {
        bar(html, plot, &bars[k], k, most);
    }
    html_add(html, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/></svg>\n", LEFT,
             LEFT, TOP - 6, height - STEP + THICK + 6);
}
