/* SPDX-License-Identifier: MIT */
/* Line plots as inline SVG; colours come from the page's style sheet, so they follow light and
 * dark. */
#ifndef OPU_TOOLS_SVG_H
#define OPU_TOOLS_SVG_H

#include "tools/html.h"

#define SVG_MAX_SERIES 6 /* as many as the style sheet has colours */

struct svg_series {
    const char *name;
    const double *x, *y;  /* [n]; points that aren't finite are left out */
    const double *spread; /* [n] half height of a band, or NULL */
    size_t n;
    bool dashed;
    bool bare;    /* a line without its points */
    bool loose;   /* points without a line */
    bool columns; /* a histogram: columns from the axis up, each at its x */
};

struct svg_plot {
    const char *title, *x_label, *y_label;
    double scale;     /* y is multiplied by it: 100 for per cent */
    const char *unit; /* of y in hover titles: " %" or "" */
    bool from_zero;   /* the y axis holds 0 */
    const struct svg_series *series;
    size_t n_series;
    bool real_x;        /* x is any number; else it counts epochs */
    bool log_x, log_y;  /* decades; points that aren't above 0 are left out */
    const char *x_name; /* of x in hover titles; NULL: "epoch" */
};

/* Marks of the x axis, at places of one's own choosing: words, or values on a logarithmic axis. */
struct svg_ticks {
    const double *at; /* [n], ascending */
    const char *const *labels;
    size_t n;
};

/* Adds <svg ...>...</svg>; a plot without a point says so. */
void svg_add(struct html *html, const struct svg_plot *plot);

/* The same with marks; a point is named by the mark at its place. */
void svg_add_marked(struct html *html, const struct svg_plot *plot, const struct svg_ticks *ticks);

struct svg_bar {
    const char *name;
    double value, spread; /* spread: half a whisker, NaN for none */
    const double *points; /* [n] values that it is the mean of */
    size_t n;
};

/* Lying bars from zero, each with its value beside it; title, scale and unit are the plot's. */
void svg_add_bars(struct html *html, const struct svg_plot *plot, const struct svg_bar *bars,
                  size_t n);

#endif
