/* SPDX-License-Identifier: MIT */
/* Device URIs: cut in place, nothing allocated, every byte looked at before it is used. */
#include "core/device/uri.h"

#include <string.h>

#include "core/base/fail.h"

static bool scheme_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool key_char(char c)
{
    return scheme_char(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
}

/* Copies, measuring as it goes: the text may be hostile and long. */
static int take(struct opu_uri *uri, const char *text)
{
    size_t n = 0;
    for (; text[n] != '\0'; n++) {
        if (n == OPU_URI_LENGTH) {
            return opu_fail(OPU_E_INVALID, "device URI \"%.24s...\": wanted at most %d bytes", text,
                            OPU_URI_LENGTH);
        }
        if ((unsigned char)text[n] < 0x20 || text[n] == 0x7f) {
            return opu_fail(OPU_E_INVALID, "device URI: byte %zu is control character 0x%02x",
                            n + 1, (unsigned)(unsigned char)text[n]);
        }
        uri->text[n] = text[n];
    }
    uri->text[n] = '\0';
    return OPU_OK;
}

static int refuse_twice(const struct opu_uri *uri, const char *key, const char *first,
                        const char *then)
{
    return opu_fail(OPU_E_INVALID,
                    "device URI of scheme \"%s\": \"%.40s\" is given twice, first as \"%.40s\", "
                    "then as \"%.40s\"",
                    uri->scheme, key, first, then);
}

/* NULL: there is no such key. */
static const char *value_of(const struct opu_uri *uri, const char *key)
{
    for (size_t i = 0; i < uri->n_pairs; i++) {
        if (strcmp(uri->pairs[i].key, key) == 0) {
            return uri->pairs[i].value;
        }
    }
    return NULL;
}

/* The first item where it has no "=": a value alone. Its key is the empty text that ends the
 * scheme. */
static bool cut_value(struct opu_uri *uri, char **cursor)
{
    char *const value = *cursor;
    size_t const n = strcspn(value, "=,");
    if (n == 0 || value[n] == '=' || (value[n] == ',' && value[n + 1] == '\0')) {
        return false;
    }
    *cursor = value[n] == ',' ? value + n + 1 : NULL;
    value[n] = '\0';
    uri->pairs[uri->n_pairs++] =
        (struct opu_uri_pair){.key = uri->text + strlen(uri->scheme), .value = value};
    return true;
}

/* One "key=value" that starts at *cursor; leaves *cursor behind it, NULL at the end. */
static int cut_pair(struct opu_uri *uri, char **cursor)
{
    char *const key = *cursor;
    char *end = key;
    while (key_char(*end)) {
        end++;
    }
    if (end == key || *end != '=') {
        return opu_fail(OPU_E_INVALID,
                        "device URI of scheme \"%s\": saw \"%.40s\", wanted key=value", uri->scheme,
                        key);
    }
    *end = '\0';
    char *const value = end + 1;
    bool const rest = strcmp(key, "of") == 0;
    char *const comma = rest ? NULL : strchr(value, ',');
    if (comma != NULL) {
        *comma = '\0';
    }
    *cursor = comma != NULL ? comma + 1 : NULL;
    const char *const before = value_of(uri, key);
    if (before != NULL) {
        return refuse_twice(uri, key, before, value);
    }
    if (uri->n_pairs == OPU_URI_PAIRS) {
        return opu_fail(OPU_E_INVALID, "device URI of scheme \"%s\": more than %d options",
                        uri->scheme, OPU_URI_PAIRS);
    }
    uri->pairs[uri->n_pairs++] = (struct opu_uri_pair){.key = key, .value = value};
    return OPU_OK;
}

int opu_uri_parse(struct opu_uri *uri, const char *text)
{
    uri->scheme = "";
    uri->n_pairs = 0;
    uri->text[0] = '\0';
    if (text == NULL) {
        return opu_fail(OPU_E_INVALID, "device URI: saw NULL, wanted text such as \"sim:seed=7\"");
    }
    OPU_TRY(take(uri, text));
    char *end = uri->text;
    while (scheme_char(*end)) {
        end++;
    }
    if (end == uri->text || (*end != ':' && *end != '\0')) {
        return opu_fail(OPU_E_INVALID,
                        "device URI \"%.40s\": wanted a scheme of lower-case letters and digits, "
                        "then \":\", such as \"sim:seed=7\"",
                        text);
    }
    char *cursor = *end == ':' && end[1] != '\0' ? end + 1 : NULL;
    *end = '\0';
    uri->scheme = uri->text;
    if (cursor != NULL && cut_value(uri, &cursor) && cursor == NULL) {
        return OPU_OK;
    }
    while (cursor != NULL) {
        OPU_TRY(cut_pair(uri, &cursor));
    }
    return OPU_OK;
}

int opu_uri_name(struct opu_uri *uri, const struct opu_option *table, size_t n)
{
    if (uri->n_pairs == 0 || uri->pairs[0].key[0] != '\0') {
        return OPU_OK;
    }
    size_t i = 0;
    while (i < n && !table[i].positional) {
        i++;
    }
    if (i == n) {
        return opu_fail(OPU_E_INVALID,
                        "device URI of scheme \"%s\": saw \"%.40s\", wanted key=value", uri->scheme,
                        uri->pairs[0].value);
    }
    const char *const again = value_of(uri, table[i].key);
    if (again != NULL) {
        return refuse_twice(uri, table[i].key, uri->pairs[0].value, again);
    }
    uri->pairs[0].key = table[i].key;
    return OPU_OK;
}
