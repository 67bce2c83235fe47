/* SPDX-License-Identifier: MIT */
/* An open device as core/device sees it. */
#ifndef OPU_CORE_DEVICE_INTERNAL_H
#define OPU_CORE_DEVICE_INTERNAL_H

#include <opu/backend.h>

#define OPU_DEVICE_JOBS 8
#define OPU_IDENTITY_SIZE 256
#define OPU_DEVICE_STATE_SIZE 1024 /* of a backend's own state text */

/* What a URI may say about the projections of its device. */
struct opu_projection_defaults {
    char encode[OPU_OPTION_TEXT_SIZE]; /* "": not said */
    char readout[OPU_OPTION_TEXT_SIZE];
    int rescale; /* index into the option's choices: 0 not said, odd no, even yes */
    double variance;
    double saturation;
    uint64_t pilot; /* patterns between two pilots; 0: none */
};

/* What configure set up, as far as later checks need it. n_inputs 0: not configured. */
struct opu_frame_shape {
    size_t n_inputs, n_pixels, n_exposures, n_references;
    uint32_t bits;
};

struct opu_device_job {
    bool live;
    uint64_t job;
    struct opu_frame_batch *batch;
};

struct opu_device {
    struct opu_context *context;
    const struct opu_backend *backend;
    void *handle;
    char *uri;
    char identity[OPU_IDENTITY_SIZE];
    struct opu_caps caps;
    struct opu_projection_defaults defaults;
    struct opu_device_stats stats;
    uint64_t clock;
    uint64_t
        generation; /* counts set-ups: a projection that finds another number has lost the device */
    struct opu_frame_shape shape;
    char description[1024]; /* of the set-up, by the backend */
    struct opu_device_job jobs[OPU_DEVICE_JOBS];
};

/* Floats: prepares the operator; counts as a set-up. */
OPU_NODISCARD int opu_device_plan(struct opu_device *device, size_t n_in, size_t n_out,
                                  const char *readout);

#endif
