/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, byte by byte. What is wanted was put together by hand from the documents that stand
 * beside it: field names and offsets are theirs.
 */
#include "base_support.h"

#include "driver/descriptors.h"
#include "driver/wire.h"

#if defined(__has_include)
#if __has_include(<linux/usb/functionfs.h>)
#include <linux/usb/functionfs.h>
#define HAVE_FUNCTIONFS 1
#endif
#endif

#define GET_DESCRIPTOR 6

static const struct opu_usb_identity identity = {
    .vendor_id = 0x1209,
    .product_id = 0x0001,
    .bcd_device = 0x0102,
    .manufacturer = "lab",
    .product = "opu board",
    .serial = "A1",
    .speed = OPU_USB_HIGH,
};

static struct opu_usb_identity at_speed(enum opu_usb_speed speed)
{
    struct opu_usb_identity copy = identity;
    copy.speed = speed;
    return copy;
}

static int ask(uint8_t *to, size_t n, enum opu_usb_speed speed, uint16_t value)
{
    struct opu_usb_identity const is = at_speed(speed);
    return opu_usb_descriptor(to, n, &is, 0x80, GET_DESCRIPTOR, value, 0);
}

#define assert_answer(wanted, speed, value) \
    do { \
        uint8_t seen_[512]; \
        assert_int_equal(ask(seen_, sizeof seen_, (speed), (value)), sizeof(wanted)); \
        assert_memory_equal(seen_, (wanted), sizeof(wanted)); \
    } while (0)

/* ---- USB 2.0 chapter 9 ---- */

/* USB 2.0 table 9-8: bLength 0, bDescriptorType 1, bcdUSB 2, bDeviceClass 4, SubClass 5, Protocol
 * 6, bMaxPacketSize0 7, idVendor 8, idProduct 10, bcdDevice 12, iManufacturer 14, iProduct 15,
 * iSerialNumber 16, bNumConfigurations 17. Class 0: the interface says it. */
static void device_descriptor(void **state)
{
    (void)state;
    static const uint8_t high[] = {0x12, 0x01, 0x10, 0x02, 0,    0, 0, 0x40, 0x09,
                                   0x12, 0x01, 0x00, 0x02, 0x01, 1, 2, 3,    1};
    assert_answer(high, OPU_USB_HIGH, 0x0100);
    assert_answer(high, OPU_USB_FULL, 0x0100);
    /* USB 3.2 9.6.1: bcdUSB 0x0300 and bMaxPacketSize0 as an exponent, 2^9 */
    uint8_t super[sizeof high];
    memcpy(super, high, sizeof super);
    super[2] = 0x00;
    super[3] = 0x03;
    super[7] = 9;
    assert_answer(super, OPU_USB_SUPER, 0x0100);
}

static void strings_that_are_not_there_have_index_0_and_stall(void **state)
{
    (void)state;
    struct opu_usb_identity bare = identity;
    bare.manufacturer = NULL;
    bare.serial = NULL;
    uint8_t bytes[64];
    assert_int_equal(
        opu_usb_descriptor(bytes, sizeof bytes, &bare, 0x80, GET_DESCRIPTOR, 0x0100, 0), 18);
    assert_int_equal(bytes[14], 0);
    assert_int_equal(bytes[15], 2);
    assert_int_equal(bytes[16], 0);
    assert_int_equal(
        opu_usb_descriptor(bytes, sizeof bytes, &bare, 0x80, GET_DESCRIPTOR, 0x0301, 0), -1);
    assert_int_equal(
        opu_usb_descriptor(bytes, sizeof bytes, &bare, 0x80, GET_DESCRIPTOR, 0x0303, 0), -1);
}

/*
 * USB 2.0 table 9-10 (configuration): bLength 0, bDescriptorType 1, wTotalLength 2, bNumInterfaces
 * 4, bConfigurationValue 5, iConfiguration 6, bmAttributes 7 (bit 7 set, bit 6 self-powered),
 * bMaxPower 8.
 * Table 9-12 (interface): bInterfaceNumber 2, bAlternateSetting 3, bNumEndpoints 4, bInterfaceClass
 * 5, SubClass 6, Protocol 7, iInterface 8.
 * Table 9-13 (endpoint): bEndpointAddress 2, bmAttributes 3 (2 bulk, 3 interrupt), wMaxPacketSize
 * 4, bInterval 6 (interrupt at full speed: frames; at high and super speed 2^(n-1) microframes).
 */
