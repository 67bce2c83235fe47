/* SPDX-License-Identifier: MIT */
/* Strict, locale-independent numbers. strtod() and printf() run under the "C" locale of this
 * thread. */
#include "core/base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool opu_number_uint(uint64_t *out, const char *text)
{
    uint64_t value = 0;
    if (!is_digit(*text)) {
        return false;
    }
    for (; is_digit(*text); text++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return *text == '\0';
}

static size_t skip_digits(const char **text)
{
    const char *const start = *text;
    while (is_digit(**text)) {
        (*text)++;
    }
    return (size_t)(*text - start);
}

static bool is_double(const char *text)
{
    if (*text == '-') {
        text++;
    }
    size_t digits = skip_digits(&text);
    if (*text == '.') {
        text++;
        digits += skip_digits(&text);
    }
    if (digits == 0) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-') {
            text++;
        }
        if (skip_digits(&text) == 0) {
            return false;
        }
    }
    return *text == '\0';
}

/* glibc hands out "C" without an allocation; where there is none, the program's locale has to do.
 */
static locale_t enter_c(locale_t *previous)
{
    locale_t const c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *previous = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
    return c;
}

static void leave_c(locale_t c, locale_t previous)
{
    if (c != (locale_t)0) {
        (void)uselocale(previous);
        freelocale(c);
    }
}

bool opu_number_double(double *out, const char *text)
{
    if (!is_double(text)) {
        return false;
    }
    locale_t previous;
    locale_t const c = enter_c(&previous);
    double const value = strtod(text, NULL);
    leave_c(c, previous);
    if (!isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

void opu_number_format(char text[32], double value)
{
    locale_t previous;
    locale_t const c = enter_c(&previous);
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, 32, "%.*g", digits, value);
        double const back = strtod(text, NULL);
        bool const same = !(back < value || back > value);
        /* 1000 rather than 1e+03 */
        bool const clumsy = fabs(value) < 1e15 && strstr(text, "e+") != NULL;
        if (same && !clumsy) {
            break;
        }
    }
    leave_c(c, previous);
}
