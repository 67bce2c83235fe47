/* SPDX-License-Identifier: MIT */
/* The wire's packets and events, and the words for what is wrong with them. */
#include "driver/wire.h"

#include "driver/wire_bytes.h"

#define MAGIC_OUT UINT32_C(0x4655504f) /* "OPUF" */
#define MAGIC_IN UINT32_C(0x4355504f)  /* "OPUC" */
#define MAGIC_EVENT 0x5645u            /* "EV" */
#define HEADER_CRC 36u                 /* its offset: of all before it */
#define EVENT_CRC 24u
#define PAD 4u
#define PACKET_MULTIPLE 64u /* divides every bulk wMaxPacketSize: 64, 512, 1024 */

const char *opu_wire_fault_text(int fault)
{
    static const char *const texts[] = {
        [-OPU_WIRE_OK] = "nothing is wrong",
        [-OPU_WIRE_SHORT] = "there are fewer bytes than it says or must have",
        [-OPU_WIRE_LONG] = "there are more bytes than it says or may have",
        [-OPU_WIRE_MAGIC] = "it does not begin with the mark of its kind",
        [-OPU_WIRE_OTHER_VERSION] = "it is of another version of the protocol",
        [-OPU_WIRE_CRC] = "the CRC of the header is wrong",
        [-OPU_WIRE_DATA_CRC] = "the CRC of the data is wrong",
        [-OPU_WIRE_VALUE] = "a value is outside its range",
    };
    if (fault > 0 || fault < OPU_WIRE_VALUE) {
        return "it is wrong in a way that has no name";
    }
    return texts[-fault];
}

size_t opu_wire_packet_bytes(size_t payload_bytes)
{
    if (payload_bytes > SIZE_MAX - OPU_WIRE_HEADER_BYTES - PAD) {
        return SIZE_MAX;
    }
    size_t const bytes = OPU_WIRE_HEADER_BYTES + payload_bytes;
    return bytes % PACKET_MULTIPLE == 0 ? bytes + PAD : bytes;
}

/* n * (head + row), or SIZE_MAX, which no room does for. */
static size_t payload(size_t n, size_t head, size_t row)
{
    if (row > SIZE_MAX - head || (n > 0 && head + row > SIZE_MAX / n)) {
        return SIZE_MAX;
    }
    return n * (head + row);
}

size_t opu_wire_frames_payload(size_t n_frames, size_t n_inputs)
{
    return payload(n_frames, OPU_WIRE_FRAME_BYTES, n_inputs / 8 + (n_inputs % 8 != 0));
}

size_t opu_wire_counts_payload(size_t n_frames, size_t n_pixels, unsigned bits)
{
    size_t const count = bits <= 8 ? 1 : 2;
    return n_pixels > SIZE_MAX / count ? SIZE_MAX
                                       : payload(n_frames, OPU_WIRE_COUNT_BYTES, n_pixels * count);
}

size_t opu_wire_finish_packet(uint8_t *to, bool out, const struct opu_wire_header *header)
{
    put_u32(to, out ? MAGIC_OUT : MAGIC_IN);
    put_u16(to + 4, OPU_WIRE_VERSION);
    put_u16(to + 6, header->kind);
    put_u32(to + 8, header->epoch);
    put_u32(to + 12, header->sequence);
    put_u32(to + 16, header->setup);
    put_u32(to + 20, header->n_frames);
    put_u32(to + 24, header->payload_bytes);
    put_u32(to + 28, header->code);
    put_u32(to + 32, header->payload_crc);
    put_u32(to + HEADER_CRC, opu_crc32c(0, to, HEADER_CRC));
    size_t const end = OPU_WIRE_HEADER_BYTES + (size_t)header->payload_bytes;
    size_t const bytes = opu_wire_packet_bytes(header->payload_bytes);
    if (bytes > end) {
        memset(to + end, 0, bytes - end);
    }
    return bytes;
}

unsigned opu_wire_packet_version(const uint8_t *from, size_t n)
{
    return n >= 6 ? get_u16(from + 4) : 0;
}

/* Kind, direction, and numbers that contradict each other whatever the set-up is. */
static bool header_is_sound(const struct opu_wire_header *header, bool out)
{
    if (header->kind == OPU_WIRE_REFUSED) {
        return !out && header->n_frames == 0 && header->payload_bytes == 0 && header->code != 0;
    }
    if (header->kind != (out ? OPU_WIRE_FRAMES : OPU_WIRE_COUNTS) || header->code != 0) {
        return false;
    }
    /* a head and at least a byte for each frame */
    uint64_t const least = (out ? OPU_WIRE_FRAME_BYTES : OPU_WIRE_COUNT_BYTES) + 1;
    return header->n_frames > 0 && header->payload_bytes >= header->n_frames * least;
}

