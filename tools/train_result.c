/* SPDX-License-Identifier: MIT */
/* What a training came to, as a document and as a table. */
#include "tools/train_result.h"
#include "tools/projection_args.h"
#include "tools/run_folder.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What nodes and links of a graph have beside; NaN elsewhere. */
static const struct {
    const char *key, *label;
    size_t offset;
    bool percent;
} extras[] = {
    {"best_valid_accuracy", "best validation",
     offsetof(struct opu_train_result, best_valid_accuracy), true},
    {"best_test_accuracy", "test accuracy there",
     offsetof(struct opu_train_result, best_test_accuracy), true},
    {"valid_accuracy", "validation, last", offsetof(struct opu_train_result, valid_accuracy), true},
    {"valid_loss", "validation loss", offsetof(struct opu_train_result, valid_loss), false},
    {"test_auc", "AUC, test edges", offsetof(struct opu_train_result, test_auc), true},
    {"test_ap", "AP, test edges", offsetof(struct opu_train_result, test_ap), true},
    {"valid_auc", "AUC, validation", offsetof(struct opu_train_result, valid_auc), true},
    {"valid_ap", "AP, validation", offsetof(struct opu_train_result, valid_ap), true},
};

#define N_EXTRAS (sizeof extras / sizeof extras[0])

static double extra(const struct opu_train_result *result, size_t i)
{
    double value;
    memcpy(&value, (const char *)result + extras[i].offset, sizeof value);
    return value;
}

static json_t *metrics_json(const struct opu_train_result *result)
{
    json_t *const alignment = json_array();
    for (size_t i = 0; i < result->n_taps; i++) {
        const struct opu_tap_alignment *const tap = &result->alignment[i];
        json_array_append_new(alignment,
                              json_pack("{s:s, s:o, s:o}", "tap", tap->tap, "mean",
                                        cli_json_real(tap->mean), "std", cli_json_real(tap->std)));
    }
    json_t *const metrics = json_pack("{s:o, s:o, s:o, s:o, s:o}", "test_accuracy",
                                      cli_json_real(result->test_accuracy), "test_loss",
                                      cli_json_real(result->test_loss), "train_accuracy",
                                      cli_json_real(result->train_accuracy), "train_loss",
                                      cli_json_real(result->train_loss), "alignment", alignment);
    for (size_t i = 0; i < N_EXTRAS; i++) {
        if (isfinite(extra(result, i))) {
            json_object_set_new(metrics, extras[i].key, cli_json_real(extra(result, i)));
        }
    }
    if (isfinite(result->best_valid_accuracy)) {
        json_object_set_new(metrics, "best_epoch", json_integer((json_int_t)result->best_epoch));
    }
    return metrics;
}

static void add_figures(json_t *document, const struct opu_train_result *result)
{
    json_object_set_new(document, "epochs_done", json_integer((json_int_t)result->epochs));
    json_object_set_new(document, "metrics", metrics_json(result));
    json_object_set_new(document, "rows_per_second", cli_json_real(result->rows_per_second));
    json_object_set_new(document, "seconds", cli_json_real(result->seconds));
    json_object_set_new(document, "optical",
                        json_pack("{s:I, s:o, s:o, s:o}", "frames", (json_int_t)result->frames,
                                  "seconds", cli_json_real(result->optical_s), "joules",
                                  cli_json_real(result->optical_j), "saturated_share",
                                  cli_json_real(result->saturated_share)));
    json_object_set_new(document, "drift",
                        json_pack("{s:I, s:I, s:o, s:o}", "probes", (json_int_t)result->probes,
                                  "recalibrations", (json_int_t)result->recalibrations,
                                  "correlation", cli_json_real(result->correlation),
                                  "correlation_lowest", cli_json_real(result->correlation_lowest)));
    json_object_set_new(document, "parameters", json_integer((json_int_t)result->parameters));
    json_object_set_new(document, "projection",
                        json_string(result->projection != NULL ? result->projection : ""));
    json_object_set_new(document, "identity",
                        json_string(result->identity != NULL ? result->identity : ""));
}

