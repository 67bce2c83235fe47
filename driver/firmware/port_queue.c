/* SPDX-License-Identifier: MIT */
/*
 * Standard requests by a table, waiting transfers by a list per endpoint. A transfer out may come
 * in pieces (a host that splits it for its controller): the function sees it whole.
 */
#include "driver/firmware/port_queue.h"

#include "driver/wire.h"

#include <stdlib.h>
#include <string.h>

enum { END_OUT, END_IN, END_EVENT, END_CONTROL, N_ENDS };

#define N_HALTS END_CONTROL /* the endpoints that can halt stand first */

static const uint8_t addresses[N_ENDS] = {OPU_USB_OUT, OPU_USB_IN, OPU_USB_EVENT, OPU_URB_CONTROL};

/* Among the first n; -1: no such endpoint. */
static int find_end(unsigned endpoint, int n)
{
    for (int i = 0; i < n; i++) {
        if (addresses[i] == endpoint) {
            return i;
        }
    }
    return -1;
}

static size_t packet_bytes(enum opu_usb_speed speed)
{
    return speed == OPU_USB_SUPER ? 1024 : speed == OPU_USB_HIGH ? 512 : 64;
}

bool opu_port_queue_init(struct opu_port_queue *queue, const struct opu_port_queue_options *options)
{
    *queue = (struct opu_port_queue){.options = *options,
                                     .packet = packet_bytes(options->identity.speed),
                                     .join = malloc(options->max_out_bytes + 1)};
    return queue->join != NULL;
}

void opu_port_queue_fini(struct opu_port_queue *queue)
{
    free(queue->join);
    queue->join = NULL;
}

/* ---- Transfers ---- */

static int ask_out(struct opu_port_queue *queue, struct opu_urb *urb)
{
    const struct opu_function *const function = &queue->options.function;
    bool const more = !urb->ends && urb->n > 0 && urb->n % queue->packet == 0;
    if (queue->n_join == 0 && !more) {
        return function->out(function->self, urb->data, urb->n);
    }
    if (!urb->joined) {
        if (urb->n > queue->options.max_out_bytes - queue->n_join) {
            return OPU_FN_STALL;
        }
        if (urb->n > 0) {
            memcpy(queue->join + queue->n_join, urb->data, urb->n);
        }
        queue->n_join += urb->n;
        urb->joined = true;
    }
    if (more) {
        return (int)urb->n;
    }
    int const moved = function->out(function->self, queue->join, queue->n_join);
    if (moved >= 0) {
        queue->n_join = 0;
    }
    return moved < 0 ? moved : (int)urb->n;
}

static int ask_in(struct opu_port_queue *queue, struct opu_urb *urb)
{
    const struct opu_function *const function = &queue->options.function;
    int const moved = function->in(function->self, urb->data + urb->moved, urb->n - urb->moved);
    if (moved >= 0 && (moved & OPU_FN_PART) != 0) {
        urb->moved += (size_t)(moved & ~OPU_FN_PART);
        return OPU_FN_NAK;
    }
    return moved;
}

static int ask_event(struct opu_port_queue *queue, struct opu_urb *urb)
{
    const struct opu_function *const function = &queue->options.function;
    return function->event(function->self, urb->data, urb->n);
}

static int ask_control(struct opu_port_queue *queue, struct opu_urb *urb)
{
    return urb->setup.length <= urb->n ? opu_port_queue_control(queue, &urb->setup, urb->data)
                                       : OPU_FN_STALL;
}

static int (*const ask_function[N_ENDS])(struct opu_port_queue *queue, struct opu_urb *urb) = {
    ask_out, ask_in, ask_event, ask_control};

/* false: it waits on */
static bool ask(struct opu_port_queue *queue, int i, struct opu_urb *urb)
{
    struct opu_port_queue_end *const end = &queue->ends[i];
    int const moved = end->halted ? OPU_FN_STALL : ask_function[i](queue, urb);
    if (moved == OPU_FN_NAK) {
        return false;
    }
    size_t const room = urb->n - urb->moved;
    urb->moved += moved < 0 ? 0 : (size_t)moved < room ? (size_t)moved : room;
    urb->status = moved < 0 ? OPU_URB_STALL : OPU_URB_OK;
    if (moved < 0) {
        end->halted = i < N_HALTS;
        queue->n_join = i == END_OUT ? 0 : queue->n_join;
    }
    return true;
}