#define CONFIG(type, total) 0x09, (type), (total), 0x00, 0x01, 0x01, 0x00, 0xc0, 0x00
#define INTERFACE(name) 0x09, 0x04, 0x00, 0x00, 0x03, 0xff, 0x4f, 0x01, (name)
#define BULK_ENDS(low, high) \
    0x07, 0x05, 0x01, 0x02, (low), (high), 0x00, 0x07, 0x05, 0x82, 0x02, (low), (high), 0x00
#define FULL_FUNCTION(name) \
    INTERFACE(name), BULK_ENDS(0x40, 0x00), 0x07, 0x05, 0x83, 0x03, 0x20, 0x00, 0x08
#define HIGH_FUNCTION(name) \
    INTERFACE(name), BULK_ENDS(0x00, 0x02), 0x07, 0x05, 0x83, 0x03, 0x20, 0x00, 0x07

static const uint8_t full_config[] = {CONFIG(0x02, 39), FULL_FUNCTION(4)};
static const uint8_t high_config[] = {CONFIG(0x02, 39), HIGH_FUNCTION(4)};
/* USB 3.2 9.6.7, SuperSpeed endpoint companion: bLength 0 (6), bDescriptorType 1 (48),
 * bMaxBurst 2 (0 to 15: one more packets), bmAttributes 3, wBytesPerInterval 4. */
/* clang-format off */
static const uint8_t super_config[] = {
    CONFIG(0x02, 57), INTERFACE(4),
    0x07, 0x05, 0x01, 0x02, 0x00, 0x04, 0x00, 0x06, 0x30, 0x0f, 0x00, 0x00, 0x00,
    0x07, 0x05, 0x82, 0x02, 0x00, 0x04, 0x00, 0x06, 0x30, 0x0f, 0x00, 0x00, 0x00,
    0x07, 0x05, 0x83, 0x03, 0x20, 0x00, 0x07, 0x06, 0x30, 0x00, 0x00, 0x20, 0x00,
};
/* clang-format on */

static void configuration_at_each_speed(void **state)
{
    (void)state;
    assert_answer(full_config, OPU_USB_FULL, 0x0200);
    assert_answer(high_config, OPU_USB_HIGH, 0x0200);
    assert_answer(super_config, OPU_USB_SUPER, 0x0200);
}

/* USB 2.0 9.6.2 and 9.6.4: a device of high speed tells what it would be at full speed; any other
 * has no second speed, and must stall. Table 9-9: bMaxPacketSize0 7, bNumConfigurations 8. */
static void qualifier_and_other_speed_are_for_high_speed_alone(void **state)
{
    (void)state;
    static const uint8_t qualifier[] = {0x0a, 0x06, 0x10, 0x02, 0, 0, 0, 0x40, 1, 0};
    static const uint8_t other[] = {CONFIG(0x07, 39), FULL_FUNCTION(4)};
    uint8_t bytes[64];
    assert_answer(qualifier, OPU_USB_HIGH, 0x0600);
    assert_answer(other, OPU_USB_HIGH, 0x0700);
    assert_int_equal(ask(bytes, sizeof bytes, OPU_USB_FULL, 0x0600), -1);
    assert_int_equal(ask(bytes, sizeof bytes, OPU_USB_FULL, 0x0700), -1);
    assert_int_equal(ask(bytes, sizeof bytes, OPU_USB_SUPER, 0x0600), -1);
}

/* USB 2.0 tables 9-15 (languages; 0x0409: English, United States) and 9-16 (UTF-16LE, no final 0).
 */
static void strings_are_utf16(void **state)
{
    (void)state;
    static const uint8_t languages[] = {4, 3, 0x09, 0x04};
    static const uint8_t manufacturer[] = {8, 3, 'l', 0, 'a', 0, 'b', 0};
    static const uint8_t serial[] = {6, 3, 'A', 0, '1', 0};
    static const uint8_t function[] = {22, 3,   'o', 0,   'p', 0,   'u', 0,   ' ', 0,   'f',
                                       0,  'r', 0,   'a', 0,   'm', 0,   'e', 0,   's', 0};
    assert_answer(languages, OPU_USB_HIGH, 0x0300);
    assert_answer(manufacturer, OPU_USB_HIGH, 0x0301);
    assert_answer(serial, OPU_USB_HIGH, 0x0303);
    assert_answer(function, OPU_USB_HIGH, 0x0304);
    uint8_t bytes[64];
    assert_int_equal(ask(bytes, sizeof bytes, OPU_USB_HIGH, 0x0305), -1);
    assert_int_equal(ask(bytes, sizeof bytes, OPU_USB_HIGH, 0x03ee), -1); /* Microsoft's 1.0 */
}

