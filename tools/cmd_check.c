/* SPDX-License-Identifier: MIT */
/* opu check: is this device linear, Gaussian, quiet and repeatable, and does it pass its own tests?
 * The tables, the report, and exit 5 if not. */
#include "tools/check.h"
#include "tools/commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct check_options {
    struct cli_uint n_in, n_out, seed;
    const char *readout, *group, *report;
    struct cli_uint bits;
    bool thorough;
};

static int make_room(struct check *check)
{
    size_t const n = check->n_in, m = check->n_out;
    check->in = malloc(n * n * sizeof *check->in);
    check->out = malloc(n * m * sizeof *check->out);
    check->again = malloc(n * m * sizeof *check->again);
    return check->in != NULL && check->out != NULL && check->again != NULL
               ? OPU_OK
               : opu_fail(OPU_E_NO_MEMORY, "no memory for %zu rows of %zu outputs", n, m);
}

/* Which read-out a projection has; "" for one that squares. */
static const char *readout_of(const char *describe)
{
    for (size_t i = 0; i < check_n_readouts; i++) {
        char word[32];
        snprintf(word, sizeof word, ", %s,", check_readout_names[i]);
        if (strstr(describe, word) != NULL) {
            return check_readout_names[i];
        }
    }
    return "";
}

/* light: of an input over the calibration's */
static int predict(struct check *check, const char *readout, double light)
{
    struct opu_calibration found = {.size = sizeof found};
    struct check_noise of = {.caps = opu_device_caps(check->device),
                             .found = &found,
                             .readout = readout,
                             .n_in = check->n_in,
                             .light = light,
                             .n_on = check->n_in};
    int const status = opu_projection_calibration(check->projection, &found);
    check->noise.all = check_predict_noise(&of);
    of.error = true;
    of.n_on = check->n_in / 2;
    check->noise.half = check_predict_noise(&of);
    of.n_on = check->n_in / 4;
    check->noise.quarter = check_predict_noise(&of);
    check->noise.spread = check_noise_spread(of.readout);
    return status;
}

static int open_projection(struct check *check, const struct check_options *wish)
{
    struct opu_projection_options plan = {.size = sizeof plan,
                                          .n_in = check->n_in,
                                          .n_out = check->n_out,
                                          .max_rows = check->n_in,
                                          .encode = check->frames ? "ternary" : NULL,
                                          .readout = wish->readout,
                                          .bits = (uint32_t)wish->bits.value};
    int status = opu_projection_create(&check->projection, check->device, &plan);
    if (status == OPU_E_UNSUPPORTED && check->frames) {
        plan.encode = "binary"; /* the read-out, from --readout or the URI, squares */
        status = opu_projection_create(&check->projection, check->device, &plan);
    }
    return status;
}

/* What an anchor's noise follows is measured without a projection, which is then made anew. */
static int foresee(struct check *check, const struct check_options *wish)
{
    struct opu_calibration found = {.size = sizeof found};
    double light = 1.0;
    int status = opu_projection_calibration(check->projection, &found);
    if (status == OPU_OK && found.anchor_mirrors > 0) {
        opu_projection_destroy(check->projection);
        check->projection = NULL;
        status = check_shot_light(check, &found, check->n_out, &light);
        status = status == OPU_OK ? open_projection(check, wish) : status;
    }
    return status == OPU_OK
               ? predict(check, readout_of(opu_projection_describe(check->projection)), light)
               : status;
}

static int open_all(struct check *check, const struct check_options *wish, const char *uri)
{
    int status = opu_device_open(&check->device, check->cli->context, uri);
    if (status < 0) {
        return status;
    }
    const struct opu_caps *const caps = opu_device_caps(check->device);
    check->frames = (caps->flags & OPU_CAP_FRAMES) != 0;
    if (check->n_in > caps->max_inputs || check->n_out > 2 * caps->max_pixels) {
        return opu_fail(
            OPU_E_INVALID,
            "%s has %zu inputs and %zu pixels, wanted %zu and %zu; see --n-in and --n-out", uri,
            caps->max_inputs, caps->max_pixels, check->n_in, check->n_out);
    }
    status = open_projection(check, wish);
    if (status < 0) {
        return status;
    }
    check->linear = strstr(opu_projection_describe(check->projection), ", intensity") == NULL;
    status = check->frames ? foresee(check, wish) : OPU_OK;
    if (status < 0) {
        return status;
    }
    if ((check->n_in & (check->n_in - 1)) != 0) {
        return opu_fail(OPU_E_INVALID, "--n-in: saw %zu, wanted a power of two", check->n_in);
    }
    return make_room(check);
}

