/* SPDX-License-Identifier: MIT */
/*
 * Answers: checked - header, epoch, sequence, set-up, frame numbers, both CRCs - while they are
 * copied into the caller's arrays, oldest first, by one thread at a time.
 */
#include "driver/session_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* What an answer was found to be, without the lock. */
struct answer {
    enum opu_trouble trouble;
    bool stale;
    char sentence[OPU_SESSION_SENTENCE];
};

OPU_PRINTF(3, 4)
static int wrong(struct answer *answer, enum opu_trouble trouble, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vsnprintf(answer->sentence, sizeof answer->sentence, format, args) < 0) {
        answer->sentence[0] = '\0';
    }
    va_end(args);
    answer->trouble = trouble;
    return -1;
}

static int refused(struct answer *answer, uint32_t code)
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
    return wrong(answer, final ? OPU_TROUBLE_REFUSED : OPU_TROUBLE_ANSWER,
                 "the device refused a packet: %s", known ? reasons[code] : "it says not why");
}

/* The header is that of the answer to this packet. */
static int check_header(const struct opu_session *s, const struct opu_slot *slot,
                        struct opu_wire_header *header, struct answer *answer)
{
    const struct opu_port_transfer *const in = &slot->in;
    int const fault = opu_wire_get_header(header, false, in->data, in->moved);
    if (fault != OPU_WIRE_OK) {
        return wrong(answer, OPU_TROUBLE_ANSWER, "an answer of %zu bytes: %s", in->moved,
                     opu_wire_fault_text(fault));
    }
    answer->stale = header->epoch != s->epoch ||
                    (header->kind != OPU_WIRE_REFUSED && header->sequence != slot->sequence);
    if (header->epoch != s->epoch) {
        return wrong(answer, OPU_TROUBLE_ANSWER, "an answer of epoch %u came in epoch %u",
                     header->epoch, s->epoch);
    }
    if (header->kind == OPU_WIRE_REFUSED) {
        return refused(answer, header->code);
    }
    if (answer->stale) {
        return wrong(answer, OPU_TROUBLE_ANSWER, "answer %u came in place of %u", header->sequence,
                     slot->sequence);
    }
    size_t const wanted = opu_wire_counts_payload(slot->n, s->shape.n_pixels, s->shape.bits);
    if (header->kind != OPU_WIRE_COUNTS || header->setup != s->setup ||
        header->n_frames != slot->n || header->payload_bytes != wanted) {
        return wrong(answer, OPU_TROUBLE_ANSWER,
                     "an answer with %u frames of set-up %u, %u bytes; wanted %zu of %u, %zu",
                     header->n_frames, header->setup, header->payload_bytes, slot->n, s->setup,
                     wanted);
    }
    return 0;
}

