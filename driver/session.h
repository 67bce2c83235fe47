/* SPDX-License-Identifier: MIT */
/*
 * A conversation with one device over a port: set-up, jobs, packets in flight both ways, and what
 * is done when something goes wrong. One thread, owned by the session, runs the port's events and
 * all recovery; callers queue jobs and wait.
 *
 * Each packet of frames has its answer with the same sequence number, and an IN transfer stands
 * ready for it before the packet is sent. Whatever goes wrong - a stall, a short or corrupt answer,
 * another sequence number, an answer that doesn't come by its deadline, a refusal - has one remedy:
 * all transfers are cancelled and waited for, halts are cleared, the device is flushed (which
 * starts a new epoch, so that late packets are known for what they are), and what has not been
 * answered is sent again with the same frame numbers. A device that is merely slow (its status says
 * that it works) is given time. Without progress this is tried OPU_SESSION_TRIES times, then the
 * jobs fail and the next one starts afresh. A device that was unplugged is waited for; the same
 * serial is set up again and goes on.
 */
#ifndef OPU_DRIVER_SESSION_H
#define OPU_DRIVER_SESSION_H

#include <opu/backend.h>

#include "driver/port.h"

#define OPU_SESSION_JOBS 8
#define OPU_SESSION_TRIES 5
#define OPU_SESSION_SLOTS 8 /* packets in flight at most */

struct opu_session_options {
    uint32_t answer_ms;      /* patience with a device whose status doesn't move; default 1000 */
    uint32_t replug_ms;      /* how long an unplugged device is waited for; default 5000 */
    uint32_t transfer_bytes; /* wished size of packets; default 262144 */
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

OPU_NODISCARD int opu_session_configure(struct opu_session *session,
                                        const struct opu_frame_setup *setup);
OPU_NODISCARD int opu_session_submit(struct opu_session *session, struct opu_frame_batch *batch,
                                     uint64_t *job);
OPU_NODISCARD int opu_session_wait(struct opu_session *session, uint64_t job, int timeout_ms);
int opu_session_cancel(struct opu_session *session, uint64_t job);
OPU_NODISCARD int opu_session_reset(struct opu_session *session);
OPU_NODISCARD int opu_session_state_get(struct opu_session *session, char *text, size_t n);
OPU_NODISCARD int opu_session_state_set(struct opu_session *session, const char *text);
OPU_NODISCARD int opu_session_statistics(struct opu_session *session,
                                         struct opu_wire_statistics *statistics);

/* What the session itself has seen, for tests, benches and logs. */
struct opu_session_counts {
    uint64_t packets, answers, resent_packets, recoveries, stale, replugs, events;
    size_t memory_bytes; /* of buffers */
};
void opu_session_counts(struct opu_session *session, struct opu_session_counts *counts);

#endif
