/* SPDX-License-Identifier: MIT */
/*
 * Whatever a USB/IP host sends, in whatever pieces, is answered or ends the connection. The first
 * byte says whether the device is imported already, and how long the pieces are.
 */
#include "tests/unit/driver_echo.h"

#include "driver/firmware/usbip_link.h"

#include "fuzz.h"

static unsigned import(void *user)
{
    (void)user;
    return OPU_USBIP_DONE;
}

/* Answers are whole headers with what they promise behind them, where nothing was cut off. */
static void drain(struct opu_usbip_link *link)
{
    const uint8_t *from;
    size_t n;
    while ((from = opu_usbip_link_output(link, &n)) != NULL) {
        FUZZ_CHECK(n > 0);
        uint8_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum = (uint8_t)(sum + from[i]); /* all of it may be read */
        }
        opu_usbip_link_sent(link, sum % 2 == 0 ? n : (n + 1) / 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct echo echo;
    if (size == 0) {
        return 0;
    }
    size_t const piece = (size_t)(data[0] >> 1) + 1;
    struct opu_usbip_link_options const options = {.function = echo_function(&echo),
                                                   .identity = echo_identity,
                                                   .max_out_bytes = 1u << 16,
                                                   .imported = data[0] % 2 == 1,
                                                   .import = import};
    struct opu_usbip_link *const link = opu_usbip_link_create(&options);
    if (link == NULL) {
        return 0;
    }
    for (size_t at = 1; at < size;) {
        size_t n;
        uint8_t *const to = opu_usbip_link_room(link, &n);
        if (to == NULL) {
            break;
        }
        FUZZ_CHECK(n > 0 && n <= OPU_USBIP_TRANSFER_MAX);
        n = n < piece ? n : piece;
        n = n < size - at ? n : size - at;
        memcpy(to, data + at, n);
        opu_usbip_link_take(link, n);
        at += n;
        echo.event = (int)(at % 251);
        echo.stall_in = at % 13 == 0;
        opu_usbip_link_ask(link);
        drain(link);
    }
    opu_usbip_link_destroy(link);
    echo_empty(&echo);
    return 0;
}
