/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of FunctionFS, by the kernel's asynchronous I/O: no thread blocks in a read, so a
 * halt, a reset or the end never has to interrupt one. Each endpoint has a few chunks of memory,
 * which go round between the kernel and the queue (port_queue.h).
 */
#ifndef OPU_FIRMWARE_FUNCTIONFS_IO_H
#define OPU_FIRMWARE_FUNCTIONFS_IO_H

#include "driver/firmware/port_gadget.h"
#include "driver/firmware/port_queue.h"

struct opu_ffs_io;

/* Opens ep1 to ep3 of the folder. NULL with *failure. */
struct opu_ffs_io *opu_ffs_io_create(const struct opu_gadget_options *options, const char *folder,
                                     struct opu_gadget_failure *failure);
void opu_ffs_io_destroy(struct opu_ffs_io *io); /* NULL is fine */
/* Becomes readable when chunks have come back. */
int opu_ffs_io_fd(const struct opu_ffs_io *io);
/* Takes what has come back, and asks the function again for what waits. */
void opu_ffs_io_step(struct opu_ffs_io *io);
/* The host chose the configuration, or is gone. */
void opu_ffs_io_enable(struct opu_ffs_io *io);
void opu_ffs_io_disable(struct opu_ffs_io *io);
/* Drops all that is between host and function, either way. */
void opu_ffs_io_flush(struct opu_ffs_io *io);
struct opu_port_queue *opu_ffs_io_queue(struct opu_ffs_io *io);

#endif