/*
 * What is measured on any device, in this order: the projection's own steps come first, as every
 * later one takes the device over.
 */
static const struct step {
    const char *group, *what;
    int (*measure)(struct check *check);
    bool frames, linear; /* for devices of frames only; for linear read-outs only */
} steps[] = {
    {"matrix", "moments of the entries", check_matrix, false, true},
    {"matrix", "singular values", check_spectrum, false, true},
    {"projection", "linearity, repetition, noise, rate", check_projection, false, false},
    {"drift", "correlation over device time", check_drift, true, false},
    {"read-out", "noise of every read-out", check_readouts, true, false},
    {"speckle", "contrast and distribution", check_speckle, true, false},
    {"speckle", "grain", check_grain, true, false},
    {"camera", "photon transfer", check_transfer, true, false},
};

/* What a device tells of its set-up; longer texts are cut. */
#define WORK_SIZE 1024
#define N_STEPS (sizeof steps / sizeof steps[0])
/* Rows that a device's own tests may have, for the progress bar: nobody knows before. */
#define OWN_ROWS 80.0

static bool asked_for(const char *wish, const char *group)
{
    return wish == NULL || strcmp(wish, group) == 0;
}

static int measure_all(struct check *check, const char *wish)
{
    int status = OPU_OK;
    size_t const n_steps = N_STEPS;
    for (size_t i = 0; status == OPU_OK && i < n_steps; i++) {
        const struct step *const step = &steps[i];
        if (!asked_for(wish, step->group) || (step->frames && !check->frames) ||
            (step->linear && !check->linear)) {
            continue;
        }
        cli_progress_draw(&check->progress, 0.5 * (double)i / (double)n_steps, "%s: %s",
                          step->group, step->what);
        check->group = step->group;
        status = step->measure(check);
    }
    return status;
}

static int take_own(void *user, const struct opu_check_row *row)
{
    struct check *const check = user;
    check_take(check, row, true, NULL);
    double const done = 1.0 - exp(-(double)check->n_rows / OWN_ROWS);
    cli_progress_draw(&check->progress, 0.5 + 0.5 * done, "%s: %s %s", row->group,
                      row->test != NULL ? row->test : "", row->name);
    return 0;
}

/* The tests that the device brings; one that brings none is not worse for it. */
static int run_own(struct check *check, const struct check_options *wish)
{
    struct opu_check_options const options = {.size = sizeof options,
                                              .seed = check->seed,
                                              .group = wish->group,
                                              .thorough = wish->thorough};
    cli_progress_draw(&check->progress, 0.5, "the device's own tests");
    int const status = opu_device_check(check->device, &options, take_own, check);
    /* A group of ours it needn't know; one that nobody knows is told by nothing_in(). */
    bool const unknown =
        wish->group != NULL && (status == OPU_E_NOT_FOUND || status == OPU_E_INVALID);
    return status == OPU_E_UNSUPPORTED || unknown ? OPU_OK : status;
}

static int nothing_in(const char *group)
{
    return opu_fail(
        OPU_E_INVALID,
        "--group: saw '%s', and this device has no row in it; wanted projection, matrix, "
        "drift, read-out, speckle, camera, or a group of the device's own tests "
        "(propagation, mirrors, media, statistics, camera, time)",
        group);
}

/* Before minutes of measuring: a report that can't be written is told at once. */
static int check_path(const char *path)
{
    struct stat seen;
    return path != NULL && stat(path, &seen) == 0 && S_ISDIR(seen.st_mode)
               ? opu_fail(OPU_E_IO, "%s: is a folder, wanted a file", path)
               : OPU_OK;
}

static int measure(struct check *check, const struct check_options *wish, const char *uri,
                   char describe[256], char work[WORK_SIZE])
{
    int status = check_path(wish->report);
    status = status == OPU_OK ? open_all(check, wish, uri) : status;
    if (status < 0) {
        return status;
    }
    snprintf(describe, 256, "%s", opu_projection_describe(check->projection));
    snprintf(work, WORK_SIZE, "%s", opu_device_describe(check->device));
    cli_progress_begin(check->cli, &check->progress);
    status = measure_all(check, wish->group);
    status = status == OPU_OK ? run_own(check, wish) : status;
    cli_progress_end(&check->progress);
    if (status == OPU_OK && check->no_memory) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for %zu rows", check->n_rows);
    }
    if (status == OPU_OK && check->n_rows == 0) {
        return nothing_in(wish->group != NULL ? wish->group : "");
    }
    return status;
}

