/* SPDX-License-Identifier: MIT */
/*
 * The fast way to a node: ioctl() and close() of this executable stand before libc's and
 * umockdev's. open() too, as a node's mode means nothing to root.
 */
#undef _FILE_OFFSET_BITS /* open and open64 are two */
#define _GNU_SOURCE      /* RTLD_NEXT, open64 */
#include "node_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static struct usb_node *find(int fd)
{
    struct stat status;
    bool asked = false;
    for (size_t i = 0; i < NODES; i++) {
        struct usb_node *const node = usb_nodes[i];
        if (node == NULL || !node->options.fast) {
            continue;
        }
        if (!asked && (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode))) {
            return NULL;
        }
        asked = true;
        if (status.st_dev == node->fifo_dev && status.st_ino == node->fifo_ino) {
            return node;
        }
    }
    return NULL;
}

/* A host is a descriptor: no number but 0 is NULL. */
static const void *client_of(int fd)
{
    return (const char *)usb_nodes + fd + 1;
}

static int answer(struct usb_node *node, int fd, unsigned long request, void *arg)
{
    const void *const client = client_of(fd);
    if (request == USBDEVFS_SUBMITURB) {
        return usb_node_submit(node, client, arg, (uintptr_t)arg, NULL);
    }
    if (request == USBDEVFS_DISCARDURB) {
        return usb_node_discard(node, client, (uintptr_t)arg);
    }
    if (request != USBDEVFS_REAPURB && request != USBDEVFS_REAPURBNDELAY) {
        return usb_node_request(node, client, request, arg);
    }
    int error = 0;
    struct node_urb *const u = usb_node_reap(node, client, &error);
    if (u == NULL) {
        return error;
    }
    *(void **)arg = u->urb;
    free(u);
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    va_list args;
    va_start(args, request);
    void *const arg = va_arg(args, void *);
    va_end(args);
    struct usb_node *const node = _IOC_TYPE(request) == 'U' ? find(fd) : NULL;
    if (node == NULL) {
        if (next == NULL) {
            *(void **)&next = dlsym(RTLD_NEXT, "ioctl");
        }
        return next(fd, request, arg);
    }
    usb_node_lock(node);
    int const status = answer(node, fd, request, arg);
    usb_node_unlock(node);
    if (status < 0) {
        errno = -status;
        return -1;
    }
    return status;
}

int close(int fd)
{
    static int (*next)(int);
    struct usb_node *const node = find(fd);
    if (node != NULL && fd != node->fifo) {
        usb_node_lock(node);
        usb_node_forget(node, client_of(fd), NULL);
        usb_node_unlock(node);
    }
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "close");
    }
    return next(fd);
}

static bool denied(const char *path)
{
    for (size_t i = 0; i < NODES; i++) {
        const struct usb_node *const node = usb_nodes[i];
        if (node != NULL && node->denied && strcmp(path, node->devnode) == 0) {
            errno = EACCES;
            return true;
        }
    }
    return false;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        static int (*next)(const char *, int, ...); \
        va_list args; \
        va_start(args, flags); \
        mode_t const mode = (mode_t)va_arg(args, int); \
        va_end(args); \
        if (next == NULL) { \
            *(void **)&next = dlsym(RTLD_NEXT, #name); \
        } \
        return denied(path) ? -1 : next(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)

/* What fortified libraries call where there are two arguments. */
#define OPEN_2(name) \
    int name(const char *path, int flags); \
    int name(const char *path, int flags) \
    { \
        static int (*next)(const char *, int); \
        if (next == NULL) { \
            *(void **)&next = dlsym(RTLD_NEXT, #name); \
        } \
        return denied(path) ? -1 : next(path, flags); \
    }

OPEN_2(__open_2)
OPEN_2(__open64_2)
