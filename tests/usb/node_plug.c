/* SPDX-License-Identifier: MIT */
/*
 * Nodes come and go as the kernel's do: a new device number each time, the node before the uevent.
 * Uevents are sent by a thread of the node's, as faults strike in the midst of an ioctl; on a
 * test's own clock by whoever moves it.
 */
#include "node_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define F_SETPIPE_SZ_LINUX 1031 /* F_SETPIPE_SZ, which fcntl.h keeps for GNU programs */

UMockdevTestbed *usb_testbed;
struct usb_node *usb_nodes[NODES];
static unsigned last_address = 1;
static unsigned n_nodes;

bool usb_nodes_work(void)
{
    if (usb_testbed != NULL) {
        return true;
    }
    usb_testbed = umockdev_testbed_new(); /* before the question: it says no where there is none */
    if (usb_testbed != NULL && !umockdev_in_mock_environment()) {
        g_object_unref(usb_testbed);
        usb_testbed = NULL;
    }
    return usb_testbed != NULL;
}

/* ---- sysfs ---- */

/* Device and configuration descriptor in hexadecimal, endpoints as the node numbers them. */
static void descriptors(const struct usb_node *node, char hex[1024])
{
    uint8_t bytes[512];
    int const device = opu_usb_descriptor(bytes, 18, &node->options.identity, 0x80, 6, 1 << 8, 0);
    int const config = opu_usb_descriptor(bytes + device, sizeof bytes - 18,
                                          &node->options.identity, 0x80, 6, 2 << 8, 0);
    usb_node_alter(node, bytes + device, (size_t)config);
    for (int i = 0; i < device + config && i < 511; i++) {
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
    }
}

static void make_fifo(struct usb_node *node)
{
    static const char *const folders[] = {"/dev", "/dev/bus", "/dev/bus/usb", "/dev/bus/usb/001"};
    char *const root = umockdev_testbed_get_root_dir(usb_testbed);
    struct stat status;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        (void)snprintf(node->path, sizeof node->path, "%s%s", root, folders[i]);
        (void)mkdir(node->path, 0755);
    }
    (void)snprintf(node->path, sizeof node->path, "%s%s", root, node->devnode);
    g_free(root);
    (void)unlink(node->path);
    node->fifo =
        mkfifo(node->path, 0666) == 0 ? open(node->path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
    if (node->fifo < 0 || fstat(node->fifo, &status) < 0) {
        perror(node->path);
        abort();
    }
    node->fifo_dev = status.st_dev;
    node->fifo_ino = status.st_ino;
    /* One page: with a byte in it the FIFO can't be written, which is "nothing to reap". */
    (void)fcntl(node->fifo, F_SETPIPE_SZ_LINUX, 4096);
    node->writable = true;
    usb_node_signal(node);
}

static void add(struct usb_node *node)
{
    char text[2048], hex[1024] = "";
    GError *error = NULL;
    descriptors(node, hex);
    (void)snprintf(text, sizeof text,
                   "P: /devices/usb1/1-%u\nE: SUBSYSTEM=usb\nE: DRIVER=usb\nE: BUSNUM=001\n"
                   "E: DEVNUM=%03u\nE: DEVNAME=%s\nE: DEVTYPE=usb_device\n"
                   "A: bConfigurationValue=1\\n\nA: busnum=1\\n\nA: devnum=%u\\n\nA: speed=%s\\n\n"
                   "H: descriptors=%s\n",
                   node->options.port, node->address, node->devnode, node->address,
                   node->options.identity.speed == OPU_USB_SUPER  ? "5000"
                   : node->options.identity.speed == OPU_USB_HIGH ? "480"
                                                                  : "12",
                   hex);
    if (!umockdev_testbed_add_from_string(usb_testbed, text, &error)) {
        (void)fprintf(stderr, "umockdev: %s\n", error->message);
        abort();
    }
}

/* As the kernel numbers them: 127 on a bus, those just freed last. */
static unsigned next_address(void)
{
    bool taken = true;
    while (taken) {
        last_address = last_address % 127 + 1;
        taken = false;
        for (size_t i = 0; i < NODES; i++) {
            taken = taken || (usb_nodes[i] != NULL && usb_nodes[i]->plugged &&
                              usb_nodes[i]->address == last_address);
        }
    }
    return last_address;
}

void usb_node_plug(struct usb_node *node)
{
    usb_node_lock(node);
    bool const there = node->plugged;
    if (!there) {
        node->address = next_address();
        (void)snprintf(node->devnode, sizeof node->devnode, "/dev/bus/usb/001/%03u", node->address);
        node->gone = false;
        make_fifo(node);
        node->plugged = true;
        node->replug_us = UINT64_MAX;
        node->counts.plugs++;
    }
    usb_node_unlock(node);
    if (!there) {
        if (!umockdev_testbed_attach_ioctl(usb_testbed, node->devnode, node->handler, NULL)) {
            abort();
        }
        add(node);
    }
}

