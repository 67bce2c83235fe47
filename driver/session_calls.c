/* SPDX-License-Identifier: MIT */
/* What callers ask of a session: they wait for jobs, and have the event thread do the rest. */
#include "driver/session_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define STEP_NS 20000000L /* a waiting caller looks at the port's clock so often */
#define LOOK_US 50u       /* and stays awake for so long */

const struct opu_wire_info *opu_session_info(const struct opu_session *session)
{
    return &session->info;
}

void opu_session_counts(struct opu_session *session, struct opu_session_counts *counts)
{
    (void)pthread_mutex_lock(&session->lock);
    *counts = session->counts;
    (void)pthread_mutex_unlock(&session->lock);
}

/* ---- Waiting ---- */

void opu_session_tell_callers(struct opu_session *s)
{
    (void)atomic_fetch_add_explicit(&s->beat, 1, memory_order_relaxed);
    (void)pthread_cond_broadcast(&s->changed);
}

/* With the lock, let go of meanwhile: to fall asleep and be woken takes longer than most answers
 * need, and costs the event thread a call of the kernel's. false: nothing has happened. */
static bool look_out(struct opu_session *s)
{
    unsigned const beat = atomic_load_explicit(&s->beat, memory_order_relaxed);
    uint64_t const until = opu_session_now(s) + LOOK_US;
    bool same = true;
    (void)pthread_mutex_unlock(&s->lock);
    while (same && opu_session_now(s) < until) {
        same = atomic_load_explicit(&s->beat, memory_order_relaxed) == beat;
    }
    (void)pthread_mutex_lock(&s->lock);
    return !same || atomic_load_explicit(&s->beat, memory_order_relaxed) != beat;
}

/* With the lock: until something changes, the port's clock says `until`, or a step is over. */
static void sleep_until(struct opu_session *s, uint64_t until)
{
    uint64_t const now = opu_session_now(s);
    uint64_t const left = until > now ? until - now : 0;
    long const step = left < STEP_NS / 1000 ? (long)left * 1000 : STEP_NS;
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += step;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_nsec -= 1000000000L;
        at.tv_sec++;
    }
    (void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
}

/* With the lock. */
static void help_or_sleep(struct opu_session *s, uint64_t until)
{
    if (s->port->ops->idle == NULL && !s->draining && opu_session_take(s)) {
        if (s->trouble != OPU_TROUBLE_NONE) {
            s->port->ops->wake(s->port);
        } else {
            opu_session_start(s);
        }
        return;
    }
    s->waiters++;
    if (s->port->ops->idle != NULL || !look_out(s)) {
        sleep_until(s, until);
    }
    s->waiters--;
}

/* With the lock: answers of others' jobs are there. */
static void hand_on(struct opu_session *s)
{
    if (s->waiters > 0) {
        opu_session_tell_callers(s);
    } else {
        s->port->ops->wake(s->port);
    }
}

