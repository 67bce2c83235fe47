/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree that brings a device of its own: "walsh:" multiplies by the
 * Walsh-Hadamard matrix, B[i][j] = gain * (-1)^(number of ones in i & j). It registers the backend,
 * opens it by URI like any other, projects, and compares with the formula. It exits 0 if every
 * output is right.
 */
#include <math.h>
#include <stdio.h>
#include <opu/backend.h>
#include <opu/opu.h>

#define N_IN 24
#define N_OUT 40
#define ROWS 3

struct walsh_options {
    double gain;
};

static const struct opu_option walsh_option_table[] = {
    {.key = "gain",
     .type = OPU_OPTION_DOUBLE,
     .offset = offsetof(struct walsh_options, gain),
     .fallback = "1",
     .min = 0.1,
     .max = 10.0,
     .help = "size of an entry"},
};

struct walsh {
    struct opu_context *context;
    double gain;
    size_t n_in, n_out;
};

static float entry(double gain, size_t i, size_t j)
{
    bool odd = false;
    for (size_t both = i & j; both != 0; both &= both - 1) {
        odd = !odd;
    }
    return (float)(odd ? -gain : gain);
}

static int walsh_open(void **device, struct opu_context *context, const void *options)
{
    const struct walsh_options *given = options;
    struct walsh *walsh = opu_context_alloc(context, sizeof *walsh);
    if (walsh == NULL) {
        return OPU_E_NO_MEMORY;
    }
    *walsh = (struct walsh){.context = context, .gain = given->gain};
    *device = walsh;
    return OPU_OK;
}

static void walsh_close(void *device)
{
    struct walsh *walsh = device;
    opu_context_free(walsh->context, walsh);
}

static int walsh_caps(void *device, struct opu_caps *caps)
{
    (void)device;
    caps->flags = OPU_CAP_FLOATS;
    caps->max_inputs = 4096;
    caps->max_pixels = 4096;
    return OPU_OK;
}

static int walsh_identity(void *device, char *text, size_t n)
{
    const struct walsh *walsh = device;
    int length = snprintf(text, n, "walsh:%.17g", walsh->gain);
    return length > 0 && (size_t)length < n ? OPU_OK : opu_fail(OPU_E_INVALID, "identity: no room");
}

static int walsh_plan(void *device, size_t n_in, size_t n_out, const char *readout)
{
    struct walsh *walsh = device;
    (void)readout;
    walsh->n_in = n_in;
    walsh->n_out = n_out;
    return OPU_OK;
}

static int walsh_project(void *device, const float *in, size_t in_stride, size_t rows, float *out,
                         size_t out_stride)
{
    const struct walsh *walsh = device;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < walsh->n_out; i++) {
            double sum = 0.0;
            for (size_t j = 0; j < walsh->n_in; j++) {
                sum += (double)entry(walsh->gain, i, j) * (double)in[row * in_stride + j];
            }
            out[row * out_stride + i] = (float)sum;
        }
    }
    return OPU_OK;
}

static const struct opu_backend_ops walsh_ops = {
    .open = walsh_open,
    .close = walsh_close,
    .caps = walsh_caps,
    .identity = walsh_identity,
    .plan = walsh_plan,
    .project = walsh_project,
};

static const struct opu_backend walsh_backend = {
    .api_version = OPU_BACKEND_API,
    .scheme = "walsh",
    .summary = "Walsh-Hadamard matrix, computed",
    .options = walsh_option_table,
    .n_options = 1,
    .options_size = sizeof(struct walsh_options),
    .ops = &walsh_ops,
};

/* The most that an output differs from the formula, or -1 after a failure. */
static double largest_difference(struct opu_projection *projection)
{
    float x[ROWS][N_IN], y[ROWS][N_OUT];
    double largest = 0.0;
    for (size_t k = 0; k < ROWS * N_IN; k++) {
        x[k / N_IN][k % N_IN] = (float)((double)((k * 7) % 11) / 11.0 - 0.5);
    }
    if (opu_project(projection, &x[0][0], N_IN, ROWS, &y[0][0], N_OUT) != OPU_OK) {
        return -1.0;
    }
    for (size_t k = 0; k < ROWS * N_OUT; k++) {
        double wanted = 0.0;
        for (size_t j = 0; j < N_IN; j++) {
            wanted += (double)entry(2.0, k % N_OUT, j) * (double)x[k / N_OUT][j];
        }
        largest = fmax(largest, fabs(wanted - (double)y[k / N_OUT][k % N_OUT]));
    }
    return largest;
}

int main(void)
{
    struct opu_context *context = NULL;
    struct opu_device *device = NULL;
    struct opu_projection *projection = NULL;
    struct opu_projection_options options = {.size = sizeof options, .n_in = N_IN, .n_out = N_OUT};
    /* One rounding to float of a sum of at most 24 terms of at most 1. */
    const double bound = 24.0 * 0x1p-24;
    double difference = -1.0;

    if (opu_backend_register(&walsh_backend) == OPU_OK &&
        opu_context_create(&context, NULL) == OPU_OK &&
        opu_device_open(&device, context, "walsh:gain=2") == OPU_OK &&
        opu_projection_create(&projection, device, &options) == OPU_OK) {
        difference = largest_difference(projection);
    }
    if (difference < 0.0) {
        fprintf(stderr, "%s\n", opu_error_message());
    } else {
        printf("%s: largest difference %g\n", opu_device_identity(device), difference);
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
    opu_context_destroy(context);
    return difference >= 0.0 && difference <= bound ? 0 : 1;
}
