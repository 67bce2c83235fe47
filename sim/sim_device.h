/* SPDX-License-Identifier: MIT */
/* The optical bench as one device: what sim_device.c sets up and sim_frames.c runs. */
#ifndef OPU_SIM_DEVICE_H
#define OPU_SIM_DEVICE_H

#include "sim/camera.h"
#include "sim/dmd.h"
#include "sim/matrix.h"
#include "sim/medium.h"
#include "sim/reference.h"
#include "sim/region.h"
#include "sim/sim_options.h"

#include <opu/backend.h>

#define OPU_SIM_MAX_INPUTS (UINT32_C(1) << 20)
#define OPU_SIM_MAX_PIXELS (UINT32_C(1) << 21)
#define OPU_SIM_MAX_FRAMES UINT32_C(65536)

/* Patterns whose fields a thread holds at a time: 128 x 2 KiB stay in the second-level cache. */
#define OPU_SIM_PATTERNS 128

struct opu_sim {
    struct opu_context *context;
    struct opu_sim_options options;
    struct opu_sensor sensor;
    double reference_e_per_us; /* the whole arm */
    enum opu_isa isa;          /* of all kernels */

    /* what configure sets up; n_pixels 0: nothing yet */
    size_t n_inputs, n_pixels;
    struct opu_dmd dmd;
    struct opu_medium *medium;
    struct opu_camera camera;
    opu_camera_tile_fn camera_tile;
    size_t n_exposures, n_references;
    double *exposures_us;
    struct opu_sim_reference *references;
    struct opu_sim_matrix matrix;  /* to the pixels, or to the modes of a region */
    struct opu_sim_region *region; /* NULL for sparse pixels */
    float *modes;                  /* region: field of one pattern before ... */
    float *picture;                /* ... and after the lens */
    uint32_t *runs;                /* [OPU_SIM_MAX_FRAMES + 1] */
    float *scratch;                /* [n_threads][OPU_SIM_PATTERNS][OPU_TILE_FLOATS] */
    size_t n_threads;
    uint64_t job;
};

/* sim_frames.c; see struct opu_backend_ops. */
int opu_sim_submit(void *device, struct opu_frame_batch *batch, uint64_t *job);
int opu_sim_field(void *device, const float *inputs, size_t rows, float *field);

extern const struct opu_backend opu_backend_sim;

#endif
