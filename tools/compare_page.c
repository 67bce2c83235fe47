/* SPDX-License-Identifier: MIT */
/* compare.html: the table, the plots, the differences, the runs, and how to repeat it. One file. */
#include "tools/compare.h"
#include "tools/compare_plot.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char style[] = {
#include "report_css.h"
};

static void cell(struct html *html, const char *text)
{
    html_add(html, "<td class=\"number\">");
    html_escape(html, text);
    html_add(html, "</td>");
}

static void cell_stat(struct html *html, struct compare_stat seen, double scale, int decimals)
{
    char text[64];
    compare_format(text, sizeof text, &seen, scale, decimals);
    cell(html, text);
}

static void add_row(struct html *html, const struct comparison *c, size_t a)
{
    struct compare_words const words = compare_words(c, a);
    html_add(html, "<tr><td>");
    html_escape(html, c->arms[a].label);
    html_add(html, "</td>");
    cell(html, words.accuracy);
    cell(html, words.loss);
    cell(html, words.time);
    cell(html, words.frames);
    cell(html, words.light);
    cell(html, words.energy);
    cell(html, words.saturated);
    html_add(html, "</tr>\n");
}

static void add_table(struct html *html, const struct comparison *c)
{
    html_add(html, "<h2>Results</h2>\n<div class=\"card\"><table>\n<tr><th></th>"
                   "<th>test accuracy (%%)</th><th>test loss</th><th>training here</th>"
                   "<th>frames</th><th>light</th><th>energy</th>"
                   "<th>saturated</th></tr>\n");
    for (size_t a = 0; a < c->n_arms; a++) {
        add_row(html, c, a);
    }
    html_add(html, "</table></div>\n<p class=\"lead\">Mean and deviation of the sample over seeds; "
                   "light and energy are what the hardware would take for the same frames.</p>\n");
}

/* Taps by the first arm that has some: every DFA arm has the same network. */
static void add_alignment(struct html *html, const struct comparison *c)
{
    const struct compare_run *first = NULL;
    for (size_t a = 0; a < c->n_arms && (first == NULL || first->figures.n_taps == 0); a++) {
        first = compare_first_done(c, a);
    }
    if (first == NULL || first->figures.n_taps == 0) {
        return;
    }
    html_add(html, "<h2>Alignment with back-propagation, cosine at the best epoch</h2>\n"
                   "<div class=\"card\"><table>\n<tr><th></th>");
    for (size_t i = 0; i < first->figures.n_taps; i++) {
        html_add(html, "<th>");
        html_escape(html, first->figures.taps[i].name);
        html_add(html, "</th>");
    }
    html_add(html, "</tr>\n");
    for (size_t a = 0; a < c->n_arms; a++) {
        if (compare_tap_stat(c, a, 0, true).n == 0) {
            continue;
        }
        html_add(html, "<tr><td>");
        html_escape(html, c->arms[a].label);
        html_add(html, "</td>");
        for (size_t i = 0; i < first->figures.n_taps; i++) {
            cell_stat(html, compare_tap_stat(c, a, i, true), 1.0, 3);
        }
        html_add(html, "</tr>\n");
    }
    html_add(html, "</table></div>\n");
}

static void add_grid(struct html *html, const struct comparison *c)
{
    html_add(html, "<h2>Test accuracy (%%): ");
    html_escape(html, c->sweeps[0].key);
    html_add(html, " down, ");
    html_escape(html, c->sweeps[1].key);
    html_add(html, " across</h2>\n<div class=\"card\"><table>\n<tr><th></th>");
    for (size_t k = 0; k < c->sweeps[1].n; k++) {
        html_add(html, "<th>");
        html_escape(html, c->sweeps[1].value[k]);
        html_add(html, "</th>");
    }
    for (size_t a = 0; a < c->n_arms; a++) {
        const struct compare_arm *const arm = &c->arms[a];
        if (arm->swept && arm->at[1] == 0) {
            html_add(html, "</tr>\n<tr><td>");
            html_escape(html, c->sweeps[0].value[arm->at[0]]);
            html_add(html, "</td>");
        }
        if (arm->swept) {
            cell_stat(html, COMPARE_STAT(c, a, test_accuracy), 100.0, 2);
        }
    }
    html_add(html, "</tr>\n</table></div>\n");
}

