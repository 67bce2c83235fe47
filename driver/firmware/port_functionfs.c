/* SPDX-License-Identifier: MIT */
/*
 * Endpoint 0 of FunctionFS: what the host does to the bus, and its requests. The kernel answers the
 * standard ones. An answer in the wrong direction stalls; a request with data from the host can't
 * be refused any more once its data are read, so its host has to look at the status.
 */
#include "driver/firmware/port_functionfs.h"

#include "driver/firmware/functionfs_io.h"
#include "driver/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usb/functionfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEVER UINT64_MAX
#define N_EVENTS 4

struct functionfs {
    struct opu_gadget gadget;
    int control;        /* ep0; -1: none */
    char udc_file[256]; /* "": somebody else binds */
    char udc_name[64];
    bool bound;
    struct opu_ffs_io *io;
    struct opu_fn_setup setup; /* a request that waits, */
    bool waits;                /* because the function keeps silent */
    uint8_t data[65536];
    uint64_t plug_us; /* when it is plugged in again; NEVER: it is */
};

/* ---- Requests ---- */

static void stall(struct functionfs *port, bool in)
{
    ssize_t const n = in ? read(port->control, port->data, 0) : write(port->control, port->data, 0);
    (void)n; /* EL2HLT is success */
}

/* Asks the function; what it says to a request out with data, which are here, is for itself. */
static void answer(struct functionfs *port)
{
    const struct opu_fn_setup *const setup = &port->setup;
    bool const in = (setup->request_type & 0x80) != 0;
    if (setup->request_type == 0x41 && setup->request == OPU_WIRE_RESET) {
        opu_ffs_io_flush(port->io);
    }
    int const n = opu_port_queue_control(opu_ffs_io_queue(port->io), setup, port->data);
    port->waits = n == OPU_FN_NAK;
    if (n == OPU_FN_STALL && (in || setup->length == 0)) {
        stall(port, in);
    } else if (n >= 0 && in) {
        ssize_t const sent = write(port->control, port->data, (size_t)n);
        (void)sent; /* the host may have given up */
    } else if (n >= 0 && setup->length == 0) {
        ssize_t const acknowledged = read(port->control, port->data, 0);
        (void)acknowledged;
    }
}

static void take_setup(struct functionfs *port, const struct usb_functionfs_event *event)
{
    uint8_t bytes[8];
    memcpy(bytes, &event->u.setup, sizeof bytes);
    port->setup = opu_port_queue_setup(bytes);
    port->waits = false;
    bool const in = (port->setup.request_type & 0x80) != 0;
    if (!in && port->setup.length > 0 &&
        read(port->control, port->data, port->setup.length) != port->setup.length) {
        return; /* the host has broken off */
    }
    answer(port);
}

static void take_event(struct functionfs *port, const struct usb_functionfs_event *event)
{
    switch (event->type) {
    case FUNCTIONFS_ENABLE:
        opu_ffs_io_enable(port->io);
        break;
    case FUNCTIONFS_DISABLE:
    case FUNCTIONFS_UNBIND:
        port->waits = false;
        opu_ffs_io_disable(port->io);
        break;
    case FUNCTIONFS_SETUP:
        take_setup(port, event);
        break;
    default: /* bind, suspend and resume change nothing here */
        break;
    }
}

static int take_events(struct functionfs *port)
{
    struct usb_functionfs_event events[N_EVENTS];
    ssize_t const n = read(port->control, events, sizeof events);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR || errno == EIDRM || errno == EL2HLT
                   ? OPU_GADGET_OK
                   : opu_gadget_fail(&port->gadget.failure, OPU_GADGET_IO, "ep0: %s",
                                     strerror(errno));
    }
    for (size_t i = 0; i < (size_t)n / sizeof events[0]; i++) {
        take_event(port, &events[i]);
    }
    return OPU_GADGET_OK;
}

/* ---- On and off the bus ---- */

static int write_udc(struct functionfs *port, const char *words, struct opu_gadget_failure *failure)
{
    size_t const n = strlen(words);
    int const fd = open(port->udc_file, O_WRONLY | O_CLOEXEC);
    bool const well = fd >= 0 && write(fd, words, n) == (ssize_t)n;
    int const why = errno;
    if (fd >= 0) {
        close(fd);
    }
    return well ? OPU_GADGET_OK
                : opu_gadget_fail(failure, OPU_GADGET_IO, "%s: %s", port->udc_file, strerror(why));
}

static int plug(struct functionfs *port, bool in, struct opu_gadget_failure *failure)
{
    port->plug_us = NEVER;
    if (port->udc_file[0] == 0 || port->bound == in) {
        return OPU_GADGET_OK;
    }
    int const status = write_udc(port, in ? port->udc_name : "\n", failure);
    port->bound = status == OPU_GADGET_OK ? in : port->bound;
    return status;
}

static int move_plug(struct functionfs *port)
{
    uint64_t const away = atomic_exchange(&port->gadget.away_us, 0);
    if (away > 0) {
        port->waits = false;
        int const status = plug(port, false, &port->gadget.failure);
        port->plug_us = opu_gadget_now_us() + away;
        return status;
    }
    return port->plug_us <= opu_gadget_now_us() ? plug(port, true, &port->gadget.failure)
                                                : OPU_GADGET_OK;
}

