/* SPDX-License-Identifier: MIT */
/* opu info: what a device is able to do, its options, and what a projection through it would cost.
 */
#include "tools/commands.h"
#include "tools/projection_args.h"

#include <string.h>

struct info_options {
    struct cli_uint n_in, n_out;
    struct projection_args projection;
};

static const struct {
    uint32_t flag;
    const char *name, *meaning;
} capabilities[] = {
    {OPU_CAP_FRAMES, "frames", "binary frames in, camera counts out"},
    {OPU_CAP_FLOATS, "floats", "computed: float rows in and out, no optics"},
    {OPU_CAP_REFERENCE, "reference", "a reference arm whose phase can be stepped"},
    {OPU_CAP_REFERENCE_LEVELS, "reference-levels", "the arm's amplitude can be set"},
    {OPU_CAP_REGION, "region", "can read a region of the camera as a picture"},
    {OPU_CAP_FIELD, "field", "can tell the noise-free field"},
    {OPU_CAP_DRIFT, "drift", "its matrix moves with time"},
    {OPU_CAP_CARRIER, "carrier", "the reference arm can be tilted (off-axis)"},
    {OPU_CAP_WINDOW, "window", "another number of outputs is another matrix"},
};

/* Facts that are single numbers: one table for the text and the document. 0 is "unknown". */
static const struct {
    const char *name, *unit, *meaning;
    size_t offset;
    bool is_double;
} facts[] = {
    {"max_inputs", "", "most inputs", offsetof(struct opu_caps, max_inputs), false},
    {"max_pixels", "", "most outputs (pixels)", offsetof(struct opu_caps, max_pixels), false},
    {"max_frames", "", "most frames in one batch", offsetof(struct opu_caps, max_frames), false},
    {"frame_rate_hz", "Hz", "frame rate", offsetof(struct opu_caps, frame_rate_hz), true},
    {"upload_bytes_per_s", "B/s", "upload", offsetof(struct opu_caps, upload_bytes_per_s), true},
    {"power_w", "W", "power", offsetof(struct opu_caps, power_w), true},
    {"min_exposure_us", "us", "shortest exposure", offsetof(struct opu_caps, min_exposure_us),
     true},
    {"max_exposure_us", "us", "longest exposure", offsetof(struct opu_caps, max_exposure_us), true},
    {"full_well_e", "e-", "full well", offsetof(struct opu_caps, full_well_e), true},
    {"read_noise_e", "e-", "read noise", offsetof(struct opu_caps, read_noise_e), true},
    {"signal_per_us", "", "signal of a mirror a us (of full scale)",
     offsetof(struct opu_caps, signal_per_us), true},
    {"reference_per_us", "", "reference a us (of full scale)",
     offsetof(struct opu_caps, reference_per_us), true},
    {"black_level", "", "black level (of full scale)", offsetof(struct opu_caps, black_level),
     true},
};

#define HEADING_SIZE 64
#define N_CAPABILITIES (sizeof capabilities / sizeof capabilities[0])
#define N_FACTS (sizeof facts / sizeof facts[0])

static double fact(const struct opu_caps *caps, size_t i)
{
    const char *const at = (const char *)caps + facts[i].offset;
    double real;
    size_t whole;
    if (facts[i].is_double) {
        memcpy(&real, at, sizeof real);
        return real;
    }
    memcpy(&whole, at, sizeof whole);
    return (double)whole;
}

static const struct opu_backend_info *backend_of(const char *uri)
{
    size_t const length = strcspn(uri, ":");
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        const struct opu_backend_info *const info = opu_backend_info(i);
        if (strlen(info->scheme) == length && strncmp(info->scheme, uri, length) == 0) {
            return info;
        }
    }
    return NULL;
}

static void print_option(void *user, const char *group, const char *left, const char *right)
{
    char *const heading = user;
    if (group != NULL && strcmp(heading, group) != 0) {
        printf("\n %s\n", group);
        snprintf(heading, HEADING_SIZE, "%s", group);
    }
    cli_line(stdout, left, right);
}

static void print_options(const struct opu_backend_info *info)
{
    char heading[HEADING_SIZE] = "";
    if (info != NULL && info->n_options > 0) {
        printf("\nOptions of %s: key=default, meaning (unit, range; source of the default)\n",
               info->scheme);
        cli_device_options(info, print_option, heading);
    }
    cli_projection_keys(info, print_option, heading);
}

