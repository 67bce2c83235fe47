/* SPDX-License-Identifier: MIT */
/*
 * A projection as core/device sees it: an encoder, a read-out, the tables that calibration filled,
 * and one chunk of frames that is used over and over.
 *
 *   rows -> patterns (encode.h) -> frames (readout.h: how many for a pattern, with which reference)
 *        -> chunks of bounded memory (chunk.c) -> counts -> rows of outputs (readout.h: decode)
 */
#ifndef OPU_CORE_PROJECTION_INTERNAL_H
#define OPU_CORE_PROJECTION_INTERNAL_H

#include <opu/projection.h>

#include "core/base/cpu.h"
#include "core/device/device_internal.h"
#include "core/device/encode.h"
#include "core/device/readout.h"

#define OPU_CLASSES_MAX 40

/*
 * What calibration found. Class c serves patterns with 2^(c-1) < mirrors on <= 2^c; the lowest one
 * serves all below it too. Rates are counts per microsecond.
 */
struct opu_tables {
    uint32_t lowest, n_classes;
    double exposure_us[OPU_CLASSES_MAX];
    double amplitude[OPU_CLASSES_MAX]; /* of the reference arm */
    double signal_rate;                /* one mirror, mean over the pixels */
    double leak_rate;                  /* all mirrors off, mean over the pixels */
    double reference_rate;             /* the whole arm, or the anchor; mean over the pixels */
    double saturated_share;            /* seen in the last test */
};

/* One batch of frames with room for two batches of counts: one is decoded while the next is under
 * way. */
struct opu_chunk {
    size_t capacity;    /* frames */
    size_t frame_bytes; /* bits of a frame */
    size_t count_bytes; /* counts of a frame */
    uint8_t *bits;
    uint16_t *reference, *exposure;
    uint64_t *number;
    uint32_t *saturated;
    int32_t *status;
    uint8_t *counts[2];
    size_t n; /* frames filled in */
    struct opu_frame_batch batch;
    uint64_t job;
    bool under_way;
};

/* The patterns of one call. Pattern i is slot[i]: row slot[i] / P, k-th of its P =
 * patterns_per_row. */
struct opu_patterns {
    size_t per_row, bytes;
    uint8_t *bits;       /* [max_rows * per_row][bytes] */
    float *weight;       /* [max_rows * per_row] */
    uint32_t *n_on;      /* [max_rows * per_row] */
    uint32_t *slot;      /* [n] those that are sent */
    uint32_t *row_start; /* [max_rows + 1] index into slot */
    size_t n;
};

/* Fixed patterns and what calibration saw of them; probe.c. n_pairs is 0 on devices without drift.
 */
struct opu_probe {
    size_t n_pairs;
    uint8_t *bits;
    float *in, *out; /* a few rows of n_in and of n_out */
    float *answer;   /* [n_pairs][n_out] as stored */
    double power;    /* of the answers, without their noise */
};

/*
 * Pilots: a fixed pattern is shown before every `every` patterns and after the last one of a chunk.
 * arg <S, S_0> of its answer against the calibrated one is the reference's phase; patterns between
 * two pilots are turned back by the phase in between. No state is kept from call to call.
 */
struct opu_pilot {
    size_t every;  /* patterns between two pilots; 0: no pilots */
    uint8_t *bits; /* of the pattern, half of the inputs on */
    uint32_t n_on;
    size_t n_answer; /* outputs of an answer: n_out, made even; 0 without pilots */
    float *answer;   /* [n_answer] S_0 */
    float *seen;     /* [n_threads][n_answer] */
    double *phase;   /* [pilots of a chunk] */
};

struct opu_sideband;

struct opu_projection {
    struct opu_context *context;
    struct opu_device *device;
    uint64_t generation;
    size_t n_in, n_out, max_rows;
    struct opu_encoder encoder;
    double variance, saturation;
    uint32_t bits;
    const char *readout_name; /* "float" where the device has a matrix and no read-out */
    char describe[256], identity[OPU_IDENTITY_SIZE + 64];

    /* Devices of floats. */
    bool floats;
    float *staged; /* [max_rows][n_in] */

