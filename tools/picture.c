/* SPDX-License-Identifier: MIT */
/* Takes a speckle picture through the frame calls and packs it as a PNG with a laser-green palette.
 */
#include "tools/picture.h"

#include <assert.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = PICTURE_SIDE, PIXELS = SIDE * SIDE, INPUTS = 1024 };

/* Half of the mirrors on, by a small linear congruential generator: any fixed pattern would do. */
static void random_pattern(uint8_t *bits, size_t n_bytes)
{
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < n_bytes; i++) {
        state = state * 1664525u + 1013904223u;
        bits[i] = (uint8_t)(state >> 24);
    }
}

static double mean_of(const uint16_t *counts)
{
    double sum = 0.0;
    assert(counts != NULL);
    for (size_t i = 0; i < PIXELS; i++) {
        sum += counts[i];
    }
    return sum / PIXELS;
}

static double contrast_of(const uint16_t *counts)
{
    double const mean = mean_of(counts);
    double sum = 0.0;
    for (size_t i = 0; i < PIXELS; i++) {
        sum += (counts[i] - mean) * (counts[i] - mean);
    }
    return mean > 0.0 ? sqrt(sum / PIXELS) / mean : (double)NAN;
}

struct shot {
    struct opu_device *device;
    size_t n_inputs;
    uint32_t bits;
    uint8_t pattern[INPUTS / 8];
    uint16_t *counts;
};

/* Counts of 8 bits come as bytes: they are spread to 16 where they lie, from the end. */
static void spread(uint16_t *counts)
{
    const uint8_t *const bytes = (const uint8_t *)counts;
    for (size_t i = PIXELS; i-- > 0;) {
        uint16_t const count = bytes[i];
        memcpy((uint8_t *)counts + 2 * i, &count, sizeof count);
    }
}

static int shoot(const struct shot *shot, double exposure_us, double grain)
{
    struct opu_frame_setup const setup = {
        .size = sizeof setup,
        .n_inputs = shot->n_inputs,
        .output_kind = OPU_OUTPUT_REGION,
        .region =
            {.width = SIDE, .height = SIDE, .stride = 1, .binning = 1, .pixels_per_grain = grain},
        .bits = shot->bits,
        .n_exposures = 1,
        .exposures_us = &exposure_us,
    };
    uint64_t const number = opu_device_clock(shot->device);
    struct opu_frame_batch batch = {.size = sizeof batch,
                                    .n_frames = 1,
                                    .bits = shot->pattern,
                                    .number = &number,
                                    .counts = shot->counts};
    uint64_t job = 0;
    int status = opu_device_configure(shot->device, &setup);
    if (status == OPU_OK) {
        status = opu_device_submit(shot->device, &batch, &job);
    }
    if (status == OPU_OK) {
        status = opu_device_wait(shot->device, job, -1);
    }
    if (status == OPU_OK && shot->bits <= 8) {
        spread(shot->counts);
    }
    return status;
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : (high > 0.0 && value > high ? high : value);
}

/* Mean at a tenth of full scale: e^-10 of the pixels would be brighter than the scale. */
static int expose(struct shot *shot, struct picture *picture)
{
    const struct opu_caps *const caps = opu_device_caps(shot->device);
    double const wanted = 0.1, full = ldexp(1.0, (int)shot->bits) - 1.0;
    double const on = 0.5 * (double)shot->n_inputs;
    double exposure =
        caps->signal_per_us > 0.0 ? wanted / (caps->signal_per_us * on) : caps->min_exposure_us;
    for (int round = 0; round < 6; round++) {
        exposure = clamp(exposure, caps->min_exposure_us, caps->max_exposure_us);
        int const status = shoot(shot, exposure, picture->pixels_per_grain);
        if (status < 0) {
            return status;
        }
        double const mean = mean_of(shot->counts) / full;
        picture->exposure_us = exposure;
        if (mean > 0.5 * wanted && mean < 2.0 * wanted) {
            break;
        }
        exposure *= clamp(wanted / (mean > 0.0 ? mean : 1e-3), 0.01, 100.0);
    }
    picture->contrast = contrast_of(shot->counts);
    return OPU_OK;
}

