/* SPDX-License-Identifier: MIT */
/* Sensors, camera set-up, choice of kernel, and the kernels' plain twin. Formulas: sim/camera.h. */
#include "sim/camera.h"

#include "core/base/rng.h"
#include "sim/camera_kernels.h"

#include <math.h>

/*
 * CMV2000: CMOSIS data sheet. IMX174: read noise and full well as measured by camera makers under
 * EMVA 1288. ideal: the CMV2000's well without read noise.
 */
const struct opu_sensor opu_sensors[] = {
    [OPU_SENSOR_CMV2000] = {"cmv2000", 13500.0, 13.0},
    [OPU_SENSOR_IMX174] = {"imx174", 32700.0, 6.83},
    [OPU_SENSOR_IDEAL] = {"ideal", 13500.0, 0.0},
};

void opu_camera_init(struct opu_camera *camera, const struct opu_sensor *sensor, uint32_t bits,
                     bool shot, bool read, uint64_t seed)
{
    double const max_count = (double)((1u << bits) - 1u);
    double const read_noise = read ? sensor->read_noise_e : 0.0;
    *camera = (struct opu_camera){
        .seed = seed,
        .full_well = (float)sensor->full_well_e,
        .gain = (float)(max_count / sensor->full_well_e),
        .max_count = (float)max_count,
        .shot = shot ? 1.0f : 0.0f,
        .read_noise = (float)read_noise,
        .read_var = (float)(read_noise * read_noise),
        .bits = bits,
        .draws = shot || read_noise > 0.0,
    };
    camera->low_light = shot && camera->read_var < OPU_LOW_LIGHT_E2;
}

opu_camera_tile_fn opu_camera_tile_kernel(enum opu_isa isa)
{
#if defined(__x86_64__)
    static const opu_camera_tile_fn kernels[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = opu_camera_tile_base,
        [OPU_ISA_AVX2] = opu_camera_tile_avx2,
        [OPU_ISA_AVX512] = opu_camera_tile_avx512,
    };
    return kernels[isa];
#else
    (void)isa;
    return opu_camera_tile_base;
#endif
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

uint32_t opu_camera_tile_reference(const struct opu_camera *camera, const struct opu_light *light,
                                   const float *field, uint32_t tile, uint64_t frame, uint32_t n,
                                   void *counts)
{
    uint32_t saturated = 0;
    for (uint32_t p = 0; p < n; ++p) {
        uint32_t const lane = p / OPU_BLOCK_PIXELS;
        uint32_t const i = p % OPU_BLOCK_PIXELS;
        const float *const re = field + lane * OPU_BLOCK_FLOATS;
        float const x = light->scale * re[i] + light->reference_re;
        float const y = light->scale * re[OPU_BLOCK_PIXELS + i] + light->reference_im;
        float const lambda = x * x + y * y;
        float e = lambda;
        if (camera->draws) {
            e = detect(camera, lambda, tile * OPU_BLOCK_PIXELS + i, lane, frame);
        }
        e = fminf(fmaxf(e, 0.0f), camera->full_well);
        float const count = fminf(rintf(e * camera->gain), camera->max_count);
        saturated += count == camera->max_count;
        if (camera->bits == 8) {
            ((uint8_t *)counts)[p] = (uint8_t)count;
        } else {
            ((uint16_t *)counts)[p] = (uint16_t)count;
        }
    }
    return saturated;
}
