/* SPDX-License-Identifier: MIT */
/* What a set-up wants in memory: how many frames make a packet, the slots for packets under way,
 * and the one transfer for events. */
#include "driver/session_internal.h"

#include "core/base/fail.h"

#define EVENT_ROOM 64u /* of the interrupt transfer; an event is shorter */
#define PACKET_S 0.1   /* a packet holds no more frames than the device shows in so long */
#define EVENT_RETRY_US 100000u

/* ---- Sizes ---- */

static void set_sizes(const struct opu_session *s, struct opu_session_shape *shape, size_t n)
{
    size_t const packet = s->port->in_packet;
    shape->per_packet = n;
    shape->out_bytes = opu_wire_packet_bytes(opu_wire_frames_payload(n, shape->n_inputs));
    shape->answer_bytes =
        opu_wire_packet_bytes(opu_wire_counts_payload(n, shape->n_pixels, shape->bits));
    shape->in_bytes = (shape->answer_bytes + packet - 1) / packet * packet;
}

int opu_session_plan(const struct opu_session *s, struct opu_session_shape *shape,
                     const struct opu_frame_setup *setup)
{
    const struct opu_wire_info *const info = &s->info;
    *shape = (struct opu_session_shape){
        .n_inputs = (uint32_t)setup->n_inputs,
        .n_pixels = (uint32_t)setup->n_pixels,
        .bits = setup->bits,
        .frame_bytes = (setup->n_inputs + 7) / 8,
        .row_bytes = setup->n_pixels * (setup->bits <= 8 ? 1 : 2),
    };
    size_t const most = OPU_WIRE_HEADER_BYTES + 4; /* header and pad */
    size_t const out = shape->frame_bytes + OPU_WIRE_FRAME_BYTES;
    size_t const in = shape->row_bytes + OPU_WIRE_COUNT_BYTES;
    size_t const wish = s->options.transfer_bytes;
    if (most + out > info->max_out_bytes || most + in > info->max_in_bytes) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "%s: %zu inputs and %zu pixels make packets of %zu and %zu bytes, the "
                        "device has room for %u and %u",
                        s->name, setup->n_inputs, setup->n_pixels, most + out, most + in,
                        info->max_out_bytes, info->max_in_bytes);
    }
    size_t const room_out = wish < info->max_out_bytes ? wish : info->max_out_bytes;
    size_t const room_in = wish < info->max_in_bytes ? wish : info->max_in_bytes;
    size_t n = room_out > most ? (room_out - most) / out : 0;
    size_t const n_in = room_in > most ? (room_in - most) / in : 0;
    n = n < n_in ? n : n_in;
    if (info->frame_rate_hz > 0.0 && (double)n > info->frame_rate_hz * PACKET_S) {
        n = (size_t)(info->frame_rate_hz * PACKET_S);
    }
    n = n > 0 ? n : 1;
    size_t const limit = s->port->memory_limit;
    set_sizes(s, shape, n);
    while (n > 1 && (shape->out_bytes + shape->in_bytes) * 4 > limit) {
        n = (n + 1) / 2;
        set_sizes(s, shape, n);
    }
    size_t slots = limit / (shape->out_bytes + shape->in_bytes);
    slots = slots < OPU_SESSION_SLOTS ? slots : OPU_SESSION_SLOTS;
    slots = slots < info->queue ? slots : info->queue;
    shape->n_slots = slots > 0 ? (uint32_t)slots : 1;
    return OPU_OK;
}

/* ---- Slots ---- */

static int slot_create(struct opu_session *s, struct opu_slot *slot)
{
    struct opu_port *const port = s->port;
    slot->session = s;
    slot->out = (struct opu_port_transfer){
        .end = OPU_PORT_OUT,
        .data = port->ops->memory_alloc(port, s->shape.out_bytes),
        .done = opu_session_out_done,
        .user = slot,
    };
    slot->in = (struct opu_port_transfer){
        .end = OPU_PORT_IN,
        .data = port->ops->memory_alloc(port, s->shape.in_bytes),
        .done = opu_session_in_done,
        .user = slot,
    };
    slot->out.n = s->shape.out_bytes;
    slot->in.n = s->shape.in_bytes;
    slot->prepared_out =
        slot->out.data != NULL && port->ops->prepare(port, &slot->out) == OPU_PORT_OK;
    slot->prepared_in = slot->in.data != NULL && port->ops->prepare(port, &slot->in) == OPU_PORT_OK;
    return slot->prepared_out && slot->prepared_in ? 0 : -1;
}

static void slot_destroy(struct opu_session *s, struct opu_slot *slot)
{
    struct opu_port *const port = s->port;
    if (slot->prepared_out) {
        port->ops->release(port, &slot->out);
    }
    if (slot->prepared_in) {
        port->ops->release(port, &slot->in);
    }
    if (slot->out.data != NULL) {
        port->ops->memory_free(port, slot->out.data, s->shape.out_bytes);
    }
    if (slot->in.data != NULL) {
        port->ops->memory_free(port, slot->in.data, s->shape.in_bytes);
    }
    *slot = (struct opu_slot){0};
}

