/* SPDX-License-Identifier: MIT */
/* opu project: the rows of an array through a device, into another array. */
#include "tools/commands.h"
#include "tools/projection_args.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct project_options {
    const char *in, *out;
    struct cli_uint n_out, batch;
    struct projection_args projection;
};

/* Everything a run holds, so that one place frees it. */
struct work {
    struct opu_array in, out;
    struct opu_device *device;
    struct opu_projection *projection;
    float *rows; /* [batch][n_in] */
    size_t n_rows, n_in, n_out;
    double seconds;
};

static int read_input(struct cli *cli, struct work *work, const char *path)
{
    int const status = opu_npy_read(cli->context, &work->in, path);
    if (status < 0) {
        return status;
    }
    enum opu_dtype const dtype = work->in.dtype;
    if (dtype != OPU_F32 && dtype != OPU_F64 && dtype != OPU_U8) {
        return opu_fail(OPU_E_FORMAT, "%s: elements are %s, wanted float32, float64 or uint8", path,
                        opu_dtype_name(dtype));
    }
    if (work->in.rank != 1 && work->in.rank != 2) {
        return opu_fail(OPU_E_FORMAT,
                        "%s: has %zu dimensions, wanted 2 (rows, columns) or 1 (one row)", path,
                        work->in.rank);
    }
    work->n_rows = work->in.rank == 2 ? work->in.shape[0] : 1;
    work->n_in = work->in.shape[work->in.rank - 1];
    if (work->n_rows == 0 || work->n_in == 0) {
        return opu_fail(OPU_E_FORMAT,
                        "%s: shape %zu x %zu is empty, wanted at least one row and column", path,
                        work->n_rows, work->n_in);
    }
    return OPU_OK;
}

static int make_room(struct work *work, size_t n_out, size_t batch)
{
    work->n_out = n_out;
    work->out = (struct opu_array){.dtype = OPU_F32, .rank = 2, .shape = {work->n_rows, n_out}};
    if (n_out > SIZE_MAX / sizeof(float) / work->n_rows ||
        work->n_in > SIZE_MAX / sizeof(float) / batch) {
        return opu_fail(OPU_E_INVALID, "%zu rows of %zu outputs are more than memory can address",
                        work->n_rows, n_out);
    }
    work->out.data = malloc(work->n_rows * n_out * sizeof(float));
    work->rows = malloc(batch * work->n_in * sizeof(float));
    if (work->out.data == NULL || work->rows == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for %zu rows of %zu outputs (%.3g MB)",
                        work->n_rows, n_out, 4e-6 * (double)work->n_rows * (double)n_out);
    }
    return OPU_OK;
}

/* Rows [first, first + n) as floats; one beyond float's range is as bad as NaN. */
static int convert(const struct work *work, const char *path, size_t first, size_t n)
{
    size_t const count = n * work->n_in, start = first * work->n_in;
    if (work->in.dtype == OPU_F32) {
        memcpy(work->rows, (const float *)work->in.data + start, count * sizeof(float));
    } else if (work->in.dtype == OPU_F64) {
        const double *const from = (const double *)work->in.data + start;
        for (size_t i = 0; i < count; i++) {
            work->rows[i] = (float)from[i];
        }
    } else {
        const uint8_t *const from = (const uint8_t *)work->in.data + start;
        for (size_t i = 0; i < count; i++) {
            work->rows[i] = (float)from[i];
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(work->rows[i])) {
            return opu_fail(OPU_E_NUMERIC, "%s: row %zu, column %zu is %g, wanted finite floats",
                            path, first + i / work->n_in, i % work->n_in, (double)work->rows[i]);
        }
    }
    return OPU_OK;
}

static int stream(const struct cli *cli, struct work *work, const char *path, size_t batch)
{
    struct cli_progress progress;
    double const start = cli_seconds();
    int status = OPU_OK;
    cli_progress_begin(cli, &progress);
    for (size_t first = 0; first < work->n_rows && status == OPU_OK; first += batch) {
        size_t const n = work->n_rows - first < batch ? work->n_rows - first : batch;
        status = convert(work, path, first, n);
        if (status < 0) {
            break;
        }
        status = opu_project(work->projection, work->rows, work->n_in, n,
                             (float *)work->out.data + first * work->n_out, work->n_out);
        double const taken = cli_seconds() - start;
        cli_progress_draw(&progress, (double)(first + n) / (double)work->n_rows,
                          "%zu of %zu rows, %.0f rows/s", first + n, work->n_rows,
                          (double)(first + n) / (taken > 0.0 ? taken : 1e-9));
    }
    cli_progress_end(&progress);
    work->seconds = cli_seconds() - start;
    return status;
}

