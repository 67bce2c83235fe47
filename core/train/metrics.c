/* SPDX-License-Identifier: MIT */
/* The lines of metrics.jsonl, probes.jsonl and timing.jsonl. */
#include "core/train/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

/* A line under construction; n counts on when it is full. */
struct line {
    char *text;
    size_t size, n;
};

struct number {
    const char *key;
    double value;
};

static void add(struct line *line, const char *format, ...) OPU_PRINTF(2, 3);

static void add(struct line *line, const char *format, ...)
{
    size_t const used = line->n < line->size ? line->n : line->size;
    va_list args;
    va_start(args, format);
    int const n = vsnprintf(line->text + used, line->size - used, format, args);
    va_end(args);
    line->n += n > 0 ? (size_t)n : 0;
}

/* Nine digits; whatever the locale takes for a decimal point becomes one. */
static void add_number(struct line *line, const char *key, double value)
{
    char digits[64], text[64];
    (void)snprintf(digits, sizeof digits, "%.9g", value);
    size_t n = 0;
    for (const char *c = digits; *c; c++) {
        bool const known = strchr("0123456789+-e", *c) != NULL;
        if (known || (n > 0 && text[n - 1] != '.')) {
            text[n++] = *c;
            text[n - 1] = known ? *c : '.';
        }
    }
    text[n] = 0;
    add(line, "\"%s\":%s", key, isfinite(value) ? text : "null");
}

double opu_running_loss(const struct opu_running *running)
{
    return running->rows ? running->loss / (double)running->rows : (double)NAN;
}

double opu_running_accuracy(const struct opu_running *running)
{
    return running->rows ? (double)running->correct / (double)running->rows : (double)NAN;
}

static void add_alignment(struct line *line, const struct opu_epoch_metrics *metrics)
{
    add(line, ",\"alignment\":[");
    for (size_t i = 0; i < metrics->n_taps; i++) {
        const struct opu_tap_alignment *a = &metrics->alignment[i];
        add(line, "%s{\"tap\":\"%s\",", i ? "," : "", a->tap);
        add_number(line, "mean", a->mean);
        add(line, ",");
        add_number(line, "std", a->std);
        add(line, ",\"counted\":%" PRIu64 ",\"left_out\":%" PRIu64 "}", a->counted, a->left_out);
    }
    add(line, "]");
}

int opu_metrics_line(char text[OPU_METRICS_LINE_SIZE], const struct opu_epoch_metrics *metrics)
{
    struct line line = {.text = text, .size = OPU_METRICS_LINE_SIZE};
    struct number const numbers[] = {
        {"train_loss", metrics->train_loss},
        {"train_accuracy", metrics->train_accuracy},
        {"test_loss", metrics->scores->test_loss},
        {"test_accuracy", metrics->scores->test_accuracy},
        {"lr", metrics->lr},
    };
    /* What not every task has. */
    struct number const others[] = {
        {"valid_loss", metrics->scores->valid_loss},
        {"valid_accuracy", metrics->scores->valid_accuracy},
        {"valid_auc", metrics->scores->valid_auc},
        {"valid_ap", metrics->scores->valid_ap},
        {"test_auc", metrics->scores->test_auc},
        {"test_ap", metrics->scores->test_ap},
    };
    add(&line, "{\"epoch\":%" PRIu64, metrics->epoch);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        add(&line, ",");
        add_number(&line, numbers[i].key, numbers[i].value);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (isfinite(others[i].value)) {
            add(&line, ",");
            add_number(&line, others[i].key, others[i].value);
        }
    }
    add_alignment(&line, metrics);
    add(&line, ",\"frames\":%" PRIu64 ",\"saturated\":%" PRIu64 ",", metrics->optical.frames,
        metrics->optical.saturated);
    add_number(&line, "correlation", metrics->correlation);
    add(&line, ",\"recalibrations\":%" PRIu64 "}\n", metrics->recalibrations);
    if (line.n >= OPU_METRICS_LINE_SIZE) {
        return opu_fail(OPU_E_INVALID, "the metrics of %zu taps make a line of %zu bytes, %d fit",
                        metrics->n_taps, line.n, OPU_METRICS_LINE_SIZE - 1);
    }
    return OPU_OK;
}

void opu_probe_line(char text[OPU_METRICS_LINE_SIZE], const struct opu_probe_metrics *metrics)
{
    struct line line = {.text = text, .size = OPU_METRICS_LINE_SIZE};
    add(&line, "{\"probe\":%" PRIu64 ",\"epoch\":%" PRIu64 ",\"step\":%" PRIu64 ",", metrics->probe,
        metrics->epoch, metrics->step);
    add_number(&line, "device_s", metrics->device_s);
    add(&line, ",");
    add_number(&line, "correlation", metrics->correlation);
    add(&line, ",\"recalibrated\":%s}\n", metrics->recalibrated ? "true" : "false");
}

void opu_timing_line(char text[OPU_METRICS_LINE_SIZE], uint64_t epoch,
                     const struct opu_running *running, double evaluate_s)
{
    struct line line = {.text = text, .size = OPU_METRICS_LINE_SIZE};
    add(&line, "{\"epoch\":%" PRIu64 ",", epoch);
    add_number(&line, "seconds", running->seconds);
    add(&line, ",");
    add_number(&line, "rows_per_second",
               running->seconds > 0 ? (double)running->rows / running->seconds : (double)NAN);
    add(&line, ",");
    add_number(&line, "evaluate_seconds", evaluate_s);
    add(&line, "}\n");
}