void usb_node_unplug(struct usb_node *node)
{
    usb_node_lock(node);
    bool const there = node->plugged;
    usb_node_pull(node);
    node->plugged = false;
    node->counts.unplugs += there;
    usb_node_unlock(node);
    if (!there) {
        return;
    }
    umockdev_testbed_uevent(usb_testbed, node->syspath, "remove");
    umockdev_testbed_remove_device(usb_testbed, node->syspath);
    (void)umockdev_testbed_detach_ioctl(usb_testbed, node->devnode, NULL);
    usb_node_lock(node);
    (void)unlink(node->path);
    (void)close(node->fifo);
    node->fifo = -1;
    usb_node_unlock(node);
}

/* ---- Later ---- */

static uint64_t now_us(const struct usb_node *node)
{
    struct timespec now;
    if (node->options.now_us != NULL) {
        return node->options.now_us(node->options.user);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void usb_node_unplug_for(void *self, uint64_t us)
{
    struct usb_node *const node = self;
    bool const inside = usb_node_mine(node);
    if (!inside) {
        usb_node_lock(node);
    }
    node->pull = true;
    node->replug_us = now_us(node) + us;
    (void)pthread_cond_signal(&node->changed);
    if (!inside) {
        usb_node_unlock(node);
    }
}

uint64_t usb_node_due_us(struct usb_node *node)
{
    (void)pthread_mutex_lock(&node->lock);
    uint64_t const due = node->gone && node->plugged ? 0 : node->replug_us;
    (void)pthread_mutex_unlock(&node->lock);
    return due;
}

bool usb_node_pass(struct usb_node *node)
{
    uint64_t const due = usb_node_due_us(node);
    if (due == 0) {
        usb_node_unplug(node);
        return true;
    }
    if (due <= now_us(node)) {
        usb_node_plug(node);
        return true;
    }
    return false;
}

static void *watch(void *user)
{
    struct usb_node *const node = user;
    (void)pthread_mutex_lock(&node->lock);
    while (!node->stop) {
        (void)pthread_mutex_unlock(&node->lock);
        (void)usb_node_pass(node);
        (void)pthread_mutex_lock(&node->lock);
        bool const pull = node->gone && node->plugged;
        if (!node->stop && !pull) {
            struct timespec until;
            (void)clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 20000000;
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            (void)pthread_cond_timedwait(&node->changed, &node->lock, &until);
        }
    }
    (void)pthread_mutex_unlock(&node->lock);
    return NULL;
}

/* ---- Life ---- */

struct usb_node *usb_node_create(const struct usb_node_options *options)
{
    struct usb_node *const node =
        usb_nodes_work() && options->port < NODES && usb_nodes[options->port] == NULL
            ? calloc(1, sizeof *node)
            : NULL;
    if (node == NULL) {
        return NULL;
    }
    node->options = *options;
    node->last_finished = &node->finished;
    node->fifo = -1;
    node->replug_us = UINT64_MAX;
    (void)pthread_mutex_init(&node->lock, NULL);
    (void)pthread_cond_init(&node->changed, NULL);
    (void)snprintf(node->syspath, sizeof node->syspath, "/sys/devices/usb1/1-%u", options->port);
    node->handler = usb_route_handler(node);
    usb_nodes[options->port] = node;
    n_nodes++;
    node->has_hub = options->now_us == NULL && pthread_create(&node->hub, NULL, watch, node) == 0;
    return node;
}

/* Nodes that are destroyed. They stay until the process ends: umockdev's threads may still tell of
 * a client, even after the testbed has gone, and can't be waited for. */
static struct usb_node *dead;

void usb_node_destroy(struct usb_node *node)
{
    if (node == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&node->lock);
    node->stop = true;
    (void)pthread_cond_signal(&node->changed);
    (void)pthread_mutex_unlock(&node->lock);
    if (node->has_hub) {
        (void)pthread_join(node->hub, NULL);
    }
    usb_node_alone(node);
    usb_nodes[node->options.port] = NULL;
    g_object_unref(node->handler);
    usb_route_sweep(node, true);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (node->clients[i] != NULL) {
            usb_node_forget(node, node->clients[i], NULL);
        }
    }
    n_nodes--;
    node->next_dead = dead;
    dead = node;
    if (n_nodes == 0) {
        g_object_unref(usb_testbed);
        usb_testbed = NULL;
    }
}

unsigned usb_node_address(const struct usb_node *node)
{
    return node->address;
}

bool usb_node_plugged(struct usb_node *node)
{
    (void)pthread_mutex_lock(&node->lock);
    bool const plugged = node->plugged && !node->gone;
    (void)pthread_mutex_unlock(&node->lock);
    return plugged;
}

void usb_node_deny(struct usb_node *node, bool deny)
{
    usb_node_lock(node);
    node->denied = deny;
    usb_node_unlock(node);
}
