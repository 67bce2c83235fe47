/* SPDX-License-Identifier: MIT */
/*
 * Frames at a clock's rate, around optics and function: a sequence is over when its frames have had
 * their time. The next one begins there if it was waiting already, and else when it comes, so that
 * the pace is kept however long each is in the making.
 */
#ifndef OPU_DRIVER_BOARD_PACE_H
#define OPU_DRIVER_BOARD_PACE_H

#include "driver/firmware/function.h"
#include "driver/firmware/optics.h"

struct opu_pace {
    double rate_hz;
    void *self;
    uint64_t (*now_us)(void *self);
    /* Sleeps until then, or for as long as is wanted; NULL: answers are held back instead. */
    void (*sleep_until)(void *self, double us);

    /* Set by opu_pace_optics() and opu_pace_function(). */
    struct opu_optics optics;
    struct opu_pattern_ops pattern_ops;
    struct opu_camera_ops camera_ops;
    struct opu_function function;

    bool idle;      /* nothing was waiting: told by who works */
    double from_us; /* when the latest sequence began */
    double due_us;  /* when the frame of it that was read last is over */
};

/* The optics, paced. */
struct opu_optics opu_pace_optics(struct opu_pace *pace, const struct opu_optics *optics);
/* The function, holding back its answers where nothing can sleep. */
struct opu_function opu_pace_function(struct opu_pace *pace, struct opu_function function);
/* Whether answers are held back now. */
bool opu_pace_holds(const struct opu_pace *pace);

#endif