int opu_session_wait(struct opu_session *s, uint64_t id, int timeout_ms)
{
    (void)pthread_mutex_lock(&s->lock);
    struct opu_session_job *job = NULL;
    for (size_t i = 0; i < OPU_SESSION_JOBS && id != 0; i++) {
        job = s->jobs[i].id == id ? &s->jobs[i] : job;
    }
    int status = OPU_OK;
    if (job == NULL) {
        status = opu_fail(OPU_E_INVALID, "%s: no batch %llu is under way", s->name,
                          (unsigned long long)id);
    } else {
        uint64_t const until = timeout_ms < 0
                                   ? UINT64_MAX
                                   : opu_session_now(s) + (uint64_t)timeout_ms * UINT64_C(1000);
        if (!job->ended && timeout_ms >= 0 && s->port->ops->idle != NULL) {
            s->wait_until_us = until;
            s->port->ops->wake(s->port);
        }
        while (!job->ended && opu_session_now(s) < until) {
            help_or_sleep(s, until);
        }
        if (opu_session_has_answer(s)) {
            hand_on(s);
        }
        if (s->wait_until_us != UINT64_MAX) {
            s->wait_until_us = UINT64_MAX;
            (void)pthread_cond_broadcast(&s->changed);
        }
        if (!job->ended) {
            status = opu_fail(OPU_E_TIMEOUT, "%s: batch %llu is not there after %d ms", s->name,
                              (unsigned long long)id, timeout_ms);
        } else {
            status = job->status < 0 ? opu_fail(job->status, "%s", job->sentence) : OPU_OK;
            job->id = 0;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return status;
}

/* Has the event thread do it. */
static int call(struct opu_session *s, int (*run)(struct opu_session *, void *), void *arg)
{
    struct opu_session_command command = {.run = run, .arg = arg};
    (void)pthread_mutex_lock(&s->lock);
    while (s->command != NULL) {
        (void)pthread_cond_wait(&s->changed, &s->lock);
    }
    /* cppcheck-suppress autoVariables ; taken back before this returns */
    s->command = &command;
    s->port->ops->wake(s->port);
    while (!command.done) {
        (void)pthread_cond_wait(&s->changed, &s->lock);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return command.status < 0 ? opu_fail(command.status, "%s", command.sentence) : command.status;
}

/* ---- Set-up ---- */

static int encode(struct opu_session *s, const struct opu_frame_setup *setup)
{
    if (setup->n_exposures > OPU_WIRE_TABLE_MAX || setup->n_references > OPU_WIRE_TABLE_MAX) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "%s: tables of %zu exposures and %zu references, the wire has room for %u",
                        s->name, setup->n_exposures, setup->n_references, OPU_WIRE_TABLE_MAX);
    }
    struct opu_wire_reference *const references =
        opu_calloc(s->context, setup->n_references, sizeof *references);
    if (references == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < setup->n_references; i++) {
        references[i].phase_rad = setup->references[i].phase_rad;
        references[i].amplitude = setup->references[i].amplitude;
    }
    struct opu_wire_setup const wire = {
        .n_inputs = (uint32_t)setup->n_inputs,
        .n_pixels = (uint32_t)setup->n_pixels,
        .bits = setup->bits,
        .output_kind = (uint32_t)setup->output_kind,
        .width = setup->region.width,
        .height = setup->region.height,
        .stride = setup->region.stride,
        .binning = setup->region.binning,
        .pixels_per_grain = setup->region.pixels_per_grain,
        .carrier_x = setup->region.carrier_x,
        .carrier_y = setup->region.carrier_y,
        .n_exposures = (uint32_t)setup->n_exposures,
        .n_references = (uint32_t)setup->n_references,
        .exposures_us = setup->exposures_us,
        .references = references,
    };
    s->block_bytes = opu_wire_put_setup(s->block, &wire);
    opu_context_free(s->context, references);
    return s->block_bytes > 0
               ? OPU_OK
               : opu_fail(OPU_E_UNSUPPORTED, "%s: the wire can't carry this set-up", s->name);
}

static int set_up(struct opu_session *s, const struct opu_frame_setup *setup, bool suspect,
                  bool dirty)
{
    bool const whole = s->stranger || suspect; /* such a reset takes the state with it */
    OPU_TRY(opu_session_plan(s, &s->wanted, setup));
    OPU_TRY(encode(s, setup));
    if (s->stranger) {
        OPU_TRY(opu_session_greet(s, true));
    } else if (suspect || dirty) {
        OPU_TRY(opu_session_tell(s, OPU_WIRE_RESET, suspect ? OPU_WIRE_WHOLE : OPU_WIRE_FLUSH, NULL,
                                 0));
    }
    return opu_session_restore(s, whole);
}

static int configure(struct opu_session *s, void *arg)
{
    const struct opu_frame_setup *const setup = arg;
    (void)pthread_mutex_lock(&s->lock);
    if (opu_session_active(s)) {
        (void)pthread_mutex_unlock(&s->lock);
        return opu_fail(OPU_E_BUSY, "%s: a batch is under way; wait for it before a new set-up",
                        s->name);
    }
    bool const suspect = s->suspect;
    bool const dirty = s->trouble != OPU_TROUBLE_NONE || s->live > 0;
    s->halted = true;
    s->configured = false;
    /* No job is under way, but a packet may be that ends later than its answer. */
    opu_session_drain(s, false);
    opu_session_rewind(s);
    s->setup = s->setup == UINT32_MAX ? 1 : s->setup + 1;
    (void)pthread_mutex_unlock(&s->lock);
    int const status = set_up(s, setup, suspect, dirty);
    (void)pthread_mutex_lock(&s->lock);
    if (status == OPU_OK) {
        s->configured = true;
        s->suspect = false;
        s->halted = false;
        s->tries = 0;
        s->trouble = s->trouble == OPU_TROUBLE_GONE ? s->trouble : OPU_TROUBLE_NONE;
        s->event_stopped = s->trouble == OPU_TROUBLE_GONE;
        opu_session_event_start(s);
    } else {
        s->block_bytes = 0;
        s->suspect = true;
        opu_session_trouble(s, OPU_TROUBLE_FLUSH, "the last set-up failed");
    }
    (void)pthread_mutex_unlock(&s->lock);
    return status;
}

int opu_session_configure(struct opu_session *session, const struct opu_frame_setup *setup)
{
    struct opu_frame_setup given = *setup;
    return call(session, configure, &given);
}

static int reset(struct opu_session *s, void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&s->lock);
    s->halted = true;
    s->configured = false;
    opu_session_settle(s);
    opu_session_fail_jobs(s, OPU_E_CANCELLED, "the device was reset");
    opu_session_drain(s, false);
    opu_session_rewind(s);
    s->block_bytes = 0;
    s->state[0] = '\0';
    s->suspect = true; /* until it has been told */
    (void)pthread_mutex_unlock(&s->lock);
    OPU_TRY(opu_session_tell(s, OPU_WIRE_RESET, OPU_WIRE_WHOLE, NULL, 0));
    (void)pthread_mutex_lock(&s->lock);
    s->suspect = false;
    s->tries = 0;
    s->trouble = s->trouble == OPU_TROUBLE_GONE ? s->trouble : OPU_TROUBLE_NONE;
    (void)pthread_mutex_unlock(&s->lock);
    return OPU_OK;
}

