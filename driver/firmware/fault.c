/* SPDX-License-Identifier: MIT */
/*
 * Faults around a function. Whether the i-th transfer of an endpoint suffers a kind is a pure
 * function of (seed, endpoint, i, kind); attempts that end in NAK do not count.
 */
#include "driver/firmware/fault.h"

#include "driver/wire.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_US 2000000u
#define UNPLUGGED_US 500000u
#define NONE OPU_FAULT_KINDS

const char *const opu_fault_names[OPU_FAULT_KINDS] = {
    [OPU_FAULT_STALL] = "stall",     [OPU_FAULT_SHORT] = "short",     [OPU_FAULT_ZLP] = "zlp",
    [OPU_FAULT_PARTIAL] = "partial", [OPU_FAULT_CORRUPT] = "corrupt", [OPU_FAULT_STALE] = "stale",
    [OPU_FAULT_TRIGGER] = "trigger", [OPU_FAULT_SILENCE] = "silence", [OPU_FAULT_UNPLUG] = "unplug",
};

/* What can happen to a packet out; all of it to an answer. */
static const bool strikes_out[OPU_FAULT_KINDS] = {
    [OPU_FAULT_STALL] = true,
    [OPU_FAULT_CORRUPT] = true,
    [OPU_FAULT_SILENCE] = true,
    [OPU_FAULT_UNPLUG] = true,
};

struct opu_fault {
    struct opu_fault_options options;
    uint64_t n_out, n_in; /* transfers so far */
    size_t out_fault;     /* of the packet that is offered; NONE + 1: not drawn */
    uint8_t *scratch;     /* [max_in_bytes] a packet with another byte */
    uint8_t *held;        /* [max_in_bytes] an answer yet to come */
    size_t n_held;
    uint8_t *last; /* [max_in_bytes] the previous answer */
    size_t n_last;
    bool broken_off; /* no answers until a reset */
    _Atomic uint64_t silent_until_us;
    _Atomic uint64_t counts[OPU_FAULT_KINDS];
    atomic_bool wanted[OPU_FAULT_KINDS];
};

/* ---- Chance ---- */

/* splitmix64 (Steele, Lea & Flood, OOPSLA 2014), its output function. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t draw(const struct opu_fault *fault, bool out, uint64_t i, size_t kind)
{
    uint64_t const step = UINT64_C(0x9e3779b97f4a7c15);
    return mix(mix(fault->options.plan.seed + step * (out ? 1 : 2)) + step * (i * 64 + kind + 1));
}

static double uniform(uint64_t word)
{
    return (double)(word >> 11) * 0x1p-53;
}

static bool possible(const struct opu_fault *fault, size_t kind)
{
    return (kind != OPU_FAULT_STALE || fault->n_last > 0) &&
           (kind != OPU_FAULT_UNPLUG || fault->options.unplug != NULL);
}

/* What the i-th transfer suffers. */
static size_t choose(struct opu_fault *fault, bool out, uint64_t i)
{
    for (size_t kind = 0; kind < OPU_FAULT_KINDS; kind++) {
        if ((out && !strikes_out[kind]) || !possible(fault, kind)) {
            continue;
        }
        if (atomic_exchange(&fault->wanted[kind], false) ||
            uniform(draw(fault, out, i, kind)) < fault->options.plan.rate[kind]) {
            return kind;
        }
    }
    return NONE;
}

/* A number below n that goes with the i-th transfer. */
static size_t pick(const struct opu_fault *fault, bool out, uint64_t i, size_t n)
{
    return (size_t)(draw(fault, out, i, 63) % n);
}

/* ---- What a fault does ---- */

static bool silent(struct opu_fault *fault)
{
    uint64_t const until = atomic_load(&fault->silent_until_us);
    if (until == 0) {
        return false;
    }
    if (fault->options.now_us(fault->options.platform) < until) {
        return true;
    }
    atomic_store(&fault->silent_until_us, 0);
    return false;
}

static int fall_silent(struct opu_fault *fault)
{
    atomic_store(&fault->silent_until_us,
                 fault->options.now_us(fault->options.platform) + SILENCE_US);
    return OPU_FN_NAK;
}

static int unplug(struct opu_fault *fault)
{
    fault->n_held = 0;
    fault->broken_off = false;
    fault->options.unplug(fault->options.platform, UNPLUGGED_US);
    return OPU_FN_NAK;
}

static int hold(struct opu_fault *fault, const uint8_t *data, size_t n)
{
    memcpy(fault->held, data, n);
    fault->n_held = n;
    return OPU_FN_NAK;
}

