/* SPDX-License-Identifier: MIT */
/*
 * record: another device, with everything it is asked and answers kept in a file for replay:. What
 * goes through is not changed; a batch is in the file before its wait returns.
 */
#include "core/device/device_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/recording.h"

struct options {
    char file[OPU_OPTION_TEXT_SIZE];
    char of[OPU_OPTION_TEXT_SIZE];
};

/* A batch under way, with room for the arrays that the caller didn't want. */
struct job {
    bool live, cancelled;
    bool ended; /* with status_of_end, and recorded; its caller has not waited for it yet */
    int status_of_end;
    char sentence[256];
    uint64_t job, order; /* of submit */
    size_t room;         /* frames */
    struct opu_frame_batch batch;
    uint16_t *reference, *exposure;
    double *time_s;
    uint32_t *saturated;
    int32_t *status;
};

struct record {
    struct opu_context *context;
    struct options options;
    struct opu_device *of;
    FILE *file;
    struct opu_recording_rows rows;
    struct job jobs[OPU_DEVICE_JOBS];
    uint64_t n_jobs;
};

static void release(struct record *record, struct job *job)
{
    opu_context_free(record->context, job->reference);
    opu_context_free(record->context, job->exposure);
    opu_context_free(record->context, job->time_s);
    opu_context_free(record->context, job->saturated);
    opu_context_free(record->context, job->status);
    *job = (struct job){0};
}

static void record_close(void *handle)
{
    struct record *const record = handle;
    opu_device_close(record->of);
    for (size_t i = 0; i < OPU_DEVICE_JOBS; i++) {
        release(record, &record->jobs[i]);
    }
    if (record->file != NULL) {
        (void)fclose(record->file); /* each record was flushed */
    }
    opu_context_free(record->context, record);
}

static int begin(struct record *record)
{
    const struct options *const options = &record->options;
    if (options->file[0] == '\0' || options->of[0] == '\0') {
        return opu_fail(OPU_E_INVALID, "record: saw \"file=%s,of=%s\", wanted file=FILE,of=URI",
                        options->file, options->of);
    }
    OPU_TRY(opu_device_open(&record->of, record->context, options->of));
    const struct opu_caps *const caps = opu_device_caps(record->of);
    if ((caps->flags & OPU_CAP_FRAMES) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "record: \"%s\" is a device of floats, it takes no frames", options->of);
    }
    return opu_recording_create(&record->file, options->file, caps, options->of,
                                opu_device_identity(record->of));
}

static int record_open(void **out, struct opu_context *context, const void *options)
{
    struct record *const record = opu_calloc(context, 1, sizeof *record);
    if (record == NULL) {
        return OPU_E_NO_MEMORY;
    }
    record->context = context;
    memcpy(&record->options, options, sizeof record->options);
    int const status = begin(record);
    if (status < 0) {
        record_close(record);
        return status;
    }
    *out = record;
    return OPU_OK;
}

static int record_caps(void *handle, struct opu_caps *caps)
{
    const struct record *const record = handle;
    *caps = *opu_device_caps(record->of);
    return OPU_OK;
}

static int record_identity(void *handle, char *text, size_t n)
{
    const struct record *const record = handle;
    (void)snprintf(text, n, "%s", opu_device_identity(record->of));
    return OPU_OK;
}

static int record_configure(void *handle, const struct opu_frame_setup *setup)
{
    struct record *const record = handle;
    OPU_TRY(opu_device_configure(record->of, setup));
    record->rows = opu_recording_rows(setup);
    return opu_recording_add_setup(record->file, record->options.file, setup);
}

/* Room for n frames; kept for later batches. */
static int make_room(struct record *record, struct job *job, size_t n)
{
    if (job->room >= n) {
        return OPU_OK;
    }
    release(record, job);
    job->reference = opu_calloc(record->context, n, sizeof *job->reference);
    job->exposure = opu_calloc(record->context, n, sizeof *job->exposure);
    job->time_s = opu_calloc(record->context, n, sizeof *job->time_s);
    job->saturated = opu_calloc(record->context, n, sizeof *job->saturated);
    job->status = opu_calloc(record->context, n, sizeof *job->status);
    if (job->reference == NULL || job->exposure == NULL || job->time_s == NULL ||
        job->saturated == NULL || job->status == NULL) {
        release(record, job);
        return OPU_E_NO_MEMORY;
    }
    job->room = n;
    return OPU_OK;
}

static int record_submit(void *handle, struct opu_frame_batch *batch, uint64_t *job_number)
{
    struct record *const record = handle;
    struct job *job = record->jobs;
    while (job->live) { /* there are as many as the boundary above lets be under way */
        job++;
    }
    OPU_TRY(make_room(record, job, batch->n_frames));
    memset(job->reference, 0, batch->n_frames * sizeof *job->reference);
    memset(job->exposure, 0, batch->n_frames * sizeof *job->exposure);
    memset(job->status, 0, batch->n_frames * sizeof *job->status);
    job->batch = *batch;
    job->batch.reference = batch->reference != NULL ? batch->reference : job->reference;
    job->batch.exposure = batch->exposure != NULL ? batch->exposure : job->exposure;
    job->batch.time_s = batch->time_s != NULL ? batch->time_s : job->time_s;
    job->batch.saturated = batch->saturated != NULL ? batch->saturated : job->saturated;
    /* status stays NULL where it was: a device then sends again by itself what it has lost */
    OPU_TRY(opu_device_submit(record->of, &job->batch, &job->job));
    job->live = true;
    job->ended = false;
    job->cancelled = false;
    job->order = record->n_jobs++;
    *job_number = job->job;
    return OPU_OK;
}