/* done() may come back here with more: that only joins the list, whose order stays. */
static void ask_all(struct opu_port_queue *queue, int i)
{
    struct opu_port_queue_end *const end = &queue->ends[i];
    if (end->busy) {
        return;
    }
    end->busy = true;
    while (end->first != NULL && ask(queue, i, end->first)) {
        struct opu_urb *const urb = end->first;
        end->first = urb->next;
        queue->options.done(queue->options.user, urb);
    }
    end->busy = false;
}

bool opu_port_queue_submit(struct opu_port_queue *queue, struct opu_urb *urb)
{
    int const i = find_end(urb->endpoint, N_ENDS);
    if (i < 0) {
        return false;
    }
    urb->next = NULL;
    urb->joined = false;
    urb->moved = 0;
    struct opu_urb **last = &queue->ends[i].first;
    bool const alone = *last == NULL;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = urb;
    if (alone) {
        ask_all(queue, i);
    }
    return true;
}

void opu_port_queue_ask(struct opu_port_queue *queue)
{
    for (int i = 0; i < N_ENDS; i++) {
        ask_all(queue, i);
    }
}

struct opu_urb *opu_port_queue_take(struct opu_port_queue *queue, uint64_t id)
{
    for (int i = 0; i < N_ENDS; i++) {
        struct opu_urb **const first = &queue->ends[i].first, **at = first;
        while (*at != NULL && (*at)->id != id) {
            at = &(*at)->next;
        }
        if (*at == NULL) {
            continue;
        }
        struct opu_urb *const urb = *at;
        /* Without its next piece, or its last, the transfer out is worth nothing. */
        queue->n_join = i == END_OUT && at == first ? 0 : queue->n_join;
        *at = urb->next;
        urb->status = OPU_URB_CANCELLED;
        return urb;
    }
    return NULL;
}

/* ---- Standard requests ---- */

static void forget(struct opu_port_queue *queue)
{
    for (int i = 0; i < N_HALTS; i++) {
        queue->ends[i].halted = false;
    }
    queue->n_join = 0;
}

void opu_port_queue_bus_reset(struct opu_port_queue *queue)
{
    const struct opu_function *const function = &queue->options.function;
    forget(queue);
    queue->configuration = 0;
    function->bus_reset(function->self);
}

void opu_port_queue_unplug(struct opu_port_queue *queue, int status)
{
    for (int i = 0; i < N_ENDS; i++) {
        while (queue->ends[i].first != NULL) {
            struct opu_urb *const urb = queue->ends[i].first;
            queue->ends[i].first = urb->next;
            urb->status = status;
            queue->options.done(queue->options.user, urb);
        }
    }
    opu_port_queue_bus_reset(queue);
}

void opu_port_queue_clear_halt(struct opu_port_queue *queue, uint8_t endpoint)
{
    const struct opu_function *const function = &queue->options.function;
    int const i = find_end(endpoint, N_HALTS);
    if (i < 0) {
        return;
    }
    queue->ends[i].halted = false;
    queue->n_join = i == END_OUT ? 0 : queue->n_join;
    function->clear_halt(function->self, endpoint);
    ask_all(queue, i);
}

bool opu_port_queue_halted(const struct opu_port_queue *queue, uint8_t endpoint)
{
    int const i = find_end(endpoint, N_HALTS);
    return i >= 0 && queue->ends[i].halted;
}

static int get_descriptor(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                          uint8_t *data)
{
    int const n =
        opu_usb_descriptor(data, setup->length, &queue->options.identity, setup->request_type,
                           setup->request, setup->value, setup->index);
    return n < 0 ? OPU_FN_STALL : n;
}

static int set_address(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                       uint8_t *data)
{
    (void)queue;
    (void)setup;
    (void)data;
    return 0;
}

static int set_configuration(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                             uint8_t *data)
{
    (void)data;
    if (setup->value > 1) {
        return OPU_FN_STALL;
    }
    opu_port_queue_bus_reset(queue);
    queue->configuration = (uint8_t)setup->value;
    return 0;
}

static int put(uint8_t *data, const struct opu_fn_setup *setup, unsigned value, int n)
{
    for (int i = 0; i < n && i < setup->length; i++) {
        data[i] = (uint8_t)(value >> (8 * i));
    }
    return n < setup->length ? n : setup->length;
}

