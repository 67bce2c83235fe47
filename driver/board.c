/* SPDX-License-Identifier: MIT */
/*
 * An emulated board. The work runs in a thread of its own, which ticks as well, or in
 * opu_board_step().
 */
#include "driver/board.h"

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "driver/board_pace.h"
#include "driver/optics_device.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PACKET_BYTES ((4u << 20) + (64u << 10))
#define QUEUE 16u
#define TICK_US 50000u

struct opu_board {
    struct opu_board_options options;
    char serial[OPU_WIRE_SERIAL_BYTES];
    struct opu_optics optics; /* as given, or of the device */
    bool own_optics;          /* of the device: to be destroyed */
    void *memory;
    struct opu_fw *fw;
    struct opu_fault *fault;
    struct opu_function function;

    pthread_mutex_t fw_lock; /* the firmware's */
    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t moved;
    pthread_t thread;
    bool threaded, work, stop;

    struct opu_pace pace; /* of the work alone; rate_hz 0: none */
};

static uint64_t monotonic_us(void *user)
{
    (void)user;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t now_us(const struct opu_board *board)
{
    return board->options.now_us(board->options.user);
}

/* ---- The firmware's platform ---- */

static void lock_fw(void *self)
{
    struct opu_board *const board = self;
    (void)pthread_mutex_lock(&board->fw_lock);
}

static void unlock_fw(void *self)
{
    struct opu_board *const board = self;
    (void)pthread_mutex_unlock(&board->fw_lock);
}

static uint64_t fw_now_us(void *self)
{
    return now_us(self);
}

static void fw_ready(void *self)
{
    const struct opu_board *const board = self;
    if (board->options.ready != NULL) {
        board->options.ready(board->options.user);
    }
}

static void fw_wake(void *self)
{
    struct opu_board *const board = self;
    (void)pthread_mutex_lock(&board->lock);
    board->work = true;
    (void)pthread_cond_signal(&board->moved);
    (void)pthread_mutex_unlock(&board->lock);
}

static void unplug(void *self, uint64_t us)
{
    const struct opu_board *const board = self;
    board->options.unplug(board->options.user, us);
}

/* ---- The thread ---- */

/* Waits for at most us on the monotonic clock, or until something moves. (lock held) */
static void wait_us(struct opu_board *board, uint64_t us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t const ns = (uint64_t)until.tv_nsec + us % 1000000u * 1000u;
    until.tv_sec += (time_t)(us / 1000000u + ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    (void)pthread_cond_timedwait(&board->moved, &board->lock, &until);
}

/* Sleeps for the pace; a board's end ends it. */
static void sleep_until(void *self, double us)
{
    struct opu_board *const board = self;
    (void)pthread_mutex_lock(&board->lock);
    for (double left; !board->stop && (left = us - (double)now_us(board)) > 0.0;) {
        wait_us(board, left < TICK_US ? (uint64_t)left + 1 : TICK_US);
    }
    (void)pthread_mutex_unlock(&board->lock);
}

static void *run(void *self)
{
    struct opu_board *const board = self;
    bool stop = false;
    while (!stop) {
        opu_fw_tick(board->fw);
        bool const worked = opu_fw_work(board->fw);
        (void)pthread_mutex_lock(&board->lock);
        if (!worked) {
            board->pace.idle = true;
            if (!board->work && !board->stop) {
                wait_us(board, TICK_US);
            }
            board->work = false;
        }
        stop = board->stop;
        (void)pthread_mutex_unlock(&board->lock);
    }
    return NULL;
}

static int start_thread(struct opu_board *board)
{
    board->threaded = true; /* the thread looks */
    int const status = pthread_create(&board->thread, NULL, run, board);
    if (status != 0) {
        board->threaded = false;
        return opu_fail(OPU_E_NO_MEMORY, "the board's thread can't be started: %s",
                        strerror(status));
    }
    return OPU_OK;
}

static void stop_thread(struct opu_board *board)
{
    if (!board->threaded) {
        return;
    }
    (void)pthread_mutex_lock(&board->lock);
    board->stop = true;
    (void)pthread_cond_signal(&board->moved);
    (void)pthread_mutex_unlock(&board->lock);
    (void)pthread_join(board->thread, NULL);
}

/* ---- Life ---- */

/* "sim:gaussian:91c0d1f2a7b3e485" to "SIM-91c0d1f2"; where there is no such number at the end, a
 * hash of the whole takes its place. */
static void make_serial(char *serial, size_t n, const char *identity)
{
    char scheme[16] = "";
    for (size_t i = 0; i + 1 < sizeof scheme && isalnum((unsigned char)identity[i]) != 0; i++) {
        scheme[i] = (char)toupper((unsigned char)identity[i]);
    }
    const char *const colon = strrchr(identity, ':');
    if (colon != NULL && strspn(colon + 1, "0123456789abcdef") >= 8) {
        (void)snprintf(serial, n, "%s-%.8s", scheme, colon + 1);
    } else {
        uint64_t const hash = opu_hash64(OPU_HASH_START, identity, strlen(identity));
        (void)snprintf(serial, n, "%s-%08x", scheme[0] != '\0' ? scheme : "OPU",
                       (unsigned)(hash >> 32));
    }
}

static int choose_serial(struct opu_board *board)
{
    const struct opu_optics *const optics = &board->optics;
    if (board->options.serial != NULL) {
        (void)snprintf(board->serial, sizeof board->serial, "%s", board->options.serial);
        return OPU_OK;
    }
    struct opu_wire_info info = {0};
    if (optics->info(optics->self, &info) < 0) {
        return opu_fail(OPU_E_DEVICE, "the optics can't tell what they are: %s",
                        optics->message(optics->self));
    }
    make_serial(board->serial, sizeof board->serial, info.identity);
    return OPU_OK;
}

static int make_fw(struct opu_board *board)
{
    const struct opu_board_options *const options = &board->options;
    struct opu_fw_options fw = {
        .optics = board->optics,
        .platform = {.self = board,
                     .lock = lock_fw,
                     .unlock = unlock_fw,
                     .now_us = fw_now_us,
                     .ready = fw_ready,
                     .wake = fw_wake},
        .max_out_bytes = options->max_out_bytes != 0 ? options->max_out_bytes : PACKET_BYTES,
        .max_in_bytes = options->max_in_bytes != 0 ? options->max_in_bytes : PACKET_BYTES,
        .queue = options->queue != 0 ? options->queue : QUEUE,
        .serial = board->serial,
    };
    if (options->rate_hz > 0.0) {
        board->pace = (struct opu_pace){.rate_hz = options->rate_hz,
                                        .self = board,
                                        .now_us = fw_now_us,
                                        .sleep_until = options->inline_work ? NULL : sleep_until};
        fw.optics = opu_pace_optics(&board->pace, &board->optics);
    }
    size_t const bytes = opu_fw_bytes(&fw);
    if (bytes == 0) {
        return opu_fail(OPU_E_INVALID,
                        "a board with packets of %u and %u bytes and a queue of %u: wanted at "
                        "least 4096, 4096 and 1",
                        fw.max_out_bytes, fw.max_in_bytes, fw.queue);
    }
    board->memory = opu_context_alloc(options->context, bytes);
    if (board->memory == NULL) {
        return OPU_E_NO_MEMORY;
    }
    board->fw = opu_fw_init(board->memory, &fw);
    return board->fw != NULL ? OPU_OK
                             : opu_fail(OPU_E_DEVICE, "the optics can't tell what they are: %s",
                                        board->optics.message(board->optics.self));
}

/* The verbs: of the firmware, with answers held back where they are, with faults where wanted. */
static int make_function(struct opu_board *board)
{
    const struct opu_board_options *const options = &board->options;
    board->function = opu_fw_function(board->fw);
    if (options->rate_hz > 0.0) {
        board->function = opu_pace_function(&board->pace, board->function);
    }
    if (options->faults == NULL) {
        return OPU_OK;
    }
    struct opu_fault_options const faults = {
        .inner = board->function,
        .plan = *options->faults,
        .platform = board,
        .now_us = fw_now_us,
        .unplug = options->unplug != NULL ? unplug : NULL,
        .max_in_bytes = options->max_in_bytes != 0 ? options->max_in_bytes : PACKET_BYTES,
        .parts = options->parts,
    };
    board->fault = opu_fault_create(&faults);
    if (board->fault == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for %u bytes of an answer",
                        faults.max_in_bytes);
    }
    board->function = opu_fault_function(board->fault);
    return OPU_OK;
}

static int make(struct opu_board *board)
{
    const struct opu_board_options *const options = &board->options;
    if ((options->device == NULL) == (options->optics == NULL)) {
        return opu_fail(OPU_E_INVALID, "a board wants a device or optics, and not both");
    }
    if (!(options->rate_hz >= 0.0 && options->rate_hz <= 1e9)) {
        return opu_fail(OPU_E_INVALID, "a board's rate is %g Hz, wanted 0 to 1e9",
                        options->rate_hz);
    }
    if (options->device != NULL) {
        OPU_TRY(opu_optics_device_create(&board->optics, options->context, options->device));
        board->own_optics = true;
    } else {
        board->optics = *options->optics;
    }
    OPU_TRY(choose_serial(board));
    OPU_TRY(make_fw(board));
    OPU_TRY(make_function(board));
    return options->inline_work ? OPU_OK : start_thread(board);
}

/* Time spans are measured with the monotonic clock. */
static void make_locks(struct opu_board *board)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&board->moved, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&board->lock, NULL);
    (void)pthread_mutex_init(&board->fw_lock, NULL);
}

