/* SPDX-License-Identifier: MIT */
/*
 * One thread polls a few connections. The device belongs to the one that imported it; an unplug
 * closes that one, and a plug attaches anew (vhci_hcd) or lets it be imported again.
 */
#include "driver/firmware/port_usbip.h"

#include "driver/firmware/usbip_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_PEERS 4
#define READS_A_TURN 64            /* then others have their turn */
#define GREETING_US (5 * 1000000u) /* a peer that has not imported by then has to go */
#define NEVER UINT64_MAX

struct peer {
    int fd; /* -1: free */
    struct opu_usbip_link *link;
    uint64_t due_us; /* until it has imported */
    struct server *server;
};

struct server {
    struct opu_gadget gadget;
    int listener;         /* -1: none */
    struct opu_vhci vhci; /* attach -1: none */
    struct peer peers[N_PEERS];
    uint64_t plug_us; /* when it is plugged in again; NEVER: it is */
    bool alone;       /* run ends with its one host */
};

static bool imported_by_any(const struct server *server)
{
    for (size_t i = 0; i < N_PEERS; i++) {
        if (server->peers[i].fd >= 0 && opu_usbip_link_imported(server->peers[i].link)) {
            return true;
        }
    }
    return false;
}

static unsigned import(void *user)
{
    const struct peer *const peer = user;
    if (peer->server->plug_us != NEVER) {
        return OPU_USBIP_NO_DEVICE;
    }
    return imported_by_any(peer->server) ? OPU_USBIP_BUSY : OPU_USBIP_DONE;
}

static void hang_up(struct peer *peer)
{
    opu_usbip_link_destroy(peer->link);
    close(peer->fd);
    peer->link = NULL;
    peer->fd = -1;
}

/* Takes the socket; false: no room, and it is closed. */
static bool welcome(struct server *server, int fd, bool imported)
{
    struct peer *peer = NULL;
    for (size_t i = 0; i < N_PEERS && peer == NULL; i++) {
        peer = server->peers[i].fd < 0 ? &server->peers[i] : NULL;
    }
    if (peer != NULL) {
        const struct opu_gadget_options *const options = &server->gadget.options;
        struct opu_usbip_link_options const link = {.function = options->function,
                                                    .identity = options->identity,
                                                    .max_out_bytes = options->max_out_bytes,
                                                    .imported = imported,
                                                    .user = peer,
                                                    .import = import};
        peer->link = opu_usbip_link_create(&link);
    }
    if (peer == NULL || peer->link == NULL) {
        close(fd);
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    peer->fd = fd;
    peer->due_us = imported ? NEVER : opu_gadget_now_us() + GREETING_US;
    return true;
}

/* ---- One peer's turn ---- */

/* false: the connection is broken */
static bool flush(struct peer *peer)
{
    size_t n;
    const uint8_t *from;
    while ((from = opu_usbip_link_output(peer->link, &n)) != NULL) {
        ssize_t const sent = send(peer->fd, from, n, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        opu_usbip_link_sent(peer->link, (size_t)sent);
    }
    return true;
}

/* false: it has hung up */
static bool drain(struct peer *peer)
{
    for (int i = 0; i < READS_A_TURN; i++) {
        size_t n;
        uint8_t *const to = opu_usbip_link_room(peer->link, &n);
        if (to == NULL) {
            return true;
        }
        ssize_t const got = recv(peer->fd, to, n, 0);
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        }
        opu_usbip_link_take(peer->link, (size_t)got);
    }
    return true;
}

static bool is_over(const struct peer *peer)
{
    size_t n;
    return opu_usbip_link_room(peer->link, &n) == NULL &&
           opu_usbip_link_output(peer->link, &n) == NULL;
}

static void tell(const struct peer *peer)
{
    const struct opu_gadget_options *const options = &peer->server->gadget.options;
    const char *const fault = opu_usbip_link_fault(peer->link);
    char sentence[160];
    if (fault != NULL && options->say != NULL) {
        snprintf(sentence, sizeof sentence, "a USB/IP host was disconnected: %s", fault);
        options->say(options->user, sentence);
    }
}

static void serve(struct peer *peer, short events)
{
    bool alive = true;
    opu_usbip_link_ask(peer->link);
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        alive = drain(peer);
    }
    alive = flush(peer) && alive;
    bool const late = !opu_usbip_link_imported(peer->link) && opu_gadget_now_us() >= peer->due_us;
    if (!alive || late || is_over(peer)) {
        tell(peer);
        hang_up(peer);
    }
}

