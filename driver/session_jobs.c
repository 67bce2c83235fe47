/* SPDX-License-Identifier: MIT */
/*
 * Jobs and packets: batches are cut into packets, which are packed into free slots and sent, by one
 * thread at a time: the caller's at submit, the event thread's when an answer has come.
 */
#include "driver/session_internal.h"

#include <string.h>

#include "core/base/fail.h"

bool opu_session_active(const struct opu_session *s)
{
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        if (s->jobs[i].id != 0 && !s->jobs[i].ended) {
            return true;
        }
    }
    return false;
}

struct opu_session_job *opu_session_find(struct opu_session *s, uint64_t id)
{
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        if (s->jobs[i].id == id && id != 0) {
            return &s->jobs[i];
        }
    }
    return NULL;
}

/* The earliest job that has frames to send. */
static struct opu_session_job *next_job(struct opu_session *s)
{
    struct opu_session_job *next = NULL;
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        struct opu_session_job *const job = &s->jobs[i];
        if (job->id != 0 && !job->ended && job->sent < job->batch.n_frames &&
            (next == NULL || job->id < next->id)) {
            next = job;
        }
    }
    return next;
}

void opu_session_end_job(struct opu_session *s, struct opu_session_job *job, int status,
                         const char *sentence)
{
    job->ended = true;
    job->status = status;
    size_t const n = strnlen(sentence, sizeof job->sentence - 1);
    memcpy(job->sentence, sentence, n);
    job->sentence[n] = '\0';
    opu_session_tell_callers(s);
}

void opu_session_fail_jobs(struct opu_session *s, int status, const char *sentence)
{
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        if (s->jobs[i].id != 0 && !s->jobs[i].ended) {
            opu_session_end_job(s, &s->jobs[i], status, sentence);
        }
    }
}

void opu_session_rewind(struct opu_session *s)
{
    s->counts.resent_packets += s->count;
    s->head = 0;
    s->count = 0;
    s->unsent = NULL;
    for (size_t i = 0; i < OPU_SESSION_SLOTS; i++) {
        s->slots[i].came = false;
    }
    for (size_t i = 0; i < OPU_SESSION_JOBS; i++) {
        s->jobs[i].sent = s->jobs[i].answered;
    }
}

/* ---- Out ---- */

/* Without the lock: the slot's packet, from the job's batch. */
static void pack(const struct opu_session *s, struct opu_slot *slot,
                 const struct opu_frame_batch *batch)
{
    const struct opu_session_shape *const shape = &s->shape;
    size_t const n = slot->n;
    uint8_t *const payload = slot->out.data + OPU_WIRE_HEADER_BYTES;
    for (size_t i = 0; i < n; i++) {
        size_t const frame = slot->first + i;
        struct opu_wire_frame const head = {
            .number = batch->number[frame],
            .reference = batch->reference != NULL ? batch->reference[frame] : 0,
            .exposure = batch->exposure != NULL ? batch->exposure[frame] : 0,
        };
        opu_wire_put_frame(payload + i * OPU_WIRE_FRAME_BYTES, &head);
    }
    size_t const heads = n * OPU_WIRE_FRAME_BYTES;
    struct opu_wire_header const header = {
        .kind = OPU_WIRE_FRAMES,
        .epoch = s->epoch,
        .sequence = slot->sequence,
        .setup = s->setup,
        .n_frames = (uint32_t)n,
        .payload_bytes = (uint32_t)opu_wire_frames_payload(n, shape->n_inputs),
        .payload_crc =
            opu_crc32c_copy(opu_crc32c(0, payload, heads), payload + heads,
                            batch->bits + slot->first * shape->frame_bytes, n * shape->frame_bytes),
    };
    slot->out.n = opu_wire_finish_packet(slot->out.data, true, &header);
    size_t const answer =
        opu_wire_packet_bytes(opu_wire_counts_payload(n, shape->n_pixels, shape->bits));
    size_t const packet = s->port->in_packet;
    slot->in.n = (answer + packet - 1) / packet * packet;
}

/* Without the lock. */
static int submit(struct opu_session *s, struct opu_port_transfer *transfer)
{
    transfer->moved = 0;
    return s->port->ops->submit(s->port, transfer);
}

/* A transfer did not go; `others`: packets that were under way when it was tried. */
static void note_refusal(struct opu_session *s, const struct opu_port_transfer *transfer,
                         int status, uint32_t others)
{
    if (status == OPU_PORT_NO_MEMORY && others > 0) {
        s->n_room = s->n_usable = others; /* fewer at a time will do, where any do */
    } else if (status == OPU_PORT_NO_MEMORY) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER,
                            "no memory for a transfer of %zu bytes (usbfs has "
                            "usbcore.usbfs_memory_mb for all of them)",
                            transfer->n);
    } else {
        opu_session_trouble(s, status == OPU_PORT_GONE ? OPU_TROUBLE_GONE : OPU_TROUBLE_ANSWER,
                            status == OPU_PORT_GONE ? "was unplugged" : "a transfer was not taken");
    }
}

/* How the OUT of a slot went whose IN is under way. */
static bool out_went(struct opu_session *s, struct opu_slot *slot, int status)
{
    if (status == OPU_PORT_OK) {
        s->unsent = NULL;
        s->counts.packets++;
        return true;
    }
    slot->out_live = false;
    s->live--;
    note_refusal(s, &slot->out, status, s->count);
    if (s->live == 1 && s->trouble == OPU_TROUBLE_NONE) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "no memory for a transfer beside its answer's");
    }
    s->unsent = slot;
    return false;
}

static bool send_unsent(struct opu_session *s)
{
    struct opu_slot *const slot = s->unsent;
    slot->out_live = true;
    s->live++;
    (void)pthread_mutex_unlock(&s->lock);
    int const status = submit(s, &slot->out);
    (void)pthread_mutex_lock(&s->lock);
    return out_went(s, slot, status);
}

