/* SPDX-License-Identifier: MIT */
/*
 * Transfers of a node, as usbfs handles them (drivers/usb/core/devio.c of Linux tells the rules):
 * URBs wait in the port's queue, finished ones until they are reaped; the pieces of a transfer that
 * libusb split end with the first short one.
 */
#include "node_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY (16u << 20)

/* ---- The lock ---- */

void usb_node_lock(struct usb_node *node)
{
    (void)pthread_mutex_lock(&node->lock);
    node->owner = pthread_self();
    node->owned = true;
}

void usb_node_unlock(struct usb_node *node)
{
    if (node->options.step != NULL && node->behind) {
        node->options.step(node->options.user);
    }
    while (node->ask || node->pull) {
        if (node->pull) {
            node->pull = false;
            usb_node_pull(node);
        }
        node->ask = false;
        if (node->behind && !node->gone) {
            opu_port_queue_ask(&node->queue);
        }
        if (node->options.step != NULL && node->behind) {
            node->options.step(node->options.user);
        }
    }
    usb_node_signal(node);
    node->owned = false;
    (void)pthread_mutex_unlock(&node->lock);
}

/* `owned` and `owner` are read without the lock: they equal "this thread holds it" only where it
 * does. */
bool usb_node_mine(struct usb_node *node)
{
    return __atomic_load_n(&node->owned, __ATOMIC_RELAXED) &&
           pthread_equal(__atomic_load_n(&node->owner, __ATOMIC_RELAXED), pthread_self());
}

void usb_node_ready(void *self)
{
    struct usb_node *const node = self;
    if (usb_node_mine(node)) {
        node->ask = true;
        return;
    }
    usb_node_lock(node);
    node->ask = true;
    usb_node_unlock(node);
}

void usb_node_signal(struct usb_node *node)
{
    char byte = 0;
    bool const wanted = node->finished != NULL || node->gone;
    if (node->fifo < 0 || wanted == node->writable) {
        return;
    }
    ssize_t const moved = wanted ? read(node->fifo, &byte, 1) : write(node->fifo, &byte, 1);
    node->writable = moved == 1 ? wanted : node->writable;
}

/* ---- Ends ---- */

static void finish(struct usb_node *node, struct node_urb *u, int status)
{
    u->wait.status = status;
    u->next = NULL;
    *node->last_finished = u;
    node->last_finished = &u->next;
}

/* A split transfer has broken off: what is left of it must not take the next one's bytes. */
static void break_off(struct usb_node *node, const struct node_urb *u)
{
    if (u->bulk == 0) {
        return;
    }
    node->disabled |= u->bulk;
    for (size_t i = 0; i < 256; i++) {
        struct node_urb *const other = node->pending[i];
        if (other == NULL || other->bulk != u->bulk || !other->continues ||
            other->client != u->client || other == u) {
            continue;
        }
        if (opu_port_queue_take(&node->queue, other->wait.id) != NULL) {
            node->pending[i] = NULL;
            finish(node, other, -EREMOTEIO);
        }
    }
}

void usb_node_alter(const struct usb_node *node, uint8_t *descriptors, size_t n)
{
    static const uint8_t map[][2] = {
        {OPU_USB_OUT, 0x02}, {OPU_USB_IN, 0x81}, {OPU_USB_EVENT, 0x86}};
    for (size_t at = 0; at + 8 < n + 2 && descriptors[at] > 2; at += descriptors[at]) {
        if (descriptors[at + 1] == 4 && node->options.version != 0 && at + 7 < n) {
            descriptors[at + 7] = node->options.version;
        }
        for (size_t i = 0; descriptors[at + 1] == 5 && node->options.renumbered && i < 3; i++) {
            if (descriptors[at + 2] == map[i][0]) {
                descriptors[at + 2] = map[i][1];
                break;
            }
        }
    }
}

