/* SPDX-License-Identifier: MIT */
/*
 * The work: set-ups, calibrations, packets of frames, one unit a call. The lock is held to decide
 * and to deliver, not while the optics are at it; what they did is thrown away if the host has
 * flushed the queues meanwhile, or sent another set-up. Counts are written where their packet is
 * sent from, and its CRC is made once.
 */
#include "driver/firmware/fw_internal.h"

#include <string.h>

/* Not refusals: what was done is of no use any more; the packet waits until the host is heard. */
#define ABANDONED UINT32_MAX
#define POSTPONED (UINT32_MAX - 1)

/* A packet being worked off. */
struct job {
    const struct opu_fw_packet *packet;
    uint32_t epoch, number, generation;
    uint32_t answer;               /* slot */
    const uint8_t *frames;         /* the payload, and ... */
    uint8_t *counts;               /* ... that of the answer */
    size_t row, count_row;         /* bytes of a frame's bits, and of its counts */
    struct opu_optics_frame worst; /* the frame with the most saturated pixels, and ... */
    uint32_t saturated;            /* ... how many */
};

/* What the optics say about a failure. (locked) */
static void say_optics(struct opu_fw *fw, const char *what)
{
    opu_fw_say(fw, "%s: %s", what, fw->options.optics.message(fw->options.optics.self));
}

/* ---- Set-up and calibration ---- */

static int configure_parts(const struct opu_optics *optics, const struct opu_wire_setup *setup)
{
    int status = optics->pattern_ops->configure(optics->pattern, setup);
    if (status >= 0) {
        status = optics->camera_ops->configure(optics->camera, setup);
    }
    if (status >= 0) {
        status = optics->reference_ops->configure(optics->reference, setup);
    }
    return status < 0 ? status : 0;
}

static void activate(struct opu_fw *fw)
{
    struct opu_fw_setup *const to = &fw->active;
    const struct opu_fw_setup *const from = &fw->staged;
    to->setup = from->setup;
    to->setup.exposures_us = to->exposures_us;
    to->setup.references = to->references;
    memcpy(to->exposures_us, from->exposures_us,
           from->setup.n_exposures * sizeof *to->exposures_us);
    memcpy(to->references, from->references, from->setup.n_references * sizeof *to->references);
}

static bool set_up(struct opu_fw *fw)
{
    if (!fw->setup_wanted) {
        return false;
    }
    uint32_t const number = fw->staged_number;
    uint32_t const generation = fw->generation;
    activate(fw);
    fw->setup_wanted = false;
    fw->busy = true;
    opu_fw_unlock(fw);
    int const status = configure_parts(&fw->options.optics, &fw->active.setup);
    opu_fw_lock(fw);
    fw->busy = false;
    fw->ready_due = true;
    if (generation != fw->generation) {
        return true; /* another one is wanted by now, or none */
    }
    fw->result = status;
    fw->failed = status < 0;
    fw->number = status < 0 ? 0 : number;
    if (status < 0) {
        say_optics(fw, "set-up");
    }
    return true;
}

static bool calibrate(struct opu_fw *fw)
{
    const struct opu_optics *const optics = &fw->options.optics;
    if (!fw->calibration_wanted) {
        return false;
    }
    fw->calibration_wanted = false;
    if (optics->calibrate == NULL) {
        return true;
    }
    uint32_t const generation = fw->generation;
    fw->busy = true;
    opu_fw_unlock(fw);
    int const status = optics->calibrate(optics->self);
    opu_fw_lock(fw);
    fw->busy = false;
    fw->ready_due = true;
    if (generation == fw->generation) {
        fw->result = status < 0 ? status : 0;
    }
    if (status < 0) {
        say_optics(fw, "calibration");
    }
    return true;
}

/* ---- Frames ---- */

