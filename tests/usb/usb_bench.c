/* SPDX-License-Identifier: MIT */
/*
 * The driver's speed against a bare libusb loop over the same emulated node, which answers with
 * stored counts: what `opu bench usb` runs. Prints one line a figure: name, value, unit, bar,
 * "at least" or "at most", between tabs. usb_bench [ROUNDS [umockdev|fast|small|clock]]
 */
#include "stored.h"

#include <opu/opu.h>

#include "core/device/device_internal.h"
#include "driver/usb_backend.h"
#include "rig.h"

#include <libusb.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_ROUNDS 31
#define FRAMES 1008u /* of a job: 16 packets of 63 frames */
#define INPUTS 1024u
#define PIXELS 4096u
#define JOBS 8
#define REPEATS \
    3              /* of all jobs, a round: short ones, so that a busy neighbour meets both alike \
                    */
#define CALLS 1000 /* small projections */
#define CLOCK_HZ 2000.0
#define CLOCK_S 2.0

static struct usb_rig rig;
static struct stored stored;
static unsigned n_rounds = 7;

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void check(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "usb_bench: %s: %s\n", what, opu_error_message());
        exit(1);
    }
}

static int ascending(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, ascending);
    size_t const i = (size_t)(q * (double)(n - 1) + 0.5);
    return values[i];
}

static void row(const char *name, double value, const char *unit, double bar, bool at_most)
{
    printf("%s\t%.6g\t%s\t%g\t%s\n", name, value, unit, bar,
           isnan(bar) ? "-"
           : at_most  ? "at most"
                      : "at least");
    (void)fflush(stdout);
}

/* ---- The device ---- */

static struct opu_function around(void *user, struct opu_function inner)
{
    struct usb_rig *const of = user;
    stored.ready = usb_node_ready;
    stored.user = of->node;
    return stored_function(&stored, inner);
}

static void plug(bool fast, const struct opu_optics *optics, double rate_hz, bool keep)
{
    struct usb_rig_options const options = {.optics = "sim:noise=none",
                                            .made = optics,
                                            .fast = fast,
                                            .serial = "BENCH-1",
                                            .rate_hz = rate_hz,
                                            .around = keep ? around : NULL,
                                            .around_user = &rig};
    check(usb_rig_open(&rig, &options) == 0 && usb_rig_seen(&rig), "no device");
}

static void unplug(void)
{
    usb_rig_close(&rig);
    stored_free(&stored);
}

static struct opu_device *open_device(const char *uri)
{
    struct opu_device *device = NULL;
    check(opu_device_open(&device, NULL, uri) == OPU_OK, "open");
    return device;
}

/* ---- The bare loop ---- */

struct slot {
    struct libusb_transfer *out, *in;
    int under_way;
};

struct bare {
    libusb_context *usb;
    libusb_device_handle *handle;
    struct slot slots[OPU_SESSION_SLOTS];
    size_t n_slots, room;
    uint8_t *area; /* answers come to lie here one behind the other, as a caller would want them */
    size_t n_area; /* answers there is room for */
    size_t next, wanted, answered; /* packets */
};

static void LIBUSB_CALL bare_ended(struct libusb_transfer *transfer);

static void bare_send(struct bare *bare, struct slot *slot)
{
    if (bare->next == bare->wanted) {
        return;
    }
    const struct stored_answer *const answer = &stored.answers[bare->next % stored.n_answers];
    slot->in->buffer = bare->area + bare->next++ % bare->n_area * bare->room;
    slot->out->buffer = answer->packet;
    slot->out->length = (int)answer->n_packet;
    slot->under_way = 2;
    check(libusb_submit_transfer(slot->in) == 0 && libusb_submit_transfer(slot->out) == 0,
          "bare submit");
}

static void LIBUSB_CALL bare_ended(struct libusb_transfer *transfer)
{
    struct bare *const bare = transfer->user_data;
    check(transfer->status == LIBUSB_TRANSFER_COMPLETED, "bare transfer");
    for (size_t i = 0; i < bare->n_slots; i++) {
        struct slot *const slot = &bare->slots[i];
        if (slot->in == transfer || slot->out == transfer) {
            bare->answered += slot->in == transfer;
            if (--slot->under_way == 0) {
                bare_send(bare, slot);
            }
        }
    }
}

