/* SPDX-License-Identifier: MIT */
/*
 * umockdev's way to a node: each ioctl comes through a socket into its thread. Memory of a host in
 * another process is fetched and brought back by umockdev; that of our own is used where it is.
 * An ioctl is answered at once, always.
 */
#include "node_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void let_go(void *keep)
{
    if (keep != NULL) {
        g_object_unref(keep);
    }
}

static int submit(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    uintptr_t host;
    memcpy(&host, arg->data, sizeof host);
    if (!node->options.foreign) {
        void *urb;
        memcpy(&urb, arg->data, sizeof urb);
        return usb_node_submit(node, client, urb, host, NULL);
    }
    UMockdevIoctlData *const data =
        umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_urb), NULL);
    if (data == NULL) {
        return -EFAULT;
    }
    struct usbdevfs_urb *const urb = (void *)data->data;
    UMockdevIoctlData *const buffer =
        urb->buffer_length > 0
            ? umockdev_ioctl_data_resolve(data, offsetof(struct usbdevfs_urb, buffer),
                                          (size_t)urb->buffer_length, NULL)
            : NULL;
    int const status = urb->buffer_length > 0 && buffer == NULL
                           ? -EFAULT
                           : usb_node_submit(node, client, urb, host, data);
    if (buffer != NULL) {
        g_object_unref(buffer); /* the URB's data holds it */
    }
    if (status < 0) {
        g_object_unref(data);
    }
    return status;
}

static int reap(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    int error = 0;
    struct node_urb *const u = usb_node_reap(node, client, &error);
    if (u == NULL) {
        return error;
    }
    if (u->keep != NULL) {
        UMockdevIoctlData *const pointer =
            umockdev_ioctl_data_resolve(arg, 0, sizeof(void *), NULL);
        if (pointer != NULL) {
            (void)umockdev_ioctl_data_set_ptr(pointer, 0, u->keep); /* with the URB, its buffer */
            g_object_unref(pointer);
        }
        g_object_unref(u->keep);
    } else {
        uintptr_t *pointer;
        memcpy(&pointer, arg->data, sizeof pointer);
        *pointer = u->host;
    }
    free(u);
    return 0;
}

static int discard(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    uintptr_t host;
    memcpy(&host, arg->data, sizeof host);
    return usb_node_discard(node, client, host);
}

static int other(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg,
                 unsigned long request)
{
    size_t const n = _IOC_SIZE(request);
    UMockdevIoctlData *const data = n > 0 ? umockdev_ioctl_data_resolve(arg, 0, n, NULL) : NULL;
    int const status = n > 0 && data == NULL ? -EFAULT
                                             : usb_node_request(node, client, request,
                                                                data != NULL ? data->data : NULL);
    if (data != NULL) {
        g_object_unref(data);
    }
    return status;
}

void usb_route_sweep(struct usb_node *node, bool all)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        UMockdevIoctlClient *const client = node->guests[i];
        if (client != NULL && (all || !umockdev_ioctl_client_get_connected(client))) {
            usb_node_forget(node, client, let_go);
            node->guests[i] = NULL;
            g_object_unref(client);
        }
    }
}

static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    struct usb_node *const node = user;
    unsigned long const request = umockdev_ioctl_client_get_request(client);
    UMockdevIoctlData *const arg = umockdev_ioctl_client_get_arg(client); /* borrowed */
    int status;
    (void)base;
    usb_node_lock(node);
    if (request == USBDEVFS_SUBMITURB) {
        status = submit(node, client, arg);
    } else if (request == USBDEVFS_REAPURB || request == USBDEVFS_REAPURBNDELAY) {
        status = reap(node, client, arg);
    } else if (request == USBDEVFS_DISCARDURB) {
        status = discard(node, client, arg);
    } else {
        usb_route_sweep(node, false);
        status = other(node, client, arg, request);
    }
    usb_node_unlock(node);
    umockdev_ioctl_client_complete(client, status < 0 ? -1 : status, status < 0 ? -status : 0);
    return TRUE;
}

/* umockdev does not say when a client has gone, but knows when it is asked. */
static void on_connected(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    struct usb_node *const node = user;
    (void)base;
    usb_node_lock(node);
    usb_route_sweep(node, false);
    for (size_t i = 0; i < CLIENTS && !node->stop; i++) {
        if (node->guests[i] == NULL) {
            node->guests[i] = g_object_ref(client);
            break;
        }
    }
    usb_node_unlock(node);
}

UMockdevIoctlBase *usb_route_handler(struct usb_node *node)
{
    UMockdevIoctlBase *const handler = umockdev_ioctl_base_new();
    (void)g_signal_connect_after(handler, "handle-ioctl", G_CALLBACK(on_ioctl), node);
    (void)g_signal_connect_after(handler, "client-connected", G_CALLBACK(on_connected), node);
    return handler;
}
