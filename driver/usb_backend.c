/* SPDX-License-Identifier: MIT */
/* usb: - an OPU on the bus, as a backend: its facts are the device's own, its work the session's.
 */
#include "driver/usb_backend.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "driver/port_libusb.h"

/* A call's frames; the session cuts them into packets, so this bounds no memory. */
#define MAX_FRAMES ((size_t)65536)

struct options {
    char address[OPU_OPTION_TEXT_SIZE], serial[OPU_OPTION_TEXT_SIZE], id[OPU_OPTION_TEXT_SIZE];
    uint64_t answer_ms, replug_ms, transfer_bytes, work_ms, setup_ms;
};

struct usb_device {
    struct opu_context *context;
    struct opu_session *session;
    char name[64];
};

void (*opu_usb_port_hook)(struct opu_port *port);

struct opu_session *opu_usb_session(void *device)
{
    return ((struct usb_device *)device)->session;
}

/* ---- Opening ---- */

static int find(struct opu_usb_seen *to, const struct opu_usb_wish *wish)
{
    struct opu_usb_seen seen[OPU_USB_FOUND_MAX];
    size_t index = 0;
    int const n = opu_libusb_list(seen, OPU_USB_FOUND_MAX, wish);
    OPU_TRY(n);
    OPU_TRY(opu_usb_choose(&index, seen, (size_t)n, wish));
    *to = seen[index];
    return OPU_OK;
}

static int open_session(struct usb_device *device, const struct options *options)
{
    struct opu_usb_wish wish;
    struct opu_usb_seen seen;
    struct opu_port *port = NULL;
    OPU_TRY(opu_usb_wish(&wish, options->address, options->serial, options->id));
    OPU_TRY(find(&seen, &wish));
    OPU_TRY(opu_libusb_open(&port, device->context, &seen, &wish));
    (void)snprintf(device->name, sizeof device->name, "%s", port->name);
    if (opu_usb_port_hook != NULL) {
        opu_usb_port_hook(port);
    }
    struct opu_session_options const session = {
        .answer_ms = (uint32_t)options->answer_ms,
        .replug_ms = (uint32_t)options->replug_ms,
        .transfer_bytes = (uint32_t)options->transfer_bytes,
        .work_ms = (uint32_t)options->work_ms,
        .setup_ms = (uint32_t)options->setup_ms,
    };
    return opu_session_open(&device->session, device->context, port, &session);
}

static int usb_open(void **out, struct opu_context *context, const void *options)
{
    struct usb_device *const device = opu_calloc(context, 1, sizeof *device);
    if (device == NULL) {
        return OPU_E_NO_MEMORY;
    }
    device->context = context;
    int const status = open_session(device, options);
    if (status < 0) {
        opu_context_free(context, device);
        return status;
    }
    *out = device;
    return OPU_OK;
}

static void usb_close(void *handle)
{
    struct usb_device *const device = handle;
    struct opu_session_counts counts;
    opu_session_counts(device->session, &counts);
    opu_context_log(device->context, OPU_LOG_DEBUG, "usb",
                    "%s: %llu packets, %llu answers, %llu sent again, %llu recoveries, %llu "
                    "replugs, %llu events",
                    device->name, (unsigned long long)counts.packets,
                    (unsigned long long)counts.answers, (unsigned long long)counts.resent_packets,
                    (unsigned long long)counts.recoveries, (unsigned long long)counts.replugs,
                    (unsigned long long)counts.events);
    opu_session_close(device->session);
    opu_context_free(device->context, device);
}