static void bare_open(struct bare *bare, size_t n_slots, size_t room, size_t n_area)
{
    *bare = (struct bare){
        .n_slots = n_slots, .room = room, .area = malloc(room * n_area), .n_area = n_area};
    check(bare->area != NULL, "memory");
    memset(bare->area, 1, room * n_area);
    check(libusb_init(&bare->usb) == 0, "libusb");
    bare->handle =
        libusb_open_device_with_vid_pid(bare->usb, OPU_WIRE_VENDOR_ID, OPU_WIRE_PRODUCT_ID);
    check(bare->handle != NULL && libusb_claim_interface(bare->handle, 0) == 0, "bare open");
    for (size_t i = 0; i < n_slots; i++) {
        struct slot *const slot = &bare->slots[i];
        slot->in = libusb_alloc_transfer(0);
        slot->out = libusb_alloc_transfer(0);
        libusb_fill_bulk_transfer(slot->in, bare->handle, OPU_USB_IN, bare->area, (int)room,
                                  bare_ended, bare, 0);
        libusb_fill_bulk_transfer(slot->out, bare->handle, OPU_USB_OUT, NULL, 0, bare_ended, bare,
                                  0);
    }
}

static void bare_close(struct bare *bare)
{
    for (size_t i = 0; i < bare->n_slots; i++) {
        libusb_free_transfer(bare->slots[i].in);
        libusb_free_transfer(bare->slots[i].out);
    }
    libusb_close(bare->handle);
    libusb_exit(bare->usb);
    free(bare->area);
}

/* Seconds for so many packets, there and back. */
static double bare_run(struct bare *bare, size_t packets)
{
    double const start_s = now_s();
    bare->next = bare->answered = 0;
    bare->wanted = packets;
    for (size_t i = 0; i < bare->n_slots; i++) {
        bare_send(bare, &bare->slots[i]);
    }
    bool busy = true;
    while (busy) {
        (void)libusb_handle_events_completed(bare->usb, NULL);
        busy = bare->answered < packets;
        for (size_t i = 0; i < bare->n_slots; i++) {
            busy = busy || bare->slots[i].under_way > 0;
        }
    }
    return now_s() - start_s;
}

/* ---- Counts a second ---- */

struct job {
    uint8_t *bits, *counts;
    uint64_t number[FRAMES];
    double time_s[FRAMES];
    uint32_t saturated[FRAMES];
    struct opu_frame_batch batch;
    uint64_t id;
};

static struct job jobs[JOBS];

/* The same frames in each job: one set of answers does for all. */
static void make_jobs(size_t frames)
{
    for (size_t j = 0; j < JOBS; j++) {
        jobs[j].bits = calloc(frames, INPUTS / 8);
        jobs[j].counts = calloc(frames, PIXELS);
        check(jobs[j].bits != NULL && jobs[j].counts != NULL, "memory");
        memset(jobs[j].counts, 1, frames * PIXELS);
        for (size_t i = 0; i < frames; i++) {
            jobs[j].number[i] = i;
            memset(jobs[j].bits + i * (INPUTS / 8), (int)(i % 251), INPUTS / 8);
        }
        jobs[j].batch = (struct opu_frame_batch){.size = sizeof jobs[j].batch,
                                                 .n_frames = frames,
                                                 .bits = jobs[j].bits,
                                                 .number = jobs[j].number,
                                                 .counts = jobs[j].counts,
                                                 .time_s = jobs[j].time_s,
                                                 .saturated = jobs[j].saturated};
    }
}

static void free_jobs(void)
{
    for (size_t j = 0; j < JOBS; j++) {
        free(jobs[j].bits);
        free(jobs[j].counts);
    }
}

static void configure(struct opu_device *device)
{
    static const double exposures_us[] = {10.0};
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = INPUTS,
                                          .n_pixels = PIXELS,
                                          .bits = 8,
                                          .n_exposures = 1,
                                          .exposures_us = exposures_us};
    check(opu_device_configure(device, &setup) == OPU_OK, "configure");
}

