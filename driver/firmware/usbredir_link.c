/* SPDX-License-Identifier: MIT */
/*
 * The parser takes the protocol apart and puts it together; here its packets become transfers of a
 * port_queue. A packet that the function answers with NAK is one that isn't answered yet.
 */
#include "driver/firmware/usbredir_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usbredirparser.h>

#define EVENT_BYTES 64u
#define EVENT_ID UINT64_MAX

struct opu_usbredir_link {
    struct opu_usbredir_link_options options;
    struct opu_port_queue queue;
    struct usbredirparser *parser;
    bool greeted, plugged, broken;
    size_t held; /* bytes of transfers */
    bool events; /* wanted */
    struct opu_urb event;
    uint8_t event_bytes[EVENT_BYTES];
    uint64_t event_id; /* of the next event sent */
};

/* A transfer and the header that its answer repeats. */
struct job {
    struct opu_urb urb;
    bool control;
    size_t room;
    struct usb_redir_control_packet_header as_control;
    struct usb_redir_bulk_packet_header as_bulk;
    uint8_t bytes[];
};

static void complain(struct opu_usbredir_link *link, const char *sentence)
{
    if (link->options.say != NULL) {
        link->options.say(link->options.user, sentence);
    }
}

static uint8_t status_of(int status)
{
    static const struct {
        int from;
        uint8_t to;
    } table[] = {
        {OPU_URB_OK, usb_redir_success},
        {OPU_URB_STALL, usb_redir_stall},
        {OPU_URB_CANCELLED, usb_redir_cancelled},
        {OPU_URB_OVERFLOW, usb_redir_babble},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].from == status) {
            return table[i].to;
        }
    }
    return usb_redir_ioerror;
}

/* ---- Answers ---- */

static void answer(struct opu_usbredir_link *link, struct job *job)
{
    const struct opu_urb *const urb = &job->urb;
    uint8_t const status = status_of(urb->status);
    size_t const n = status == usb_redir_success ? urb->moved : 0;
    if (job->control) {
        bool const in = (job->as_control.requesttype & 0x80) != 0;
        job->as_control.status = status;
        job->as_control.length = (uint16_t)n;
        usbredirparser_send_control_packet(link->parser, urb->id, &job->as_control,
                                           in && n > 0 ? urb->data : NULL, in ? (int)n : 0);
    } else {
        bool const in = (job->as_bulk.endpoint & 0x80) != 0;
        job->as_bulk.status = status;
        job->as_bulk.length = (uint16_t)n;
        job->as_bulk.length_high = (uint16_t)(n >> 16);
        usbredirparser_send_bulk_packet(link->parser, urb->id, &job->as_bulk,
                                        in && n > 0 ? urb->data : NULL, in ? (int)n : 0);
    }
    link->held -= job->room;
    free(job);
}

static void send_event(struct opu_usbredir_link *link)
{
    const struct opu_urb *const urb = &link->event;
    if (urb->status == OPU_URB_OK) {
        struct usb_redir_interrupt_packet_header header = {
            .endpoint = urb->endpoint, .status = usb_redir_success, .length = (uint16_t)urb->moved};
        usbredirparser_send_interrupt_packet(link->parser, link->event_id++, &header, urb->data,
                                             (int)urb->moved);
        return;
    }
    link->events = false;
    if (urb->status == OPU_URB_STALL) {
        struct usb_redir_interrupt_receiving_status_header header = {.status = usb_redir_stall,
                                                                     .endpoint = urb->endpoint};
        usbredirparser_send_interrupt_receiving_status(link->parser, 0, &header);
    }
}

static void wait_for_event(struct opu_usbredir_link *link)
{
    link->event = (struct opu_urb){.endpoint = OPU_USB_EVENT,
                                   .data = link->event_bytes,
                                   .n = sizeof link->event_bytes,
                                   .id = EVENT_ID};
    (void)opu_port_queue_submit(&link->queue, &link->event);
}