/* ---- The device on and off the bus ---- */

static void unplug(struct server *server, uint64_t us)
{
    for (size_t i = 0; i < N_PEERS; i++) {
        if (server->peers[i].fd >= 0 && opu_usbip_link_imported(server->peers[i].link)) {
            hang_up(&server->peers[i]);
        }
    }
    server->plug_us = opu_gadget_now_us() + us;
}

static int plug(struct server *server)
{
    int fd;
    unsigned port;
    server->plug_us = NEVER;
    if (server->vhci.attach < 0) {
        return OPU_GADGET_OK;
    }
    struct opu_gadget *const gadget = &server->gadget;
    int const status =
        opu_vhci_plug(&server->vhci, gadget->options.identity.speed, &fd, &port, &gadget->failure);
    if (status < 0) {
        return status;
    }
    snprintf(gadget->describe, sizeof gadget->describe, "attached to vhci_hcd port %u", port);
    return welcome(server, fd, true)
               ? OPU_GADGET_OK
               : opu_gadget_fail(&gadget->failure, OPU_GADGET_NO_MEMORY, "no memory for a link");
}

static void accept_all(struct server *server)
{
    int const on = 1;
    int fd;
    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        welcome(server, fd, false);
    }
}

/* The host let go of a device that vhci_hcd has (usbip detach): as if a hand had pulled it out. */
static bool let_go(const struct server *server)
{
    return server->alone && server->plug_us == NEVER && !imported_by_any(server);
}

static uint64_t next_due(const struct server *server)
{
    uint64_t due = server->plug_us;
    for (size_t i = 0; i < N_PEERS; i++) {
        const struct peer *const peer = &server->peers[i];
        if (peer->fd >= 0 && !opu_usbip_link_imported(peer->link) && peer->due_us < due) {
            due = peer->due_us;
        }
    }
    return due;
}