/* Frame i of the packet. */
static struct opu_optics_frame frame_of(const struct job *job, size_t i)
{
    struct opu_wire_frame frame;
    opu_wire_get_frame(&frame, job->frames + i * OPU_WIRE_FRAME_BYTES);
    return (struct opu_optics_frame){
        .number = frame.number,
        .reference = frame.reference,
        .exposure = frame.exposure,
        .bits = job->frames + job->packet->header.n_frames * OPU_WIRE_FRAME_BYTES + i * job->row};
}

/* Whether the packet is one for this set-up; 0 or why not. (locked) */
static uint32_t check_packet(struct opu_fw *fw, const struct job *job)
{
    const struct opu_wire_header *const header = &job->packet->header;
    const struct opu_wire_setup *const setup = &fw->active.setup;
    if (job->number == 0 || header->setup != job->number) {
        opu_fw_say(fw, "packet %u is for set-up %u, in force is %u", header->sequence,
                   header->setup, job->number);
        return OPU_WIRE_BAD_SETUP;
    }
    size_t const payload = opu_wire_frames_payload(header->n_frames, setup->n_inputs);
    size_t const answer = opu_wire_packet_bytes(
        opu_wire_counts_payload(header->n_frames, setup->n_pixels, setup->bits));
    if (header->payload_bytes != payload || answer > fw->options.max_in_bytes) {
        opu_fw_say(fw,
                   "packet %u: %u frames take %llu bytes and an answer of %llu; saw %u, at most %u",
                   header->sequence, header->n_frames, (unsigned long long)payload,
                   (unsigned long long)answer, header->payload_bytes, fw->options.max_in_bytes);
        return OPU_WIRE_BAD_PAYLOAD;
    }
    uint32_t const n_references = setup->n_references > 0 ? setup->n_references : 1;
    for (uint32_t i = 0; i < header->n_frames; i++) {
        struct opu_optics_frame const frame = frame_of(job, i);
        if (frame.exposure >= setup->n_exposures || frame.reference >= n_references) {
            opu_fw_say(fw, "packet %u: frame %u has exposure %u of %u, reference state %u of %u",
                       header->sequence, i, frame.exposure, setup->n_exposures, frame.reference,
                       n_references);
            return OPU_WIRE_BAD_PAYLOAD;
        }
    }
    return 0;
}

/* Whether the laser may shine for the packet; 0 or why not. A look at the parts takes its time, and
 * is done where it is due. (locked) */
static uint32_t check_light(struct opu_fw *fw, const struct job *job, bool look)
{
    bool const dark = look && !opu_fw_look(fw);
    if (fw->epoch != job->epoch) {
        return ABANDONED;
    }
    if (opu_fw_silence(fw)) {
        return POSTPONED;
    }
    return dark ? OPU_WIRE_LASER_OFF : 0;
}

/* Laser on, if it may be and is still wanted; 0 or why not. */
static uint32_t light_up(struct opu_fw *fw, const struct job *job)
{
    opu_fw_lock(fw);
    uint32_t code = check_light(fw, job, true);
    if (code == 0 && opu_fw_shine(fw) < 0) {
        code = OPU_WIRE_OPTICS;
    } else if (code == 0) {
        code = check_light(fw, job, false); /* a reset may have come while it was switched */
    }
    opu_fw_unlock(fw);
    return code;
}

/* Between two frames: a sequence may take long, and the laser may have to go off meanwhile. */
static uint32_t go_on(struct opu_fw *fw, const struct job *job)
{
    opu_fw_lock(fw);
    uint32_t const code = check_light(fw, job, opu_fw_look_due(fw));
    opu_fw_unlock(fw);
    return code;
}

