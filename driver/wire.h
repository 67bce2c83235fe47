/* SPDX-License-Identifier: MIT */
/*
 * The wire between host and device: what every byte means, for both ends. PROTOCOL.md tells the
 * same in words, for other people's firmware.
 *
 * Pure functions over bytes: nothing allocated, no state, no struct laid over a buffer, little
 * endian whatever the processor. Reading checks magic, version, lengths and both CRCs before a
 * value is believed; a wire fault is a number that opu_wire_fault_text() turns into words. Firmware
 * includes this file too: it needs nothing but libc.
 */
#ifndef OPU_DRIVER_WIRE_H
#define OPU_DRIVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPU_WIRE_VERSION 1u

/* pid.codes' number for tests; a product takes its own (usb:id=VVVV:PPPP on the host). */
#define OPU_WIRE_VENDOR_ID 0x1209u
#define OPU_WIRE_PRODUCT_ID 0x0001u
/* A device is also known by its interface - vendor class, subclass 'O', the protocol's version as
 * interface protocol - together with a product string that begins so. */
#define OPU_WIRE_CLASS 0xffu
#define OPU_WIRE_SUBCLASS 0x4fu
#define OPU_WIRE_PRODUCT "opu "

/* ---- Control requests: vendor, to the interface (bmRequestType 0x41 out, 0xc1 in) ---- */

enum opu_wire_request {
    OPU_WIRE_INFO = 0x01, /* in: struct opu_wire_info */
    OPU_WIRE_PIECE =
        0x02, /* out: piece wValue of the set-up, OPU_WIRE_PIECE_BYTES each but the last */
    OPU_WIRE_CONFIGURE = 0x03,  /* out: struct opu_wire_commit; the pieces become the set-up */
    OPU_WIRE_CALIBRATE = 0x04,  /* out: nothing; wValue 0. The device looks after its own parts */
    OPU_WIRE_STATE = 0x05,      /* in, out: text, at most OPU_WIRE_STATE_BYTES */
    OPU_WIRE_STATUS = 0x06,     /* in: struct opu_wire_status */
    OPU_WIRE_RESET = 0x07,      /* out: nothing; wValue: enum opu_wire_reset; wIndex's interface */
    OPU_WIRE_STATISTICS = 0x08, /* in: struct opu_wire_statistics */
    OPU_WIRE_MESSAGE = 0x09     /* in: text, the sentence of the latest failure */
};

enum opu_wire_reset {
    OPU_WIRE_FLUSH = 0, /* both queues emptied, work under way dropped; set-up kept; epoch + 1 */
    OPU_WIRE_WHOLE = 1  /* the same, laser off, set-up dropped, interlock latch cleared */
};

/*
 * Every control payload is wrapped: u16 version, u16 body bytes, body, u32 CRC32C of all before it.
 * No payload, wrapped, is longer than this.
 */
#define OPU_WIRE_CONTROL_BYTES 1024u
#define OPU_WIRE_WRAP_BYTES 8u
#define OPU_WIRE_PIECE_BYTES 1008u
#define OPU_WIRE_STATE_BYTES 1008u
#define OPU_WIRE_TEXT_BYTES 256u /* of identity and message, final 0 included */
#define OPU_WIRE_SERIAL_BYTES 64u

/* Facts; those of struct opu_caps (opu/device.h), and what the wire needs. */
struct opu_wire_info {
    uint32_t firmware; /* major << 16 | minor << 8 | patch */
    uint32_t flags, adc_bits, default_bits;
    uint32_t max_inputs, max_pixels, max_exposures, max_references;
    uint32_t max_out_bytes; /* longest packet the device takes */
    uint32_t max_in_bytes;  /* longest it sends */
    uint32_t queue;         /* packets it takes before the first one's answer is fetched, >= 1 */
    bool shot_noise;
    double min_exposure_us, max_exposure_us;
    double frame_rate_hz, upload_bytes_per_s, power_w;
    double signal_per_us, reference_per_us, full_well_e, read_noise_e, black_level;
    char serial[OPU_WIRE_SERIAL_BYTES];
    char identity[OPU_WIRE_TEXT_BYTES]; /* what fixes the matrix, without the serial */
};

enum opu_wire_state {
    OPU_WIRE_IDLE = 0,  /* no set-up yet */
    OPU_WIRE_BUSY = 1,  /* setting up or calibrating */
    OPU_WIRE_READY = 2, /* takes frames */
    OPU_WIRE_FAULT = 3 /* the last set-up failed, or the interlock is open: OPU_WIRE_MESSAGE says */
};

struct opu_wire_status {
    uint32_t state;        /* enum opu_wire_state */
    int32_t result;        /* of the last set-up or calibration: 0 or an opu_status */
    uint32_t setup;        /* number of the set-up in force, of its commit; 0: none */
    uint32_t epoch;        /* of the packets that are taken now */
    uint32_t next;         /* sequence number of the packet that is wanted next */
    uint32_t queued;       /* packets taken and not worked off */
    uint32_t answers;      /* answers ready and not fetched */
    bool laser, interlock; /* laser is on; interlock is open */
    uint64_t frames;       /* exposed since reset: it moves while the device works */
    double temperature_c;
};