void opu_session_slots_destroy(struct opu_session *s)
{
    for (size_t i = 0; i < OPU_SESSION_SLOTS; i++) {
        slot_destroy(s, &s->slots[i]);
    }
    s->n_slots = s->n_room = s->n_usable = 0;
    s->head = s->count = 0;
    s->unsent = NULL;
    s->counts.memory_bytes = 0;
}

int opu_session_slots_create(struct opu_session *s)
{
    /* Plugged in elsewhere, the endpoint's packet may be another. */
    set_sizes(s, &s->wanted, s->wanted.per_packet);
    bool const fit = s->n_slots > 0 && s->shape.out_bytes == s->wanted.out_bytes &&
                     s->shape.in_bytes == s->wanted.in_bytes &&
                     s->shape.n_slots == s->wanted.n_slots;
    if (!fit) {
        opu_session_slots_destroy(s);
    }
    s->shape = s->wanted;
    while (!fit && s->n_slots < s->shape.n_slots) {
        if (slot_create(s, &s->slots[s->n_slots]) < 0) {
            slot_destroy(s, &s->slots[s->n_slots]);
            break;
        }
        s->n_slots++;
    }
    if (s->n_slots == 0) {
        return opu_fail(OPU_E_NO_MEMORY, "%s: no memory for packets of %zu and %zu bytes", s->name,
                        s->shape.out_bytes, s->shape.in_bytes);
    }
    s->n_room = s->n_usable = s->n_slots;
    s->counts.memory_bytes = s->n_slots * (s->shape.out_bytes + s->shape.in_bytes);
    s->counts.n_slots = s->n_slots;
    s->counts.frames_per_packet = (uint32_t)s->shape.per_packet;
    s->counts.packet_out_bytes = s->shape.out_bytes;
    s->counts.packet_in_bytes = s->shape.in_bytes;
    return OPU_OK;
}

/* ---- Events ---- */

static void event_done(struct opu_port_transfer *transfer)
{
    struct opu_session *const s = transfer->user;
    struct opu_wire_event seen;
    s->happened = true;
    (void)pthread_mutex_lock(&s->lock);
    s->event_live = false;
    if (transfer->status == OPU_PORT_OK &&
        opu_wire_get_event(&seen, transfer->data, transfer->moved) == OPU_WIRE_OK) {
        s->counts.events++;
        if (s->n_seen < OPU_SESSION_EVENTS) {
            s->seen[s->n_seen++] = seen;
        }
        if (seen.kind == OPU_WIRE_INTERLOCK || seen.kind == OPU_WIRE_OVER_TEMPERATURE) {
            s->next_poll_us = 0; /* what it means for the frames under way is asked at once */
        }
    }
    if (transfer->status == OPU_PORT_GONE) {
        opu_session_trouble(s, OPU_TROUBLE_GONE, "was unplugged");
    } else if (transfer->status == OPU_PORT_OK) {
        opu_session_event_start(s);
    } else if (transfer->status != OPU_PORT_CANCELLED) {
        s->event_retry_us = opu_session_now(s) + EVENT_RETRY_US;
        s->event_halted = transfer->status == OPU_PORT_STALL;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void opu_session_event_start(struct opu_session *s)
{
    struct opu_port *const port = s->port;
    if (s->event_live || s->event_stopped || atomic_load(&s->closing)) {
        return;
    }
    s->event_retry_us = opu_session_now(s) + EVENT_RETRY_US;
    if (!s->event_prepared) {
        if (s->event.data == NULL) {
            s->event = (struct opu_port_transfer){
                .end = OPU_PORT_EVENT,
                .data = port->ops->memory_alloc(port, EVENT_ROOM),
                .n = EVENT_ROOM,
                .done = event_done,
                .user = s,
            };
        }
        s->event_prepared =
            s->event.data != NULL && port->ops->prepare(port, &s->event) == OPU_PORT_OK;
        if (!s->event_prepared) {
            return;
        }
    }
    s->event.moved = 0;
    s->event_live = true;
    int const status = port->ops->submit(port, &s->event);
    s->event_live = status == OPU_PORT_OK;
    if (status == OPU_PORT_OK) {
        s->event_retry_us = 0;
    } else if (status == OPU_PORT_GONE) {
        opu_session_trouble(s, OPU_TROUBLE_GONE, "was unplugged");
    }
}

void opu_session_event_free(struct opu_session *s)
{
    struct opu_port *const port = s->port;
    if (s->event_prepared) {
        port->ops->release(port, &s->event);
    }
    if (s->event.data != NULL) {
        port->ops->memory_free(port, s->event.data, EVENT_ROOM);
    }
    s->event_prepared = false;
    s->event = (struct opu_port_transfer){0};
}
