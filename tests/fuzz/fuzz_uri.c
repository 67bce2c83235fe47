/* SPDX-License-Identifier: MIT */
/* Any text is a device URI whose parts lie in the copy, or is refused; what null: and exact: make
 * of it too. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include <opu/device.h>

#include "core/device/encode.h"
#include "core/device/uri.h"

static bool inside(const struct opu_uri *uri, const char *text)
{
    return text >= uri->text && text + strlen(text) < uri->text + sizeof uri->text;
}

static void open_device(const char *text)
{
    struct opu_device *device;
    if (opu_device_open(&device, NULL, text) < 0) {
        FUZZ_CHECK(device == NULL && opu_error_message()[0] != '\0');
        return;
    }
    FUZZ_CHECK(strcmp(opu_device_uri(device), text) == 0);
    opu_device_close(device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    struct opu_uri uri;
    struct opu_encoder encoder = {0};
    if (opu_uri_parse(&uri, text) < 0) {
        FUZZ_CHECK(opu_error_message()[0] != '\0');
    } else {
        FUZZ_CHECK(inside(&uri, uri.scheme) && uri.scheme[0] != '\0' &&
                   uri.n_pairs <= OPU_URI_PAIRS);
        for (size_t i = 0; i < uri.n_pairs; i++) {
            FUZZ_CHECK(inside(&uri, uri.pairs[i].key) && inside(&uri, uri.pairs[i].value));
            FUZZ_CHECK(uri.pairs[i].key[0] != '\0' || i == 0);
            if (opu_encoder_parse(&encoder, uri.pairs[i].value) == OPU_OK) {
                FUZZ_CHECK(opu_encoder_patterns(&encoder) <= 2 * OPU_PLANES_MAX);
            }
        }
        /* Other devices may be real, or large. */
        if (strcmp(uri.scheme, "null") == 0 || strcmp(uri.scheme, "exact") == 0) {
            open_device(text);
        }
    }
    free(text);
    return 0;
}
