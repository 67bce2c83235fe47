/* SPDX-License-Identifier: MIT */
/*
 * What a session does when something has gone wrong, in the event thread and never inside a done().
 * One attempt a call: the event loop comes back while there is trouble and somebody cares.
 */
#include "driver/session_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

#define RECANCEL_US 100000u /* a cancel that came to nothing is said again */
#define PAUSE_US 20000u     /* before the second attempt in a row; doubled each time */
#define REOPEN_US 50000u    /* between two looks for a device that was unplugged */

static void keep(char to[OPU_SESSION_SENTENCE], const char *from)
{
    (void)snprintf(to, OPU_SESSION_SENTENCE, "%s", from);
}

/* Nothing may start any more; `cancel` may come to late, and then its transfer has ended anyhow. */
static void cancel_all(struct opu_session *s, bool event_too)
{
    const struct opu_port_ops *const ops = s->port->ops;
    for (size_t i = 0; i < OPU_SESSION_SLOTS; i++) {
        if (s->slots[i].out_live) {
            ops->cancel(s->port, &s->slots[i].out);
        }
        if (s->slots[i].in_live) {
            ops->cancel(s->port, &s->slots[i].in);
        }
    }
    if (event_too && s->event_live) {
        ops->cancel(s->port, &s->event);
    }
}

void opu_session_drain(struct opu_session *s, bool event_too)
{
    s->draining = true;
    s->event_stopped = s->event_stopped || event_too;
    opu_session_settle(s);
    cancel_all(s, event_too);
    uint64_t again = opu_session_now(s) + RECANCEL_US;
    while (s->live > 0 || (event_too && s->event_live)) {
        (void)pthread_mutex_unlock(&s->lock);
        opu_session_pump(s, again);
        (void)pthread_mutex_lock(&s->lock);
        if (opu_session_now(s) >= again) {
            cancel_all(s, event_too);
            again = opu_session_now(s) + RECANCEL_US;
        }
    }
    opu_session_settle(s);
    opu_session_take_all(s);
    s->draining = false;
}

/* ---- The device is there ---- */

/* An endpoint that can't be cleared says so again when it is used; only absence matters here. */
static int clear_halts(struct opu_session *s)
{
    static const enum opu_port_end ends[] = {OPU_PORT_OUT, OPU_PORT_IN};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (s->port->ops->clear_halt(s->port, ends[i]) == OPU_PORT_GONE) {
            return opu_fail(OPU_E_GONE, "%s: was unplugged", s->name);
        }
    }
    return OPU_OK;
}

/* Without the lock: both ends know of no packet any more, and agree on what comes next. */
static int flush(struct opu_session *s)
{
    struct opu_wire_status status;
    /* Halts are cleared with the bus's own patience, seconds an endpoint: not where nobody is. */
    OPU_TRY(opu_session_ask_status(s, &status));
    OPU_TRY(clear_halts(s));
    if (s->stranger) {
        OPU_TRY(opu_session_greet(s, true));
        return opu_session_restore(s, true);
    }
    OPU_TRY(opu_session_tell(s, OPU_WIRE_RESET, OPU_WIRE_FLUSH, NULL, 0));
    OPU_TRY(opu_session_ask_status(s, &status));
    if (status.state == OPU_WIRE_FAULT) {
        return opu_session_refusal(s, OPU_E_DEVICE, "to go on");
    }
    bool const set = status.state == OPU_WIRE_READY && status.setup == s->setup && s->n_slots > 0;
    if (s->block_bytes > 0 && !set) {
        return opu_session_restore(s, true);
    }
    (void)pthread_mutex_lock(&s->lock);
    s->epoch = status.epoch;
    s->sequence = status.next;
    s->n_room = s->n_slots;
    (void)pthread_mutex_unlock(&s->lock);
    return OPU_OK;
}

/* ---- The device is not there ---- */

/* Without the lock. OPU_E_GONE: it is not coming back; OPU_E_IO: it is there, and doesn't answer.
 */
