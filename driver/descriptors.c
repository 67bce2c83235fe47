/* SPDX-License-Identifier: MIT */
/*
 * The device's USB descriptors. Numbers of tables and fields: USB 2.0 chapter 9, USB 3.2 chapter 9
 * (BOS, companions), Microsoft OS 2.0 Descriptors Specification, Microsoft's Extended Compat ID and
 * Extended Properties (1.0), linux/usb/functionfs.h.
 */
#include "driver/descriptors.h"

#include "driver/wire.h"
#include "driver/wire_bytes.h"

/* bDescriptorType */
enum {
    DEVICE = 1,
    CONFIGURATION = 2,
    STRING = 3,
    INTERFACE = 4,
    ENDPOINT = 5,
    QUALIFIER = 6,
    OTHER_SPEED = 7,
    BOS = 15,
    CAPABILITY = 16,
    COMPANION = 48
};
enum { BULK = 2, INTERRUPT = 3 }; /* of bmAttributes */
enum { LANGUAGES = 0, MANUFACTURER = 1, PRODUCT = 2, SERIAL = 3, FUNCTION = 4 };

#define GET_DESCRIPTOR 6u
#define TO_DEVICE_STANDARD 0x80u
#define TO_DEVICE_VENDOR 0xc0u
#define ENGLISH 0x0409u
#define EVENT_PACKET 32u /* an event is shorter, and so ends its transfer */
#define ROOM 512u        /* longer than any of them */

static const char function_name[] = "opu frames";

/* Whoever opens the device on Windows looks for this; it is the project's own. */
static const char interface_guids_name[] = "DeviceInterfaceGUIDs";
static const char interface_guid[] = "{a755cacf-4aec-462f-8541-75ef73c336a5}";
#define NAME_BYTES sizeof interface_guids_name  /* with the final 0 */
#define GUIDS_BYTES (sizeof interface_guid + 1) /* a list: one more 0 ends it */
#define REG_MULTI_SZ 7u
static const uint8_t winusb[8] = {'W', 'I', 'N', 'U', 'S', 'B'};

/* UTF-16LE of ASCII. */
static size_t put_wide(uint8_t *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_u16(to + 2 * i, (uint8_t)text[i]);
    }
    return 2 * n;
}

/* ---- The interface and its endpoints ---- */

static size_t put_endpoint(uint8_t *to, enum opu_usb_speed speed, uint8_t address, uint8_t type)
{
    uint32_t const bulk_packet = speed == OPU_USB_FULL ? 64 : speed == OPU_USB_HIGH ? 512 : 1024;
    to[0] = 7;
    to[1] = ENDPOINT;
    to[2] = address;
    to[3] = type;
    put_u16(to + 4, type == BULK ? bulk_packet : EVENT_PACKET);
    /* 8 ms: in frames of 1 ms, or as the exponent of microframes of 125 us */
    to[6] = type == BULK ? 0 : speed == OPU_USB_FULL ? 8 : 7;
    if (speed != OPU_USB_SUPER) {
        return 7;
    }
    uint8_t *const companion = to + 7;
    companion[0] = 6;
    companion[1] = COMPANION;
    companion[2] = type == BULK ? 15 : 0; /* bursts of sixteen packets */
    companion[3] = 0;
    put_u16(companion + 4, type == BULK ? 0 : EVENT_PACKET);
    return 7 + 6;
}

static size_t put_interface(uint8_t *to, enum opu_usb_speed speed, uint8_t name)
{
    static const uint8_t ends[][2] = {
        {OPU_USB_OUT, BULK}, {OPU_USB_IN, BULK}, {OPU_USB_EVENT, INTERRUPT}};
    size_t const n_ends = sizeof ends / sizeof ends[0];
    uint8_t const interface[9] = {
        9,   INTERFACE, 0, 0, (uint8_t)n_ends, OPU_WIRE_CLASS, OPU_WIRE_SUBCLASS, OPU_WIRE_VERSION,
        name};
    memcpy(to, interface, sizeof interface);
    size_t n = sizeof interface;
    for (size_t i = 0; i < n_ends; i++) {
        n += put_endpoint(to + n, speed, ends[i][0], ends[i][1]);
    }
    return n;
}

