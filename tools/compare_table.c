/* SPDX-License-Identifier: MIT */
/* What a comparison came to: a table for people, the document of --json, rows for spreadsheets. */
#include "tools/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PAIRS = 8 };

/* Arm, accuracy, loss, training, frames, light, energy. */
#define ROW "  %-*s  %-15s  %-17s  %-11s  %-9s  %-11s  %s\n"

static void print_row(const struct comparison *c, size_t a, int width)
{
    struct compare_words const words = compare_words(c, a);
    printf(ROW, width, c->arms[a].label, words.accuracy, words.loss, words.time, words.frames,
           words.light, words.energy);
}

static void print_alignment(const struct comparison *c, size_t a, int width)
{
    const struct compare_run *const run = compare_first_done(c, a);
    if (run == NULL || run->figures.n_taps == 0) {
        return;
    }
    printf("  %-*s ", width, c->arms[a].label);
    for (size_t i = 0; i < run->figures.n_taps; i++) {
        char text[48];
        struct compare_stat const best = compare_tap_stat(c, a, i, true);
        compare_format(text, sizeof text, &best, 1.0, 3);
        printf("%s %s %s", i > 0 ? "," : "", run->figures.taps[i].name, text);
    }
    putchar('\n');
}

/* Rows are the first knob's values, columns the second's. */
static void print_grid(const struct comparison *c)
{
    printf("\ntest accuracy (%%): %s down, %s across\n  %-16s", c->sweeps[0].key, c->sweeps[1].key,
           "");
    for (size_t k = 0; k < c->sweeps[1].n; k++) {
        printf("  %-16s", c->sweeps[1].value[k]);
    }
    for (size_t a = 0; a < c->n_arms; a++) {
        const struct compare_arm *const arm = &c->arms[a];
        if (arm->swept) {
            char text[48];
            struct compare_stat const seen = COMPARE_STAT(c, a, test_accuracy);
            compare_format(text, sizeof text, &seen, 100.0, 2);
            if (arm->at[1] == 0) {
                printf("\n  %-16s", c->sweeps[0].value[arm->at[0]]);
            }
            printf("  %-16s", text);
        }
    }
    putchar('\n');
}

static void print_differences(const struct comparison *c)
{
    size_t pairs[MAX_PAIRS][2];
    size_t const n = compare_pairs(c, pairs, MAX_PAIRS);
    if (n > 0) {
        puts("\ndifference in test accuracy (points), seed by seed");
    }
    for (size_t i = 0; i < n; i++) {
        char text[48], name[256];
        struct compare_stat const seen = compare_difference(c, pairs[i][0], pairs[i][1]);
        compare_format(text, sizeof text, &seen, 100.0, 2);
        snprintf(name, sizeof name, "%s - %s", c->arms[pairs[i][0]].label,
                 c->arms[pairs[i][1]].label);
        printf("  %-26s  %s\n", name, text);
    }
}

static void print_failures(const struct comparison *c)
{
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        const struct compare_run *const run = &c->runs[i];
        if (run->state == COMPARE_FAILED) {
            printf("\nno result: %s, seed %" PRIu64 ": %s\n", c->arms[run->arm].label, run->seed,
                   run->why);
        }
    }
}

void compare_print(const struct comparison *c)
{
    char epochs[OPU_OPTION_TEXT_SIZE];
    int width = 11;
    for (size_t a = 0; a < c->n_arms; a++) {
        int const n = (int)strlen(c->arms[a].label);
        width = n > width ? n : width;
    }
    printf("%s: %zu seed%s, epochs: %s; mean +- deviation of the sample\n", c->base.preset,
           c->n_seeds, c->n_seeds == 1 ? "" : "s", train_get(&c->base, "train.epochs", epochs));
    printf(ROW, width, "", "accuracy (%)", "loss", "training", "frames", "light", "energy");
    for (size_t a = 0; a < c->n_arms; a++) {
        print_row(c, a, width);
    }
    if (c->n_sweeps == 2) {
        print_grid(c);
    }
    puts("\nalignment with back-propagation, best epoch (cosine)");
    for (size_t a = 0; a < c->n_arms; a++) {
        print_alignment(c, a, width);
    }
    print_differences(c);
    print_failures(c);
    printf("\n  runs  %s\n  rows  %s/%s\n  page  %s/%s\n", c->dir, c->dir, COMPARE_CSV, c->dir,
           COMPARE_PAGE);
}