static int come_back(struct opu_session *s, bool once)
{
    struct opu_port *const port = s->port;
    uint64_t const deadline =
        opu_session_now(s) + (once ? 0 : (uint64_t)s->options.replug_ms * 1000u);
    opu_context_log(s->context, OPU_LOG_WARNING, "usb", "%s: serial %s was unplugged", s->name,
                    s->info.serial);
    for (;;) {
        int const opened = port->ops->reopen(port);
        if (opened == OPU_PORT_OK) {
            s->stranger = true;
            int status = opu_session_greet(s, true);
            status = status < 0 ? status : opu_session_restore(s, true);
            if (status != OPU_E_GONE) {
                return status;
            }
        } else if (opened != OPU_PORT_GONE) {
            return opu_fail(OPU_E_GONE, "%.400s", opu_error_message());
        }
        if (opu_session_now(s) >= deadline || atomic_load(&s->closing)) {
            return opu_fail(OPU_E_GONE, "%s: serial %s was unplugged, and %s", s->name,
                            s->info.serial, once ? "is not back" : "did not come back in time");
        }
        opu_session_doze(s, REOPEN_US);
    }
}

/* ---- One attempt ---- */

static void give_up(struct opu_session *s, int status, const char *sentence, enum opu_trouble left)
{
    opu_session_fail_jobs(s, status, sentence);
    opu_session_trouble(s, left, "%s", sentence);
    s->tries = 0;
}

/* Tries used up: false, and the jobs have failed. */
static bool try_again(struct opu_session *s, enum opu_trouble trouble)
{
    s->counts.recoveries++;
    s->tries++;
    if (s->tries > OPU_SESSION_TRIES && opu_session_active(s)) {
        char why[OPU_SESSION_SENTENCE], sentence[2 * OPU_SESSION_SENTENCE];
        keep(why, s->sentence);
        (void)snprintf(sentence, sizeof sentence, "%s: no progress in %d tries; the last time: %s",
                       s->name, OPU_SESSION_TRIES, why);
        s->trouble = OPU_TROUBLE_NONE;
        give_up(s, trouble == OPU_TROUBLE_GONE ? OPU_E_GONE : OPU_E_DEVICE, sentence,
                trouble == OPU_TROUBLE_GONE ? OPU_TROUBLE_GONE : OPU_TROUBLE_FLUSH);
        return false;
    }
    return true;
}

static void unlocked_pause(struct opu_session *s)
{
    int const k = s->tries - 2;
    (void)pthread_mutex_unlock(&s->lock);
    if (k >= 0) {
        opu_session_doze(s, (uint64_t)PAUSE_US << (k < 6 ? k : 6));
    }
}

/* How an attempt has ended, with the lock again. */
static void conclude(struct opu_session *s, enum opu_trouble trouble, int status)
{
    char sentence[OPU_SESSION_SENTENCE];
    keep(sentence, status < 0 ? opu_error_message() : "");
    if (status == OPU_OK) {
        s->halted = false;
        s->tries = opu_session_active(s) ? s->tries : 0; /* what has no job makes no progress */
        s->n_usable = s->tries > 1 ? 1 : s->n_room;
        if (trouble == OPU_TROUBLE_GONE) {
            s->absent = false;
            s->counts.replugs++;
        }
        s->event_stopped = false;
        opu_session_event_start(s);
        opu_session_fill(s);
    } else if (status == OPU_E_GONE && trouble != OPU_TROUBLE_GONE) {
        opu_session_trouble(s, OPU_TROUBLE_GONE, "%s", sentence);
    } else if (status == OPU_E_GONE || status == OPU_E_NOT_FOUND) {
        s->absent = true;
        give_up(s, OPU_E_GONE, sentence, OPU_TROUBLE_GONE);
    } else if (status == OPU_E_IO) {
        s->absent = false;
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "%s", sentence);
    } else {
        s->absent = false;
        s->suspect = true;
        give_up(s, status, sentence, OPU_TROUBLE_FLUSH);
    }
}

