/* SPDX-License-Identifier: MIT */
/*
 * Field to counts for one tile of 256 pixels, everything in the first-level cache. Formulas:
 * sim/camera/camera.h.
 */
#include "sim/camera/camera_kernels.h"

#include "core/base/isa.h"
#include "core/base/rng.h"
#include "sim/camera/poisson.h"
#include "sim/draw_block.h"

#include <math.h>
#include <string.h>

/* |scale S + R|^2 */
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

/* lambda += |scale S|^2 */
static void add_crossed(float scale, const float *restrict field, float *restrict lambda)
{
    for (int block = 0; block < 4; ++block) {
        const float *const re = field + block * OPU_BLOCK_FLOATS;
        const float *const im = re + OPU_BLOCK_PIXELS;
        for (int i = 0; i < OPU_BLOCK_PIXELS; ++i) {
            float const x = scale * re[i];
            float const y = scale * im[i];
            lambda[block * OPU_BLOCK_PIXELS + i] += x * x + y * y;
        }
    }
}

/* The pixels' own gain, then dark current. */
static void add_dark(const float *restrict gain, float dark, float *restrict lambda)
{
    if (gain == NULL) {
        for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
            lambda[p] += dark;
        }
        return;
    }
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        lambda[p] = lambda[p] * gain[p] + dark;
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
    float const read_var = camera->read_var;
    int dark = 0;
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        dark |= lambda[p] + read_var < OPU_LOW_LIGHT_E2;
    }
    return dark;
}

static void add_offset(const float *restrict offset, float *restrict electrons)
{
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        electrons[p] += offset[p];
    }
}

/* Gain and converter. Adding 2^23 rounds a float in [0, 2^22] to the nearest even integer. */
static uint32_t digitise(const struct opu_camera *camera, const float *restrict electrons,
                         uint32_t n, uint16_t *restrict counts)
{
    float const black = camera->black;
    float const gain = camera->gain;
    float const max_count = camera->max_count;
    int32_t saturated = 0;
    int32_t levels[OPU_TILE_PIXELS];
    for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
        float x = (electrons[p] + black) * gain;
        x = x > 0.0f ? x : 0.0f;
        x = x < max_count ? x : max_count;
        levels[p] = (int32_t)((x + 8388608.0f) - 8388608.0f);
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
                                     const struct opu_exposure *exposure, void *counts)
{
    float lambda[OPU_TILE_PIXELS];
    float electrons[OPU_TILE_PIXELS];
    uint16_t levels[OPU_TILE_PIXELS];
    size_t const first = (size_t)exposure->tile * OPU_TILE_PIXELS;
    light_up(light, exposure->field, lambda);
    if (exposure->crossed != NULL) {
        add_crossed(light->scale_y, exposure->crossed, lambda);
    }
    add_dark(camera->pixel_gain != NULL ? camera->pixel_gain + first : NULL, light->dark_e, lambda);
    float *detected = lambda;
    if (camera->draws) {
        float z[4][OPU_DRAW_BLOCK];
        struct opu_draw_key const key = {.seed = camera->seed,
                                         .stream = OPU_STREAM_CAMERA,
                                         .a = exposure->tile * OPU_BLOCK_PIXELS,
                                         .a_step = 1,
                                         .b = exposure->frame};
        draw_normals(&key, z);
        add_noise(camera, lambda, &z[0][0], electrons);
        if (camera->low_light && is_low_light(camera, lambda)) {
            redraw_low_light(camera, lambda, exposure->tile, exposure->frame, electrons);
        }
        detected = electrons;
    }
    if (camera->pixel_offset != NULL) {
        add_offset(camera->pixel_offset + first, detected);
    }
    uint32_t const saturated = digitise(camera, detected, exposure->n, levels);
    if (camera->bits <= 8) {
        uint8_t bytes[OPU_TILE_PIXELS];
        for (int p = 0; p < OPU_TILE_PIXELS; ++p) {
            bytes[p] = (uint8_t)levels[p];
        }
        memcpy(counts, bytes, exposure->n);
    } else {
        memcpy(counts, levels, exposure->n * sizeof(levels[0]));
    }
    return saturated;
}

void OPU_KERNEL(opu_camera_draw)(uint64_t seed, uint64_t b, uint32_t tile, float *z)
{
    float draws[4][OPU_DRAW_BLOCK];
    struct opu_draw_key const key = {.seed = seed,
                                     .stream = OPU_STREAM_PIXEL,
                                     .a = tile * OPU_BLOCK_PIXELS,
                                     .a_step = 1,
                                     .b = b};
    draw_normals(&key, draws);
    memcpy(z, draws, sizeof(draws));
}
