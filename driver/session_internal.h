/* SPDX-License-Identifier: MIT */
/*
 * The session's insides. One lock guards all that is not marked as the event thread's own; it is
 * never held while the port's submit, handle, control, clear_halt or reopen run, while packets are
 * packed or answers copied, nor while a sink of the log is called. done() takes it. Lock order: the
 * session's, then whatever the port has.
 *
 * Whoever packs and submits is the one who does (`filling`), and so is whoever checks and copies
 * (`taking`): what these two touch without the lock - the ring's ends, callers' arrays, epoch,
 * set-up and shape - is changed by others only after opu_session_settle(). The event thread fills;
 * a caller who waits takes, so that the two go side by side, and the event thread where none waits.
 */
#ifndef OPU_DRIVER_SESSION_INTERNAL_H
#define OPU_DRIVER_SESSION_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "driver/session.h"

#define OPU_SESSION_SENTENCE 512
#define OPU_SESSION_EVENTS 16

/* What keeps packets from being sent; a worse one takes the place of a lesser. */
enum opu_trouble {
    OPU_TROUBLE_NONE = 0,
    OPU_TROUBLE_FLUSH,   /* the device holds packets that nobody wants, or jobs have failed */
    OPU_TROUBLE_ANSWER,  /* something went wrong that is worth another try */
    OPU_TROUBLE_REFUSED, /* the device will not, for a reason of its own */
    OPU_TROUBLE_GONE     /* unplugged */
};

/* A packet and its answer. */
struct opu_slot {
    struct opu_session *session;
    struct opu_port_transfer out, in;
    bool out_live, in_live;
    bool came; /* the answer is there, and not taken yet */
    bool prepared_out, prepared_in;
    uint64_t job; /* id */
    size_t first, n;
    uint32_t sequence;
};

struct opu_session_job {
    uint64_t id; /* 0: free */
    struct opu_frame_batch batch;
    size_t sent, answered; /* frames, from the first on */
    bool ended;
    int status;
    char sentence[OPU_SESSION_SENTENCE];
};

/* Work that the event thread does for a caller. */
struct opu_session_command {
    int (*run)(struct opu_session *session, void *arg); /* without the lock */
    void *arg;
    bool done;
    int status;
    char sentence[OPU_SESSION_SENTENCE];
};

/* Sizes of the set-up in force. */
struct opu_session_shape {
    uint32_t n_inputs, n_pixels, bits;
    size_t frame_bytes, row_bytes;  /* of a pattern, of a frame's counts */
    size_t per_packet;              /* frames */
    size_t out_bytes, answer_bytes; /* of the longest packet and its answer */
    size_t in_bytes;                /* room for that: a multiple of the endpoint's packet */
    uint32_t n_slots;
};

struct opu_session {
    struct opu_context *context;
    struct opu_port *port;
    char name[64]; /* of the port when it was opened: it may be another after a replug */
    struct opu_session_options options;
    struct opu_wire_info info;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job ended, a command was done */
    pthread_t thread;
    bool has_lock, has_cond, has_thread;
    atomic_bool closing;

    /* The event thread's own (opener's before there is one, closer's after). */
    uint8_t *block; /* the set-up's, OPU_WIRE_SETUP_MAX bytes; block_bytes 0: none */
    size_t block_bytes;
    struct opu_session_shape wanted; /* of the block */
    char state[OPU_WIRE_STATE_BYTES + 1];
    bool stranger; /* opened again, and not yet known for the same device */
    bool happened; /* some done() has run */
    uint8_t control[OPU_WIRE_CONTROL_BYTES];
    struct opu_port_transfer event;
    bool event_prepared;
    struct opu_wire_event seen[OPU_SESSION_EVENTS]; /* to be logged */
    size_t n_seen;

    /* Under the lock. */
    bool event_live, event_halted;
    uint64_t event_retry_us; /* 0: it runs */
    struct opu_session_command *command;
    struct opu_session_job jobs[OPU_SESSION_JOBS];
    uint64_t last_job;
    struct opu_slot slots[OPU_SESSION_SLOTS];
    struct opu_session_shape shape;
    uint32_t n_slots;
    uint32_t n_room;   /* of these, as memory allows */
    uint32_t n_usable; /* of those, as things go: one after failures, one more with each answer */
    uint32_t head, count;    /* packets sent and not answered, a ring of slots */
    struct opu_slot *unsent; /* its IN is under way, for its OUT there was no memory yet */
    uint32_t live;           /* transfers of slots under way */
    bool filling, refill;    /* somebody is at it; there may be more to send than he saw */
    bool taking;             /* somebody is at it */
    uint32_t settling;       /* who want neither */
    uint32_t waiters;        /* callers in wait() with nothing to do */
    atomic_uint beat;        /* changes with whatever they may be waiting for; without the lock */
    bool configured, halted, draining;
    bool event_stopped;
    bool absent;  /* given up: looked for once by each call that wants it */
    bool suspect; /* refused work: the next set-up begins with a whole reset */
    enum opu_trouble trouble;
    char sentence[OPU_SESSION_SENTENCE]; /* of the trouble */
    int tries;
    uint32_t setup, epoch, sequence; /* of the packets sent; sequence: of the next one */
    uint64_t next_poll_us, motion_us, answer_us;
    struct opu_wire_status polled;
    uint64_t wait_until_us; /* the caller's deadline, for a virtual clock; UINT64_MAX: none */
    struct opu_session_counts counts;
};

