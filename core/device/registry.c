/* SPDX-License-Identifier: MIT */
/* The backends this process knows: those of the build, and those a program has registered. */
#include "core/device/registry.h"

#include <pthread.h>
#include <string.h>

#include "core/base/fail.h"

#define MAX_BACKENDS 32

/* Changed by opu_backend_register() alone, before the first device is opened (see its
 * documentation). */
static const struct opu_backend *known[MAX_BACKENDS];
static struct opu_backend_info infos[MAX_BACKENDS];
static size_t n_known;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void add(const struct opu_backend *backend)
{
    known[n_known] = backend;
    infos[n_known] = (struct opu_backend_info){
        .scheme = backend->scheme,
        .summary = backend->summary,
        .options = backend->options,
        .n_options = backend->n_options,
    };
    n_known++;
}

static void add_built_in(void)
{
    for (size_t i = 0; opu_backends[i] != NULL && n_known < MAX_BACKENDS; i++) {
        add(opu_backends[i]);
    }
}

const struct opu_backend *opu_backend_at(size_t i)
{
    (void)pthread_once(&once, add_built_in);
    return i < n_known ? known[i] : NULL;
}

const struct opu_backend *opu_backend_find(const char *scheme)
{
    const struct opu_backend *backend;
    for (size_t i = 0; (backend = opu_backend_at(i)) != NULL; i++) {
        if (strcmp(backend->scheme, scheme) == 0) {
            return backend;
        }
    }
    return NULL;
}

const struct opu_backend_info *opu_backend_info(size_t i)
{
    return opu_backend_at(i) != NULL ? &infos[i] : NULL;
}

static bool scheme_valid(const char *scheme)
{
    if (scheme == NULL || *scheme == '\0') {
        return false;
    }
    return strspn(scheme, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(scheme);
}

int opu_backend_register(const struct opu_backend *backend)
{
    if (backend == NULL || backend->api_version != OPU_BACKEND_API) {
        return opu_fail(OPU_E_INVALID, "backend: saw interface version %u, wanted %u",
                        backend != NULL ? backend->api_version : 0u, OPU_BACKEND_API);
    }
    if (!scheme_valid(backend->scheme)) {
        return opu_fail(OPU_E_INVALID,
                        "backend: saw scheme \"%.40s\", wanted lower-case letters and digits",
                        backend->scheme != NULL ? backend->scheme : "");
    }
    const struct opu_backend_ops *const ops = backend->ops;
    bool const frames =
        ops != NULL && ops->configure != NULL && ops->submit != NULL && ops->wait != NULL;
    bool const floats = ops != NULL && ops->plan != NULL && ops->project != NULL;
    if (ops == NULL || ops->open == NULL || ops->close == NULL || ops->caps == NULL ||
        ops->identity == NULL || (!frames && !floats) || backend->summary == NULL ||
        (backend->n_options > 0 && (backend->options == NULL || backend->options_size == 0))) {
        return opu_fail(OPU_E_INVALID,
                        "backend \"%s\": wanted a summary, open, close, caps, identity, and either "
                        "configure, submit, wait or plan, project; an option table needs a size",
                        backend->scheme);
    }
    if (opu_backend_find(backend->scheme) != NULL) {
        return opu_fail(OPU_E_BUSY, "backend \"%s\": the scheme is taken", backend->scheme);
    }
    if (n_known == MAX_BACKENDS) {
        return opu_fail(OPU_E_BUSY, "backend \"%s\": the table of %d backends is full",
                        backend->scheme, MAX_BACKENDS);
    }
    add(backend);
    return OPU_OK;
}