int opu_session_reset(struct opu_session *session)
{
    return call(session, reset, NULL);
}

/* ---- State and statistics ---- */

struct text {
    char *text;
    size_t n;
};

static int state_get(struct opu_session *s, void *arg)
{
    const struct text *const to = arg;
    const uint8_t *body;
    size_t n;
    int const moved = opu_session_ask(s, OPU_WIRE_STATE);
    OPU_TRY(moved);
    int const fault = opu_wire_get_bytes(&body, &n, s->control, (size_t)moved);
    if (fault != OPU_WIRE_OK) {
        return opu_fail(OPU_E_IO, "%s: its state: %s", s->name, opu_wire_fault_text(fault));
    }
    n = strnlen((const char *)body, n);
    if (n >= to->n) {
        return opu_fail(OPU_E_INVALID, "%s: its state has %zu bytes, room is for %zu", s->name, n,
                        to->n - 1);
    }
    memcpy(to->text, body, n);
    to->text[n] = '\0';
    memcpy(s->state, to->text, n + 1);
    return OPU_OK;
}

int opu_session_state_get(struct opu_session *session, char *text, size_t n)
{
    struct text to = {.text = text, .n = n < sizeof session->state ? n : sizeof session->state};
    return call(session, state_get, &to);
}

static int state_set(struct opu_session *s, void *arg)
{
    const struct text *const from = arg;
    if (from->n > OPU_WIRE_STATE_BYTES) {
        return opu_fail(OPU_E_INVALID, "%s: a state of %zu bytes, wanted at most %u", s->name,
                        from->n, OPU_WIRE_STATE_BYTES);
    }
    size_t const bytes = opu_wire_put_bytes(s->control, from->text, from->n);
    OPU_TRY(opu_session_tell(s, OPU_WIRE_STATE, 0, s->control, bytes));
    memcpy(s->state, from->text, from->n);
    s->state[from->n] = '\0';
    return OPU_OK;
}

int opu_session_state_set(struct opu_session *session, const char *text)
{
    char copy[OPU_WIRE_STATE_BYTES + 2];
    struct text from = {.text = copy, .n = strnlen(text, sizeof copy - 1)};
    memcpy(copy, text, from.n);
    copy[from.n] = '\0';
    return call(session, state_set, &from);
}

static int statistics(struct opu_session *s, void *arg)
{
    int const n = opu_session_ask(s, OPU_WIRE_STATISTICS);
    OPU_TRY(n);
    int const fault = opu_wire_get_statistics(arg, s->control, (size_t)n);
    return fault == OPU_WIRE_OK
               ? OPU_OK
               : opu_fail(OPU_E_IO, "%s: its statistics: %s", s->name, opu_wire_fault_text(fault));
}

int opu_session_statistics(struct opu_session *session, struct opu_wire_statistics *to)
{
    return call(session, statistics, to);
}
