/* SPDX-License-Identifier: MIT */
/* Opening a device by its URI; what it is, what it has done, and where its clock stands. */
#include "core/device/device_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/options.h"
#include "core/device/encode.h"
#include "core/device/projection_keys.h"
#include "core/device/readout.h"
#include "core/device/registry.h"
#include "core/device/uri.h"

/* The projection's own key, unless the backend has one of that name. */
static bool projection_key(const struct opu_backend *backend, const char *key)
{
    return opu_projection_key_find(key) != NULL &&
           opu_option_find(backend->options, backend->n_options, key) == NULL;
}

static int set_options(const struct opu_backend *backend, struct opu_uri *uri, void *options,
                       struct opu_projection_defaults *defaults)
{
    char where[48];
    (void)snprintf(where, sizeof where, "%.40s:", uri->scheme);
    OPU_TRY(opu_uri_name(uri, backend->options, backend->n_options));
    for (size_t i = 0; i < uri->n_pairs; i++) {
        const char *const key = uri->pairs[i].key;
        const char *const value = uri->pairs[i].value;
        if (projection_key(backend, key)) {
            OPU_TRY(opu_projection_key_set(defaults, where, key, value));
        } else if (opu_option_find(backend->options, backend->n_options, key) != NULL) {
            OPU_TRY(
                opu_option_set(backend->options, backend->n_options, options, where, key, value));
        } else {
            int const status = opu_uri_key_unknown(backend, where, key);
            /* The sentence stays; the public code for a bad URI is another. */
            return status == OPU_E_NOT_FOUND ? OPU_E_INVALID : status;
        }
    }
    return OPU_OK;
}

/* Encoder and read-out are texts of their own; a typo is told here, not when a projection is made.
 */
static int check_defaults(const struct opu_projection_defaults *defaults, const char *scheme)
{
    struct opu_encoder encoder;
    if (defaults->encode[0] != 0) {
        OPU_TRY(opu_encoder_parse(&encoder, defaults->encode));
    }
    const char *const readout = defaults->readout;
    if (readout[0] != 0 && strcmp(readout, "float") != 0 && opu_readout_find(readout) == NULL) {
        return opu_fail(OPU_E_INVALID, "%.40s: readout: saw \"%.40s\", wanted " OPU_READOUT_NAMES,
                        scheme, readout);
    }
    return OPU_OK;
}

/*
 * "of=" takes the rest of the URI, so a projection key written at its end belongs to the inner URI,
 * where it would be lost: what the inner URI says about projections holds for the outer device too.
 */
static void inherit(const char *text, struct opu_projection_defaults *defaults)
{
    struct opu_uri uri;
    if (opu_uri_parse(&uri, text) < 0) {
        return; /* opening it says why */
    }
    const struct opu_backend *const backend = opu_backend_find(uri.scheme);
    for (size_t i = uri.n_pairs; backend != NULL && i-- > 0;) {
        if (strcmp(uri.pairs[i].key, "of") == 0) {
            inherit(uri.pairs[i].value, defaults);
        } else if (projection_key(backend, uri.pairs[i].key) &&
                   opu_projection_key_set(defaults, "of=", uri.pairs[i].key, uri.pairs[i].value) <
                       0) {
            return; /* opening it says the same */
        }
    }
}

static int refuse_scheme(const char *scheme)
{
    char names[256] = "";
    const struct opu_backend *backend;
    for (size_t i = 0; (backend = opu_backend_at(i)) != NULL; i++) {
        size_t const used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                       backend->scheme);
    }
    return opu_fail(OPU_E_NOT_FOUND, "no device has the scheme \"%.40s\"; there are %s", scheme,
                    names);
}

static int check_caps(const struct opu_device *device)
{
    const struct opu_caps *const caps = &device->caps;
    bool const frames = (caps->flags & OPU_CAP_FRAMES) != 0;
    bool const floats = (caps->flags & OPU_CAP_FLOATS) != 0;
    const struct opu_backend_ops *const ops = device->backend->ops;
    bool const ready = frames ? ops->configure != NULL && ops->submit != NULL && ops->wait != NULL
                              : ops->plan != NULL && ops->project != NULL;
    if (frames == floats || !ready || caps->max_inputs == 0 || caps->max_pixels == 0) {
        return opu_fail(
            OPU_E_DEVICE,
            "%s: its facts contradict each other (frames %d, floats %d, %zu inputs, %zu "
            "pixels at most)",
            device->backend->scheme, frames, floats, caps->max_inputs, caps->max_pixels);
    }
    if (frames &&
        (caps->adc_bits == 0 || (caps->adc_bits & ~UINT32_C(0x1fffe)) != 0 ||
         caps->default_bits > 16 || (caps->adc_bits >> caps->default_bits & 1) == 0 ||
         caps->max_frames == 0 || caps->max_exposures == 0 || !(caps->min_exposure_us > 0.0) ||
         !(caps->max_exposure_us >= caps->min_exposure_us) || !(caps->frame_rate_hz >= 0.0) ||
         !(caps->black_level >= 0.0 && caps->black_level < 1.0))) {
        return opu_fail(OPU_E_DEVICE,
                        "%s: its facts lack bit depths, frames, exposures, a frame rate or a black "
                        "level from 0 to 1",
                        device->backend->scheme);
    }
    return OPU_OK;
}

