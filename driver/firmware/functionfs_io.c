/* SPDX-License-Identifier: MIT */
/* A chunk is at rest, in the queue, or under way in the kernel. */
#define _DEFAULT_SOURCE /* syscall() */
#include "driver/firmware/functionfs_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES 65536u /* a multiple of every packet; larger ones the kernel may not find */
#define N_EACH 4           /* chunks of a bulk endpoint */
#define N_CHUNKS (2 * N_EACH + 1)
#define FLUSH_MS 200

enum { OUT, IN, EVENT, N_ENDS };

enum place { AT_REST, IN_QUEUE, UNDER_WAY };

struct chunk {
    struct opu_urb urb;
    struct iocb order;
    enum place place;
    int end;
    uint8_t bytes[CHUNK_BYTES];
};

struct opu_ffs_io {
    struct opu_port_queue queue;
    aio_context_t context;
    int done_fd;
    int fds[N_ENDS];
    bool enabled, halting_in;
    struct chunk chunks[N_CHUNKS];
};

static const uint8_t addresses[N_ENDS] = {OPU_USB_OUT, OPU_USB_IN, OPU_USB_EVENT};

/* ---- The kernel's side ---- */

static void set_off(struct opu_ffs_io *io, struct chunk *chunk)
{
    bool const out = chunk->end == OUT;
    struct iocb *const order = &chunk->order;
    *order = (struct iocb){.aio_data = (uint64_t)(uintptr_t)chunk,
                           .aio_lio_opcode = out ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
                           .aio_fildes = (uint32_t)io->fds[chunk->end],
                           .aio_buf = (uint64_t)(uintptr_t)chunk->bytes,
                           .aio_nbytes = out ? CHUNK_BYTES : chunk->urb.moved,
                           .aio_flags = IOCB_FLAG_RESFD,
                           .aio_resfd = (uint32_t)io->done_fd};
    struct iocb *orders[1] = {order};
    chunk->place = syscall(SYS_io_submit, io->context, 1L, orders) == 1 ? UNDER_WAY : AT_REST;
}

static void call_back(struct opu_ffs_io *io, struct chunk *chunk)
{
    struct io_event event;
    syscall(SYS_io_cancel, io->context, &chunk->order, &event);
}

static size_t count(const struct opu_ffs_io *io, int end, enum place place)
{
    size_t n = 0;
    for (size_t i = 0; i < N_CHUNKS; i++) {
        n += io->chunks[i].end == end && io->chunks[i].place == place;
    }
    return n;
}

/* ---- Between kernel and queue ---- */

static void to_queue(struct opu_ffs_io *io, struct chunk *chunk, size_t n)
{
    chunk->urb.endpoint = addresses[chunk->end];
    chunk->urb.data = chunk->bytes;
    chunk->urb.n = n;
    chunk->urb.ends = chunk->end == OUT && n < CHUNK_BYTES;
    chunk->place = IN_QUEUE;
    (void)opu_port_queue_submit(&io->queue, &chunk->urb);
}

/* A chunk at rest goes where its round begins. */
static void start(struct opu_ffs_io *io, struct chunk *chunk)
{
    if (!io->enabled) {
        return;
    }
    if (chunk->end == OUT) {
        set_off(io, chunk);
    } else if (chunk->end == EVENT || !io->halting_in) {
        to_queue(io, chunk, chunk->end == IN ? CHUNK_BYTES : 64);
    }
}

static void start_all(struct opu_ffs_io *io)
{
    for (size_t i = 0; i < N_CHUNKS; i++) {
        if (io->chunks[i].place == AT_REST) {
            start(io, &io->chunks[i]);
        }
    }
}

/* I/O in the wrong direction halts. From then on the controller keeps the halt and clears it when
 * its host says so, of which we hear nothing: for the function it is over at once. */
static void halt(struct opu_ffs_io *io, int end)
{
    uint8_t none;
    ssize_t const n = end == OUT ? write(io->fds[end], &none, 0) : read(io->fds[end], &none, 0);
    (void)n; /* EBADMSG is success */
    opu_port_queue_clear_halt(&io->queue, addresses[end]);
}

/* Controllers refuse to halt an endpoint in with something queued: that comes back first. */
static void halt_in(struct opu_ffs_io *io)
{
    if (io->halting_in && count(io, IN, UNDER_WAY) == 0) {
        io->halting_in = false;
        halt(io, IN);
        start_all(io);
    }
}

static void call_all_back(struct opu_ffs_io *io, int end)
{
    for (size_t i = 0; i < N_CHUNKS; i++) {
        if (io->chunks[i].end == end && io->chunks[i].place == UNDER_WAY) {
            call_back(io, &io->chunks[i]);
        }
    }
}

static void done(void *user, struct opu_urb *urb)
{
    struct opu_ffs_io *const io = user;
    struct chunk *const chunk = urb->user;
    chunk->place = AT_REST;
    if (urb->status == OPU_URB_STALL && chunk->end == OUT) {
        halt(io, OUT);
    } else if (urb->status == OPU_URB_STALL && chunk->end == IN && !io->halting_in) {
        io->halting_in = true;
        call_all_back(io, IN);
    }
    if (chunk->end != OUT && urb->status == OPU_URB_OK && io->enabled) {
        set_off(io, chunk);
    } else if (chunk->end == OUT) {
        start(io, chunk);
    }
}

static void come_back(struct opu_ffs_io *io, struct chunk *chunk, int64_t result)
{
    chunk->place = AT_REST;
    if (chunk->end == OUT && result >= 0 && io->enabled) {
        to_queue(io, chunk, (size_t)result);
    } else if (result >= 0 || result == -ECONNRESET) {
        start(io, chunk);
    }
}

