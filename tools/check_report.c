/* SPDX-License-Identifier: MIT */
/* The report of opu check: one page without any outside reference; pictures and curves with their
 * bars and verdicts, then every row with its formula and its random parameters. */
#include "tools/check.h"
#include "tools/html.h"
#include "tools/picture.h"
#include "tools/svg.h"
#include "tools/whole_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char style[] = {
#include "report_css.h"
};

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void badge(struct html *html, enum check_verdict verdict)
{
    static const char *const classes[] = {
        [CHECK_NONE] = "none", [CHECK_PASS] = "pass", [CHECK_FAIL] = "fail"};
    html_add(html, "<span class=\"badge %s\">%s</span>", classes[verdict],
             verdict == CHECK_NONE ? "info" : check_verdict_name(verdict));
}

static void value(struct html *html, const struct check_row *row)
{
    if (isnan(row->value)) {
        html_add(html, "-");
    } else {
        bool const bare = or_empty(row->unit)[0] == 0;
        html_add(html, "%.5g%s", row->value, bare ? "" : " ");
        html_escape(html, row->unit);
    }
}

static void tile(struct html *html, bool bad, size_t n, const char *label)
{
    html_add(html, "<div class=\"tile%s\"><b>%zu</b><span>", bad ? " bad" : "", n);
    html_escape(html, label);
    html_add(html, "</span></div>\n");
}

static void add_head(struct html *html, const struct check *check)
{
    size_t count[3] = {0}, curves = 0;
    for (size_t i = 0; i < check->n_rows; i++) {
        count[check->rows[i].verdict]++;
        curves += check->rows[i].curve.n > 0;
    }
    html_add(html, "<h1>Acceptance of ");
    html_escape(html, opu_device_uri(check->device));
    html_add(html, "</h1>\n<p class=\"lead\">%zu inputs, %zu outputs, seed %llu</p>\n", check->n_in,
             check->n_out, (unsigned long long)check->seed);
    html_add(html, "<div class=\"tiles\">\n");
    tile(html, false, count[CHECK_PASS], "rows passed");
    tile(html, count[CHECK_FAIL] > 0, count[CHECK_FAIL], "rows failed");
    tile(html, false, count[CHECK_NONE], "rows for information");
    tile(html, false, curves, "curves below");
    html_add(html, "</div>\n");
}

/* What was wanted, what was seen, where the formula is from. */
static void add_caption(struct html *html, const struct check_row *row)
{
    html_add(html, "<figcaption>");
    badge(html, row->verdict);
    html_add(html, " <b>");
    html_escape(html, or_empty(row->test));
    html_add(html, "%s", row->test != NULL ? " " : "");
    html_escape(html, or_empty(row->name));
    html_add(html, "</b>: ");
    value(html, row);
    html_add(html, row->verdict == CHECK_NONE ? "; " : "; wanted ");
    html_escape(html, or_empty(row->wanted));
    if (row->drawn != NULL) {
        html_add(html, "; drawn: ");
        html_escape(html, row->drawn);
    }
    if (row->formula != NULL) {
        html_add(html, "<p>");
        html_escape(html, row->formula);
        html_add(html, "</p>");
    }
    html_add(html, "</figcaption>");
}

static void add_line(struct html *html, const struct check_curve *curve)
{
    bool const shaped = curve->shape == CHECK_HISTOGRAM;
    struct svg_series const series[] = {
        {.name = "measured",
         .x = curve->x,
         .y = curve->measured,
         .n = curve->n,
         .columns = shaped,
         .loose = curve->expected != NULL},
        {.name = "formula", .x = curve->x, .y = curve->expected, .n = curve->n, .bare = true}};
    svg_add(html, &(struct svg_plot){.title = or_empty(curve->title),
                                     .x_label = or_empty(curve->x_label),
                                     .y_label = or_empty(curve->y_label),
                                     .scale = 1.0,
                                     .unit = "",
                                     .from_zero = curve->shape == CHECK_HISTOGRAM ||
                                                  curve->shape == CHECK_POINTS,
                                     .series = series,
                                     .n_series = curve->expected != NULL ? 2 : 1,
                                     .real_x = true,
                                     .log_x = curve->log_x,
                                     .log_y = curve->log_y,
                                     .x_name = "at"});
}

/* Columns by name, those of one first word together, its mark under their middle. */
static void add_bars(struct html *html, const struct check_curve *curve)
{
    size_t const n = curve->n;
    double *const x = calloc(n, sizeof *x), *const at = calloc(n, sizeof *at);
    const char **const labels = calloc(n, sizeof *labels);
    struct word {
        char text[32];
    } *const words = calloc(n, sizeof *words);
    size_t groups = 0, first = 0;
    for (size_t i = 0; x != NULL && at != NULL && labels != NULL && words != NULL && i < n; i++) {
        const char *const name = curve->names != NULL ? or_empty(curve->names[i]) : "";
        int const length = (int)strcspn(name, " ");
        if (i == 0 || (size_t)length != strlen(words[groups - 1].text) ||
            strncmp(words[groups - 1].text, name, (size_t)length) != 0) {
            snprintf(words[groups].text, sizeof words[groups].text, "%.*s",
                     length < 31 ? length : 31, name);
            labels[groups] = words[groups].text;
            groups++;
            first = i;
        }
        x[i] = (double)i + 0.7 * (double)(groups - 1);
        at[groups - 1] = 0.5 * (x[first] + x[i]);
    }
    struct svg_ticks const ticks = {.at = at, .labels = labels, .n = groups};
    struct svg_series const series[] = {
        {.name = "measured", .x = x, .y = curve->measured, .n = n, .columns = true},
        {.name = "formula", .x = x, .y = curve->expected, .n = n, .loose = true}};
    if (groups > 0) {
        svg_add_marked(html,
                       &(struct svg_plot){.title = or_empty(curve->title),
                                          .x_label = or_empty(curve->x_label),
                                          .y_label = or_empty(curve->y_label),
                                          .scale = 1.0,
                                          .unit = "",
                                          .series = series,
                                          .n_series = curve->expected != NULL ? 2 : 1,
                                          .real_x = true,
                                          .log_y = true},
                       &ticks);
    }
    free(x);
    free(at);
    free((void *)labels);
    free(words);
}

