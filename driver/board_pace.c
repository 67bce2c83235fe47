/* SPDX-License-Identifier: MIT */
/* The camera keeps time: a frame is read when it has had its own, and the sequence stops when its
 * frames have had theirs. */
#include "driver/board_pace.h"

#define AHEAD_US 20000.0

static double now_us(const struct opu_pace *pace)
{
    return (double)pace->now_us(pace->self);
}

/* ---- Optics ---- */

static int configure(void *self, const struct opu_wire_setup *setup)
{
    const struct opu_pace *const pace = self;
    return pace->optics.pattern_ops->configure(pace->optics.pattern, setup);
}

static int load(void *self, const struct opu_optics_frame *frames, size_t n,
                struct opu_optics_upload *upload)
{
    const struct opu_pace *const pace = self;
    return pace->optics.pattern_ops->load(pace->optics.pattern, frames, n, upload);
}

static void keep_time(const struct opu_pace *pace, double until_us)
{
    if (pace->sleep_until != NULL) {
        pace->sleep_until(pace->self, until_us);
    }
}

static int start(void *self)
{
    struct opu_pace *const pace = self;
    pace->from_us = pace->idle ? now_us(pace) : pace->due_us;
    pace->due_us = pace->from_us;
    pace->idle = false;
    return pace->optics.pattern_ops->start(pace->optics.pattern);
}

static int stop(void *self)
{
    const struct opu_pace *const pace = self;
    int const status = pace->optics.pattern_ops->stop(pace->optics.pattern);
    keep_time(pace, pace->due_us);
    return status;
}

static int configure_camera(void *self, const struct opu_wire_setup *setup)
{
    const struct opu_pace *const pace = self;
    return pace->optics.camera_ops->configure(pace->optics.camera, setup);
}

static int arm(void *self, const struct opu_optics_frame *frames, size_t n, uint8_t *counts)
{
    const struct opu_pace *const pace = self;
    return pace->optics.camera_ops->arm(pace->optics.camera, frames, n, counts);
}

/* A frame is there when it has had its time, give or take AHEAD_US: many short ones sleep once. */
static int read_frame(void *self, size_t i, struct opu_wire_count *head, uint8_t *counts)
{
    struct opu_pace *const pace = self;
    pace->due_us = pace->from_us + (double)(i + 1) * 1e6 / pace->rate_hz;
    if (now_us(pace) + AHEAD_US < pace->due_us) {
        keep_time(pace, pace->due_us);
    }
    return pace->optics.camera_ops->read(pace->optics.camera, i, head, counts);
}

struct opu_optics opu_pace_optics(struct opu_pace *pace, const struct opu_optics *optics)
{
    pace->idle = true;
    pace->optics = *optics;
    pace->pattern_ops = (struct opu_pattern_ops){.max_patterns = optics->pattern_ops->max_patterns,
                                                 .configure = configure,
                                                 .load = load,
                                                 .start = start,
                                                 .stop = stop};
    pace->camera_ops =
        (struct opu_camera_ops){.configure = configure_camera, .arm = arm, .read = read_frame};
    struct opu_optics paced = *optics;
    paced.pattern = pace;
    paced.pattern_ops = &pace->pattern_ops;
    paced.camera = pace;
    paced.camera_ops = &pace->camera_ops;
    return paced;
}

/* ---- Function ---- */

bool opu_pace_holds(const struct opu_pace *pace)
{
    return pace->sleep_until == NULL && now_us(pace) < pace->due_us;
}

static int control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    const struct opu_pace *const pace = self;
    return pace->function.control(pace->function.self, setup, data);
}

static int out(void *self, const uint8_t *data, size_t n)
{
    const struct opu_pace *const pace = self;
    return pace->function.out(pace->function.self, data, n);
}

static int in(void *self, uint8_t *data, size_t n)
{
    const struct opu_pace *const pace = self;
    return opu_pace_holds(pace) ? OPU_FN_NAK : pace->function.in(pace->function.self, data, n);
}

static int event(void *self, uint8_t *data, size_t n)
{
    const struct opu_pace *const pace = self;
    return pace->function.event(pace->function.self, data, n);
}

static void bus_reset(void *self)
{
    const struct opu_pace *const pace = self;
    pace->function.bus_reset(pace->function.self);
}

static void clear_halt(void *self, uint8_t endpoint)
{
    const struct opu_pace *const pace = self;
    pace->function.clear_halt(pace->function.self, endpoint);
}

struct opu_function opu_pace_function(struct opu_pace *pace, struct opu_function function)
{
    if (pace->sleep_until != NULL) {
        return function;
    }
    pace->function = function;
    return (struct opu_function){.self = pace,
                                 .control = control,
                                 .out = out,
                                 .in = in,
                                 .event = event,
                                 .bus_reset = bus_reset,
                                 .clear_halt = clear_halt};
}