struct opu_wire_statistics {
    uint64_t frames, packets, answers, refused; /* refused: packets that were not what was wanted */
    uint64_t triggers_lost, upload_bytes;
    double upload_s, laser_s; /* spent uploading patterns; laser on */
    uint64_t bytes_out, bytes_in;
};

/* ---- The set-up: one block of bytes, sent in pieces, then committed ---- */

struct opu_wire_commit {
    uint32_t setup; /* the number it will have, not 0 */
    uint32_t bytes; /* of the block */
    uint32_t crc;   /* CRC32C of the block */
};

struct opu_wire_reference {
    double phase_rad, amplitude;
};

/* As struct opu_frame_setup. */
struct opu_wire_setup {
    uint32_t n_inputs, n_pixels, bits;
    uint32_t output_kind; /* 0 sparse pixels, 1 a region */
    uint32_t width, height, stride, binning;
    double pixels_per_grain, carrier_x, carrier_y;
    uint32_t n_exposures, n_references;
    const double *exposures_us; /* read: into room that the caller gave */
    const struct opu_wire_reference *references;
};

#define OPU_WIRE_SETUP_HEAD 64u
#define OPU_WIRE_TABLE_MAX 1024u
#define OPU_WIRE_SETUP_MAX (OPU_WIRE_SETUP_HEAD + 24u * OPU_WIRE_TABLE_MAX)

/* ---- Packets: one bulk transfer each, either way ---- */

enum opu_wire_kind {
    OPU_WIRE_FRAMES = 0, /* out: frames to show */
    OPU_WIRE_COUNTS = 1, /* in: what the camera saw, in the order sent, same sequence number */
    OPU_WIRE_REFUSED = 2 /* in: a packet was not taken, `code` says why; the queue stands still
                            until a reset flushes it */
};

/* Why a packet was refused. */
enum opu_wire_refusal {
    OPU_WIRE_BAD_HEADER = 1,
    OPU_WIRE_BAD_PAYLOAD = 2, /* its CRC, or a frame names a table entry that isn't there */
    OPU_WIRE_BAD_SEQUENCE = 3,
    OPU_WIRE_BAD_SETUP = 4, /* another set-up is in force, or none */
    OPU_WIRE_LASER_OFF = 5, /* interlock, over-temperature */
    OPU_WIRE_OPTICS = 6     /* the optics failed: OPU_WIRE_MESSAGE */
};

/*
 * Offsets: 0 u32 magic ("OPUF" out, "OPUC" in), 4 u16 version, 6 u16 kind, 8 u32 epoch, 12 u32
 * sequence, 16 u32 setup, 20 u32 frames, 24 u32 payload bytes, 28 u32 code, 32 u32 CRC32C of the
 * payload, 36 u32 CRC32C of bytes 0 to 35. Then the payload; then, where the whole would be a
 * multiple of 64 bytes, 4 bytes 0: so every packet ends in a short USB packet at every speed and
 * needs no zero-length one.
 */
#define OPU_WIRE_HEADER_BYTES 40u

struct opu_wire_header {
    uint16_t kind;
    uint32_t epoch, sequence, setup, n_frames, payload_bytes, code;
    uint32_t payload_crc;
};

/* Payload out: n frame heads, then n rows of ceil(n_inputs / 8) bytes. */
#define OPU_WIRE_FRAME_BYTES 12u
struct opu_wire_frame {
    uint64_t number;
    uint16_t reference, exposure;
};

/* Payload in: n count heads, then n rows of n_pixels counts, u8 for bits <= 8, else u16. */
#define OPU_WIRE_COUNT_BYTES 24u
struct opu_wire_count {
    uint64_t number;
    double time_s;
    uint32_t saturated;
    uint32_t status; /* enum opu_frame_status: 0 ok, 1 lost, 2 fault */
};

/* ---- Events: interrupt IN, one a packet ---- */

enum opu_wire_event_kind {
    OPU_WIRE_OVER_EXPOSURE = 1,    /* value: saturated pixels of the frame */
    OPU_WIRE_OVER_TEMPERATURE = 2, /* value: tenths of a degree C, or OPU_WIRE_NO_TEMPERATURE */
    OPU_WIRE_INTERLOCK = 3,        /* value: 1 open, 0 closed */
    OPU_WIRE_TRIGGER_LOST = 4      /* frame: which */
};

/* Offsets: 0 u16 magic 0x5645, 2 u16 version, 4 u16 kind, 6 u16 0, 8 u32 sequence, 12 u32 value,
 * 16 u64 frame, 24 u32 CRC32C of bytes 0 to 23. */
#define OPU_WIRE_EVENT_BYTES 28u
#define OPU_WIRE_NO_TEMPERATURE UINT32_MAX /* it can't be read any more */
struct opu_wire_event {
    uint16_t kind;
    uint32_t sequence, value;
    uint64_t frame;
};

/* ---- Functions ---- */

