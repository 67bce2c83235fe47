/* SPDX-License-Identifier: MIT */
/*
 * The races of unlink are settled by order: what was answered before the unlink came stands in the
 * output before the unlink's own answer, which then says 0; what still waits is dropped without an
 * answer, and the unlink's says so.
 */
#include "driver/firmware/usbip_link.h"

#include <stdlib.h>
#include <string.h>

/* A transfer, from its command until its answer is sent: the header of the answer stands right
 * before the data, so that both go in one piece. */
struct job {
    struct opu_urb urb;
    struct job *next; /* of the output */
    size_t n_send, room;
    bool in, whole;
    uint8_t bytes[];
};

enum wants { WANTS_OP, WANTS_BUSID, WANTS_COMMAND, WANTS_DATA, WANTS_NOTHING };

struct opu_usbip_link {
    struct opu_usbip_link_options options;
    struct opu_port_queue queue;
    enum wants wants;
    bool imported;
    const char *fault;
    uint8_t head[OPU_USBIP_HEADER_BYTES]; /* what is being read */
    size_t n_head;
    struct job *reading; /* whose data are being read, n_read of them there */
    size_t n_read;
    struct job *first, **last; /* output */
    size_t n_sent;             /* of the first */
    size_t held;               /* bytes of all jobs */
};

static const size_t wanted_bytes[] = {
    [WANTS_OP] = OPU_USBIP_OP_BYTES,
    [WANTS_BUSID] = OPU_USBIP_BUSID_BYTES,
    [WANTS_COMMAND] = OPU_USBIP_HEADER_BYTES,
};

static void refuse(struct opu_usbip_link *link, const char *why)
{
    link->wants = WANTS_NOTHING;
    link->fault = why;
}

/* Room for n bytes behind a header; NULL: the link has been refused. */
static struct job *new_job(struct opu_usbip_link *link, size_t n)
{
    size_t const bytes = sizeof(struct job) + OPU_USBIP_HEADER_BYTES + n;
    if (bytes > OPU_USBIP_WAITING_MAX - link->held) {
        refuse(link, "more than 128 MiB of transfers wait");
        return NULL;
    }
    struct job *const job = malloc(bytes);
    if (job == NULL) {
        refuse(link, "there is no memory for a transfer");
        return NULL;
    }
    *job = (struct job){.room = bytes};
    job->urb.data = job->bytes + OPU_USBIP_HEADER_BYTES;
    job->urb.n = n;
    job->urb.user = job;
    link->held += bytes;
    return job;
}

static void drop(struct opu_usbip_link *link, struct job *job)
{
    link->held -= job->room;
    free(job);
}

static void send(struct opu_usbip_link *link, struct job *job, size_t n)
{
    job->next = NULL;
    job->n_send = n;
    *link->last = job;
    link->last = &job->next;
}

static void answer(void *user, struct opu_urb *urb)
{
    struct opu_usbip_link *const link = user;
    struct job *const job = urb->user;
    bool const cut = job->whole && urb->status == OPU_URB_OK && urb->moved < urb->n;
    opu_usbip_put_submitted(job->bytes, (uint32_t)urb->id, cut ? OPU_URB_SHORT : urb->status,
                            (uint32_t)urb->moved);
    send(link, job, OPU_USBIP_HEADER_BYTES + (job->in ? urb->moved : 0));
}

static void submit(struct opu_usbip_link *link, struct job *job)
{
    if (!opu_port_queue_submit(&link->queue, &job->urb)) {
        job->urb.status = OPU_URB_STALL;
        job->urb.moved = 0;
        answer(link, &job->urb);
    }
}

/* Direction, length and room of a request agree, or it is asked in a way that stalls. */
static struct opu_fn_setup request_of(const struct opu_usbip_command *command)
{
    struct opu_fn_setup setup = opu_port_queue_setup(command->setup);
    if (setup.length > command->n) {
        setup.length = (uint16_t)command->n;
    }
    if (setup.length > 0 && ((setup.request_type & 0x80) != 0) != command->in) {
        setup.request_type = 0xff;
    }
    return setup;
}

static void take_submit(struct opu_usbip_link *link, const struct opu_usbip_command *command)
{
    struct job *const job = new_job(link, command->n);
    if (job == NULL) {
        return;
    }
    job->in = command->in;
    job->whole = command->whole;
    job->urb.id = command->sequence;
    job->urb.endpoint = command->endpoint;
    job->urb.ends = command->zero_packet;
    job->urb.setup = request_of(command);
    if (!command->in && command->n > 0) {
        link->reading = job;
        link->n_read = 0;
        link->wants = WANTS_DATA;
        return;
    }
    submit(link, job);
}

static void take_unlink(struct opu_usbip_link *link, const struct opu_usbip_command *command)
{
    struct opu_urb *const victim = opu_port_queue_take(&link->queue, command->victim);
    struct job *const job = new_job(link, 0);
    if (victim != NULL) {
        drop(link, victim->user);
    }
    if (job != NULL) {
        opu_usbip_put_unlinked(job->bytes, command->sequence,
                               victim != NULL ? OPU_URB_CANCELLED : OPU_URB_OK);
        send(link, job, OPU_USBIP_HEADER_BYTES);
    }
}

