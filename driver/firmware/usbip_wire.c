/* SPDX-License-Identifier: MIT */
/* Offsets are those of the kernel's description of the protocol. */
#include "driver/firmware/usbip_wire.h"

#include <string.h>

#define FLAG_SHORT_NOT_OK 0x0001u
#define FLAG_ZERO_PACKET 0x0040u
#define NO_PACKETS 0xffffffffu /* what newer hosts say of transfers that aren't isochronous */

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value >> 16);
    put16(to + 2, value & 0xffff);
}

unsigned opu_usbip_get_op(const uint8_t from[OPU_USBIP_OP_BYTES])
{
    unsigned const version = (unsigned)from[0] << 8 | from[1];
    unsigned const code = (unsigned)from[2] << 8 | from[3];
    return version == OPU_USBIP_VERSION ? code : 0;
}

bool opu_usbip_is_ours(const uint8_t busid[OPU_USBIP_BUSID_BYTES])
{
    return memcmp(busid, OPU_USBIP_BUSID, sizeof OPU_USBIP_BUSID) == 0;
}

/* The first interface's class, subclass and protocol. */
static void find_class(uint8_t to[3], const uint8_t *config, size_t n)
{
    for (size_t at = 0; at + 9 <= n && config[at] >= 2; at += config[at]) {
        if (config[at + 1] == 4) {
            memcpy(to, config + at + 5, 3);
            return;
        }
    }
}

static void put_device(uint8_t *to, const struct opu_usb_identity *identity, uint8_t class[3])
{
    uint8_t device[18] = {0}, config[256] = {0};
    int const n = opu_usb_descriptor(config, sizeof config, identity, 0x80, 6, 2 << 8, 0);
    opu_usb_descriptor(device, sizeof device, identity, 0x80, 6, 1 << 8, 0);
    memset(to, 0, OPU_USBIP_DEVICE_BYTES);
    static const char path[] = "/sys/devices/opu/usb1/" OPU_USBIP_BUSID;
    memcpy(to, path, sizeof path);
    memcpy(to + 256, OPU_USBIP_BUSID, sizeof OPU_USBIP_BUSID);
    put32(to + 288, OPU_USBIP_DEVID >> 16);
    put32(to + 292, OPU_USBIP_DEVID & 0xffff);
    put32(to + 296, identity->speed);
    put16(to + 300, identity->vendor_id);
    put16(to + 302, identity->product_id);
    put16(to + 304, identity->bcd_device);
    memcpy(to + 306, device + 4, 3); /* class, subclass, protocol */
    to[309] = config[5];             /* the configuration's value */
    to[310] = device[17];            /* configurations */
    to[311] = config[4];             /* interfaces */
    find_class(class, config, n > 0 ? (size_t)n : 0);
}

static void put_op(uint8_t *to, unsigned code, unsigned status)
{
    put16(to, OPU_USBIP_VERSION);
    put16(to + 2, code & 0x7fff);
    put32(to + 4, status);
}

size_t opu_usbip_put_list(uint8_t to[OPU_USBIP_LIST_BYTES], const struct opu_usb_identity *identity,
                          bool there)
{
    put_op(to, OPU_USBIP_LIST, OPU_USBIP_DONE);
    put32(to + 8, there);
    if (!there) {
        return 12;
    }
    uint8_t class[3] = {0};
    put_device(to + 12, identity, class);
    memcpy(to + 12 + OPU_USBIP_DEVICE_BYTES, class, 3);
    to[OPU_USBIP_LIST_BYTES - 1] = 0;
    return OPU_USBIP_LIST_BYTES;
}

size_t opu_usbip_put_import(uint8_t to[OPU_USBIP_IMPORT_BYTES],
                            const struct opu_usb_identity *identity, unsigned status)
{
    uint8_t class[3];
    put_op(to, OPU_USBIP_IMPORT, status);
    if (status != OPU_USBIP_DONE) {
        return OPU_USBIP_OP_BYTES;
    }
    put_device(to + OPU_USBIP_OP_BYTES, identity, class);
    return OPU_USBIP_IMPORT_BYTES;
}

static int get_submit(struct opu_usbip_command *to, const uint8_t *from)
{
    uint32_t const direction = get32(from + 12), endpoint = get32(from + 16);
    uint32_t const flags = get32(from + 20), packets = get32(from + 32);
    if (direction > 1 || endpoint > 15) {
        return OPU_USBIP_BAD_ENDPOINT;
    }
    if (packets != 0 && packets != NO_PACKETS) {
        return OPU_USBIP_ISOCHRONOUS;
    }
    to->in = direction == 1;
    to->endpoint = (uint8_t)(endpoint | (to->in && endpoint != 0 ? 0x80u : 0));
    to->whole = to->in && (flags & FLAG_SHORT_NOT_OK) != 0;
    to->zero_packet = !to->in && (flags & FLAG_ZERO_PACKET) != 0;
    to->n = get32(from + 24);
    memcpy(to->setup, from + 40, sizeof to->setup);
    return to->n <= OPU_USBIP_TRANSFER_MAX ? OPU_USBIP_OK : OPU_USBIP_TOO_LONG;
}

int opu_usbip_get_command(struct opu_usbip_command *to, const uint8_t from[OPU_USBIP_HEADER_BYTES])
{
    uint32_t const kind = get32(from);
    *to =
        (struct opu_usbip_command){.kind = (enum opu_usbip_kind)kind, .sequence = get32(from + 4)};
    if (kind == OPU_USBIP_UNLINK) {
        to->victim = get32(from + 20);
        return OPU_USBIP_OK;
    }
    return kind == OPU_USBIP_SUBMIT ? get_submit(to, from) : OPU_USBIP_BAD_COMMAND;
}

const char *opu_usbip_fault_text(int fault)
{
    static const char *const texts[] = {
        "nothing is wrong",
        "a command is neither submit nor unlink",
        "a transfer is for an endpoint that no device has",
        "a transfer is longer than 16 MiB",
        "a transfer is isochronous",
    };
    size_t const n = sizeof texts / sizeof texts[0];
    return fault <= 0 && (size_t)-fault < n ? texts[-fault] : "an unknown fault";
}

/* Device, direction and endpoint stay 0 in answers. */
static void put_head(uint8_t *to, uint32_t kind, uint32_t sequence, int status)
{
    memset(to, 0, OPU_USBIP_HEADER_BYTES);
    put32(to, kind);
    put32(to + 4, sequence);
    put32(to + 20, (uint32_t)status);
}

void opu_usbip_put_submitted(uint8_t to[OPU_USBIP_HEADER_BYTES], uint32_t sequence, int status,
                             uint32_t n)
{
    put_head(to, 3, sequence, status);
    put32(to + 24, n);
}

void opu_usbip_put_unlinked(uint8_t to[OPU_USBIP_HEADER_BYTES], uint32_t sequence, int status)
{
    put_head(to, 4, sequence, status);
}