static void string_too_long_is_cut_at_what_a_length_byte_can_say(void **state)
{
    (void)state;
    char text[301];
    memset(text, 'x', 300);
    text[300] = '\0';
    struct opu_usb_identity with_long = identity;
    with_long.product = text;
    uint8_t bytes[512];
    assert_int_equal(
        opu_usb_descriptor(bytes, sizeof bytes, &with_long, 0x80, GET_DESCRIPTOR, 0x0302, 0x0409),
        254);
    assert_int_equal(bytes[0], 254);
}

static void answers_are_cut_to_what_was_asked_for(void **state)
{
    (void)state;
    for (size_t n = 0; n < 60; n++) {
        uint8_t *const exact = malloc(n > 0 ? n : 1);
        size_t const wanted = n < sizeof super_config ? n : sizeof super_config;
        assert_int_equal(ask(exact, n, OPU_USB_SUPER, 0x0200), wanted);
        assert_memory_equal(exact, super_config, wanted);
        free(exact);
    }
}

static void what_is_not_known_stalls(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, request;
        uint16_t value, index;
    } requests[] = {
        {0x80, 6, 0x0201, 0}, /* a second configuration */
        {0x80, 6, 0x0101, 0}, {0x80, 6, 0x2200, 0}, {0x80, 6, 0x0000, 0}, {0x80, 6, 0xff00, 0},
        {0x81, 6, 0x0100, 0}, {0x00, 6, 0x0100, 0}, {0x80, 0, 0x0100, 0}, {0xc0, 0x20, 0, 8},
        {0xc0, 0x20, 1, 7},   {0xc0, 0x21, 0, 7},   {0xc1, 0x20, 0, 7},   {0x40, 0x20, 0, 7},
    };
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int const seen =
            opu_usb_descriptor(bytes, sizeof bytes, &identity, requests[i].type,
                               requests[i].request, requests[i].value, requests[i].index);
        if (seen != -1) {
            fail_msg("request %zu was answered with %d bytes", i, seen);
        }
    }
}

/* ---- BOS and Microsoft OS 2.0 ---- */

/*
 * USB 3.2 9.6.2 (BOS): bLength 0, bDescriptorType 1 (15), wTotalLength 2, bNumDeviceCaps 4.
 * 9.6.2.1 (USB 2.0 extension): bDevCapabilityType 2 (2), bmAttributes 3, bit 1: LPM.
 * Microsoft OS 2.0 Descriptors Specification, platform capability: bLength 0 (28),
 * bDevCapabilityType 2 (5), bReserved 3, PlatformCapabilityUUID 4
 * (D8DD60DF-4589-4CC7-9CD2-659D9E648A9F, its first three groups little endian), then
 * CapabilityData, the descriptor set information: dwWindowsVersion 0 (0x06030000: 8.1),
 * wMSOSDescriptorSetTotalLength 4, bMS_VendorCode 6, bAltEnumCode 7.
 */
#define PLATFORM \
    0x1c, 0x10, 0x05, 0x00, 0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, \
        0x9d, 0x9e, 0x64, 0x8a, 0x9f, 0x00, 0x00, 0x03, 0x06, 0xa2, 0x00, 0x20, 0x00