/* The next packet of the job. All is noted before it goes: its ends may come before submit does. */
static bool send(struct opu_session *s, struct opu_slot *slot, struct opu_session_job *job)
{
    struct opu_frame_batch const batch = job->batch;
    size_t const left = batch.n_frames - job->sent;
    uint32_t const others = s->count;
    slot->job = job->id;
    slot->first = job->sent;
    slot->n = left < s->shape.per_packet ? left : s->shape.per_packet;
    slot->sequence = s->sequence++;
    slot->came = false;
    slot->in_live = slot->out_live = true;
    s->live += 2;
    job->sent += slot->n;
    if (s->count++ == 0) {
        uint64_t const now = opu_session_now(s);
        s->motion_us = s->answer_us = now;
        s->next_poll_us = now + opu_session_poll_us(s);
        s->polled = (struct opu_wire_status){0};
    }
    (void)pthread_mutex_unlock(&s->lock);
    pack(s, slot, &batch);
    int const in = submit(s, &slot->in);
    int const out = in == OPU_PORT_OK ? submit(s, &slot->out) : OPU_PORT_OK;
    (void)pthread_mutex_lock(&s->lock);
    if (in == OPU_PORT_OK) {
        return out_went(s, slot, out);
    }
    slot->in_live = slot->out_live = false;
    s->live -= 2;
    job->sent -= slot->n;
    s->sequence--;
    s->count--;
    note_refusal(s, &slot->in, in, others);
    return false;
}

static uint32_t under_way(const struct opu_session *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_slots; i++) {
        n += s->slots[i].in_live;
    }
    return n;
}

/* false: nothing more can go now. */
static bool send_next(struct opu_session *s, uint32_t most)
{
    if (!s->configured || s->halted || s->draining || s->trouble != OPU_TROUBLE_NONE ||
        atomic_load(&s->closing)) {
        return false;
    }
    if (s->unsent != NULL) {
        return send_unsent(s);
    }
    if (s->count >= s->n_usable || under_way(s) >= most) {
        return false;
    }
    struct opu_slot *const slot = &s->slots[(s->head + s->count) % s->n_slots];
    struct opu_session_job *const job = next_job(s);
    return job != NULL && !slot->out_live && !slot->in_live && send(s, slot, job);
}

static void fill(struct opu_session *s, uint32_t most)
{
    s->refill = true;
    if (s->filling) {
        return; /* who is at it will see */
    }
    s->filling = true;
    while (s->refill && s->settling == 0) {
        s->refill = false;
        while (s->settling == 0 && send_next(s, most)) {
        }
        s->refill = s->refill || s->settling > 0;
    }
    s->filling = false;
    if (s->settling > 0) {
        (void)pthread_cond_broadcast(&s->changed);
    }
}

void opu_session_fill(struct opu_session *s)
{
    fill(s, UINT32_MAX);
}

void opu_session_start(struct opu_session *s)
{
    fill(s, 2);
}

void opu_session_settle(struct opu_session *s)
{
    s->settling++;
    while (s->filling || s->taking) {
        (void)pthread_cond_wait(&s->changed, &s->lock);
    }
    s->settling--;
}

/* ---- Callers ---- */

int opu_session_submit(struct opu_session *session, struct opu_frame_batch *batch, uint64_t *job)
{
    int status = OPU_OK;
    struct opu_session_job *room = NULL;
    (void)pthread_mutex_lock(&session->lock);
    for (size_t i = 0; i < OPU_SESSION_JOBS && room == NULL; i++) {
        room = session->jobs[i].id == 0 ? &session->jobs[i] : NULL;
    }
    if (!session->configured) {
        status = opu_fail(OPU_E_INVALID, "%s: not configured", session->name);
    } else if (room == NULL) {
        status = opu_fail(OPU_E_BUSY, "%s: %d batches are under way; wait for one first",
                          session->name, OPU_SESSION_JOBS);
    } else {
        room->id = *job = ++session->last_job;
        room->batch = *batch;
        room->sent = room->answered = 0;
        room->ended = false;
        room->status = OPU_OK;
        opu_session_start(session);
        /* Deadlines, and trouble that waited for somebody to care, are the event thread's. */
        if (session->trouble != OPU_TROUBLE_NONE || session->port->ops->idle != NULL) {
            session->port->ops->wake(session->port);
        }
    }
    (void)pthread_mutex_unlock(&session->lock);
    return status;
}

int opu_session_cancel(struct opu_session *session, uint64_t job)
{
    int status = OPU_OK;
    (void)pthread_mutex_lock(&session->lock);
    opu_session_settle(session);
    struct opu_session_job *const found = opu_session_find(session, job);
    if (found == NULL) {
        status = opu_fail(OPU_E_NOT_FOUND, "%s: no batch %llu is under way", session->name,
                          (unsigned long long)job);
    } else if (!found->ended) {
        char sentence[OPU_SESSION_SENTENCE];
        (void)opu_fail(OPU_E_CANCELLED, "%s: batch %llu was cancelled", session->name,
                       (unsigned long long)job);
        size_t const n = strnlen(opu_error_message(), sizeof sentence - 1);
        memcpy(sentence, opu_error_message(), n);
        sentence[n] = '\0';
        opu_session_end_job(session, found, OPU_E_CANCELLED, sentence);
        if (found->sent > found->answered) {
            opu_session_trouble(session, OPU_TROUBLE_FLUSH, "a batch was cancelled");
        }
    }
    session->port->ops->wake(session->port); /* for the trouble, and for what had to stop */
    (void)pthread_mutex_unlock(&session->lock);
    return status;
}