static void add_figure(struct html *html, const struct check_row *row)
{
    html_add(html, "<figure>");
    if (row->curve.shape == CHECK_BARS) {
        add_bars(html, &row->curve);
    } else {
        add_line(html, &row->curve);
    }
    add_caption(html, row);
    html_add(html, "</figure>\n");
}

static void add_picture(struct html *html, struct check *check)
{
    struct picture picture = {.png = NULL};
    if ((opu_device_caps(check->device)->flags & OPU_CAP_REGION) == 0) {
        return;
    }
    int const status = picture_shoot(&picture, check->device);
    picture_add(html, &picture, status, "Speckle");
    free(picture.png);
}

static void add_curves(struct html *html, struct check *check, bool own, const char *heading)
{
    bool any = false;
    for (size_t i = 0; i < check->n_rows; i++) {
        any = any || (check->rows[i].curve.n > 0 && check->rows[i].own == own);
    }
    bool const picture = !own && check->frames;
    if (!any && !picture) {
        return;
    }
    html_add(html, "<h2>%s</h2>\n<div class=\"plots\">\n", heading);
    if (picture) {
        add_picture(html, check);
    }
    for (size_t i = 0; i < check->n_rows; i++) {
        if (check->rows[i].curve.n > 0 && check->rows[i].own == own) {
            add_figure(html, &check->rows[i]);
        }
    }
    html_add(html, "</div>\n");
}

static void add_row(struct html *html, const struct check_row *row)
{
    html_add(html, "<tr><td>");
    html_escape(html, or_empty(row->test));
    html_add(html, "%s", row->test != NULL ? " " : "");
    html_escape(html, or_empty(row->name));
    if (row->formula != NULL) {
        html_add(html, "<small>");
        html_escape(html, row->formula);
        html_add(html, "</small>");
    }
    html_add(html, "</td><td class=\"number\">");
    value(html, row);
    html_add(html, "</td><td>");
    html_escape(html, or_empty(row->wanted));
    if (row->samples > 0.0 || row->drawn != NULL) {
        html_add(html, "<small>");
        if (row->samples > 0.0) {
            html_add(html, "%.6g samples%s", row->samples, row->drawn != NULL ? "; " : "");
        }
        html_escape(html, or_empty(row->drawn));
        html_add(html, "</small>");
    }
    html_add(html, "</td><td>");
    badge(html, row->verdict);
    html_add(html, "</td></tr>\n");
}

static void add_tables(struct html *html, const struct check *check)
{
    html_add(html, "<h2>All rows</h2>\n");
    for (size_t i = 0; i < check->n_rows; i++) {
        const struct check_row *const row = &check->rows[i];
        const struct check_row *const last = i > 0 ? row - 1 : NULL;
        if (last == NULL || last->own != row->own ||
            strcmp(or_empty(last->group), or_empty(row->group)) != 0) {
            html_add(html, "%s<h3>", last != NULL ? "</table></div>\n" : "");
            html_escape(html, or_empty(row->group));
            html_add(html, "%s</h3><div class=\"card rows\"><table>\n",
                     row->own ? ": the device's own tests" : "");
        }
        add_row(html, row);
    }
    html_add(html, "%s", check->n_rows > 0 ? "</table></div>\n" : "");
}

static void fact(struct html *html, const char *name, const char *text)
{
    if (text[0] != 0) {
        html_add(html, "<tr><td>");
        html_escape(html, name);
        html_add(html, "</td><td>");
        html_escape(html, text);
        html_add(html, "</td></tr>\n");
    }
}

static void add_device(struct html *html, const struct check *check, const char *projection,
                       const char *work)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)check->seed);
    html_add(html, "<h2>Device</h2>\n<div class=\"card\"><table>\n");
    fact(html, "device", opu_device_uri(check->device));
    fact(html, "identity", opu_device_identity(check->device));
    fact(html, "projection", projection);
    fact(html, "how it works", work);
    fact(html, "seed", seed);
    fact(html, "version", opu_version());
    html_add(html, "</table></div>\n");
}

int check_report_write(struct check *check, const char *path, const char *projection,
                       const char *work)
{
    struct html page = {.text = NULL}, *const html = &page;
    html_add(html,
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html_escape(html, opu_device_uri(check->device));
    html_add(html, " - opu check</title>\n<style>\n");
    html_bytes(html, style, strlen(style));
    html_add(html, "</style></head>\n<body><main>\n");
    add_head(html, check);
    add_curves(html, check, false, "Measured through frames");
    add_curves(html, check, true, "The device's own tests");
    add_tables(html, check);
    add_device(html, check, projection, work);
    html_add(html, "</main></body></html>\n");
    int const status = html->failed
                           ? opu_fail(OPU_E_NO_MEMORY, "%s: no memory for the report", path)
                           : whole_file_write(path, html->text, html->n);
    html_free(html);
    return status;
}
