/* SPDX-License-Identifier: MIT */
/*
 * Field to counts for one tile of 256 pixels, everything in the first-level cache. Formulas:
 * sim/camera.h.
 */
#include "sim/camera_kernels.h"

#include "core/base/isa.h"
#include "core/base/rng.h"
#include "sim/draw_block.h"
#include "sim/poisson.h"

#include <math.h>
#include <string.h>

/* lambda = |scale * S + R|^2 */
static void light_up(const struct opu_light *light, const float *restrict field,
                     float *restrict lambda)
{
    float const scale = light->scale;
    float const reference_re = light->reference_re;
    float const reference_im = light->reference_im;
    for (int block = 0; block < 4; ++block) {
        const float *const re = field + block * OPU_BLOCK_FLOATS;
        const float *const im = re + OPU_BLOCK_PIXELS;
        for (int i = 0; i < OPU_BLOCK_PIXELS; ++i) {
            float const x = scale * re[i] + reference_re;
            float const y = scale * im[i] + reference_im;
            lambda[block * OPU_BLOCK_PIXELS + i] = x * x + y * y;
        }
    }
}

/* Shot and read noise from one normal draw a pixel. */
static void add_noise(const struct opu_camera *camera, const float *restrict lambda,
                      const float *restrict z, float *restrict electrons)
{
    float const shot = camera->shot;
    float const read_var = camera->read_var;
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        float const photons = shot * lambda[p];
        float const v = photons + read_var;
        float const c = photons / (6.0f * (v > 1e-20f ? v : 1e-20f));
        float const rest = v - 2.0f * c * c;
        float const sigma = sqrtf(rest > 0.0f ? rest : 0.0f);
        electrons[p] = lambda[p] + sigma * z[p] + c * (z[p] * z[p] - 1.0f);
    }
}

static void redraw_low_light(const struct opu_camera *camera, const float *lambda, uint32_t tile,
                             uint64_t frame, float *electrons)
{
    for (uint32_t p = 0; p < OPU_TILE_PIXELS; ++p) {
        if (lambda[p] + camera->read_var >= OPU_LOW_LIGHT_E2) {
            continue;
        }
        uint32_t const a = tile * OPU_BLOCK_PIXELS + p % OPU_BLOCK_PIXELS;
        uint32_t const lane = p / OPU_BLOCK_PIXELS;
        struct opu_philox4 const words =
            opu_philox(camera->seed, OPU_STREAM_CAMERA, a | 0x80000000u, frame);
        float e = opu_poisson(lambda[p], opu_uniform(words.v[lane]));
        if (camera->read_var > 0.0f) {
            float z[4];
            opu_normal4(opu_philox(camera->seed, OPU_STREAM_CAMERA, a | 0x40000000u, frame), z);
            e += camera->read_noise * z[lane];
        }
        electrons[p] = e;
    }
}

/* Whether any pixel is so dark that the expansion does not hold. */
static int is_low_light(const struct opu_camera *camera, const float *lambda)
{
    float const bound = OPU_LOW_LIGHT_E2 - camera->read_var;
    int dark = 0;
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        dark |= lambda[p] < bound;
    }
    return dark;
}

/* Full well, gain, converter. Adding 2^23 rounds a float in [0, 2^22] to the nearest even integer.
 */
static uint32_t digitise(const struct opu_camera *camera, const float *restrict electrons,
                         uint32_t n, uint16_t *restrict counts)
{
    float const full_well = camera->full_well;
    float const gain = camera->gain;
    float const max_count = camera->max_count;
    int32_t saturated = 0;
    int32_t levels[OPU_TILE_PIXELS];
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        float e = electrons[p];
        e = e > 0.0f ? e : 0.0f;
        e = e < full_well ? e : full_well;
        float const x = e * gain;
        float const r = (x + 8388608.0f) - 8388608.0f;
        levels[p] = (int32_t)(r < max_count ? r : max_count);
    }
    int32_t const top = (int32_t)max_count;
    for (uint32_t p = 0; p < n; ++p) {
        saturated += levels[p] == top;
    }
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        counts[p] = (uint16_t)levels[p];
    }
    return (uint32_t)saturated;
}

uint32_t OPU_KERNEL(opu_camera_tile)(const struct opu_camera *camera, const struct opu_light *light,
                                     const float *field, uint32_t tile, uint64_t frame, uint32_t n,
                                     void *counts)
{
    float lambda[OPU_TILE_PIXELS];
    float electrons[OPU_TILE_PIXELS];
    uint16_t levels[OPU_TILE_PIXELS];
    light_up(light, field, lambda);
    const float *detected = lambda;
    if (camera->draws) {
        float z[4][OPU_DRAW_BLOCK];
        struct opu_draw_key const key = {.seed = camera->seed,
                                         .stream = OPU_STREAM_CAMERA,
                                         .a = tile * OPU_BLOCK_PIXELS,
                                         .a_step = 1,
                                         .b = frame};
        draw_normals(&key, z);
        add_noise(camera, lambda, &z[0][0], electrons);
        if (camera->low_light && is_low_light(camera, lambda)) {
            redraw_low_light(camera, lambda, tile, frame, electrons);
        }
        detected = electrons;
    }
    uint32_t const saturated = digitise(camera, detected, n, levels);
    if (camera->bits == 8) {
        uint8_t bytes[OPU_TILE_PIXELS];
        for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
            bytes[p] = (uint8_t)levels[p];
        }
        memcpy(counts, bytes, n);
    } else {
        memcpy(counts, levels, n * sizeof(levels[0]));
    }
    return saturated;
}
