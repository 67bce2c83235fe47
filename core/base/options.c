/* SPDX-License-Identifier: MIT */
/* Options of a table: defaults, strict parsing, sentences that help, and writing back. */
#include "core/base/options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/number.h"

/* Sentences show this much of a user's text. */
#define SHOWN 80
/* The longest key that is compared with a misspelt one. */
#define KEY_MAX 64
/* Whole numbers that a double bound and a JSON document can hold exactly. */
#define UINT_LIMIT (UINT64_C(1) << 53)

static void *member(const struct opu_option *option, void *target)
{
    return (char *)target + option->offset;
}

static const void *member_const(const struct opu_option *option, const void *target)
{
    return (const char *)target + option->offset;
}

static bool bounded(const struct opu_option *option)
{
    return option->min < 0.0 || option->min > 0.0 || option->max < 0.0 || option->max > 0.0;
}

static int refuse(const struct opu_option *option, const char *where, const char *value,
                  const char *wanted)
{
    return opu_fail(OPU_E_INVALID, "%s option '%s': saw '%.*s', wanted %s", where, option->key,
                    SHOWN, value, wanted);
}

static int refuse_number(const struct opu_option *option, const char *where, const char *value)
{
    const char *const kind = option->type == OPU_OPTION_UINT ? "a whole number" : "a number";
    const char *const unit = option->unit != NULL ? option->unit : "";
    char wanted[160];
    if (bounded(option)) {
        char low[32];
        char high[32];
        opu_number_format(low, option->min);
        opu_number_format(high, option->max);
        (void)snprintf(wanted, sizeof wanted, "%s from %s to %s%s%s", kind, low, high,
                       *unit != '\0' ? " " : "", unit);
    } else {
        (void)snprintf(wanted, sizeof wanted, "%s%s%s%s", kind,
                       option->type == OPU_OPTION_UINT ? " up to 2^53" : "",
                       *unit != '\0' ? " in " : "", unit);
    }
    return refuse(option, where, value, wanted);
}

static int set_bool(const struct opu_option *option, void *target, const char *where,
                    const char *value)
{
    static const char *const words[] = {"0", "1", "no", "yes", "off", "on", "false", "true"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(value, words[i]) == 0) {
            *(bool *)member(option, target) = i % 2 == 1;
            return OPU_OK;
        }
    }
    return refuse(option, where, value, "0 or 1, no or yes, off or on, false or true");
}

static int set_uint(const struct opu_option *option, void *target, const char *where,
                    const char *value)
{
    uint64_t number;
    if (!opu_number_uint(&number, value) || number > UINT_LIMIT ||
        (bounded(option) && ((double)number < option->min || (double)number > option->max))) {
        return refuse_number(option, where, value);
    }
    *(uint64_t *)member(option, target) = number;
    return OPU_OK;
}

static int set_double(const struct opu_option *option, void *target, const char *where,
                      const char *value)
{
    double number;
    if (!opu_number_double(&number, value) ||
        (bounded(option) && (number < option->min || number > option->max))) {
        return refuse_number(option, where, value);
    }
    *(double *)member(option, target) = number;
    return OPU_OK;
}

static int set_choice(const struct opu_option *option, void *target, const char *where,
                      const char *value)
{
    size_t const length = strlen(value);
    const char *choice = option->choices;
    for (int i = 0;; i++) {
        size_t const n = strcspn(choice, "|");
        if (n == length && memcmp(choice, value, n) == 0) {
            *(int *)member(option, target) = i;
            return OPU_OK;
        }
        if (choice[n] == '\0') {
            break;
        }
        choice += n + 1;
    }
    char wanted[300];
    (void)snprintf(wanted, sizeof wanted, "one of %s", option->choices);
    return refuse(option, where, value, wanted);
}

static int set_text(const struct opu_option *option, void *target, const char *where,
                    const char *value)
{
    size_t const length = strlen(value);
    bool plain = length < OPU_OPTION_TEXT_SIZE;
    for (size_t i = 0; plain && i < length; i++) {
        plain = (unsigned char)value[i] >= 0x20 && value[i] != 0x7f;
    }
    if (!plain) {
        return refuse(option, where, value, "at most 255 bytes without control characters");
    }
    /* All of it, so that equal texts make equal structs. */
    memset(member(option, target), 0, OPU_OPTION_TEXT_SIZE);
    memcpy(member(option, target), value, length);
    return OPU_OK;
}

static int set(const struct opu_option *option, void *target, const char *where, const char *value)
{
    static int (*const setters[])(const struct opu_option *, void *, const char *, const char *) = {
        [OPU_OPTION_BOOL] = set_bool,     [OPU_OPTION_UINT] = set_uint,
        [OPU_OPTION_DOUBLE] = set_double, [OPU_OPTION_CHOICE] = set_choice,
        [OPU_OPTION_TEXT] = set_text,
    };
    return setters[option->type](option, target, where, value);
}

void opu_options_default(const struct opu_option *table, size_t n, void *target)
{
    static const char *const zeros[] = {
        [OPU_OPTION_BOOL] = "0", [OPU_OPTION_UINT] = "0",    [OPU_OPTION_DOUBLE] = "0",
        [OPU_OPTION_TEXT] = "",  [OPU_OPTION_CHOICE] = NULL,
    };
    for (size_t i = 0; i < n; i++) {
        const char *text = table[i].fallback != NULL ? table[i].fallback : zeros[table[i].type];
        if (text == NULL) {
            *(int *)member(&table[i], target) = 0;
            continue;
        }
        int const status = set(&table[i], target, "table:", text);
        assert(status == OPU_OK && "a default lies outside its own range");
        (void)status;
    }
}