enum opu_wire_fault {
    OPU_WIRE_OK = 0,
    OPU_WIRE_SHORT = -1, /* fewer bytes than it says or must have */
    OPU_WIRE_LONG = -2,  /* more */
    OPU_WIRE_MAGIC = -3,
    OPU_WIRE_OTHER_VERSION = -4,
    OPU_WIRE_CRC = -5,      /* of header or wrap */
    OPU_WIRE_DATA_CRC = -6, /* of payload or block */
    OPU_WIRE_VALUE = -7     /* a value outside its range */
};

/* Words for a fault: "the CRC of the header is wrong". Static, never NULL. */
const char *opu_wire_fault_text(int fault);

/* CRC32C (Castagnoli, reflected 0x82f63b78, RFC 3720 B.4) of n more bytes; start with 0. */
uint32_t opu_crc32c(uint32_t crc, const void *bytes, size_t n);
/* The same while copying. */
uint32_t opu_crc32c_copy(uint32_t crc, void *restrict to, const void *restrict from, size_t n);
/* The plain twin: a bit at a time. */
uint32_t opu_crc32c_plain(uint32_t crc, const void *bytes, size_t n);

/* The version that a wrapped payload or a packet's header claims, believed of nothing else: for the
 * sentence that refuses it. 0 where there are too few bytes. */
unsigned opu_wire_wrap_version(const uint8_t *from, size_t n);
unsigned opu_wire_packet_version(const uint8_t *from, size_t n);

/* Wrapped bodies of control requests. put: bytes written, room must be OPU_WIRE_CONTROL_BYTES.
 * get: OPU_WIRE_OK or a fault, *to untouched then. Info: numbers are finite, inputs, pixels,
 * exposures and queue at least 1; texts are printable ASCII and end in 0. */
size_t opu_wire_put_info(uint8_t *to, const struct opu_wire_info *info);
int opu_wire_get_info(struct opu_wire_info *to, const uint8_t *from, size_t n);
size_t opu_wire_put_status(uint8_t *to, const struct opu_wire_status *status);
int opu_wire_get_status(struct opu_wire_status *to, const uint8_t *from, size_t n);
size_t opu_wire_put_statistics(uint8_t *to, const struct opu_wire_statistics *statistics);
int opu_wire_get_statistics(struct opu_wire_statistics *to, const uint8_t *from, size_t n);
size_t opu_wire_put_commit(uint8_t *to, const struct opu_wire_commit *commit);
int opu_wire_get_commit(struct opu_wire_commit *to, const uint8_t *from, size_t n);
/* Raw bytes or text (pieces, state, message), n <= OPU_WIRE_PIECE_BYTES; put: 0 for more. get:
 * *body points into from. */
size_t opu_wire_put_bytes(uint8_t *to, const void *body, size_t n);
int opu_wire_get_bytes(const uint8_t **body, size_t *n_body, const uint8_t *from, size_t n);

/* The set-up's block. put: bytes written, at most OPU_WIRE_SETUP_MAX; 0 where a table is longer
 * than OPU_WIRE_TABLE_MAX. get: the tables go into the room given, OPU_WIRE_TABLE_MAX entries each,
 * and setup points there; counts, kinds and finite numbers are checked, limits of a device are not.
 */
size_t opu_wire_put_setup(uint8_t *to, const struct opu_wire_setup *setup);
int opu_wire_get_setup(struct opu_wire_setup *to, double *exposures_us,
                       struct opu_wire_reference *references, const uint8_t *from, size_t n);

/* Bytes of a packet with that payload: header, payload, pad. Sizes that overflow are SIZE_MAX, here
 * and below: no room does. */
size_t opu_wire_packet_bytes(size_t payload_bytes);
/* Payloads of n frames. */
size_t opu_wire_frames_payload(size_t n_frames, size_t n_inputs);
size_t opu_wire_counts_payload(size_t n_frames, size_t n_pixels, unsigned bits);

/* Header (with its CRC) before a payload that is in place at to + OPU_WIRE_HEADER_BYTES and whose
 * CRC stands in the header, and the pad behind it; returns the packet's bytes. */
size_t opu_wire_finish_packet(uint8_t *to, bool out, const struct opu_wire_header *header);
/* The header of a packet of n bytes: all but the payload's CRC is checked; the packet's length and
 * its pad are, and that n_frames heads and a byte each go into the payload (none, and a code, where
 * it was refused). *to holds what could be read also where the fault is OPU_WIRE_DATA_CRC or later.
 */
int opu_wire_get_header(struct opu_wire_header *to, bool out, const uint8_t *from, size_t n);

void opu_wire_put_frame(uint8_t *to, const struct opu_wire_frame *frame);
void opu_wire_get_frame(struct opu_wire_frame *to, const uint8_t *from);
void opu_wire_put_count(uint8_t *to, const struct opu_wire_count *count);
void opu_wire_get_count(struct opu_wire_count *to, const uint8_t *from);

size_t opu_wire_put_event(uint8_t *to, const struct opu_wire_event *event);
int opu_wire_get_event(struct opu_wire_event *to, const uint8_t *from, size_t n);

#endif