static int get_configuration(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                             uint8_t *data)
{
    return put(data, setup, queue->configuration, 1);
}

/* The one setting there is: choosing it starts the endpoints anew. */
static int set_interface(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                         uint8_t *data)
{
    (void)data;
    if (setup->value != 0 || setup->index != 0) {
        return OPU_FN_STALL;
    }
    for (int i = 0; i < N_HALTS; i++) {
        opu_port_queue_clear_halt(queue, addresses[i]);
    }
    return 0;
}

static int get_interface(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                         uint8_t *data)
{
    (void)queue;
    return setup->index == 0 ? put(data, setup, 0, 1) : OPU_FN_STALL;
}

/* Bit 0: self-powered, as the configuration's attributes say. */
static int device_status(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                         uint8_t *data)
{
    uint8_t config[9];
    int const n =
        opu_usb_descriptor(config, sizeof config, &queue->options.identity, 0x80, 6, 2 << 8, 0);
    return put(data, setup, n == 9 && (config[7] & 0x40) != 0, 2);
}

static int interface_status(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                            uint8_t *data)
{
    (void)queue;
    return setup->index == 0 ? put(data, setup, 0, 2) : OPU_FN_STALL;
}

static int endpoint_status(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                           uint8_t *data)
{
    uint8_t const endpoint = (uint8_t)setup->index;
    if ((endpoint & 0x7f) != 0 && find_end(endpoint, N_HALTS) < 0) {
        return OPU_FN_STALL;
    }
    return put(data, setup, opu_port_queue_halted(queue, endpoint), 2);
}

/* Feature 0: the endpoint's halt. */
static int clear_endpoint(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                          uint8_t *data)
{
    (void)data;
    if (setup->value != 0 || find_end(setup->index, N_HALTS) < 0) {
        return OPU_FN_STALL;
    }
    opu_port_queue_clear_halt(queue, (uint8_t)setup->index);
    return 0;
}

static int halt_endpoint(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                         uint8_t *data)
{
    int const i = find_end(setup->index, N_HALTS);
    (void)data;
    if (setup->value != 0 || i < 0) {
        return OPU_FN_STALL;
    }
    queue->ends[i].halted = true;
    ask_all(queue, i);
    return 0;
}

/* A vendor request to our one interface. A reset empties the queues: what has come of a transfer
 * goes with them. */
static int vendor(struct opu_port_queue *queue, const struct opu_fn_setup *setup, uint8_t *data)
{
    const struct opu_function *const function = &queue->options.function;
    if ((setup->index & 0xff) != 0) {
        return OPU_FN_STALL;
    }
    int const n = function->control(function->self, setup, data);
    if (n >= 0 && setup->request_type == 0x41 && setup->request == OPU_WIRE_RESET) {
        queue->n_join = 0;
    }
    return n;
}

static const struct {
    uint8_t request_type;
    int request; /* -1: any */
    int (*answer)(struct opu_port_queue *queue, const struct opu_fn_setup *setup, uint8_t *data);
} requests[] = {
    {0x80, 6, get_descriptor},    {0xc0, OPU_USB_MS_VENDOR_CODE, get_descriptor},
    {0x00, 5, set_address},       {0x00, 9, set_configuration},
    {0x80, 8, get_configuration}, {0x01, 11, set_interface},
    {0x81, 10, get_interface},    {0x80, 0, device_status},
    {0x81, 0, interface_status},  {0x82, 0, endpoint_status},
    {0x02, 1, clear_endpoint},    {0x02, 3, halt_endpoint},
    {0x41, -1, vendor},           {0xc1, -1, vendor},
};

int opu_port_queue_control(struct opu_port_queue *queue, const struct opu_fn_setup *setup,
                           uint8_t *data)
{
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].request_type == setup->request_type &&
            (requests[i].request < 0 || requests[i].request == setup->request)) {
            return requests[i].answer(queue, setup, data);
        }
    }
    return OPU_FN_STALL;
}

struct opu_fn_setup opu_port_queue_setup(const uint8_t bytes[8])
{
    return (struct opu_fn_setup){
        .request_type = bytes[0],
        .request = bytes[1],
        .value = (uint16_t)(bytes[2] | bytes[3] << 8),
        .index = (uint16_t)(bytes[4] | bytes[5] << 8),
        .length = (uint16_t)(bytes[6] | bytes[7] << 8),
    };
}