static void bos_leads_windows_to_the_set(void **state)
{
    (void)state;
    static const uint8_t high[] = {0x05, 0x0f, 0x28, 0x00, 0x02, 0x07,    0x10,
                                   0x02, 0x00, 0x00, 0x00, 0x00, PLATFORM};
    /* USB 3.2 9.6.2.2 (SuperSpeed): bmAttributes 3, wSpeedsSupported 4 (bits 1 full, 2 high, 3
     * gen 1), bFunctionalitySupport 6, bU1DevExitLat 7 (us), wU2DevExitLat 8 (us). */
    static const uint8_t super[] = {0x05, 0x0f, 0x32, 0x00, 0x03, 0x07, 0x10,    0x02,
                                    0x02, 0x00, 0x00, 0x00, 0x0a, 0x10, 0x03,    0x00,
                                    0x0e, 0x00, 0x01, 0x0a, 0xff, 0x07, PLATFORM};
    assert_answer(high, OPU_USB_HIGH, 0x0f00);
    assert_answer(high, OPU_USB_FULL, 0x0f00);
    assert_answer(super, OPU_USB_SUPER, 0x0f00);
}

#define NAME_16 \
    'D', 0, 'e', 0, 'v', 0, 'i', 0, 'c', 0, 'e', 0, 'I', 0, 'n', 0, 't', 0, 'e', 0, 'r', 0, 'f', \
        0, 'a', 0, 'c', 0, 'e', 0, 'G', 0, 'U', 0, 'I', 0, 'D', 0, 's', 0, 0, 0
#define GUID_16 \
    '{', 0, 'a', 0, '7', 0, '5', 0, '5', 0, 'c', 0, 'a', 0, 'c', 0, 'f', 0, '-', 0, '4', 0, 'a', \
        0, 'e', 0, 'c', 0, '-', 0, '4', 0, '6', 0, '2', 0, 'f', 0, '-', 0, '8', 0, '5', 0, '4', 0, \
        '1', 0, '-', 0, '7', 0, '5', 0, 'e', 0, 'f', 0, '7', 0, '3', 0, 'c', 0, '3', 0, '3', 0, \
        '6', 0, 'a', 0, '5', 0, '}', 0, 0, 0, 0, 0

/*
 * The same document. Set header: wLength 0 (10), wDescriptorType 2 (0), dwWindowsVersion 4,
 * wTotalLength 8. Compatible ID: wLength 0 (20), wDescriptorType 2 (3), CompatibleID 4,
 * SubCompatibleID 12. Registry property: wLength 0 (10 and the bytes of name and data),
 * wDescriptorType 2 (4), wPropertyDataType 4 (7: REG_MULTI_SZ), wPropertyNameLength 6, PropertyName
 * 8, wPropertyDataLength, PropertyData; both Unicode, ended by 0, a list by one more.
 * 10 + 20 + (10 + 42 + 80) = 162.
 */
/* clang-format off */
static const uint8_t ms_set[] = {
    0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x06, 0xa2, 0x00,
    0x14, 0x00, 0x03, 0x00, 'W', 'I', 'N', 'U', 'S', 'B', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x84, 0x00, 0x04, 0x00, 0x07, 0x00, 0x2a, 0x00, NAME_16, 0x50, 0x00, GUID_16,
};
/* clang-format on */

static void microsoft_set_binds_winusb(void **state)
{
    (void)state;
    assert_int_equal(sizeof ms_set, 0xa2);
    uint8_t bytes[512];
    assert_int_equal(opu_usb_descriptor(bytes, sizeof bytes, &identity, 0xc0, 0x20, 0, 7),
                     sizeof ms_set);
    assert_memory_equal(bytes, ms_set, sizeof ms_set);
    assert_int_equal(opu_usb_descriptor(bytes, 10, &identity, 0xc0, 0x20, 0, 7), 10);
}

/* ---- FunctionFS ---- */

#define NAME_8 \
    'D', 'e', 'v', 'i', 'c', 'e', 'I', 'n', 't', 'e', 'r', 'f', 'a', 'c', 'e', 'G', 'U', 'I', 'D', \
        's', 0
#define GUID_8 \
    '{', 'a', '7', '5', '5', 'c', 'a', 'c', 'f', '-', '4', 'a', 'e', 'c', '-', '4', '6', '2', 'f', \
        '-', '8', '5', '4', '1', '-', '7', '5', 'e', 'f', '7', '3', 'c', '3', '3', '6', 'a', '5', \
        '}', 0, 0

