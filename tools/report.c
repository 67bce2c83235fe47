/* SPDX-License-Identifier: MIT */
/* report.html: tiles, curves, speckle, the device's statistics, the set-up, and how to repeat it.
 */
#include "tools/report.h"
#include "tools/html.h"
#include "tools/picture.h"
#include "tools/preset.h"
#include "tools/projection_args.h"
#include "tools/report_curves.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct page {
    struct cli *cli;
    struct run_folder run;
    struct html html;
};

static const char *config_text(const struct page *page, const char *key, char *text, size_t n)
{
    if (opu_train_config_get(page->run.config, key, text, n) < 0) {
        snprintf(text, n, "?");
    }
    return text;
}

static double last_finite(const double *values, size_t n)
{
    while (n > 0 && !isfinite(values[n - 1])) {
        n--;
    }
    return n > 0 ? values[n - 1] : (double)NAN;
}

static void tile(struct html *html, const char *label, const char *format, ...) OPU_PRINTF(3, 4);

static void tile(struct html *html, const char *label, const char *format, ...)
{
    char value[96];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    html_add(html, "<div class=\"tile\"><b>");
    html_escape(html, value);
    html_add(html, "</b><span>");
    html_escape(html, label);
    html_add(html, "</span></div>\n");
}

static double optical(const struct page *page, const char *key)
{
    const json_t *const value = json_object_get(json_object_get(page->run.result, "optical"), key);
    return json_is_number(value) ? json_number_value(value) : 0.0;
}

static const char *preset_name(const struct page *page)
{
    const char *const name = run_folder_text(page->run.result, "preset");
    return name[0] != 0 ? name : "training";
}

/* A run that didn't come to its end says so, and why where it is known. */
static void add_state(struct page *page)
{
    static const struct {
        const char *state, *text;
    } texts[] = {{"running", "under way, or killed, when this page was written"},
                 {"interrupted", "interrupted: opu train --resume goes on with it"},
                 {"stopped", "stopped by the drift of its device"},
                 {"failed", "failed"}};
    const struct run_folder *const run = &page->run;
    const char *const state = run_folder_text(run->result, "state");
    const char *const why = run_folder_text(json_object_get(run->result, "error"), "message");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(state, texts[i].state) == 0) {
            html_add(&page->html, "<p class=\"lead\"><b>This run is not done.</b> It was %s",
                     texts[i].text);
            html_add(&page->html, why[0] != 0 ? ": " : ".");
            html_escape(&page->html, why);
            html_add(&page->html, "</p>\n");
        }
    }
}

static void add_head(struct page *page)
{
    struct html *const html = &page->html;
    const struct run_folder *const run = &page->run;
    char method[OPU_OPTION_TEXT_SIZE], device[OPU_OPTION_TEXT_SIZE], seed[OPU_OPTION_TEXT_SIZE],
        text[64];
    config_text(page, "train.method", method, sizeof method);
    config_text(page, "feedback.device", device, sizeof device);
    html_add(html, "<h1>");
    html_escape(html, preset_name(page));
    html_add(html, ": %s",
             strcmp(method, "bp") == 0        ? "back-propagation"
             : strcmp(method, "shallow") == 0 ? "head alone (shallow)"
                                              : "Direct Feedback Alignment");
    if (strcmp(method, "dfa") == 0) {
        html_add(html, " through ");
        html_escape(html, device);
    }
    html_add(html, "</h1>\n<p class=\"lead\">seed ");
    html_escape(html, config_text(page, "train.seed", seed, sizeof seed));
    html_add(html, ", %.0f epochs, ", run->n_epochs > 0 ? run->epoch[run->n_epochs - 1] : 0.0);
    html_escape(html, run->path);
    html_add(html, "</p>\n");
    add_state(page);
    html_add(html, "<div class=\"tiles\">\n");
    tile(html, "test accuracy", "%.2f %%", 100.0 * last_finite(run->test_accuracy, run->n_epochs));
    tile(html, "test loss", "%.4f", last_finite(run->test_loss, run->n_epochs));
    for (size_t i = 0; i < run->n_taps && i < 3; i++) {
        char label[96];
        snprintf(label, sizeof label, "alignment at %s", run->taps[i].name);
        tile(html, label, "%.3f", last_finite(run->taps[i].mean, run->n_epochs));
    }
    tile(html, "training, rows a second here", "%.0f",
         last_finite(run->rows_per_second, run->n_epochs));
    if (optical(page, "frames") > 0.0) {
        cli_format_seconds(text, sizeof text, optical(page, "seconds"));
        tile(html, "light would have taken", "%s", text);
        cli_format_si(text, sizeof text, optical(page, "joules"), "J");
        tile(html, "at the device's power", "%s", text);
    }
    html_add(html, "</div>\n");
}

