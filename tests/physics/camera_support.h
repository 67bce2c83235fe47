/* SPDX-License-Identifier: MIT */
/* For the tests of the camera: cameras with seeds of their own, and even light on them. */
#ifndef OPU_TEST_CAMERA_SUPPORT_H
#define OPU_TEST_CAMERA_SUPPORT_H

#include "sim_support.h"

#include "core/base/cpu.h"

#define TILES 64u

/*
 * Frames of TILES tiles under even light of lambda electrons; fn is called with each count. Each
 * call has frame numbers, and so draws, of its own.
 */
static inline void expose_evenly(const struct opu_camera *camera, double lambda, uint32_t n_frames,
                                 void (*fn)(void *user, uint32_t count), void *user)
{
    static const float dark[OPU_TILE_FLOATS];
    opu_camera_tile_fn const expose = opu_camera_tile_kernel(opu_isa_best());
    struct opu_light const light = {.scale = 1.0f, .reference_im = (float)sqrt(lambda)};
    uint16_t counts[OPU_TILE_PIXELS];
    static uint64_t frame;
    for (uint32_t f = 0; f < n_frames; ++f, ++frame) {
        for (uint32_t tile = 0; tile < TILES; ++tile) {
            struct opu_exposure const exposure = {
                .field = dark, .frame = frame, .tile = tile, .n = OPU_TILE_PIXELS};
            expose(camera, &light, &exposure, counts);
            for (size_t p = 0; p < OPU_TILE_PIXELS; ++p) {
                fn(user, camera->bits <= 8 ? ((const uint8_t *)counts)[p] : counts[p]);
            }
        }
    }
}

static inline void add_count(void *user, uint32_t count)
{
    moments_add(user, (double)count);
}

static inline struct opu_camera make_camera(const struct opu_sensor *sensor, uint32_t bits)
{
    struct opu_camera_setup const setup = {.sensor = sensor,
                                           .bits = bits,
                                           .n_pixels = (size_t)TILES * OPU_TILE_PIXELS,
                                           .seed = ((uint64_t)draw_word() << 32) | draw_word(),
                                           .isa = opu_isa_best()};
    struct opu_camera camera;
    assert_int_equal(opu_camera_init(&camera, &setup), OPU_OK);
    return camera;
}

/* A camera whose count is the number of electrons. */
static inline struct opu_camera counting_camera(bool shot, double read_noise_e)
{
    struct opu_sensor const sensor = {
        .full_well_e = 65535.0, .read_noise_e = read_noise_e, .shot_noise = shot};
    return make_camera(&sensor, 16);
}

#endif
