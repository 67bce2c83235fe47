/* SPDX-License-Identifier: MIT */
/* opu bench: measures this machine, each figure against a floor measured in the same run. */
#include "tools/bench/bench.h"
#include "tools/commands.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct bench_args {
    bool check;
    struct cli_uint rounds, steps, blocks, width;
};

static const struct bench *find(const char *name)
{
    for (size_t i = 0; bench_table[i].name != NULL; i++) {
        if (strcmp(bench_table[i].name, name) == 0) {
            return &bench_table[i];
        }
    }
    return NULL;
}

static const char *verdict(const struct bench_row *row)
{
    return isnan(row->wanted) ? "" : bench_row_ok(row) ? "PASS" : "FAIL";
}

/* Ratios, exponents, times and sizes with two decimals, rates whole. */
static int decimals(const struct bench_row *row)
{
    static const char *const fine[] = {"x", "", "s", "ms", "us", "MB", "Gnormals/s"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        if (strcmp(row->unit, fine[i]) == 0) {
            return 2;
        }
    }
    return 0;
}

static void print_text(const struct bench_report *report)
{
    for (size_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *const row = &report->rows[i];
        char wanted[32] = "";
        if (!isnan(row->wanted)) {
            snprintf(wanted, sizeof wanted, "%s %g", row->at_most ? "at most" : "at least",
                     row->wanted);
        }
        printf("  %-52s %10.*f %-7s %-14s %s\n", row->name, decimals(row), row->value, row->unit,
               wanted, verdict(row));
    }
    if (report->note[0] != '\0') {
        printf("  %s\n", report->note);
    }
}

static int print_json(struct cli *cli, const char *name, const struct bench_report *report)
{
    json_t *const document = cli_json_new(cli), *const rows = json_array();
    for (size_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *const row = &report->rows[i];
        json_array_append_new(rows, json_pack("{s:s, s:o, s:s, s:o, s:b, s:b}", "name", row->name,
                                              "value", cli_json_real(row->value), "unit", row->unit,
                                              "wanted", cli_json_real(row->wanted), "at_most",
                                              row->at_most, "ok", bench_row_ok(row)));
    }
    json_object_set_new(document, "bench", json_string(name));
    json_object_set_new(document, "rows", rows);
    json_object_set_new(document, "note", json_string(report->note));
    return cli_json_write(cli, document);
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    const struct bench_args *const args = options;
    (void)argc;
    const struct bench *const bench = find(argv[0]);
    if (bench == NULL) {
        return cli_fail(
            cli, CLI_AT_USAGE,
            opu_fail(OPU_E_INVALID, "no benchmark '%s'; opu help bench lists them", argv[0]));
    }
    struct bench_options const wanted = {
        .context = cli->context,
        .threads =
            cli->threads.given ? (int)cli->threads.value : (int)sysconf(_SC_NPROCESSORS_ONLN),
        .rounds = (unsigned)args->rounds.value,
        .steps = (unsigned)args->steps.value,
        .quiet = !cli->err_tty,
        .blocks = (unsigned)args->blocks.value,
        .width = (size_t)args->width.value,
    };
    struct bench_report report = {.n_rows = 0};
    int const status = bench->run(&wanted, &report);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DATA, status);
    }
    int code = CLI_OK;
    if (cli->json) {
        code = print_json(cli, bench->name, &report);
    } else {
        printf("opu bench %s: %u rounds of %u steps, %d threads, medians\n", bench->name,
               wanted.rounds, wanted.steps, wanted.threads);
        print_text(&report);
    }
    for (size_t i = 0; code == CLI_OK && args->check && i < report.n_rows; i++) {
        code = bench_row_ok(&report.rows[i]) ? CLI_OK : CLI_MISSED;
    }
    return code;
}

static void more(void (*add)(void *user, const char *heading, const char *left, const char *right),
                 void *user)
{
    for (size_t i = 0; bench_table[i].name != NULL; i++) {
        add(user, "Benchmarks", bench_table[i].name, bench_table[i].summary);
    }
}

static const struct cli_option option_table[] = {
    {.name = "check",
     .kind = CLI_FLAG,
     .offset = offsetof(struct bench_args, check),
     .help = "exit 5 if a figure misses its bar"},
    {.name = "rounds",
     .kind = CLI_UINT,
     .offset = offsetof(struct bench_args, rounds),
     .value = "N",
     .fallback = "31",
     .min = 1,
     .max = 31,
     .help = "rounds that the medians are taken over"},
    {.name = "steps",
     .kind = CLI_UINT,
     .offset = offsetof(struct bench_args, steps),
     .value = "N",
     .fallback = "20",
     .min = 1,
     .max = 100000,
     .help = "steps in a round"},
    {.name = "blocks",
     .kind = CLI_UINT,
     .offset = offsetof(struct bench_args, blocks),
     .value = "N",
     .fallback = "0",
     .min = 0,
     .max = 16,
     .help = "train: time the backward of N layers between taps; 0: whole steps"},
    {.name = "width",
     .kind = CLI_UINT,
     .offset = offsetof(struct bench_args, width),
     .value = "N",
     .fallback = "0",
     .min = 0,
     .max = 1024,
     .help = "with --blocks: 64, 128, 256, 512 or 1024 alone; 0: all of them"},
};

static const struct cli_example examples[] = {
    {"opu bench train", "rows per second by back-propagation and DFA, against PyTorch"},
    {"opu bench train --blocks 8", "blocks between taps side by side, against one thread"},
    {"opu bench train --check", "the same as a test: exit 5 if a bar is missed"},
};

const struct cli_command cmd_bench = {
    .name = "bench",
    .summary = "measure speed against floors taken in the same run",
    .arguments = "NAME",
    .min_arguments = 1,
    .max_arguments = 1,
    .text = "Prints rates and their ratios to a floor: PyTorch where it is installed, bare matrix "
            "products. Close other programs first.",
    .options = option_table,
    .n_options = sizeof option_table / sizeof option_table[0],
    .options_size = sizeof(struct bench_args),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
    .more = more,
};
