/* SPDX-License-Identifier: MIT */
/* Options of a device, named by keys, put into its URI and read from it. */
#include "core/device/uri_option.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/options.h"
#include "core/device/projection_keys.h"
#include "core/device/registry.h"
#include "core/device/uri.h"

/* A key found in a table. */
struct found {
    const struct opu_option *option;
    bool projection; /* the option is the projection's, not the backend's */
};

static const struct opu_backend *backend_of(const char *key)
{
    char scheme[64];
    size_t const n = strcspn(key, ".");
    if (key[n] != '.' || n >= sizeof scheme) {
        return NULL;
    }
    memcpy(scheme, key, n);
    scheme[n] = 0;
    return opu_backend_find(scheme);
}

bool opu_device_key(const char *key)
{
    return backend_of(key) != NULL || opu_projection_key_find(key) != NULL;
}

const char *opu_device_key_name(const char *key)
{
    const char *const dot = strrchr(key, '.');
    return dot != NULL ? dot + 1 : key;
}

/* "bits" of "sim.camera.bits" is to stand in the table's group "camera". */
static int check_group(const char *key, const struct opu_option *option)
{
    const char *const group = strchr(key, '.');
    const char *const last = strrchr(key, '.');
    size_t const n = group != NULL ? (size_t)(last - group) : 0;
    if (n == 0) {
        return OPU_OK;
    }
    const char *const wanted = option->group != NULL ? option->group : "";
    if (n - 1 != strlen(wanted) || memcmp(group + 1, wanted, n - 1) != 0) {
        return opu_fail(OPU_E_INVALID, "%.80s: no such option; wanted %.*s.%s%s%s", key,
                        (int)strcspn(key, "."), key, wanted, *wanted ? "." : "", option->key);
    }
    return OPU_OK;
}

static int find(struct found *found, struct opu_uri *uri, const char *key)
{
    const struct opu_backend *const named = backend_of(key);
    const struct opu_backend *const backend = opu_backend_find(uri->scheme);
    OPU_TRY(opu_uri_name(uri, backend != NULL ? backend->options : NULL,
                         backend != NULL ? backend->n_options : 0));
    const char *const name = opu_device_key_name(key);
    if (named != NULL && strcmp(named->scheme, uri->scheme) != 0) {
        return opu_fail(OPU_E_INVALID, "%.80s: the device is %.40s:, wanted %s: for this key", key,
                        uri->scheme, named->scheme);
    }
    if (backend != NULL) {
        found->option = opu_option_find(backend->options, backend->n_options, name);
    }
    found->projection = found->option == NULL;
    if (found->projection) {
        found->option = opu_projection_key_find(name);
    }
    if (found->option == NULL) {
        char where[64];
        (void)snprintf(where, sizeof where, "%.40s:", uri->scheme);
        return backend != NULL
                   ? opu_uri_key_unknown(backend, where, name)
                   : opu_fail(OPU_E_NOT_FOUND, "%.80s: no device has the scheme %s", key, where);
    }
    return check_group(key, found->option);
}

/* The value as the table would write it, and whether it is the option's default. */
static int canonical(const struct opu_option *option, const char *scheme, const char *value,
                     char text[OPU_OPTION_TEXT_SIZE], bool *usual)
{
    union {
        bool flag;
        uint64_t whole;
        double real;
        int choice;
        char text[OPU_OPTION_TEXT_SIZE];
    } room;
    char where[64], normal[OPU_OPTION_TEXT_SIZE];
    struct opu_option alone = *option;
    alone.offset = 0;
    (void)snprintf(where, sizeof where, "%.40s:", scheme);
    opu_options_default(&alone, 1, &room);
    OPU_TRY(opu_option_format(&alone, &room, normal, sizeof normal));
    OPU_TRY(opu_option_set(&alone, 1, &room, where, option->key, value));
    OPU_TRY(opu_option_format(&alone, &room, text, OPU_OPTION_TEXT_SIZE));
    *usual = strcmp(text, normal) == 0;
    return OPU_OK;
}

struct writing {
    char text[2 * OPU_URI_LENGTH];
    size_t n;
    const char *separator;
};

static void put(struct writing *w, const char *key, const char *value)
{
    size_t const room = sizeof w->text - w->n;
    int const n = snprintf(w->text + w->n, room, "%s%s=%s", w->separator, key, value);
    w->n += (size_t)n < room ? (size_t)n : room - 1;
    w->separator = ",";
}

/* "of" takes the rest of a URI, so it stands at its end. */
static void put_all(struct writing *w, const struct opu_uri *uri, const char *name,
                    const char *value)
{
    bool const last = strcmp(name, "of") == 0;
    bool done = value == NULL || last;
    const char *of = last ? value : NULL;
    for (size_t i = 0; i < uri->n_pairs; i++) {
        const struct opu_uri_pair *const pair = &uri->pairs[i];
        if (strcmp(pair->key, name) == 0) {
            if (!done) {
                put(w, name, value);
                done = true;
            }
        } else if (strcmp(pair->key, "of") == 0) {
            of = pair->value;
        } else {
            put(w, pair->key, pair->value);
        }
    }
    if (!done) {
        put(w, name, value);
    }
    if (of != NULL) {
        put(w, "of", of);
    }
}

int opu_device_key_set(char *uri, size_t size, const char *key, const char *value)
{
    struct opu_uri parts;
    struct found found = {.option = NULL};
    char text[OPU_OPTION_TEXT_SIZE];
    bool usual = false;
    OPU_TRY(opu_uri_parse(&parts, uri));
    OPU_TRY(find(&found, &parts, key));
    assert(found.option != NULL);
    OPU_TRY(canonical(found.option, parts.scheme, value, text, &usual));
    const char *const name = found.option->key;
    if (strchr(text, ',') != NULL && strcmp(name, "of") != 0) {
        return opu_fail(OPU_E_INVALID, "%.80s: saw '%.80s', wanted a value without a comma", key,
                        value);
    }
    /* A projection's key stays: without it an inner URI's would hold. */
    bool const leave_out = (usual && !found.projection) || text[0] == 0;
    struct writing w = {.separator = ""};
    w.n = (size_t)snprintf(w.text, sizeof w.text, "%s:", parts.scheme);
    put_all(&w, &parts, name, leave_out ? NULL : text);
    if (w.n >= size || w.n > OPU_URI_LENGTH) {
        return opu_fail(OPU_E_INVALID,
                        "%.80s: the device's URI would have %zu bytes, at most %zu fit", key, w.n,
                        size - 1);
    }
    memset(uri, 0, size); /* equal texts make equal structs */
    memcpy(uri, w.text, w.n);
    return OPU_OK;
}

int opu_device_key_get(const char *uri, const char *key, char *text, size_t size)
{
    struct opu_uri parts;
    struct found found = {.option = NULL};
    char value[OPU_OPTION_TEXT_SIZE];
    bool usual = false;
    OPU_TRY(opu_uri_parse(&parts, uri));
    OPU_TRY(find(&found, &parts, key));
    assert(found.option != NULL);
    const char *said = found.option->fallback != NULL ? found.option->fallback : "";
    for (size_t i = 0; i < parts.n_pairs; i++) {
        said = strcmp(parts.pairs[i].key, found.option->key) == 0 ? parts.pairs[i].value : said;
    }
    OPU_TRY(canonical(found.option, parts.scheme, said, value, &usual));
    size_t const n = strlen(value);
    if (n >= size) {
        return opu_fail(OPU_E_INVALID, "%.80s: room for %zu bytes, wanted %zu", key, size, n + 1);
    }
    memcpy(text, value, n + 1);
    return OPU_OK;
}
