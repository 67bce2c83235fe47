/* SPDX-License-Identifier: MIT */
/*
 * A conversation with one device over a port: set-up, jobs, packets in flight both ways, and what
 * is done when something goes wrong. One thread, owned by the session, runs the port's events and
 * all recovery; callers queue jobs and wait, and while they wait check and copy what has come.
 *
 * Each packet of frames has its answer with the same sequence number, and an IN transfer stands
 * ready for it before the packet is sent. Whatever goes wrong - a stall, a short or corrupt answer,
 * another sequence number, an answer that doesn't come by its deadline, a refusal - has one remedy:
 * all transfers are cancelled and waited for, halts are cleared, the device is flushed (which
 * starts a new epoch, so that late packets are known for what they are), and what has not been
 * answered is sent again with the same frame numbers. A device that is merely slow (its status says
 * that it works) is given time. From the second failure in a row on packets go one at a time, and
 * one more with each answer. Without progress this is tried OPU_SESSION_TRIES times, then the
 * jobs fail and the next one starts afresh. A device that was unplugged is waited for; the same
 * serial is set up again and goes on. What the device refuses for a reason of its own (interlock,
 * heat, optics that failed) is not tried again: jobs fail with OPU_E_DEVICE and its sentence, and
 * the next configure resets the device whole.
 *
 * No call waits for ever. With C = OPU_SESSION_CONTROL_MS and T = OPU_SESSION_TRIES, where nothing
 * comes back from the device: a job ends within (T + 1) (answer_ms + C / 4 + 3 C) + 2 s; unplugged,
 * within replug_ms + 4 C more; a device that says that it works is believed for work_ms an answer.
 * configure ends within setup_ms + (T + 1) (setup's pieces + 4) C, the other calls within (T + 5) C
 * + 2 s, each and replug_ms more where the device was unplugged; close within 3 C. For close and
 * recovery the port must end every transfer that it was told to cancel.
 */
#ifndef OPU_DRIVER_SESSION_H
#define OPU_DRIVER_SESSION_H

#include <opu/backend.h>

#include "driver/port.h"

#define OPU_SESSION_JOBS 8
#define OPU_SESSION_TRIES 5
#define OPU_SESSION_SLOTS 8          /* packets in flight at most */
#define OPU_SESSION_CONTROL_MS 1000u /* a control request's time */

struct opu_session_options {
    uint32_t answer_ms;      /* patience with a device whose status doesn't move; default 1000 */
    uint32_t replug_ms;      /* how long an unplugged device is waited for; default 5000 */
    uint32_t transfer_bytes; /* wished size of packets; default 262144 */
    uint32_t work_ms;        /* patience, for one answer, with a device that works; 120000 */
    uint32_t setup_ms;       /* patience with a device that is being set up; 600000 */
};

struct opu_session;

/* Asks for the device's facts; starts the thread. Takes the port over, also where it fails. */
OPU_NODISCARD int opu_session_open(struct opu_session **out, struct opu_context *context,
                                   struct opu_port *port,
                                   const struct opu_session_options *options);
/* Cancels, waits for every transfer, resets the device (laser off), closes the port. NULL is fine.
 */
void opu_session_close(struct opu_session *session);

const struct opu_wire_info *opu_session_info(const struct opu_session *session);

/* Jobs must have ended. OPU_E_UNSUPPORTED: one frame is longer than the device's packets. */
OPU_NODISCARD int opu_session_configure(struct opu_session *session,
                                        const struct opu_frame_setup *setup);
/*
 * Queues a batch; its first packets may be sent by the calling thread. Its time_s, saturated and
 * status may be NULL: without status, frames that the device lost are sent again. Jobs are answered
 * in the order of submit. OPU_E_BUSY: OPU_SESSION_JOBS are there. OPU_E_INVALID: not configured.
 */
OPU_NODISCARD int opu_session_submit(struct opu_session *session, struct opu_frame_batch *batch,
                                     uint64_t *job);
/* OPU_OK, OPU_E_TIMEOUT (still under way), OPU_E_CANCELLED, OPU_E_DEVICE, OPU_E_GONE,
 * OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_session_wait(struct opu_session *session, uint64_t job, int timeout_ms);
/* The job's arrays are left alone from now on; packets of it that are under way are flushed. */
int opu_session_cancel(struct opu_session *session, uint64_t job);
/* Jobs are cancelled, the set-up is dropped, the laser is off. */
OPU_NODISCARD int opu_session_reset(struct opu_session *session);
/* Text; the latest that was got or set is what a device that was unplugged is given back. */
OPU_NODISCARD int opu_session_state_get(struct opu_session *session, char *text, size_t n);
OPU_NODISCARD int opu_session_state_set(struct opu_session *session, const char *text);
OPU_NODISCARD int opu_session_statistics(struct opu_session *session,
                                         struct opu_wire_statistics *statistics);

/* What the session itself has seen, for tests, benches and logs. */
struct opu_session_counts {
    uint64_t packets, answers, resent_packets, recoveries, stale, replugs, events;
    size_t memory_bytes;                      /* of buffers */
    uint32_t n_slots, frames_per_packet;      /* of the set-up */
    size_t packet_out_bytes, packet_in_bytes; /* the longest, each way */
};
void opu_session_counts(struct opu_session *session, struct opu_session_counts *counts);

#endif