void opu_session_recover(struct opu_session *s)
{
    bool const gone = s->trouble == OPU_TROUBLE_GONE;
    s->halted = true;
    opu_session_drain(s, gone);
    opu_session_rewind(s);
    enum opu_trouble const trouble = s->trouble;
    if (atomic_load(&s->closing) || (trouble == OPU_TROUBLE_GONE && !gone)) {
        return; /* the loop ends, or comes back for the worse trouble */
    }
    if (trouble == OPU_TROUBLE_REFUSED) {
        char reason[OPU_SESSION_SENTENCE];
        keep(reason, s->sentence);
        (void)pthread_mutex_unlock(&s->lock);
        (void)opu_session_refusal(s, OPU_E_DEVICE, "packets");
        (void)pthread_mutex_lock(&s->lock);
        s->suspect = true;
        s->trouble = s->trouble == trouble ? OPU_TROUBLE_NONE : s->trouble;
        give_up(s, OPU_E_DEVICE, opu_error_message(), OPU_TROUBLE_FLUSH);
        return;
    }
    if (trouble != OPU_TROUBLE_FLUSH && !try_again(s, trouble)) {
        return;
    }
    char why[OPU_SESSION_SENTENCE];
    keep(why, s->sentence);
    s->trouble = OPU_TROUBLE_NONE;
    bool const once = s->absent;
    if (gone) {
        opu_session_slots_destroy(s);
        opu_session_event_free(s);
    }
    unlocked_pause(s);
    if (trouble == OPU_TROUBLE_ANSWER) {
        opu_context_log(s->context, OPU_LOG_INFO, "usb", "%s: %s; trying again", s->name, why);
    }
    int const status = gone ? come_back(s, once) : flush(s);
    if (gone && status == OPU_OK) {
        opu_context_log(s->context, OPU_LOG_WARNING, "usb", "%s: serial %s is back, at %s", s->name,
                        s->info.serial, s->port->name);
    }
    (void)pthread_mutex_lock(&s->lock);
    conclude(s, trouble, status);
}

/* ---- Patience ---- */

static bool moves(const struct opu_wire_status *a, const struct opu_wire_status *b)
{
    return a->frames != b->frames || a->queued != b->queued || a->answers != b->answers ||
           a->next != b->next;
}

/* With the lock, answers having not come meanwhile. */
static void judge(struct opu_session *s, const struct opu_wire_status *status)
{
    uint64_t const now = opu_session_now(s);
    if (status->state == OPU_WIRE_FAULT) {
        opu_session_trouble(s, OPU_TROUBLE_REFUSED, "the device is at fault");
        return;
    }
    if (status->epoch != s->epoch || status->setup != s->setup) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "the device has forgotten its set-up");
        return;
    }
    if (moves(status, &s->polled) || (status->queued > 0 && status->answers == 0)) {
        s->motion_us = now;
    }
    s->polled = *status;
    if (now - s->motion_us >= (uint64_t)s->options.answer_ms * 1000u) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER,
                            "no answer within %u ms (the device has %u packets, %u answers)",
                            s->options.answer_ms, status->queued, status->answers);
    } else if (now - s->answer_us >= (uint64_t)s->options.work_ms * 1000u) {
        opu_session_trouble(s, OPU_TROUBLE_ANSWER, "at work for %u ms on one packet",
                            s->options.work_ms);
    }
}

void opu_session_watch(struct opu_session *s)
{
    struct opu_wire_status status;
    uint64_t const answers = s->counts.answers;
    (void)pthread_mutex_unlock(&s->lock);
    int const asked = opu_session_ask_status(s, &status);
    (void)pthread_mutex_lock(&s->lock);
    s->next_poll_us = opu_session_now(s) + opu_session_poll_us(s);
    if (s->trouble != OPU_TROUBLE_NONE || s->count == 0) {
        return;
    }
    if (asked < 0) {
        opu_session_trouble(s, asked == OPU_E_GONE ? OPU_TROUBLE_GONE : OPU_TROUBLE_ANSWER, "%s",
                            opu_error_message());
    } else if (s->counts.answers == answers) {
        judge(s, &status);
    }
}