/* ---- Facts ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int usb_caps(void *handle, struct opu_caps *caps)
{
    const struct usb_device *const device = handle;
    const struct opu_wire_info *const info = opu_session_info(device->session);
    uint32_t const never = OPU_CAP_FLOATS | OPU_CAP_FIELD;
    caps->flags = (info->flags & ~never) | OPU_CAP_FRAMES;
    caps->adc_bits = info->adc_bits;
    caps->default_bits = info->default_bits;
    caps->max_inputs = info->max_inputs;
    caps->max_pixels = info->max_pixels;
    caps->max_frames = MAX_FRAMES;
    caps->max_exposures = least(info->max_exposures, OPU_WIRE_TABLE_MAX);
    caps->max_references = least(info->max_references, OPU_WIRE_TABLE_MAX);
    caps->min_exposure_us = info->min_exposure_us;
    caps->max_exposure_us = info->max_exposure_us;
    caps->frame_rate_hz = info->frame_rate_hz;
    caps->upload_bytes_per_s = info->upload_bytes_per_s;
    caps->power_w = info->power_w;
    caps->signal_per_us = info->signal_per_us;
    caps->reference_per_us = info->reference_per_us;
    caps->full_well_e = info->full_well_e;
    caps->read_noise_e = info->read_noise_e;
    caps->shot_noise = info->shot_noise;
    caps->black_level = info->black_level;
    return OPU_OK;
}

static int usb_identity(void *handle, char *text, size_t n)
{
    const struct usb_device *const device = handle;
    const struct opu_wire_info *const info = opu_session_info(device->session);
    int const length = snprintf(text, n, "usb:%s:%s", info->serial, info->identity);
    return length >= 0 && (size_t)length < n
               ? OPU_OK
               : opu_fail(OPU_E_DEVICE, "%s: its identity has more than %zu bytes", device->name,
                          n - 1);
}

static int usb_describe(void *handle, char *text, size_t n)
{
    const struct usb_device *const device = handle;
    const struct opu_wire_info *const info = opu_session_info(device->session);
    struct opu_session_counts counts;
    opu_session_counts(device->session, &counts);
    (void)snprintf(text, n,
                   "serial %s at %s: %u packets under way of up to %u frames, %zu bytes out and "
                   "%zu in, %zu KiB of buffers",
                   info->serial, device->name, counts.n_slots, counts.frames_per_packet,
                   counts.packet_out_bytes, counts.packet_in_bytes, counts.memory_bytes / 1024);
    return OPU_OK;
}

/* ---- Work ---- */

static int usb_configure(void *handle, const struct opu_frame_setup *setup)
{
    const struct usb_device *const device = handle;
    return opu_session_configure(device->session, setup);
}

static int usb_submit(void *handle, struct opu_frame_batch *batch, uint64_t *job)
{
    const struct usb_device *const device = handle;
    return opu_session_submit(device->session, batch, job);
}

static int usb_wait(void *handle, uint64_t job, int timeout_ms)
{
    const struct usb_device *const device = handle;
    return opu_session_wait(device->session, job, timeout_ms);
}

static int usb_cancel(void *handle, uint64_t job)
{
    const struct usb_device *const device = handle;
    return opu_session_cancel(device->session, job);
}

static int usb_state_get(void *handle, char *json, size_t n)
{
    const struct usb_device *const device = handle;
    return opu_session_state_get(device->session, json, n);
}

static int usb_state_set(void *handle, const char *json)
{
    const struct usb_device *const device = handle;
    return opu_session_state_set(device->session, json);
}

static int usb_reset(void *handle)
{
    const struct usb_device *const device = handle;
    return opu_session_reset(device->session);
}

/* ---- What is plugged in ---- */

/* The firmware's version, where nobody else holds the device; else why not. */
static void ask_version(char *text, size_t n, struct opu_context *context,
                        const struct opu_usb_seen *seen, const struct opu_usb_wish *wish)
{
    struct opu_port *port = NULL;
    struct opu_wire_info info = {0};
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    int const status = opu_libusb_open(&port, context, seen, wish);
    if (status < 0) {
        (void)snprintf(text, n, "%s",
                       status == OPU_E_BUSY          ? "busy: somebody else holds it"
                       : status == OPU_E_UNSUPPORTED ? "speaks another version of the wire"
                       : seen->access == OPU_E_IO    ? "no permission: see 60-opu.rules"
                                                     : "can't be opened");
        return;
    }
    int const moved =
        port->ops->control(port, true, OPU_WIRE_INFO, 0, data, sizeof data, OPU_SESSION_CONTROL_MS);
    if (moved < 0 || opu_wire_get_info(&info, data, (size_t)moved) != OPU_WIRE_OK) {
        (void)snprintf(text, n, "does not answer");
    } else {
        (void)snprintf(text, n, "firmware %u.%u.%u, %.80s", info.firmware >> 16,
                       info.firmware >> 8 & 0xff, info.firmware & 0xff, info.identity);
    }
    port->ops->close(port);
}

