/* SPDX-License-Identifier: MIT */
/*
 * What the firmware's files share. fw.c: life; fw_verbs.c: verbs; fw_control.c: requests;
 * fw_setup.c: a set-up out of its pieces; fw_work.c: what is done with the optics; fw_light.c:
 * laser, interlock, temperature, events.
 *
 * Packets and answers lie in slots of two pools. Who takes a slot owns it until it gives it back,
 * so that bytes are copied, and written by the optics, without the lock; a flush empties the queues
 * and leaves owned slots alone. Functions marked (locked) are called with the lock held.
 */
#ifndef OPU_FIRMWARE_FW_INTERNAL_H
#define OPU_FIRMWARE_FW_INTERNAL_H

#include "driver/firmware/fw.h"

/* As enum opu_status and enum opu_capability of the host; optics_device.c holds them together. */
enum { OPU_FW_E_INVALID = -1, OPU_FW_E_FORMAT = -6, OPU_FW_E_UNSUPPORTED = -7 };
enum {
    OPU_FW_CAP_REFERENCE = 1 << 2,
    OPU_FW_CAP_LEVELS = 1 << 3,
    OPU_FW_CAP_REGION = 1 << 4,
    OPU_FW_CAP_CARRIER = 1 << 7
};

#define OPU_FW_VERSION 0x000100u /* 0.1.0 */
#define OPU_FW_LOOK_US 40000u    /* between two looks at interlock and temperature */
#define OPU_FW_PIECES ((OPU_WIRE_SETUP_MAX + OPU_WIRE_PIECE_BYTES - 1) / OPU_WIRE_PIECE_BYTES)
#define OPU_FW_NO_SLOT UINT32_MAX

#if defined(__GNUC__)
#define OPU_FW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define OPU_FW_PRINTF(fmt, args)
#endif

/* The slot given back last is taken first: it is still in the cache. */
struct opu_fw_pool {
    uint8_t *memory;
    size_t each;
    uint32_t *free;
    uint32_t n_free;
};

struct opu_fw_packet {
    struct opu_wire_header header;
    uint32_t slot; /* holds the payload */
    uint32_t code; /* enum opu_wire_refusal where it was not taken: to be said in its turn */
};

struct opu_fw_answer {
    uint32_t slot;
    size_t bytes, sent;
};

/* A set-up with room for its tables. */
struct opu_fw_setup {
    struct opu_wire_setup setup;
    double *exposures_us;
    struct opu_wire_reference *references;
};

struct opu_fw {
    struct opu_fw_options options;
    struct opu_wire_info info;
    uint32_t max_frames; /* of a sequence */

    /* Queues; rings of `room` entries. */
    struct opu_fw_pool packets, answers;
    uint32_t room;
    struct opu_fw_packet *waiting;
    uint32_t first_waiting, n_waiting;
    struct opu_fw_answer *done;
    uint32_t first_done, n_done;
    struct opu_fw_answer sending; /* what is left of an answer for which there was no room */
    uint32_t epoch, next;
    bool standing; /* a packet was refused: no more are taken, ... */
    bool halted;   /* ... and, once that is said, worked off */
    bool working;  /* a packet is */

    /* Set-up. */
    uint8_t *block;
    uint16_t piece_bytes[OPU_FW_PIECES]; /* 0: not there */
    struct opu_fw_setup staged;          /* by requests */
    struct opu_fw_setup active;          /* of the work alone */
    uint32_t staged_number, number;      /* number 0: none is in force */
    uint32_t generation;                 /* moves whenever the set-up in force may have changed */
    bool setup_wanted, calibration_wanted, busy, failed;
    int32_t result;

    /* Light. */
    bool laser, dark_wanted, look_wanted;
    bool dark_owed;     /* it could not be switched off */
    bool open, latched; /* the interlock is; has been */
    bool hot, silent;
    double temperature_c;
    uint64_t heard_us, looked_us, laser_on_us;

    struct opu_wire_event events[OPU_FW_EVENTS];
    uint32_t first_event, n_events, next_event;

    uint64_t frames;
    struct opu_wire_statistics statistics;
    char message[OPU_WIRE_TEXT_BYTES];
    uint8_t wrap[OPU_WIRE_CONTROL_BYTES];
    struct opu_optics_frame *sequence; /* [max_frames], of the work alone */
    bool ready_due, wake_due;
};

/* fw.c */
void opu_fw_lock(struct opu_fw *fw);
void opu_fw_unlock(struct opu_fw *fw);
/* Unlocks and tells the platform what is due. */
void opu_fw_leave(struct opu_fw *fw);
uint64_t opu_fw_now_us(const struct opu_fw *fw);
/* Leaves a sentence for MESSAGE. (locked) */
void opu_fw_say(struct opu_fw *fw, const char *format, ...) OPU_FW_PRINTF(2, 3);
uint32_t opu_fw_take(struct opu_fw_pool *pool); /* (locked); OPU_FW_NO_SLOT: none is free */
void opu_fw_give(struct opu_fw_pool *pool, uint32_t slot); /* (locked); OPU_FW_NO_SLOT is fine */
uint8_t *opu_fw_slot(const struct opu_fw_pool *pool, uint32_t slot);
void opu_fw_flush(struct opu_fw *fw); /* (locked) */

/* fw_control.c: the verb. */
int opu_fw_control(void *self, const struct opu_fn_setup *setup, uint8_t *data);

/* fw_setup.c; 0 or OPU_FW_E_..., having said why. (locked) */
int opu_fw_piece(struct opu_fw *fw, uint16_t i, const uint8_t *from, size_t n);
int opu_fw_commit(struct opu_fw *fw, const struct opu_wire_commit *commit);

/* fw_light.c (locked); those of the work unlock while they talk to the optics. */
void opu_fw_event(struct opu_fw *fw, enum opu_wire_event_kind kind, uint32_t value, uint64_t frame);
/* The host has given a sign: a request, a packet that was taken, an answer that it fetched. What a
 * port asks again on its own is none. */
void opu_fw_heard(struct opu_fw *fw);
bool opu_fw_silence(struct opu_fw *fw); /* whether it has given none for too long */
bool opu_fw_look_due(const struct opu_fw *fw);
bool opu_fw_darken(struct opu_fw *fw); /* if it is wanted; false: nothing to do */
bool opu_fw_look(struct opu_fw *fw);   /* whether the laser may shine */
int opu_fw_shine(struct opu_fw *fw);
double opu_fw_laser_s(const struct opu_fw *fw);

#endif