static json_t *stat_json(const struct compare_stat *seen)
{
    return json_pack("{s:o, s:o, s:I}", "mean", cli_json_real(seen->mean), "std",
                     cli_json_real(seen->std), "n", (json_int_t)seen->n);
}

static json_t *runs_json(const struct comparison *c, size_t a)
{
    static const char *const states[] = {[COMPARE_NEW] = "new",
                                         [COMPARE_PART] = "part",
                                         [COMPARE_DONE] = "done",
                                         [COMPARE_FAILED] = "failed"};
    json_t *const list = json_array();
    for (size_t s = 0; s < c->n_seeds; s++) {
        const struct compare_run *const run = &c->runs[a * c->n_seeds + s];
        bool const done = run->state == COMPARE_DONE;
        json_t *const one = json_pack("{s:I, s:s, s:s, s:b}", "seed", (json_int_t)run->seed, "run",
                                      run->dir, "state", states[run->state], "kept", run->kept);
        if (done) {
            json_object_set_new(one, "test_accuracy", cli_json_real(run->figures.test_accuracy));
            json_object_set_new(one, "test_loss", cli_json_real(run->figures.test_loss));
        } else if (run->why[0] != 0) {
            json_object_set_new(one, "error", json_string(run->why));
        }
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *taps_json(const struct comparison *c, size_t a)
{
    json_t *const list = json_array();
    const struct compare_run *const run = compare_first_done(c, a);
    for (size_t i = 0; run != NULL && i < run->figures.n_taps; i++) {
        struct compare_stat const best = compare_tap_stat(c, a, i, true);
        struct compare_stat const last = compare_tap_stat(c, a, i, false);
        json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "tap", run->figures.taps[i].name,
                                              "best", stat_json(&best), "last", stat_json(&last)));
    }
    return list;
}

static json_t *arm_json(const struct comparison *c, size_t a)
{
    static const struct {
        const char *name;
        size_t offset;
    } figures[] = {
        {"test_accuracy", offsetof(struct compare_figures, test_accuracy)},
        {"test_loss", offsetof(struct compare_figures, test_loss)},
        {"seconds", offsetof(struct compare_figures, seconds)},
        {"rows_per_second", offsetof(struct compare_figures, rows_per_second)},
        {"frames", offsetof(struct compare_figures, frames)},
        {"optical_seconds", offsetof(struct compare_figures, optical_s)},
        {"optical_joules", offsetof(struct compare_figures, optical_j)},
        {"saturated_share", offsetof(struct compare_figures, saturated_share)},
    };
    const struct compare_arm *const arm = &c->arms[a];
    char device[OPU_OPTION_TEXT_SIZE];
    bool const dfa = arm->method == COMPARE_EXACT || arm->method == COMPARE_OPTICAL;
    json_t *const one = json_pack("{s:s, s:s, s:s, s:s}", "name", compare_names[arm->method].name,
                                  "label", arm->label, "method", compare_names[arm->method].train,
                                  "device", dfa ? compare_get(arm, "feedback.device", device) : "");
    json_t *const knobs = json_object();
    for (size_t i = 0; arm->swept && i < c->n_sweeps; i++) {
        json_object_set_new(knobs, c->sweeps[i].key, json_string(c->sweeps[i].value[arm->at[i]]));
    }
    json_object_set_new(one, "knobs", knobs);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        struct compare_stat const seen = compare_stat_of(c, a, figures[i].offset);
        json_object_set_new(one, figures[i].name, stat_json(&seen));
    }
    json_object_set_new(one, "alignment", taps_json(c, a));
    json_object_set_new(one, "runs", runs_json(c, a));
    return one;
}

static json_t *sweeps_json(const struct comparison *c)
{
    json_t *const list = json_array();
    for (size_t i = 0; i < c->n_sweeps; i++) {
        json_t *const values = json_array();
        for (size_t k = 0; k < c->sweeps[i].n; k++) {
            json_array_append_new(values, json_string(c->sweeps[i].value[k]));
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:o}", "key", c->sweeps[i].key, "values", values));
    }
    return list;
}