/* Returns how many have come back, after at most so long. */
static long reap(struct opu_ffs_io *io, int wait_ms)
{
    struct io_event events[N_CHUNKS];
    struct timespec wait = {.tv_nsec = wait_ms * 1000000L};
    long const n = syscall(SYS_io_getevents, io->context, wait_ms > 0 ? 1L : 0L, (long)N_CHUNKS,
                           events, &wait);
    for (long i = 0; i < n; i++) {
        come_back(io, (struct chunk *)(uintptr_t)events[i].data, events[i].res);
    }
    return n;
}

void opu_ffs_io_step(struct opu_ffs_io *io)
{
    uint64_t count_done;
    ssize_t const n = read(io->done_fd, &count_done, sizeof count_done);
    (void)n;
    (void)reap(io, 0);
    halt_in(io);
    opu_port_queue_ask(&io->queue);
}

/* Has the kernel give back all chunks of the endpoints up to `last`; what is in them is dropped. */
static void bring_back(struct opu_ffs_io *io, int last)
{
    size_t left = 1;
    io->enabled = false; /* nothing sets off meanwhile */
    for (int end = OUT; end <= last; end++) {
        call_all_back(io, end);
    }
    for (long back = 1; left > 0 && back > 0;) {
        left = 0;
        for (int end = OUT; end <= last; end++) {
            left += count(io, end, UNDER_WAY);
        }
        back = left > 0 ? reap(io, FLUSH_MS) : 0;
    }
}

/* The kernel gives back what was under way when the host went; some of it may not have arrived. */
void opu_ffs_io_enable(struct opu_ffs_io *io)
{
    bring_back(io, EVENT);
    opu_port_queue_unplug(&io->queue, OPU_URB_GONE);
    io->halting_in = false;
    io->enabled = true;
    start_all(io);
}

void opu_ffs_io_disable(struct opu_ffs_io *io)
{
    io->enabled = false;
    io->halting_in = false;
    opu_port_queue_unplug(&io->queue, OPU_URB_GONE);
}

/* What the host sent before is in chunks that have come back or wait, or in part in one under way.
 */
void opu_ffs_io_flush(struct opu_ffs_io *io)
{
    bool const enabled = io->enabled;
    bring_back(io, IN);
    for (size_t i = 0; i < N_CHUNKS; i++) {
        struct chunk *const chunk = &io->chunks[i];
        if (chunk->end == OUT && chunk->place == IN_QUEUE) {
            (void)opu_port_queue_take(&io->queue, chunk->urb.id);
            chunk->place = AT_REST;
        }
    }
    if (io->halting_in) { /* too late for that: the host starts anew */
        io->halting_in = false;
        opu_port_queue_clear_halt(&io->queue, OPU_USB_IN);
    }
    io->enabled = enabled;
    start_all(io);
}

struct opu_port_queue *opu_ffs_io_queue(struct opu_ffs_io *io)
{
    return &io->queue;
}

int opu_ffs_io_fd(const struct opu_ffs_io *io)
{
    return io->done_fd;
}

/* ---- Life ---- */

static int open_ends(struct opu_ffs_io *io, const char *folder, struct opu_gadget_failure *failure)
{
    for (int i = 0; i < N_ENDS; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/ep%d", folder, i + 1);
        io->fds[i] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (io->fds[i] < 0) {
            return opu_gadget_fail(failure, OPU_GADGET_IO, "%s: %s", path, strerror(errno));
        }
    }
    io->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (io->done_fd < 0 || syscall(SYS_io_setup, (unsigned)N_CHUNKS, &io->context) < 0) {
        return opu_gadget_fail(failure, OPU_GADGET_UNSUPPORTED,
                               "the kernel has no asynchronous I/O for us: %s", strerror(errno));
    }
    return OPU_GADGET_OK;
}

struct opu_ffs_io *opu_ffs_io_create(const struct opu_gadget_options *options, const char *folder,
                                     struct opu_gadget_failure *failure)
{
    struct opu_ffs_io *const io = calloc(1, sizeof *io);
    struct opu_port_queue_options const queue = {.function = options->function,
                                                 .identity = options->identity,
                                                 .max_out_bytes = options->max_out_bytes,
                                                 .user = io,
                                                 .done = done};
    if (io == NULL || !opu_port_queue_init(&io->queue, &queue)) {
        opu_gadget_fail(failure, OPU_GADGET_NO_MEMORY, "no memory for the endpoints' chunks");
        free(io);
        return NULL;
    }
    io->done_fd = -1;
    for (int i = 0; i < N_ENDS; i++) {
        io->fds[i] = -1;
    }
    for (size_t i = 0; i < N_CHUNKS; i++) {
        io->chunks[i].end = i < N_EACH ? OUT : i < 2 * N_EACH ? IN : EVENT;
        io->chunks[i].urb.id = i;
        io->chunks[i].urb.user = &io->chunks[i];
    }
    if (open_ends(io, folder, failure) < 0) {
        opu_ffs_io_destroy(io);
        return NULL;
    }
    return io;
}

void opu_ffs_io_destroy(struct opu_ffs_io *io)
{
    if (io == NULL) {
        return;
    }
    opu_ffs_io_disable(io);
    if (io->context != 0) {
        syscall(SYS_io_destroy, io->context); /* cancels, and waits for all */
    }
    for (int i = 0; i < N_ENDS; i++) {
        if (io->fds[i] >= 0) {
            close(io->fds[i]);
        }
    }
    if (io->done_fd >= 0) {
        close(io->done_fd);
    }
    opu_port_queue_fini(&io->queue);
    free(io);
}
