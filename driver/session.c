/* SPDX-License-Identifier: MIT */
/* A session's life: opening, the event thread, waiting, and what callers have it do for them. */
#include "driver/session_internal.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define ROUND_US 250000u /* a caller's submit may have set a deadline meanwhile */

/* ---- Clock and events ---- */

uint64_t opu_session_now(struct opu_session *s)
{
    return s->port->ops->now_us(s->port);
}

uint64_t opu_session_poll_us(const struct opu_session *s)
{
    uint64_t const quarter = (uint64_t)s->options.answer_ms * 250u;
    return quarter < ROUND_US ? quarter : ROUND_US;
}

void opu_session_trouble(struct opu_session *s, enum opu_trouble trouble, const char *format, ...)
{
    if (trouble <= s->trouble) {
        return;
    }
    s->trouble = trouble;
    va_list args;
    va_start(args, format);
    if (vsnprintf(s->sentence, sizeof s->sentence, format, args) < 0) {
        s->sentence[0] = '\0';
    }
    va_end(args);
}

/* What an event says, and the value's meaning where it is no plain number. */
static void tell_event(char *to, size_t n, const struct opu_wire_event *event)
{
    bool const open = event->value != 0;
    switch (event->kind) {
    case OPU_WIRE_OVER_EXPOSURE:
        (void)snprintf(to, n, "over-exposed: %u pixels at full scale", event->value);
        break;
    case OPU_WIRE_OVER_TEMPERATURE:
        if (event->value == OPU_WIRE_NO_TEMPERATURE) {
            (void)snprintf(to, n, "its temperature can't be read any more");
        } else {
            (void)snprintf(to, n, "too hot: %.1f degrees C", event->value / 10.0);
        }
        break;
    case OPU_WIRE_INTERLOCK:
        (void)snprintf(to, n, "the interlock is %s", open ? "open" : "closed");
        break;
    case OPU_WIRE_TRIGGER_LOST:
        (void)snprintf(to, n, "a trigger was lost");
        break;
    default:
        (void)snprintf(to, n, "an event of kind %u, which is unknown here, value %u", event->kind,
                       event->value);
    }
}

static void log_event(struct opu_session *s, const struct opu_wire_event *event)
{
    char text[96];
    bool const grave =
        event->kind == OPU_WIRE_OVER_TEMPERATURE || event->kind == OPU_WIRE_INTERLOCK;
    tell_event(text, sizeof text, event);
    opu_context_log(s->context, grave ? OPU_LOG_WARNING : OPU_LOG_DEBUG, "usb",
                    "%s: frame %llu: %s", s->name, (unsigned long long)event->frame, text);
}

void opu_session_pump(struct opu_session *s, uint64_t until)
{
    const struct opu_port_ops *const ops = s->port->ops;
    uint64_t const now = opu_session_now(s);
    s->happened = false;
    ops->handle(s->port, until == UINT64_MAX ? UINT64_MAX : until > now ? until - now : 0);
    if (!s->happened && ops->idle != NULL && until != UINT64_MAX && opu_session_now(s) < until) {
        ops->idle(s->port, until);
    }
    for (size_t i = 0; i < s->n_seen; i++) {
        log_event(s, &s->seen[i]);
    }
    s->n_seen = 0;
}

void opu_session_doze(struct opu_session *s, uint64_t us)
{
    uint64_t const until = opu_session_now(s) + us;
    do {
        opu_session_pump(s, until);
    } while (opu_session_now(s) < until && !atomic_load(&s->closing));
}

/* ---- The event thread ---- */

