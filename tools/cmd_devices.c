/* SPDX-License-Identifier: MIT */
/* opu devices: the kinds of device this build knows, and those that are there. */
#include "tools/commands.h"

#include <string.h>

/* Hardware is asked once: every look opens it. */
struct found {
    json_t *list;
    int width;
};

static int take(void *user, const char *uri, const char *description)
{
    struct found *const found = user;
    int const width = (int)strlen(uri);
    found->width = width > found->width ? width : found->width;
    json_array_append_new(found->list,
                          json_pack("{s:s, s:s}", "uri", uri, "description", description));
    return 0;
}

static int write_json(struct cli *cli, const struct found *found)
{
    json_t *const document = cli_json_new(cli), *const backends = json_array();
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        json_array_append_new(backends,
                              json_pack("{s:s, s:s}", "scheme", opu_backend_info(i)->scheme,
                                        "summary", opu_backend_info(i)->summary));
    }
    json_object_set_new(document, "backends", backends);
    json_object_set(document, "devices", found->list);
    return cli_json_write(cli, document);
}

static bool has_scheme(const char *uri, const char *scheme)
{
    size_t const n = strlen(scheme);
    return strncmp(uri, scheme, n) == 0 && uri[n] == ':';
}

static bool is_there(const struct found *found, const char *scheme)
{
    for (size_t i = 0; i < json_array_size(found->list); i++) {
        const json_t *const device = json_array_get(found->list, i);
        if (has_scheme(json_string_value(json_object_get(device, "uri")), scheme)) {
            return true;
        }
    }
    return false;
}

static int write_text(const struct found *found)
{
    puts("Kinds of device:");
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        char scheme[64];
        snprintf(scheme, sizeof scheme, "%s:", opu_backend_info(i)->scheme);
        printf("  %-*s  %s\n", found->width, scheme, opu_backend_info(i)->summary);
    }
    puts("\nDevices that are there:");
    for (size_t i = 0; i < json_array_size(found->list); i++) {
        const json_t *const device = json_array_get(found->list, i);
        printf("  %-*s  %s\n", found->width, json_string_value(json_object_get(device, "uri")),
               json_string_value(json_object_get(device, "description")));
    }
    if (!is_there(found, "usb")) {
        printf("  %-*s  nothing is plugged in\n", found->width, "usb:");
    }
    return CLI_OK;
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    struct found found = {.list = json_array(), .width = 8};
    (void)options;
    (void)argc;
    (void)argv;
    int status = opu_device_scan(cli->context, take, &found);
    if (status < 0) {
        status = cli_fail(cli, CLI_AT_DEVICE, status);
    } else {
        status = cli->json ? write_json(cli, &found) : write_text(&found);
    }
    json_decref(found.list);
    return status;
}

static const struct cli_example examples[] = {
    {"opu devices", "what can stand before the colon of a URI, and what is plugged in"},
    {"opu devices --json", "the same for a program"},
};

const struct cli_command cmd_devices = {
    .name = "devices",
    .summary = "list the kinds of device and the devices that are there",
    .arguments = "",
    .text = "Lists what can be opened. A device is named by a URI such as sim:seed=7; "
            "opu info URI tells all about one.",
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