/* Prints all, and writes the report before. @return the exit code */
static int tell(struct check *check, const struct check_options *wish, const char *describe,
                const char *work)
{
    int const status =
        wish->report != NULL ? check_report_write(check, wish->report, describe, work) : OPU_OK;
    if (status < 0) {
        return cli_fail(check->cli, CLI_AT_DEVICE, status);
    }
    int code = CLI_OK;
    if (check->cli->json) {
        code = cli_json_write(check->cli, check_document(check, describe, work));
    } else {
        check_print(check, describe, work);
        if (wish->report != NULL) {
            printf("\nreport %s\n", wish->report);
        }
    }
    return code == CLI_OK && check_failures(check) > 0 ? CLI_MISSED : code;
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    const struct check_options *const wish = options;
    struct check check = {.cli = cli,
                          .n_in = wish->n_in.value,
                          .n_out = wish->n_out.value,
                          .bits = (uint32_t)wish->bits.value,
                          .seed = wish->seed.value,
                          .random = wish->seed.value};
    char describe[256] = "", work[WORK_SIZE] = "";
    (void)argc;
    int const status = measure(&check, wish, argv[0], describe, work);
    int const code =
        status < 0 ? cli_fail(cli, CLI_AT_DEVICE, status) : tell(&check, wish, describe, work);
    opu_projection_destroy(check.projection);
    opu_device_close(check.device);
    check_free_rows(&check);
    free(check.in);
    free(check.out);
    free(check.again);
    return code;
}

static const struct cli_option table[] = {
    {.name = "n-in",
     .kind = CLI_UINT,
     .offset = offsetof(struct check_options, n_in),
     .value = "N",
     .fallback = "256",
     .min = 16,
     .max = 4096,
     .help = "inputs, a power of two"},
    {.name = "n-out",
     .kind = CLI_UINT,
     .offset = offsetof(struct check_options, n_out),
     .value = "M",
     .fallback = "1024",
     .min = 64,
     .max = 65536,
     .help = "outputs"},
    {.name = "readout",
     .kind = CLI_TEXT,
     .offset = offsetof(struct check_options, readout),
     .value = "HOW",
     .help = "phase4, phase3, anchor, offaxis or intensity; default: the device's"},
    {.name = "bits",
     .kind = CLI_UINT,
     .offset = offsetof(struct check_options, bits),
     .value = "N",
     .min = 8,
     .max = 16,
     .help = "bits of a camera count; default: the device's"},
    {.name = "seed",
     .kind = CLI_UINT,
     .offset = offsetof(struct check_options, seed),
     .value = "N",
     .fallback = "1",
     .help = "of the patterns that are shown and of what the device's own tests draw at random"},
    {.name = "group",
     .kind = CLI_TEXT,
     .offset = offsetof(struct check_options, group),
     .value = "NAME",
     .help = "only this group of rows, such as matrix, speckle or media"},
    {.name = "thorough",
     .kind = CLI_FLAG,
     .offset = offsetof(struct check_options, thorough),
     .help = "also the device's own tests that take minutes"},
    {.name = "report",
     .kind = CLI_TEXT,
     .offset = offsetof(struct check_options, report),
     .value = "FILE",
     .help = "write pictures, curves and all rows to one HTML file"},
};

static const struct cli_example examples[] = {
    {"opu check sim:", "the simulated device with all its noise"},
    {"opu check sim:camera=imx174,bits=12 --readout anchor",
     "another sensor, without the reference arm"},
    {"opu check sim:medium=slab --report check.html",
     "a physical medium; pictures and curves, each with its bar"},
    {"opu check sim: --group statistics --seed 7 --thorough",
     "one group of its own tests, with other random parameters, at length"},
    {"opu check exact: --json", "the computed operator; a document for a program"},
};

const struct cli_command cmd_check = {
    .name = "check",
    .summary = "measure a device against what it ought to be",
    .arguments = "URI",
    .min_arguments = 1,
    .max_arguments = 1,
    .completion = "uri",
    .text =
        "Measures through the calls that every device has: linearity (B(x-y) against Bx-By), "
        "repeatability, signal to noise, saturation and rate; the moments of B's entries and its "
        "singular values against the Marchenko-Pastur law; on devices of frames also drift, the "
        "noise of each read-out against its formula, the contrast, distribution and grain of "
        "speckle, and photon transfer.\n"
        "Then the device's own acceptance tests run, where it brings some: a simulator's optics, "
        "media, statistics, camera and time against theory. Their random parameters come from "
        "--seed and are printed.\n"
        "Each row says what is wanted and why; a row that the device can't fail shows -. Exit code "
        "5 if a row fails.",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct check_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