/*
 * linux/usb/functionfs.h, "Descriptors format": magic 0 (3: version 2), length 4, flags 8 (1 full
 * speed, 2 high speed, 8 Microsoft's, 64 all control recipients, 128 set-up before a configuration:
 * 0xcb), counts 12, 16, 20. OSDesc: interface 0, dwLength 1, bcdVersion 5, wIndex 7 (4, 5), bCount
 * 9 or wCount 9. ExtCompat: bFirstInterfaceNumber 0, Reserved 1 (1), CompatibleID 2,
 * SubCompatibleID 10, Reserved 18. ExtProp: dwSize 0, dwPropertyDataType 4, wPropertyNameLength 8,
 * bPropertyName 10, dwPropertyDataLength, bProperty; the kernel widens both texts. 14 + 21 + 40 =
 * 75, and 11: 86. 24 + 30 + 30 + (11 + 24) + 86 = 205.
 */
/* clang-format off */
static const uint8_t functionfs[] = {
    0x03, 0, 0, 0, 0xcd, 0, 0, 0, 0xcb, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0,
    FULL_FUNCTION(1), HIGH_FUNCTION(1),
    0x00, 0x23, 0, 0, 0, 0x01, 0x00, 0x04, 0x00, 1, 0, /* extended compat ID */
    0x00, 0x01, 'W', 'I', 'N', 'U', 'S', 'B', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x00, 0x56, 0, 0, 0, 0x01, 0x00, 0x05, 0x00, 1, 0, /* extended properties */
    0x4b, 0, 0, 0, 0x07, 0, 0, 0, 0x15, 0, NAME_8, 0x28, 0, 0, 0, GUID_8,
};
/* clang-format on */

static void functionfs_descriptors(void **state)
{
    (void)state;
    assert_int_equal(sizeof functionfs, 0xcd);
    uint8_t bytes[512];
    assert_int_equal(opu_usb_functionfs_descriptors(bytes, sizeof bytes), sizeof functionfs);
    assert_memory_equal(bytes, functionfs, sizeof functionfs);
    assert_int_equal(opu_usb_functionfs_descriptors(bytes, sizeof functionfs), sizeof functionfs);
    assert_int_equal(opu_usb_functionfs_descriptors(bytes, sizeof functionfs - 1), 0);
}

/* "Strings format": magic 0 (2), length 4, str_count 8, lang_count 12; then lang and its strings.
 */
static void functionfs_strings(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {2,   0,   0,   0,   0x1d, 0,   0,    0,    1,   0,
                                     0,   0,   1,   0,   0,    0,   0x09, 0x04, 'o', 'p',
                                     'u', ' ', 'f', 'r', 'a',  'm', 'e',  's',  0};
    uint8_t bytes[64];
    assert_int_equal(sizeof wanted, 0x1d);
    assert_int_equal(opu_usb_functionfs_strings(bytes, sizeof bytes), sizeof wanted);
    assert_memory_equal(bytes, wanted, sizeof wanted);
    assert_int_equal(opu_usb_functionfs_strings(bytes, sizeof wanted - 1), 0);
}

/* The kernel's own structs, laid over the blob, say the same. */
static void functionfs_blobs_have_the_kernels_layout(void **state)
{
    (void)state;
#ifdef HAVE_FUNCTIONFS
    struct usb_functionfs_descs_head_v2 head;
    struct usb_os_desc_header compat;
    struct usb_ext_compat_desc entry;
    struct usb_os_desc_header property;
    struct usb_ext_prop_desc value;
    size_t at = 0;
    memcpy(&head, functionfs, sizeof head);
    assert_int_equal(head.magic, FUNCTIONFS_DESCRIPTORS_MAGIC_V2);
    assert_int_equal(head.length, sizeof functionfs);
    assert_int_equal(head.flags, FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC |
                                     FUNCTIONFS_HAS_MS_OS_DESC | FUNCTIONFS_ALL_CTRL_RECIP |
                                     FUNCTIONFS_CONFIG0_SETUP);
    at = sizeof head + 3 * 4 +
         2 * (sizeof(struct usb_interface_descriptor) +
              3 * sizeof(struct usb_endpoint_descriptor_no_audio));
    memcpy(&compat, functionfs + at, sizeof compat);
    assert_int_equal(compat.dwLength, sizeof compat + sizeof entry);
    assert_int_equal(compat.wIndex, 4);
    memcpy(&entry, functionfs + at + sizeof compat, sizeof entry);
    assert_memory_equal(entry.CompatibleID, "WINUSB\0", 8);
    at += compat.dwLength;
    memcpy(&property, functionfs + at, sizeof property);
    assert_int_equal(property.wIndex, 5);
    assert_int_equal(property.wCount, 1);
    memcpy(&value, functionfs + at + sizeof property, sizeof value);
    assert_int_equal(value.dwSize, property.dwLength - sizeof property);
    assert_int_equal(value.wPropertyNameLength, sizeof "DeviceInterfaceGUIDs");
    assert_int_equal(at + property.dwLength, sizeof functionfs);
    assert_int_equal(sizeof(struct usb_functionfs_strings_head), 16);
#else
    skip();
#endif
}

