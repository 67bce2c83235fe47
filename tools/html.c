/* SPDX-License-Identifier: MIT */
/* A text that grows, and the escapes of HTML. */
#include "tools/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct html *html, size_t more)
{
    if (html->failed || more > SIZE_MAX / 4 - html->n) {
        html->failed = true;
        return false;
    }
    if (html->n + more < html->room) {
        return true;
    }
    size_t const room = 2 * (html->n + more) + 4096;
    char *const text = realloc(html->text, room);
    if (text == NULL) {
        html->failed = true;
        return false;
    }
    html->text = text;
    html->room = room;
    return true;
}

void html_bytes(struct html *html, const char *bytes, size_t n)
{
    if (reserve(html, n + 1)) {
        memcpy(html->text + html->n, bytes, n);
        html->n += n;
        html->text[html->n] = 0;
    }
}

void html_add(struct html *html, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int const n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n >= 0 && reserve(html, (size_t)n + 1)) {
        vsnprintf(html->text + html->n, (size_t)n + 1, format, again);
        html->n += (size_t)n;
    } else {
        html->failed = true;
    }
    va_end(again);
}

void html_escape(struct html *html, const char *text)
{
    for (const char *at = text; at != NULL && *at != 0; at++) {
        switch (*at) {
        case '&':
            html_add(html, "&amp;");
            break;
        case '<':
            html_add(html, "&lt;");
            break;
        case '>':
            html_add(html, "&gt;");
            break;
        case '"':
            html_add(html, "&quot;");
            break;
        case '\'':
            html_add(html, "&#39;");
            break;
        default:
            html_bytes(html, (unsigned char)*at < 32 ? " " : at, 1);
        }
    }
}

void html_base64(struct html *html, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t const word = (uint32_t)bytes[i] << 16 |
                              (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) |
                              (i + 2 < n ? (uint32_t)bytes[i + 2] : 0);
        char const four[4] = {digits[word >> 18], digits[word >> 12 & 63],
                              i + 1 < n ? digits[word >> 6 & 63] : '=',
                              i + 2 < n ? digits[word & 63] : '='};
        html_bytes(html, four, 4);
    }
}

void html_free(struct html *html)
{
    free(html->text);
    *html = (struct html){.text = NULL};
}
