/* SPDX-License-Identifier: MIT */
/* opu compare: back-propagation, DFA with and without optics, and the head alone, over seeds. */
#include "tools/commands.h"
#include "tools/compare.h"
#include "tools/interrupt.h"

#include <string.h>

static int choose_dir(struct comparison *c)
{
    const char *const out = c->wish->out;
    if (out != NULL && strlen(out) >= RUN_PATH_SIZE / 2) {
        return opu_fail(OPU_E_INVALID, "--out: longer than %d bytes", RUN_PATH_SIZE / 2 - 1);
    }
    if (out != NULL) {
        snprintf(c->dir, sizeof c->dir, "%s", out);
    } else {
        snprintf(c->dir, sizeof c->dir, "runs/%s-compare", c->base.preset);
    }
    return OPU_OK;
}

/* Everything that can be refused, before anything is trained. */
static int prepare(struct comparison *c, char **argv, enum cli_place *place)
{
    struct train_options const wish = {.device = c->wish->device,
                                       .data = c->wish->data,
                                       .epochs = c->wish->epochs,
                                       .set = c->wish->set};
    c->base = (struct training){.cli = c->cli, .wish = &wish};
    *place = CLI_AT_DATA;
    int status = opu_train_config_create(&c->base.config, c->cli->context);
    status = status == OPU_OK ? train_prepare_new(&c->base, 1, argv) : status;
    c->base.wish = NULL;
    status = status == OPU_OK ? choose_dir(c) : status;
    status = status == OPU_OK ? compare_plan(c) : status;
    status = status == OPU_OK ? compare_look(c) : status;
    return status == OPU_OK ? compare_try(c, place) : status;
}

static int finish(struct comparison *c)
{
    size_t failed = 0;
    for (size_t i = 0; i < c->n_arms * c->n_seeds; i++) {
        failed += c->runs[i].state == COMPARE_FAILED ? 1 : 0;
    }
    int status = compare_write_csv(c);
    status = status == OPU_OK ? compare_write_page(c) : status;
    if (status < 0) {
        return cli_fail(c->cli, CLI_AT_DATA, status);
    }
    int code = CLI_OK;
    if (c->cli->json) {
        code = cli_json_write(c->cli, compare_json(c));
    } else {
        compare_print(c);
    }
    if (failed > 0 && code == CLI_OK) {
        cli_say(c->cli, "%zu of %zu runs ended without a result", failed, c->n_arms * c->n_seeds);
        return CLI_FAILURE;
    }
    return code;
}

static int train(struct comparison *c)
{
    size_t const n = c->n_arms * c->n_seeds;
    if (c->wish->dry_run) {
        cli_say(c->cli,
                "%zu arms, %zu runs, %zu of them done; data, networks and devices are there",
                c->n_arms, n, c->n_done);
        return c->cli->json ? cli_json_write(c->cli, compare_json(c)) : CLI_OK;
    }
    cli_say(c->cli, "%zu runs in %s, %zu of them done: %zu arms, %zu seed%s", n, c->dir, c->n_done,
            c->n_arms, c->n_seeds, c->n_seeds == 1 ? "" : "s");
    int status = compare_train(c);
    if (status == OPU_E_CANCELLED) {
        status =
            opu_fail(status, "stopped with %zu of %zu runs done; the same command goes on from %s",
                     c->n_done, n, c->dir);
    }
    return status < 0 ? cli_fail(c->cli, CLI_AT_DATA, status) : finish(c);
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    struct comparison c = {.cli = cli, .wish = options, .source = argv[0]};
    enum cli_place place = CLI_AT_DATA;
    (void)argc;
    interrupt_catch();
    int const status = prepare(&c, argv, &place);
    int const code = status < 0 ? cli_fail(cli, place, status) : train(&c);
    compare_plan_free(&c);
    opu_train_config_destroy(c.base.config);
    return code;
}