/* fds[0] is the wake-up, fds[1] the listener, then the peers; poll skips those that are -1. */
static bool wait_for_peers(struct server *server, struct pollfd *fds)
{
    fds[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    for (size_t i = 0; i < N_PEERS; i++) {
        struct peer *const peer = &server->peers[i];
        size_t n;
        bool const there = peer->fd >= 0;
        int const in = there && opu_usbip_link_room(peer->link, &n) != NULL ? POLLIN : 0;
        int const out = there && opu_usbip_link_output(peer->link, &n) != NULL ? POLLOUT : 0;
        fds[2 + i] = (struct pollfd){.fd = peer->fd, .events = (short)(in | out)};
    }
    return opu_gadget_wait(&server->gadget, fds, 2 + N_PEERS, next_due(server));
}

static int turn(struct server *server)
{
    struct pollfd fds[2 + N_PEERS];
    if (!wait_for_peers(server, fds)) {
        return server->gadget.failure.status;
    }
    if (server->listener >= 0 && fds[1].revents != 0) {
        accept_all(server);
    }
    for (size_t i = 0; i < N_PEERS; i++) {
        if (server->peers[i].fd >= 0) {
            bool const same = fds[2 + i].fd == server->peers[i].fd;
            serve(&server->peers[i], same ? fds[2 + i].revents : 0);
        }
    }
    uint64_t const away = atomic_exchange(&server->gadget.away_us, 0);
    if (away > 0) {
        unplug(server, away);
    }
    return server->plug_us <= opu_gadget_now_us() ? plug(server) : OPU_GADGET_OK;
}

static int run(struct opu_gadget *gadget)
{
    struct server *const server = (struct server *)gadget;
    int status = OPU_GADGET_OK;
    while (status == OPU_GADGET_OK && !atomic_load(&gadget->stopped) && !let_go(server)) {
        status = turn(server);
    }
    return status;
}

static void destroy(struct opu_gadget *gadget)
{
    struct server *const server = (struct server *)gadget;
    for (size_t i = 0; i < N_PEERS; i++) {
        if (server->peers[i].fd >= 0) {
            hang_up(&server->peers[i]);
        }
    }
    if (server->listener >= 0) {
        close(server->listener);
    }
    opu_vhci_close(&server->vhci);
    opu_gadget_fini(gadget);
    free(server);
}

static const struct opu_gadget_ops ops = {.run = run, .destroy = destroy};

static struct server *create(const struct opu_gadget_options *options,
                             struct opu_gadget_failure *failure)
{
    struct server *const server = calloc(1, sizeof *server);
    if (server == NULL) {
        opu_gadget_fail(failure, OPU_GADGET_NO_MEMORY, "no memory for a USB/IP server");
        return NULL;
    }
    server->listener = -1;
    server->vhci.attach = -1;
    server->plug_us = NEVER;
    for (size_t i = 0; i < N_PEERS; i++) {
        server->peers[i] = (struct peer){.fd = -1, .server = server};
    }
    if (opu_gadget_init(&server->gadget, &ops, options, failure) < 0) {
        free(server);
        return NULL;
    }
    return server;
}

struct opu_gadget *opu_usbip_serve(const struct opu_gadget_options *options, int fd,
                                   struct opu_gadget_failure *failure)
{
    struct server *const server = create(options, failure);
    if (server == NULL) {
        close(fd);
        return NULL;
    }
    server->alone = true;
    snprintf(server->gadget.describe, sizeof server->gadget.describe, "one USB/IP host");
    if (!welcome(server, fd, true)) {
        opu_gadget_fail(failure, OPU_GADGET_NO_MEMORY, "no memory for a link");
        destroy(&server->gadget);
        return NULL;
    }
    return &server->gadget;
}

struct opu_gadget *opu_usbip_attach(const struct opu_gadget_options *options, struct opu_vhci *vhci,
                                    struct opu_gadget_failure *failure)
{
    struct server *const server = create(options, failure);
    if (server == NULL) {
        opu_vhci_close(vhci);
        return NULL;
    }
    server->alone = true;
    server->vhci = *vhci;
    vhci->attach = -1;
    if (plug(server) < 0) {
        *failure = server->gadget.failure;
        destroy(&server->gadget);
        return NULL;
    }
    return &server->gadget;
}

static int listen_on(struct server *server, uint16_t port, struct opu_gadget_failure *failure)
{
    int const on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0) {
        return opu_gadget_fail(failure, OPU_GADGET_IO, "socket: %s", strerror(errno));
    }
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(server->listener, N_PEERS) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) < 0) {
        return opu_gadget_fail(failure, errno == EADDRINUSE ? OPU_GADGET_BUSY : OPU_GADGET_IO,
                               "127.0.0.1 port %u: %s", port, strerror(errno));
    }
    snprintf(server->gadget.describe, sizeof server->gadget.describe,
             "USB/IP on 127.0.0.1 port %u, bus id " OPU_USBIP_BUSID, ntohs(address.sin_port));
    return OPU_GADGET_OK;
}

struct opu_gadget *opu_usbip_listen(const struct opu_gadget_options *options, uint16_t port,
                                    struct opu_gadget_failure *failure)
{
    struct server *const server = create(options, failure);
    if (server == NULL) {
        return NULL;
    }
    if (listen_on(server, port, failure) < 0) {
        destroy(&server->gadget);
        return NULL;
    }
    return &server->gadget;
}