static void done(void *user, struct opu_urb *wait)
{
    struct usb_node *const node = user;
    struct node_urb *const u = wait->user;
    bool const config = wait->endpoint == OPU_URB_CONTROL && wait->setup.request_type == 0x80 &&
                        wait->setup.request == 6 && wait->setup.value >> 8 == 2;
    if (config) {
        usb_node_alter(node, wait->data, wait->moved);
    }
    bool const shorter = wait->status == OPU_URB_OK && wait->moved < wait->n &&
                         (u->urb->flags & USBDEVFS_URB_SHORT_NOT_OK) != 0;
    for (size_t i = 0; i < 256; i++) {
        node->pending[i] = node->pending[i] == u ? NULL : node->pending[i];
    }
    finish(node, u, shorter ? -EREMOTEIO : wait->status);
    if (u->wait.status < 0 && u->wait.status != OPU_URB_GONE) {
        break_off(node, u);
    }
}

void usb_node_pull(struct usb_node *node)
{
    if (node->gone) {
        return;
    }
    node->gone = true;
    node->claimed = NULL;
    if (node->behind) {
        opu_port_queue_unplug(&node->queue, OPU_URB_GONE);
    }
}

void usb_node_behind(struct usb_node *node, struct opu_function function, const char *serial,
                     size_t max_out_bytes)
{
    node->options.identity.serial = serial;
    struct opu_port_queue_options const options = {
        .function = function,
        .identity = node->options.identity,
        .max_out_bytes = max_out_bytes,
        .user = node,
        .done = done,
    };
    usb_node_lock(node);
    node->behind = opu_port_queue_init(&node->queue, &options);
    usb_node_unlock(node);
}

void usb_node_alone(struct usb_node *node)
{
    usb_node_unplug(node);
    (void)pthread_mutex_lock(&node->lock);
    if (node->behind) {
        node->behind = false;
        opu_port_queue_fini(&node->queue);
    }
    (void)pthread_mutex_unlock(&node->lock);
}

/* ---- Requests of hosts ---- */

static uint8_t inner_address(const struct usb_node *node, uint8_t endpoint)
{
    static const uint8_t map[][2] = {
        {0x02, OPU_USB_OUT}, {0x81, OPU_USB_IN}, {0x86, OPU_USB_EVENT}};
    for (size_t i = 0; node->options.renumbered && i < 3; i++) {
        if (map[i][0] == endpoint) {
            return map[i][1];
        }
    }
    return node->options.renumbered && endpoint != 0 ? 0x0f : endpoint;
}

static void know(struct usb_node *node, const void *client)
{
    size_t free_at = CLIENTS;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (node->clients[i] == client) {
            return;
        }
        free_at = node->clients[i] == NULL && free_at == CLIENTS ? i : free_at;
    }
    if (free_at < CLIENTS) {
        node->clients[free_at] = client;
        node->counts.clients++;
    }
}

static int claim(struct usb_node *node, const void *client)
{
    if (node->claimed != NULL && node->claimed != client) {
        return -EBUSY;
    }
    node->counts.claims += node->claimed == NULL;
    node->claimed = client;
    return 0;
}

static void fill(struct usb_node *node, struct node_urb *u)
{
    struct usbdevfs_urb *const urb = u->urb;
    uint8_t *const buffer = urb->buffer;
    size_t const n = (size_t)urb->buffer_length;
    u->wait = (struct opu_urb){.endpoint = inner_address(node, urb->endpoint),
                               .data = buffer,
                               .n = n,
                               .id = ++node->next_id,
                               .user = u,
                               .ends = (urb->flags & USBDEVFS_URB_ZERO_PACKET) != 0};
    if (urb->type == USBDEVFS_URB_TYPE_CONTROL) {
        u->wait.endpoint = OPU_URB_CONTROL;
        u->wait.setup = opu_port_queue_setup(buffer);
        u->wait.setup.index = u->wait.setup.request_type == 0x02
                                  ? inner_address(node, (uint8_t)u->wait.setup.index)
                                  : u->wait.setup.index;
        u->wait.data = buffer + 8;
        u->wait.n = n - 8;
    } else if (urb->type == USBDEVFS_URB_TYPE_BULK) {
        u->bulk = 1u << ((urb->endpoint & 0x0f) | (urb->endpoint & 0x80) >> 3);
        u->continues = (urb->flags & USBDEVFS_URB_BULK_CONTINUATION) != 0;
    }
}