/* While a request waits, reading would stall it; what the host does meanwhile is heard later. */
static int turn(struct functionfs *port)
{
    struct pollfd fds[3] = {{.fd = -1},
                            {.fd = opu_ffs_io_fd(port->io), .events = POLLIN},
                            {.fd = port->waits ? -1 : port->control, .events = POLLIN}};
    if (!opu_gadget_wait(&port->gadget, fds, 3, port->plug_us)) {
        return port->gadget.failure.status;
    }
    opu_ffs_io_step(port->io); /* before ep0: what came before a reset is to go with it */
    if (port->waits) {
        answer(port);
    }
    if (fds[2].revents != 0 && take_events(port) < 0) {
        return port->gadget.failure.status;
    }
    return move_plug(port);
}

static int run(struct opu_gadget *gadget)
{
    struct functionfs *const port = (struct functionfs *)gadget;
    int status = OPU_GADGET_OK;
    while (status == OPU_GADGET_OK && !atomic_load(&gadget->stopped)) {
        status = turn(port);
    }
    return status;
}

static void destroy(struct opu_gadget *gadget)
{
    struct functionfs *const port = (struct functionfs *)gadget;
    struct opu_gadget_failure ignored;
    (void)plug(port, false, &ignored);
    opu_ffs_io_destroy(port->io);
    if (port->control >= 0) {
        close(port->control);
    }
    opu_gadget_fini(gadget);
    free(port);
}

static const struct opu_gadget_ops ops = {.run = run, .destroy = destroy};

/* ---- Start ---- */

static int split_udc(struct functionfs *port, const char *udc, struct opu_gadget_failure *failure)
{
    const char *const equals = udc != NULL ? strrchr(udc, '=') : NULL;
    if (udc == NULL) {
        return OPU_GADGET_OK;
    }
    size_t const n = equals != NULL ? (size_t)(equals - udc) : 0;
    if (n == 0 || n >= sizeof port->udc_file || equals[1] == 0 ||
        strlen(equals + 1) >= sizeof port->udc_name) {
        return opu_gadget_fail(failure, OPU_GADGET_INVALID,
                               "udc: saw '%s', wanted FILE=NAME, such as "
                               "/sys/kernel/config/usb_gadget/g/UDC=dummy_udc.0",
                               udc);
    }
    memcpy(port->udc_file, udc, n);
    snprintf(port->udc_name, sizeof port->udc_name, "%s", equals + 1);
    return OPU_GADGET_OK;
}

static int describe(struct functionfs *port, const char *folder, struct opu_gadget_failure *failure)
{
    uint8_t blob[1024];
    char path[300];
    snprintf(path, sizeof path, "%s/ep0", folder);
    port->control = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port->control < 0) {
        return opu_gadget_fail(failure, errno == EBUSY ? OPU_GADGET_BUSY : OPU_GADGET_IO,
                               "%s: %s; wanted a mounted functionfs", path, strerror(errno));
    }
    size_t n = opu_usb_functionfs_descriptors(blob, sizeof blob);
    if (n == 0 || write(port->control, blob, n) != (ssize_t)n) {
        return opu_gadget_fail(failure, OPU_GADGET_IO, "%s: descriptors: %s", path,
                               strerror(errno));
    }
    n = opu_usb_functionfs_strings(blob, sizeof blob);
    return n > 0 && write(port->control, blob, n) == (ssize_t)n
               ? OPU_GADGET_OK
               : opu_gadget_fail(failure, OPU_GADGET_IO, "%s: strings: %s", path, strerror(errno));
}

static int start(struct functionfs *port, const char *folder, const char *udc,
                 struct opu_gadget_failure *failure)
{
    int status = split_udc(port, udc, failure);
    status = status == OPU_GADGET_OK ? describe(port, folder, failure) : status;
    if (status < 0) {
        return status;
    }
    port->io = opu_ffs_io_create(&port->gadget.options, folder, failure);
    if (port->io == NULL) {
        return failure->status;
    }
    snprintf(port->gadget.describe, sizeof port->gadget.describe, "FunctionFS in %s%s%s", folder,
             port->udc_name[0] != 0 ? " on " : ", bound by somebody else", port->udc_name);
    return plug(port, true, failure);
}

struct opu_gadget *opu_functionfs_create(const struct opu_gadget_options *options,
                                         const char *folder, const char *udc,
                                         struct opu_gadget_failure *failure)
{
    struct functionfs *const port = calloc(1, sizeof *port);
    if (port == NULL) {
        opu_gadget_fail(failure, OPU_GADGET_NO_MEMORY, "no memory for a FunctionFS port");
        return NULL;
    }
    port->control = -1;
    port->plug_us = NEVER;
    if (opu_gadget_init(&port->gadget, &ops, options, failure) < 0) {
        free(port);
        return NULL;
    }
    if (start(port, folder, udc, failure) < 0) {
        destroy(&port->gadget);
        return NULL;
    }
    return &port->gadget;
}
