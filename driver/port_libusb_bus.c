/* SPDX-License-Identifier: MIT */
/* Looking at the bus through libusb, and getting hold of a device there. */
#include "driver/port_libusb_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

#define CONFIG_MAX 4096
#define STRINGS_MS 1000u

void opu_libusb_name(char *to, size_t n, const struct opu_usb_seen *seen)
{
    (void)snprintf(to, n, "usb:%u.%u", seen->bus, seen->address);
}

/* ---- Looking ---- */

/* The kernel has the descriptors at hand: nothing is opened for them. */
static void look_at_interfaces(libusb_device *device, struct opu_usb_seen *seen)
{
    struct libusb_config_descriptor *config;
    if (libusb_get_active_config_descriptor(device, &config) != 0 &&
        libusb_get_config_descriptor(device, 0, &config) != 0) {
        return;
    }
    for (int i = 0; i < config->bNumInterfaces && !seen->like_opu; i++) {
        const struct libusb_interface *const interface = &config->interface[i];
        for (int k = 0; k < interface->num_altsetting && !seen->like_opu; k++) {
            const struct libusb_interface_descriptor *const setting = &interface->altsetting[k];
            seen->like_opu = setting->bInterfaceClass == OPU_WIRE_CLASS &&
                             setting->bInterfaceSubClass == OPU_WIRE_SUBCLASS;
            seen->protocol = setting->bInterfaceProtocol;
        }
    }
    libusb_free_config_descriptor(config);
}

/* Printable ASCII, whatever the device says. */
static void read_string(libusb_device_handle *handle, uint8_t index, char *to, size_t n)
{
    unsigned char text[256];
    int const got =
        index != 0 ? libusb_get_string_descriptor_ascii(handle, index, text, sizeof text) : 0;
    size_t used = 0;
    for (int i = 0; i < got && used + 1 < n; i++) {
        to[used++] = (char)(text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
    }
    to[used] = '\0';
}

void opu_libusb_look(libusb_device *device, struct opu_usb_seen *seen)
{
    struct libusb_device_descriptor descriptor;
    *seen = (struct opu_usb_seen){.access = OPU_E_GONE};
    if (libusb_get_device_descriptor(device, &descriptor) != 0) {
        return;
    }
    seen->bus = libusb_get_bus_number(device);
    seen->address = libusb_get_device_address(device);
    seen->vendor_id = descriptor.idVendor;
    seen->product_id = descriptor.idProduct;
    look_at_interfaces(device, seen);
    libusb_device_handle *handle = NULL;
    if (!seen->like_opu) {
        return;
    }
    int const status = libusb_open(device, &handle);
    seen->access = status == 0 ? OPU_OK : status == LIBUSB_ERROR_NO_DEVICE ? OPU_E_GONE : OPU_E_IO;
    if (status == 0) {
        read_string(handle, descriptor.iProduct, seen->product, sizeof seen->product);
        read_string(handle, descriptor.iSerialNumber, seen->serial, sizeof seen->serial);
        libusb_close(handle);
    }
}

int opu_libusb_list(struct opu_usb_seen *to, size_t room, const struct opu_usb_wish *wish)
{
    libusb_context *usb;
    libusb_device **list;
    int const started = libusb_init(&usb);
    if (started != 0) {
        return opu_fail(OPU_E_IO, "usb: can't look at the bus: %s", libusb_error_name(started));
    }
    ssize_t const n = libusb_get_device_list(usb, &list);
    size_t found = 0;
    for (ssize_t i = 0; i < n && found < room; i++) {
        opu_libusb_look(list[i], &to[found]);
        found += opu_usb_is_opu(&to[found], wish) && to[found].access != OPU_E_GONE;
    }
    if (n >= 0) {
        libusb_free_device_list(list, 1);
    }
    libusb_exit(usb);
    return n >= 0 ? (int)found
                  : opu_fail(OPU_E_IO, "usb: can't list the bus: %s", libusb_error_name((int)n));
}

/* ---- Getting hold ---- */

static int fail_open(const char *name, int status)
{
    switch (status) {
    case LIBUSB_ERROR_ACCESS:
        return opu_fail(OPU_E_IO,
                        "%s: no permission to open it; install the udev rule 60-opu.rules and plug "
                        "it in again, or join the group plugdev",
                        name);
    case LIBUSB_ERROR_BUSY:
        return opu_fail(OPU_E_BUSY, "%s: somebody else holds it", name);
    case LIBUSB_ERROR_NO_DEVICE:
    case LIBUSB_ERROR_NOT_FOUND:
        return opu_fail(OPU_E_GONE, "%s: was unplugged", name);
    case LIBUSB_ERROR_NO_MEM:
        return opu_fail(OPU_E_NO_MEMORY, "%s: no memory to open it", name);
    default:
        return opu_fail(OPU_E_IO, "%s: can't be opened: %s", name, libusb_error_name(status));
    }
}

/* Addresses and packet sizes as the device tells them: its controller may have chosen others than
 * ours. */
static int read_endpoints(struct opu_libusb_opened *to, const char *name)
{
    unsigned char config[CONFIG_MAX];
    int const n = libusb_control_transfer(
        to->handle, LIBUSB_ENDPOINT_IN, LIBUSB_REQUEST_GET_DESCRIPTOR,
        (uint16_t)(LIBUSB_DT_CONFIG << 8), 0, config, sizeof config, STRINGS_MS);
    if (n < 0) {
        return n == LIBUSB_ERROR_NO_DEVICE
                   ? fail_open(name, n)
                   : opu_fail(OPU_E_IO, "%s: its descriptors can't be read: %s", name,
                              libusb_error_name(n));
    }
    if (!opu_usb_find_interface(&to->interface, config, (size_t)n)) {
        return opu_fail(OPU_E_DEVICE,
                        "%s: its descriptors lack an interface of an OPU with its three endpoints",
                        name);
    }
    if (to->interface.protocol != OPU_WIRE_VERSION) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s: speaks version %u of the wire, this library %u",
                        name, to->interface.protocol, OPU_WIRE_VERSION);
    }
    return OPU_OK;
}

int opu_libusb_claim(struct opu_libusb_opened *to, libusb_device *device, const char *name)
{
    *to = (struct opu_libusb_opened){.handle = NULL};
    int const opened = libusb_open(device, &to->handle);
    if (opened != 0) {
        to->handle = NULL;
        return fail_open(name, opened);
    }
    int status = read_endpoints(to, name);
    if (status == OPU_OK) {
        int const claimed = libusb_claim_interface(to->handle, to->interface.number);
        status = claimed == 0 ? OPU_OK : fail_open(name, claimed);
    }
    if (status == OPU_OK && to->interface.alternate != 0) {
        int const set = libusb_set_interface_alt_setting(to->handle, to->interface.number,
                                                         to->interface.alternate);
        status = set == 0 ? OPU_OK : fail_open(name, set);
    }
    if (status < 0) {
        libusb_close(to->handle);
        to->handle = NULL;
    }
    return status;
}

void opu_libusb_release(struct opu_libusb_opened *opened)
{
    if (opened->handle != NULL) {
        (void)libusb_release_interface(opened->handle, opened->interface.number);
        libusb_close(opened->handle);
        opened->handle = NULL;
    }
}