/* ---- Finding the interface ---- */

static void own_configuration_is_found_at_each_speed(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *config;
        size_t n;
        uint16_t packet;
    } speeds[] = {{full_config, sizeof full_config, 64},
                  {high_config, sizeof high_config, 512},
                  {super_config, sizeof super_config, 1024}};
    for (size_t i = 0; i < 3; i++) {
        struct opu_usb_interface found;
        assert_true(opu_usb_find_interface(&found, speeds[i].config, speeds[i].n));
        assert_int_equal(found.number, 0);
        assert_int_equal(found.alternate, 0);
        assert_int_equal(found.protocol, OPU_WIRE_VERSION);
        assert_int_equal(found.out, 0x01);
        assert_int_equal(found.in, 0x82);
        assert_int_equal(found.event, 0x83);
        assert_int_equal(found.out_packet, speeds[i].packet);
        assert_int_equal(found.in_packet, speeds[i].packet);
        assert_int_equal(found.event_packet, 32);
    }
}

/* A composite device: HID with its class descriptor, then an alternate setting of ours without
 * endpoints, then ours, numbered as a device controller liked it, with high-bandwidth bits and a
 * longer (audio) endpoint descriptor. */
/* clang-format off */
static const uint8_t composite[] = {
    0x09, 0x02, 0x50, 0x00, 0x02, 0x01, 0x00, 0x80, 0x32,
    0x09, 0x04, 0x00, 0x00, 0x01, 0x03, 0x00, 0x00, 0x00,
    0x09, 0x21, 0x11, 0x01, 0x00, 0x01, 0x22, 0x40, 0x00,
    0x07, 0x05, 0x81, 0x03, 0x08, 0x00, 0x0a,
    0x09, 0x04, 0x03, 0x00, 0x00, 0xff, 0x4f, 0x02, 0x00,
    0x09, 0x04, 0x03, 0x01, 0x03, 0xff, 0x4f, 0x02, 0x00,
    0x09, 0x05, 0x86, 0x03, 0x40, 0x08, 0x04, 0x00, 0x00,
    0x07, 0x05, 0x07, 0x02, 0x00, 0x02, 0x00,
    0x07, 0x05, 0x85, 0x02, 0x00, 0x02, 0x00,
    0x05, 0x24, 0x01, 0x02, 0x03,
};
/* clang-format on */

static void interface_is_found_among_others_with_any_addresses(void **state)
{
    (void)state;
    struct opu_usb_interface found;
    assert_int_equal(sizeof composite, 0x50);
    assert_true(opu_usb_find_interface(&found, composite, sizeof composite));
    assert_int_equal(found.number, 3);
    assert_int_equal(found.alternate, 1);
    assert_int_equal(found.protocol, 2);
    assert_int_equal(found.out, 0x07);
    assert_int_equal(found.in, 0x85);
    assert_int_equal(found.event, 0x86);
    assert_int_equal(found.event_packet, 64);
}

/* What is behind wTotalLength is somebody else's. */
static void bytes_behind_the_configuration_do_not_matter(void **state)
{
    (void)state;
    uint8_t bytes[sizeof high_config + 8];
    struct opu_usb_interface found;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, high_config, sizeof high_config);
    assert_true(opu_usb_find_interface(&found, bytes, sizeof bytes));
}

static void cut_configuration_is_not_believed(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof composite; n++) {
        uint8_t *const exact = malloc(n > 0 ? n : 1);
        memcpy(exact, composite, n);
        struct opu_usb_interface found;
        assert_false(opu_usb_find_interface(&found, exact, n)); /* wTotalLength says more */
        if (n >= 4) {
            exact[2] = (uint8_t)n; /* as if it ended there */
            bool const whole = opu_usb_find_interface(&found, exact, n);
            assert_int_equal(whole, n == 75); /* up to the last, short descriptor */
        }
        free(exact);
    }
}