/* Frame i of the sequence that starts at frame `first` of the packet, into the answer. */
static int read_frame(struct opu_fw *fw, struct job *job, size_t first, size_t i)
{
    const struct opu_optics *const optics = &fw->options.optics;
    const struct opu_optics_frame *const frame = &fw->sequence[i];
    uint8_t *const counts = job->counts + job->packet->header.n_frames * OPU_WIRE_COUNT_BYTES +
                            (first + i) * job->count_row;
    struct opu_wire_count head = {0};
    int const status = optics->camera_ops->read(optics->camera, i, &head, counts);
    if (status < 0) {
        return status;
    }
    head.number = frame->number;
    opu_fw_lock(fw);
    fw->frames++;
    fw->statistics.frames++;
    if (head.status == 1) {
        fw->statistics.triggers_lost++;
        opu_fw_event(fw, OPU_WIRE_TRIGGER_LOST, 0, frame->number);
    }
    opu_fw_unlock(fw);
    if (head.status != 0) {
        head.saturated = 0;
        memset(counts, 0, job->count_row);
    }
    if (head.saturated > job->saturated) {
        job->saturated = head.saturated;
        job->worst = *frame;
    }
    opu_wire_put_count(job->counts + (first + i) * OPU_WIRE_COUNT_BYTES, &head);
    return 0;
}

static int load(struct opu_fw *fw, size_t n)
{
    const struct opu_optics *const optics = &fw->options.optics;
    struct opu_optics_upload upload = {0};
    int status = optics->pattern_ops->load(optics->pattern, fw->sequence, n, &upload);
    opu_fw_lock(fw);
    fw->statistics.upload_bytes += upload.bytes;
    fw->statistics.upload_s += upload.s;
    opu_fw_unlock(fw);
    if (status >= 0) {
        status = optics->reference_ops->load(optics->reference, fw->sequence, n);
    }
    return status;
}

/* Frames first .. first + n - 1 of a packet in one sequence of the projector; 0 or why not. */
static uint32_t expose(struct opu_fw *fw, struct job *job, size_t first, size_t n)
{
    const struct opu_optics *const optics = &fw->options.optics;
    uint8_t *const counts =
        job->counts + job->packet->header.n_frames * OPU_WIRE_COUNT_BYTES + first * job->count_row;
    for (size_t i = 0; i < n; i++) {
        fw->sequence[i] = frame_of(job, first + i);
    }
    int status = load(fw, n);
    if (status >= 0) {
        status = optics->camera_ops->arm(optics->camera, fw->sequence, n, counts);
    }
    uint32_t code = status < 0 ? 0 : light_up(fw, job);
    if (status >= 0 && code == 0) {
        status = optics->pattern_ops->start(optics->pattern);
        for (size_t i = 0; i < n && status >= 0 && code == 0; i++) {
            code = i > 0 ? go_on(fw, job) : 0;
            status = code == 0 ? read_frame(fw, job, first, i) : 0;
        }
    }
    if (status < 0) {
        code = OPU_WIRE_OPTICS;
        opu_fw_lock(fw);
        say_optics(fw, "frames");
        opu_fw_unlock(fw);
    }
    int const stopped = optics->pattern_ops->stop(optics->pattern);
    if (stopped < 0 && code == 0) {
        code = OPU_WIRE_OPTICS;
        opu_fw_lock(fw);
        say_optics(fw, "frames");
        opu_fw_unlock(fw);
    }
    return code;
}

/* The whole packet. Without the lock; 0 or why not. */
static uint32_t work_off(struct opu_fw *fw, struct job *job)
{
    const struct opu_wire_setup *const setup = &fw->active.setup;
    uint32_t const n = job->packet->header.n_frames;
    job->row = (setup->n_inputs + 7) / 8;
    job->count_row = (size_t)setup->n_pixels * (setup->bits <= 8 ? 1 : 2);
    job->frames = opu_fw_slot(&fw->packets, job->packet->slot);
    job->counts = opu_fw_slot(&fw->answers, job->answer) + OPU_WIRE_HEADER_BYTES;
    opu_fw_lock(fw);
    uint32_t code = check_packet(fw, job);
    opu_fw_unlock(fw);
    for (uint32_t first = 0; first < n && code == 0; first += fw->max_frames) {
        code = expose(fw, job, first, n - first < fw->max_frames ? n - first : fw->max_frames);
    }
    return code;
}