static void row(struct html *html, const char *name, const char *value, bool changed)
{
    html_add(html, "<tr><td>");
    html_escape(html, name);
    html_add(html, "</td><td%s>", changed ? " class=\"changed\"" : "");
    html_escape(html, value);
    html_add(html, "</td></tr>\n");
}

static void add_statistics(struct page *page)
{
    static const struct {
        const char *key, *name;
    } texts[] = {{"device", "device"}, {"projection", "projection"}, {"identity", "identity of B"}};
    struct html *const html = &page->html;
    char text[160], time[32], energy[32];
    double const frames = optical(page, "frames");
    html_add(html, "<div class=\"card\"><table>\n");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *const value = run_folder_text(page->run.result, texts[i].key);
        row(html, texts[i].name, value[0] != 0 ? value : "none", false);
    }
    if (frames > 0.0) {
        cli_format_seconds(time, sizeof time, optical(page, "seconds"));
        cli_format_si(energy, sizeof energy, optical(page, "joules"), "J");
        snprintf(text, sizeof text, "%.0f", frames);
        row(html, "camera frames", text, false);
        row(html, "time on the hardware", time, false);
        row(html, "energy on the hardware", energy, false);
        snprintf(text, sizeof text, "%.2g %%", 100.0 * optical(page, "saturated_share"));
        row(html, "saturated pixels", text, false);
    } else {
        row(html, "camera frames", "none: nothing went through optics", false);
    }
    html_add(html, "</table></div>\n");
}

static void add_device(struct page *page)
{
    struct html *const html = &page->html;
    struct picture picture = {.png = NULL};
    char uri[OPU_OPTION_TEXT_SIZE];
    config_text(page, "feedback.device", uri, sizeof uri);
    int const status = picture_take(&picture, page->cli->context, uri);
    html_add(html, "<h2>Device</h2>\n<div class=\"two\">\n");
    picture_add(html, &picture, status, "Speckle behind the scattering medium");
    free(picture.png);
    add_statistics(page);
    html_add(html, "</div>\n");
}

/* Leaves of a document as rows "a.b.c". */
static void add_leaves(struct html *html, const char *prefix, json_t *value)
{
    char name[256];
    if (json_is_object(value)) {
        const char *key;
        json_t *member;
        json_object_foreach(value, key, member)
        {
            snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] != 0 ? "." : "", key);
            add_leaves(html, name, member);
        }
        return;
    }
    char *const text =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    row(html, prefix, text != NULL ? text : json_string_value(value), false);
    free(text);
}

/* The preset's configuration, or the defaults where the run has none; NULL without memory. */
static struct opu_train_config *reference_config(const struct page *page)
{
    struct opu_train_config *config = NULL;
    const struct preset *const preset = preset_find(preset_name(page));
    if (opu_train_config_create(&config, page->cli->context) < 0) {
        return NULL;
    }
    if (preset != NULL && opu_train_config_parse(config, preset->text) < 0) {
        opu_train_config_destroy(config);
        return NULL;
    }
    return config;
}

