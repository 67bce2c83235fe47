/* SPDX-License-Identifier: MIT */
/*
 * The optics as firmware sees them, in three parts that a lab buys apart: a pattern projector (such
 * as a DLPC900 mirror controller: at most 400 preloaded patterns, uploaded compressed), a camera
 * (such as USB3 Vision) and a reference arm with the laser (a phase shifter). The parts may block:
 * firmware calls them from its work step alone, one at a time.
 *
 * A sequence of n frames: pattern->load, reference->load, camera->arm, reference->laser(on),
 * pattern->start, camera->read 0..n-1, pattern->stop. It may be broken off after any of them - a
 * failure, a reset, a laser that has to go off - and stop comes then too: frames that a camera
 * sends on its own and that nobody has read are for the next arm to throw away. Between two reads
 * the interlock and the temperature may be asked for.
 *
 * A set-up and its tables stay where they are until the next configure. Functions return 0 or a
 * negative opu_status, with a sentence from message().
 */
#ifndef OPU_FIRMWARE_OPTICS_H
#define OPU_FIRMWARE_OPTICS_H

#include "driver/wire.h"

/* One frame of a sequence. */
struct opu_optics_frame {
    uint64_t number;
    uint16_t reference, exposure; /* entries of the set-up's tables */
    const uint8_t *bits;          /* [(n_inputs + 7) / 8]; rows of a sequence lie in a row */
};

/* What an upload cost. */
struct opu_optics_upload {
    uint64_t bytes; /* over the projector's own link, after compression */
    double s;
};

struct opu_pattern_ops {
    size_t max_patterns; /* of one sequence; DLPC900: 400 */
    int (*configure)(void *self, const struct opu_wire_setup *setup);
    /* Uploads the patterns of a sequence. The bits stay until stop. */
    int (*load)(void *self, const struct opu_optics_frame *frames, size_t n,
                struct opu_optics_upload *upload);
    int (*start)(void *self); /* the sequence runs, triggering the camera */
    int (*stop)(void *self);
};

struct opu_camera_ops {
    int (*configure)(void *self, const struct opu_wire_setup *setup);
    /* n triggers to come, each with the exposure of its frame. Row i of counts is where read will
     * want frame i: a camera that can write there by itself may do so from now on. */
    int (*arm)(void *self, const struct opu_optics_frame *frames, size_t n, uint8_t *counts);
    /* Frame i of the sequence: counts (n_pixels of 1 or 2 bytes), time, saturated, status; number
     * is filled in by the caller. A frame whose trigger was lost has status 1; the rest of its head
     * and its counts do not matter then. */
    int (*read)(void *self, size_t i, struct opu_wire_count *head, uint8_t *counts);
};

struct opu_reference_ops {
    int (*configure)(void *self, const struct opu_wire_setup *setup);
    /* The states of the arm for the sequence, stepped by the pattern projector's trigger. */
    int (*load)(void *self, const struct opu_optics_frame *frames, size_t n);
    int (*laser)(void *self, bool on);
    bool (*interlock_open)(void *self);  /* NULL: there is none */
    double (*temperature_c)(void *self); /* NULL: unknown; NaN: the sensor failed, no light */
};

struct opu_optics {
    void *pattern, *camera, *reference; /* self of each part */
    const struct opu_pattern_ops *pattern_ops;
    const struct opu_camera_ops *camera_ops;
    const struct opu_reference_ops *reference_ops;
    /* Facts that no part knows by itself; the firmware fills in firmware, max_*_bytes, queue. */
    int (*info)(void *self, struct opu_wire_info *info);
    int (*calibrate)(void *self);       /* NULL: nothing to calibrate */
    const char *(*message)(void *self); /* of the latest failure */
    void *self;
};

#endif