static bool sound(const struct usbdevfs_urb *urb)
{
    size_t const n = (size_t)urb->buffer_length;
    const uint8_t *const buffer = urb->buffer;
    if (urb->buffer_length < 0 || (n > 0 && buffer == NULL)) {
        return false;
    }
    return urb->type != USBDEVFS_URB_TYPE_CONTROL ||
           (n >= 8 && n >= 8 + (size_t)(buffer[6] | buffer[7] << 8));
}

static void count(struct usb_node *node, size_t n)
{
    struct usb_node_counts *const counts = &node->counts;
    counts->submitted++;
    counts->n_under_way++;
    counts->bytes += n;
    counts->most_under_way =
        counts->n_under_way > counts->most_under_way ? counts->n_under_way : counts->most_under_way;
    counts->most_bytes = counts->bytes > counts->most_bytes ? counts->bytes : counts->most_bytes;
    counts->largest = n > counts->largest ? n : counts->largest;
}

int usb_node_submit(struct usb_node *node, const void *client, struct usbdevfs_urb *urb,
                    uintptr_t host, void *keep)
{
    node->counts.ioctls++;
    know(node, client);
    if (node->gone || !node->behind) {
        return -ENODEV;
    }
    if (!sound(urb)) {
        return -EINVAL;
    }
    if (urb->type != USBDEVFS_URB_TYPE_CONTROL && claim(node, client) < 0) {
        return -EBUSY;
    }
    size_t const n = (size_t)urb->buffer_length;
    size_t const limit = node->options.memory_limit != 0 ? node->options.memory_limit : MEMORY;
    size_t slot = 0;
    while (slot < 256 && node->pending[slot] != NULL) {
        slot++;
    }
    struct node_urb *const u =
        n + node->counts.bytes <= limit && slot < 256 ? calloc(1, sizeof *u) : NULL;
    if (u == NULL) {
        node->counts.refused++;
        return -ENOMEM;
    }
    u->urb = urb;
    u->host = host;
    u->client = client;
    u->keep = keep;
    fill(node, u);
    if (u->bulk != 0 && !u->continues) {
        node->disabled &= ~u->bulk;
    } else if ((node->disabled & u->bulk) != 0) {
        free(u);
        return -EREMOTEIO;
    }
    node->pending[slot] = u;
    count(node, n);
    if (!opu_port_queue_submit(&node->queue, &u->wait)) {
        node->pending[slot] = NULL;
        node->counts.n_under_way--;
        node->counts.bytes -= n;
        free(u);
        return -ENOENT;
    }
    return 0;
}

struct node_urb *usb_node_reap(struct usb_node *node, const void *client, int *error)
{
    struct node_urb **at = &node->finished;
    node->counts.ioctls++;
    while (*at != NULL && (*at)->client != client) {
        at = &(*at)->next;
    }
    struct node_urb *const u = *at;
    if (u == NULL) {
        *error = node->gone ? -ENODEV : -EAGAIN;
        return NULL;
    }
    *at = u->next;
    if (*at == NULL) {
        node->last_finished = at;
    }
    u->urb->status = u->wait.status;
    u->urb->actual_length = (int)u->wait.moved;
    node->counts.reaped++;
    node->counts.n_under_way--;
    node->counts.bytes -= (size_t)u->urb->buffer_length;
    return u;
}