static void submit(struct opu_device *device, struct job *job)
{
    check(opu_device_submit(device, &job->batch, &job->id) == OPU_OK, "submit");
}

static void finish(struct opu_device *device, struct job *job)
{
    check(opu_device_wait(device, job->id, -1) == OPU_OK, "wait");
}

/* Seconds for REPEATS times all jobs, eight in flight. */
static double driver_run(struct opu_device *device)
{
    double const start_s = now_s();
    for (size_t j = 0; j < JOBS; j++) {
        submit(device, &jobs[j]);
    }
    for (size_t r = 0; r < REPEATS; r++) {
        for (size_t j = 0; j < JOBS; j++) {
            finish(device, &jobs[j]);
            if (r + 1 < REPEATS) {
                submit(device, &jobs[j]);
            }
        }
    }
    return now_s() - start_s;
}

static struct opu_session_counts counts_of(struct opu_device *device)
{
    struct opu_session_counts counts;
    opu_session_counts(opu_usb_session(device->handle), &counts);
    return counts;
}

static void counts_a_second(bool fast, double bar)
{
    struct opu_optics const optics = stored_optics(1e6);
    double ratio[MOST_ROUNDS], driver_mb[MOST_ROUNDS], bare_mb[MOST_ROUNDS];
    char name[64];
    struct opu_session_counts counts = {0};
    double const mb = 1e-6 * (double)JOBS * REPEATS * FRAMES * PIXELS;
    plug(fast, &optics, 0.0, true);
    make_jobs(FRAMES);
    for (unsigned round = 0; round <= n_rounds; round++) {
        struct opu_device *const device = open_device("usb:");
        struct bare bare;
        configure(device);
        if (round == 0) {
            submit(device, &jobs[0]);
            finish(device, &jobs[0]);
            stored_switch(&stored);
        }
        double const driver_s = driver_run(device);
        counts = counts_of(device);
        check(counts.recoveries == 0, "recoveries");
        opu_device_close(device);
        bare_open(&bare, counts.n_slots, counts.packet_in_bytes, JOBS * stored.n_answers);
        double const bare_s = bare_run(&bare, (size_t)JOBS * REPEATS * stored.n_answers);
        bare_close(&bare);
        if (round > 0) { /* the first warms up */
            driver_mb[round - 1] = mb / driver_s;
            bare_mb[round - 1] = mb / bare_s;
            ratio[round - 1] = bare_s / driver_s;
        }
    }
    const char *const route = fast ? "fast route" : "umockdev route";
    (void)snprintf(name, sizeof name, "counts, %s, driver", route);
    row(name, quantile(driver_mb, n_rounds, 0.5), "MB/s", (double)NAN, false);
    (void)snprintf(name, sizeof name, "counts, %s, bare libusb", route);
    row(name, quantile(bare_mb, n_rounds, 0.5), "MB/s", (double)NAN, false);
    (void)snprintf(name, sizeof name, "counts, %s, driver / bare libusb", route);
    row(name, quantile(ratio, n_rounds, 0.5), "x", bar, false);
    if (fast) {
        row("buffers of the driver, 1024 inputs, 4096 outputs", 1e-6 * (double)counts.memory_bytes,
            "MB", 12.0, true); /* three of four parts of usbfs' 16 MB */
    }
    free_jobs();
    unplug();
}

/* ---- One small projection ---- */

