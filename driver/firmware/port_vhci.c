/* SPDX-License-Identifier: MIT */
/* Two files of sysfs: `status` has a line a port, `attach` takes "port fd devid speed". */
#define _DEFAULT_SOURCE /* setgroups() */
#include "driver/firmware/port_vhci.h"

#include "driver/firmware/usbip_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FREE_PORT 4u /* VDEV_ST_NULL of the kernel */

int opu_vhci_open(struct opu_vhci *vhci, const char *folder, struct opu_gadget_failure *failure)
{
    char path[256];
    vhci->attach = -1;
    snprintf(vhci->folder, sizeof vhci->folder, "%s", folder);
    snprintf(path, sizeof path, "%s/attach", folder);
    vhci->attach = open(path, O_WRONLY | O_CLOEXEC);
    if (vhci->attach >= 0) {
        return OPU_GADGET_OK;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
        return opu_gadget_fail(failure, OPU_GADGET_NOT_FOUND,
                               "the kernel has no USB/IP client here (no %s): sudo modprobe "
                               "vhci-hcd loads it",
                               path);
    }
    return opu_gadget_fail(failure, OPU_GADGET_IO,
                           "%s: %s; attaching wants root's rights (sudo), which are laid down "
                           "before a byte is served",
                           path, strerror(errno));
}

void opu_vhci_close(struct opu_vhci *vhci)
{
    if (vhci->attach >= 0) {
        close(vhci->attach);
    }
    vhci->attach = -1;
}

int opu_vhci_find_port(const char *status, enum opu_usb_speed speed, int from)
{
    const char *const hub = speed == OPU_USB_SUPER ? "ss" : "hs";
    for (const char *line = status; line != NULL && *line != 0;) {
        char seen[8];
        unsigned port, state;
        if (sscanf(line, "%7s %u %u", seen, &port, &state) == 3 && strcmp(seen, hub) == 0 &&
            state == FREE_PORT && port <= 127 && (int)port >= from) {
            return (int)port;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return -1;
}

static int read_status(const struct opu_vhci *vhci, char *text, size_t n,
                       struct opu_gadget_failure *failure)
{
    char path[256];
    snprintf(path, sizeof path, "%s/status", vhci->folder);
    int const fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t const got = fd >= 0 ? read(fd, text, n - 1) : -1;
    int const why = errno;
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = 0;
    return got > 0 ? OPU_GADGET_OK
                   : opu_gadget_fail(failure, OPU_GADGET_IO, "%s: %s", path,
                                     got < 0 ? strerror(why) : "it is empty");
}

/* Another program may be faster at a port that was free: the next one then. */
static int attach(struct opu_vhci *vhci, int fd, enum opu_usb_speed speed, unsigned *port,
                  struct opu_gadget_failure *failure)
{
    char status[4096], words[64];
    int status_code = read_status(vhci, status, sizeof status, failure);
    int at = -1;
    while (status_code == OPU_GADGET_OK && (at = opu_vhci_find_port(status, speed, at + 1)) >= 0) {
        int const n = snprintf(words, sizeof words, "%d %d %u %d", at, fd, OPU_USBIP_DEVID, speed);
        if (pwrite(vhci->attach, words, (size_t)n, 0) == n) {
            *port = (unsigned)at;
            return OPU_GADGET_OK;
        }
        if (errno != EBUSY) {
            return opu_gadget_fail(failure, OPU_GADGET_IO, "%s/attach: port %d: %s", vhci->folder,
                                   at, strerror(errno));
        }
    }
    return status_code < 0
               ? status_code
               : opu_gadget_fail(failure, OPU_GADGET_BUSY, "all %s ports of %s are taken",
                                 speed == OPU_USB_SUPER ? "ss" : "hs", vhci->folder);
}

int opu_vhci_plug(struct opu_vhci *vhci, enum opu_usb_speed speed, int *fd, unsigned *port,
                  struct opu_gadget_failure *failure)
{
    int pair[2], bytes = 1 << 20;
    *fd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return opu_gadget_fail(failure, OPU_GADGET_IO, "socketpair: %s", strerror(errno));
    }
    for (int i = 0; i < 2; i++) { /* as much as the system allows */
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    int const status = attach(vhci, pair[1], speed, port, failure);
    close(pair[1]); /* the kernel holds it */
    if (status < 0) {
        close(pair[0]);
        return status;
    }
    *fd = pair[0];
    return OPU_GADGET_OK;
}

/* ---- Rights ---- */

static bool number_of(const char *name, unsigned long *to)
{
    const char *const text = getenv(name);
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    *to = strtoul(text, &end, 10);
    return *end == 0 && *to > 0 && *to < UINT32_MAX;
}

static int find_user(const char *user, uid_t *uid, gid_t *gid, struct opu_gadget_failure *failure)
{
    unsigned long called_uid, called_gid;
    if (user == NULL && number_of("SUDO_UID", &called_uid) && number_of("SUDO_GID", &called_gid)) {
        *uid = (uid_t)called_uid;
        *gid = (gid_t)called_gid;
        return OPU_GADGET_OK;
    }
    const char *const name = user != NULL ? user : "nobody";
    const struct passwd *const entry = getpwnam(name);
    if (entry == NULL) {
        return opu_gadget_fail(failure, OPU_GADGET_NOT_FOUND, "there is no user '%s' to become",
                               name);
    }
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return entry->pw_uid != 0 ? OPU_GADGET_OK
                              : opu_gadget_fail(failure, OPU_GADGET_INVALID,
                                                "user '%s' is root, wanted another", name);
}

int opu_privileges_drop(const char *user, struct opu_gadget_failure *failure)
{
    uid_t uid = 0;
    gid_t gid = 0;
    if (geteuid() != 0) {
        return OPU_GADGET_OK;
    }
    int const status = find_user(user, &uid, &gid, failure);
    if (status < 0) {
        return status;
    }
    if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return opu_gadget_fail(failure, OPU_GADGET_IO, "root's rights can't be laid down: %s",
                               strerror(errno));
    }
    return setuid(0) < 0 ? OPU_GADGET_OK
                         : opu_gadget_fail(failure, OPU_GADGET_IO,
                                           "root's rights can be had back after they were laid "
                                           "down");
}