static void done(void *user, struct opu_urb *urb)
{
    struct opu_usbredir_link *const link = user;
    if (urb != &link->event) {
        answer(link, urb->user);
        return;
    }
    send_event(link);
    if (link->events) {
        wait_for_event(link);
    }
}

/* ---- Transfers ---- */

/* NULL: the peer has too much of them under way, and is given up. */
static struct job *new_job(struct opu_usbredir_link *link, uint64_t id, uint8_t endpoint, size_t n)
{
    size_t const bytes = sizeof(struct job) + n;
    bool const fits = n <= OPU_USBREDIR_TRANSFER_MAX &&
                      bytes <= OPU_USBREDIR_WAITING_MAX - link->held && id != EVENT_ID;
    struct job *const job = fits ? malloc(bytes) : NULL;
    if (job == NULL) {
        complain(link, "a usbredir peer was given up: its transfers are too long or too many");
        link->broken = true;
        return NULL;
    }
    *job = (struct job){
        .urb = {.endpoint = endpoint, .data = job->bytes, .n = n, .id = id, .user = job},
        .room = bytes};
    link->held += bytes;
    return job;
}

static void submit(struct opu_usbredir_link *link, struct job *job)
{
    job->urb.status = OPU_URB_GONE;
    if (!link->plugged || !opu_port_queue_submit(&link->queue, &job->urb)) {
        answer(link, job);
    }
}

static void take_control(void *priv, uint64_t id, struct usb_redir_control_packet_header *header,
                         uint8_t *data, int n)
{
    struct opu_usbredir_link *const link = priv;
    bool const in = (header->requesttype & 0x80) != 0;
    struct job *const job = new_job(link, id, OPU_URB_CONTROL, header->length);
    if (job != NULL) {
        job->control = true;
        job->as_control = *header;
        job->urb.setup = (struct opu_fn_setup){header->requesttype, header->request, header->value,
                                               header->index, header->length};
        if (!in && n > 0) {
            memcpy(job->bytes, data, (size_t)n < job->urb.n ? (size_t)n : job->urb.n);
        }
        if (!in && n != header->length) {
            job->urb.setup.request_type = 0xff; /* stalls */
        }
        submit(link, job);
    }
    usbredirparser_free_packet_data(link->parser, data);
}

static void take_bulk(void *priv, uint64_t id, struct usb_redir_bulk_packet_header *header,
                      uint8_t *data, int n)
{
    struct opu_usbredir_link *const link = priv;
    bool const in = (header->endpoint & 0x80) != 0;
    size_t const length = (size_t)header->length | (size_t)header->length_high << 16;
    struct job *const job = new_job(link, id, header->endpoint, in ? length : (size_t)n);
    if (job != NULL) {
        job->as_bulk = *header;
        if (!in && n > 0) {
            memcpy(job->bytes, data, (size_t)n);
        }
        submit(link, job);
    }
    usbredirparser_free_packet_data(link->parser, data);
}

/* An interrupt endpoint out: there is none. */
static void take_interrupt(void *priv, uint64_t id,
                           struct usb_redir_interrupt_packet_header *header, uint8_t *data, int n)
{
    struct opu_usbredir_link *const link = priv;
    (void)n;
    header->status = usb_redir_inval;
    header->length = 0;
    usbredirparser_send_interrupt_packet(link->parser, id, header, NULL, 0);
    usbredirparser_free_packet_data(link->parser, data);
}

static void take_iso(void *priv, uint64_t id, struct usb_redir_iso_packet_header *header,
                     uint8_t *data, int n)
{
    const struct opu_usbredir_link *const link = priv;
    (void)id;
    (void)header;
    (void)n;
    usbredirparser_free_packet_data(link->parser, data);
}

static void take_cancel(void *priv, uint64_t id)
{
    struct opu_usbredir_link *const link = priv;
    struct opu_urb *const urb = id != EVENT_ID ? opu_port_queue_take(&link->queue, id) : NULL;
    if (urb != NULL) {
        answer(link, urb->user);
    }
}