/* ---- session.c ---- */

uint64_t opu_session_now(struct opu_session *s);
/* Without the lock, event thread: time passes, events are handled. */
void opu_session_doze(struct opu_session *s, uint64_t us);
/* One round of the port's events, `until` at the latest (UINT64_MAX: none); logs what was seen. */
void opu_session_pump(struct opu_session *s, uint64_t until);
/* Between two questions to a device whose answer has not come. */
uint64_t opu_session_poll_us(const struct opu_session *s);
/* With the lock: notes trouble, unless there is worse already; the sentence is kept. */
void opu_session_trouble(struct opu_session *s, enum opu_trouble trouble, const char *format, ...)
    OPU_PRINTF(3, 4);

/* ---- session_setup.c: control requests. Without the lock. OPU_E_GONE, OPU_E_IO (worth another
 * try), OPU_E_DEVICE (refused) or what the device's result says. ---- */

OPU_NODISCARD int opu_session_tell(struct opu_session *s, uint8_t request, uint16_t value,
                                   const uint8_t *data, size_t n);
/* Into s->control; returns bytes. */
OPU_NODISCARD int opu_session_ask(struct opu_session *s, uint8_t request);
OPU_NODISCARD int opu_session_ask_status(struct opu_session *s, struct opu_wire_status *status);
/* The device's own sentence for `status`, and what we were about. */
int opu_session_refusal(struct opu_session *s, int status, const char *about);
/* RESET WHOLE, INFO; known: it must be the device of before, or OPU_E_NOT_FOUND. */
OPU_NODISCARD int opu_session_greet(struct opu_session *s, bool known);
/* Sends the set-up if there is one, the state if that is wanted, makes the slots. */
OPU_NODISCARD int opu_session_restore(struct opu_session *s, bool state);
/* ---- session_slots.c ---- */

/* Sizes for a set-up. */
OPU_NODISCARD int opu_session_plan(const struct opu_session *s, struct opu_session_shape *shape,
                                   const struct opu_frame_setup *setup);
/* With the lock. Slots of the shape that is wanted; those that are there may do. */
OPU_NODISCARD int opu_session_slots_create(struct opu_session *s);
void opu_session_slots_destroy(struct opu_session *s);
/* With the lock: the event transfer is under way, where that is possible. */
void opu_session_event_start(struct opu_session *s);
void opu_session_event_free(struct opu_session *s);

/* ---- session_jobs.c: with the lock ---- */

/* The event thread: sends what there is room for. Lets go of the lock meanwhile. */
void opu_session_fill(struct opu_session *s);
/* A caller: sees to it that two packets are under way; with the first answer the event thread comes
 * for the rest. */
void opu_session_start(struct opu_session *s);
/* Until nobody fills or takes; lets go of the lock. */
void opu_session_settle(struct opu_session *s);
struct opu_session_job *opu_session_find(struct opu_session *s, uint64_t id); /* NULL: none */
void opu_session_end_job(struct opu_session *s, struct opu_session_job *job, int status,
                         const char *sentence);
bool opu_session_active(const struct opu_session *s);
/* Every job under way ends so. */
void opu_session_fail_jobs(struct opu_session *s, int status, const char *sentence);
/* What was sent and not answered is to be sent again. */
void opu_session_rewind(struct opu_session *s);

/* ---- session_answers.c ---- */

/* With the lock, let go of meanwhile: the oldest answer, if it has come. false: none was taken. */
bool opu_session_take(struct opu_session *s);
/* With the lock: callers look again. */
void opu_session_tell_callers(struct opu_session *s);
/* With the lock: answers are there for somebody to take. */
bool opu_session_has_answer(const struct opu_session *s);
/* With the lock, event thread: takes what no caller will. */
void opu_session_take_all(struct opu_session *s);
/* They take the lock. */
void opu_session_out_done(struct opu_port_transfer *transfer);
void opu_session_in_done(struct opu_port_transfer *transfer);

/* ---- session_recover.c: event thread, with the lock, which is let go of meanwhile ---- */

/* Every transfer is cancelled, and its done() has run. */
void opu_session_drain(struct opu_session *s, bool event_too);
void opu_session_recover(struct opu_session *s);
/* Asks how the device is, whose answer has not come for a while. */
void opu_session_watch(struct opu_session *s);

#endif
