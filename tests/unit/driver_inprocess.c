/* SPDX-License-Identifier: MIT */
/* One lock for queues and lists; the board has its own below it. done() is called without it. */
#include "driver_inprocess.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/firmware/port_queue.h"

#define PACKET 512u
#define REAL_WAIT_US 20000u
#define SIZE_ROOM 64u
#define CLEAR_HALT_MS 5000u /* the kernel's own patience */

struct backing {
    struct opu_urb urb;
    struct inprocess *p;
    struct opu_port_transfer *transfer;
    bool flying;
    unsigned hold; /* rounds until a cancelled one ends; 0: it isn't held */
    bool cancelled;
    struct backing *next;
};

struct inprocess {
    struct opu_port port;
    struct opu_port_ops ops;
    struct inprocess_options options;
    struct opu_board *board;
    struct opu_port_queue queue;
    pthread_mutex_t lock;
    struct backing *finished, **finished_end;
    struct backing *held; /* cancelled, to end later */
    size_t under_way, bytes_under_way;
    unsigned slow_cancel, late_out;
    size_t next_in_packet; /* of the next place it is plugged in; 0: the same */
    uint64_t next_id;
    bool gone;        /* the queue has been told */
    uint64_t back_us; /* where it is gone */
    struct inprocess_counts counts;
    _Atomic uint64_t clock_us;  /* virtual */
    _Atomic uint64_t unplug_us; /* asked for from within a verb: 1 + us; 0: not */
    atomic_bool plug_wanted, stopped;
    struct opu_function other;
    bool replaced, mute;
    atomic_bool in_done;

    pthread_mutex_t bell_lock; /* below all others */
    pthread_cond_t bell;
    bool rung;
};

static void broken(const char *what)
{
    (void)fprintf(stderr, "in-process port: %s\n", what);
    abort();
}

static struct inprocess *of(struct opu_port *port)
{
    return (struct inprocess *)(void *)port; /* its first member */
}

static void ring(void *user)
{
    struct inprocess *const p = user;
    (void)pthread_mutex_lock(&p->bell_lock);
    p->rung = true;
    (void)pthread_cond_broadcast(&p->bell);
    (void)pthread_mutex_unlock(&p->bell_lock);
}

static void listen_for(struct inprocess *p, uint64_t us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    us = us < REAL_WAIT_US ? us : REAL_WAIT_US;
    until.tv_nsec += (long)us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&p->bell_lock);
    while (!p->rung && pthread_cond_timedwait(&p->bell, &p->bell_lock, &until) != ETIMEDOUT) {
    }
    p->rung = false;
    (void)pthread_mutex_unlock(&p->bell_lock);
}

/* ---- Clock ---- */

