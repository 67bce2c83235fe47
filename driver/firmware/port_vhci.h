/* SPDX-License-Identifier: MIT */
/*
 * Linux's USB/IP client, vhci_hcd: gives it one end of a socket pair, behind which it then sees a
 * device; and lays down root's rights, which only that wants.
 */
#ifndef OPU_FIRMWARE_PORT_VHCI_H
#define OPU_FIRMWARE_PORT_VHCI_H

#include "driver/firmware/port_gadget.h"

#define OPU_VHCI_FOLDER "/sys/devices/platform/vhci_hcd.0"

struct opu_vhci {
    char folder[200];
    int attach; /* kept open, so that a device can be plugged in again without root's rights */
};

/* NOT_FOUND: no vhci_hcd; the sentence says what loads it. IO: no right to attach. */
int opu_vhci_open(struct opu_vhci *vhci, const char *folder, struct opu_gadget_failure *failure);
void opu_vhci_close(struct opu_vhci *vhci);
/* Plugs a device in: *fd is the end of the socket pair to serve, *port vhci_hcd's port. Closing the
 * end unplugs it. BUSY: all ports are taken. */
int opu_vhci_plug(struct opu_vhci *vhci, enum opu_usb_speed speed, int *fd, unsigned *port,
                  struct opu_gadget_failure *failure);

/* A free port for that speed in the text of vhci_hcd's status, none below `from`; -1: none. */
int opu_vhci_find_port(const char *status, enum opu_usb_speed speed, int from);

/*
 * Becomes that user (NULL: who called sudo, else nobody), all groups and the way back included, and
 * never gains a right again. Does nothing where the process isn't root's.
 */
int opu_privileges_drop(const char *user, struct opu_gadget_failure *failure);

#endif
