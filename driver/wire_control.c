/* SPDX-License-Identifier: MIT */
/* The wire's control payloads: the wrap, and the bodies of fixed layout in it. */
#include "driver/wire.h"

#include <math.h>

#include "driver/wire_bytes.h"

#define WRAP_HEAD 4u
#define INFO_BYTES 448u
#define STATUS_BYTES 48u
#define STATISTICS_BYTES 80u
#define COMMIT_BYTES 12u

_Static_assert(INFO_BYTES + OPU_WIRE_WRAP_BYTES <= OPU_WIRE_CONTROL_BYTES, "info fits a request");
_Static_assert(OPU_WIRE_PIECE_BYTES + OPU_WIRE_WRAP_BYTES <= OPU_WIRE_CONTROL_BYTES, "pieces fit");

/* ---- The wrap ---- */

static uint8_t *body_of(uint8_t *to)
{
    return to + WRAP_HEAD;
}

/* Around a body of n bytes that stands at body_of(to). */
static size_t wrap(uint8_t *to, size_t n)
{
    put_u16(to, OPU_WIRE_VERSION);
    put_u16(to + 2, (uint32_t)n);
    put_u32(to + WRAP_HEAD + n, opu_crc32c(0, to, WRAP_HEAD + n));
    return n + OPU_WIRE_WRAP_BYTES;
}

static int unwrap(const uint8_t **body, size_t *n_body, const uint8_t *from, size_t n)
{
    if (n < OPU_WIRE_WRAP_BYTES) {
        return OPU_WIRE_SHORT;
    }
    if (get_u16(from) != OPU_WIRE_VERSION) {
        return OPU_WIRE_OTHER_VERSION;
    }
    size_t const bytes = get_u16(from + 2);
    if (n - OPU_WIRE_WRAP_BYTES != bytes || n > OPU_WIRE_CONTROL_BYTES) {
        return n - OPU_WIRE_WRAP_BYTES < bytes ? OPU_WIRE_SHORT : OPU_WIRE_LONG;
    }
    if (get_u32(from + WRAP_HEAD + bytes) != opu_crc32c(0, from, WRAP_HEAD + bytes)) {
        return OPU_WIRE_CRC;
    }
    *body = from + WRAP_HEAD;
    *n_body = bytes;
    return OPU_WIRE_OK;
}