static uint64_t clock_of(void *user)
{
    struct inprocess *const p = user;
    if (!p->options.real) {
        return atomic_load(&p->clock_us);
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t port_now_us(struct opu_port *port)
{
    return clock_of(of(port));
}

uint64_t inprocess_now_us(struct inprocess *p)
{
    return clock_of(p);
}

/* Not past what else is to happen. */
static void port_idle(struct opu_port *port, uint64_t deadline_us)
{
    struct inprocess *const p = of(port);
    uint64_t const now = clock_of(p);
    if (atomic_load(&p->stopped)) {
        listen_for(p, 1000);
        return;
    }
    uint64_t const tick = now + 50000;
    uint64_t to = deadline_us < tick ? deadline_us : tick;
    struct opu_fault *const fault = opu_board_fault(p->board);
    uint64_t const others[] = {fault != NULL ? opu_fault_silent_until_us(fault) : 0,
                               opu_board_held_until_us(p->board)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        to = others[i] > now && others[i] < to ? others[i] : to;
    }
    if (to > now) {
        atomic_store(&p->clock_us, to);
    }
}

/* ---- The cable ---- */

static void want_unplugged(void *user, uint64_t us)
{
    struct inprocess *const p = user;
    atomic_store(&p->unplug_us, us == UINT64_MAX ? us : us + 1);
    ring(p);
}

void inprocess_unplug(struct inprocess *p, uint64_t us)
{
    want_unplugged(p, us);
}

void inprocess_plug(struct inprocess *p)
{
    atomic_store(&p->plug_wanted, true);
    ring(p);
}

/* With the lock. */
static void look_at_cable(struct inprocess *p)
{
    uint64_t const us = atomic_exchange(&p->unplug_us, 0);
    if (us != 0) {
        p->gone = true;
        p->back_us = us == UINT64_MAX ? us : clock_of(p) + us - 1;
        opu_port_queue_unplug(&p->queue, OPU_URB_GONE);
    }
    if (atomic_exchange(&p->plug_wanted, false)) {
        p->back_us = 0;
    }
}

/* ---- Transfers ---- */

static uint8_t *memory_alloc(struct opu_port *port, size_t n)
{
    struct inprocess *const p = of(port);
    (void)pthread_mutex_lock(&p->lock);
    p->counts.allocated++;
    (void)pthread_mutex_unlock(&p->lock);
    /* Its size lies before it. */
    uint8_t *const memory = malloc(SIZE_ROOM + n);
    if (memory != NULL) {
        memcpy(memory, &n, sizeof n);
    }
    return memory != NULL ? memory + SIZE_ROOM : NULL;
}

static size_t memory_size(const uint8_t *data)
{
    size_t n;
    memcpy(&n, data - SIZE_ROOM, sizeof n);
    return n;
}

static void memory_free(struct opu_port *port, uint8_t *data, size_t n)
{
    struct inprocess *const p = of(port);
    if (memory_size(data) != n) {
        broken("memory is freed as of another size");
    }
    (void)pthread_mutex_lock(&p->lock);
    p->counts.allocated--;
    (void)pthread_mutex_unlock(&p->lock);
    free(data - SIZE_ROOM);
}

static int prepare(struct opu_port *port, struct opu_port_transfer *transfer)
{
    struct inprocess *const p = of(port);
    struct backing *const backing = calloc(1, sizeof *backing);
    if (backing == NULL) {
        return OPU_PORT_NO_MEMORY;
    }
    backing->p = p;
    backing->transfer = transfer;
    transfer->backing = backing;
    (void)pthread_mutex_lock(&p->lock);
    p->counts.prepared++;
    (void)pthread_mutex_unlock(&p->lock);
    return OPU_PORT_OK;
}

static void release(struct opu_port *port, struct opu_port_transfer *transfer)
{
    struct inprocess *const p = of(port);
    struct backing *const backing = transfer->backing;
    (void)pthread_mutex_lock(&p->lock);
    if (backing->flying) {
        broken("a transfer is freed while under way");
    }
    p->counts.prepared--;
    (void)pthread_mutex_unlock(&p->lock);
    free(backing);
    transfer->backing = NULL;
}

/* With the lock. */
static void finish(struct inprocess *p, struct backing *backing)
{
    backing->next = NULL;
    *p->finished_end = backing;
    p->finished_end = &backing->next;
    ring(p);
}

static void hold(struct inprocess *p, struct backing *backing, unsigned rounds)
{
    backing->hold = rounds;
    backing->next = p->held;
    p->held = backing;
}

/* The queue's done(), with the lock. */
static void queue_done(void *user, struct opu_urb *urb)
{
    struct inprocess *const p = user;
    struct backing *const backing = urb->user;
    if (p->late_out > 0 && backing->transfer->end == OPU_PORT_OUT) {
        hold(p, backing, p->late_out);
    } else {
        finish(p, backing);
    }
}

static int submit(struct opu_port *port, struct opu_port_transfer *transfer)
{
    static const uint8_t endpoints[] = {OPU_USB_OUT, OPU_USB_IN, OPU_USB_EVENT};
    struct inprocess *const p = of(port);
    struct backing *const backing = transfer->backing;
    int status = OPU_PORT_OK;
    (void)pthread_mutex_lock(&p->lock);
    p->counts.submits++;
    if (backing->flying) {
        broken("a transfer is submitted twice");
    }
    if (transfer->end == OPU_PORT_IN && transfer->n % port->in_packet != 0) {
        broken("room for an answer that is no multiple of the packet");
    }
    if (transfer->n > memory_size(transfer->data)) {
        broken("a transfer is longer than its memory");
    }
    look_at_cable(p);
    size_t const there = p->options.memory_there;
    if (p->gone) {
        status = OPU_PORT_GONE;
    } else if (there > 0 && transfer->end != OPU_PORT_EVENT &&
               p->bytes_under_way + transfer->n > there) {
        p->counts.no_memory++;
        status = OPU_PORT_NO_MEMORY;
    } else {
        p->bytes_under_way += transfer->end != OPU_PORT_EVENT ? transfer->n : 0;
        p->under_way++;
        if (p->under_way > p->counts.most_under_way) {
            p->counts.most_under_way = p->under_way;
        }
        backing->flying = true;
        backing->cancelled = false;
        backing->hold = 0;
        backing->urb = (struct opu_urb){.endpoint = endpoints[transfer->end],
                                        .ends = true,
                                        .data = transfer->data,
                                        .n = transfer->n,
                                        .id = ++p->next_id,
                                        .user = backing};
        (void)opu_port_queue_submit(&p->queue, &backing->urb);
    }
    (void)pthread_mutex_unlock(&p->lock);
    ring(p);
    return status;
}

static void cancel(struct opu_port *port, struct opu_port_transfer *transfer)
{
    struct inprocess *const p = of(port);
    struct backing *const backing = transfer->backing;
    (void)pthread_mutex_lock(&p->lock);
    p->counts.cancels++;
    bool const waits = backing->flying && !backing->cancelled;
    if (waits && opu_port_queue_take(&p->queue, backing->urb.id) != NULL) {
        backing->cancelled = true;
        if (p->slow_cancel > 0) {
            hold(p, backing, p->slow_cancel);
        } else {
            finish(p, backing);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    ring(p);
}

/* With the lock. */
static void let_go(struct inprocess *p)
{
    struct backing **at = &p->held;
    while (*at != NULL) {
        struct backing *const backing = *at;
        if (--backing->hold == 0) {
            *at = backing->next;
            finish(p, backing);
        } else {
            at = &backing->next;
        }
    }
}

static int status_of(int urb)
{
    static const struct {
        int urb, status;
    } table[] = {
        {OPU_URB_OK, OPU_PORT_OK},
        {OPU_URB_STALL, OPU_PORT_STALL},
        {OPU_URB_CANCELLED, OPU_PORT_CANCELLED},
        {OPU_URB_GONE, OPU_PORT_GONE},
        {OPU_URB_OVERFLOW, OPU_PORT_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].urb == urb) {
            return table[i].status;
        }
    }
    return OPU_PORT_ERROR;
}

/* Calls done() of all that has ended; false: nothing had. */
static bool deliver(struct inprocess *p)
{
    bool any = false;
    (void)pthread_mutex_lock(&p->lock);
    while (p->finished != NULL) {
        struct backing *const backing = p->finished;
        struct opu_port_transfer *const transfer = backing->transfer;
        p->finished = backing->next;
        if (p->finished == NULL) {
            p->finished_end = &p->finished;
        }
        if (!backing->flying) {
            broken("a transfer ends twice");
        }
        backing->flying = false;
        p->under_way--;
        p->bytes_under_way -= transfer->end != OPU_PORT_EVENT ? transfer->n : 0;
        transfer->moved = backing->urb.moved;
        transfer->status = status_of(backing->urb.status);
        (void)pthread_mutex_unlock(&p->lock);
        atomic_store(&p->in_done, true);
        transfer->done(transfer);
        atomic_store(&p->in_done, false);
        any = true;
        (void)pthread_mutex_lock(&p->lock);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return any;
}

/* What waits is asked for again; with the lock held for the queue alone. */
static void move_on(struct inprocess *p)
{
    bool const worked = opu_board_step(p->board);
    (void)worked;
    (void)pthread_mutex_lock(&p->lock);
    look_at_cable(p);
    let_go(p);
    if (!p->gone) {
        opu_port_queue_ask(&p->queue);
    }
    look_at_cable(p);
    (void)pthread_mutex_unlock(&p->lock);
}

static void handle(struct opu_port *port, uint64_t wait_us)
{
    struct inprocess *const p = of(port);
    if (atomic_load(&p->in_done)) {
        broken("events are handled inside done()");
    }
    (void)pthread_mutex_lock(&p->lock);
    p->counts.handles++;
    (void)pthread_mutex_unlock(&p->lock);
    for (int round = 0; round < 3; round++) {
        move_on(p);
        if (deliver(p)) {
            return;
        }
    }
    /* Of a virtual clock, only waiting for a caller takes time. */
    if (p->options.real || wait_us == UINT64_MAX) {
        listen_for(p, wait_us);
        move_on(p);
        (void)deliver(p);
    }
}

static void wake(struct opu_port *port)
{
    ring(of(port));
}

/* ---- Requests ---- */

static void pass_time(struct inprocess *p, uint64_t until)
{
    if (p->options.real) {
        listen_for(p, 1000);
    } else {
        port_idle(&p->port, until);
    }
}

static int request(struct inprocess *p, const struct opu_fn_setup *setup, uint8_t *data,
                   unsigned timeout_ms)
{
    if (atomic_load(&p->in_done)) {
        broken("a request inside done()");
    }
    uint64_t const until = clock_of(p) + (uint64_t)timeout_ms * 1000u;
    for (;;) {
        (void)pthread_mutex_lock(&p->lock);
        p->counts.controls++;
        look_at_cable(p);
        bool const gone = p->gone;
        int const moved = gone      ? 0
                          : p->mute ? OPU_FN_NAK
                                    : opu_port_queue_control(&p->queue, setup, data);
        (void)pthread_mutex_unlock(&p->lock);
        if (gone) {
            return OPU_PORT_GONE;
        }
        if (moved != OPU_FN_NAK) {
            return moved == OPU_FN_STALL ? OPU_PORT_STALL : moved;
        }
        if (clock_of(p) >= until) {
            return OPU_PORT_TIMEOUT;
        }
        pass_time(p, until);
    }
}

static int control(struct opu_port *port, bool in, uint8_t code, uint16_t value, uint8_t *data,
                   size_t n, unsigned timeout_ms)
{
    struct opu_fn_setup const setup = {
        .request_type = in ? 0xc1 : 0x41, .request = code, .value = value, .length = (uint16_t)n};
    return request(of(port), &setup, data, timeout_ms);
}

static int clear_halt(struct opu_port *port, enum opu_port_end end)
{
    static const uint16_t endpoints[] = {OPU_USB_OUT, OPU_USB_IN, OPU_USB_EVENT};
    struct opu_fn_setup const setup = {.request_type = 0x02, .request = 1, .index = endpoints[end]};
    return request(of(port), &setup, NULL, CLEAR_HALT_MS);
}

static int reopen(struct opu_port *port)
{
    struct inprocess *const p = of(port);
    int status = OPU_PORT_GONE;
    (void)pthread_mutex_lock(&p->lock);
    p->counts.reopens++;
    if (p->under_way > 0) {
        broken("opened again with transfers under way");
    }
    look_at_cable(p);
    if (!p->gone || clock_of(p) >= p->back_us) {
        p->gone = false;
        port->in_packet = p->next_in_packet > 0 ? p->next_in_packet : port->in_packet;
        p->queue.options.function = p->replaced ? p->other : opu_board_function(p->board);
        opu_port_queue_bus_reset(&p->queue);
        status = OPU_PORT_OK;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return status;
}

static void close_port(struct opu_port *port)
{
    struct inprocess *const p = of(port);
    (void)pthread_mutex_lock(&p->lock);
    if (p->under_way > 0 || p->counts.prepared > 0 || p->counts.allocated > 0) {
        broken("closed with transfers or memory still there");
    }
    p->counts.closed = true;
    (void)pthread_mutex_unlock(&p->lock);
    /* The device lives on. */
    uint64_t const held = opu_board_held_until_us(p->board);
    if (held > clock_of(p)) {
        atomic_store(&p->clock_us, held);
    }
    (void)opu_board_step(p->board);
}

/* ---- Life ---- */

static const struct opu_port_ops port_ops = {
    .memory_alloc = memory_alloc,
    .memory_free = memory_free,
    .prepare = prepare,
    .release = release,
    .submit = submit,
    .cancel = cancel,
    .handle = handle,
    .wake = wake,
    .control = control,
    .clear_halt = clear_halt,
    .reopen = reopen,
    .close = close_port,
    .now_us = port_now_us,
};

static int make_board(struct inprocess *p)
{
    static const struct opu_fault_plan none = {.seed = 1};
    const struct inprocess_options *const options = &p->options;
    struct opu_board_options const board = {
        .device = options->device,
        .optics = options->optics,
        .serial = options->serial != NULL ? options->serial : "T-1",
        .faults = options->faults != NULL ? options->faults : &none,
        .rate_hz = options->rate_hz,
        .max_out_bytes = options->max_out_bytes,
        .max_in_bytes = options->max_in_bytes,
        .queue = options->queue,
        .inline_work = !options->real,
        .parts = true,
        .user = p,
        .now_us = clock_of,
        .ready = ring,
        .unplug = want_unplugged,
    };
    return opu_board_create(&p->board, &board);
}

struct inprocess *inprocess_create(const struct inprocess_options *options)
{
    struct inprocess *const p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->options = *options;
    p->finished_end = &p->finished;
    atomic_init(&p->clock_us, 1000000);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->bell, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_mutex_init(&p->bell_lock, NULL);
    p->ops = port_ops;
    p->ops.idle = options->real ? NULL : port_idle;
    p->port.ops = &p->ops;
    (void)snprintf(p->port.name, sizeof p->port.name, "usb:0.1");
    p->port.in_packet = PACKET;
    p->port.memory_limit = options->memory_limit > 0 ? options->memory_limit : (size_t)12 << 20;
    if (make_board(p) < 0) {
        (void)fprintf(stderr, "in-process port: %s\n", opu_error_message());
        inprocess_destroy(p);
        return NULL;
    }
    struct opu_port_queue_options const queue = {
        .function = opu_board_function(p->board),
        .identity = {.vendor_id = OPU_WIRE_VENDOR_ID,
                     .product_id = OPU_WIRE_PRODUCT_ID,
                     .manufacturer = "opu",
                     .product = "opu test",
                     .serial = opu_board_serial(p->board),
                     .speed = OPU_USB_HIGH},
        .max_out_bytes = (size_t)8 << 20,
        .user = p,
        .done = queue_done,
    };
    if (!opu_port_queue_init(&p->queue, &queue)) {
        inprocess_destroy(p);
        return NULL;
    }
    return p;
}

void inprocess_destroy(struct inprocess *p)
{
    if (p == NULL) {
        return;
    }
    opu_board_destroy(p->board);
    opu_port_queue_fini(&p->queue);
    (void)pthread_cond_destroy(&p->bell);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_mutex_destroy(&p->bell_lock);
    free(p);
}

struct opu_port *inprocess_port(struct inprocess *p)
{
    return &p->port;
}

struct opu_board *inprocess_board(struct inprocess *p)
{
    return p->board;
}

void inprocess_strike(struct inprocess *p, enum opu_fault_kind kind)
{
    opu_fault_strike(opu_board_fault(p->board), kind);
}

struct opu_function inprocess_function(struct inprocess *p)
{
    return opu_board_function(p->board);
}

void inprocess_replace_later(struct inprocess *p, const struct opu_function *function)
{
    (void)pthread_mutex_lock(&p->lock);
    p->replaced = function != NULL;
    if (function != NULL) {
        p->other = *function;
    }
    (void)pthread_mutex_unlock(&p->lock);
}

void inprocess_replace(struct inprocess *p, const struct opu_function *function)
{
    inprocess_replace_later(p, function);
    (void)pthread_mutex_lock(&p->lock);
    p->queue.options.function = function != NULL ? *function : opu_board_function(p->board);
    (void)pthread_mutex_unlock(&p->lock);
    ring(p);
}

void inprocess_mute(struct inprocess *p, bool mute)
{
    (void)pthread_mutex_lock(&p->lock);
    p->mute = mute;
    (void)pthread_mutex_unlock(&p->lock);
}

void inprocess_stop_clock(struct inprocess *p, bool stop)
{
    atomic_store(&p->stopped, stop);
    ring(p);
}

void inprocess_slow_cancel(struct inprocess *p, unsigned rounds)
{
    (void)pthread_mutex_lock(&p->lock);
    p->slow_cancel = rounds;
    (void)pthread_mutex_unlock(&p->lock);
}

void inprocess_late_out(struct inprocess *p, unsigned rounds)
{
    (void)pthread_mutex_lock(&p->lock);
    p->late_out = rounds;
    (void)pthread_mutex_unlock(&p->lock);
}

void inprocess_in_packet_later(struct inprocess *p, size_t bytes)
{
    (void)pthread_mutex_lock(&p->lock);
    p->next_in_packet = bytes;
    (void)pthread_mutex_unlock(&p->lock);
}

struct inprocess_counts inprocess_counts(struct inprocess *p)
{
    (void)pthread_mutex_lock(&p->lock);
    struct inprocess_counts const counts = p->counts;
    (void)pthread_mutex_unlock(&p->lock);
    return counts;
}
