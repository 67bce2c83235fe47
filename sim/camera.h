/* SPDX-License-Identifier: MIT */
/*
 * The camera: light to electrons to counts, in the order of EMVA 1288 (release 3.1, sec. 2).
 *
 *   lambda = |scale S + R|^2                    mean photo-electrons (fields in sqrt(electrons))
 *   e      = Poisson(lambda) + N(0, read^2)     clipped to [0, full well]
 *   count  = rint(e (2^bits - 1) / full well)
 *
 * There is no black level: read noise of a dark pixel is clipped at 0, which lifts its mean by
 * read / sqrt(2 pi), 5 e- for the cmv2000. Differences of frames with a reference are far from it.
 *
 * One normal draw z serves a pixel where v = lambda + read^2 >= 25 e-. With c = lambda / (6 v),
 *
 *   e = lambda + sqrt(v - 2 c^2) z + c (z^2 - 1)
 *
 * has mean lambda and variance (v - 2 c^2) + 2 c^2 = v exactly, since z and z^2 - 1 are
 * uncorrelated with variances 1 and 2. Its third cumulant is 6 (v - 2 c^2) c + 8 c^3 = lambda - 4
 * c^3, because 6 v c = lambda, the third cumulant of Poisson + Gaussian; as c <= 1/6 it is short of
 * it by less than 0.02. (This is the Cornish-Fisher expansion to second order, arranged to keep the
 * variance.) Below 25 e- the Poisson number is drawn exactly, by inversion of a 32-bit uniform, and
 * read noise is added from a draw of its own.
 *
 * Draws are keyed by (seed, frame number, pixel): pixel p of tile p / 256 has draw (p / 64) % 4 of
 * the Philox counter a = 64 (p / 256) + p % 64, b = frame. Low light uses a + 2^31 and a + 2^30.
 * Counts are thus the same for any order, thread count and vector level.
 */
#ifndef OPU_SIM_CAMERA_H
#define OPU_SIM_CAMERA_H

#include "core/base/cpu.h"
#include "sim/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below this variance (e-^2) shot noise is drawn exactly. */
#define OPU_LOW_LIGHT_E2 25.0f

/* A sensor as data sheets describe it. */
struct opu_sensor {
    const char *name;
    double full_well_e;
    double read_noise_e; /* rms */
};

enum opu_sensor_name { OPU_SENSOR_CMV2000, OPU_SENSOR_IMX174, OPU_SENSOR_IDEAL };

/* Indexed by enum opu_sensor_name, whose order is that of the `camera` option. */
extern const struct opu_sensor opu_sensors[];

/* A camera ready for frames. Made by opu_camera_init(), read-only afterwards. */
struct opu_camera {
    uint64_t seed;
    float full_well;  /* e- */
    float gain;       /* counts per e- */
    float max_count;  /* 2^bits - 1 */
    float shot;       /* 1, or 0 without photon noise */
    float read_noise; /* e- rms */
    float read_var;   /* e-^2 */
    uint32_t bits;
    bool draws;     /* any noise at all */
    bool low_light; /* pixels below OPU_LOW_LIGHT_E2 may occur */
};

/* What falls on the sensor in one frame besides the field of the pattern. */
struct opu_light {
    float scale;        /* factor on the field: sqrt(electrons) */
    float reference_re; /* reference arm, sqrt(electrons) */
    float reference_im;
};

/* bits 8..16. */
void opu_camera_init(struct opu_camera *camera, const struct opu_sensor *sensor, uint32_t bits,
                     bool shot, bool read, uint64_t seed);

/*
 * The first n <= 256 pixels of tile `tile` in frame `frame`. field[OPU_TILE_FLOATS]: four blocks.
 * counts: uint8_t[n] for 8 bits, else uint16_t[n]. Returns how many stand at full scale.
 */
typedef uint32_t (*opu_camera_tile_fn)(const struct opu_camera *camera,
                                       const struct opu_light *light, const float *field,
                                       uint32_t tile, uint64_t frame, uint32_t n, void *counts);

opu_camera_tile_fn opu_camera_tile_kernel(enum opu_isa isa);

/* The same by one pixel at a time: the kernels' plain twin. */
uint32_t opu_camera_tile_reference(const struct opu_camera *camera, const struct opu_light *light,
                                   const float *field, uint32_t tile, uint64_t frame, uint32_t n,
                                   void *counts);

#endif