static void start_events(void *priv, uint64_t id,
                         struct usb_redir_start_interrupt_receiving_header *header)
{
    struct opu_usbredir_link *const link = priv;
    bool const known = header->endpoint == OPU_USB_EVENT && link->plugged;
    struct usb_redir_interrupt_receiving_status_header status = {
        .status = known ? usb_redir_success : usb_redir_inval, .endpoint = header->endpoint};
    usbredirparser_send_interrupt_receiving_status(link->parser, id, &status);
    if (known && !link->events) {
        link->events = true;
        wait_for_event(link);
    }
}

static void stop_events(void *priv, uint64_t id,
                        struct usb_redir_stop_interrupt_receiving_header *header)
{
    struct opu_usbredir_link *const link = priv;
    struct usb_redir_interrupt_receiving_status_header status = {.status = usb_redir_success,
                                                                 .endpoint = header->endpoint};
    (void)opu_port_queue_take(&link->queue, EVENT_ID);
    link->events = false;
    usbredirparser_send_interrupt_receiving_status(link->parser, id, &status);
}

/* ---- Requests that the protocol has words of its own for ---- */

static void take_reset(void *priv)
{
    struct opu_usbredir_link *const link = priv;
    opu_port_queue_bus_reset(&link->queue);
}

static int ask_standard(struct opu_usbredir_link *link, uint8_t type, uint8_t request,
                        uint16_t value, uint16_t index, uint16_t n, uint8_t *data)
{
    struct opu_fn_setup const setup = {type, request, value, index, n};
    return opu_port_queue_control(&link->queue, &setup, data);
}

static void tell_configuration(struct opu_usbredir_link *link, uint64_t id, bool well)
{
    struct usb_redir_configuration_status_header status = {
        .status = well ? usb_redir_success : usb_redir_stall,
        .configuration = link->queue.configuration};
    usbredirparser_send_configuration_status(link->parser, id, &status);
}

static void set_configuration(void *priv, uint64_t id,
                              struct usb_redir_set_configuration_header *header)
{
    tell_configuration(priv, id,
                       ask_standard(priv, 0x00, 9, header->configuration, 0, 0, NULL) == 0);
}

static void get_configuration(void *priv, uint64_t id)
{
    tell_configuration(priv, id, true);
}

static void tell_setting(struct opu_usbredir_link *link, uint64_t id, uint8_t interface, bool well)
{
    struct usb_redir_alt_setting_status_header status = {
        .status = well ? usb_redir_success : usb_redir_inval, .interface = interface, .alt = 0};
    usbredirparser_send_alt_setting_status(link->parser, id, &status);
}

static void set_setting(void *priv, uint64_t id, struct usb_redir_set_alt_setting_header *header)
{
    tell_setting(priv, id, header->interface,
                 ask_standard(priv, 0x01, 11, header->alt, header->interface, 0, NULL) == 0);
}

static void get_setting(void *priv, uint64_t id, struct usb_redir_get_alt_setting_header *header)
{
    tell_setting(priv, id, header->interface, header->interface == 0);
}

static void start_iso(void *priv, uint64_t id, struct usb_redir_start_iso_stream_header *header)
{
    struct opu_usbredir_link *const link = priv;
    struct usb_redir_iso_stream_status_header status = {.status = usb_redir_inval,
                                                        .endpoint = header->endpoint};
    usbredirparser_send_iso_stream_status(link->parser, id, &status);
}

static void stop_iso(void *priv, uint64_t id, struct usb_redir_stop_iso_stream_header *header)
{
    (void)priv;
    (void)id;
    (void)header;
}

/* What we never offered; the parser calls without looking whether anybody is there. */

static void alloc_streams(void *priv, uint64_t id,
                          struct usb_redir_alloc_bulk_streams_header *header)
{
    (void)priv;
    (void)id;
    (void)header;
}

static void free_streams(void *priv, uint64_t id, struct usb_redir_free_bulk_streams_header *header)
{
    (void)priv;
    (void)id;
    (void)header;
}

static void start_bulk(void *priv, uint64_t id,
                       struct usb_redir_start_bulk_receiving_header *header)
{
    (void)priv;
    (void)id;
    (void)header;
}