static const struct cli_option table_of_options[] = {
    {.name = "seeds",
     .kind = CLI_UINT,
     .offset = offsetof(struct compare_options, seeds),
     .value = "N",
     .fallback = "3",
     .min = 1,
     .max = COMPARE_MAX_SEEDS,
     .help = "train with the seeds 1 to N"},
    {.name = "methods",
     .kind = CLI_TEXT,
     .offset = offsetof(struct compare_options, methods),
     .value = "LIST",
     .help = "of bp, exact, optical, shallow; default: all, with --sweep all but shallow"},
    {.name = "sweep",
     .kind = CLI_LIST,
     .offset = offsetof(struct compare_options, sweep),
     .value = "KEY=VALUES",
     .help = "train DFA optical at each value: a list 0,10,30, a range 1..12 or 0..100:10, or "
             "1e-4..1e-2*10; given twice, a grid"},
    {.name = "device",
     .kind = CLI_TEXT,
     .offset = offsetof(struct compare_options, device),
     .value = "URI",
     .help = "of DFA optical; default: the preset's"},
    {.name = "epochs",
     .kind = CLI_UINT,
     .offset = offsetof(struct compare_options, epochs),
     .value = "N",
     .min = 1,
     .max = 1e6,
     .help = "passes over the training rows"},
    {.name = "set",
     .kind = CLI_LIST,
     .offset = offsetof(struct compare_options, set),
     .value = "KEY=VALUE",
     .help = "any key of the configuration or of the device, such as optim.lr=1e-3, sim.tau=3600"},
    {.name = "data",
     .kind = CLI_TEXT,
     .offset = offsetof(struct compare_options, data),
     .value = "DIR",
     .help = "where the data is; default: $OPU_DATA_DIR, then Debian's packages"},
    {.name = "out",
     .kind = CLI_TEXT,
     .offset = offsetof(struct compare_options, out),
     .value = "DIR",
     .help = "folder of the run folders, compare.csv and compare.html; default: "
             "runs/PRESET-compare"},
    {.name = "dry-run",
     .kind = CLI_FLAG,
     .offset = offsetof(struct compare_options, dry_run),
     .help = "check every value, data, networks and devices; train and write nothing"},
};

static const struct cli_example examples[] = {
    {"opu compare fashion-mlp --seeds 3", "the paper's row: BP, DFA exact, DFA optical, SHALLOW"},
    {"opu compare fashion-mlp --sweep sim.read_noise=0,10,30,100 --seeds 2",
     "accuracy against the camera's read noise"},
    {"opu compare fashion-mlp --sweep sim.tau=1e2..1e6*10 --methods optical",
     "against the medium's decorrelation time, without references"},
    {"opu compare fashion-mlp --sweep encode=binary,ternary,ternary:stochastic,bitplanes:4",
     "against the encoder"},
};

static void more(void (*add)(void *user, const char *heading, const char *left, const char *right),
                 void *user)
{
    static const char heading[] = "Keys for --sweep and --set";
    add(user, heading, "SECTION.KEY", "of the configuration: opu train --help lists them");
    add(user, heading, "SCHEME.NAME, SCHEME.GROUP.NAME",
        "an option of the device, such as sim.tau or sim.camera.bits: opu info sim: lists them");
    add(user, heading, "encode, readout, rescale, variance, saturation, pilot",
        "of the projection, on any device");
}

const struct cli_command cmd_compare = {
    .name = "compare",
    .summary = "train BP, DFA exact, DFA optical and SHALLOW over seeds; sweep a knob",
    .arguments = "PRESET|FILE.ini",
    .min_arguments = 1,
    .max_arguments = 1,
    .completion = "preset",
    .text =
        "Trains the same network by back-propagation (bp), by DFA with a float matrix (exact) and "
        "through the preset's device (optical), and by its head alone (shallow), once for each "
        "seed, and tells means, deviations of the sample and differences.\nWith --sweep DFA "
        "optical is trained at each value of a knob; the other methods keep the preset's values "
        "and are drawn as lines. Every value is tried before anything is trained.\nEach run has "
        "its folder, as opu train leaves it. The same command goes on where Ctrl-C ended it: runs "
        "that are done are read back, the one under way is resumed to the same bits.",
    .options = table_of_options,
    .n_options = sizeof table_of_options / sizeof table_of_options[0],
    .options_size = sizeof(struct compare_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
    .more = more,
};
