/* SPDX-License-Identifier: MIT */
/*
 * USB/IP's messages, version 1.1.1 (Linux, Documentation/usb/usbip_protocol.rst): pure functions
 * over bytes, big endian, every length checked before anything is had for it.
 */
#ifndef OPU_FIRMWARE_USBIP_WIRE_H
#define OPU_FIRMWARE_USBIP_WIRE_H

#include "driver/descriptors.h"

#define OPU_USBIP_VERSION 0x0111u
#define OPU_USBIP_TCP_PORT 3240u
#define OPU_USBIP_TRANSFER_MAX \
    (16u << 20) /* bytes of one transfer; usbfs allows no more either \
                 */

/* ---- Before a device is imported ---- */

#define OPU_USBIP_OP_BYTES 8u     /* u16 version, u16 code, u32 status */
#define OPU_USBIP_BUSID_BYTES 32u /* follow an import request */
#define OPU_USBIP_DEVICE_BYTES 312u
#define OPU_USBIP_LIST_BYTES (OPU_USBIP_OP_BYTES + 4u + OPU_USBIP_DEVICE_BYTES + 4u)
#define OPU_USBIP_IMPORT_BYTES (OPU_USBIP_OP_BYTES + OPU_USBIP_DEVICE_BYTES)

enum opu_usbip_op { OPU_USBIP_LIST = 0x8005, OPU_USBIP_IMPORT = 0x8003 };
/* Status of an answer. */
enum { OPU_USBIP_DONE = 0, OPU_USBIP_FAILED = 1, OPU_USBIP_BUSY = 2, OPU_USBIP_NO_DEVICE = 4 };

#define OPU_USBIP_BUSID "1-1"
#define OPU_USBIP_DEVID (1u << 16 | 2u) /* bus number, device number */

/* The code of a request; 0: of another version, or not a request. */
unsigned opu_usbip_get_op(const uint8_t from[OPU_USBIP_OP_BYTES]);
/* Whether an import asks for our one device. */
bool opu_usbip_is_ours(const uint8_t busid[OPU_USBIP_BUSID_BYTES]);
/* The answers; return bytes. A list without the device, where `there` is false. */
size_t opu_usbip_put_list(uint8_t to[OPU_USBIP_LIST_BYTES], const struct opu_usb_identity *identity,
                          bool there);
size_t opu_usbip_put_import(uint8_t to[OPU_USBIP_IMPORT_BYTES],
                            const struct opu_usb_identity *identity, unsigned status);

/* ---- Afterwards ---- */

#define OPU_USBIP_HEADER_BYTES 48u

enum opu_usbip_kind { OPU_USBIP_SUBMIT = 1, OPU_USBIP_UNLINK = 2 };

struct opu_usbip_command {
    enum opu_usbip_kind kind;
    uint32_t sequence;
    /* submit */
    uint8_t endpoint; /* with its direction: 0x82; control is 0 */
    bool in;          /* of control too */
    bool whole;       /* in: fewer bytes are an error */
    bool zero_packet; /* out: a zero-length packet follows where n is a multiple of the packet */
    uint32_t n;       /* out: so many bytes follow the header */
    uint8_t setup[8];
    /* unlink */
    uint32_t victim;
};

enum opu_usbip_fault {
    OPU_USBIP_OK = 0,
    OPU_USBIP_BAD_COMMAND = -1,
    OPU_USBIP_BAD_ENDPOINT = -2,
    OPU_USBIP_TOO_LONG = -3,
    OPU_USBIP_ISOCHRONOUS = -4
};

/* OPU_USBIP_OK or a fault, after which nothing that follows can be understood. */
int opu_usbip_get_command(struct opu_usbip_command *to, const uint8_t from[OPU_USBIP_HEADER_BYTES]);
/* Words: "the transfer is longer than 16 MiB". Static. */
const char *opu_usbip_fault_text(int fault);

/* n bytes moved; those of a transfer in follow the header. */
void opu_usbip_put_submitted(uint8_t to[OPU_USBIP_HEADER_BYTES], uint32_t sequence, int status,
                             uint32_t n);
void opu_usbip_put_unlinked(uint8_t to[OPU_USBIP_HEADER_BYTES], uint32_t sequence, int status);

#endif
