/* SPDX-License-Identifier: MIT */
/*
 * null: a device of floats whose answer is zero. It is of use as "no feedback at all", and it is
 * the shortest complete backend: copy this file to begin one of your own. A device of frames fills
 * configure, submit and wait in place of plan and project; everything it leaves NULL has a
 * fall-back above it. To build it in, add its name to the list `backends` in the top-level
 * meson.build; from a program of your own, pass the table at the end to opu_backend_register().
 */
#include <opu/backend.h>

#include <stdio.h>
#include <string.h>

/* What a URI may set. The table below says how each member is read, bounded and explained. */
struct options {
    uint64_t max_inputs;
};

/* One open device. */
struct null_device {
    struct opu_context *context;
    struct options options;
    size_t n_in, n_out;
};

static int null_open(void **out, struct opu_context *context, const void *options)
{
    struct null_device *const device = opu_context_alloc(context, sizeof *device);
    if (device == NULL) {
        return OPU_E_NO_MEMORY; /* the sentence is in place */
    }
    *device = (struct null_device){.context = context};
    memcpy(&device->options, options, sizeof device->options);
    *out = device;
    return OPU_OK;
}

static void null_close(void *handle)
{
    struct null_device *const device = handle;
    opu_context_free(device->context, device);
}

/* Numbers that are left 0 mean "unknown". */
static int null_caps(void *handle, struct opu_caps *caps)
{
    const struct null_device *const device = handle;
    caps->flags = OPU_CAP_FLOATS;
    caps->max_inputs = (size_t)device->options.max_inputs;
    caps->max_pixels = (size_t)1 << 30;
    return OPU_OK;
}

/* Nothing here moves an entry of the matrix, so one text does for all. */
static int null_identity(void *handle, char *text, size_t n)
{
    (void)handle;
    (void)snprintf(text, n, "null");
    return OPU_OK;
}

/* Prepares and allocates; project may then fail only for reasons that no check could have found. */
static int null_plan(void *handle, size_t n_in, size_t n_out, const char *readout)
{
    struct null_device *const device = handle;
    if (strcmp(readout, "float") != 0) {
        return opu_fail(OPU_E_UNSUPPORTED, "null: saw read-out \"%.40s\", wanted \"float\"",
                        readout);
    }
    device->n_in = n_in;
    device->n_out = n_out;
    return OPU_OK;
}

static int null_project(void *handle, const float *in, size_t in_stride, size_t rows, float *out,
                        size_t out_stride)
{
    const struct null_device *const device = handle;
    (void)in;
    (void)in_stride;
    for (size_t i = 0; i < rows; i++) {
        memset(out + i * out_stride, 0, device->n_out * sizeof *out);
    }
    return OPU_OK;
}

static const struct opu_option table[] = {
    {.key = "max_inputs",
     .type = OPU_OPTION_UINT,
     .offset = offsetof(struct options, max_inputs),
     .fallback = "1073741824",
     .min = 1,
     .max = 1073741824,
     .help = "longest row that is taken"},
};

static const struct opu_backend_ops ops = {
    .open = null_open,
    .close = null_close,
    .caps = null_caps,
    .identity = null_identity,
    .plan = null_plan,
    .project = null_project,
};

extern const struct opu_backend opu_backend_null;
const struct opu_backend opu_backend_null = {
    .api_version = OPU_BACKEND_API,
    .scheme = "null",
    .summary = "answers zero: no feedback at all",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct options),
    .ops = &ops,
};
