/* SPDX-License-Identifier: MIT */
/*
 * The emulator of opu/emulate.h: a board whose optics are an open device, behind one of the ports.
 * Root's rights, where attaching wanted them, go before the board is made.
 */
#include <opu/backend.h>
#include <opu/emulate.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "driver/board.h"
#include "driver/firmware/port_functionfs.h"
#include "driver/firmware/port_usbip.h"
#include "driver/firmware/port_usbredir.h"
#include "driver/firmware/usbip_wire.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PACKET_BYTES ((4u << 20) + (64u << 10))

struct opu_emulator {
    struct opu_context *context;
    struct opu_emulator_options options;
    struct opu_fault_plan faults;
    struct opu_vhci vhci;
    struct opu_board *board;
    struct opu_gadget *gadget;
    pthread_mutex_t lock; /* of told: the board's thread may call while the port comes or goes */
    struct opu_gadget *told;
    char describe[320];
};

static int pass_on(const struct opu_gadget_failure *failure)
{
    return opu_fail(failure->status, "%s", failure->text);
}

/* ---- What board and port say to each other ---- */

static void ready(void *user)
{
    struct opu_emulator *const emulator = user;
    (void)pthread_mutex_lock(&emulator->lock);
    if (emulator->told != NULL) {
        opu_gadget_ask(emulator->told);
    }
    (void)pthread_mutex_unlock(&emulator->lock);
}

static void unplug(void *user, uint64_t us)
{
    struct opu_emulator *const emulator = user;
    (void)pthread_mutex_lock(&emulator->lock);
    if (emulator->told != NULL) {
        opu_gadget_unplug(emulator->told, us);
    }
    (void)pthread_mutex_unlock(&emulator->lock);
}

static void introduce(struct opu_emulator *emulator, struct opu_gadget *gadget)
{
    (void)pthread_mutex_lock(&emulator->lock);
    emulator->told = gadget;
    (void)pthread_mutex_unlock(&emulator->lock);
}

/* While a fault keeps the device silent, nobody else says when it is over. */
static uint64_t again_us(void *user)
{
    const struct opu_emulator *const emulator = user;
    const struct opu_fault *const fault = opu_board_fault(emulator->board);
    uint64_t const until = fault != NULL ? opu_fault_silent_until_us(fault) : 0;
    uint64_t const now = opu_gadget_now_us();
    if (until == 0) {
        return UINT64_MAX;
    }
    return until > now ? until - now : 0;
}

static void say(void *user, const char *sentence)
{
    const struct opu_emulator *const emulator = user;
    opu_context_log(emulator->context, OPU_LOG_WARNING, "emulate", "%s", sentence);
}

/* ---- The ports ---- */

static struct opu_gadget *attach(struct opu_emulator *emulator,
                                 const struct opu_gadget_options *options,
                                 struct opu_gadget_failure *failure)
{
    return opu_usbip_attach(options, &emulator->vhci, failure);
}

static struct opu_gadget *listen_tcp(struct opu_emulator *emulator,
                                     const struct opu_gadget_options *options,
                                     struct opu_gadget_failure *failure)
{
    uint16_t const port = emulator->options.tcp_port;
    return opu_usbip_listen(options, port != 0 ? port : OPU_USBIP_TCP_PORT, failure);
}

static struct opu_gadget *usbredir(struct opu_emulator *emulator,
                                   const struct opu_gadget_options *options,
                                   struct opu_gadget_failure *failure)
{
    return opu_usbredir_create(options, emulator->options.path, failure);
}

static struct opu_gadget *functionfs(struct opu_emulator *emulator,
                                     const struct opu_gadget_options *options,
                                     struct opu_gadget_failure *failure)
{
    return opu_functionfs_create(options, emulator->options.path, emulator->options.udc, failure);
}