int usb_node_discard(struct usb_node *node, const void *client, uintptr_t host)
{
    node->counts.ioctls++;
    for (size_t i = 0; i < 256; i++) {
        struct node_urb *const u = node->pending[i];
        if (u == NULL || u->host != host || u->client != client) {
            continue;
        }
        if (opu_port_queue_take(&node->queue, u->wait.id) == NULL) {
            return -EINVAL;
        }
        node->pending[i] = NULL;
        node->counts.discarded++;
        finish(node, u, -ENOENT);
        return 0;
    }
    return node->gone ? -ENODEV : -EINVAL;
}

/* The last host that closes the node leaves the device as it is; its transfers die. */
void usb_node_forget(struct usb_node *node, const void *client, void (*release)(void *keep))
{
    int error;
    for (size_t i = 0; i < 256; i++) {
        struct node_urb *const u = node->pending[i];
        if (u != NULL && u->client == client && node->behind &&
            opu_port_queue_take(&node->queue, u->wait.id) != NULL) {
            node->pending[i] = NULL;
            finish(node, u, -ENOENT);
        }
    }
    for (struct node_urb *u; (u = usb_node_reap(node, client, &error)) != NULL;) {
        if (release != NULL) {
            release(u->keep);
        }
        free(u);
    }
    node->claimed = node->claimed == client ? NULL : node->claimed;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (node->clients[i] == client && client != NULL) {
            node->clients[i] = NULL;
            node->counts.clients--;
        }
    }
}

static int standard(struct usb_node *node, uint8_t type, uint8_t request, uint16_t value,
                    uint16_t index)
{
    struct opu_fn_setup const setup = {
        .request_type = type, .request = request, .value = value, .index = index};
    return opu_port_queue_control(&node->queue, &setup, NULL) < 0 ? -EPIPE : 0;
}

int usb_node_request(struct usb_node *node, const void *client, unsigned long request, void *arg)
{
    node->counts.ioctls++;
    know(node, client);
    if (node->gone || !node->behind) {
        return -ENODEV;
    }
    switch (request) {
    case USBDEVFS_GET_CAPABILITIES:
        *(uint32_t *)arg = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_REAP_AFTER_DISCONNECT |
                           (node->options.splits ? USBDEVFS_CAP_BULK_CONTINUATION
                                                 : USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                                                       USBDEVFS_CAP_BULK_SCATTER_GATHER);
        return 0;
    case USBDEVFS_CLAIMINTERFACE:
    case USBDEVFS_DISCONNECT_CLAIM:
        return claim(node, client);
    case USBDEVFS_RELEASEINTERFACE:
        node->claimed = node->claimed == client ? NULL : node->claimed;
        return 0;
    case USBDEVFS_SETINTERFACE:
        return standard(node, 0x01, 11, 0, 0);
    case USBDEVFS_SETCONFIGURATION:
        return standard(node, 0x00, 9, 1, 0);
    case USBDEVFS_RESET:
        opu_port_queue_bus_reset(&node->queue);
        return 0;
    case USBDEVFS_CLEAR_HALT:
    case USBDEVFS_RESETEP:
        opu_port_queue_clear_halt(&node->queue, inner_address(node, (uint8_t) * (unsigned *)arg));
        return 0;
    case USBDEVFS_GETDRIVER:
    case USBDEVFS_IOCTL:
        return -ENODATA;
    default:
        return -ENOTTY;
    }
}

/* ---- For tests ---- */

void usb_node_halt(struct usb_node *node, uint8_t endpoint)
{
    usb_node_lock(node);
    (void)standard(node, 0x02, 3, 0, endpoint);
    usb_node_unlock(node);
}

struct usb_node_counts usb_node_counts(struct usb_node *node)
{
    (void)pthread_mutex_lock(&node->lock);
    struct usb_node_counts const counts = node->counts;
    (void)pthread_mutex_unlock(&node->lock);
    return counts;
}