/* One byte of the high-speed configuration is another. */
static bool found_with(size_t offset, uint8_t value)
{
    uint8_t bytes[sizeof high_config];
    memcpy(bytes, high_config, sizeof bytes);
    bytes[offset] = value;
    struct opu_usb_interface found;
    return opu_usb_find_interface(&found, bytes, sizeof bytes);
}

static void malformed_configuration_is_refused(void **state)
{
    (void)state;
    assert_true(found_with(8, 0xfa));  /* bMaxPower: any */
    assert_true(found_with(16, 9));    /* protocol: any, the caller tells the version */
    assert_false(found_with(1, 0x01)); /* no configuration */
    assert_false(found_with(0, 8));    /* its bLength */
    assert_false(found_with(0, 0xff));
    assert_false(found_with(9, 0)); /* a descriptor of no length: it would never end */
    assert_false(found_with(9, 1));
    assert_false(found_with(9, 8));     /* an interface of 8 bytes */
    assert_false(found_with(18, 6));    /* an endpoint of 6 bytes */
    assert_false(found_with(32, 8));    /* longer than what is left */
    assert_false(found_with(14, 0xfe)); /* another class */
    assert_false(found_with(15, 0x4e)); /* and subclass */
    assert_false(found_with(20, 0x81)); /* no bulk OUT any more */
    assert_false(found_with(20, 0x00)); /* endpoint 0 */
    assert_false(found_with(21, 0x01)); /* isochronous */
    assert_false(found_with(23, 0x00)); /* wMaxPacketSize 0 */
    assert_false(found_with(35, 0x02)); /* the interrupt endpoint is one of bulk */
}

/* Too short, and nothing behind it that would tell. */
static void last_descriptor_that_is_too_short_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[sizeof high_config + 8];
    struct opu_usb_interface found;
    memcpy(bytes, high_config, sizeof high_config);
    bytes[2] = 38;
    bytes[32] = 6; /* an endpoint */
    assert_false(opu_usb_find_interface(&found, bytes, 38));
    memcpy(bytes, high_config, sizeof high_config);
    static const uint8_t interface[] = {0x08, 0x04, 0x01, 0x00, 0x00, 0xff, 0x00, 0x00};
    memcpy(bytes + sizeof high_config, interface, sizeof interface);
    bytes[2] = 47;
    assert_false(opu_usb_find_interface(&found, bytes, sizeof bytes));
}

static void interface_without_all_endpoints_is_passed_over(void **state)
{
    (void)state;
    uint8_t bytes[sizeof high_config];
    memcpy(bytes, high_config, sizeof bytes);
    bytes[2] = 32; /* without the interrupt endpoint */
    struct opu_usb_interface found;
    assert_false(opu_usb_find_interface(&found, bytes, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_descriptor),
        cmocka_unit_test(strings_that_are_not_there_have_index_0_and_stall),
        cmocka_unit_test(configuration_at_each_speed),
        cmocka_unit_test(qualifier_and_other_speed_are_for_high_speed_alone),
        cmocka_unit_test(strings_are_utf16),
        cmocka_unit_test(string_too_long_is_cut_at_what_a_length_byte_can_say),
        cmocka_unit_test(answers_are_cut_to_what_was_asked_for),
        cmocka_unit_test(what_is_not_known_stalls),
        cmocka_unit_test(bos_leads_windows_to_the_set),
        cmocka_unit_test(microsoft_set_binds_winusb),
        cmocka_unit_test(functionfs_descriptors),
        cmocka_unit_test(functionfs_strings),
        cmocka_unit_test(functionfs_blobs_have_the_kernels_layout),
        cmocka_unit_test(own_configuration_is_found_at_each_speed),
        cmocka_unit_test(interface_is_found_among_others_with_any_addresses),
        cmocka_unit_test(bytes_behind_the_configuration_do_not_matter),
        cmocka_unit_test(cut_configuration_is_not_believed),
        cmocka_unit_test(malformed_configuration_is_refused),
        cmocka_unit_test(last_descriptor_that_is_too_short_is_refused),
        cmocka_unit_test(interface_without_all_endpoints_is_passed_over),
    };
    return cmocka_run_group_tests_name("driver_descriptors", tests, NULL, NULL);
}
