/* SPDX-License-Identifier: MIT */
/*
 * The port over libusb, opened and closed. Every device has a context of its own, so that one's
 * events are never another's.
 */
#include "driver/port_libusb_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define MEMORY_PARTS 4u /* three of four parts of what usbfs may hold are taken */
#define MEMORY_UNBOUNDED ((size_t)64 << 20)
#define USBFS_MB 16u /* where it can't be read: the kernel's default */

static struct libusb_port *of(struct opu_port *port)
{
    return (struct libusb_port *)(void *)port; /* its first member */
}

static int LIBUSB_CALL hotplug_left(libusb_context *usb, libusb_device *device,
                                    libusb_hotplug_event event, void *user)
{
    struct libusb_port *const p = user;
    (void)usb;
    (void)event;
    if (p->opened.handle != NULL && libusb_get_device(p->opened.handle) == device) {
        atomic_store(&p->left, true);
    }
    return 0;
}

/* Claims it, and learns what there is to know. */
static int take(struct libusb_port *p, libusb_device *device, const struct opu_usb_seen *seen)
{
    char name[sizeof p->port.name];
    opu_libusb_name(name, sizeof name, seen);
    OPU_TRY(opu_libusb_claim(&p->opened, device, name));
    memcpy(p->port.name, name, sizeof name);
    p->port.in_packet = p->opened.interface.in_packet;
    atomic_store(&p->left, false);
    return OPU_OK;
}

/* The device of p->wish, among those of p->usb. OPU_E_NOT_FOUND: it is not there. */
static int find_and_take(struct libusb_port *p)
{
    libusb_device **list;
    ssize_t const n = libusb_get_device_list(p->usb, &list);
    if (n < 0) {
        return opu_fail(OPU_E_IO, "usb: can't list the bus: %s", libusb_error_name((int)n));
    }
    int status = OPU_E_NOT_FOUND;
    for (ssize_t i = 0; i < n && status == OPU_E_NOT_FOUND; i++) {
        struct opu_usb_seen seen;
        uint8_t const bus = libusb_get_bus_number(list[i]);
        uint8_t const address = libusb_get_device_address(list[i]);
        if (p->wish.by_place && (bus != p->wish.bus || address != p->wish.address)) {
            continue;
        }
        opu_libusb_look(list[i], &seen);
        if (opu_usb_is_opu(&seen, &p->wish) &&
            (!p->wish.by_serial || strcmp(seen.serial, p->wish.serial) == 0)) {
            status = take(p, list[i], &seen);
        }
    }
    libusb_free_device_list(list, 1);
    return status;
}

static int reopen(struct opu_port *port)
{
    struct libusb_port *const p = of(port);
    opu_libusb_release(&p->opened);
    int const status = find_and_take(p);
    /* Just plugged in, it may not be ours yet: udev has still to apply its rule. */
    return status == OPU_OK              ? OPU_PORT_OK
           : status == OPU_E_UNSUPPORTED ? OPU_PORT_ERROR
                                         : OPU_PORT_GONE;
}

static void close_port(struct opu_port *port)
{
    struct libusb_port *const p = of(port);
    opu_libusb_release(&p->opened);
    if (p->has_hotplug) {
        libusb_hotplug_deregister_callback(p->usb, p->hotplug);
    }
    libusb_free_transfer(p->control);
    if (p->usb != NULL) {
        libusb_exit(p->usb);
    }
    opu_context_free(p->context, p);
}

/* Of all transfers of all programs, usbfs holds so much at once. */
static size_t memory_limit(void)
{
    unsigned mb = USBFS_MB;
    FILE *const file = fopen("/sys/module/usbcore/parameters/usbfs_memory_mb", "re");
    char line[32];
    if (file != NULL) {
        if (fgets(line, sizeof line, file) != NULL) {
            mb = (unsigned)strtoul(line, NULL, 10);
        }
        (void)fclose(file);
    }
    size_t const bytes = ((size_t)mb << 20) / MEMORY_PARTS * (MEMORY_PARTS - 1);
    return mb == 0 || bytes > MEMORY_UNBOUNDED ? MEMORY_UNBOUNDED : bytes;
}

static int start(struct libusb_port *p)
{
    int const started = libusb_init(&p->usb);
    if (started != 0) {
        p->usb = NULL;
        return opu_fail(OPU_E_IO, "usb: can't look at the bus: %s", libusb_error_name(started));
    }
    p->control = libusb_alloc_transfer(0);
    if (p->control == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "usb: no memory for a transfer");
    }
    if (libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG) != 0) {
        p->has_hotplug = libusb_hotplug_register_callback(
                             p->usb, LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, 0, LIBUSB_HOTPLUG_MATCH_ANY,
                             LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, hotplug_left, p,
                             &p->hotplug) == 0;
    }
    return OPU_OK;
}

int opu_libusb_open(struct opu_port **out, struct opu_context *context,
                    const struct opu_usb_seen *seen, const struct opu_usb_wish *wish)
{
    *out = NULL;
    struct libusb_port *const p = opu_calloc(context, 1, sizeof *p);
    if (p == NULL) {
        return OPU_E_NO_MEMORY;
    }
    p->context = context;
    p->ops = opu_libusb_transfer_ops;
    p->ops.reopen = reopen;
    p->ops.close = close_port;
    p->port.ops = &p->ops;
    p->port.memory_limit = memory_limit();
    opu_libusb_name(p->port.name, sizeof p->port.name, seen);
    atomic_init(&p->left, false);
    p->wish = *wish;
    p->wish.by_place = true;
    p->wish.bus = seen->bus;
    p->wish.address = seen->address;
    p->wish.by_serial = seen->serial[0] != '\0';
    memcpy(p->wish.serial, seen->serial, sizeof p->wish.serial);
    int status = start(p);
    status = status < 0 ? status : find_and_take(p);
    if (status < 0) {
        bool const lost = status == OPU_E_NOT_FOUND;
        status = lost ? opu_fail(OPU_E_GONE, "%s: was unplugged", p->port.name) : status;
        close_port(&p->port);
        return status;
    }
    /* Plugged in again it has another place; by its serial it is known, or as the only one. */
    p->wish.by_place = false;
    *out = &p->port;
    return OPU_OK;
}