int opu_board_create(struct opu_board **out, const struct opu_board_options *options)
{
    *out = NULL;
    struct opu_board *const board = opu_calloc(options->context, 1, sizeof *board);
    if (board == NULL) {
        return OPU_E_NO_MEMORY;
    }
    board->options = *options;
    if (board->options.now_us == NULL) {
        board->options.now_us = monotonic_us;
    }
    make_locks(board);
    int const status = make(board);
    if (status < 0) {
        opu_board_destroy(board);
        return status;
    }
    *out = board;
    return OPU_OK;
}

void opu_board_destroy(struct opu_board *board)
{
    if (board == NULL) {
        return;
    }
    stop_thread(board);
    opu_fw_close(board->fw);
    opu_fault_destroy(board->fault);
    if (board->own_optics) {
        opu_optics_device_destroy(&board->optics);
    }
    (void)pthread_mutex_destroy(&board->fw_lock);
    (void)pthread_mutex_destroy(&board->lock);
    (void)pthread_cond_destroy(&board->moved);
    struct opu_context *const context = board->options.context;
    opu_context_free(context, board->memory);
    opu_context_free(context, board);
}

/* ---- The rest ---- */

struct opu_function opu_board_function(struct opu_board *board)
{
    return board->function;
}

const char *opu_board_serial(const struct opu_board *board)
{
    return board->serial;
}

static bool held(const struct opu_board *board)
{
    return board->pace.rate_hz > 0.0 && opu_pace_holds(&board->pace);
}

bool opu_board_step(struct opu_board *board)
{
    if (board->threaded) {
        return false;
    }
    opu_fw_tick(board->fw);
    bool any = false;
    while (!held(board) && opu_fw_work(board->fw)) {
        any = true;
    }
    if (!held(board)) {
        board->pace.idle = true;
    }
    return any;
}

uint64_t opu_board_held_until_us(const struct opu_board *board)
{
    return held(board) ? (uint64_t)board->pace.due_us + 1 : 0;
}

struct opu_fw *opu_board_fw(struct opu_board *board)
{
    return board->fw;
}

struct opu_fault *opu_board_fault(struct opu_board *board)
{
    return board->fault;
}
