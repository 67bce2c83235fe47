/* SPDX-License-Identifier: MIT */
/*
 * A sweep's values: a list, of which an item may be a range, "1..12", "0..100:10" (whole numbers)
 * or "1e-4..1e-2*10" (each the last one times the factor). Where a value holds commas itself, the
 * list is cut at semicolons.
 */
#include "tools/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int add(struct compare_sweep *sweep, const char *value, size_t length)
{
    if (length == 0 || length >= OPU_OPTION_TEXT_SIZE) {
        return opu_fail(OPU_E_INVALID, "--sweep %s: saw a value of %zu bytes, wanted 1 to %d",
                        sweep->key, length, OPU_OPTION_TEXT_SIZE - 1);
    }
    if (sweep->n == COMPARE_MAX_VALUES) {
        return opu_fail(OPU_E_INVALID, "--sweep %s: more than %d values", sweep->key,
                        COMPARE_MAX_VALUES);
    }
    char *const slot = sweep->value[sweep->n];
    memcpy(slot, value, length);
    slot[length] = 0;
    for (size_t i = 0; i < sweep->n; i++) {
        if (strcmp(sweep->value[i], slot) == 0) {
            return opu_fail(OPU_E_INVALID, "--sweep %s: the value '%s' is given twice", sweep->key,
                            slot);
        }
    }
    sweep->n++;
    return OPU_OK;
}

static int add_number(struct compare_sweep *sweep, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.10g", value);
    return add(sweep, text, strlen(text));
}

/* A number at *at, which is moved behind it; false: there is none. */
static bool take(const char **at, double *value)
{
    char *end = NULL;
    bool const starts = **at == '-' || (**at >= '0' && **at <= '9');
    char digits[64];
    /* "1..12": strtod() would read "1." and leave ".12". */
    size_t n = strcspn(*at, ":*");
    const char *const dots = strstr(*at, "..");
    n = dots != NULL && (size_t)(dots - *at) < n ? (size_t)(dots - *at) : n;
    if (!starts || n >= sizeof digits) {
        return false;
    }
    memcpy(digits, *at, n);
    digits[n] = 0;
    *value = strtod(digits, &end);
    *at += n;
    return *end == 0 && isfinite(*value);
}

static bool whole(double value)
{
    return fabs(value) < 1e15 && !(value < floor(value)) && !(value > floor(value));
}

static int refuse(const struct compare_sweep *sweep, const char *item)
{
    return opu_fail(OPU_E_INVALID,
                    "--sweep %s: saw '%s', wanted whole numbers FIRST..LAST or FIRST..LAST:STEP, "
                    "or FIRST..LAST*FACTOR with FIRST above 0 and a factor above 1",
                    sweep->key, item);
}

static int add_range(struct compare_sweep *sweep, const char *item)
{
    const char *at = item;
    double first = 0.0, last = 0.0, by = 1.0;
    bool good = take(&at, &first) && strncmp(at, "..", 2) == 0;
    at += good ? 2 : 0;
    good = good && take(&at, &last) && last >= first;
    bool const times = good && *at == '*';
    if (good && (*at == ':' || *at == '*')) {
        at++;
        good = take(&at, &by);
    }
    good =
        good && *at == 0 &&
        (times ? first > 0.0 && by > 1.0 : whole(first) && whole(last) && whole(by) && by >= 1.0);
    if (!good) {
        return refuse(sweep, item);
    }
    int status = OPU_OK;
    for (int k = 0; status == OPU_OK; k++) {
        double const value = times ? first * pow(by, k) : first + by * k;
        if (value > last * (times ? 1.0 + 1e-9 : 1.0) + (times ? 0.0 : 1e-9)) {
            break;
        }
        status = add_number(sweep, value);
    }
    return status;
}

int compare_sweep_parse(struct compare_sweep *sweep, const char *text)
{
    const char *const equals = strchr(text, '=');
    *sweep = (struct compare_sweep){.n = 0};
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof sweep->key) {
        return opu_fail(OPU_E_INVALID,
                        "--sweep: saw '%s', wanted KEY=VALUES such as sim.read_noise=0,10,30",
                        text);
    }
    memcpy(sweep->key, text, (size_t)(equals - text));
    const char *const cut = strchr(equals, ';') != NULL ? ";" : ",";
    int status = OPU_OK;
    for (const char *at = equals + 1; status == OPU_OK; at++) {
        size_t const length = strcspn(at, cut);
        char item[OPU_OPTION_TEXT_SIZE];
        snprintf(item, sizeof item, "%.*s", (int)(length < sizeof item ? length : 0), at);
        bool const range = strstr(item, "..") != NULL &&
                           (item[0] == '-' || item[0] == '.' || (item[0] >= '0' && item[0] <= '9'));
        status = range ? add_range(sweep, item) : add(sweep, at, length);
        at += length;
        if (*at == 0) {
            break;
        }
    }
    if (status == OPU_OK && sweep->n < 2) {
        status = opu_fail(OPU_E_INVALID, "--sweep %s: one value is no sweep; use --set %s",
                          sweep->key, text);
    }
    return status;
}
