/* SPDX-License-Identifier: MIT */
/* The pattern projector is what keeps time: its stop comes when the frames have had theirs. */
#include "driver/board_pace.h"

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
    struct opu_pace *const pace = self;
    pace->n_frames = n;
    return pace->optics.pattern_ops->load(pace->optics.pattern, frames, n, upload);
}

static int start(void *self)
{
    struct opu_pace *const pace = self;
    double const from = pace->idle ? now_us(pace) : pace->due_us;
    pace->idle = false;
    pace->due_us = from + (double)pace->n_frames * 1e6 / pace->rate_hz;
    return pace->optics.pattern_ops->start(pace->optics.pattern);
}

static int stop(void *self)
{
    struct opu_pace *const pace = self;
    int const status = pace->optics.pattern_ops->stop(pace->optics.pattern);
    if (pace->sleep_until != NULL) {
        pace->sleep_until(pace->self, pace->due_us);
    }
    return status;
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
    struct opu_optics paced = *optics;
    paced.pattern = pace;
    paced.pattern_ops = &pace->pattern_ops;
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
