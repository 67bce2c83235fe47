/* SPDX-License-Identifier: MIT */
/*
 * Answers: checked - header, epoch, sequence, set-up, frame numbers, both CRCs - while they are
 * copied into the caller's arrays, in the event thread, under the session's lock.
 */
#include "driver/session_internal.h"

#include <string.h>

static int refused(struct opu_session *s, uint32_t code)
{
    static const char *const reasons[] = {
        [OPU_WIRE_BAD_HEADER] = "its header was damaged",
        [OPU_WIRE_BAD_PAYLOAD] = "its payload was damaged",
        [OPU_WIRE_BAD_SEQUENCE] = "another was wanted",
        [OPU_WIRE_BAD_SETUP] = "it knows of no such set-up",
        [OPU_WIRE_LASER_OFF] = "its laser is off",
        [OPU_WIRE_OPTICS] = "its optics failed",
    };
    bool const known = code > 0 && code < sizeof reasons / sizeof reasons[0];
    bool const final = code == OPU_WIRE_LASER_OFF || code == OPU_WIRE_OPTICS;
    opu_session_trouble(s, final ? OPU_TROUBLE_REFUSED : OPU_TROUBLE_ANSWER,
                        "the device refused a packet: %s",
                        known ? reasons[code] : "it says not why");
    return -1;
}

/* The header is that of the answer to this packet. */
static int check_header(struct opu_session *s, const struct opu_slot *slot,
                        struct opu_wire_header *header)
{
    const struct opu_port_transfer *const in = &slot->in;
    int const fault = opu_wire_get_header(header, false, in->data, in->moved);
    if (fault != OPU_WIRE_OK) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "an answer of %zu bytes: %s", in->moved,
                            opu_wire_fault_text(fault));
        return -1;
    }
    if (header->epoch != s->epoch) {
        s->counts.stale++;
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "an answer of epoch %u came in epoch %u",
                            header->epoch, s->epoch);
        return -1;
    }
    if (header->kind == OPU_WIRE_REFUSED) {
        return refused(s, header->code);
    }
    if (header->sequence != slot->sequence) {
        s->counts.stale++;
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "answer %u came in place of %u",
                            header->sequence, slot->sequence);
        return -1;
    }
    size_t const wanted = opu_wire_counts_payload(slot->n, s->shape.n_pixels, s->shape.bits);
    if (header->kind != OPU_WIRE_COUNTS || header->setup != s->setup ||
        header->n_frames != slot->n || header->payload_bytes != wanted) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER,
                            "an answer with %u frames of set-up %u, %u bytes; wanted %zu of %u, "
                            "%zu",
                            header->n_frames, header->setup, header->payload_bytes, slot->n,
                            s->setup, wanted);
        return -1;
    }
    return 0;
}

/* Counts of more than a byte are little endian on the wire. */
static void to_host(struct opu_session *s, uint8_t *counts, size_t bytes)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; s->shape.bits > 8 && i + 1 < bytes; i += 2) {
        uint8_t const low = counts[i];
        counts[i] = counts[i + 1];
        counts[i + 1] = low;
    }
#else
    (void)s;
    (void)counts;
    (void)bytes;
#endif
}

/* The frames' heads, once both CRCs are right. */
static int take_heads(struct opu_session *s, const struct opu_slot *slot,
                      const struct opu_frame_batch *batch)
{
    const uint8_t *const heads = slot->in.data + OPU_WIRE_HEADER_BYTES;
    struct opu_wire_count count;
    for (size_t i = 0; i < slot->n; i++) {
        size_t const frame = slot->first + i;
        opu_wire_get_count(&count, heads + i * OPU_WIRE_COUNT_BYTES);
        if (count.number != batch->number[frame]) {
            opu_session_trouble(s, OPU_TROUBLE_ANSWER, "the counts of frame %llu came for %llu",
                                (unsigned long long)count.number,
                                (unsigned long long)batch->number[frame]);
            return -1;
        }
        if (count.status != OPU_FRAME_OK && batch->status == NULL) {
            opu_session_trouble(s, OPU_TROUBLE_ANSWER, "frame %llu was lost",
                                (unsigned long long)count.number);
            return -1;
        }
        if (batch->time_s != NULL) {
            batch->time_s[frame] = count.time_s;
        }
        if (batch->saturated != NULL) {
            batch->saturated[frame] = count.saturated;
        }
        if (batch->status != NULL) {
            batch->status[frame] = (int32_t)count.status;
        }
    }
    return 0;
}

