/* SPDX-License-Identifier: MIT */
/* Sensors, camera set-up, choice of kernel, and the kernels' plain twin. Formulas:
 * sim/camera/camera.h. */
#include "sim/camera/camera.h"

#include "core/base/dmath.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "sim/camera/camera_kernels.h"
#include "sim/sim_options.h"

#include <math.h>

/*
 * CMV2000: CMOSIS data sheet, from memory: well, read noise, QE times fill factor, dark current,
 * PRNU below 1 %; its DSNU is a guess. IMX174: well, read noise and QE as measured by a camera
 * maker under EMVA 1288; PRNU, DSNU and dark current from memory, of the order that such reports
 * give. ideal: the CMV2000's well, one electron per photon, photon noise only.
 */
const struct opu_sensor opu_sensors[] = {
    [OPU_SENSOR_CMV2000] = {.name = "cmv2000",
                            .full_well_e = 13500.0,
                            .read_noise_e = 13.0,
                            .prnu = 0.01,
                            .dsnu_e = 3.0,
                            .dark_e_per_s = 125.0,
                            .efficiency = 0.6,
                            .shot_noise = true},
    [OPU_SENSOR_IMX174] = {.name = "imx174",
                           .full_well_e = 32700.0,
                           .read_noise_e = 6.83,
                           .prnu = 0.006,
                           .dsnu_e = 2.0,
                           .dark_e_per_s = 5.0,
                           .efficiency = 0.77,
                           .shot_noise = true},
    [OPU_SENSOR_IDEAL] = {.name = "ideal",
                          .full_well_e = 13500.0,
                          .efficiency = 1.0,
                          .shot_noise = true},
};

#define LN2 0.69314718055994530942
#define TABLE_CELSIUS 25.0
#define DOUBLING_CELSIUS 8.0
#define BLACK_SIGMAS 4.0

static double chosen(double option, double preset)
{
    return option >= 0.0 ? option : preset;
}

void opu_sensor_init(struct opu_sensor *sensor, const struct opu_sim_options *options)
{
    bool const all = options->noise == OPU_SIM_NOISE_ALL;
    bool const none = options->noise == OPU_SIM_NOISE_NONE;
    const struct opu_sensor *const preset = &opu_sensors[options->camera];
    double const warmth =
        opu_exp(LN2 * (options->temperature_c - TABLE_CELSIUS) / DOUBLING_CELSIUS);
    *sensor = *preset;
    if (options->full_well_e > 0.0) {
        sensor->full_well_e = options->full_well_e;
    }
    sensor->shot_noise = all || options->noise == OPU_SIM_NOISE_SHOT;
    sensor->read_noise_e = all || options->noise == OPU_SIM_NOISE_READ
                               ? chosen(options->read_noise_e, preset->read_noise_e)
                               : 0.0;
    sensor->prnu = none ? 0.0 : chosen(options->prnu, preset->prnu);
    sensor->dsnu_e = none ? 0.0 : chosen(options->dsnu_e, preset->dsnu_e);
    sensor->dark_e_per_s =
        none ? 0.0 : warmth * chosen(options->dark_e_per_s, preset->dark_e_per_s);
    sensor->black_e =
        chosen(options->black_e, BLACK_SIGMAS * hypot(sensor->read_noise_e, sensor->dsnu_e));
}

typedef void (*draw_fn)(uint64_t seed, uint64_t b, uint32_t tile, float *z);

struct kernels {
    opu_camera_tile_fn tile;
    draw_fn draw;
};

static const struct kernels *kernels_of(enum opu_isa isa)
{
    static const struct kernels kernels[] = {
        {opu_camera_tile_base, opu_camera_draw_base},
#if defined(__x86_64__)
        {opu_camera_tile_avx2, opu_camera_draw_avx2},
        {opu_camera_tile_avx512, opu_camera_draw_avx512},
#endif
    };
    size_t const n = sizeof(kernels) / sizeof(kernels[0]);
    return &kernels[(size_t)isa < n ? (size_t)isa : 0];
}

opu_camera_tile_fn opu_camera_tile_kernel(enum opu_isa isa)
{
    return kernels_of(isa)->tile;
}

/* [tiles][256] max(low, mean + rms z); *map stays NULL where all pixels are alike. */
static int make_map(float **map, const struct opu_camera_setup *setup, uint64_t b, float mean,
                    double rms, float low)
{
    if (rms <= 0.0) {
        return OPU_OK;
    }
    size_t const n_tiles = (setup->n_pixels + OPU_TILE_PIXELS - 1) / OPU_TILE_PIXELS;
    float *const all = opu_calloc(setup->context, n_tiles, OPU_TILE_PIXELS * sizeof(**map));
    if (all == NULL) {
        return OPU_E_NO_MEMORY;
    }
    draw_fn const draw = kernels_of(setup->isa)->draw;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t t = 0; t < (ptrdiff_t)n_tiles; ++t) {
        float *const tile = all + t * OPU_TILE_PIXELS;
        draw(setup->seed, b, (uint32_t)t, tile);
        for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
            tile[p] = fmaxf(low, mean + (float)rms * tile[p]);
        }
    }
    *map = all;
    return OPU_OK;
}

