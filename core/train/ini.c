/* SPDX-License-Identifier: MIT */
/*
 * .ini text through inih. Lines are handed to it one by one by our own reader, which knows their
 * numbers, refuses those that inih would cut, and tells a continued value from a repeated key.
 */
#include "core/train/ini.h"

#include <stdio.h>
#include <string.h>

#include <ini.h>

#include "core/base/fail.h"

#define NAME_SIZE 64
#define VALUE_SIZE 512
#define FOLD 120

struct reading {
    const char *at, *where;
    opu_ini_pair_fn fn;
    void *user;
    size_t line; /* number of the line inih is at */
    bool indented;
    int status;
    size_t failed_line; /* what status is about */
    /* The pair that a further line may still continue. */
    bool pending;
    size_t pending_line;
    char section[NAME_SIZE], key[NAME_SIZE], value[VALUE_SIZE];
};

/* Hands the pending pair on, with the place in front of a failure's sentence. */
static void flush(struct reading *r)
{
    if (!r->pending || r->status < 0) {
        return;
    }
    r->pending = false;
    r->status = r->fn(r->user, r->section, r->key, r->value);
    if (r->status < 0) {
        char sentence[400];
        (void)snprintf(sentence, sizeof sentence, "%s", opu_error_message());
        r->failed_line = r->pending_line;
        r->status = opu_fail(r->status, "%s:%zu: %s", r->where, r->pending_line, sentence);
    }
}

/* inih's reader: the next line with its end, or NULL. */
static char *next_line(char *line, int size, void *user)
{
    struct reading *r = user;
    if (r->status < 0 || !*r->at) {
        return NULL;
    }
    r->line++;
    size_t const n = strcspn(r->at, "\n");
    if (n > OPU_INI_MAX_LINE || n + 2 > (size_t)size) {
        r->failed_line = r->line;
        r->status = opu_fail(OPU_E_FORMAT, "%s:%zu: a line of %zu bytes, at most %d are read",
                             r->where, r->line, n, OPU_INI_MAX_LINE);
        return NULL;
    }
    size_t const whole = n + (r->at[n] == '\n');
    memcpy(line, r->at, whole);
    line[whole] = 0;
    r->at += whole;
    r->indented = *line == ' ' || *line == '\t';
    if (*line == '[') {
        flush(r);
    }
    return line;
}

static bool copy(char *to, size_t size, const char *from)
{
    int const n = snprintf(to, size, "%s", from);
    return n >= 0 && (size_t)n < size;
}

/* inih's handler; 0 is a failure. */
static int take(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;
    if (r->status < 0) {
        return 0;
    }
    bool fits;
    if (r->indented && r->pending) {
        size_t const n = strlen(r->value);
        fits = copy(r->value + n, sizeof r->value - n, value);
    } else {
        flush(r);
        r->pending = r->status == OPU_OK;
        r->pending_line = r->line;
        fits = copy(r->section, sizeof r->section, section) && copy(r->key, sizeof r->key, key) &&
               copy(r->value, sizeof r->value, value);
    }
    if (!fits && r->status == OPU_OK) {
        r->failed_line = r->line;
        r->status = opu_fail(OPU_E_FORMAT, "%s:%zu: the value of %s.%s has over %d bytes", r->where,
                             r->line, section, key, VALUE_SIZE - 1);
    }
    return r->status == OPU_OK;
}

int opu_ini_parse(const char *text, const char *where, opu_ini_pair_fn fn, void *user)
{
    struct reading r = {.at = text, .where = where, .fn = fn, .user = user};
    int const bad_line = ini_parse_stream(next_line, &r, take, &r);
    flush(&r);
    /* inih goes on after a line it can't read: what came first is told. */
    if (bad_line > 0 && (r.status == OPU_OK || (size_t)bad_line < r.failed_line)) {
        return opu_fail(OPU_E_FORMAT, "%s:%d: neither \"[section]\" nor \"key = value\"", where,
                        bad_line);
    }
    if (bad_line < 0) {
        return opu_fail(OPU_E_NO_MEMORY, "%s: no memory to read it", where);
    }
    return r.status;
}

/* Length of the piece of a value that the next line holds; 0: can't be written. */
static size_t piece(const char *value)
{
    size_t const n = strlen(value);
    if (n <= FOLD) {
        return n;
    }
    size_t k = FOLD;
    while (k > 0 && (strchr(" \t;#", value[k]) || strchr(" \t", value[k - 1]))) {
        k--;
    }
    return k;
}

bool opu_ini_can_hold(const char *value)
{
    size_t const n = strlen(value);
    if (n == 0) {
        return true;
    }
    if (value[0] == ' ' || value[0] == ';' || value[n - 1] == ' ' || strstr(value, " ;")) {
        return false;
    }
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return false;
        }
    }
    while (*value) {
        size_t const k = piece(value);
        if (k == 0) {
            return false;
        }
        value += k;
    }
    return true;
}

static void put(char *text, size_t size, size_t *n, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++, (*n)++) {
        if (*n < size) {
            text[*n] = bytes[i];
        }
    }
}

void opu_ini_write(char *text, size_t size, size_t *n, const char *key, const char *value)
{
    put(text, size, n, key, strlen(key));
    put(text, size, n, " = ", 3);
    for (;;) {
        size_t const k = piece(value);
        put(text, size, n, value, k);
        put(text, size, n, "\n", 1);
        value += k;
        if (k == 0 || !*value) {
            return;
        }
        put(text, size, n, "    ", 4);
    }
}