json_t *train_result_json(const struct cli *cli, const struct train_summary *summary,
                          const struct opu_train_result *result)
{
    json_t *const document = cli_json_new(cli);
    json_object_set_new(document, "state", json_string(summary->state));
    json_object_set_new(document, "preset", json_string(summary->preset));
    json_object_set_new(document, "method", json_string(summary->method));
    json_object_set_new(document, "device", json_string(summary->device));
    json_object_set_new(document, "seed",
                        json_integer((json_int_t)strtoll(summary->seed, NULL, 10)));
    json_object_set_new(document, "epochs",
                        json_integer((json_int_t)strtoll(summary->epochs, NULL, 10)));
    if (summary->why[0] != 0) {
        json_t *const why = json_string(summary->why);
        json_object_set_new(document, "error",
                            json_pack("{s:s, s:o}", "status", opu_status_name(summary->status),
                                      "message", why != NULL ? why : json_string("(not UTF-8)")));
    }
    if (result != NULL) {
        add_figures(document, result);
    }
    json_object_set_new(document, "run", json_string(summary->dir));
    if (summary->report != NULL) {
        json_object_set_new(document, "report", json_string(summary->report));
    }
    return document;
}

int train_result_write(const struct cli *cli, const struct train_summary *summary,
                       const struct opu_train_result *result)
{
    json_t *const document = train_result_json(cli, summary, result);
    char *const text = json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(document);
    int const status =
        text != NULL ? run_folder_write(summary->dir, "result.json", text, strlen(text))
                     : opu_fail(OPU_E_NO_MEMORY, "no memory for %s/result.json", summary->dir);
    free(text);
    return status;
}

void train_result_print(const struct train_summary *summary, const struct opu_train_result *result)
{
    char time[32], optics[160], label[80];
    cli_format_seconds(time, sizeof time, result->seconds);
    printf("%s: %s%s%s, seed %s, %" PRIu64 " epochs\n", summary->preset, summary->method,
           summary->device[0] != 0 ? " over " : "", summary->device, summary->seed, result->epochs);
    if (isfinite(result->test_accuracy)) {
        printf("  %-20s %.2f %%\n", "test accuracy", 100.0 * result->test_accuracy);
    }
    for (size_t i = 0; i < N_EXTRAS; i++) {
        double const value = extra(result, i);
        if (isfinite(value)) {
            printf(extras[i].percent ? "  %-20s %.2f %%\n" : "  %-20s %.4f\n", extras[i].label,
                   extras[i].percent ? 100.0 * value : value);
        }
    }
    printf("  %-20s %.4f\n", "test loss", result->test_loss);
    for (size_t i = 0; i < result->n_taps; i++) {
        snprintf(label, sizeof label, "alignment %s", result->alignment[i].tap);
        printf("  %-20s %.3f +- %.3f\n", label, result->alignment[i].mean,
               result->alignment[i].std);
    }
    printf("  %-20s %s, %.0f rows/s\n", "training here", time, result->rows_per_second);
    if (summary->device[0] != 0) {
        optical_text(optics, sizeof optics, result->frames, result->optical_s, result->optical_j,
                     result->saturated_share);
        printf("  %-20s %s\n", "optics", optics);
        if (result->probes > 0) {
            printf("  %-20s %" PRIu64 " probes, lowest correlation %.3f, %" PRIu64
                   " calibrations again\n",
                   "drift", result->probes, result->correlation_lowest, result->recalibrations);
        }
        printf("  %-20s %s\n", "projection", result->projection);
        printf("  %-20s %s\n", "identity", result->identity);
    }
    printf("  %-20s %s\n", "run", summary->dir);
    if (summary->report != NULL) {
        printf("  %-20s %s\n", "report", summary->report);
    }
}

void train_result_preset(const char *dir, char *text, size_t n)
{
    char file[RUN_FILE_SIZE];
    run_folder_file(dir, "result.json", file);
    json_t *const result = json_load_file(file, 0, NULL);
    const char *const preset = run_folder_text(result, "preset");
    const char *const slash = strrchr(dir, '/');
    bool const named = slash != NULL && slash[1] != 0;
    snprintf(text, n, "%s", preset[0] != 0 ? preset : (named ? slash + 1 : dir));
    json_decref(result);
}
