/* SPDX-License-Identifier: MIT */
/*
 * replay: answers from a recording instead of optics. Every set-up and every frame is held against
 * the recorded one; the first that differs ends the run with its number. Frames that were recorded
 * and are not asked for are passed over, so that a part of a run can be gone through; frames of the
 * set-up in force that are asked for again are looked for from its beginning.
 */
#include <opu/backend.h>

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/recording.h"

struct options {
    char file[OPU_OPTION_TEXT_SIZE];
};

struct replay {
    struct opu_context *context;
    struct opu_recording recording;
    struct opu_recording_rows rows;
    size_t start;                      /* where the records of the set-up in force begin */
    struct opu_recorded_frames frames; /* of the record at hand */
    size_t at;                         /* the frame in it that comes next */
    uint64_t last;                     /* frame answered last */
    bool any;
    size_t n_setups;
    uint64_t job;
};

static void replay_close(void *handle)
{
    struct replay *const replay = handle;
    opu_recording_close(&replay->recording);
    opu_context_free(replay->context, replay);
}

static int replay_open(void **out, struct opu_context *context, const void *options)
{
    const struct options *const wish = options;
    if (wish->file[0] == '\0') {
        return opu_fail(OPU_E_INVALID, "replay: which recording? wanted replay:FILE");
    }
    struct replay *const replay = opu_calloc(context, 1, sizeof *replay);
    if (replay == NULL) {
        return OPU_E_NO_MEMORY;
    }
    replay->context = context;
    int const status = opu_recording_open(&replay->recording, context, wish->file);
    if (status < 0) {
        opu_context_free(context, replay);
        return status;
    }
    *out = replay;
    return OPU_OK;
}

/* A recording can't tell fields that nobody asked for. */
static int replay_caps(void *handle, struct opu_caps *caps)
{
    const struct replay *const replay = handle;
    *caps = replay->recording.caps;
    caps->flags &= ~(uint32_t)OPU_CAP_FIELD;
    return OPU_OK;
}

/* That of the device that was recorded: checkpoints of the run fit. */
static int replay_identity(void *handle, char *text, size_t n)
{
    const struct replay *const replay = handle;
    (void)snprintf(text, n, "%s", replay->recording.identity);
    return OPU_OK;
}

static int replay_configure(void *handle, const struct opu_frame_setup *setup)
{
    struct replay *const replay = handle;
    char first_difference[160] = "";
    replay->frames = (struct opu_recorded_frames){0};
    replay->at = 0;
    replay->any = false;
    for (;;) {
        struct opu_record record;
        char what[160];
        OPU_TRY(opu_recording_next(&replay->recording, &record));
        if (record.kind == 0) {
            break;
        }
        if (record.kind != OPU_RECORDING_SETUP) {
            continue;
        }
        if (opu_recording_same_setup(&record, setup, what)) {
            replay->rows = opu_recording_rows(setup);
            replay->start = replay->recording.at;
            replay->n_setups++;
            return OPU_OK;
        }
        if (first_difference[0] == '\0') {
            memcpy(first_difference, what, sizeof what);
        }
    }
    return opu_fail(OPU_E_MISMATCH,
                    "replay: the run diverges from %s at set-up %zu, after frame %llu: %s",
                    replay->recording.path, replay->n_setups + 1, (unsigned long long)replay->last,
                    first_difference[0] != '\0' ? first_difference : "no more is recorded");
}

static uint64_t number_of(const struct opu_recorded_frames *frames, size_t i)
{
    uint64_t number;
    memcpy(&number, frames->number + 8 * i, sizeof number);
    return number;
}

static uint16_t index_of(const uint8_t *table, size_t i)
{
    uint16_t index;
    memcpy(&index, table + 2 * i, sizeof index);
    return index;
}

/* Goes forward to the frame of that number. */
static int seek(struct replay *replay, uint64_t number)
{
    for (;;) {
        while (replay->at < replay->frames.n && number_of(&replay->frames, replay->at) < number) {
            replay->at++;
        }
        if (replay->at < replay->frames.n) {
            break;
        }
        struct opu_record record;
        size_t const before = replay->recording.at;
        OPU_TRY(opu_recording_next(&replay->recording, &record));
        if (record.kind != OPU_RECORDING_FRAMES) {
            replay->recording.at = before; /* a set-up is for configure to find */
            return opu_fail(OPU_E_MISMATCH,
                            "replay: the run diverges from %s at frame %llu: %s after frame %llu",
                            replay->recording.path, (unsigned long long)number,
                            record.kind == 0 ? "the recording ends"
                                             : "it was set up anew when this was recorded,",
                            (unsigned long long)replay->last);
        }
        replay->at = 0;
        OPU_TRY(opu_recording_frames(&replay->frames, &replay->recording, &record, &replay->rows));
    }
    uint64_t const found = number_of(&replay->frames, replay->at);
    if (found != number) {
        return opu_fail(OPU_E_MISMATCH,
                        "replay: the run diverges from %s at frame %llu: recorded were %llu and "
                        "then %llu",
                        replay->recording.path, (unsigned long long)number,
                        (unsigned long long)replay->last, (unsigned long long)found);
    }
    return OPU_OK;
}

