/* SPDX-License-Identifier: MIT */
/* The verbs a port calls, but for control: packets in, answers and events out. */
#include "driver/firmware/fw_internal.h"

#include <string.h>

/* ---- Packets in ---- */

static void push_packet(struct opu_fw *fw, const struct opu_fw_packet *packet)
{
    fw->waiting[(fw->first_waiting + fw->n_waiting) % fw->room] = *packet;
    fw->n_waiting++;
    fw->wake_due = true;
}

/* Reads a packet's header and copies its payload; a wire fault otherwise. Without the lock. */
static int receive(struct opu_fw *fw, struct opu_fw_packet *packet, const uint8_t *data, size_t n)
{
    if (n > fw->options.max_out_bytes) {
        return OPU_WIRE_LONG;
    }
    int const fault = opu_wire_get_header(&packet->header, true, data, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    uint32_t const crc =
        opu_crc32c_copy(0, opu_fw_slot(&fw->packets, packet->slot), data + OPU_WIRE_HEADER_BYTES,
                        packet->header.payload_bytes);
    return crc == packet->header.payload_crc ? OPU_WIRE_OK : OPU_WIRE_DATA_CRC;
}

/* Why a packet isn't what is wanted, 0 if it is. (locked) */
static uint32_t judge(struct opu_fw *fw, const struct opu_wire_header *header, int fault,
                      unsigned version)
{
    if (fault == OPU_WIRE_OTHER_VERSION) {
        opu_fw_say(fw, "a packet of protocol version %u; this firmware speaks version %u", version,
                   OPU_WIRE_VERSION);
        return OPU_WIRE_BAD_HEADER;
    }
    if (fault != OPU_WIRE_OK && fault != OPU_WIRE_DATA_CRC) {
        opu_fw_say(fw, "where packet %u was wanted: %s", fw->next, opu_wire_fault_text(fault));
        return OPU_WIRE_BAD_HEADER;
    }
    if (header->epoch != fw->epoch || header->sequence != fw->next) {
        opu_fw_say(fw, "packet %u of epoch %u, wanted packet %u of epoch %u", header->sequence,
                   header->epoch, fw->next, fw->epoch);
        return OPU_WIRE_BAD_SEQUENCE;
    }
    if (fault == OPU_WIRE_DATA_CRC) {
        opu_fw_say(fw, "packet %u: %s", header->sequence, opu_wire_fault_text(fault));
        return OPU_WIRE_BAD_PAYLOAD;
    }
    return 0;
}

/* A packet that was received, or not. (locked) */
static void accept(struct opu_fw *fw, struct opu_fw_packet *packet, int fault, const uint8_t *data,
                   size_t n)
{
    /* What a reset has overtaken on its way is known by its epoch, and nobody waits for it. */
    bool const header_holds = fault == OPU_WIRE_OK || fault == OPU_WIRE_DATA_CRC;
    if (header_holds && (int32_t)(packet->header.epoch - fw->epoch) < 0) {
        opu_fw_give(&fw->packets, packet->slot);
        fw->statistics.refused++;
        return;
    }
    uint32_t const code = judge(fw, &packet->header, fault, opu_wire_packet_version(data, n));
    if (code == 0) {
        fw->next++;
        fw->statistics.packets++;
        fw->statistics.bytes_out += n;
        push_packet(fw, packet);
        return;
    }
    opu_fw_give(&fw->packets, packet->slot);
    struct opu_fw_packet const refusal = {
        .header = {.sequence = fw->next}, .slot = OPU_FW_NO_SLOT, .code = code};
    push_packet(fw, &refusal);
    fw->standing = true;
}

static int out(void *self, const uint8_t *data, size_t n)
{
    struct opu_fw *const fw = self;
    opu_fw_lock(fw);
    struct opu_fw_packet packet = {.slot = OPU_FW_NO_SLOT};
    if (n > 0 && !fw->standing) {
        packet.slot = opu_fw_take(&fw->packets);
    }
    if (n == 0 || packet.slot != OPU_FW_NO_SLOT) {
        opu_fw_heard(fw);
    }
    if (packet.slot == OPU_FW_NO_SLOT) {
        opu_fw_leave(fw);
        return n > 0 ? OPU_FN_NAK : 0;
    }
    opu_fw_unlock(fw);
    int const fault = receive(fw, &packet, data, n);
    opu_fw_lock(fw);
    accept(fw, &packet, fault, data, n);
    opu_fw_leave(fw);
    return (int)n;
}

/* ---- Answers and events out ---- */

/* Takes the answer to be sent next; slot OPU_FW_NO_SLOT: there is none. (locked) */
static struct opu_fw_answer next_answer(struct opu_fw *fw)
{
    struct opu_fw_answer answer = fw->sending;
    fw->sending.slot = OPU_FW_NO_SLOT;
    if (answer.slot == OPU_FW_NO_SLOT && fw->n_done > 0) {
        answer = fw->done[fw->first_done];
        fw->first_done = (fw->first_done + 1) % fw->room;
        fw->n_done--;
    }
    return answer;
}

/* n bytes of an answer are out; keeps it if there are more. Returns n. (locked) */
static int send_on(struct opu_fw *fw, struct opu_fw_answer answer, size_t n)
{
    fw->statistics.bytes_in += n;
    answer.sent += n;
    if (answer.sent < answer.bytes) {
        fw->sending = answer;
    } else {
        opu_fw_give(&fw->answers, answer.slot);
        fw->statistics.answers++;
        fw->wake_due = true; /* the work may lack room for answers */
    }
    return (int)n;
}

static int in(void *self, uint8_t *data, size_t n)
{
    struct opu_fw *const fw = self;
    opu_fw_lock(fw);
    struct opu_fw_answer const answer = next_answer(fw);
    uint32_t const epoch = fw->epoch;
    if (answer.slot == OPU_FW_NO_SLOT) {
        opu_fw_leave(fw);
        return OPU_FN_NAK;
    }
    opu_fw_heard(fw);
    opu_fw_unlock(fw);
    size_t const left = answer.bytes - answer.sent;
    size_t const now = left < n ? left : n;
    memcpy(data, opu_fw_slot(&fw->answers, answer.slot) + answer.sent, now);
    opu_fw_lock(fw);
    int const moved = epoch == fw->epoch ? send_on(fw, answer, now) : OPU_FN_NAK;
    if (moved < 0) {
        opu_fw_give(&fw->answers, answer.slot); /* a reset has overtaken it */
        fw->wake_due = true;
    }
    opu_fw_leave(fw);
    return moved;
}

static int event(void *self, uint8_t *data, size_t n)
{
    struct opu_fw *const fw = self;
    int moved = OPU_FN_NAK;
    opu_fw_lock(fw);
    if (fw->n_events > 0 && n < OPU_WIRE_EVENT_BYTES) {
        moved = OPU_FN_STALL;
    } else if (fw->n_events > 0) {
        moved = (int)opu_wire_put_event(data, &fw->events[fw->first_event]);
        fw->first_event = (fw->first_event + 1) % OPU_FW_EVENTS;
        fw->n_events--;
    }
    opu_fw_leave(fw);
    return moved;
}

static void bus_reset(void *self)
{
    struct opu_fw *const fw = self;
    opu_fw_lock(fw);
    opu_fw_heard(fw);
    opu_fw_flush(fw);
    fw->dark_wanted = true;
    fw->wake_due = true;
    opu_fw_leave(fw);
}

/* The port keeps the halts. */
static void clear_halt(void *self, uint8_t endpoint)
{
    struct opu_fw *const fw = self;
    (void)endpoint;
    opu_fw_lock(fw);
    opu_fw_heard(fw);
    opu_fw_leave(fw);
}

struct opu_function opu_fw_function(struct opu_fw *fw)
{
    return (struct opu_function){.self = fw,
                                 .control = opu_fw_control,
                                 .out = out,
                                 .in = in,
                                 .event = event,
                                 .bus_reset = bus_reset,
                                 .clear_halt = clear_halt};
}
