/* SPDX-License-Identifier: MIT */
/* For tests of projections through the fake device: usual sizes, a projection, rows to send. */
#ifndef OPU_TESTS_PROJECTION_SUPPORT_H
#define OPU_TESTS_PROJECTION_SUPPORT_H

#include "device_fake.h"

#include "core/device/projection_internal.h"

#define N_IN 40
#define N_OUT 101 /* odd: the last pixel gives one quadrature alone */
#define ROWS 24

static inline struct opu_projection_options options_make(const char *readout, const char *encode)
{
    return (struct opu_projection_options){
        .size = sizeof(struct opu_projection_options),
        .n_in = N_IN,
        .n_out = N_OUT,
        .max_rows = ROWS,
        .readout = readout,
        .encode = encode,
    };
}

static inline struct opu_projection *create(struct opu_device *device,
                                            const struct opu_projection_options *options)
{
    struct opu_projection *projection;
    if (opu_projection_create(&projection, device, options) < 0) {
        fail_msg("%s: %s", opu_device_uri(device), opu_error_message());
    }
    return projection;
}

static inline void fill(float *x, size_t n, uint64_t draw)
{
    for (size_t i = 0; i < n; i += 4) {
        float z[4];
        opu_normal4(opu_philox(9, OPU_STREAM_TEST, (uint32_t)(i / 4), draw), z);
        for (size_t j = i; j < n && j < i + 4; j++) {
            x[j] = z[j - i];
        }
    }
}

/* The outputs of ROWS standard rows. */
static inline void run(struct opu_projection *projection, float *out)
{
    float in[ROWS * N_IN];
    fill(in, ROWS * N_IN, 2);
    if (opu_project(projection, in, N_IN, ROWS, out, N_OUT) < 0) {
        fail_msg("%s", opu_error_message());
    }
}

#endif
