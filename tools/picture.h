/* SPDX-License-Identifier: MIT */
/* A speckle picture: one frame of a device's camera as PNG bytes. */
#ifndef OPU_TOOLS_PICTURE_H
#define OPU_TOOLS_PICTURE_H

#include "tools/html.h"

#include <opu/opu.h>

#define PICTURE_SIDE 256

struct picture {
    uint8_t *png; /* the caller frees it with free() */
    size_t n;
    double exposure_us, contrast; /* contrast: standard deviation / mean of the counts */
    double pixels_per_grain;
    size_t n_inputs;
};

/*
 * Takes a picture of the light that a random pattern gives; takes the device's set-up over.
 * OPU_E_UNSUPPORTED where the device has no camera region; other codes as the device's calls return
 * them.
 */
OPU_NODISCARD int picture_shoot(struct picture *picture, struct opu_device *device);

/* The same of a device that is opened for it. */
OPU_NODISCARD int picture_take(struct picture *picture, struct opu_context *context,
                               const char *uri);

/* The picture as a figure, `what` at the head of its caption; or, for a status below 0, the latest
 * error's sentence in its place. */
void picture_add(struct html *html, const struct picture *picture, int status, const char *what);

#endif