static void one_projection(void)
{
    enum { N_IN = 64, N_OUT = 64 };
    static double calls[CALLS], trips[CALLS];
    double median[MOST_ROUNDS], tail[MOST_ROUNDS], floor_us[MOST_ROUNDS];
    float in[N_IN], out[N_OUT];
    plug(true, NULL, 0.0, true);
    for (size_t i = 0; i < N_IN; i++) {
        in[i] = (float)(i % 7) - 3.0f;
    }
    for (unsigned round = 0; round < n_rounds; round++) {
        struct opu_device *const device = open_device("usb:");
        struct opu_projection_options const options = {
            .size = sizeof options, .n_in = N_IN, .n_out = N_OUT, .max_rows = 1};
        struct opu_projection *projection = NULL;
        struct bare bare;
        check(opu_projection_create(&projection, device, &options) == OPU_OK, "projection");
        usb_node_lock(rig.node);
        stored_free(&stored); /* those of the calibration */
        usb_node_unlock(rig.node);
        for (size_t i = 0; i < CALLS + 50; i++) {
            opu_device_clock_set(device, UINT64_C(1) << 40);
            double const start_s = now_s();
            check(opu_project(projection, in, N_IN, 1, out, N_OUT) == OPU_OK, "project");
            if (i >= 50) {
                calls[i - 50] = 1e6 * (now_s() - start_s);
            } else if (i == 0) {
                usb_node_lock(rig.node);
                stored_switch(&stored);
                usb_node_unlock(rig.node);
            }
        }
        struct opu_session_counts const counts = counts_of(device);
        opu_projection_destroy(projection);
        opu_device_close(device);
        bare_open(&bare, 1, counts.packet_in_bytes, 1);
        for (size_t i = 0; i < CALLS + 50; i++) {
            double const trip_us = 1e6 * bare_run(&bare, stored.n_answers);
            trips[i < 50 ? 0 : i - 50] = trip_us;
        }
        bare_close(&bare);
        stored_free(&stored); /* the next round begins with the board itself */
        floor_us[round] = quantile(trips, CALLS, 0.5);
        median[round] = quantile(calls, CALLS, 0.5) - floor_us[round];
        tail[round] = quantile(calls, CALLS, 0.99) - quantile(trips, CALLS, 0.99);
    }
    row("one small projection, bare round trip of its bytes", quantile(floor_us, n_rounds, 0.5),
        "us", (double)NAN, false);
    row("one small projection, added: median", quantile(median, n_rounds, 0.5), "us", 60.0, true);
    row("one small projection, added: 99th percentile", quantile(tail, n_rounds, 0.5), "us", 250.0,
        true);
    unplug();
}

/* ---- A device with a clock ---- */

static void busy_share(void)
{
    struct opu_optics const optics = stored_optics(CLOCK_HZ);
    size_t const frames = 64;
    plug(true, &optics, CLOCK_HZ, false);
    make_jobs(frames);
    struct opu_device *const device = open_device("usb:");
    configure(device);
    for (size_t j = 0; j < JOBS; j++) {
        submit(device, &jobs[j]);
    }
    finish(device, &jobs[0]); /* from here on it is under way */
    submit(device, &jobs[0]);
    double const start_s = now_s();
    size_t done = 0;
    size_t j = 1;
    while (now_s() - start_s < CLOCK_S) {
        finish(device, &jobs[j]);
        submit(device, &jobs[j]);
        done += frames;
        j = (j + 1) % JOBS;
    }
    double const took_s = now_s() - start_s;
    for (size_t k = 0; k < JOBS; k++) {
        finish(device, &jobs[(j + k) % JOBS]);
    }
    opu_device_close(device);
    row("8 jobs in flight, 2 kHz: share of frames it was busy", (double)done / (took_s * CLOCK_HZ),
        "x", 0.95, false);
    free_jobs();
    unplug();
}

static void counts_umockdev(void)
{
    counts_a_second(false, 0.90);
}

static void counts_fast(void)
{
    counts_a_second(true, 0.75);
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"umockdev", counts_umockdev},
    {"fast", counts_fast},
    {"small", one_projection},
    {"clock", busy_share},
};

int main(int argc, char **argv)
{
    unsigned const asked = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : n_rounds;
    n_rounds = asked < 1 ? 1 : asked > MOST_ROUNDS ? MOST_ROUNDS : asked;
    if (!usb_nodes_work()) {
        (void)fprintf(stderr, "usb_bench: umockdev's preload library is not there\n");
        return 77;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (argc < 3 || strcmp(argv[2], parts[i].name) == 0) {
            parts[i].run();
        }
    }
    return 0;
}