static json_t *options_json(const struct opu_option *table, size_t n)
{
    json_t *const list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct opu_option *const option = &table[i];
        char range[256];
        cli_option_range(range, sizeof range, option);
        json_array_append_new(list, json_pack("{s:s, s:s?, s:s, s:s?, s:s, s:s?, s:s?}", "key",
                                              option->key, "default", option->fallback, "range",
                                              range, "unit", option->unit, "help", option->help,
                                              "group", option->group, "source", option->source));
    }
    return list;
}

static void print_caps(const struct opu_device *device)
{
    const struct opu_caps *const caps = opu_device_caps(device);
    printf("%s\n  %-26s %s\n", opu_device_uri(device), "identity", opu_device_identity(device));
    for (size_t i = 0; i < N_CAPABILITIES; i++) {
        if ((caps->flags & capabilities[i].flag) != 0) {
            printf("  %-26s %s\n", capabilities[i].name, capabilities[i].meaning);
        }
    }
    if (caps->adc_bits != 0) {
        printf("  %-26s", "bits of a count");
        for (unsigned bits = 1; bits < 32; bits++) {
            if ((caps->adc_bits >> bits & 1u) != 0) {
                printf(" %u%s", bits, bits == caps->default_bits ? " (default)" : "");
            }
        }
        putchar('\n');
    }
    for (size_t i = 0; i < N_FACTS; i++) {
        double const value = fact(caps, i);
        bool const whole = !facts[i].is_double;
        if (value != 0.0) {
            printf("  %-26s %.*g %s\n", facts[i].meaning, whole ? 12 : 5, value, facts[i].unit);
        }
    }
    if ((caps->flags & OPU_CAP_FRAMES) != 0) {
        printf("  %-26s %s\n", "photon noise", caps->shot_noise ? "yes" : "no");
    }
}

static json_t *caps_json(const struct opu_caps *caps)
{
    json_t *const object = json_object(), *const flags = json_array(), *const bits = json_array();
    for (size_t i = 0; i < N_CAPABILITIES; i++) {
        if ((caps->flags & capabilities[i].flag) != 0) {
            json_array_append_new(flags, json_string(capabilities[i].name));
        }
    }
    for (int k = 1; k < 32; k++) {
        if ((caps->adc_bits >> k & 1u) != 0) {
            json_array_append_new(bits, json_integer(k));
        }
    }
    json_object_set_new(object, "flags", flags);
    json_object_set_new(object, "adc_bits", bits);
    json_object_set_new(object, "default_bits", json_integer((json_int_t)caps->default_bits));
    for (size_t i = 0; i < N_FACTS; i++) {
        double const value = fact(caps, i);
        json_object_set_new(object, facts[i].name,
                            facts[i].is_double ? cli_json_real(value)
                                               : json_integer((json_int_t)value));
    }
    json_object_set_new(object, "shot_noise", json_boolean(caps->shot_noise));
    return object;
}