/* ---- Standard descriptors: each writes to room for ROOM bytes, and returns bytes or -1 ---- */

static int put_device(uint8_t *to, const struct opu_usb_identity *identity)
{
    bool const super = identity->speed == OPU_USB_SUPER;
    memset(to, 0, 18);
    to[0] = 18;
    to[1] = DEVICE;
    put_u16(to + 2, super ? 0x0300 : 0x0210); /* both have a BOS */
    to[7] = super ? 9 : 64;                   /* bMaxPacketSize0: 2^9 at super speed */
    put_u16(to + 8, identity->vendor_id);
    put_u16(to + 10, identity->product_id);
    put_u16(to + 12, identity->bcd_device);
    to[14] = identity->manufacturer != NULL ? MANUFACTURER : 0;
    to[15] = identity->product != NULL ? PRODUCT : 0;
    to[16] = identity->serial != NULL ? SERIAL : 0;
    to[17] = 1; /* configurations */
    return 18;
}

static int put_configuration(uint8_t *to, uint8_t type, enum opu_usb_speed speed)
{
    size_t const n = 9 + put_interface(to + 9, speed, FUNCTION);
    to[0] = 9;
    to[1] = type;
    put_u16(to + 2, (uint32_t)n);
    to[4] = 1;    /* interfaces */
    to[5] = 1;    /* its own number */
    to[6] = 0;    /* no name */
    to[7] = 0xc0; /* has its own power */
    to[8] = 0;    /* and takes none from the bus */
    return (int)n;
}

/* What a device of high speed would be at full speed. Others have no second speed. */
static int put_qualifier(uint8_t *to, const struct opu_usb_identity *identity)
{
    if (identity->speed != OPU_USB_HIGH) {
        return -1;
    }
    static const uint8_t qualifier[10] = {10, QUALIFIER, 0x10, 0x02, 0, 0, 0, 64, 1, 0};
    memcpy(to, qualifier, sizeof qualifier);
    return (int)sizeof qualifier;
}

static int put_string(uint8_t *to, const struct opu_usb_identity *identity, uint8_t index)
{
    to[1] = STRING;
    if (index == LANGUAGES) {
        to[0] = 4;
        put_u16(to + 2, ENGLISH);
        return 4;
    }
    const char *const texts[] = {NULL, identity->manufacturer, identity->product, identity->serial,
                                 function_name};
    if (index >= sizeof texts / sizeof texts[0] || texts[index] == NULL) {
        return -1;
    }
    size_t const n = 2 + put_wide(to + 2, texts[index], strnlen(texts[index], 126));
    to[0] = (uint8_t)n;
    return (int)n;
}

/* ---- Microsoft OS 2.0 ---- */

#define MS_WINDOWS_8_1 0x06030000u
#define MS_SET_INDEX 7u
#define MS_HEAD_BYTES 10u
#define MS_COMPATIBLE_BYTES 20u
#define MS_PROPERTY_BYTES (10u + 2u * NAME_BYTES + 2u * GUIDS_BYTES)
#define MS_SET_BYTES (MS_HEAD_BYTES + MS_COMPATIBLE_BYTES + MS_PROPERTY_BYTES)
_Static_assert(MS_SET_BYTES <= ROOM, "the set fits");

