/* SPDX-License-Identifier: MIT */
/* The rows of opu check: kept, judged, printed by groups, and as a document. */
#include "tools/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdicts[] = {
    [CHECK_NONE] = "-", [CHECK_PASS] = "PASS", [CHECK_FAIL] = "FAIL"};
static const char *const colours[] = {
    [CHECK_NONE] = "", [CHECK_PASS] = "\033[32m", [CHECK_FAIL] = "\033[31m"};

enum check_verdict check_verdict_of(bool pass)
{
    return pass ? CHECK_PASS : CHECK_FAIL;
}

const char *check_verdict_name(enum check_verdict verdict)
{
    return verdicts[verdict];
}

uint64_t check_random(struct check *check)
{
    uint64_t z = check->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

enum { NAME_COLUMNS = 46 };

static char *copy_text(struct check *check, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t const n = strlen(text) + 1;
    char *const copy = malloc(n);
    if (copy == NULL) {
        check->no_memory = true;
        return NULL;
    }
    return memcpy(copy, text, n);
}

static double *copy_numbers(struct check *check, const double *numbers, size_t n)
{
    double *const copy = numbers != NULL ? malloc((n + 1) * sizeof *copy) : NULL;
    if (copy != NULL) {
        memcpy(copy, numbers, n * sizeof *copy);
    }
    check->no_memory = check->no_memory || (numbers != NULL && copy == NULL);
    return copy;
}

static struct check_row *new_row(struct check *check)
{
    if (check->n_rows == check->room) {
        size_t const room = 2 * check->room + 32;
        struct check_row *const rows = realloc(check->rows, room * sizeof *rows);
        if (rows == NULL) {
            check->no_memory = true;
            return NULL;
        }
        check->rows = rows;
        check->room = room;
    }
    struct check_row *const row = &check->rows[check->n_rows++];
    *row = (struct check_row){.low = (double)NAN, .high = (double)NAN};
    return row;
}

void check_add(struct check *check, const char *name, double value, const char *unit,
               enum check_verdict verdict, const char *format, ...)
{
    struct check_row *const row = new_row(check);
    char wanted[192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(wanted, sizeof wanted, format, arguments);
    va_end(arguments);
    if (row != NULL) {
        row->group = copy_text(check, check->group);
        row->name = copy_text(check, name);
        row->unit = copy_text(check, unit);
        row->wanted = copy_text(check, wanted);
        row->value = value;
        row->verdict = verdict;
    }
}

/* "<= 3e-05", "2 +- 0.1", "0.9 to 1.2", "for information". */
static void describe_bar(char *text, size_t n, const struct opu_check_row *row)
{
    bool const below = isfinite(row->high), above = isfinite(row->low);
    double const middle = 0.5 * (row->low + row->high), half = 0.5 * (row->high - row->low);
    if (!below && !above) {
        snprintf(text, n, "for information");
    } else if (!above) {
        snprintf(text, n, "<= %.4g", row->high);
    } else if (!below) {
        snprintf(text, n, ">= %.4g", row->low);
    } else if (row->low == 0.0) {
        snprintf(text, n, "0 to %.4g", row->high);
    } else if (fabs(middle) < 1e-9 * half) {
        snprintf(text, n, "0 +- %.2g", half);
    } else {
        /* As many digits of the middle as the half width's two have. */
        double const digits = ceil(log10(fabs(middle) / half)) + 2.0;
        snprintf(text, n, "%.*g +- %.2g", half > 0.0 ? (int)fmin(8.0, fmax(3.0, digits)) : 6,
                 middle, half);
    }
}

static void copy_curve(struct check *check, struct check_curve *to,
                       const struct opu_check_curve *from)
{
    *to = (struct check_curve){.title = copy_text(check, from->title),
                               .x_label = copy_text(check, from->x_label),
                               .y_label = copy_text(check, from->y_label),
                               .x = copy_numbers(check, from->x, from->n),
                               .measured = copy_numbers(check, from->measured, from->n),
                               .expected = copy_numbers(check, from->expected, from->n),
                               .n = from->n};
    if (check->no_memory) {
        to->n = 0;
    }
}

void check_take(struct check *check, const struct opu_check_row *from, bool own, const char *why)
{
    struct check_row *const row = new_row(check);
    char wanted[384];
    if (row == NULL) {
        return;
    }
    describe_bar(wanted, sizeof wanted, from);
    if (why != NULL) {
        size_t const used = strlen(wanted);
        snprintf(wanted + used, sizeof wanted - used, " (%s)", why);
    }
    row->own = own;
    row->test = copy_text(check, from->test);
    row->group = copy_text(check, own && from->group != NULL ? from->group : check->group);
    row->name = copy_text(check, from->name);
    row->formula = copy_text(check, from->formula);
    row->drawn = copy_text(check, from->drawn);
    row->unit = copy_text(check, from->unit);
    row->wanted = copy_text(check, wanted);
    row->value = from->value;
    row->low = from->low;
    row->high = from->high;
    row->samples = from->samples;
    row->verdict = isinf(from->low) && isinf(from->high) ? CHECK_NONE
                                                         : check_verdict_of(opu_check_passes(from));
    if (from->curve != NULL && from->curve->n > 0) {
        copy_curve(check, &row->curve, from->curve);
    }
}

void check_explain(struct check *check, const char *formula, double samples)
{
    if (check->n_rows > 0) {
        struct check_row *const row = &check->rows[check->n_rows - 1];
        free(row->formula);
        row->formula = copy_text(check, formula);
        row->samples = samples;
    }
}

struct check_curve *check_latest_curve(struct check *check)
{
    struct check_curve *const curve =
        check->n_rows > 0 ? &check->rows[check->n_rows - 1].curve : NULL;
    return curve != NULL && curve->n > 0 ? curve : NULL;
}

size_t check_failures(const struct check *check)
{
    size_t n = 0;
    for (size_t i = 0; i < check->n_rows; i++) {
        n += check->rows[i].verdict == CHECK_FAIL;
    }
    return n;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Where a test's formula was told already, among the rows above of the same group. */
static bool formula_told(const struct check *check, size_t i)
{
    const struct check_row *const row = &check->rows[i];
    for (size_t k = i; k-- > 0 && check->rows[k].own == row->own &&
                       strcmp(or_empty(check->rows[k].group), or_empty(row->group)) == 0;) {
        if (strcmp(or_empty(check->rows[k].formula), row->formula) == 0) {
            return true;
        }
    }
    return false;
}

static void print_row(const struct check *check, const struct check_row *row)
{
    bool const colour = check->cli->colour && row->verdict != CHECK_NONE;
    char value[64], name[160];
    snprintf(value, sizeof value, isnan(row->value) ? "-" : "%.5g %s", row->value,
             or_empty(row->unit));
    snprintf(name, sizeof name, "%s%s%s", or_empty(row->test), row->test != NULL ? " " : "",
             or_empty(row->name));
    bool const long_name = strlen(name) > NAME_COLUMNS;
    printf("  %-*s", NAME_COLUMNS, name);
    if (long_name) {
        printf("\n  %*s", NAME_COLUMNS, "");
    }
    printf(" %-16s %s%-4s%s  %s", value, colour ? colours[row->verdict] : "",
           verdicts[row->verdict], colour ? "\033[0m" : "", or_empty(row->wanted));
    if (row->samples > 0.0) {
        printf("; %.6g samples", row->samples);
    }
    printf("%s%s\n", row->drawn != NULL ? "; " : "", or_empty(row->drawn));
}

void check_print(const struct check *check, const char *projection, const char *work)
{
    printf("device %s, %zu inputs, %zu outputs%s%s\nidentity %s\n", opu_device_uri(check->device),
           check->n_in, check->n_out, projection[0] != 0 ? "; " : "", projection,
           opu_device_identity(check->device));
    if (work[0] != 0) {
        printf("work %s\n", work);
    }
    printf("seed %llu\n", (unsigned long long)check->seed);
    const char *heading = "";
    bool own = false;
    for (size_t i = 0; i < check->n_rows; i++) {
        const struct check_row *const row = &check->rows[i];
        if (strcmp(or_empty(row->group), heading) != 0 || row->own != own) {
            heading = or_empty(row->group);
            own = row->own;
            printf("\n%s%s\n", heading, own ? " (the device's own tests)" : "");
        }
        print_row(check, row);
        if (row->formula != NULL && !formula_told(check, i)) {
            printf("      %s\n", row->formula);
        }
    }
    size_t const failed = check_failures(check);
    if (failed > 0) {
        printf("\n%zu of %zu rows failed\n", failed, check->n_rows);
    }
}

static json_t *numbers_json(const double *numbers, size_t n)
{
    json_t *const list = json_array();
    for (size_t i = 0; numbers != NULL && i < n; i++) {
        json_array_append_new(list, cli_json_real(numbers[i]));
    }
    return list;
}

static json_t *curve_json(const struct check_curve *curve)
{
    return json_pack(
        "{s:s?, s:s?, s:s?, s:o, s:o, s:o}", "title", curve->title, "x_label", curve->x_label,
        "y_label", curve->y_label, "x", numbers_json(curve->x, curve->n), "measured",
        numbers_json(curve->measured, curve->n), "expected",
        curve->expected != NULL ? numbers_json(curve->expected, curve->n) : json_null());
}

static json_t *row_json(const struct check_row *row)
{
    json_t *const object =
        json_pack("{s:s?, s:s?, s:s?, s:o, s:s?, s:s?, s:s, s:o, s:o, s:o, s:s?, s:s?, s:b}",
                  "test", row->test, "group", row->group, "name", row->name, "value",
                  cli_json_real(row->value), "unit", row->unit, "wanted", row->wanted, "verdict",
                  verdicts[row->verdict], "low", cli_json_real(row->low), "high",
                  cli_json_real(row->high), "samples", cli_json_real(row->samples), "formula",
                  row->formula, "drawn", row->drawn, "own", (int)row->own);
    if (row->curve.n > 0) {
        json_object_set_new(object, "curve", curve_json(&row->curve));
    }
    return object;
}

json_t *check_document(const struct check *check, const char *projection, const char *work)
{
    json_t *const result = cli_json_new(check->cli), *const rows = json_array();
    json_object_set_new(result, "device", json_string(opu_device_uri(check->device)));
    json_object_set_new(result, "identity", json_string(opu_device_identity(check->device)));
    json_object_set_new(result, "projection", json_string(projection));
    json_object_set_new(result, "work", json_string(work));
    json_object_set_new(result, "seed", json_integer((json_int_t)check->seed));
    for (size_t i = 0; i < check->n_rows; i++) {
        json_array_append_new(rows, row_json(&check->rows[i]));
    }
    json_object_set_new(result, "rows", rows);
    json_object_set_new(result, "failed", json_integer((json_int_t)check_failures(check)));
    return result;
}

void check_free_rows(struct check *check)
{
    for (size_t i = 0; i < check->n_rows; i++) {
        struct check_row *const row = &check->rows[i];
        struct check_curve *const curve = &row->curve;
        char *const texts[] = {row->test,      row->group,    row->name,   row->formula,
                               row->drawn,     row->unit,     row->wanted, curve->title,
                               curve->x_label, curve->y_label};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            free(texts[k]);
        }
        for (size_t k = 0; curve->names != NULL && k < curve->n; k++) {
            free(curve->names[k]);
        }
        free((void *)curve->names);
        free(curve->x);
        free(curve->measured);
        free(curve->expected);
    }
    free(check->rows);
    check->rows = NULL;
    check->n_rows = check->room = 0;
}