int opu_wire_get_header(struct opu_wire_header *to, bool out, const uint8_t *from, size_t n)
{
    if (n < OPU_WIRE_HEADER_BYTES) {
        return OPU_WIRE_SHORT;
    }
    if (get_u32(from) != (out ? MAGIC_OUT : MAGIC_IN)) {
        return OPU_WIRE_MAGIC;
    }
    if (opu_wire_packet_version(from, n) != OPU_WIRE_VERSION) {
        return OPU_WIRE_OTHER_VERSION;
    }
    if (get_u32(from + HEADER_CRC) != opu_crc32c(0, from, HEADER_CRC)) {
        return OPU_WIRE_CRC;
    }
    struct opu_wire_header const header = {
        .kind = get_u16(from + 6),
        .epoch = get_u32(from + 8),
        .sequence = get_u32(from + 12),
        .setup = get_u32(from + 16),
        .n_frames = get_u32(from + 20),
        .payload_bytes = get_u32(from + 24),
        .code = get_u32(from + 28),
        .payload_crc = get_u32(from + 32),
    };
    size_t const bytes = opu_wire_packet_bytes(header.payload_bytes);
    if (n != bytes) {
        return n < bytes ? OPU_WIRE_SHORT : OPU_WIRE_LONG;
    }
    *to = header;
    size_t const end = OPU_WIRE_HEADER_BYTES + (size_t)header.payload_bytes;
    if (!header_is_sound(&header, out) || (bytes > end && get_u32(from + end) != 0)) {
        return OPU_WIRE_VALUE;
    }
    return OPU_WIRE_OK;
}

void opu_wire_put_frame(uint8_t *to, const struct opu_wire_frame *frame)
{
    put_u64(to, frame->number);
    put_u16(to + 8, frame->reference);
    put_u16(to + 10, frame->exposure);
}

void opu_wire_get_frame(struct opu_wire_frame *to, const uint8_t *from)
{
    *to = (struct opu_wire_frame){
        .number = get_u64(from), .reference = get_u16(from + 8), .exposure = get_u16(from + 10)};
}

void opu_wire_put_count(uint8_t *to, const struct opu_wire_count *count)
{
    put_u64(to, count->number);
    put_f64(to + 8, count->time_s);
    put_u32(to + 16, count->saturated);
    put_u32(to + 20, count->status);
}

void opu_wire_get_count(struct opu_wire_count *to, const uint8_t *from)
{
    *to = (struct opu_wire_count){.number = get_u64(from),
                                  .time_s = get_f64(from + 8),
                                  .saturated = get_u32(from + 16),
                                  .status = get_u32(from + 20)};
}

size_t opu_wire_put_event(uint8_t *to, const struct opu_wire_event *event)
{
    put_u16(to, MAGIC_EVENT);
    put_u16(to + 2, OPU_WIRE_VERSION);
    put_u16(to + 4, event->kind);
    put_u16(to + 6, 0);
    put_u32(to + 8, event->sequence);
    put_u32(to + 12, event->value);
    put_u64(to + 16, event->frame);
    put_u32(to + EVENT_CRC, opu_crc32c(0, to, EVENT_CRC));
    return OPU_WIRE_EVENT_BYTES;
}

int opu_wire_get_event(struct opu_wire_event *to, const uint8_t *from, size_t n)
{
    if (n != OPU_WIRE_EVENT_BYTES) {
        return n < OPU_WIRE_EVENT_BYTES ? OPU_WIRE_SHORT : OPU_WIRE_LONG;
    }
    if (get_u16(from) != MAGIC_EVENT) {
        return OPU_WIRE_MAGIC;
    }
    if (get_u16(from + 2) != OPU_WIRE_VERSION) {
        return OPU_WIRE_OTHER_VERSION;
    }
    if (get_u32(from + EVENT_CRC) != opu_crc32c(0, from, EVENT_CRC)) {
        return OPU_WIRE_CRC;
    }
    /* Kinds that are not known yet are for the reader to pass over. */
    if (get_u16(from + 4) == 0 || get_u16(from + 6) != 0) {
        return OPU_WIRE_VALUE;
    }
    *to = (struct opu_wire_event){.kind = get_u16(from + 4),
                                  .sequence = get_u32(from + 8),
                                  .value = get_u32(from + 12),
                                  .frame = get_u64(from + 16)};
    return OPU_WIRE_OK;
}
