/* SPDX-License-Identifier: MIT */
/*
 * opu record: another command, with its device recorded. The words are rewritten before they are
 * parsed: the device's URI becomes record:file=FILE,of=URI, and the command never knows.
 */
#include "tools/commands.h"

#include <stdlib.h>
#include <string.h>

/* Commands that have a device, and the option that names it; NULL: their first argument does. */
static const struct {
    const char *command, *option;
} recordable[] = {
    {"project", NULL},
    {"check", NULL},
    {"train", "--device"},
};

/* The word that is, or ends in, the URI; *skip: characters before it. 0: there is none. */
static int find_uri(int argc, char **argv, const char *option, size_t *skip)
{
    *skip = 0;
    for (int i = 4; i < argc; i++) {
        if (option == NULL) {
            if (argv[i][0] != '-') {
                return i;
            }
            continue;
        }
        size_t const n = strlen(option);
        if (strcmp(argv[i], option) == 0 && i + 1 < argc) {
            return i + 1;
        }
        if (strncmp(argv[i], option, n) == 0 && argv[i][n] == '=') {
            *skip = n + 1;
            return i;
        }
    }
    return 0;
}

/* "prefix" + record:file=FILE,of=URI; lives as long as the process. */
static char *wrap(const char *word, size_t skip, const char *file)
{
    size_t const n = strlen(word) + strlen(file) + sizeof "record:file=,of=";
    char *const text = malloc(n);
    if (text != NULL) {
        (void)snprintf(text, n, "%.*srecord:file=%s,of=%s", (int)skip, word, file, word + skip);
    }
    return text;
}

int record_rewrite(int *argc, char **argv)
{
    if (*argc < 4 || strcmp(argv[1], "record") != 0 || argv[2][0] == '-' || argv[3][0] == '-') {
        return OPU_OK;
    }
    const char *const file = argv[2];
    if (strpbrk(file, ",=") != NULL) {
        return opu_fail(OPU_E_INVALID, "'%s': a recording's name may not hold a comma or =", file);
    }
    for (size_t k = 0; k < sizeof recordable / sizeof recordable[0]; k++) {
        if (strcmp(recordable[k].command, argv[3]) != 0) {
            continue;
        }
        size_t skip;
        int const at = find_uri(*argc, argv, recordable[k].option, &skip);
        if (at == 0) {
            return opu_fail(OPU_E_INVALID, "opu %s: saw no device to record, wanted %s", argv[3],
                            recordable[k].option != NULL ? "--device URI" : "a URI");
        }
        argv[at] = wrap(argv[at], skip, file);
        if (argv[at] == NULL) {
            return opu_fail(OPU_E_NO_MEMORY, "no memory for a URI");
        }
        memmove(argv + 1, argv + 3, (size_t)(*argc - 2) * sizeof *argv);
        *argc -= 2;
        return OPU_OK;
    }
    return opu_fail(OPU_E_INVALID, "saw command '%s', wanted project, check or train", argv[3]);
}

/* Reached only where nothing was rewritten. */
static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    (void)options;
    (void)argc;
    (void)argv;
    return cli_fail(
        cli, CLI_AT_USAGE,
        opu_fail(OPU_E_INVALID, "saw no command to record, wanted: opu record FILE COMMAND ..."));
}

static const struct cli_example examples[] = {
    {"opu record run.opurec train fashion-mlp --device usb:", "record what a real device answers"},
    {"opu train fashion-mlp --device replay:run.opurec", "the same run without the device"},
    {"opu record x.opurec project usb: --in x.npy --out y.npy --n-out 100", "one projection"},
};

const struct cli_command cmd_record = {
    .name = "record",
    .summary = "run another command and keep all that its device is asked and answers",
    .arguments = "FILE COMMAND [ARGUMENT...]",
    .min_arguments = 0,
    .max_arguments = 2,
    .text =
        "Runs opu project, check or train with its device recorded: every set-up, every frame and "
        "the counts that came back are appended to FILE, so that a run which is stopped leaves all "
        "it had. A file that exists is refused. The device replay:FILE then answers as the "
        "recorded one did, off line; the first frame in which a run differs from the recorded one "
        "is named.",
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
