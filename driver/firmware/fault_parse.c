/* SPDX-License-Identifier: MIT */
/* A plan of faults from text: "stall=0.01,seed=7". */
#include "driver/firmware/fault.h"

#include <string.h>

/* Decimal digits; *end behind them. */
static bool read_uint(uint64_t *to, const char *text, const char **end)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t const digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *to = value;
    *end = at;
    return at > text;
}

/* digits[.digits][e-digits], in every locale, 0 to 1. */
static bool read_rate(double *to, const char *text, const char **end)
{
    double value = 0.0;
    double scale = 1.0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10.0 + (double)(*at - '0');
    }
    bool any = at > text;
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++) {
            value = value * 10.0 + (double)(*at - '0');
            scale *= 10.0;
            any = true;
        }
    }
    if (any && at[0] == 'e' && at[1] == '-') {
        uint64_t power;
        if (!read_uint(&power, at + 2, &at) || power > 300) {
            return false;
        }
        for (; power > 0; power--) {
            scale *= 10.0;
        }
    }
    *to = value / scale;
    *end = at;
    return any && *to >= 0.0 && *to <= 1.0;
}

/* "key=value" at text; *end behind it. */
static bool read_pair(struct opu_fault_plan *plan, const char *text, const char **end)
{
    size_t const n = strcspn(text, "=,");
    const char *const value = text + n + 1;
    if (text[n] != '=') {
        return false;
    }
    if (n == 4 && strncmp(text, "seed", n) == 0) {
        return read_uint(&plan->seed, value, end);
    }
    double rate;
    bool known = false;
    if (!read_rate(&rate, value, end)) {
        return false;
    }
    for (size_t kind = 0; kind < OPU_FAULT_KINDS; kind++) {
        const char *const name = opu_fault_names[kind];
        bool const all = n == 3 && strncmp(text, "all", n) == 0;
        if (all || (strlen(name) == n && strncmp(text, name, n) == 0)) {
            plan->rate[kind] = rate;
            known = true;
        }
    }
    return known;
}

bool opu_fault_parse(struct opu_fault_plan *plan, const char *text, const char **bad)
{
    struct opu_fault_plan read = {.seed = 1};
    const char *at = text;
    for (;;) {
        const char *end = at;
        *bad = at;
        if (!read_pair(&read, at, &end) || (*end != ',' && *end != '\0')) {
            return false;
        }
        if (*end == '\0') {
            *plan = read;
            *bad = NULL;
            return true;
        }
        at = end + 1;
    }
}