/* The answer's header, and its bytes. */
static size_t finish(struct opu_fw *fw, const struct job *job, uint32_t code)
{
    const struct opu_wire_header *const packet = &job->packet->header;
    const struct opu_wire_setup *const setup = &fw->active.setup;
    struct opu_wire_header header = {.kind = code == 0 ? OPU_WIRE_COUNTS : OPU_WIRE_REFUSED,
                                     .epoch = job->epoch,
                                     .sequence = packet->sequence,
                                     .setup = job->number,
                                     .code = code};
    if (code == 0) {
        size_t const bytes =
            opu_wire_counts_payload(packet->n_frames, setup->n_pixels, setup->bits);
        header.n_frames = packet->n_frames;
        header.payload_bytes = (uint32_t)bytes;
        header.payload_crc = opu_crc32c(0, job->counts, bytes);
    }
    return opu_wire_finish_packet(opu_fw_slot(&fw->answers, job->answer), false, &header);
}

/* The packet waits again, before all others. (locked) */
static void put_back(struct opu_fw *fw, const struct job *job)
{
    opu_fw_give(&fw->answers, job->answer);
    fw->first_waiting = (fw->first_waiting + fw->room - 1) % fw->room;
    fw->waiting[fw->first_waiting] = *job->packet;
    fw->n_waiting++;
    fw->dark_wanted = fw->dark_wanted || fw->silent; /* it may have been heard just now */
}

/* Hands the answer over, unless nobody waits for it any more. (locked) */
static void deliver(struct opu_fw *fw, const struct job *job, uint32_t code, size_t bytes)
{
    fw->working = false;
    if (code == POSTPONED && job->epoch == fw->epoch) {
        put_back(fw, job);
        return;
    }
    fw->ready_due = true; /* for packets: a slot is free again */
    opu_fw_give(&fw->packets, job->packet->slot);
    if (job->epoch != fw->epoch) {
        opu_fw_give(&fw->answers, job->answer);
        return;
    }
    if (code == 0 && job->generation != fw->generation) {
        opu_fw_say(fw, "packet %u: another set-up came while it was worked off",
                   job->packet->header.sequence);
        code = OPU_WIRE_BAD_SETUP;
        bytes = finish(fw, job, code);
    }
    if (code != 0) {
        fw->standing = true;
        fw->halted = true;
        fw->statistics.refused++;
    } else if (job->saturated > OPU_FW_OVER_EXPOSED * (double)fw->active.setup.n_pixels) {
        opu_fw_event(fw, OPU_WIRE_OVER_EXPOSURE, job->saturated, job->worst.number);
    }
    fw->done[(fw->first_done + fw->n_done) % fw->room] =
        (struct opu_fw_answer){.slot = job->answer, .bytes = bytes};
    fw->n_done++;
}

static bool work_packet(struct opu_fw *fw)
{
    if (fw->n_waiting == 0 || fw->silent || fw->halted) {
        return false;
    }
    uint32_t const answer = opu_fw_take(&fw->answers);
    if (answer == OPU_FW_NO_SLOT) {
        return false;
    }
    struct opu_fw_packet const packet = fw->waiting[fw->first_waiting];
    fw->first_waiting = (fw->first_waiting + 1) % fw->room;
    fw->n_waiting--;
    fw->working = true;
    struct job job = {.packet = &packet,
                      .epoch = fw->epoch,
                      .number = fw->number,
                      .generation = fw->generation,
                      .answer = answer};
    opu_fw_unlock(fw);
    uint32_t const code = packet.code != 0 ? packet.code : work_off(fw, &job);
    size_t const bytes = code < POSTPONED ? finish(fw, &job, code) : 0;
    opu_fw_lock(fw);
    deliver(fw, &job, code, bytes);
    return true;
}

bool opu_fw_work(struct opu_fw *fw)
{
    opu_fw_lock(fw);
    bool did = opu_fw_darken(fw);
    if (!did && fw->look_wanted) {
        (void)opu_fw_look(fw);
        did = true;
    }
    did = did || set_up(fw) || calibrate(fw) || work_packet(fw);
    opu_fw_leave(fw);
    return did;
}