/* The frames' heads, once both CRCs are right. */
static int take_heads(const struct opu_slot *slot, const struct opu_frame_batch *batch,
                      struct answer *answer)
{
    const uint8_t *const heads = slot->in.data + OPU_WIRE_HEADER_BYTES;
    struct opu_wire_count count;
    for (size_t i = 0; i < slot->n; i++) {
        size_t const frame = slot->first + i;
        opu_wire_get_count(&count, heads + i * OPU_WIRE_COUNT_BYTES);
        if (count.number != batch->number[frame]) {
            return wrong(answer, OPU_TROUBLE_ANSWER, "the counts of frame %llu came for %llu",
                         (unsigned long long)count.number,
                         (unsigned long long)batch->number[frame]);
        }
        if (count.status != OPU_FRAME_OK && batch->status == NULL) {
            return wrong(answer, OPU_TROUBLE_ANSWER, "frame %llu was lost",
                         (unsigned long long)count.number);
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

/* Counts of two bytes are little endian on the wire. */
static void to_host(uint8_t *counts, size_t bytes)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        uint8_t const low = counts[i];
        counts[i] = counts[i + 1];
        counts[i + 1] = low;
    }
#else
    (void)counts;
    (void)bytes;
#endif
}

/* Without the lock. batch NULL: its job has ended, nobody wants the counts. */
static int read_answer(const struct opu_session *s, const struct opu_slot *slot,
                       const struct opu_frame_batch *batch, struct answer *answer)
{
    struct opu_wire_header header;
    if (check_header(s, slot, &header, answer) < 0) {
        return -1;
    }
    if (batch == NULL) {
        return 0;
    }
    size_t const heads = slot->n * OPU_WIRE_COUNT_BYTES;
    size_t const bytes = slot->n * s->shape.row_bytes;
    const uint8_t *const payload = slot->in.data + OPU_WIRE_HEADER_BYTES;
    uint8_t *const to = (uint8_t *)batch->counts + slot->first * s->shape.row_bytes;
    uint32_t const crc = opu_crc32c_copy(opu_crc32c(0, payload, heads), to, payload + heads, bytes);
    if (crc != header.payload_crc) {
        return wrong(answer, OPU_TROUBLE_ANSWER, "an answer of %zu bytes: %s", slot->in.moved,
                     opu_wire_fault_text(OPU_WIRE_DATA_CRC));
    }
    if (s->shape.bits > 8) {
        to_host(to, bytes);
    }
    return take_heads(slot, batch, answer);
}

bool opu_session_has_answer(const struct opu_session *s)
{
    return s->count > 0 && s->slots[s->head].came && !s->taking;
}

bool opu_session_take(struct opu_session *s)
{
    struct answer answer = {.trouble = OPU_TROUBLE_NONE};
    if (!opu_session_has_answer(s) || s->settling > 0) {
        return false;
    }
    struct opu_slot *const slot = &s->slots[s->head];
    struct opu_session_job *const job = opu_session_find(s, slot->job);
    bool const wanted = job != NULL && !job->ended;
    struct opu_frame_batch const batch = wanted ? job->batch : (struct opu_frame_batch){0};
    s->taking = true;
    (void)pthread_mutex_unlock(&s->lock);
    int const status = read_answer(s, slot, wanted ? &batch : NULL, &answer);
    (void)pthread_mutex_lock(&s->lock);
    s->taking = false;
    slot->came = false;
    s->counts.stale += answer.stale;
    if (status == 0) {
        if (wanted) {
            job->answered += slot->n;
            if (job->answered == batch.n_frames) {
                opu_session_end_job(s, job, OPU_OK, "");
            }
        }
        s->head = (s->head + 1) % s->n_slots;
        s->count--;
        s->counts.answers++;
        s->tries = 0;
        s->n_usable += s->n_usable < s->n_room;
    } else if (slot->in.status == OPU_PORT_OK) {
        /* What was cancelled may be there in part only, which is no news. */
        opu_session_trouble(s, answer.trouble, "%s", answer.sentence);
    }
    if (s->settling > 0) {
        (void)pthread_cond_broadcast(&s->changed);
    }
    return true;
}

/* A caller who waits does it beside the event thread. Where the clock is a virtual one, it must not
 * jump while one is about to: there the event thread sees to all. */
static bool left_to_callers(const struct opu_session *s)
{
    return s->waiters > 0 && !s->draining && s->port->ops->idle == NULL;
}

void opu_session_take_all(struct opu_session *s)
{
    while (!left_to_callers(s) && opu_session_take(s)) {
    }
    if (opu_session_has_answer(s) && left_to_callers(s)) {
        opu_session_tell_callers(s);
    }
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
    bool const gone = transfer->status == OPU_PORT_GONE;
    s->happened = true;
    (void)pthread_mutex_lock(&s->lock);
    slot->in_live = false;
    s->live--;
    /* A whole answer may have come just before it was cancelled. */
    slot->came = transfer->status == OPU_PORT_OK || (s->draining && transfer->moved > 0 && !gone);
    if (slot->came) {
        s->motion_us = s->answer_us = opu_session_now(s);
        s->next_poll_us = s->answer_us + opu_session_poll_us(s);
        opu_session_take_all(s);
    } else if (!s->draining || gone) {
        note_end(s, transfer);
    }
    opu_session_fill(s);
    (void)pthread_mutex_unlock(&s->lock);
}