static size_t first_other_input(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return 8 * i + (i < n ? (size_t)__builtin_ctz((unsigned)(a[i] ^ b[i])) : 0);
}

static int check_frame(const struct replay *replay, const struct opu_frame_batch *batch, size_t f)
{
    const struct opu_recorded_frames *const frames = &replay->frames;
    size_t const at = replay->at;
    const uint8_t *const bits = batch->bits + f * replay->rows.bits;
    const uint8_t *const recorded = frames->bits + at * replay->rows.bits;
    unsigned long long const number = batch->number[f];
    unsigned const reference = batch->reference != NULL ? batch->reference[f] : 0;
    unsigned const exposure = batch->exposure != NULL ? batch->exposure[f] : 0;
    if (memcmp(bits, recorded, replay->rows.bits) != 0) {
        return opu_fail(OPU_E_MISMATCH,
                        "replay: the run diverges from %s at frame %llu: the pattern is another "
                        "from input %zu on",
                        replay->recording.path, number,
                        first_other_input(bits, recorded, replay->rows.bits));
    }
    if (reference != index_of(frames->reference, at) ||
        exposure != index_of(frames->exposure, at)) {
        return opu_fail(OPU_E_MISMATCH,
                        "replay: the run diverges from %s at frame %llu: reference %u and exposure "
                        "%u, recorded %u and %u",
                        replay->recording.path, number, reference, exposure,
                        (unsigned)index_of(frames->reference, at),
                        (unsigned)index_of(frames->exposure, at));
    }
    return OPU_OK;
}

/* A frame that was answered before may have been recorded again, further on; else it is as it was.
 */
static int find(struct replay *replay, uint64_t number)
{
    int const status = seek(replay, number);
    if (status != OPU_E_MISMATCH || !replay->any || number > replay->last) {
        return status;
    }
    replay->recording.at = replay->start;
    replay->frames = (struct opu_recorded_frames){0};
    replay->at = 0;
    return seek(replay, number);
}

static int replay_submit(void *handle, struct opu_frame_batch *batch, uint64_t *job)
{
    struct replay *const replay = handle;
    for (size_t f = 0; f < batch->n_frames; f++) {
        OPU_TRY(find(replay, batch->number[f]));
        OPU_TRY(check_frame(replay, batch, f));
        const struct opu_recorded_frames *const frames = &replay->frames;
        size_t const at = replay->at++;
        memcpy((uint8_t *)batch->counts + f * replay->rows.counts,
               frames->counts + at * replay->rows.counts, replay->rows.counts);
        if (batch->time_s != NULL) {
            memcpy(&batch->time_s[f], frames->time_s + 8 * at, 8);
        }
        if (batch->saturated != NULL) {
            memcpy(&batch->saturated[f], frames->saturated + 4 * at, 4);
        }
        if (batch->status != NULL) {
            memcpy(&batch->status[f], frames->status + 4 * at, 4);
        }
        replay->last = batch->number[f];
        replay->any = true;
    }
    *job = ++replay->job;
    return OPU_OK;
}

/* Frames are done when submit returns. */
static int replay_wait(void *handle, uint64_t job, int timeout_ms)
{
    const struct replay *const replay = handle;
    (void)timeout_ms;
    return job != 0 && job <= replay->job
               ? OPU_OK
               : opu_fail(OPU_E_NOT_FOUND, "replay: job %llu was never submitted",
                          (unsigned long long)job);
}

static int replay_describe(void *handle, char *text, size_t n)
{
    const struct replay *const replay = handle;
    (void)snprintf(text, n, "recorded from %.200s", replay->recording.uri);
    return OPU_OK;
}

/* Nothing is there until a file is named. */
static int replay_scan(struct opu_context *context, opu_scan_fn fn, void *user)
{
    (void)context;
    (void)fn;
    (void)user;
    return OPU_OK;
}

static const struct opu_option table[] = {
    {.key = "file",
     .type = OPU_OPTION_TEXT,
     .offset = offsetof(struct options, file),
     .positional = true,
     .fallback = "",
     .help = "the recording, as `opu record` makes it; replay:FILE is short for it"},
};

static const struct opu_backend_ops ops = {
    .scan = replay_scan,
    .open = replay_open,
    .close = replay_close,
    .caps = replay_caps,
    .identity = replay_identity,
    .configure = replay_configure,
    .submit = replay_submit,
    .wait = replay_wait,
    .describe = replay_describe,
};

extern const struct opu_backend opu_backend_replay;
const struct opu_backend opu_backend_replay = {
    .api_version = OPU_BACKEND_API,
    .scheme = "replay",
    .summary = "a recording answers, frame by frame, and tells where a run diverges from it",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct options),
    .ops = &ops,
};