/* For the device as a whole: it has one interface. */
static int put_ms_set(uint8_t *to)
{
    memset(to, 0, MS_SET_BYTES);
    put_u16(to, MS_HEAD_BYTES);
    put_u16(to + 2, 0); /* set header */
    put_u32(to + 4, MS_WINDOWS_8_1);
    put_u16(to + 8, MS_SET_BYTES);

    uint8_t *const compatible = to + MS_HEAD_BYTES;
    put_u16(compatible, MS_COMPATIBLE_BYTES);
    put_u16(compatible + 2, 3); /* compatible ID */
    memcpy(compatible + 4, winusb, sizeof winusb);

    uint8_t *const property = compatible + MS_COMPATIBLE_BYTES;
    put_u16(property, MS_PROPERTY_BYTES);
    put_u16(property + 2, 4); /* registry property */
    put_u16(property + 4, REG_MULTI_SZ);
    put_u16(property + 6, 2 * NAME_BYTES);
    put_wide(property + 8, interface_guids_name, NAME_BYTES);
    uint8_t *const value = property + 8 + 2 * NAME_BYTES;
    put_u16(value, 2 * GUIDS_BYTES);
    put_wide(value + 2, interface_guid, sizeof interface_guid);
    return (int)MS_SET_BYTES;
}

/* ---- BOS ---- */

static int put_bos(uint8_t *to, const struct opu_usb_identity *identity)
{
    static const uint8_t super_speed[10] = {
        10,   CAPABILITY, 3,   0, /* no latency tolerance messages */
        0x0e, 0x00,               /* full, high and super speed */
        1,                        /* all it does it does at full speed too */
        10,   0xff,       0x07};  /* longest exits of the low-power states: U1, U2 */
    static const uint8_t platform[20] = {
        28, CAPABILITY, 5, 0,
        /* MS_OS_20_Platform_Capability_ID, d8dd60df-4589-4cc7-9cd2-659d9e648a9f */
        0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a,
        0x9f};
    bool const super = identity->speed == OPU_USB_SUPER;
    uint8_t *at = to + 5;
    /* USB 2.0 extension; link power management is a must at super speed, and not had elsewhere */
    uint8_t const extension[7] = {7, CAPABILITY, 2, super ? 2 : 0, 0, 0, 0};
    memcpy(at, extension, sizeof extension);
    at += sizeof extension;
    if (super) {
        memcpy(at, super_speed, sizeof super_speed);
        at += sizeof super_speed;
    }
    memcpy(at, platform, sizeof platform);
    put_u32(at + 20, MS_WINDOWS_8_1);
    put_u16(at + 24, MS_SET_BYTES);
    at[26] = OPU_USB_MS_VENDOR_CODE;
    at[27] = 0; /* no other enumeration */
    at += 28;
    to[0] = 5;
    to[1] = BOS;
    put_u16(to + 2, (uint32_t)(at - to));
    to[4] = super ? 3 : 2; /* capabilities */
    return (int)(at - to);
}

static int put_standard(uint8_t *to, const struct opu_usb_identity *identity, uint16_t value)
{
    uint8_t const index = (uint8_t)value;
    uint8_t const type = (uint8_t)(value >> 8);
    if (type != STRING && index != 0) {
        return -1;
    }
    switch (type) {
    case DEVICE:
        return put_device(to, identity);
    case CONFIGURATION:
        return put_configuration(to, CONFIGURATION, identity->speed);
    case STRING:
        return put_string(to, identity, index);
    case QUALIFIER:
        return put_qualifier(to, identity);
    case OTHER_SPEED:
        return identity->speed == OPU_USB_HIGH ? put_configuration(to, OTHER_SPEED, OPU_USB_FULL)
                                               : -1;
    case BOS:
        return put_bos(to, identity);
    default:
        return -1;
    }
}

int opu_usb_descriptor(uint8_t *to, size_t n, const struct opu_usb_identity *identity,
                       uint8_t request_type, uint8_t request, uint16_t value, uint16_t index)
{
    uint8_t whole[ROOM];
    int bytes = -1;
    if (request_type == TO_DEVICE_STANDARD && request == GET_DESCRIPTOR) {
        bytes = put_standard(whole, identity, value);
    } else if (request_type == TO_DEVICE_VENDOR && request == OPU_USB_MS_VENDOR_CODE &&
               value == 0 && index == MS_SET_INDEX) {
        bytes = put_ms_set(whole);
    }
    if (bytes < 0) {
        return -1;
    }
    size_t const cut = (size_t)bytes < n ? (size_t)bytes : n;
    if (cut > 0) {
        memcpy(to, whole, cut);
    }
    return (int)cut;
}

