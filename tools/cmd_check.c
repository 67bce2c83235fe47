/* SPDX-License-Identifier: MIT */
/* opu check: is this device linear, Gaussian, quiet and repeatable? The table, and exit 5 if not.
 */
#include "tools/check.h"
#include "tools/commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct check_options {
    struct cli_uint n_in, n_out, seed;
    const char *readout;
    struct cli_uint bits;
};

static const char *const verdicts[] = {
    [CHECK_NONE] = "-", [CHECK_PASS] = "PASS", [CHECK_FAIL] = "FAIL"};
static const char *const colours[] = {
    [CHECK_NONE] = "", [CHECK_PASS] = "\033[32m", [CHECK_FAIL] = "\033[31m"};

void check_add(struct check *check, const char *name, double value, const char *unit,
               enum check_verdict verdict, const char *format, ...)
{
    if (check->n_rows == CHECK_MAX_ROWS) {
        return;
    }
    struct check_row *const row = &check->rows[check->n_rows++];
    *row = (struct check_row){.name = name, .unit = unit, .value = value, .verdict = verdict};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->wanted, sizeof row->wanted, format, arguments);
    va_end(arguments);
}

enum check_verdict check_verdict_of(bool pass)
{
    return pass ? CHECK_PASS : CHECK_FAIL;
}

uint64_t check_random(struct check *check)
{
    uint64_t z = check->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

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
    struct opu_projection_options plan = {.size = sizeof plan,
                                          .n_in = check->n_in,
                                          .n_out = check->n_out,
                                          .max_rows = check->n_in,
                                          .encode = check->frames ? "ternary" : NULL,
                                          .readout = wish->readout,
                                          .bits = (uint32_t)wish->bits.value};
    status = opu_projection_create(&check->projection, check->device, &plan);
    if (status == OPU_E_UNSUPPORTED && check->frames) {
        plan.encode = "binary"; /* the read-out, from --readout or the URI, squares */
        status = opu_projection_create(&check->projection, check->device, &plan);
    }
    if (status < 0) {
        return status;
    }
    const char *const text = opu_projection_describe(check->projection);
    struct opu_calibration found = {.size = sizeof found};
    const char *const readout = strstr(text, "phase4") != NULL   ? "phase4"
                                : strstr(text, "anchor") != NULL ? "anchor"
                                                                 : "";
    check->linear = strstr(text, "intensity") == NULL;
    if (check->frames) {
        status = opu_projection_calibration(check->projection, &found);
        check->noise.all = check_predict_noise(caps, &found, readout, 1.0);
        check->noise.half = check_predict_noise(caps, &found, readout, 0.5);
        check->noise.quarter = check_predict_noise(caps, &found, readout, 0.25);
        check->noise.spread = check_noise_spread(readout);
    }
    if (status < 0) {
        return status;
    }
    if ((check->n_in & (check->n_in - 1)) != 0) {
        return opu_fail(OPU_E_INVALID, "--n-in: saw %zu, wanted a power of two", check->n_in);
    }
    return make_room(check);
}

static size_t failures(const struct check *check)
{
    size_t n = 0;
    for (size_t i = 0; i < check->n_rows; i++) {
        n += check->rows[i].verdict == CHECK_FAIL;
    }
    return n;
}

static void print_table(const struct check *check, const char *describe)
{
    bool const colour = check->cli->colour;
    printf("device %s, %zu inputs, %zu outputs; %s\n", opu_device_uri(check->device), check->n_in,
           check->n_out, describe);
    printf("identity %s\n\n", opu_device_identity(check->device));
    for (size_t i = 0; i < check->n_rows; i++) {
        const struct check_row *const row = &check->rows[i];
        char value[48];
        snprintf(value, sizeof value, isnan(row->value) ? "-" : "%.5g %s", row->value, row->unit);
        printf("  %-20s %-18s %s%-4s%s  %s\n", row->name, value,
               colour ? colours[row->verdict] : "", verdicts[row->verdict],
               colour && row->verdict != CHECK_NONE ? "\033[0m" : "", row->wanted);
    }
    size_t const failed = failures(check);
    if (failed > 0) {
        printf("\n%zu of %zu rows failed\n", failed, check->n_rows);
    }
}

static json_t *document(const struct check *check, const char *describe, const char *identity)
{
    json_t *const result = cli_json_new(check->cli), *const rows = json_array();
    json_object_set_new(result, "device", json_string(opu_device_uri(check->device)));
    json_object_set_new(result, "identity", json_string(identity));
    json_object_set_new(result, "projection", json_string(describe));
    for (size_t i = 0; i < check->n_rows; i++) {
        const struct check_row *const row = &check->rows[i];
        json_array_append_new(rows,
                              json_pack("{s:s, s:o, s:s, s:s, s:s}", "name", row->name, "value",
                                        cli_json_real(row->value), "unit", row->unit, "wanted",
                                        row->wanted, "verdict", verdicts[row->verdict]));
    }
    json_object_set_new(result, "rows", rows);
    json_object_set_new(result, "failed", json_integer((json_int_t)failures(check)));
    return result;
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    const struct check_options *const wish = options;
    struct check check = {.cli = cli,
                          .n_in = wish->n_in.value,
                          .n_out = wish->n_out.value,
                          .random = wish->seed.value};
    char describe[256] = "";
    (void)argc;
    int status = open_all(&check, wish, argv[0]);
    if (status == OPU_OK) {
        snprintf(describe, sizeof describe, "%s", opu_projection_describe(check.projection));
        status = check_projection(&check);
    }
    if (status == OPU_OK && check.frames) {
        status = check_speckle(&check);
    }
    int code;
    if (status < 0) {
        code = cli_fail(cli, CLI_AT_DEVICE, status);
    } else if (cli->json) {
        code = cli_json_write(cli, document(&check, describe, opu_device_identity(check.device)));
    } else {
        print_table(&check, describe);
        code = CLI_OK;
    }
    code = code == CLI_OK && failures(&check) > 0 ? CLI_MISSED : code;
    opu_projection_destroy(check.projection);
    opu_device_close(check.device);
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
     .help = "phase4, anchor or intensity; default: the device's"},
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
     .help = "of the patterns that are shown"},
};

static const struct cli_example examples[] = {
    {"opu check sim:", "the simulated device with all its noise"},
    {"opu check sim:camera=imx174,bits=12 --readout anchor",
     "another sensor, without the reference arm"},
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
        "Measures linearity (B(x-y) against Bx-By), the moments of B's entries, repeatability, the "
        "signal-to-noise ratio against what the device's own facts predict, saturation, rate and, "
        "on "
        "devices of frames, the contrast of speckle. Each row says what is wanted and why; a row "
        "that the "
        "device can't fail shows -. Exit code 5 if a row fails.",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct check_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
