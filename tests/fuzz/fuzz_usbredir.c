/* SPDX-License-Identifier: MIT */
/* Whatever a usbredir peer sends is answered or ends the conversation. */
#include "tests/unit/driver_echo.h"

#include "driver/firmware/usbredir_link.h"

#include "fuzz.h"

struct peer {
    const uint8_t *data;
    size_t left;
};

static int give(void *user, uint8_t *to, int n)
{
    struct peer *const peer = user;
    size_t const now = peer->left < (size_t)n ? peer->left : (size_t)n;
    memcpy(to, peer->data, now);
    peer->data += now;
    peer->left -= now;
    return (int)now;
}

static int take(void *user, uint8_t *from, int n)
{
    (void)user;
    uint8_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum = (uint8_t)(sum + from[i]); /* all of it may be read */
    }
    return sum % 2 == 0 ? n : (n + 1) / 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct echo echo;
    struct peer peer = {data, size};
    struct opu_usbredir_link_options const options = {.function = echo_function(&echo),
                                                      .identity = echo_identity,
                                                      .max_out_bytes = 1u << 16,
                                                      .user = &peer,
                                                      .read = give,
                                                      .write = take};
    struct opu_usbredir_link *const link = opu_usbredir_link_create(&options);
    if (link == NULL) {
        return 0;
    }
    bool well = true;
    while (well && peer.left > 0) {
        size_t const before = peer.left;
        well = opu_usbredir_link_read(link) && peer.left < before;
        echo.event = (int)(peer.left % 251);
        echo.stall_in = peer.left % 13 == 0;
        opu_usbredir_link_ask(link);
        well = opu_usbredir_link_write(link) && well;
        opu_usbredir_link_plug(link, peer.left % 5 != 0);
    }
    opu_usbredir_link_destroy(link);
    echo_empty(&echo);
    return 0;
}
