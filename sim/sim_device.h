/* SPDX-License-Identifier: MIT */
/* The optical bench as one device: what sim_device.c sets up and sim_frames.c runs. */
#ifndef OPU_SIM_DEVICE_H
#define OPU_SIM_DEVICE_H

#include "sim/camera/camera.h"
#include "sim/dmd.h"
#include "sim/fields.h"
#include "sim/reference.h"
#include "sim/region.h"
#include "sim/sim_options.h"

#include <opu/backend.h>

#define OPU_SIM_MAX_INPUTS (UINT32_C(1) << 20)
#define OPU_SIM_MAX_PIXELS (UINT32_C(1) << 21)
#define OPU_SIM_MAX_FRAMES UINT32_C(65536)

/* Patterns whose fields a thread holds at a time, 2 KiB each: the matrix passes once for all. */
#define OPU_SIM_PATTERNS 512

struct opu_sim {
    struct opu_context *context;
    struct opu_sim_options options;
    struct opu_sensor sensor;
    double reference_e_per_us; /* the whole arm */
    enum opu_isa isa;          /* of all kernels */

    /* what configure sets up; n_pixels 0: nothing yet */
    size_t n_inputs, n_outputs, n_pixels;
    struct opu_dmd dmd;
    struct opu_fields fields[2]; /* to the pixels, or to the modes of a region */
    size_t n_fields;             /* 2: the polariser lets some of the crossed light through */
    double crossed;              /* its intensity over the other's */
    struct opu_camera camera;
    opu_camera_tile_fn camera_tile;
    size_t n_exposures, n_references;
    double *exposures_us;
    struct opu_sim_reference *references;
    struct opu_sim_region *region; /* NULL for sparse pixels */
    double *power;                 /* [OPU_SIM_MAX_FRAMES] of the laser, in each frame of a batch */
    uint32_t *runs;                /* [OPU_SIM_MAX_FRAMES + 1] */
    struct opu_light *lights;      /* [OPU_SIM_MAX_FRAMES] of the batch at hand */
    size_t n_threads;
    size_t field_floats; /* of one whole field at the pixels, by tiles */
    float *modes;        /* region: field of one pattern before the lens */
    float *whole;        /* [n_fields][batch][field_floats], unless fields come by tile */
    float *scratch;      /* [n_threads][n_fields][OPU_SIM_PATTERNS][OPU_TILE_FLOATS], if they do */
    uint64_t job;
};

/* sim_frames.c; see struct opu_backend_ops. */
int opu_sim_submit(void *device, struct opu_frame_batch *batch, uint64_t *job);
int opu_sim_field(void *device, const float *inputs, size_t rows, float *field);

/* sim/acceptance/all.c; see struct opu_backend_ops. */
int opu_sim_check(void *device, const struct opu_check_options *options, opu_check_fn fn,
                  void *user);

extern const struct opu_backend opu_backend_sim;

#endif