/* With the lock, let go of meanwhile. */
static void run_command(struct opu_session *s)
{
    struct opu_session_command *const command = s->command;
    for (int k = 0;; k++) {
        if (s->trouble == OPU_TROUBLE_GONE) {
            opu_session_recover(s);
        }
        bool const gone = s->trouble == OPU_TROUBLE_GONE;
        (void)pthread_mutex_unlock(&s->lock);
        command->status =
            gone ? opu_fail(OPU_E_GONE, "%s", s->sentence) : command->run(s, command->arg);
        bool const again = command->status == OPU_E_IO && k < OPU_SESSION_TRIES;
        if (again && !atomic_load(&s->closing)) {
            opu_session_doze(s, UINT64_C(10000) << k);
        }
        (void)pthread_mutex_lock(&s->lock);
        if (command->status == OPU_E_GONE && !gone && k < OPU_SESSION_TRIES) {
            opu_session_trouble(s, OPU_TROUBLE_GONE, "%s", opu_error_message());
        } else if (!again) {
            break;
        }
    }
    (void)snprintf(command->sentence, sizeof command->sentence, "%s",
                   command->status < 0 ? opu_error_message() : "");
    command->done = true;
    s->command = NULL;
    (void)pthread_cond_broadcast(&s->changed);
}

/* Trouble can wait where nobody has a job under way, but not transfers that nobody wants. A
 * caller's command comes before another try for his jobs: he would wait for all of them. */
static bool wants_recovery(const struct opu_session *s)
{
    if (s->command != NULL &&
        (s->trouble == OPU_TROUBLE_ANSWER || s->trouble == OPU_TROUBLE_GONE)) {
        return false;
    }
    return s->trouble != OPU_TROUBLE_NONE &&
           (s->live > 0 || opu_session_active(s) || (s->trouble == OPU_TROUBLE_GONE && !s->absent));
}

static uint64_t next_deadline(struct opu_session *s)
{
    uint64_t next = s->wait_until_us;
    if (s->count > 0 && s->next_poll_us < next) {
        next = s->next_poll_us;
    }
    if (s->event_retry_us != 0 && !s->event_stopped && s->event_retry_us < next) {
        next = s->event_retry_us;
    }
    if (s->port->ops->idle == NULL) {
        uint64_t const round = opu_session_now(s) + ROUND_US;
        next = next < round ? next : round;
    }
    return next;
}

/* With the lock: nothing starts any more, and everything has ended, when this returns. */
static void shut_down(struct opu_session *s)
{
    s->halted = true;
    opu_session_settle(s);
    opu_session_fail_jobs(s, OPU_E_CANCELLED, "the device was closed");
    opu_session_drain(s, true);
    opu_session_rewind(s);
    bool const gone = s->trouble == OPU_TROUBLE_GONE;
    (void)pthread_mutex_unlock(&s->lock);
    if (!gone && opu_session_tell(s, OPU_WIRE_RESET, OPU_WIRE_WHOLE, NULL, 0) < 0) {
        opu_context_log(s->context, OPU_LOG_INFO, "usb", "%s; closed all the same",
                        opu_error_message());
    }
    (void)pthread_mutex_lock(&s->lock);
}

/* With the lock, let go of meanwhile. */
static void retry_event(struct opu_session *s)
{
    if (s->event_halted) {
        s->event_halted = false;
        (void)pthread_mutex_unlock(&s->lock);
        int const cleared = s->port->ops->clear_halt(s->port, OPU_PORT_EVENT);
        (void)cleared; /* if that did not help, the next attempt comes */
        (void)pthread_mutex_lock(&s->lock);
    }
    opu_session_event_start(s);
}

static void *run(void *user)
{
    struct opu_session *const s = user;
    (void)pthread_mutex_lock(&s->lock);
    opu_session_event_start(s);
    while (!atomic_load(&s->closing)) {
        if (s->port->ops->idle != NULL) {
            opu_session_settle(s); /* a virtual clock must not jump while packets are packed */
        }
        opu_session_take_all(s);
        opu_session_fill(s);
        if (wants_recovery(s)) {
            opu_session_recover(s);
        } else if (s->command != NULL) {
            run_command(s);
        } else if (s->count > 0 && opu_session_now(s) >= s->next_poll_us) {
            opu_session_watch(s);
        } else if (s->event_retry_us != 0 && opu_session_now(s) >= s->event_retry_us &&
                   !s->event_stopped && s->trouble != OPU_TROUBLE_GONE) {
            retry_event(s);
        } else if (opu_session_now(s) >= s->wait_until_us) {
            /* A virtual clock stands still until the caller has seen what time it is. */
            (void)pthread_cond_broadcast(&s->changed);
            (void)pthread_cond_wait(&s->changed, &s->lock);
        } else {
            uint64_t const until = next_deadline(s);
            (void)pthread_mutex_unlock(&s->lock);
            opu_session_pump(s, until);
            (void)pthread_mutex_lock(&s->lock);
        }
    }
    shut_down(s);
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- Life ---- */

/* The caller's signals stay the caller's. */
static int start_thread(struct opu_session *s)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    s->has_thread = pthread_create(&s->thread, NULL, run, s) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->has_thread ? OPU_OK : opu_fail(OPU_E_NO_MEMORY, "%s: no thread to be had", s->name);
}

