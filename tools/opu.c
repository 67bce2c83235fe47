/* SPDX-License-Identifier: MIT */
/* The command `opu`: the table of commands, and what happens before and after one runs. */
#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/whole_file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One row a command, in the order of --help. */
const struct cli_command *const cli_commands[] = {
    &cmd_devices, &cmd_info,    &cmd_project, &cmd_check, &cmd_train, &cmd_compare,
    &cmd_report,  &cmd_emulate, &cmd_record,  &cmd_bench, NULL,
};

static int print_version(struct cli *cli)
{
    if (!cli->json) {
        puts(opu_version());
        return CLI_OK;
    }
    return cli_json_write(cli, json_pack("{s:i, s:s, s:s}", "schema", 1, "command", "version",
                                         "version", opu_version()));
}

/* What needs no context: help, version, man page, completion. -1: none of them was asked for. */
static int run_early(struct cli *cli)
{
    if (cli->hidden_man) {
        cli_man(stdout);
    } else if (cli->completion != NULL) {
        if (strcmp(cli->completion, "bash") != 0) {
            return cli_fail(
                cli, CLI_AT_USAGE,
                opu_fail(OPU_E_INVALID, "--completion: saw '%s', wanted bash", cli->completion));
        }
        cli_completion_bash(stdout);
    } else if (cli->version) {
        return print_version(cli);
    } else if (cli->help && cli->command != NULL) {
        cli_help_command(stdout, cli->command);
    } else if (cli->help) {
        cli_help(stdout);
    } else if (cli->command == NULL) {
        cli_help(stderr);
        return CLI_USAGE;
    } else {
        return -1;
    }
    return CLI_OK;
}

/* "opu help [COMMAND]" is "opu [COMMAND] --help": one row less in every other place. */
static void rewrite_help(int argc, char **argv)
{
    static char option[] = "--help";
    if (argc > 1 && strcmp(argv[1], "help") == 0) {
        argv[1] = option;
    }
}

/* What a command that keeps nothing says to Ctrl-C; opu train has its own way. */
static char last_words[160], last_document[200];

static void on_interrupt(int number)
{
    (void)number;
    whole_file_abandon();
    ssize_t const told = write(STDERR_FILENO, last_words, strlen(last_words));
    ssize_t const printed = write(STDOUT_FILENO, last_document, strlen(last_document));
    (void)told;
    (void)printed;
    _exit(CLI_INTERRUPTED);
}

static void catch_interrupts(const struct cli *cli)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    static const char message[] = "interrupted; no result was written";
    snprintf(last_words, sizeof last_words, "%sopu %s: %s\n", cli->err_tty ? "\n" : "",
             cli->command->name, message);
    if (cli->json) {
        snprintf(last_document, sizeof last_document,
                 "{\"schema\": 1, \"command\": \"%s\", \"error\": {\"status\": "
                 "\"OPU_E_CANCELLED\", \"message\": \"%s\"}}\n",
                 cli->command->name, message);
    }
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int run_command(struct cli *cli, const void *options, int n, char **argv)
{
    struct opu_context_options const wanted = {
        .size = sizeof wanted, .log = cli_log_sink(cli), .threads = (int)cli->threads.value};
    int const status = opu_context_create(&cli->context, &wanted);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_USAGE, status);
    }
    catch_interrupts(cli);
    int const code = cli->command->run(cli, options, n, argv);
    opu_context_destroy(cli->context);
    return code;
}

/*
 * libgomp's threads spin for milliseconds while they wait, which on a busy machine takes the cores
 * from the threads they wait for (a training beside other programs was 20 times slower). How long
 * is read when the library is loaded, so it must stand in the environment before: start again. Not
 * under valgrind, where /proc/self/exe runs valgrind's own program, or loses sight of ours.
 */
static void wait_politely(char **argv)
{
    const char *const preload = getenv("LD_PRELOAD");
    bool const valgrind = preload != NULL && strstr(preload, "vgpreload") != NULL;
    if (!valgrind && getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
        setenv("GOMP_SPINCOUNT", "10000", 0) == 0) {
        execv("/proc/self/exe", argv); /* where that can't be, go on as we are */
    }
}

int main(int argc, char **argv)
{
    wait_politely(argv);
    struct cli cli = {.out_tty = isatty(STDOUT_FILENO) == 1, .err_tty = isatty(STDERR_FILENO) == 1};
    const char *const no_color = getenv("NO_COLOR"), *const terminal = getenv("TERM");
    bool const dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    void *options = NULL;
    int n = 0;
    cli.colour = cli.out_tty && !dumb && (no_color == NULL || no_color[0] == 0);
    cli.err_tty = cli.err_tty && !dumb;
    signal(SIGXFSZ, SIG_IGN); /* a file too large is then an error with a sentence */

    rewrite_help(argc, argv);
    int code;
    int status = record_rewrite(&argc, argv);
    if (status == OPU_OK) {
        status = cli_parse(&cli, argc, argv, &options, &n);
    }
    if (status < 0) {
        code = cli_fail(&cli, CLI_AT_USAGE, status);
    } else {
        code = run_early(&cli);
        if (code < 0) {
            code = run_command(&cli, options, n, argv);
        }
    }
    free(options);
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == CLI_OK) {
        cli_say(&cli, "standard output can't be written");
        code = CLI_FAILURE;
    }
    return code;
}