json_t *compare_json(const struct comparison *c)
{
    json_t *const document = cli_json_new(c->cli), *const arms = json_array(),
                  *const differences = json_array();
    char epochs[OPU_OPTION_TEXT_SIZE], page[RUN_FILE_SIZE], csv[RUN_FILE_SIZE];
    size_t pairs[MAX_PAIRS][2];
    size_t const n = compare_pairs(c, pairs, MAX_PAIRS);
    for (size_t a = 0; a < c->n_arms; a++) {
        json_array_append_new(arms, arm_json(c, a));
    }
    for (size_t i = 0; i < n; i++) {
        struct compare_stat const seen = compare_difference(c, pairs[i][0], pairs[i][1]);
        json_array_append_new(differences,
                              json_pack("{s:s, s:s, s:o}", "of",
                                        compare_names[c->arms[pairs[i][0]].method].name, "less",
                                        compare_names[c->arms[pairs[i][1]].method].name,
                                        "test_accuracy", stat_json(&seen)));
    }
    run_folder_file(c->dir, COMPARE_PAGE, page);
    run_folder_file(c->dir, COMPARE_CSV, csv);
    train_get(&c->base, "train.epochs", epochs);
    json_object_set_new(document, "preset", json_string(c->base.preset));
    json_object_set_new(document, "epochs", json_integer((json_int_t)strtoll(epochs, NULL, 10)));
    json_object_set_new(document, "seeds", json_integer((json_int_t)c->n_seeds));
    json_object_set_new(document, "sweeps", sweeps_json(c));
    json_object_set_new(document, "arms", arms);
    json_object_set_new(document, "differences", differences);
    json_object_set_new(document, "out", json_string(c->dir));
    json_object_set_new(document, "csv", json_string(csv));
    json_object_set_new(document, "page", json_string(page));
    return document;
}

/* A field of RFC 4180: quoted where it holds a comma or a quote. */
static void csv_text(struct html *rows, const char *text)
{
    bool const quoted = strpbrk(text, ",\"\n") != NULL;
    html_add(rows, quoted ? "\"" : "");
    for (const char *at = text; *at != 0; at++) {
        html_add(rows, *at == '"' ? "\"\"" : "%c", *at);
    }
    html_add(rows, quoted ? "\"" : "");
}

static void csv_number(struct html *rows, double value)
{
    if (isfinite(value)) {
        html_add(rows, ",%.9g", value);
    } else {
        html_add(rows, ",");
    }
}

static const struct compare_run *tapped(const struct comparison *c)
{
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        if (c->runs[i].state == COMPARE_DONE && c->runs[i].figures.n_taps > 0) {
            return &c->runs[i];
        }
    }
    return NULL;
}

static void csv_row(struct html *rows, const struct comparison *c, const struct compare_run *run,
                    size_t n_taps)
{
    const struct compare_arm *const arm = &c->arms[run->arm];
    const struct compare_figures *const f = &run->figures;
    bool const done = run->state == COMPARE_DONE;
    double const values[] = {f->test_accuracy, f->test_loss, f->seconds,        f->frames,
                             f->optical_s,     f->optical_j, f->saturated_share};
    html_add(rows, "%s", compare_names[arm->method].name);
    for (size_t i = 0; i < c->n_sweeps; i++) {
        html_add(rows, ",");
        csv_text(rows, arm->swept ? c->sweeps[i].value[arm->at[i]] : "");
    }
    html_add(rows, ",%" PRIu64, run->seed);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        csv_number(rows, done ? values[i] : (double)NAN);
    }
    for (size_t i = 0; i < n_taps; i++) {
        csv_number(rows, done && i < f->n_taps ? f->taps[i].best : (double)NAN);
    }
    html_add(rows, "\n");
}

int compare_write_csv(const struct comparison *c)
{
    struct html rows = {.text = NULL};
    const struct compare_run *const first = tapped(c);
    size_t const n_taps = first != NULL ? first->figures.n_taps : 0;
    html_add(&rows, "method");
    for (size_t i = 0; i < c->n_sweeps; i++) {
        html_add(&rows, ",");
        csv_text(&rows, c->sweeps[i].key);
    }
    html_add(&rows, ",seed,test_accuracy,test_loss,seconds,frames,optical_s,optical_j,"
                    "saturated_share");
    for (size_t i = 0; i < n_taps; i++) {
        html_add(&rows, ",best_alignment_");
        csv_text(&rows, first->figures.taps[i].name);
    }
    html_add(&rows, "\n");
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        csv_row(&rows, c, &c->runs[i], n_taps);
    }
    int const status = rows.failed ? opu_fail(OPU_E_NO_MEMORY, "no memory for %s", COMPARE_CSV)
                                   : run_folder_write(c->dir, COMPARE_CSV, rows.text, rows.n);
    html_free(&rows);
    return status;
}