/* One small table a section, so that they flow in columns. */
static void add_setup(struct page *page, const struct opu_train_config *reference)
{
    struct html *const html = &page->html;
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    int length = 0;
    html_add(html, "<h2>Set-up</h2>\n<div class=\"sections\">\n");
    for (size_t i = 0; i < n; i++) {
        char value[OPU_OPTION_TEXT_SIZE], usual[OPU_OPTION_TEXT_SIZE];
        config_text(page, table[i].key, value, sizeof value);
        bool const known = reference != NULL && opu_train_config_get(reference, table[i].key, usual,
                                                                     sizeof usual) == OPU_OK;
        if (i == 0 || strncmp(table[i].key, table[i - 1].key, (size_t)length + 1) != 0) {
            length = (int)strcspn(table[i].key, ".");
            html_add(html, "%s<div class=\"card\"><h3>%.*s</h3><table>\n",
                     i > 0 ? "</table></div>\n" : "", length, table[i].key);
        }
        row(html, table[i].key + length + 1, value[0] != 0 ? value : "not set",
            known && strcmp(value, usual) != 0);
    }
    html_add(html, "</table></div></div>\n");
    if (page->run.manifest != NULL) {
        html_add(html, "<details><summary>Manifest: all that can move a bit</summary>"
                       "<div class=\"card\"><table>\n");
        add_leaves(html, "", page->run.manifest);
        html_add(html, "</table></div></details>\n");
    }
}

static void shell_word(struct html *html, const char *text)
{
    bool const plain =
        text[0] != 0 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-+=:,./@%") == strlen(text);
    html_add(html, plain ? "" : "&#39;");
    for (const char *at = text; *at != 0; at++) {
        char const one[2] = {*at, 0};
        html_escape(html, *at == '\'' ? "'\\''" : one);
    }
    html_add(html, plain ? "" : "&#39;");
}

static void add_command(struct page *page, const struct opu_train_config *reference)
{
    static const struct {
        const char *key, *option;
    } named[] = {{"train.method", "--method"},
                 {"feedback.device", "--device"},
                 {"train.seed", "--seed"},
                 {"train.epochs", "--epochs"}};
    struct html *const html = &page->html;
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    bool const known = preset_find(preset_name(page)) != NULL;
    html_add(html, "<h2>Repeat it</h2>\n<pre>opu train ");
    char file[RUN_FILE_SIZE];
    run_folder_file(page->run.path, "config.ini", file);
    shell_word(html, known ? preset_name(page) : file);
    for (size_t i = 0; i < n && known && reference != NULL; i++) {
        char value[OPU_OPTION_TEXT_SIZE], usual[OPU_OPTION_TEXT_SIZE];
        config_text(page, table[i].key, value, sizeof value);
        if (opu_train_config_get(reference, table[i].key, usual, sizeof usual) < 0 ||
            strcmp(value, usual) == 0 || strcmp(table[i].key, "data.dir") == 0) {
            continue;
        }
        const char *option = NULL;
        for (size_t k = 0; k < sizeof named / sizeof named[0]; k++) {
            option = strcmp(named[k].key, table[i].key) == 0 ? named[k].option : option;
        }
        char pair[2 * OPU_OPTION_TEXT_SIZE];
        snprintf(pair, sizeof pair, "%s=%s", table[i].key, value);
        html_add(html, " %s ", option != NULL ? option : "--set");
        shell_word(html, option != NULL ? value : pair);
    }
    html_add(html, "</pre>\n");
}

static const char style[] = {
#include "report_css.h"
};

static void add_page(struct page *page)
{
    struct html *const html = &page->html;
    struct opu_train_config *const reference = reference_config(page);
    html_add(html,
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html_escape(html, preset_name(page));
    html_add(html, " - opu</title>\n<style>\n");
    html_bytes(html, style, strlen(style));
    html_add(html, "</style></head>\n<body><main>\n");
    add_head(page);
    report_curves(&page->html, &page->run);
    add_device(page);
    add_setup(page, reference);
    add_command(page, reference);
    html_add(html, "<p class=\"lead\">");
    html_escape(html, opu_version());
    html_add(html, "</p>\n</main></body></html>\n");
    opu_train_config_destroy(reference);
}

int report_write(struct cli *cli, const char *dir, char *file, size_t n)
{
    struct page page = {.cli = cli};
    char path[RUN_FILE_SIZE];
    int status = run_folder_read(&page.run, cli->context, dir);
    if (status == OPU_OK) {
        add_page(&page);
        status = page.html.failed
                     ? opu_fail(OPU_E_NO_MEMORY, "%s: no memory for the report", dir)
                     : run_folder_write(dir, "report.html", page.html.text, page.html.n);
    }
    run_folder_file(dir, "report.html", path);
    snprintf(file, n, "%s", path);
    html_free(&page.html);
    run_folder_free(&page.run);
    return status;
}
