/* SPDX-License-Identifier: MIT */
/* opu devices: the kinds of device this build knows, and those that are there. */
#include "tools/commands.h"

#include <string.h>

struct found {
    bool json;
    json_t *list;
    int width;
    size_t n;
};

static int widest(void *user, const char *uri, const char *description)
{
    struct found *const found = user;
    int const width = (int)strlen(uri);
    (void)description;
    found->width = width > found->width ? width : found->width;
    found->n++;
    return 0;
}

static int take(void *user, const char *uri, const char *description)
{
    struct found *const found = user;
    if (found->json) {
        json_array_append_new(found->list,
                              json_pack("{s:s, s:s}", "uri", uri, "description", description));
    } else {
        printf("  %-*s  %s\n", found->width, uri, description);
    }
    return 0;
}

static int run_json(struct cli *cli)
{
    json_t *const document = cli_json_new(cli), *const backends = json_array();
    struct found found = {.json = true, .list = json_array()};
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        json_array_append_new(backends,
                              json_pack("{s:s, s:s}", "scheme", opu_backend_info(i)->scheme,
                                        "summary", opu_backend_info(i)->summary));
    }
    int const status = opu_device_scan(cli->context, take, &found);
    json_object_set_new(document, "backends", backends);
    json_object_set_new(document, "devices", found.list);
    if (status < 0) {
        json_decref(document);
        return cli_fail(cli, CLI_AT_DEVICE, status);
    }
    return cli_json_write(cli, document);
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    struct found found = {.width = 8};
    (void)options;
    (void)argc;
    (void)argv;
    if (cli->json) {
        return run_json(cli);
    }
    int status = opu_device_scan(cli->context, widest, &found);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DEVICE, status);
    }
    puts("Kinds of device:");
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        char scheme[64];
        snprintf(scheme, sizeof scheme, "%s:", opu_backend_info(i)->scheme);
        printf("  %-*s  %s\n", found.width, scheme, opu_backend_info(i)->summary);
    }
    puts("\nDevices that are there:");
    status = opu_device_scan(cli->context, take, &found);
    if (found.n == 0) {
        puts("  none");
    }
    return status < 0 ? cli_fail(cli, CLI_AT_DEVICE, status) : CLI_OK;
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