/* Marks a frame of an answer lost, and spoils its counts, so that using them shows. false: it is no
 * packet of counts. */
static bool lose_frame(const struct opu_fault *fault, uint64_t i, uint8_t *data, size_t n)
{
    struct opu_wire_header header;
    if (opu_wire_get_header(&header, false, data, n) != OPU_WIRE_OK ||
        header.kind != OPU_WIRE_COUNTS) {
        return false;
    }
    size_t const frame = pick(fault, false, i, header.n_frames);
    uint8_t *const payload = data + OPU_WIRE_HEADER_BYTES;
    size_t const heads = (size_t)header.n_frames * OPU_WIRE_COUNT_BYTES;
    size_t const row = (header.payload_bytes - heads) / header.n_frames;
    struct opu_wire_count count;
    opu_wire_get_count(&count, payload + frame * OPU_WIRE_COUNT_BYTES);
    count.status = 1;
    opu_wire_put_count(payload + frame * OPU_WIRE_COUNT_BYTES, &count);
    memset(payload + heads + frame * row, 0x55, row);
    header.payload_crc = opu_crc32c(0, payload, header.payload_bytes);
    (void)opu_wire_finish_packet(data, false, &header);
    return true;
}

static void corrupt(const struct opu_fault *fault, bool out, uint64_t i, uint8_t *data, size_t n)
{
    uint64_t const word = draw(fault, out, i, 62);
    data[pick(fault, out, i, n)] ^= (uint8_t)(1 + word % 255);
}

/* A length below n that is odd, so that no USB packet is full at the end and the transfer ends. */
static size_t cut(const struct opu_fault *fault, uint64_t i, size_t n)
{
    return n < 2 ? 0 : (pick(fault, false, i, n / 2) * 2 + 1);
}

/* The answer of n bytes in data meets its fault; what in() returns. */
static int suffer(struct opu_fault *fault, size_t kind, uint64_t i, uint8_t *data, size_t n)
{
    switch (kind) {
    case OPU_FAULT_STALL:
        (void)hold(fault, data, n); /* there still, once the halt is cleared */
        return OPU_FN_STALL;
    case OPU_FAULT_SHORT:
        return (int)cut(fault, i, n);
    case OPU_FAULT_ZLP:
        (void)hold(fault, data, n);
        return 0;
    case OPU_FAULT_PARTIAL:
        fault->broken_off = true;
        return fault->options.parts ? (int)(n / 2) | OPU_FN_PART : OPU_FN_NAK;
    case OPU_FAULT_CORRUPT:
        corrupt(fault, false, i, data, n);
        return (int)n;
    case OPU_FAULT_STALE:
        memcpy(data, fault->last, fault->n_last);
        return (int)fault->n_last;
    case OPU_FAULT_SILENCE:
        (void)hold(fault, data, n);
        return fall_silent(fault);
    case OPU_FAULT_UNPLUG:
        return unplug(fault);
    default:
        return (int)n;
    }
}

/* ---- Verbs ---- */

static int control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    struct opu_fault *const fault = self;
    if (silent(fault)) {
        return OPU_FN_NAK;
    }
    if (setup->request_type == 0x41 && setup->request == OPU_WIRE_RESET) {
        fault->broken_off = false;
        fault->n_held = 0;
    }
    return fault->options.inner.control(fault->options.inner.self, setup, data);
}

static int out(void *self, const uint8_t *data, size_t n)
{
    struct opu_fault *const fault = self;
    const struct opu_function *const inner = &fault->options.inner;
    if (silent(fault)) {
        return OPU_FN_NAK;
    }
    if (fault->out_fault > NONE) {
        fault->out_fault = n > 0 ? choose(fault, true, fault->n_out) : NONE;
    }
    size_t const kind = fault->out_fault;
    const uint8_t *sent = data;
    if (kind == OPU_FAULT_CORRUPT && n <= fault->options.max_in_bytes) {
        memcpy(fault->scratch, data, n);
        corrupt(fault, true, fault->n_out, fault->scratch, n);
        sent = fault->scratch;
    }
    int moved;
    if (kind == OPU_FAULT_STALL) {
        moved = OPU_FN_STALL;
    } else if (kind == OPU_FAULT_SILENCE) {
        moved = fall_silent(fault);
    } else if (kind == OPU_FAULT_UNPLUG) {
        moved = unplug(fault);
    } else {
        moved = inner->out(inner->self, sent, n);
        if (moved == OPU_FN_NAK) {
            return moved; /* the same transfer comes again, and meets the same */
        }
    }
    if (kind < NONE) {
        atomic_fetch_add(&fault->counts[kind], 1);
    }
    fault->n_out += n > 0;
    fault->out_fault = NONE + 1;
    return moved;
}