static int pack(struct picture *picture, const uint16_t *counts)
{
    uint8_t palette[256][3];
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = SIDE,
                       .height = SIDE,
                       .format = PNG_FORMAT_RGB_COLORMAP,
                       .colormap_entries = 256};
    double const white = 5.0 * mean_of(counts);
    uint8_t *const grey = malloc(PIXELS);
    for (int i = 0; i < 256; i++) { /* black, 532 nm green, white */
        double const v = i / 255.0, pale = v > 0.6 ? (v - 0.6) / 0.4 : 0.0;
        palette[i][0] = (uint8_t)(255.0 * pale * pale);
        palette[i][1] = (uint8_t)(255.0 * (v < 0.75 ? v / 0.75 : 1.0));
        palette[i][2] = (uint8_t)(255.0 * (0.25 * v + 0.75 * pale * pale));
    }
    for (size_t i = 0; grey != NULL && i < PIXELS; i++) {
        double const share = white > 0.0 ? counts[i] / white : 0.0;
        grey[i] = (uint8_t)(255.0 * sqrt(share < 1.0 ? share : 1.0));
    }
    png_alloc_size_t size = 0;
    bool done =
        grey != NULL && png_image_write_to_memory(&image, NULL, &size, 0, grey, SIDE, palette) != 0;
    picture->png = done ? malloc(size) : NULL;
    done = picture->png != NULL &&
           png_image_write_to_memory(&image, picture->png, &size, 0, grey, SIDE, palette) != 0;
    free(grey);
    if (!done) {
        free(picture->png);
        picture->png = NULL;
        return opu_fail(OPU_E_NO_MEMORY, "no memory for a picture of %d x %d pixels", SIDE, SIDE);
    }
    picture->n = size;
    return OPU_OK;
}

int picture_shoot(struct picture *picture, struct opu_device *device)
{
    const struct opu_caps *const caps = opu_device_caps(device);
    struct shot shot = {.device = device, .bits = caps->default_bits};
    *picture = (struct picture){.pixels_per_grain = 4.0};
    if ((caps->flags & OPU_CAP_FRAMES) == 0 || (caps->flags & OPU_CAP_REGION) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s has no camera region that could be a picture",
                        opu_device_uri(device));
    }
    shot.n_inputs = caps->max_inputs < INPUTS ? caps->max_inputs : INPUTS;
    shot.n_inputs -= shot.n_inputs > 8 ? shot.n_inputs % 8 : 0; /* no stray bits in a row */
    picture->n_inputs = shot.n_inputs;
    random_pattern(shot.pattern, sizeof shot.pattern);
    shot.counts = calloc(PIXELS, sizeof *shot.counts);
    int status = shot.counts == NULL
                     ? opu_fail(OPU_E_NO_MEMORY, "no memory for %d pixels", (int)PIXELS)
                     : expose(&shot, picture);
    if (status == OPU_OK) {
        status = pack(picture, shot.counts);
    }
    free(shot.counts);
    return status;
}

int picture_take(struct picture *picture, struct opu_context *context, const char *uri)
{
    struct opu_device *device = NULL;
    *picture = (struct picture){.png = NULL};
    int status = opu_device_open(&device, context, uri);
    if (status == OPU_OK) {
        status = picture_shoot(picture, device);
    }
    opu_device_close(device);
    return status;
}

void picture_add(struct html *html, const struct picture *picture, int status, const char *what)
{
    html_add(html, "<figure>");
    if (status == OPU_OK) {
        html_add(html,
                 "<img width=\"%d\" height=\"%d\" alt=\"Speckle: grains of light on the camera\" "
                 "src=\"data:image/png;base64,",
                 SIDE, SIDE);
        html_base64(html, picture->png, picture->n);
        html_add(
            html,
            "\"><figcaption>%s: %d x %d pixels, grains of %.0f pixels, a random pattern on %zu "
            "mirrors, %.3g us, on a square-root scale. Contrast of this one frame %.3f; fully "
            "developed speckle has 1.</figcaption>",
            what, SIDE, SIDE, picture->pixels_per_grain, picture->n_inputs, picture->exposure_us,
            picture->contrast);
    } else {
        html_add(html, "<figcaption>No speckle picture: ");
        html_escape(html, opu_error_message());
        html_add(html, ".</figcaption>");
    }
    html_add(html, "</figure>\n");
}