static int summary(struct cli *cli, const struct work *work, const char *out)
{
    struct opu_device_stats stats = {.size = sizeof stats};
    char time[32], optics[160];
    int const status = opu_device_statistics(work->device, &stats);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DEVICE, status);
    }
    if (cli->json) {
        json_t *const document = cli_json_new(cli);
        json_object_set_new(document, "device", json_string(opu_device_uri(work->device)));
        json_object_set_new(document, "out", json_string(out));
        json_object_set_new(document, "shape",
                            json_pack("[I, I]", (json_int_t)work->n_rows, (json_int_t)work->n_out));
        json_object_set_new(document, "rows", json_integer((json_int_t)work->n_rows));
        json_object_set_new(document, "seconds", cli_json_real(work->seconds));
        json_object_set_new(document, "optical", optical_json(&stats));
        json_object_set_new(document, "projection",
                            json_string(opu_projection_describe(work->projection)));
        json_object_set_new(document, "identity",
                            json_string(opu_projection_identity(work->projection)));
        return cli_json_write(cli, document);
    }
    cli_format_seconds(time, sizeof time, work->seconds);
    optical_text(optics, sizeof optics, stats.frames, stats.optical_s, stats.optical_j,
                 stats.pixels > 0 ? (double)stats.saturated / (double)stats.pixels : 0.0);
    printf("%s: %zu x %zu float32\n", out, work->n_rows, work->n_out);
    printf("  rows        %zu of %zu values, %s here\n", work->n_rows, work->n_in, time);
    printf("  optics      %s\n", optics);
    printf("  projection  %s\n", opu_projection_describe(work->projection));
    printf("  identity    %s\n", opu_projection_identity(work->projection));
    return CLI_OK;
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    const struct project_options *const wish = options;
    size_t const batch = wish->batch.value;
    struct work work = {.in.data = NULL};
    enum cli_place place = CLI_AT_DATA;
    (void)argc;
    int status = read_input(cli, &work, wish->in);
    if (status == OPU_OK) {
        place = CLI_AT_DEVICE;
        status = opu_device_open(&work.device, cli->context, argv[0]);
    }
    if (status == OPU_OK) {
        struct opu_projection_options const plan =
            projection_args_options(&wish->projection, work.n_in, wish->n_out.value, batch);
        status = opu_projection_create(&work.projection, work.device, &plan);
    }
    if (status == OPU_OK) {
        status = make_room(&work, wish->n_out.value, batch);
    }
    if (status == OPU_OK) {
        status = stream(cli, &work, wish->in, batch);
    }
    if (status == OPU_OK) {
        place = CLI_AT_DATA;
        status = opu_npy_write(wish->out, &work.out);
    }
    int const code = status < 0 ? cli_fail(cli, place, status) : summary(cli, &work, wish->out);
    opu_projection_destroy(work.projection);
    opu_device_close(work.device);
    opu_array_free(cli->context, &work.in);
    free(work.out.data);
    free(work.rows);
    return code;
}

static void more(void (*add)(void *user, const char *heading, const char *left, const char *right),
                 void *user)
{
    cli_projection_keys(NULL, add, user);
}

static const struct cli_option table[] = {
    {.name = "in",
     .kind = CLI_TEXT,
     .offset = offsetof(struct project_options, in),
     .value = "FILE",
     .required = true,
     .help = ".npy array of float32, float64 or uint8: rows x inputs, or one row"},
    {.name = "out",
     .kind = CLI_TEXT,
     .offset = offsetof(struct project_options, out),
     .value = "FILE",
     .required = true,
     .help = ".npy array to write: rows x M, float32"},
    {.name = "n-out",
     .kind = CLI_UINT,
     .offset = offsetof(struct project_options, n_out),
     .value = "M",
     .min = 1,
     .max = 1e9,
     .required = true,
     .help = "outputs of a row"},
    {.name = "batch",
     .kind = CLI_UINT,
     .offset = offsetof(struct project_options, batch),
     .value = "N",
     .fallback = "256",
     .min = 1,
     .max = 65536,
     .help = "rows of one call"},
    PROJECTION_ARGS_ROWS(struct project_options, projection),
};

static const struct cli_example examples[] = {
    {"opu project sim:seed=7 --in x.npy --out y.npy --n-out 1024",
     "y = B x through the simulated device: encode, frames, read-out"},
    {"opu project exact:of=sim:seed=7 --in x.npy --out y.npy --n-out 1024",
     "the same B without optics, to compare with"},
    {"opu project sim: --in x.npy --out y.npy --n-out 8192 --encode binary --readout intensity",
     "non-linear random features |Hx|^2"},
};

const struct cli_command cmd_project = {
    .name = "project",
    .summary = "send an array's rows through a device: y = B x",
    .arguments = "URI",
    .min_arguments = 1,
    .max_arguments = 1,
    .completion = "uri",
    .text =
        "Reads rows from a .npy file, encodes each as binary frames, reads the camera's counts out "
        "and writes the outputs to another .npy file. The matrix B is the device's: the same URI "
        "gives "
        "the same B, with entries of variance 1.\nThe file --out appears only when it is whole; a "
        "failure leaves an older one as it was.",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct project_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
    .more = more,
};
