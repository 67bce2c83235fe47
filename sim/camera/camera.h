/* SPDX-License-Identifier: MIT */
/*
 * The camera: light to electrons to counts, in the order of EMVA 1288 (release 3.1, sec. 2).
 *
 *   lambda = (|s S + R|^2 + |s' S'|^2) (1 + PRNU_p) + dark   mean electrons of pixel p; fields in
 *                                                            sqrt(electrons), S' is the light of
 *                                                            the other polarisation
 *   e      = Poisson(lambda) + DSNU_p + N(0, read^2)
 *   count  = rint(K (e + black)), clipped to [0, 2^bits - 1],   K = (2^bits - 1) / (well + black)
 *
 * so that the full well above the black level is full scale, and clipping at the well and at the
 * converter's end are the same. Below, only the converter clips: the black level keeps the read
 * noise of a dark pixel.
 *
 * The maps of gain and offset, PRNU and DSNU, are normal, fixed by the seed and the pixel's number
 * alone. Dark current grows with the exposure and doubles every 8 degrees.
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
 * The maps take OPU_STREAM_PIXEL with the same a, and b = 0 for PRNU, 1 for DSNU. Counts are thus
 * the same for any order, thread count and vector level.
 */
#ifndef OPU_SIM_CAMERA_H
#define OPU_SIM_CAMERA_H

#include "core/base/cpu.h"
#include "sim/layout.h"

#include <opu/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opu_sim_options;

/* Below this variance (e-^2) shot noise is drawn exactly. */
#define OPU_LOW_LIGHT_E2 25.0f

/* A sensor as data sheets describe it. */
struct opu_sensor {
    const char *name;
    double full_well_e;
    double read_noise_e; /* rms */
    double prnu;         /* rms of the pixels' gain, relative */
    double dsnu_e;       /* rms of their offset */
    double dark_e_per_s; /* dark current; in the table at 25 degrees */
    double efficiency;   /* electrons per photon at 530 nm; light here is told in electrons */
    double black_e;      /* black level; in the table left open: see opu_sensor_init() */
    bool shot_noise;
};

enum opu_sensor_name { OPU_SENSOR_CMV2000, OPU_SENSOR_IMX174, OPU_SENSOR_IDEAL };

/* Indexed by enum opu_sensor_name, whose order is that of the `camera` option. */
extern const struct opu_sensor opu_sensors[];

/*
 * The sensor that the options name, with what they change: noise that is off is 0, dark current is
 * that at their temperature, and a black level left open is four times the rms of a dark pixel,
 * read noise and DSNU together.
 */
void opu_sensor_init(struct opu_sensor *sensor, const struct opu_sim_options *options);

/* What a camera is made from. */
struct opu_camera_setup {
    struct opu_context *context; /* NULL: the default memory */
    const struct opu_sensor *sensor;
    uint32_t bits;   /* 1..16 */
    size_t n_pixels; /* that the maps serve */
    uint64_t seed;
    enum opu_isa isa; /* kernel that draws the maps; their bits don't depend on it */
};

/* A camera ready for frames. Made by opu_camera_init(), read-only afterwards. */
struct opu_camera {
    struct opu_context *context;
    uint64_t seed;
    float *pixel_gain;   /* [tiles][256] 1 + PRNU, or NULL: 1 */
    float *pixel_offset; /* [tiles][256] DSNU in e-, or NULL: 0 */
    double dark_e_per_us;
    float black;      /* e- */
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
    float scale_y;      /* factor on the field of the other polarisation */
    float reference_re; /* reference arm, sqrt(electrons) */
    float reference_im;
    float dark_e; /* dark current of the exposure */
};

/* The first n <= 256 pixels of tile `tile` in frame `frame`. */
struct opu_exposure {
    const float *field;   /* [OPU_TILE_FLOATS] */
    const float *crossed; /* the same for the other polarisation, or NULL */
    uint64_t frame;
    uint32_t tile;
    uint32_t n;
};

/* OPU_OK, OPU_E_NO_MEMORY. fini leaves a camera that may be finished again. */
int opu_camera_init(struct opu_camera *camera, const struct opu_camera_setup *setup);
void opu_camera_fini(struct opu_camera *camera);

/* counts: uint8_t[n] for up to 8 bits, else uint16_t[n]. Returns how many stand at full scale. */
typedef uint32_t (*opu_camera_tile_fn)(const struct opu_camera *camera,
                                       const struct opu_light *light,
                                       const struct opu_exposure *exposure, void *counts);

opu_camera_tile_fn opu_camera_tile_kernel(enum opu_isa isa);

/* The same by one pixel at a time: the kernels' plain twin. */
uint32_t opu_camera_tile_reference(const struct opu_camera *camera, const struct opu_light *light,
                                   const struct opu_exposure *exposure, void *counts);

#endif