/* ---- FunctionFS ---- */

#define FFS_STRINGS_MAGIC 2u
#define FFS_DESCRIPTORS_MAGIC_V2 3u
#define FFS_HAS_FULL_SPEED 1u
#define FFS_HAS_HIGH_SPEED 2u
#define FFS_HAS_MS_OS 8u
#define FFS_ALL_CTRL_RECIP 64u /* requests to the device come here too */
#define FFS_CONFIG0_SETUP 128u /* also before a configuration is chosen */

/* Extended compat ID and extended properties, 1.0: the kernel asks for version 1 and for 8-bit
 * text, and answers Windows with 0x0100 and UTF-16. */
static size_t put_ms_compat(uint8_t *to)
{
    size_t const n = 11 + 24;
    memset(to, 0, n);
    put_u32(to + 1, (uint32_t)n);
    put_u16(to + 5, 1);
    put_u16(to + 7, 4); /* extended compat ID */
    to[9] = 1;          /* of them follows: */
    uint8_t *const entry = to + 11;
    entry[1] = 1; /* reserved, and 1 */
    memcpy(entry + 2, winusb, sizeof winusb);
    return n;
}

static size_t put_ms_property(uint8_t *to)
{
    size_t const entry_bytes = 14 + NAME_BYTES + GUIDS_BYTES;
    size_t const n = 11 + entry_bytes;
    memset(to, 0, n);
    put_u32(to + 1, (uint32_t)n);
    put_u16(to + 5, 1);
    put_u16(to + 7, 5); /* extended properties */
    put_u16(to + 9, 1); /* of them follows: */
    uint8_t *const entry = to + 11;
    put_u32(entry, (uint32_t)entry_bytes);
    put_u32(entry + 4, REG_MULTI_SZ);
    put_u16(entry + 8, NAME_BYTES);
    memcpy(entry + 10, interface_guids_name, NAME_BYTES);
    put_u32(entry + 10 + NAME_BYTES, GUIDS_BYTES);
    memcpy(entry + 14 + NAME_BYTES, interface_guid, sizeof interface_guid);
    return n;
}

size_t opu_usb_functionfs_descriptors(uint8_t *to, size_t n)
{
    uint8_t whole[ROOM];
    put_u32(whole, FFS_DESCRIPTORS_MAGIC_V2);
    put_u32(whole + 8, FFS_HAS_FULL_SPEED | FFS_HAS_HIGH_SPEED | FFS_HAS_MS_OS |
                           FFS_ALL_CTRL_RECIP | FFS_CONFIG0_SETUP);
    put_u32(whole + 12, 4); /* descriptors at full speed: interface and endpoints */
    put_u32(whole + 16, 4); /* at high speed */
    put_u32(whole + 20, 2); /* Microsoft's */
    size_t bytes = 24;
    bytes += put_interface(whole + bytes, OPU_USB_FULL, 1);
    bytes += put_interface(whole + bytes, OPU_USB_HIGH, 1);
    bytes += put_ms_compat(whole + bytes);
    bytes += put_ms_property(whole + bytes);
    put_u32(whole + 4, (uint32_t)bytes);
    if (bytes > n) {
        return 0;
    }
    memcpy(to, whole, bytes);
    return bytes;
}

size_t opu_usb_functionfs_strings(uint8_t *to, size_t n)
{
    size_t const bytes = 18 + sizeof function_name;
    if (bytes > n) {
        return 0;
    }
    put_u32(to, FFS_STRINGS_MAGIC);
    put_u32(to + 4, (uint32_t)bytes);
    put_u32(to + 8, 1);  /* strings */
    put_u32(to + 12, 1); /* languages */
    put_u16(to + 16, ENGLISH);
    memcpy(to + 18, function_name, sizeof function_name);
    return bytes;
}