static struct job *find_job(struct record *record, uint64_t number)
{
    for (size_t i = 0; i < OPU_DEVICE_JOBS; i++) {
        if (record->jobs[i].live && record->jobs[i].job == number) {
            return &record->jobs[i];
        }
    }
    return NULL;
}

/* Of the jobs that have not ended, the one that was submitted first. */
static struct job *first_job(struct record *record)
{
    struct job *first = NULL;
    for (size_t i = 0; i < OPU_DEVICE_JOBS; i++) {
        struct job *const job = &record->jobs[i];
        if (job->live && !job->ended && (first == NULL || job->order < first->order)) {
            first = job;
        }
    }
    return first;
}

/* Waits for a job and records it; OPU_E_TIMEOUT, or it has ended. */
static int end_job(struct record *record, struct job *job, int timeout_ms)
{
    int status = opu_device_wait(record->of, job->job, timeout_ms);
    if (status == OPU_E_TIMEOUT) {
        return status;
    }
    if (status == OPU_OK) {
        struct opu_frame_batch batch = job->batch;
        batch.status = batch.status != NULL ? batch.status : job->status;
        status =
            opu_recording_add_frames(record->file, record->options.file, &record->rows, &batch);
    }
    job->ended = true;
    job->status_of_end = status;
    if (status < 0) {
        (void)snprintf(job->sentence, sizeof job->sentence, "%s", opu_error_message());
    }
    return OPU_OK;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* replay: wants frames in the order in which they were asked for: jobs submitted before this one,
 * which devices end before it, are recorded before it. */
static int record_wait(void *handle, uint64_t number, int timeout_ms)
{
    struct record *const record = handle;
    struct job *const job = find_job(record, number);
    if (job == NULL) {
        return opu_fail(OPU_E_NOT_FOUND, "record: no batch %llu is under way",
                        (unsigned long long)number);
    }
    int64_t const start = now_ms();
    while (!job->ended) {
        int64_t const left = timeout_ms - (now_ms() - start);
        int const wait_ms = timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0;
        OPU_TRY(end_job(record, job->cancelled ? job : first_job(record), wait_ms));
    }
    job->live = false;
    return job->status_of_end < 0 ? opu_fail(job->status_of_end, "%s", job->sentence) : OPU_OK;
}

static int record_cancel(void *handle, uint64_t number)
{
    struct record *const record = handle;
    struct job *const job = find_job(record, number);
    if (job != NULL) {
        job->cancelled = true;
    }
    return job != NULL && job->ended ? OPU_OK : opu_device_cancel(record->of, number);
}

static int record_field(void *handle, const float *inputs, size_t rows, float *field)
{
    struct record *const record = handle;
    return opu_device_field(record->of, inputs, rows, field);
}

static int record_state_get(void *handle, char *json, size_t n)
{
    const struct record *const record = handle;
    const struct opu_backend_ops *const ops = record->of->backend->ops;
    json[0] = '\0';
    return ops->state_get != NULL ? ops->state_get(record->of->handle, json, n) : OPU_OK;
}

static int record_state_set(void *handle, const char *json)
{
    const struct record *const record = handle;
    const struct opu_backend_ops *const ops = record->of->backend->ops;
    return ops->state_set != NULL && json[0] != '\0' ? ops->state_set(record->of->handle, json)
                                                     : OPU_OK;
}

static int record_describe(void *handle, char *text, size_t n)
{
    const struct record *const record = handle;
    (void)snprintf(text, n, "%.800s; recorded in %.150s", opu_device_describe(record->of),
                   record->options.file);
    return OPU_OK;
}

static int record_check(void *handle, const struct opu_check_options *options, opu_check_fn fn,
                        void *user)
{
    const struct record *const record = handle;
    return opu_device_check(record->of, options, fn, user);
}

/* Nothing is there until a file and a device are named. */
static int record_scan(struct opu_context *context, opu_scan_fn fn, void *user)
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
     .fallback = "",
     .help = "where the recording goes; a file that exists is refused"},
    {.key = "of",
     .type = OPU_OPTION_TEXT,
     .offset = offsetof(struct options, of),
     .fallback = "",
     .help = "the device that is recorded; takes the rest of the URI"},
};

static const struct opu_backend_ops ops = {
    .scan = record_scan,
    .open = record_open,
    .close = record_close,
    .caps = record_caps,
    .identity = record_identity,
    .configure = record_configure,
    .submit = record_submit,
    .wait = record_wait,
    .cancel = record_cancel,
    .field = record_field,
    .state_get = record_state_get,
    .state_set = record_state_set,
    .describe = record_describe,
    .check = record_check,
};

extern const struct opu_backend opu_backend_record;
const struct opu_backend opu_backend_record = {
    .api_version = OPU_BACKEND_API,
    .scheme = "record",
    .summary = "another device, with all it is asked and answers kept in a file",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct options),
    .ops = &ops,
};