static const struct {
    struct opu_gadget *(*create)(struct opu_emulator *emulator,
                                 const struct opu_gadget_options *options,
                                 struct opu_gadget_failure *failure);
    const char *path; /* what it must be, NULL: there is none */
    bool parts;       /* an answer can stop halfway */
} ports[] = {
    [OPU_EMULATE_ATTACH] = {attach, NULL, true},
    [OPU_EMULATE_LISTEN] = {listen_tcp, NULL, true},
    [OPU_EMULATE_USBREDIR] = {usbredir, "the path of a socket", true},
    [OPU_EMULATE_FUNCTIONFS] = {functionfs, "a mounted functionfs folder", false},
};

/* ---- Life ---- */

static int check(const struct opu_emulator_options *options)
{
    if ((unsigned)options->port >= sizeof ports / sizeof ports[0]) {
        return opu_fail(OPU_E_INVALID, "port: saw %d, wanted one of enum opu_emulate_port",
                        (int)options->port);
    }
    const char *const path = ports[options->port].path;
    if (path != NULL && (options->path == NULL || options->path[0] == 0)) {
        return opu_fail(OPU_E_INVALID, "path: saw nothing, wanted %s", path);
    }
    if (!(options->rate_hz >= 0.0 && options->rate_hz <= 1e9)) {
        return opu_fail(OPU_E_INVALID, "rate_hz: saw %g, wanted 0 (as fast as it can) to 1e9",
                        options->rate_hz);
    }
    return OPU_OK;
}

/* A serial of ASCII letters that fits; it stands in string descriptors and in URIs. */
static int check_serial(const char *serial)
{
    size_t const n = strlen(serial);
    for (size_t i = 0; i < n; i++) {
        if (serial[i] <= ' ' || serial[i] > '~' || serial[i] == ',') {
            return opu_fail(OPU_E_INVALID,
                            "serial: saw '%s', wanted letters, digits and signs without a comma",
                            serial);
        }
    }
    return n > 0 && n < OPU_WIRE_SERIAL_BYTES
               ? OPU_OK
               : opu_fail(OPU_E_INVALID, "serial: saw %zu characters, wanted 1 to %u", n,
                          OPU_WIRE_SERIAL_BYTES - 1);
}

static int parse_faults(struct opu_emulator *emulator)
{
    const char *const text = emulator->options.faults;
    const char *bad = NULL;
    if (text == NULL || opu_fault_parse(&emulator->faults, text, &bad)) {
        return OPU_OK;
    }
    return opu_fail(OPU_E_INVALID,
                    "faults: '%s' isn't understood; wanted pairs like stall=0.01,seed=7 of stall, "
                    "short, zlp, partial, corrupt, stale, trigger, silence, unplug or all, each "
                    "from 0 to 1",
                    bad);
}

static int take_vhci(struct opu_emulator *emulator)
{
    struct opu_gadget_failure failure = {0};
    if (emulator->options.port != OPU_EMULATE_ATTACH) {
        return OPU_OK;
    }
    if (opu_vhci_open(&emulator->vhci, OPU_VHCI_FOLDER, &failure) < 0 ||
        opu_privileges_drop(emulator->options.user, &failure) < 0) {
        return pass_on(&failure);
    }
    return OPU_OK;
}

static int make_board(struct opu_emulator *emulator, struct opu_device *optics)
{
    const struct opu_emulator_options *const wish = &emulator->options;
    bool const can_unplug = wish->port != OPU_EMULATE_FUNCTIONFS || wish->udc != NULL;
    struct opu_board_options const options = {
        .context = emulator->context,
        .device = optics,
        .serial = wish->serial,
        .faults = wish->faults != NULL ? &emulator->faults : NULL,
        .rate_hz = wish->rate_hz,
        .max_out_bytes = PACKET_BYTES,
        .max_in_bytes = PACKET_BYTES,
        .parts = ports[wish->port].parts,
        .user = emulator,
        .ready = ready,
        .unplug = can_unplug ? unplug : NULL,
    };
    return opu_board_create(&emulator->board, &options);
}

