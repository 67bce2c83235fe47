/* SPDX-License-Identifier: MIT */
/* Reads what a device says of itself: where among its interfaces the protocol's is. */
#include "driver/descriptors.h"

#include "driver/wire.h"
#include "driver/wire_bytes.h"

enum { CONFIGURATION = 2, INTERFACE = 4, ENDPOINT = 5 };
enum { BULK = 2, INTERRUPT = 3 };

/* An interface that is being read: whether it is of the class, and what has been found in it. */
struct candidate {
    bool ours;
    struct opu_usb_interface found;
};

static bool is_complete(const struct candidate *candidate)
{
    return candidate->ours && candidate->found.out != 0 && candidate->found.in != 0 &&
           candidate->found.event != 0;
}

static void read_interface(struct candidate *candidate, const uint8_t *from)
{
    *candidate = (struct candidate){
        .ours = from[5] == OPU_WIRE_CLASS && from[6] == OPU_WIRE_SUBCLASS,
        .found = {.number = from[2], .alternate = from[3], .protocol = from[7]},
    };
}

/* The first of each kind counts. */
static void read_endpoint(struct candidate *candidate, const uint8_t *from)
{
    struct opu_usb_interface *const found = &candidate->found;
    uint8_t const address = from[2];
    bool const in = (address & 0x80) != 0;
    uint8_t const type = from[3] & 3;
    uint16_t const packet = get_u16(from + 4) & 0x7ff; /* bits 12, 11: more a microframe */
    if ((address & 0x0f) == 0 || packet == 0) {
        return;
    }
    if (type == BULK && !in && found->out == 0) {
        found->out = address;
        found->out_packet = packet;
    } else if (type == BULK && in && found->in == 0) {
        found->in = address;
        found->in_packet = packet;
    } else if (type == INTERRUPT && in && found->event == 0) {
        found->event = address;
        found->event_packet = packet;
    }
}

bool opu_usb_find_interface(struct opu_usb_interface *to, const uint8_t *config, size_t n)
{
    if (n < 9 || config[0] < 9 || config[1] != CONFIGURATION) {
        return false;
    }
    size_t const total = get_u16(config + 2);
    if (total > n || config[0] > total) {
        return false;
    }
    struct candidate candidate = {0};
    struct candidate best = {0};
    /* All is walked through, also behind the interface: malformed bytes say that none is to be
     * trusted. */
    for (size_t at = config[0]; at < total;) {
        const uint8_t *const from = config + at;
        size_t const bytes = from[0];
        if (total - at < 2 || bytes < 2 || bytes > total - at) {
            return false;
        }
        if ((from[1] == INTERFACE && bytes < 9) || (from[1] == ENDPOINT && bytes < 7)) {
            return false;
        }
        if (from[1] == INTERFACE) {
            read_interface(&candidate, from);
        } else if (from[1] == ENDPOINT) {
            read_endpoint(&candidate, from);
        }
        if (is_complete(&candidate) && !is_complete(&best)) {
            best = candidate;
        }
        at += bytes;
    }
    if (!is_complete(&best)) {
        return false;
    }
    *to = best.found;
    return true;
}