    /* Devices of frames. */
    const struct opu_readout *readout;
    const struct opu_readout_kernels *kernels;
    struct opu_layout layout;
    uint8_t *anchor; /* [frame_bytes] bits of the anchor */
    struct opu_tables tables;
    float *gain;    /* [layout.n_table] */
    float *offset;  /* [layout.n_table * 2] */
    uint32_t *pick; /* [n_out] pixel of each output, where they are picked */
    bool has_offset;
    size_t n_threads;              /* that decode */
    struct opu_sideband *sideband; /* offaxis */
    struct opu_pilot pilot;
    struct opu_patterns patterns;
    struct opu_chunk chunk;
    struct opu_probe probe;

    /* The call under way. */
    bool under_way;
    size_t rows, next, first, last; /* patterns: next to be sent; [first, last) are in the chunk */
    uint64_t number;                /* of the next frame to be sent */
};

/* --- projection.c --- */

/* Writes describe and identity anew, as when the tables have changed. */
void opu_projection_redescribe(struct opu_projection *p);

/* --- chunk.c --- */

OPU_NODISCARD int opu_chunk_create(struct opu_projection *p);
void opu_chunk_destroy(struct opu_projection *p);
/* Appends a frame; there must be room. */
void opu_chunk_add(struct opu_projection *p, const uint8_t *bits, size_t reference,
                   size_t exposure);
/* Appends the frames of one pattern [(n_in + 7) / 8 bytes], shown with the tables of a class. */
void opu_chunk_add_pattern(struct opu_projection *p, const uint8_t *pattern, size_t class_index);
/* Starts what was appended, numbered from `number`; counts go to buffer `side` (0 or 1). */
OPU_NODISCARD int opu_chunk_submit(struct opu_projection *p, uint64_t number, size_t side);
/* Waits, and sends again what was lost. The chunk is empty afterwards, its counts are in place. */
OPU_NODISCARD int opu_chunk_wait(struct opu_projection *p);
/* submit and wait with numbers from the device clock; *n frames' counts are in chunk.counts[0]. */
OPU_NODISCARD int opu_chunk_fire(struct opu_projection *p, size_t *n);

/* --- pilot.c --- */

/* Most patterns of a chunk, pilots beside them. */
size_t opu_pilot_batch(const struct opu_projection *p);
/* Frames that n patterns of one chunk take, with their pilots. */
size_t opu_pilot_frames(const struct opu_projection *p, size_t n);
/* Which of a chunk's patterns and pilots, counted together, is pattern i. */
size_t opu_pilot_place(const struct opu_pilot *pilot, size_t i);
/* Memory and the pattern, where `every` is set. */
OPU_NODISCARD int opu_pilot_create(struct opu_projection *p);
void opu_pilot_destroy(struct opu_projection *p);
/* Measures S_0 with the tables that are installed. */
OPU_NODISCARD int opu_pilot_calibrate(struct opu_projection *p);
/* Appends the pilot's frames to the chunk. */
void opu_pilot_add(struct opu_projection *p);
/* Fills phase[] from a chunk of n patterns. */
void opu_pilot_read(struct opu_projection *p, size_t n, const uint8_t *counts);
/* turn = exp(-i phase) at pattern i of n. */
void opu_pilot_turn(const struct opu_pilot *pilot, size_t i, size_t n, float turn[2]);

/* --- readout.c --- */

/* Where leakage is to be taken off: out[n_out] = -row_weight offset, and true. */
bool opu_take_offset(const struct opu_projection *p, const struct opu_answer *answer,
                     const float *offset, float *out);

/* --- calibrate.c --- */

OPU_NODISCARD int opu_calibrate(struct opu_projection *p);
/* Sets the device up as the tables say. */
OPU_NODISCARD int opu_tables_install(struct opu_projection *p);
/* Index into the tables for a pattern with n_on > 0 mirrors. */
size_t opu_class_of(const struct opu_tables *tables, uint32_t n_on);
/* Classes for up to n_in mirrors on, where a device's tables have room for all. */
uint32_t opu_class_count(size_t n_in);
/* Largest number of mirrors that class `index` serves. */
size_t opu_class_mirrors(const struct opu_projection *p, size_t index);

/* --- probe.c --- */

OPU_NODISCARD int opu_probe_create(struct opu_projection *p);
void opu_probe_destroy(struct opu_projection *p);
/* Takes the answers anew, right after a calibration. */
OPU_NODISCARD int opu_probe_store(struct opu_projection *p);

#endif