/* From parsed URI to open handle; what is open afterwards is freed by opu_device_close(). */
static int open_backend(struct opu_device *device, struct opu_uri *uri)
{
    device->backend = opu_backend_find(uri->scheme);
    if (device->backend == NULL) {
        return refuse_scheme(uri->scheme);
    }
    const struct opu_backend *const backend = device->backend;
    void *const options = opu_calloc(device->context, 1, backend->options_size);
    if (options == NULL) {
        return OPU_E_NO_MEMORY;
    }
    opu_options_default(backend->options, backend->n_options, options);
    opu_projection_keys_default(&device->defaults);
    if (uri->n_pairs > 0 && strcmp(uri->pairs[uri->n_pairs - 1].key, "of") == 0) {
        inherit(uri->pairs[uri->n_pairs - 1].value, &device->defaults);
    }
    int status = set_options(backend, uri, options, &device->defaults);
    if (status == OPU_OK) {
        status = check_defaults(&device->defaults, uri->scheme);
    }
    if (status == OPU_OK) {
        status = backend->ops->open(&device->handle, device->context, options);
        device->handle = status < 0 ? NULL : device->handle;
    }
    opu_context_free(device->context, options);
    OPU_TRY(status);
    device->caps.size = sizeof device->caps;
    OPU_TRY(backend->ops->caps(device->handle, &device->caps));
    OPU_TRY(check_caps(device));
    return backend->ops->identity(device->handle, device->identity, sizeof device->identity);
}

int opu_device_open(struct opu_device **out, struct opu_context *context, const char *uri_text)
{
    *out = NULL;
    struct opu_uri uri;
    OPU_TRY(opu_uri_parse(&uri, uri_text));
    struct opu_device *const device = opu_calloc(context, 1, sizeof *device);
    if (device == NULL) {
        return OPU_E_NO_MEMORY;
    }
    device->context = context;
    device->stats.size = sizeof device->stats;
    int status = OPU_E_NO_MEMORY;
    size_t const n = strlen(uri_text) + 1;
    device->uri = opu_context_alloc(context, n);
    if (device->uri == NULL) {
        goto fail;
    }
    memcpy(device->uri, uri_text, n);
    status = open_backend(device, &uri);
    if (status < 0) {
        goto fail;
    }
    opu_context_log(context, OPU_LOG_DEBUG, "device", "%s opened: %s", uri_text, device->identity);
    *out = device;
    return OPU_OK;
fail:
    opu_device_close(device);
    return status;
}

void opu_device_close(struct opu_device *device)
{
    if (device == NULL) {
        return;
    }
    if (device->handle != NULL) {
        device->backend->ops->close(device->handle);
    }
    opu_context_free(device->context, device->uri);
    opu_context_free(device->context, device);
}

const char *opu_device_uri(const struct opu_device *device)
{
    return device->uri;
}

const struct opu_caps *opu_device_caps(const struct opu_device *device)
{
    return &device->caps;
}

const char *opu_device_identity(const struct opu_device *device)
{
    return device->identity;
}

const char *opu_device_describe(const struct opu_device *device)
{
    return device->description;
}

int opu_device_statistics(const struct opu_device *device, struct opu_device_stats *stats)
{
    size_t const size = stats->size;
    if (size < sizeof stats->size) {
        return opu_fail(OPU_E_INVALID, "device statistics: size is %zu, wanted %zu", size,
                        sizeof *stats);
    }
    struct opu_device_stats now = device->stats;
    const struct opu_caps *const caps = &device->caps;
    if (caps->frame_rate_hz > 0.0) {
        now.optical_s += (double)now.frames / caps->frame_rate_hz;
    }
    if (caps->upload_bytes_per_s > 0.0) {
        now.optical_s += (double)now.bytes_up / caps->upload_bytes_per_s;
    }
    now.optical_j = now.optical_s * caps->power_w;
    memcpy(stats, &now, size < sizeof now ? size : sizeof now);
    stats->size = size;
    return OPU_OK;
}

uint64_t opu_device_clock(const struct opu_device *device)
{
    return device->clock;
}

void opu_device_clock_set(struct opu_device *device, uint64_t frame_number)
{
    device->clock = frame_number;
}

int opu_device_plan(struct opu_device *device, size_t n_in, size_t n_out, const char *readout)
{
    device->generation++;
    return device->backend->ops->plan(device->handle, n_in, n_out, readout);
}

int opu_device_scan(struct opu_context *context, opu_scan_fn fn, void *user)
{
    const struct opu_backend *backend;
    for (size_t i = 0; (backend = opu_backend_at(i)) != NULL; i++) {
        int status;
        if (backend->ops->scan != NULL) {
            status = backend->ops->scan(context, fn, user);
        } else {
            char uri[64];
            (void)snprintf(uri, sizeof uri, "%.60s:", backend->scheme);
            status = fn(user, uri, backend->summary);
        }
        if (status != 0) {
            return status;
        }
    }
    return OPU_OK;
}
