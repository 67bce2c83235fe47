/* SPDX-License-Identifier: MIT */
/* A batch of frames for a device on USB, and what a device without a cable makes of it. */
#ifndef OPU_TESTS_USB_LOAD_H
#define OPU_TESTS_USB_LOAD_H

#include "support.h"

#define LOAD_FRAMES 96
#define LOAD_INPUTS 90
#define LOAD_PIXELS 500
#define LOAD_BYTES ((LOAD_INPUTS + 7) / 8)

struct load {
    uint8_t bits[LOAD_FRAMES * LOAD_BYTES];
    uint64_t number[LOAD_FRAMES];
    uint8_t counts[LOAD_FRAMES * LOAD_PIXELS];
    double time_s[LOAD_FRAMES];
    uint32_t saturated[LOAD_FRAMES];
    struct opu_frame_batch batch;
};

static inline void load_fill(struct load *load, uint64_t first)
{
    memset(load, 0, sizeof *load);
    for (size_t i = 0; i < LOAD_FRAMES; i++) {
        load->number[i] = first + i;
        for (size_t b = 0; b < LOAD_BYTES; b++) {
            load->bits[i * LOAD_BYTES + b] =
                (uint8_t)((first + i) * 37 + b * 91 + (first + i) * b * 5);
        }
        load->bits[i * LOAD_BYTES + LOAD_BYTES - 1] &= (1u << LOAD_INPUTS % 8) - 1;
    }
    /* No status: frames that are lost are sent again. */
    load->batch = (struct opu_frame_batch){.size = sizeof load->batch,
                                           .n_frames = LOAD_FRAMES,
                                           .bits = load->bits,
                                           .number = load->number,
                                           .counts = load->counts,
                                           .time_s = load->time_s,
                                           .saturated = load->saturated};
}

static inline int load_configure(struct opu_device *device)
{
    static const double exposures_us[] = {100.0};
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = LOAD_INPUTS,
                                          .n_pixels = LOAD_PIXELS,
                                          .bits = 8,
                                          .n_exposures = 1,
                                          .exposures_us = exposures_us};
    return opu_device_configure(device, &setup);
}

static inline int load_run(struct opu_device *device, struct load *load)
{
    uint64_t job;
    int const status = opu_device_submit(device, &load->batch, &job);
    return status < 0 ? status : opu_device_wait(device, job, -1);
}

/* That these are the counts of a device without a cable. */
static inline void assert_right(const struct load *load)
{
    static struct load want;
    struct opu_device *device = NULL;
    assert_ok(opu_device_open(&device, NULL, "sim:"));
    assert_ok(load_configure(device));
    load_fill(&want, load->number[0]);
    assert_ok(load_run(device, &want));
    opu_device_close(device);
    assert_memory_equal(want.counts, load->counts, sizeof want.counts);
    assert_memory_equal(want.time_s, load->time_s, sizeof want.time_s);
    assert_memory_equal(want.saturated, load->saturated, sizeof want.saturated);
}

#endif
