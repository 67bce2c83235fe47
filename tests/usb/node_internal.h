/* SPDX-License-Identifier: MIT */
/* What the node's files share. node.c: transfers; node_plug.c: sysfs, uevents, the two routes'
 * registration; node_umockdev.c, node_fast.c: how an ioctl gets here. */
#ifndef OPU_TESTS_USB_NODE_INTERNAL_H
#define OPU_TESTS_USB_NODE_INTERNAL_H

#include "driver/firmware/port_queue.h"
#include "node.h"

#include <linux/ioctl.h>
#include <linux/usbdevice_fs.h>
#include <umockdev.h>

#define NODES 8
#define CLIENTS 32

/* A URB of a host's. */
struct node_urb {
    struct opu_urb wait;
    struct node_urb *next;    /* of those finished, oldest first */
    struct usbdevfs_urb *urb; /* the host's, or a copy of it that route keeps in step */
    uintptr_t host;           /* its address over there */
    const void *client;
    void *keep;    /* the route's */
    unsigned bulk; /* bit of the endpoint, of a bulk transfer */
    bool continues;
};

struct usb_node {
    struct usb_node *next_dead;
    struct usb_node_options options;
    struct opu_port_queue queue;
    bool behind; /* there is a function */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t owner; /* of the lock, while held */
    bool owned, ask, pull;

    struct node_urb *finished, **last_finished;
    struct node_urb *pending[256]; /* under way, in no order */
    uint64_t next_id;
    unsigned disabled; /* bulk endpoints whose split transfer broke off */
    const void *claimed;
    const void *clients[CLIENTS];
    UMockdevIoctlClient *guests[CLIENTS]; /* those of umockdev's route */
    struct usb_node_counts counts;

    bool plugged; /* as libusb sees it */
    bool gone;    /* pulled: every ioctl says ENODEV */
    bool denied;
    uint64_t replug_us; /* UINT64_MAX: none */
    unsigned address;
    char path[128]; /* of the FIFO, below the test-bed */
    char devnode[32], syspath[64];
    int fifo;
    dev_t fifo_dev;
    ino_t fifo_ino;
    bool writable;
    UMockdevIoctlBase *handler;
    pthread_t hub;
    bool has_hub, stop;
};

extern UMockdevTestbed *usb_testbed;
extern struct usb_node *usb_nodes[NODES]; /* by port; changed while nobody does ioctls */

/* ---- node.c: under the lock ---- */

/* 0 or more, or a negative errno. */
int usb_node_submit(struct usb_node *node, const void *client, struct usbdevfs_urb *urb,
                    uintptr_t host, void *keep);
/* The oldest that has finished, filled in; NULL: *error says why. The caller frees it. */
struct node_urb *usb_node_reap(struct usb_node *node, const void *client, int *error);
int usb_node_discard(struct usb_node *node, const void *client, uintptr_t host);
int usb_node_request(struct usb_node *node, const void *client, unsigned long request, void *arg);
/* The host closed it: its transfers die, its claims end. */
void usb_node_forget(struct usb_node *node, const void *client, void (*release)(void *keep));
/* Everything ends, ENODEV from now on. */
void usb_node_pull(struct usb_node *node);
bool usb_node_mine(struct usb_node *node); /* this thread holds the lock; call it with or without */
/* A configuration's descriptors, as the node's options want them. */
void usb_node_alter(const struct usb_node *node, uint8_t *descriptors, size_t n);
/* The FIFO says what can be reaped. */
void usb_node_signal(struct usb_node *node);

/* ---- node_umockdev.c ---- */

UMockdevIoctlBase *usb_route_handler(struct usb_node *node);
/* Forgets the hosts that have gone. Under the lock. */
void usb_route_sweep(struct usb_node *node, bool all);

#endif