static void add_differences(struct html *html, const struct comparison *c)
{
    size_t pairs[8][2];
    size_t const n = compare_pairs(c, pairs, 8);
    if (n == 0) {
        return;
    }
    html_add(html, "<h2>Differences in test accuracy, points, seed by seed</h2>\n"
                   "<div class=\"card\"><table>\n");
    for (size_t i = 0; i < n; i++) {
        html_add(html, "<tr><td>%s - %s</td>", c->arms[pairs[i][0]].label,
                 c->arms[pairs[i][1]].label);
        cell_stat(html, compare_difference(c, pairs[i][0], pairs[i][1]), 100.0, 2);
        html_add(html, "</tr>\n");
    }
    html_add(html, "</table></div>\n");
}

static void add_runs(struct html *html, const struct comparison *c)
{
    html_add(html,
             "<details><summary>Runs</summary><div class=\"card\"><table>\n"
             "<tr><th>folder</th><th>arm</th><th>seed</th><th>test accuracy (%%)</th></tr>\n");
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        const struct compare_run *const run = &c->runs[i];
        char text[32];
        snprintf(text, sizeof text, "%.2f", 100.0 * run->figures.test_accuracy);
        html_add(html, "<tr><td>");
        html_escape(html, run->dir);
        html_add(html, "</td><td>");
        html_escape(html, c->arms[run->arm].label);
        html_add(html, "</td><td>%" PRIu64 "</td><td>", run->seed);
        html_escape(html, run->state == COMPARE_DONE ? text : run->why);
        html_add(html, "</td></tr>\n");
    }
    html_add(html, "</table></div></details>\n");
}

static void word(struct html *html, const char *option, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-+=:,./@%";
    bool const quoted = text[0] == 0 || strspn(text, plain) != strlen(text);
    html_add(html, " %s%s%s", option, option[0] != 0 ? " " : "", quoted ? "&#39;" : "");
    for (const char *at = text; *at != 0; at++) {
        char const one[2] = {*at, 0};
        html_escape(html, *at == '\'' ? "'\\''" : one);
    }
    html_add(html, "%s", quoted ? "&#39;" : "");
}

static void add_command(struct html *html, const struct comparison *c)
{
    const struct compare_options *const wish = c->wish;
    html_add(html, "<h2>Repeat it</h2>\n<pre>opu compare");
    word(html, "", c->source);
    html_add(html, " --seeds %zu", c->n_seeds);
    if (wish->methods != NULL) {
        word(html, "--methods", wish->methods);
    }
    if (wish->device != NULL) {
        word(html, "--device", wish->device);
    }
    if (wish->epochs.given) {
        html_add(html, " --epochs %" PRIu64, wish->epochs.value);
    }
    for (size_t i = 0; i < wish->set.n; i++) {
        word(html, "--set", wish->set.item[i]);
    }
    for (size_t i = 0; i < wish->sweep.n; i++) {
        word(html, "--sweep", wish->sweep.item[i]);
    }
    html_add(html, "</pre>\n");
}

static void add_head(struct html *html, const struct comparison *c)
{
    char epochs[OPU_OPTION_TEXT_SIZE];
    html_add(html,
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html_escape(html, c->base.preset);
    html_add(html, " compared - opu</title>\n<style>\n");
    html_bytes(html, style, strlen(style));
    html_add(html, "</style></head>\n<body><main>\n<h1>");
    html_escape(html, c->base.preset);
    html_add(html, c->n_sweeps > 0 ? ": " : ": methods compared");
    for (size_t i = 0; i < c->n_sweeps; i++) {
        html_add(html, i > 0 ? " and " : "");
        html_escape(html, c->sweeps[i].key);
    }
    html_add(html,
             "%s</h1>\n<p class=\"lead\">%zu seed%s, epochs: ", c->n_sweeps > 0 ? " swept" : "",
             c->n_seeds, c->n_seeds == 1 ? "" : "s");
    html_escape(html, train_get(&c->base, "train.epochs", epochs));
    html_add(html, ", in ");
    html_escape(html, c->dir);
    html_add(html, "</p>\n");
}

int compare_write_page(const struct comparison *c)
{
    struct html html = {.text = NULL};
    add_head(&html, c);
    if (c->n_sweeps > 0) {
        compare_plot_knob(&html, c);
    } else {
        compare_plot_arms(&html, c);
    }
    if (c->n_sweeps == 2) {
        add_grid(&html, c);
    }
    add_table(&html, c);
    add_differences(&html, c);
    add_alignment(&html, c);
    add_runs(&html, c);
    add_command(&html, c);
    html_add(&html, "<p class=\"lead\">");
    html_escape(&html, opu_version());
    html_add(&html, "</p>\n</main></body></html>\n");
    int const status = html.failed ? opu_fail(OPU_E_NO_MEMORY, "no memory for %s", COMPARE_PAGE)
                                   : run_folder_write(c->dir, COMPARE_PAGE, html.text, html.n);
    html_free(&html);
    return status;
}
