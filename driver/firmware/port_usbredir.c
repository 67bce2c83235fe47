/* SPDX-License-Identifier: MIT */
/* The socket around usbredir_link.h: one peer, served until it hangs up. */
#include "driver/firmware/port_usbredir.h"

#include "driver/firmware/usbredir_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NEVER UINT64_MAX

struct redirector {
    struct opu_gadget gadget;
    int listener, peer;       /* -1: none */
    struct sockaddr_un bound; /* its file is removed at the end */
    struct opu_usbredir_link *link;
    uint64_t plug_us; /* when it is plugged in again; NEVER: it is */
};

static int receive(void *user, uint8_t *data, int n)
{
    const struct redirector *const port = user;
    ssize_t const got = recv(port->peer, data, (size_t)n, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    return got == 0 ? -1 : (int)got;
}

static int transmit(void *user, uint8_t *data, int n)
{
    const struct redirector *const port = user;
    ssize_t const sent = send(port->peer, data, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    return (int)sent;
}

static void say(void *user, const char *sentence)
{
    const struct redirector *const port = user;
    if (port->gadget.options.say != NULL) {
        port->gadget.options.say(port->gadget.options.user, sentence);
    }
}

static int welcome(struct redirector *port, int fd, struct opu_gadget_failure *failure)
{
    const struct opu_gadget_options *const options = &port->gadget.options;
    struct opu_usbredir_link_options const link = {.function = options->function,
                                                   .identity = options->identity,
                                                   .max_out_bytes = options->max_out_bytes,
                                                   .user = port,
                                                   .read = receive,
                                                   .write = transmit,
                                                   .say = say};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    port->peer = fd;
    port->link = opu_usbredir_link_create(&link);
    return port->link != NULL
               ? OPU_GADGET_OK
               : opu_gadget_fail(failure, OPU_GADGET_NO_MEMORY, "no memory for a usbredir peer");
}

/* *over: the peer has hung up */
static int serve(struct redirector *port, bool *over)
{
    struct pollfd fds[2] = {{.fd = -1}, {.fd = port->peer}};
    fds[1].events = (short)((opu_usbredir_link_wants_read(port->link) ? POLLIN : 0) |
                            (opu_usbredir_link_wants_write(port->link) ? POLLOUT : 0));
    if (!opu_gadget_wait(&port->gadget, fds, 2, port->plug_us)) {
        return port->gadget.failure.status;
    }
    opu_usbredir_link_ask(port->link);
    bool well = true;
    if ((fds[1].revents & ~POLLOUT) != 0) {
        well = opu_usbredir_link_read(port->link);
    }
    *over = !well || !opu_usbredir_link_write(port->link);
    uint64_t const away = atomic_exchange(&port->gadget.away_us, 0);
    if (away > 0) {
        opu_usbredir_link_plug(port->link, false);
        port->plug_us = opu_gadget_now_us() + away;
    } else if (port->plug_us <= opu_gadget_now_us()) {
        opu_usbredir_link_plug(port->link, true);
        port->plug_us = NEVER;
    }
    return OPU_GADGET_OK;
}

static int wait_for_peer(struct redirector *port)
{
    struct pollfd fds[2] = {{.fd = -1}, {.fd = port->listener, .events = POLLIN}};
    if (!opu_gadget_wait(&port->gadget, fds, 2, NEVER)) {
        return port->gadget.failure.status;
    }
    int const fd = accept(port->listener, NULL, NULL);
    return fd >= 0 ? welcome(port, fd, &port->gadget.failure) : OPU_GADGET_OK;
}

static int run(struct opu_gadget *gadget)
{
    struct redirector *const port = (struct redirector *)gadget;
    int status = OPU_GADGET_OK;
    bool over = false;
    while (status == OPU_GADGET_OK && !over && !atomic_load(&gadget->stopped)) {
        status = port->link == NULL ? wait_for_peer(port) : serve(port, &over);
    }
    return status;
}

static void destroy(struct opu_gadget *gadget)
{
    struct redirector *const port = (struct redirector *)gadget;
    opu_usbredir_link_destroy(port->link);
    if (port->peer >= 0) {
        close(port->peer);
    }
    if (port->listener >= 0) {
        close(port->listener);
        unlink(port->bound.sun_path);
    }
    opu_gadget_fini(gadget);
    free(port);
}

static const struct opu_gadget_ops ops = {.run = run, .destroy = destroy};

static struct redirector *create(const struct opu_gadget_options *options,
                                 struct opu_gadget_failure *failure)
{
    struct redirector *const port = calloc(1, sizeof *port);
    if (port == NULL) {
        opu_gadget_fail(failure, OPU_GADGET_NO_MEMORY, "no memory for a usbredir port");
        return NULL;
    }
    port->listener = -1;
    port->peer = -1;
    port->plug_us = NEVER;
    if (opu_gadget_init(&port->gadget, &ops, options, failure) < 0) {
        free(port);
        return NULL;
    }
    return port;
}

struct opu_gadget *opu_usbredir_serve(const struct opu_gadget_options *options, int fd,
                                      struct opu_gadget_failure *failure)
{
    struct redirector *const port = create(options, failure);
    if (port == NULL) {
        close(fd);
        return NULL;
    }
    snprintf(port->gadget.describe, sizeof port->gadget.describe, "one usbredir peer");
    if (welcome(port, fd, failure) < 0) {
        destroy(&port->gadget);
        return NULL;
    }
    return &port->gadget;
}

/* A socket's file that nobody listens behind any more is in the way. */
static void remove_stale(const char *path)
{
    struct stat seen;
    if (lstat(path, &seen) == 0 && S_ISSOCK(seen.st_mode)) {
        unlink(path);
    }
}

static int listen_on(struct redirector *port, const struct sockaddr_un *address,
                     struct opu_gadget_failure *failure)
{
    int const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    remove_stale(address->sun_path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ||
        listen(fd, 1) < 0) {
        opu_gadget_fail(failure, OPU_GADGET_IO, "%s: %s", address->sun_path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return OPU_GADGET_IO;
    }
    port->listener = fd;
    port->bound = *address;
    snprintf(port->gadget.describe, sizeof port->gadget.describe, "usbredir, listening on %s",
             address->sun_path);
    return OPU_GADGET_OK;
}

static int reach(struct redirector *port, const char *path, struct opu_gadget_failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return opu_gadget_fail(failure, OPU_GADGET_INVALID,
                               "%s: %zu characters, and a socket's path has at most %zu", path,
                               strlen(path), sizeof address.sun_path - 1);
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return opu_gadget_fail(failure, OPU_GADGET_IO, "socket: %s", strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        snprintf(port->gadget.describe, sizeof port->gadget.describe, "usbredir, connected to %s",
                 path);
        return welcome(port, fd, failure);
    }
    int const why = errno;
    close(fd);
    return why == ENOENT || why == ECONNREFUSED
               ? listen_on(port, &address, failure)
               : opu_gadget_fail(failure, OPU_GADGET_IO, "%s: %s", path, strerror(why));
}

struct opu_gadget *opu_usbredir_create(const struct opu_gadget_options *options, const char *path,
                                       struct opu_gadget_failure *failure)
{
    struct redirector *const port = create(options, failure);
    if (port == NULL) {
        return NULL;
    }
    if (reach(port, path, failure) < 0) {
        destroy(&port->gadget);
        return NULL;
    }
    return &port->gadget;
}
