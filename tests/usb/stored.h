/* SPDX-License-Identifier: MIT */
/*
 * For benches: optics that show stored counts at once, and a function that answers packets by the
 * answers that a board has given to the same packets before, so that next to nothing but the host
 * is timed.
 */
#ifndef OPU_TESTS_USB_STORED_H
#define OPU_TESTS_USB_STORED_H

#include "driver/firmware/fw.h"

#define STORED_ANSWERS 128
#define STORED_WAITING 64

/* Optics of 12 bits at most, 8 by default, `rate_hz` frames a second by their facts. */
struct opu_optics stored_optics(double rate_hz);

struct stored_answer {
    uint64_t number; /* of the first frame */
    uint32_t n_frames;
    uint8_t *bytes;
    size_t n;
    uint8_t *packet; /* that it answers */
    size_t n_packet;
};

struct stored {
    struct opu_function inner;
    bool on;                   /* else what passes is stored */
    void (*ready)(void *user); /* answers wait */
    void *user;
    struct stored_answer answers[STORED_ANSWERS];
    size_t n_answers;
    /* Packets that have come: which answer, and the header's numbers. */
    struct stored_waiting {
        const struct stored_answer *answer;
        uint32_t epoch, sequence, setup;
        uint64_t number;
        uint32_t n_frames;
        uint8_t *packet;
        size_t n_packet;
    } waiting[STORED_WAITING];
    size_t first, n_waiting;
};

struct opu_function stored_function(struct stored *stored, struct opu_function inner);
void stored_free(struct stored *stored);
/* From now on answers are those stored. */
void stored_switch(struct stored *stored);

#endif
