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
};

struct svg_plot {
    const char *title, *x_label, *y_label;
    double scale;     /* y is multiplied by it: 100 for per cent */
    const char *unit; /* of y in hover titles: " %" or "" */
    bool from_zero;   /* the y axis holds 0 */
    const struct svg_series *series;
    size_t n_series;
};

/* Adds <svg ...>...</svg>; a plot without a point says so. */
void svg_add(struct html *html, const struct svg_plot *plot);

#endif