/* A body that has to have n_wanted bytes. */
static int unwrap_exactly(const uint8_t **body, size_t n_wanted, const uint8_t *from, size_t n)
{
    size_t n_body;
    int const fault = unwrap(body, &n_body, from, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    if (n_body != n_wanted) {
        return n_body < n_wanted ? OPU_WIRE_SHORT : OPU_WIRE_LONG;
    }
    return OPU_WIRE_OK;
}

unsigned opu_wire_wrap_version(const uint8_t *from, size_t n)
{
    return n >= 2 ? get_u16(from) : 0;
}

size_t opu_wire_put_bytes(uint8_t *to, const void *body, size_t n)
{
    if (n > OPU_WIRE_PIECE_BYTES) {
        return 0;
    }
    if (n > 0) {
        memcpy(body_of(to), body, n);
    }
    return wrap(to, n);
}

int opu_wire_get_bytes(const uint8_t **body, size_t *n_body, const uint8_t *from, size_t n)
{
    const uint8_t *seen;
    size_t n_seen;
    int const fault = unwrap(&seen, &n_seen, from, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    if (n_seen > OPU_WIRE_PIECE_BYTES) {
        return OPU_WIRE_LONG;
    }
    *body = seen;
    *n_body = n_seen;
    return OPU_WIRE_OK;
}

/* ---- Text of a fixed room: printable ASCII, then zeros, at least one ---- */

static void put_text(uint8_t *to, const char *text, size_t room)
{
    size_t const n = strnlen(text, room - 1);
    memcpy(to, text, n);
    memset(to + n, 0, room - n);
}

static int get_text(char *to, const uint8_t *from, size_t room)
{
    size_t n = 0;
    while (n < room && from[n] != 0) {
        if (from[n] < 0x20 || from[n] > 0x7e) {
            return OPU_WIRE_VALUE;
        }
        n++;
    }
    if (n == room) {
        return OPU_WIRE_VALUE;
    }
    memcpy(to, from, n);
    memset(to + n, 0, room - n);
    return OPU_WIRE_OK;
}

/* ---- Info: 11 u32, u32 flags, 10 f64, two texts ---- */

#define INFO_NUMBERS 48u
#define INFO_SERIAL 128u
#define INFO_IDENTITY (INFO_SERIAL + OPU_WIRE_SERIAL_BYTES)
_Static_assert(INFO_IDENTITY + OPU_WIRE_TEXT_BYTES == INFO_BYTES, "the texts end the info");

/* bits of the word at 44 */
#define INFO_SHOT_NOISE 1u

static const size_t info_words[] = {
    offsetof(struct opu_wire_info, firmware),      offsetof(struct opu_wire_info, flags),
    offsetof(struct opu_wire_info, adc_bits),      offsetof(struct opu_wire_info, default_bits),
    offsetof(struct opu_wire_info, max_inputs),    offsetof(struct opu_wire_info, max_pixels),
    offsetof(struct opu_wire_info, max_exposures), offsetof(struct opu_wire_info, max_references),
    offsetof(struct opu_wire_info, max_out_bytes), offsetof(struct opu_wire_info, max_in_bytes),
    offsetof(struct opu_wire_info, queue),
};
#define INFO_WORDS (sizeof info_words / sizeof info_words[0])

static const size_t info_numbers[] = {
    offsetof(struct opu_wire_info, min_exposure_us),
    offsetof(struct opu_wire_info, max_exposure_us),
    offsetof(struct opu_wire_info, frame_rate_hz),
    offsetof(struct opu_wire_info, upload_bytes_per_s),
    offsetof(struct opu_wire_info, power_w),
    offsetof(struct opu_wire_info, signal_per_us),
    offsetof(struct opu_wire_info, reference_per_us),
    offsetof(struct opu_wire_info, full_well_e),
    offsetof(struct opu_wire_info, read_noise_e),
    offsetof(struct opu_wire_info, black_level),
};
#define N_INFO_NUMBERS (sizeof info_numbers / sizeof info_numbers[0])
_Static_assert(INFO_NUMBERS == 4 * INFO_WORDS + 4, "the flags stand between words and numbers");
_Static_assert(INFO_SERIAL == INFO_NUMBERS + 8 * N_INFO_NUMBERS, "the texts follow the numbers");

/* Members by their offset in the struct; memcpy, so that no pointer changes its type. */
static uint32_t word_at(const void *object, size_t offset)
{
    uint32_t v;
    memcpy(&v, (const char *)object + offset, sizeof v);
    return v;
}

static double number_at(const void *object, size_t offset)
{
    double v;
    memcpy(&v, (const char *)object + offset, sizeof v);
    return v;
}

size_t opu_wire_put_info(uint8_t *to, const struct opu_wire_info *info)
{
    uint8_t *const body = body_of(to);
    for (size_t i = 0; i < INFO_WORDS; i++) {
        put_u32(body + 4 * i, word_at(info, info_words[i]));
    }
    put_u32(body + 4 * INFO_WORDS, info->shot_noise ? INFO_SHOT_NOISE : 0);
    for (size_t i = 0; i < N_INFO_NUMBERS; i++) {
        put_f64(body + INFO_NUMBERS + 8 * i, number_at(info, info_numbers[i]));
    }
    put_text(body + INFO_SERIAL, info->serial, sizeof info->serial);
    put_text(body + INFO_IDENTITY, info->identity, sizeof info->identity);
    return wrap(to, INFO_BYTES);
}

int opu_wire_get_info(struct opu_wire_info *to, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    int const fault = unwrap_exactly(&body, INFO_BYTES, from, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    struct opu_wire_info info = {0};
    for (size_t i = 0; i < INFO_WORDS; i++) {
        uint32_t const v = get_u32(body + 4 * i);
        memcpy((char *)&info + info_words[i], &v, sizeof v);
    }
    info.shot_noise = (get_u32(body + 4 * INFO_WORDS) & INFO_SHOT_NOISE) != 0;
    for (size_t i = 0; i < N_INFO_NUMBERS; i++) {
        double const v = get_f64(body + INFO_NUMBERS + 8 * i);
        if (!isfinite(v)) {
            return OPU_WIRE_VALUE;
        }
        memcpy((char *)&info + info_numbers[i], &v, sizeof v);
    }
    if (info.queue == 0 || info.max_inputs == 0 || info.max_pixels == 0 ||
        info.max_exposures == 0 ||
        get_text(info.serial, body + INFO_SERIAL, sizeof info.serial) != OPU_WIRE_OK ||
        get_text(info.identity, body + INFO_IDENTITY, sizeof info.identity) != OPU_WIRE_OK) {
        return OPU_WIRE_VALUE;
    }
    *to = info;
    return OPU_WIRE_OK;
}

/* ---- Status: 7 words, u32 flags, u64 frames, f64 temperature ---- */

#define STATUS_LASER 1u
#define STATUS_INTERLOCK 2u

size_t opu_wire_put_status(uint8_t *to, const struct opu_wire_status *status)
{
    uint8_t *const body = body_of(to);
    put_u32(body, status->state);
    put_u32(body + 4, (uint32_t)status->result);
    put_u32(body + 8, status->setup);
    put_u32(body + 12, status->epoch);
    put_u32(body + 16, status->next);
    put_u32(body + 20, status->queued);
    put_u32(body + 24, status->answers);
    put_u32(body + 28,
            (status->laser ? STATUS_LASER : 0) | (status->interlock ? STATUS_INTERLOCK : 0));
    put_u64(body + 32, status->frames);
    put_f64(body + 40, status->temperature_c);
    return wrap(to, STATUS_BYTES);
}

int opu_wire_get_status(struct opu_wire_status *to, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    int const fault = unwrap_exactly(&body, STATUS_BYTES, from, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    uint32_t const result = get_u32(body + 4);
    /* 0 or negative: an opu_status */
    if (get_u32(body) > OPU_WIRE_FAULT || (result != 0 && result < UINT32_C(0x80000000))) {
        return OPU_WIRE_VALUE;
    }
    uint32_t const flags = get_u32(body + 28);
    *to = (struct opu_wire_status){
        .state = get_u32(body),
        .result = result == 0 ? 0 : -(int32_t)(UINT32_MAX - result) - 1,
        .setup = get_u32(body + 8),
        .epoch = get_u32(body + 12),
        .next = get_u32(body + 16),
        .queued = get_u32(body + 20),
        .answers = get_u32(body + 24),
        .laser = (flags & STATUS_LASER) != 0,
        .interlock = (flags & STATUS_INTERLOCK) != 0,
        .frames = get_u64(body + 32),
        .temperature_c = get_f64(body + 40), /* NaN: the device can't tell */
    };
    return OPU_WIRE_OK;
}

/* ---- Statistics: 6 u64, 2 f64, 2 u64 ---- */

size_t opu_wire_put_statistics(uint8_t *to, const struct opu_wire_statistics *statistics)
{
    uint8_t *const body = body_of(to);
    put_u64(body, statistics->frames);
    put_u64(body + 8, statistics->packets);
    put_u64(body + 16, statistics->answers);
    put_u64(body + 24, statistics->refused);
    put_u64(body + 32, statistics->triggers_lost);
    put_u64(body + 40, statistics->upload_bytes);
    put_f64(body + 48, statistics->upload_s);
    put_f64(body + 56, statistics->laser_s);
    put_u64(body + 64, statistics->bytes_out);
    put_u64(body + 72, statistics->bytes_in);
    return wrap(to, STATISTICS_BYTES);
}

int opu_wire_get_statistics(struct opu_wire_statistics *to, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    int const fault = unwrap_exactly(&body, STATISTICS_BYTES, from, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    double const upload_s = get_f64(body + 48);
    double const laser_s = get_f64(body + 56);
    if (!(isfinite(upload_s) && isfinite(laser_s) && upload_s >= 0.0 && laser_s >= 0.0)) {
        return OPU_WIRE_VALUE;
    }
    *to = (struct opu_wire_statistics){
        .frames = get_u64(body),
        .packets = get_u64(body + 8),
        .answers = get_u64(body + 16),
        .refused = get_u64(body + 24),
        .triggers_lost = get_u64(body + 32),
        .upload_bytes = get_u64(body + 40),
        .upload_s = upload_s,
        .laser_s = laser_s,
        .bytes_out = get_u64(body + 64),
        .bytes_in = get_u64(body + 72),
    };
    return OPU_WIRE_OK;
}

/* ---- Commit: 3 words ---- */

size_t opu_wire_put_commit(uint8_t *to, const struct opu_wire_commit *commit)
{
    uint8_t *const body = body_of(to);
    put_u32(body, commit->setup);
    put_u32(body + 4, commit->bytes);
    put_u32(body + 8, commit->crc);
    return wrap(to, COMMIT_BYTES);
}

int opu_wire_get_commit(struct opu_wire_commit *to, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    int const fault = unwrap_exactly(&body, COMMIT_BYTES, from, n);
    if (fault != OPU_WIRE_OK) {
        return fault;
    }
    struct opu_wire_commit const commit = {
        .setup = get_u32(body), .bytes = get_u32(body + 4), .crc = get_u32(body + 8)};
    if (commit.setup == 0 || commit.bytes < OPU_WIRE_SETUP_HEAD ||
        commit.bytes > OPU_WIRE_SETUP_MAX) {
        return OPU_WIRE_VALUE;
    }
    *to = commit;
    return OPU_WIRE_OK;
}