const struct opu_option *opu_option_find(const struct opu_option *table, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].key, key) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* Insertions, deletions and substitutions from a to b (Levenshtein); KEY_MAX for long texts. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t const n = strlen(a);
    size_t const m = strlen(b);
    size_t row[KEY_MAX];
    if (n >= KEY_MAX || m >= KEY_MAX) {
        return KEY_MAX;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t const substitute = diagonal + (a[i - 1] != b[j - 1]);
            size_t const change = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = substitute < change ? substitute : change;
        }
    }
    return row[m];
}

static const char *last_part(const char *key)
{
    const char *const dot = strrchr(key, '.');
    return dot != NULL ? dot + 1 : key;
}

/* To the key or to what stands after its section: "lr" is as near to "optim.lr" as can be. */
static size_t distance(const char *typed, const char *key)
{
    size_t const whole = edit_distance(typed, key);
    size_t const part = edit_distance(typed, last_part(key));
    return whole < part ? whole : part;
}

static bool same_section(const char *typed, const char *key)
{
    size_t const n = strcspn(typed, ".");
    return typed[n] == '.' && strncmp(typed, key, n + 1) == 0;
}

/* "'a' or 'b'": the keys that are `nearest` to what was typed, three at most. */
static void list_near(char *text, size_t size, const struct opu_option *table, size_t n,
                      const char *typed, size_t nearest)
{
    size_t shown = 0, used = 0;
    for (size_t i = 0; i < n && shown < 3 && used < size; i++) {
        if (distance(typed, table[i].key) == nearest) {
            used += (size_t)snprintf(text + used, size - used, "%s'%s'", shown > 0 ? " or " : "",
                                     table[i].key);
            shown++;
        }
    }
}

/* "a, b, c": the keys of the typed section, or all; whole ones, and how many more there are. */
static void list_all(char *text, size_t size, const struct opu_option *table, size_t n,
                     const char *typed)
{
    size_t const last_words = sizeof ", and 1000000 more";
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || same_section(typed, table[i].key);
    }
    size_t shown = 0, used = 0, more = 0;
    for (size_t i = 0; i < n; i++) {
        if (any && !same_section(typed, table[i].key)) {
            continue;
        }
        if (more > 0 || used + strlen(table[i].key) + 2 + last_words > size) {
            more++;
            continue;
        }
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", shown > 0 ? ", " : "", table[i].key);
        shown++;
    }
    if (more > 0) {
        (void)snprintf(text + used, size - used, ", and %zu more", more);
    }
}

int opu_option_unknown(const struct opu_option *table, size_t n, const char *where, const char *key)
{
    if (n == 0) {
        return opu_fail(OPU_E_NOT_FOUND, "%s has no option '%.*s'; it has none at all", where,
                        SHOWN, key);
    }
    size_t nearest = KEY_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t const d = distance(key, table[i].key);
        nearest = d < nearest ? d : nearest;
    }
    char keys[320] = "";
    /* Further off than a third of what was typed is no likely slip of the finger; a section says
     * something, but its letters are not to make up for a wrong name. */
    size_t const name = strlen(last_part(key));
    if (nearest < KEY_MAX && nearest <= name / 3 + (name < strlen(key) ? 2 : 1)) {
        list_near(keys, sizeof keys, table, n, key, nearest);
        return opu_fail(OPU_E_NOT_FOUND, "%s has no option '%.*s'; did you mean %s?", where, SHOWN,
                        key, keys);
    }
    list_all(keys, sizeof keys, table, n, key);
    return opu_fail(OPU_E_NOT_FOUND, "%s has no option '%.*s'; it has %s", where, SHOWN, key, keys);
}

int opu_option_set(const struct opu_option *table, size_t n, void *target, const char *where,
                   const char *key, const char *value)
{
    const struct opu_option *const option = opu_option_find(table, n, key);
    return option != NULL ? set(option, target, where, value)
                          : opu_option_unknown(table, n, where, key);
}

/* Name of a choice by its index; an index outside gives "". */
static void format_choice(char *text, size_t size, const char *choice, int index)
{
    for (int i = 0; i < index && *choice != '\0'; i++) {
        choice += strcspn(choice, "|");
        choice += *choice == '|';
    }
    size_t const n = index >= 0 ? strcspn(choice, "|") : 0;
    (void)snprintf(text, size, "%.*s", (int)n, choice);
}

int opu_option_format(const struct opu_option *option, const void *target, char *text, size_t size)
{
    char value[OPU_OPTION_TEXT_SIZE] = "";
    const void *const from = member_const(option, target);
    switch (option->type) {
    case OPU_OPTION_BOOL:
        (void)snprintf(value, sizeof value, "%d", (int)*(const bool *)from);
        break;
    case OPU_OPTION_UINT:
        (void)snprintf(value, sizeof value, "%llu", (unsigned long long)*(const uint64_t *)from);
        break;
    case OPU_OPTION_DOUBLE:
        opu_number_format(value, *(const double *)from);
        break;
    case OPU_OPTION_CHOICE:
        format_choice(value, sizeof value, option->choices, *(const int *)from);
        break;
    case OPU_OPTION_TEXT:
        (void)snprintf(value, sizeof value, "%.*s", OPU_OPTION_TEXT_SIZE - 1, (const char *)from);
        break;
    }
    size_t const length = strlen(value);
    if (length >= size) {
        return opu_fail(OPU_E_INVALID, "option '%s': room for %zu bytes, wanted %zu", option->key,
                        size, length + 1);
    }
    memcpy(text, value, length + 1);
    return OPU_OK;
}
