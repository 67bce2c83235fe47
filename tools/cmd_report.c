/* SPDX-License-Identifier: MIT */
/* opu report: a run folder's report.html, written anew. */
#include "tools/commands.h"
#include "tools/report.h"
#include "tools/run_folder.h"

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    char file[RUN_FILE_SIZE];
    (void)options;
    (void)argc;
    int const status = report_write(cli, argv[0], file, sizeof file);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DATA, status);
    }
    if (cli->json) {
        json_t *const document = cli_json_new(cli);
        json_object_set_new(document, "run", json_string(argv[0]));
        json_object_set_new(document, "report", json_string(file));
        return cli_json_write(cli, document);
    }
    puts(file);
    return CLI_OK;
}

static const struct cli_example examples[] = {
    {"opu report runs/fashion-mlp-dfa-seed1", "write report.html anew and print its path"},
};

const struct cli_command cmd_report = {
    .name = "report",
    .summary = "write a run folder's report.html",
    .arguments = "DIR",
    .min_arguments = 1,
    .max_arguments = 1,
    .completion = "dir",
    .text =
        "Reads what opu train left in the folder and writes DIR/report.html: curves of loss, "
        "accuracy and alignment, a speckle picture of the run's device, its statistics, and the "
        "set-up. "
        "The page needs no network and no other file. opu train writes it by itself at its end; an "
        "unfinished run gives the epochs so far.",
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