static int usb_scan(struct opu_context *context, opu_scan_fn fn, void *user)
{
    struct opu_usb_seen seen[OPU_USB_FOUND_MAX];
    struct opu_usb_wish wish;
    OPU_TRY(opu_usb_wish(&wish, "", "", ""));
    int const n = opu_libusb_list(seen, OPU_USB_FOUND_MAX, &wish);
    if (n < 0) {
        opu_context_log(context, OPU_LOG_INFO, "usb", "%s", opu_error_message());
        return OPU_OK; /* a machine without USB has other devices still */
    }
    for (int i = 0; i < n; i++) {
        char uri[32], version[160], text[400];
        (void)snprintf(uri, sizeof uri, "usb:%u.%u", seen[i].bus, seen[i].address);
        ask_version(version, sizeof version, context, &seen[i], &wish);
        const char *const product = seen[i].product[0] != '\0' ? seen[i].product : "an OPU";
        if (seen[i].serial[0] != '\0') {
            (void)snprintf(text, sizeof text, "%s, serial %s, %s", product, seen[i].serial,
                           version);
        } else {
            (void)snprintf(text, sizeof text, "%s, %s", product, version);
        }
        int const stop = fn(user, uri, text);
        if (stop != 0) {
            return stop;
        }
    }
    return OPU_OK;
}

/* ---- The table ---- */

#define AT(member) offsetof(struct options, member)

static const struct opu_option table[] = {
    {.key = "address",
     .type = OPU_OPTION_TEXT,
     .offset = AT(address),
     .help = "bus and address, such as 1.4",
     .positional = true},
    {.key = "serial", .type = OPU_OPTION_TEXT, .offset = AT(serial), .help = "the serial number"},
    {.key = "id",
     .type = OPU_OPTION_TEXT,
     .offset = AT(id),
     .help = "vendor and product of the device, in hexadecimal, where they are not 1209:0001"},
    {.key = "answer_ms",
     .type = OPU_OPTION_UINT,
     .offset = AT(answer_ms),
     .fallback = "1000",
     .min = 1,
     .max = 3600000,
     .unit = "ms",
     .help = "patience with a device that neither answers nor works",
     .group = "patience"},
    {.key = "work_ms",
     .type = OPU_OPTION_UINT,
     .offset = AT(work_ms),
     .fallback = "120000",
     .min = 1,
     .max = 3600000,
     .unit = "ms",
     .help = "patience with one packet of a device that works",
     .group = "patience"},
    {.key = "setup_ms",
     .type = OPU_OPTION_UINT,
     .offset = AT(setup_ms),
     .fallback = "600000",
     .min = 1,
     .max = 3600000,
     .unit = "ms",
     .help = "patience with a device that is being set up",
     .group = "patience"},
    {.key = "replug_ms",
     .type = OPU_OPTION_UINT,
     .offset = AT(replug_ms),
     .fallback = "5000",
     .max = 3600000,
     .unit = "ms",
     .help = "how long an unplugged device is waited for",
     .group = "patience"},
    {.key = "transfer_bytes",
     .type = OPU_OPTION_UINT,
     .offset = AT(transfer_bytes),
     .fallback = "262144",
     .min = 512,
     .max = 4194304,
     .unit = "bytes",
     .help = "size that packets are cut to"},
};

static const struct opu_backend_ops ops = {
    .scan = usb_scan,
    .open = usb_open,
    .close = usb_close,
    .caps = usb_caps,
    .identity = usb_identity,
    .configure = usb_configure,
    .submit = usb_submit,
    .wait = usb_wait,
    .cancel = usb_cancel,
    .state_get = usb_state_get,
    .state_set = usb_state_set,
    .reset = usb_reset,
    .describe = usb_describe,
};

extern const struct opu_backend opu_backend_usb;
const struct opu_backend opu_backend_usb = {
    .api_version = OPU_BACKEND_API,
    .scheme = "usb",
    .summary = "an optical co-processor on USB",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct options),
    .ops = &ops,
};