static void take_command(struct opu_usbip_link *link)
{
    struct opu_usbip_command command;
    int const fault = opu_usbip_get_command(&command, link->head);
    if (fault != OPU_USBIP_OK) {
        refuse(link, opu_usbip_fault_text(fault));
    } else if (command.kind == OPU_USBIP_SUBMIT) {
        take_submit(link, &command);
    } else {
        take_unlink(link, &command);
    }
}

static void take_data(struct opu_usbip_link *link)
{
    struct job *const job = link->reading;
    link->reading = NULL;
    link->wants = WANTS_COMMAND;
    submit(link, job);
}

static void take_op(struct opu_usbip_link *link)
{
    unsigned const op = opu_usbip_get_op(link->head);
    if (op == OPU_USBIP_IMPORT) {
        link->wants = WANTS_BUSID;
        return;
    }
    if (op != OPU_USBIP_LIST) {
        refuse(link, "it began with no request of USB/IP 1.1.1");
        return;
    }
    link->wants = WANTS_NOTHING;
    struct job *const job = new_job(link, OPU_USBIP_LIST_BYTES);
    if (job != NULL) {
        send(link, job, opu_usbip_put_list(job->bytes, &link->options.identity, true));
    }
}

static void take_busid(struct opu_usbip_link *link)
{
    unsigned const status = opu_usbip_is_ours(link->head) ? link->options.import(link->options.user)
                                                          : OPU_USBIP_NO_DEVICE;
    link->imported = status == OPU_USBIP_DONE;
    link->wants = link->imported ? WANTS_COMMAND : WANTS_NOTHING;
    struct job *const job = new_job(link, OPU_USBIP_IMPORT_BYTES);
    if (job != NULL) {
        send(link, job, opu_usbip_put_import(job->bytes, &link->options.identity, status));
    }
}

struct opu_usbip_link *opu_usbip_link_create(const struct opu_usbip_link_options *options)
{
    struct opu_usbip_link *const link = calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    struct opu_port_queue_options const queue = {.function = options->function,
                                                 .identity = options->identity,
                                                 .max_out_bytes = options->max_out_bytes,
                                                 .user = link,
                                                 .done = answer};
    link->options = *options;
    link->imported = options->imported;
    link->wants = options->imported ? WANTS_COMMAND : WANTS_OP;
    link->last = &link->first;
    if (!opu_port_queue_init(&link->queue, &queue)) {
        free(link);
        return NULL;
    }
    return link;
}

void opu_usbip_link_destroy(struct opu_usbip_link *link)
{
    if (link == NULL) {
        return;
    }
    if (link->imported) {
        opu_port_queue_unplug(&link->queue, OPU_URB_GONE);
    }
    while (link->first != NULL) {
        struct job *const job = link->first;
        link->first = job->next;
        drop(link, job);
    }
    free(link->reading);
    opu_port_queue_fini(&link->queue);
    free(link);
}

uint8_t *opu_usbip_link_room(struct opu_usbip_link *link, size_t *n)
{
    *n = 0;
    if (link->wants == WANTS_NOTHING) {
        return NULL;
    }
    if (link->wants == WANTS_DATA) {
        *n = link->reading->urb.n - link->n_read;
        return link->reading->urb.data + link->n_read;
    }
    *n = wanted_bytes[link->wants] - link->n_head;
    return link->head + link->n_head;
}

void opu_usbip_link_take(struct opu_usbip_link *link, size_t n)
{
    static void (*const take[])(struct opu_usbip_link * link) = {
        [WANTS_OP] = take_op, [WANTS_BUSID] = take_busid, [WANTS_COMMAND] = take_command};
    if (link->wants == WANTS_NOTHING) {
        return;
    }
    if (link->wants == WANTS_DATA) {
        link->n_read += n;
        if (link->n_read == link->reading->urb.n) {
            take_data(link);
        }
        return;
    }
    link->n_head += n;
    if (link->n_head == wanted_bytes[link->wants]) {
        link->n_head = 0;
        take[link->wants](link);
    }
}

void opu_usbip_link_ask(struct opu_usbip_link *link)
{
    if (link->imported) {
        opu_port_queue_ask(&link->queue);
    }
}

const uint8_t *opu_usbip_link_output(struct opu_usbip_link *link, size_t *n)
{
    *n = link->first != NULL ? link->first->n_send - link->n_sent : 0;
    return link->first != NULL ? link->first->bytes + link->n_sent : NULL;
}

void opu_usbip_link_sent(struct opu_usbip_link *link, size_t n)
{
    struct job *const job = link->first;
    link->n_sent += n;
    if (job == NULL || link->n_sent < job->n_send) {
        return;
    }
    link->n_sent = 0;
    link->first = job->next;
    link->last = link->first != NULL ? link->last : &link->first;
    drop(link, job);
}

bool opu_usbip_link_imported(const struct opu_usbip_link *link)
{
    return link->imported;
}

const char *opu_usbip_link_fault(const struct opu_usbip_link *link)
{
    return link->fault;
}
