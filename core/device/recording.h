/* SPDX-License-Identifier: MIT */
/*
 * Recordings: what a device of frames was asked and what it answered, in a file that is only ever
 * appended to, so that a run which is killed leaves all that it had. Little endian:
 *
 *   "OPUREC1\n", then records: u32 kind, u32 CRC-32 of the payload, u64 bytes of the payload,
 *   payload, zeros up to a multiple of 8
 *
 *   HEAD    the device's facts (a table of u64 and double), its URI, its identity
 *   SETUP   what opu_device_configure() was given
 *   FRAMES  a batch: u64 n, u64 number[n], double time_s[n], u32 saturated[n], i32 status[n],
 *           u16 reference[n], u16 exposure[n], bits[n][], counts[n][]
 */
#ifndef OPU_CORE_RECORDING_H
#define OPU_CORE_RECORDING_H

#include <opu/backend.h>

#include <stdio.h>

enum opu_recording_kind {
    OPU_RECORDING_HEAD = 1,
    OPU_RECORDING_SETUP = 2,
    OPU_RECORDING_FRAMES = 3
};

#define OPU_RECORDING_TABLE_MAX 65536 /* exposures, references: 16-bit indices */

/* Bytes of a row of bits and of a row of counts. */
struct opu_recording_rows {
    size_t bits, counts;
};

struct opu_recording_rows opu_recording_rows(const struct opu_frame_setup *setup);

/* Writing. Each function appends one whole record and hands it to the system; OPU_E_IO says why it
 * could not. A file that exists is refused. */
OPU_NODISCARD int opu_recording_create(FILE **out, const char *path, const struct opu_caps *caps,
                                       const char *uri, const char *identity);
OPU_NODISCARD int opu_recording_add_setup(FILE *file, const char *path,
                                          const struct opu_frame_setup *setup);
/* batch: no array may be NULL. */
OPU_NODISCARD int opu_recording_add_frames(FILE *file, const char *path,
                                           const struct opu_recording_rows *rows,
                                           const struct opu_frame_batch *batch);

/* Reading. */
struct opu_recording {
    struct opu_context *context;
    char path[OPU_OPTION_TEXT_SIZE];
    const uint8_t *bytes; /* the file, mapped */
    size_t n;
    size_t at; /* where the next record begins */
    struct opu_caps caps;
    char uri[1024], identity[256];
};

struct opu_record {
    uint32_t kind; /* 0: the end */
    const uint8_t *payload;
    size_t n;
};

/* Frames of one record; pointers into the file, of any alignment. */
struct opu_recorded_frames {
    size_t n;
    const uint8_t *number, *time_s, *saturated, *status, *reference, *exposure, *bits, *counts;
};

/* A file that ends within a record is read up to there, with a warning in the log. OPU_E_NOT_FOUND,
 * OPU_E_IO, OPU_E_FORMAT. */
OPU_NODISCARD int opu_recording_open(struct opu_recording *recording, struct opu_context *context,
                                     const char *path);
void opu_recording_close(struct opu_recording *recording);
/* The next record, CRC checked; kind 0 at the end. OPU_E_FORMAT. */
OPU_NODISCARD int opu_recording_next(struct opu_recording *recording, struct opu_record *record);
/* Whether a SETUP record says the same; where not, `what` tells which value, seen and recorded. */
bool opu_recording_same_setup(const struct opu_record *record, const struct opu_frame_setup *setup,
                              char what[160]);
OPU_NODISCARD int opu_recording_frames(struct opu_recorded_frames *frames,
                                       const struct opu_recording *recording,
                                       const struct opu_record *record,
                                       const struct opu_recording_rows *rows);

#endif
