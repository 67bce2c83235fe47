/* SPDX-License-Identifier: MIT */
/*
 * Any bytes are a configuration in which an interface is found that a host can use, or is not. The
 * first eight are also a request for a descriptor, answered in the room that was given or stalled.
 */
#include "fuzz.h"

#include <string.h>

#include "driver/descriptors.h"
#include "driver/wire_bytes.h"

static void find(const uint8_t *config, size_t n)
{
    struct opu_usb_interface found;
    memset(&found, 0, sizeof found);
    if (!opu_usb_find_interface(&found, config, n)) {
        FUZZ_CHECK(found.out == 0 && found.in == 0 && found.event == 0);
        return;
    }
    FUZZ_CHECK((found.out & 0x80) == 0 && (found.in & 0x80) != 0 && (found.event & 0x80) != 0);
    FUZZ_CHECK((found.out & 0x0f) != 0 && (found.in & 0x0f) != 0 && (found.event & 0x0f) != 0);
    FUZZ_CHECK(found.out_packet > 0 && found.in_packet > 0 && found.event_packet > 0);
    FUZZ_CHECK(found.out_packet <= 0x7ff && found.in_packet <= 0x7ff);
}

static void ask(const uint8_t *request)
{
    static const enum opu_usb_speed speeds[] = {OPU_USB_FULL, OPU_USB_HIGH, OPU_USB_SUPER};
    size_t const n = get_u16(request + 6) % 1024;
    for (size_t i = 0; i < 3; i++) {
        struct opu_usb_identity const identity = {.vendor_id = 0x1209,
                                                  .product_id = 1,
                                                  .product = "opu",
                                                  .serial = "0",
                                                  .speed = speeds[i]};
        uint8_t *const room = malloc(n > 0 ? n : 1);
        if (room != NULL) {
            int const moved = opu_usb_descriptor(room, n, &identity, request[0], request[1],
                                                 get_u16(request + 2), get_u16(request + 4));
            FUZZ_CHECK(moved == -1 || (moved >= 0 && (size_t)moved <= n));
            /* What the device says of itself, a host must be able to read. */
            struct opu_usb_interface found;
            if (moved > 4 && request[0] == 0x80 && room[1] == 2 && get_u16(room + 2) == moved) {
                FUZZ_CHECK(opu_usb_find_interface(&found, room, (size_t)moved));
            }
        }
        free(room);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    find(data, size);
    if (size >= 8) {
        ask(data);
    }
    return 0;
}