/* The plan of a projection; json NULL: as text. */
static void tell_plan(const struct opu_device *device, const struct opu_projection *projection,
                      json_t *json)
{
    const struct opu_caps *const caps = opu_device_caps(device);
    struct opu_calibration found = {.size = sizeof found};
    size_t const frames = opu_projection_frames_per_row(projection);
    double const seconds =
        caps->frame_rate_hz > 0.0 ? 1000.0 * (double)frames / caps->frame_rate_hz : 0.0;
    bool const calibrated = frames > 0 && opu_projection_calibration(projection, &found) == OPU_OK;
    if (json != NULL) {
        json_t *const plan =
            json_pack("{s:s, s:s, s:s, s:I, s:o}", "describe", opu_projection_describe(projection),
                      "work", opu_device_describe(device), "identity",
                      opu_projection_identity(projection), "frames_per_row", (json_int_t)frames,
                      "optical_seconds_per_1000_rows", cli_json_real(seconds));
        if (calibrated) {
            json_object_set_new(
                plan, "calibration",
                json_pack("{s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "bits", (int)found.bits,
                          "classes", (json_int_t)found.n_classes, "exposure_min_us",
                          found.exposure_min_us, "exposure_max_us", found.exposure_max_us,
                          "signal_per_us", found.signal_per_us, "reference_counts",
                          found.reference_counts, "signal_counts", found.signal_counts,
                          "saturated_share", found.saturated_share));
        }
        json_object_set_new(json, "projection", plan);
        return;
    }
    char time[32];
    cli_format_seconds(time, sizeof time, seconds);
    printf("\nProjection:\n  %-26s %s\n  %-26s %s\n", "plan", opu_projection_describe(projection),
           "identity", opu_projection_identity(projection));
    if (opu_device_describe(device)[0] != 0) {
        printf("  %-26s %s\n", "how it works", opu_device_describe(device));
    }
    if (frames > 0) {
        printf("  %-26s at most %zu; 1000 rows take %s on the hardware\n", "frames a row", frames,
               time);
    }
    if (calibrated) {
        printf("  %-26s %u bits, %zu exposures of %.3g to %.3g us\n", "calibration", found.bits,
               found.n_classes, found.exposure_min_us, found.exposure_max_us);
        printf("  %-26s signal %.4g, reference or anchor %.4g; saturated %.2g %%\n", "mean counts",
               found.signal_counts, found.reference_counts, 100.0 * found.saturated_share);
    }
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    const struct info_options *const wish = options;
    struct opu_device *device = NULL;
    struct opu_projection *projection = NULL;
    (void)argc;
    if (wish->n_in.given != wish->n_out.given) {
        return cli_fail(
            cli, CLI_AT_USAGE,
            opu_fail(OPU_E_INVALID, "--n-in and --n-out go together; only one was given"));
    }
    int status = opu_device_open(&device, cli->context, argv[0]);
    if (status == OPU_OK && wish->n_in.given) {
        struct opu_projection_options const plan =
            projection_args_options(&wish->projection, wish->n_in.value, wish->n_out.value, 0);
        status = opu_projection_create(&projection, device, &plan);
    }
    const struct opu_backend_info *const info = backend_of(argv[0]);
    int code = CLI_OK;
    if (status < 0) {
        code = cli_fail(cli, CLI_AT_DEVICE, status);
    } else if (cli->json) {
        json_t *const document = cli_json_new(cli);
        json_object_set_new(document, "uri", json_string(opu_device_uri(device)));
        json_object_set_new(document, "identity", json_string(opu_device_identity(device)));
        json_object_set_new(document, "caps", caps_json(opu_device_caps(device)));
        json_object_set_new(
            document, "options",
            options_json(info != NULL ? info->options : NULL, info != NULL ? info->n_options : 0));
        size_t n;
        const struct opu_option *const keys = opu_projection_uri_options(&n);
        json_object_set_new(document, "projection_options", options_json(keys, n));
        if (projection != NULL) {
            tell_plan(device, projection, document);
        }
        code = cli_json_write(cli, document);
    } else {
        print_caps(device);
        if (projection != NULL) {
            tell_plan(device, projection, NULL);
        }
        print_options(info);
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
    return code;
}

static const struct cli_option table[] = {
    {.name = "n-in",
     .kind = CLI_UINT,
     .offset = offsetof(struct info_options, n_in),
     .value = "N",
     .min = 1,
     .max = 1e9,
     .help = "plan a projection of N inputs (with --n-out)"},
    {.name = "n-out",
     .kind = CLI_UINT,
     .offset = offsetof(struct info_options, n_out),
     .value = "M",
     .min = 1,
     .max = 1e9,
     .help = "outputs of that projection"},
    PROJECTION_ARGS_ROWS(struct info_options, projection),
};

static const struct cli_example examples[] = {
    {"opu info sim:", "what the simulated device can do, and all its options"},
    {"opu info sim:bits=10 --n-in 10 --n-out 2048",
     "also calibrate a projection and tell its frames and optical time"},
};

const struct cli_command cmd_info = {
    .name = "info",
    .summary = "tell what a device is able to do, its options, its identity",
    .arguments = "URI",
    .min_arguments = 1,
    .max_arguments = 1,
    .completion = "uri",
    .text = "Opens the device and prints its abilities, limits, identity and the options its URI "
            "takes. "
            "With --n-in and --n-out a projection is planned and calibrated as well: how it "
            "encodes and reads out, how the device does its work and what that costs, the frames "
            "that a row costs, and the time on the hardware.",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct info_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