/* What came is the answer to the oldest packet, whole and right, or there is trouble. */
static int take_answer(struct opu_session *s, struct opu_slot *slot)
{
    struct opu_wire_header header;
    if (s->count == 0 || slot != &s->slots[s->head]) {
        return -1; /* only behind one that has failed */
    }
    if (check_header(s, slot, &header) < 0) {
        return -1;
    }
    struct opu_session_job *const job = opu_session_find(s, slot->job);
    if (job != NULL && !job->ended) {
        size_t const heads = slot->n * OPU_WIRE_COUNT_BYTES;
        size_t const bytes = slot->n * s->shape.row_bytes;
        const uint8_t *const payload = slot->in.data + OPU_WIRE_HEADER_BYTES;
        uint8_t *const to = (uint8_t *)job->batch.counts + slot->first * s->shape.row_bytes;
        uint32_t const crc =
            opu_crc32c_copy(opu_crc32c(0, payload, heads), to, payload + heads, bytes);
        if (crc != header.payload_crc) {
            opu_session_trouble(s, OPU_TROUBLE_ANSWER, "an answer of %zu bytes: %s", slot->in.moved,
                                opu_wire_fault_text(OPU_WIRE_DATA_CRC));
            return -1;
        }
        to_host(s, to, bytes);
        if (take_heads(s, slot, &job->batch) < 0) {
            return -1;
        }
        job->answered += slot->n;
        if (job->answered == job->batch.n_frames) {
            opu_session_end_job(s, job, OPU_OK, "");
        }
    }
    s->head = (s->head + 1) % s->n_slots;
    s->count--;
    s->counts.answers++;
    s->tries = 0;
    s->n_usable += s->n_usable < s->n_room;
    s->motion_us = s->answer_us = opu_session_now(s);
    s->next_poll_us = s->answer_us + opu_session_poll_us(s);
    return 0;
}

static void note_end(struct opu_session *s, const struct opu_port_transfer *transfer)
{
    static const char *const words[] = {
        [-OPU_PORT_ERROR] = "failed on the bus",
        [-OPU_PORT_STALL] = "met a halted endpoint",
        [-OPU_PORT_CANCELLED] = "was cancelled",
        [-OPU_PORT_TIMEOUT] = "took too long",
        [-OPU_PORT_OVERFLOW] = "was longer than its room",
    };
    const char *const what = transfer->end == OPU_PORT_OUT ? "a packet" : "an answer";
    if (transfer->status == OPU_PORT_GONE) {
        opu_session_trouble(s, OPU_TROUBLE_GONE, "was unplugged");
        return;
    }
    int const i = -transfer->status;
    bool const known = i > 0 && i < (int)(sizeof words / sizeof words[0]) && words[i] != NULL;
    opu_session_trouble(s, OPU_TROUBLE_ANSWER, "%s %s", what,
                        known ? words[i] : "moved in part only");
}

void opu_session_out_done(struct opu_port_transfer *transfer)
{
    struct opu_slot *const slot = transfer->user;
    struct opu_session *const s = slot->session;
    s->happened = true;
    (void)pthread_mutex_lock(&s->lock);
    slot->out_live = false;
    s->live--;
    if (transfer->status == OPU_PORT_GONE ||
        (!s->draining && (transfer->status != OPU_PORT_OK || transfer->moved != transfer->n))) {
        note_end(s, transfer);
    }
    opu_session_fill(s);
    (void)pthread_mutex_unlock(&s->lock);
}

void opu_session_in_done(struct opu_port_transfer *transfer)
{
    struct opu_slot *const slot = transfer->user;
    struct opu_session *const s = slot->session;
    s->happened = true;
    (void)pthread_mutex_lock(&s->lock);
    slot->in_live = false;
    s->live--;
    if (transfer->status == OPU_PORT_OK) {
        (void)take_answer(s, slot);
    } else if (s->draining && transfer->moved > 0 && transfer->status != OPU_PORT_GONE) {
        /* A whole answer may have come just before it was cancelled; a part is no news. */
        enum opu_trouble const before = s->trouble;
        char sentence[sizeof s->sentence];
        memcpy(sentence, s->sentence, sizeof sentence);
        (void)take_answer(s, slot);
        s->trouble = before;
        memcpy(s->sentence, sentence, sizeof sentence);
    } else if (!s->draining || transfer->status == OPU_PORT_GONE) {
        note_end(s, transfer);
    }
    opu_session_fill(s);
    (void)pthread_mutex_unlock(&s->lock);
}