int opu_camera_init(struct opu_camera *camera, const struct opu_camera_setup *setup)
{
    const struct opu_sensor *const sensor = setup->sensor;
    double const max_count = (double)((1u << setup->bits) - 1u);
    double const read_noise = sensor->read_noise_e;
    *camera = (struct opu_camera){
        .context = setup->context,
        .seed = setup->seed,
        .dark_e_per_us = 1e-6 * sensor->dark_e_per_s,
        .black = (float)sensor->black_e,
        .gain = (float)(max_count / (sensor->full_well_e + sensor->black_e)),
        .max_count = (float)max_count,
        .shot = sensor->shot_noise ? 1.0f : 0.0f,
        .read_noise = (float)read_noise,
        .read_var = (float)(read_noise * read_noise),
        .bits = setup->bits,
        .draws = sensor->shot_noise || read_noise > 0.0,
    };
    camera->low_light = sensor->shot_noise && camera->read_var < OPU_LOW_LIGHT_E2;
    int status = make_map(&camera->pixel_gain, setup, 0, 1.0f, sensor->prnu, 0.0f);
    if (status == OPU_OK) {
        status = make_map(&camera->pixel_offset, setup, 1, 0.0f, sensor->dsnu_e, -INFINITY);
    }
    if (status != OPU_OK) {
        opu_camera_fini(camera);
    }
    return status;
}

void opu_camera_fini(struct opu_camera *camera)
{
    opu_context_free(camera->context, camera->pixel_gain);
    opu_context_free(camera->context, camera->pixel_offset);
    camera->pixel_gain = NULL;
    camera->pixel_offset = NULL;
}

/* Poisson(lambda) where the distribution function first reaches u. */
static float poisson(float lambda, double u)
{
    double p = exp(-(double)lambda);
    double sum = p;
    for (int k = 0; k < 255; ++k) {
        if (u <= sum) {
            return (float)k;
        }
        p *= (double)lambda / (double)(k + 1);
        sum += p;
    }
    return 255.0f;
}

static float detect(const struct opu_camera *camera, float lambda, uint32_t a, uint32_t lane,
                    uint64_t frame)
{
    float z[4];
    if (camera->low_light && lambda + camera->read_var < OPU_LOW_LIGHT_E2) {
        struct opu_philox4 const words =
            opu_philox(camera->seed, OPU_STREAM_CAMERA, a | 0x80000000u, frame);
        opu_normal4(opu_philox(camera->seed, OPU_STREAM_CAMERA, a | 0x40000000u, frame), z);
        return poisson(lambda, opu_uniform(words.v[lane])) + camera->read_noise * z[lane];
    }
    opu_normal4(opu_philox(camera->seed, OPU_STREAM_CAMERA, a, frame), z);
    float const photons = camera->shot * lambda;
    float const v = photons + camera->read_var;
    float const c = photons / (6.0f * fmaxf(v, 1e-20f));
    float const sigma = sqrtf(fmaxf(v - 2.0f * c * c, 0.0f));
    return lambda + sigma * z[lane] + c * (z[lane] * z[lane] - 1.0f);
}

/* Mean electrons of pixel i of block `block` of a tile. */
static float mean_electrons(const struct opu_camera *camera, const struct opu_light *light,
                            const struct opu_exposure *exposure, uint32_t block, uint32_t i)
{
    const float *const re = exposure->field + block * OPU_BLOCK_FLOATS + i;
    float const x = light->scale * re[0] + light->reference_re;
    float const y = light->scale * re[OPU_BLOCK_PIXELS] + light->reference_im;
    float lambda = x * x + y * y;
    if (exposure->crossed != NULL) {
        const float *const other = exposure->crossed + block * OPU_BLOCK_FLOATS + i;
        float const u = light->scale_y * other[0];
        float const v = light->scale_y * other[OPU_BLOCK_PIXELS];
        lambda = lambda + (u * u + v * v);
    }
    size_t const pixel = (size_t)exposure->tile * OPU_TILE_PIXELS + block * OPU_BLOCK_PIXELS + i;
    return lambda * (camera->pixel_gain != NULL ? camera->pixel_gain[pixel] : 1.0f) + light->dark_e;
}

uint32_t opu_camera_tile_reference(const struct opu_camera *camera, const struct opu_light *light,
                                   const struct opu_exposure *exposure, void *counts)
{
    uint32_t saturated = 0;
    for (uint32_t p = 0; p < exposure->n; ++p) {
        uint32_t const block = p / OPU_BLOCK_PIXELS;
        uint32_t const i = p % OPU_BLOCK_PIXELS;
        float e = mean_electrons(camera, light, exposure, block, i);
        if (camera->draws) {
            e = detect(camera, e, exposure->tile * OPU_BLOCK_PIXELS + i, block, exposure->frame);
        }
        if (camera->pixel_offset != NULL) {
            e = e + camera->pixel_offset[(size_t)exposure->tile * OPU_TILE_PIXELS + p];
        }
        float const level = rintf((e + camera->black) * camera->gain);
        float const count = fminf(fmaxf(level, 0.0f), camera->max_count);
        saturated += count == camera->max_count;
        if (camera->bits <= 8) {
            ((uint8_t *)counts)[p] = (uint8_t)count;
        } else {
            ((uint16_t *)counts)[p] = (uint16_t)count;
        }
    }
    return saturated;
}