static int start_locks(struct opu_session *s)
{
    pthread_condattr_t attributes;
    s->has_lock = pthread_mutex_init(&s->lock, NULL) == 0;
    if (pthread_condattr_init(&attributes) == 0) {
        s->has_cond = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                      pthread_cond_init(&s->changed, &attributes) == 0;
        (void)pthread_condattr_destroy(&attributes);
    }
    return s->has_lock && s->has_cond ? OPU_OK
                                      : opu_fail(OPU_E_NO_MEMORY, "%s: no lock to be had", s->name);
}

static void set_options(struct opu_session_options *to, const struct opu_session_options *from)
{
    static const struct opu_session_options usual = {
        .answer_ms = 1000,
        .replug_ms = 5000,
        .transfer_bytes = 262144,
        .work_ms = 120000,
        .setup_ms = 600000,
    };
    *to = from != NULL ? *from : usual;
    to->answer_ms = to->answer_ms > 0 ? to->answer_ms : usual.answer_ms;
    to->transfer_bytes = to->transfer_bytes > 0 ? to->transfer_bytes : usual.transfer_bytes;
    to->work_ms = to->work_ms > 0 ? to->work_ms : usual.work_ms;
    to->setup_ms = to->setup_ms > 0 ? to->setup_ms : usual.setup_ms;
}

/* A device that has just been plugged in, or let go by another, may need a moment. */
static int first_words(struct opu_session *s)
{
    int status = OPU_E_IO;
    for (int k = 0; k < OPU_SESSION_TRIES && status == OPU_E_IO; k++) {
        if (k > 0) {
            opu_session_doze(s, UINT64_C(10000) << k);
        }
        status = opu_session_greet(s, false);
    }
    return status;
}

int opu_session_open(struct opu_session **out, struct opu_context *context, struct opu_port *port,
                     const struct opu_session_options *options)
{
    *out = NULL;
    struct opu_session *const s = opu_calloc(context, 1, sizeof *s);
    if (s == NULL) {
        port->ops->close(port);
        return OPU_E_NO_MEMORY;
    }
    s->context = context;
    s->port = port;
    memcpy(s->name, port->name, sizeof s->name);
    s->wait_until_us = UINT64_MAX;
    atomic_init(&s->closing, false);
    atomic_init(&s->beat, 0);
    set_options(&s->options, options);
    int status = OPU_E_NO_MEMORY;
    s->block = opu_calloc(context, 1, OPU_WIRE_SETUP_MAX);
    if (s->block == NULL) {
        goto fail;
    }
    status = start_locks(s);
    if (status < 0) {
        goto fail;
    }
    status = first_words(s);
    if (status < 0) {
        goto fail;
    }
    status = start_thread(s);
    if (status < 0) {
        goto fail;
    }
    *out = s;
    return OPU_OK;
fail:
    opu_session_close(s);
    return status;
}

void opu_session_close(struct opu_session *s)
{
    if (s == NULL) {
        return;
    }
    if (s->has_thread) {
        (void)pthread_mutex_lock(&s->lock);
        atomic_store(&s->closing, true);
        (void)pthread_cond_broadcast(&s->changed);
        (void)pthread_mutex_unlock(&s->lock);
        s->port->ops->wake(s->port);
        (void)pthread_join(s->thread, NULL);
    }
    opu_session_slots_destroy(s);
    opu_session_event_free(s);
    s->port->ops->close(s->port);
    if (s->has_cond) {
        (void)pthread_cond_destroy(&s->changed);
    }
    if (s->has_lock) {
        (void)pthread_mutex_destroy(&s->lock);
    }
    opu_context_free(s->context, s->block);
    opu_context_free(s->context, s);
}
