/* SPDX-License-Identifier: MIT */
/*
 * Any text is a training configuration that writes back to text of the same meaning, or is refused
 * with a sentence that names the line.
 */
#include "fuzz.h"

#include <string.h>

#include <opu/backend.h>

#include "core/train/settings.h"

#define MOST 65536

static void check_written(const struct opu_train_config *config)
{
    char *text, *again;
    struct opu_train_config *copy;
    FUZZ_CHECK(opu_train_config_write(config, &text) == OPU_OK);
    FUZZ_CHECK(opu_train_config_create(&copy, NULL) == OPU_OK);
    FUZZ_CHECK(opu_train_config_parse(copy, text) == OPU_OK);
    FUZZ_CHECK(opu_train_config_write(copy, &again) == OPU_OK);
    FUZZ_CHECK(strcmp(text, again) == 0);
    FUZZ_CHECK(memcmp(&config->settings, &copy->settings, sizeof copy->settings) == 0);
    opu_train_config_destroy(copy);
    opu_context_free(NULL, text);
    opu_context_free(NULL, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MOST) {
        return 0;
    }
    struct opu_train_config *config;
    char *text = malloc(size + 1);
    FUZZ_CHECK(text && opu_train_config_create(&config, NULL) == OPU_OK);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = 0;
    if (opu_train_config_parse(config, text) < 0) {
        FUZZ_CHECK(strstr(opu_error_message(), "configuration:") != NULL);
    }
    check_written(config);
    opu_train_config_destroy(config);
    free(text);
    return 0;
}