static int make_port(struct opu_emulator *emulator)
{
    const struct opu_emulator_options *const wish = &emulator->options;
    bool const own_id = wish->vendor_id != 0 || wish->product_id != 0;
    struct opu_gadget_failure failure = {0};
    struct opu_gadget_options const options = {
        .function = opu_board_function(emulator->board),
        .identity = {.vendor_id = own_id ? wish->vendor_id : OPU_WIRE_VENDOR_ID,
                     .product_id = own_id ? wish->product_id : OPU_WIRE_PRODUCT_ID,
                     .bcd_device = 0x0100,
                     .manufacturer = "opu",
                     .product = OPU_WIRE_PRODUCT "emulated",
                     .serial = opu_board_serial(emulator->board),
                     .speed = OPU_USB_HIGH},
        .max_out_bytes = PACKET_BYTES,
        .user = emulator,
        .again_us = again_us,
        .say = say,
    };
    emulator->gadget = ports[wish->port].create(emulator, &options, &failure);
    if (emulator->gadget == NULL) {
        return pass_on(&failure);
    }
    introduce(emulator, emulator->gadget);
    (void)snprintf(emulator->describe, sizeof emulator->describe, "usb %04x:%04x, serial %s, %s",
                   options.identity.vendor_id, options.identity.product_id, options.identity.serial,
                   emulator->gadget->describe);
    return OPU_OK;
}

static int make(struct opu_emulator *emulator, struct opu_device *optics)
{
    OPU_TRY(check(&emulator->options));
    if (emulator->options.serial != NULL) {
        OPU_TRY(check_serial(emulator->options.serial));
    }
    OPU_TRY(parse_faults(emulator));
    OPU_TRY(take_vhci(emulator));
    OPU_TRY(make_board(emulator, optics));
    return make_port(emulator);
}

int opu_emulator_create(struct opu_emulator **out, struct opu_context *context,
                        struct opu_device *optics, const struct opu_emulator_options *options)
{
    *out = NULL;
    struct opu_emulator *const emulator = opu_calloc(context, 1, sizeof *emulator);
    if (emulator == NULL) {
        return OPU_E_NO_MEMORY;
    }
    size_t const n = options->size < sizeof *options ? options->size : sizeof *options;
    memcpy(&emulator->options, options, n);
    emulator->context = context;
    emulator->vhci.attach = -1;
    (void)pthread_mutex_init(&emulator->lock, NULL);
    int const status = make(emulator, optics);
    if (status < 0) {
        opu_emulator_destroy(emulator);
        return status;
    }
    *out = emulator;
    return OPU_OK;
}

int opu_emulator_run(struct opu_emulator *emulator)
{
    return opu_gadget_run(emulator->gadget) < 0 ? pass_on(&emulator->gadget->failure) : OPU_OK;
}

void opu_emulator_stop(struct opu_emulator *emulator)
{
    opu_gadget_stop(emulator->gadget);
}

int opu_emulator_statistics(const struct opu_emulator *emulator, struct opu_emulator_stats *stats)
{
    struct opu_wire_statistics seen;
    struct opu_emulator_stats found = {.size = stats->size};
    opu_fw_peek(opu_board_fw(emulator->board), &seen, &found.laser);
    found.frames = seen.frames;
    found.packets = seen.packets;
    found.answers = seen.answers;
    found.refused = seen.refused;
    found.triggers_lost = seen.triggers_lost;
    found.upload_bytes = seen.upload_bytes;
    found.upload_s = seen.upload_s;
    found.laser_s = seen.laser_s;
    if (opu_board_fault(emulator->board) != NULL) {
        uint64_t counts[OPU_FAULT_KINDS];
        opu_fault_counts(opu_board_fault(emulator->board), counts);
        for (size_t i = 0; i < OPU_FAULT_KINDS; i++) {
            found.faults += counts[i];
        }
    }
    memcpy(stats, &found, stats->size < sizeof found ? stats->size : sizeof found);
    return OPU_OK;
}

const char *opu_emulator_describe(const struct opu_emulator *emulator)
{
    return emulator->describe;
}

void opu_emulator_destroy(struct opu_emulator *emulator)
{
    if (emulator == NULL) {
        return;
    }
    introduce(emulator, NULL);
    opu_gadget_destroy(emulator->gadget);
    opu_board_destroy(emulator->board);
    opu_vhci_close(&emulator->vhci);
    (void)pthread_mutex_destroy(&emulator->lock);
    opu_context_free(emulator->context, emulator);
}
