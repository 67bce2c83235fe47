/* SPDX-License-Identifier: MIT */
/*
 * The USB descriptors of an optical co-processor, byte for byte, and a reader for those of a device
 * that a port or a test meets. Pure functions over bytes, like wire.h.
 *
 * One configuration, one interface (vendor class, subclass 'O', protocol = version), bulk OUT 0x01,
 * bulk IN 0x82, interrupt IN 0x83 - a device controller may number them otherwise, so a host reads
 * the addresses. Windows is told to bind WinUSB by itself: Microsoft OS 2.0 descriptors (a platform
 * capability in the BOS, hence bcdUSB 0x0210), and 1.0 for FunctionFS, where the kernel answers.
 */
#ifndef OPU_DRIVER_DESCRIPTORS_H
#define OPU_DRIVER_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opu_usb_speed { OPU_USB_FULL = 2, OPU_USB_HIGH = 3, OPU_USB_SUPER = 5 }; /* USB/IP's numbers */

#define OPU_USB_OUT 0x01u
#define OPU_USB_IN 0x82u
#define OPU_USB_EVENT 0x83u
#define OPU_USB_MS_VENDOR_CODE 0x20u /* bRequest with which Windows fetches the 2.0 set */

struct opu_usb_identity {
    uint16_t vendor_id, product_id, bcd_device;
    const char *manufacturer, *product, *serial; /* ASCII */
    enum opu_usb_speed speed;
};

/*
 * Answers a standard GET_DESCRIPTOR (bmRequestType 0x80; device, configuration, string, BOS, device
 * qualifier) or Microsoft's vendor request (0xc0, OPU_USB_MS_VENDOR_CODE, wIndex 7): at most n
 * bytes, cut as USB wants. Returns bytes, or -1: stall.
 */
int opu_usb_descriptor(uint8_t *to, size_t n, const struct opu_usb_identity *identity,
                       uint8_t request_type, uint8_t request, uint16_t value, uint16_t index);

/* FunctionFS's blobs: descriptors (v2 head with full, high speed and MS OS 1.0 descriptors) and
 * strings. Return bytes, 0 where room n does not do. Flags as linux/usb/functionfs.h numbers them.
 */
size_t opu_usb_functionfs_descriptors(uint8_t *to, size_t n);
size_t opu_usb_functionfs_strings(uint8_t *to, size_t n);

/* What a host must know of a device to talk to it. */
struct opu_usb_interface {
    uint8_t number, alternate, protocol;
    uint8_t out, in, event; /* endpoint addresses */
    uint16_t out_packet, in_packet, event_packet;
};

/* Finds the interface in a configuration descriptor with all that follows it; every length is
 * checked. false: there is none (or the bytes are malformed). */
bool opu_usb_find_interface(struct opu_usb_interface *to, const uint8_t *config, size_t n);

#endif