/* The answer that is held, or the next of the function within. */
static int fetch(struct opu_fault *fault, uint8_t *data, size_t n)
{
    const struct opu_function *const inner = &fault->options.inner;
    size_t const held = fault->n_held;
    if (held == 0) {
        return inner->in(inner->self, data, n);
    }
    size_t const moved = held < n ? held : n;
    memcpy(data, fault->held, moved);
    fault->n_held = held - moved;
    memmove(fault->held, fault->held + moved, fault->n_held); /* where there was no room for it */
    return (int)moved;
}

static int in(void *self, uint8_t *data, size_t n)
{
    struct opu_fault *const fault = self;
    if (silent(fault) || fault->broken_off) {
        return OPU_FN_NAK;
    }
    bool const fresh = fault->n_held == 0;
    int const moved = fetch(fault, data, n);
    if (moved <= 0 || (size_t)moved > fault->options.max_in_bytes) {
        return moved;
    }
    uint64_t const i = fault->n_in;
    fault->n_in += fresh;
    size_t kind = fresh ? choose(fault, false, i) : NONE; /* an answer suffers once */
    if (kind == OPU_FAULT_STALE && fault->n_last > n) {
        kind = NONE; /* it has no room here */
    }
    if (kind == OPU_FAULT_TRIGGER && !lose_frame(fault, i, data, (size_t)moved)) {
        kind = NONE;
    }
    if (kind < NONE) {
        atomic_fetch_add(&fault->counts[kind], 1);
    }
    int const result = suffer(fault, kind, i, data, (size_t)moved);
    if (result > 0 && (result & OPU_FN_PART) == 0 && kind != OPU_FAULT_STALE) {
        memcpy(fault->last, data, (size_t)result);
        fault->n_last = (size_t)result;
    }
    return result;
}

static int event(void *self, uint8_t *data, size_t n)
{
    struct opu_fault *const fault = self;
    const struct opu_function *const inner = &fault->options.inner;
    return silent(fault) ? OPU_FN_NAK : inner->event(inner->self, data, n);
}

static void bus_reset(void *self)
{
    struct opu_fault *const fault = self;
    fault->broken_off = false;
    fault->n_held = 0;
    fault->out_fault = NONE + 1;
    fault->options.inner.bus_reset(fault->options.inner.self);
}

static void clear_halt(void *self, uint8_t endpoint)
{
    struct opu_fault *const fault = self;
    fault->options.inner.clear_halt(fault->options.inner.self, endpoint);
}

struct opu_function opu_fault_function(struct opu_fault *fault)
{
    return (struct opu_function){.self = fault,
                                 .control = control,
                                 .out = out,
                                 .in = in,
                                 .event = event,
                                 .bus_reset = bus_reset,
                                 .clear_halt = clear_halt};
}

/* ---- Life and accounts ---- */

struct opu_fault *opu_fault_create(const struct opu_fault_options *options)
{
    struct opu_fault *const fault = calloc(1, sizeof *fault);
    if (fault == NULL) {
        return NULL;
    }
    fault->options = *options;
    fault->out_fault = NONE + 1;
    fault->scratch = malloc(options->max_in_bytes);
    fault->held = malloc(options->max_in_bytes);
    fault->last = malloc(options->max_in_bytes);
    if (fault->scratch == NULL || fault->held == NULL || fault->last == NULL) {
        opu_fault_destroy(fault);
        return NULL;
    }
    return fault;
}

void opu_fault_destroy(struct opu_fault *fault)
{
    if (fault != NULL) {
        free(fault->scratch);
        free(fault->held);
        free(fault->last);
        free(fault);
    }
}

void opu_fault_strike(struct opu_fault *fault, enum opu_fault_kind kind)
{
    atomic_store(&fault->wanted[kind], true);
}

void opu_fault_counts(const struct opu_fault *fault, uint64_t counts[OPU_FAULT_KINDS])
{
    for (size_t kind = 0; kind < OPU_FAULT_KINDS; kind++) {
        counts[kind] = atomic_load(&fault->counts[kind]);
    }
}

uint64_t opu_fault_silent_until_us(const struct opu_fault *fault)
{
    uint64_t const until = atomic_load(&fault->silent_until_us);
    return fault->options.now_us(fault->options.platform) < until ? until : 0;
}