static void stop_bulk(void *priv, uint64_t id, struct usb_redir_stop_bulk_receiving_header *header)
{
    (void)priv;
    (void)id;
    (void)header;
}

static void take_rules(void *priv, struct usbredirfilter_rule *rules, int n)
{
    (void)priv;
    (void)n;
    free(rules);
}

static void take_notice(void *priv)
{
    (void)priv;
}

/* ---- Plugging ---- */

/* The protocol's index of an endpoint. */
static size_t at(uint8_t endpoint)
{
    return (size_t)((endpoint & 0x80) >> 3 | (endpoint & 15));
}

static void send_ends(struct opu_usbredir_link *link, const struct opu_usb_interface *interface)
{
    struct usb_redir_ep_info_header ends = {{0}, {0}, {0}, {0}, {0}};
    memset(ends.type, usb_redir_type_invalid, sizeof ends.type);
    ends.type[at(0x00)] = ends.type[at(0x80)] = usb_redir_type_control;
    ends.max_packet_size[at(0x00)] = ends.max_packet_size[at(0x80)] = 64;
    ends.type[at(interface->out)] = ends.type[at(interface->in)] = usb_redir_type_bulk;
    ends.type[at(interface->event)] = usb_redir_type_interrupt;
    ends.interval[at(interface->event)] = 4;
    ends.max_packet_size[at(interface->out)] = interface->out_packet;
    ends.max_packet_size[at(interface->in)] = interface->in_packet;
    ends.max_packet_size[at(interface->event)] = interface->event_packet;
    usbredirparser_send_ep_info(link->parser, &ends);
}

static void send_connect(struct opu_usbredir_link *link)
{
    const struct opu_usb_identity *const identity = &link->queue.options.identity;
    struct usb_redir_interface_info_header interfaces = {.interface_count = 1};
    uint8_t device[18] = {0}, config[256];
    struct opu_usb_interface interface = {0};
    int const n = opu_usb_descriptor(config, sizeof config, identity, 0x80, 6, 2 << 8, 0);
    (void)opu_usb_descriptor(device, sizeof device, identity, 0x80, 6, 1 << 8, 0);
    (void)opu_usb_find_interface(&interface, config, n > 0 ? (size_t)n : 0);
    interfaces.interface_class[0] = 0xff;
    interfaces.interface_subclass[0] = 0x4f;
    interfaces.interface_protocol[0] = interface.protocol;
    usbredirparser_send_interface_info(link->parser, &interfaces);
    send_ends(link, &interface);
    struct usb_redir_device_connect_header connect = {
        .speed = identity->speed == OPU_USB_SUPER  ? usb_redir_speed_super
                 : identity->speed == OPU_USB_HIGH ? usb_redir_speed_high
                                                   : usb_redir_speed_full,
        .device_class = device[4],
        .device_subclass = device[5],
        .device_protocol = device[6],
        .vendor_id = identity->vendor_id,
        .product_id = identity->product_id,
        .device_version_bcd = identity->bcd_device};
    usbredirparser_send_device_connect(link->parser, &connect);
}

static void take_hello(void *priv, struct usb_redir_hello_header *hello)
{
    struct opu_usbredir_link *const link = priv;
    (void)hello;
    if (!link->greeted) {
        link->greeted = true;
        if (link->plugged) {
            send_connect(link);
        }
    }
}

void opu_usbredir_link_plug(struct opu_usbredir_link *link, bool in)
{
    if (in == link->plugged) {
        return;
    }
    link->plugged = in;
    if (!in) {
        link->events = false;
        opu_port_queue_unplug(&link->queue, OPU_URB_GONE);
    }
    if (link->greeted && in) {
        send_connect(link);
    } else if (link->greeted) {
        usbredirparser_send_device_disconnect(link->parser);
    }
}

/* ---- Life ---- */

static void take_log(void *priv, int level, const char *words)
{
    struct opu_usbredir_link *const link = priv;
    char sentence[200];
    if (level == usbredirparser_error) {
        snprintf(sentence, sizeof sentence, "usbredir: %s", words);
        complain(link, sentence);
    }
}

