/* SPDX-License-Identifier: MIT */
/* Reads a run folder's files. Nothing in them is trusted to be there. */
#include "tools/run_folder.h"
#include "tools/whole_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void run_folder_file(const char *path, const char *name, char text[RUN_FILE_SIZE])
{
    snprintf(text, RUN_FILE_SIZE, "%.*s/%s", RUN_PATH_SIZE - 1, path, name);
}

bool run_folder_has(const char *path, const char *name)
{
    char file[RUN_FILE_SIZE];
    struct stat seen;
    run_folder_file(path, name, file);
    return stat(file, &seen) == 0;
}

int run_folder_write(const char *path, const char *name, const char *text, size_t n)
{
    char file[RUN_FILE_SIZE];
    run_folder_file(path, name, file);
    return whole_file_write(file, text, n);
}

const char *run_folder_text(const json_t *object, const char *key)
{
    const char *const text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static double number(const json_t *object, const char *key)
{
    const json_t *const value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* A document, or NULL: these files may be missing. */
static json_t *load(const char *path, const char *name)
{
    char file[RUN_FILE_SIZE];
    run_folder_file(path, name, file);
    return json_load_file(file, 0, NULL);
}

/* The lines of a log as an array; a line that isn't JSON ends it. */
static json_t *load_lines(const char *path, const char *name)
{
    char file[RUN_FILE_SIZE];
    run_folder_file(path, name, file);
    FILE *const in = fopen(file, "rb");
    json_t *const list = json_array();
    json_t *row = NULL;
    while (in != NULL &&
           (row = json_loadf(in, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, NULL)) != NULL) {
        json_array_append_new(list, row);
    }
    if (in != NULL) {
        fclose(in);
    }
    return list;
}

static size_t tap_index(struct run_folder *run, const char *name)
{
    size_t i = 0;
    while (i < run->n_taps && strcmp(run->taps[i].name, name) != 0) {
        i++;
    }
    if (i < run->n_taps || i == RUN_MAX_TAPS) {
        return i;
    }
    struct run_tap *const tap = &run->taps[i];
    tap->mean = malloc(run->n_epochs * sizeof *tap->mean);
    tap->std = malloc(run->n_epochs * sizeof *tap->std);
    if (tap->mean == NULL || tap->std == NULL) {
        free(tap->mean);
        free(tap->std);
        *tap = (struct run_tap){.name = ""};
        return RUN_MAX_TAPS;
    }
    for (size_t k = 0; k < run->n_epochs; k++) {
        tap->mean[k] = tap->std[k] = (double)NAN;
    }
    snprintf(tap->name, sizeof tap->name, "%s", name);
    run->n_taps++;
    return i;
}

static void take_taps(struct run_folder *run, size_t epoch, const json_t *list)
{
    size_t i;
    const json_t *row;
    json_array_foreach(list, i, row)
    {
        size_t const tap = tap_index(run, run_folder_text(row, "tap"));
        if (tap < RUN_MAX_TAPS) {
            run->taps[tap].mean[epoch] = number(row, "mean");
            run->taps[tap].std[epoch] = number(row, "std");
        }
    }
}

static int take_metrics(struct run_folder *run, const json_t *metrics, const json_t *timing)
{
    double **const columns[] = {
        &run->epoch, &run->train_loss,    &run->train_accuracy, &run->test_loss,
        &run->lr,    &run->test_accuracy, &run->seconds,        &run->rows_per_second};
    static const char *const keys[] = {"epoch",     "train_loss", "train_accuracy",
                                       "test_loss", "lr",         "test_accuracy"};
    enum { N_KEYS = sizeof keys / sizeof keys[0], N_COLUMNS = sizeof columns / sizeof columns[0] };
    size_t const n = json_array_size(metrics);
    run->n_epochs = n;
    for (size_t k = 0; k < N_COLUMNS; k++) {
        *columns[k] = malloc((n + 1) * sizeof(double));
        if (*columns[k] == NULL) {
            return opu_fail(OPU_E_NO_MEMORY, "no memory for %zu epochs", n);
        }
        for (size_t i = 0; i < n; i++) {
            (*columns[k])[i] =
                k < N_KEYS ? number(json_array_get(metrics, i), keys[k]) : (double)NAN;
        }
    }
    for (size_t i = 0; i < n; i++) {
        take_taps(run, i, json_object_get(json_array_get(metrics, i), "alignment"));
    }
    size_t at;
    const json_t *row;
    json_array_foreach(timing, at, row)
    {
        for (size_t i = 0; i < n; i++) {
            if (run->epoch[i] == number(row, "epoch")) {
                run->seconds[i] = number(row, "seconds");
                run->rows_per_second[i] = number(row, "rows_per_second");
            }
        }
    }
    return OPU_OK;
}

static int take_probes(struct run_folder *run, const json_t *probes)
{
    size_t const n = json_array_size(probes);
    double *const all = malloc((3 * n + 1) * sizeof *all);
    if (all == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for %zu probes", n);
    }
    run->n_probes = n;
    run->probe_s = all;
    run->correlation = all + n;
    run->recalibrated = all + 2 * n;
    for (size_t i = 0; i < n; i++) {
        const json_t *const row = json_array_get(probes, i);
        bool const again = json_is_true(json_object_get(row, "recalibrated"));
        run->probe_s[i] = number(row, "device_s");
        run->correlation[i] = number(row, "correlation");
        run->recalibrated[i] = again ? run->correlation[i] : (double)NAN;
    }
    return OPU_OK;
}

int run_folder_read(struct run_folder *run, struct opu_context *context, const char *path)
{
    char file[RUN_FILE_SIZE];
    struct stat seen;
    *run = (struct run_folder){.n_epochs = 0};
    if (strlen(path) >= RUN_PATH_SIZE) {
        return opu_fail(OPU_E_INVALID, "the run folder's path has %zu bytes, at most %d fit",
                        strlen(path), RUN_PATH_SIZE - 1);
    }
    if (stat(path, &seen) != 0) {
        return opu_fail(OPU_E_NOT_FOUND, "%s: %s; wanted a run folder", path, strerror(errno));
    }
    snprintf(run->path, sizeof run->path, "%s", path);
    run_folder_file(path, "config.ini", file);
    int status = opu_train_config_create(&run->config, context);
    if (status == OPU_OK) {
        status = opu_train_config_read(run->config, file);
    }
    if (status < 0) {
        return status;
    }
    run->manifest = load(path, "manifest.json");
    run->result = load(path, "result.json");
    json_t *const metrics = load_lines(path, "metrics.jsonl");
    json_t *const timing = load_lines(path, "timing.jsonl");
    json_t *const probes = load_lines(path, "probes.jsonl");
    status = take_metrics(run, metrics, timing);
    status = status == OPU_OK ? take_probes(run, probes) : status;
    json_decref(metrics);
    json_decref(timing);
    json_decref(probes);
    return status;
}

void run_folder_free(struct run_folder *run)
{
    double *const columns[] = {run->epoch,     run->train_loss,      run->train_accuracy,
                               run->test_loss, run->test_accuracy,   run->lr,
                               run->seconds,   run->rows_per_second, run->probe_s};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        free(columns[i]);
    }
    for (size_t i = 0; i < run->n_taps; i++) {
        free(run->taps[i].mean);
        free(run->taps[i].std);
    }
    opu_train_config_destroy(run->config);
    json_decref(run->manifest);
    json_decref(run->result);
    *run = (struct run_folder){.n_epochs = 0};
}