static int read_some(void *priv, uint8_t *data, int n)
{
    const struct opu_usbredir_link *const link = priv;
    return link->broken ? -1 : link->options.read(link->options.user, data, n);
}

static int write_some(void *priv, uint8_t *data, int n)
{
    const struct opu_usbredir_link *const link = priv;
    return link->options.write(link->options.user, data, n);
}

static void start_parser(struct opu_usbredir_link *link)
{
    struct usbredirparser *const parser = link->parser;
    uint32_t caps[USB_REDIR_CAPS_SIZE] = {0};
    char version[64] = "opu";
    parser->priv = link;
    parser->log_func = take_log;
    parser->read_func = read_some;
    parser->write_func = write_some;
    parser->hello_func = take_hello;
    parser->reset_func = take_reset;
    parser->set_configuration_func = set_configuration;
    parser->get_configuration_func = get_configuration;
    parser->set_alt_setting_func = set_setting;
    parser->get_alt_setting_func = get_setting;
    parser->start_iso_stream_func = start_iso;
    parser->stop_iso_stream_func = stop_iso;
    parser->start_interrupt_receiving_func = start_events;
    parser->stop_interrupt_receiving_func = stop_events;
    parser->alloc_bulk_streams_func = alloc_streams;
    parser->free_bulk_streams_func = free_streams;
    parser->start_bulk_receiving_func = start_bulk;
    parser->stop_bulk_receiving_func = stop_bulk;
    parser->filter_reject_func = take_notice;
    parser->filter_filter_func = take_rules;
    parser->device_disconnect_ack_func = take_notice;
    parser->cancel_data_packet_func = take_cancel;
    parser->control_packet_func = take_control;
    parser->bulk_packet_func = take_bulk;
    parser->iso_packet_func = take_iso;
    parser->interrupt_packet_func = take_interrupt;
    usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_ep_info_max_packet_size);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_32bits_bulk_length);
    usbredirparser_init(parser, version, caps, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
}

struct opu_usbredir_link *opu_usbredir_link_create(const struct opu_usbredir_link_options *options)
{
    struct opu_usbredir_link *const link = calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    struct opu_port_queue_options const queue = {.function = options->function,
                                                 .identity = options->identity,
                                                 .max_out_bytes = options->max_out_bytes,
                                                 .user = link,
                                                 .done = done};
    link->options = *options;
    link->plugged = true;
    link->parser = usbredirparser_create();
    if (link->parser == NULL || !opu_port_queue_init(&link->queue, &queue)) {
        if (link->parser != NULL) {
            usbredirparser_destroy(link->parser);
        }
        free(link);
        return NULL;
    }
    start_parser(link);
    return link;
}

void opu_usbredir_link_destroy(struct opu_usbredir_link *link)
{
    if (link == NULL) {
        return;
    }
    link->events = false;
    opu_port_queue_unplug(&link->queue, OPU_URB_GONE);
    opu_port_queue_fini(&link->queue);
    usbredirparser_destroy(link->parser);
    free(link);
}

bool opu_usbredir_link_read(struct opu_usbredir_link *link)
{
    return usbredirparser_do_read(link->parser) == 0 && !link->broken;
}

bool opu_usbredir_link_write(struct opu_usbredir_link *link)
{
    return usbredirparser_has_data_to_write(link->parser) == 0 ||
           usbredirparser_do_write(link->parser) == 0;
}

bool opu_usbredir_link_wants_read(const struct opu_usbredir_link *link)
{
    return usbredirparser_get_bufferered_output_size(link->parser) < OPU_USBREDIR_WAITING_MAX;
}

bool opu_usbredir_link_wants_write(const struct opu_usbredir_link *link)
{
    return usbredirparser_has_data_to_write(link->parser) > 0;
}

void opu_usbredir_link_ask(struct opu_usbredir_link *link)
{
    opu_port_queue_ask(&link->queue);
}
