/* SPDX-License-Identifier: MIT */
/* Recordings: the facts and set-ups as lists of 8-byte values, and whole records in and out. */
#include "core/device/recording.h"

#include "core/base/bytes.h" /* a little-endian host, or this does not compile */
#include "core/base/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const char magic[8] = "OPUREC1\n";
#define HEAD_BYTES 16u /* of a record */

enum type { SIZE, U32, DOUBLE, BOOL };
struct field {
    const char *name;
    size_t offset;
    enum type type;
};

#define CAP(member, type) \
    { \
#member, offsetof(struct opu_caps, member), type \
    }
static const struct field cap_fields[] = {
    CAP(flags, U32),
    CAP(adc_bits, U32),
    CAP(default_bits, U32),
    CAP(max_inputs, SIZE),
    CAP(max_pixels, SIZE),
    CAP(max_frames, SIZE),
    CAP(max_exposures, SIZE),
    CAP(max_references, SIZE),
    CAP(min_exposure_us, DOUBLE),
    CAP(max_exposure_us, DOUBLE),
    CAP(frame_rate_hz, DOUBLE),
    CAP(upload_bytes_per_s, DOUBLE),
    CAP(power_w, DOUBLE),
    CAP(signal_per_us, DOUBLE),
    CAP(reference_per_us, DOUBLE),
    CAP(full_well_e, DOUBLE),
    CAP(read_noise_e, DOUBLE),
    CAP(shot_noise, BOOL),
    CAP(black_level, DOUBLE),
};
#define N_CAPS (sizeof cap_fields / sizeof cap_fields[0])

#define SET(member, type) \
    { \
#member, offsetof(struct opu_frame_setup, member), type \
    }
static const struct field setup_fields[] = {
    SET(n_inputs, SIZE),
    SET(output_kind, U32),
    SET(n_pixels, SIZE),
    SET(region.width, U32),
    SET(region.height, U32),
    SET(region.stride, U32),
    SET(region.binning, U32),
    SET(region.pixels_per_grain, DOUBLE),
    SET(region.carrier_x, DOUBLE),
    SET(region.carrier_y, DOUBLE),
    SET(bits, U32),
    SET(n_exposures, SIZE),
    SET(n_references, SIZE),
};
#define N_SETUP (sizeof setup_fields / sizeof setup_fields[0])

static uint64_t field_get(const struct field *field, const void *from)
{
    const uint8_t *const at = (const uint8_t *)from + field->offset;
    uint64_t value = 0;
    switch (field->type) {
    case SIZE:
    case DOUBLE:
        memcpy(&value, at, 8);
        break;
    case U32:
        memcpy(&value, at, 4);
        break;
    case BOOL:
        value = *(const bool *)at;
        break;
    }
    return value;
}

static void field_set(const struct field *field, void *to, uint64_t value)
{
    uint8_t *const at = (uint8_t *)to + field->offset;
    switch (field->type) {
    case SIZE:
    case DOUBLE:
        memcpy(at, &value, 8);
        break;
    case U32:
        memcpy(at, &value, 4);
        break;
    case BOOL:
        *(bool *)at = value != 0;
        break;
    }
}

struct opu_recording_rows opu_recording_rows(const struct opu_frame_setup *setup)
{
    return (struct opu_recording_rows){.bits = (setup->n_inputs + 7) / 8,
                                       .counts = setup->n_pixels * (setup->bits <= 8 ? 1 : 2)};
}

struct slice {
    const void *data;
    size_t n;
};

/* One record of all slices; flushed, so that the system has it when this returns. */
static int append(FILE *file, const char *path, uint32_t kind, const struct slice *slices,
                  size_t n_slices)
{
    static const uint8_t zeros[8] = {0};
    uint64_t n = 0;
    uLong crc = crc32(0, NULL, 0);
    for (size_t i = 0; i < n_slices; i++) {
        if (slices[i].n > 0) { /* a NULL would start zlib's CRC anew */
            crc = crc32_z(crc, slices[i].data, slices[i].n);
        }
        n += slices[i].n;
    }
    uint8_t head[HEAD_BYTES];
    uint32_t const crc_word = (uint32_t)crc;
    memcpy(head, &kind, 4);
    memcpy(head + 4, &crc_word, 4);
    memcpy(head + 8, &n, 8);
    bool good = fwrite(head, 1, sizeof head, file) == sizeof head;
    for (size_t i = 0; good && i < n_slices; i++) {
        good = slices[i].n == 0 || fwrite(slices[i].data, 1, slices[i].n, file) == slices[i].n;
    }
    size_t const pad = (size_t)(8 - n % 8) % 8;
    good = good && fwrite(zeros, 1, pad, file) == pad && fflush(file) == 0;
    if (!good) {
        return opu_fail(OPU_E_IO, "%s: can't write the recording: %s", path, strerror(errno));
    }
    return OPU_OK;
}

int opu_recording_create(FILE **out, const char *path, const struct opu_caps *caps, const char *uri,
                         const char *identity)
{
    *out = NULL;
    int const fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return opu_fail(OPU_E_IO, "%s: can't begin a recording: %s%s", path, strerror(errno),
                        errno == EEXIST ? " (recordings are never written over)" : "");
    }
    FILE *const file = fdopen(fd, "wb");
    if (file == NULL) {
        (void)close(fd);
        return opu_fail(OPU_E_IO, "%s: can't begin a recording: %s", path, strerror(errno));
    }
    uint64_t values[N_CAPS];
    for (size_t i = 0; i < N_CAPS; i++) {
        values[i] = field_get(&cap_fields[i], caps);
    }
    struct slice const parts[] = {
        {values, sizeof values}, {uri, strlen(uri) + 1}, {identity, strlen(identity) + 1}};
    int status = OPU_OK;
    if (fwrite(magic, 1, sizeof magic, file) != sizeof magic) {
        status = opu_fail(OPU_E_IO, "%s: can't write the recording: %s", path, strerror(errno));
    }
    if (status == OPU_OK) {
        status = append(file, path, OPU_RECORDING_HEAD, parts, 3);
    }
    if (status < 0) {
        (void)fclose(file);
        return status;
    }
    *out = file;
    return OPU_OK;
}

int opu_recording_add_setup(FILE *file, const char *path, const struct opu_frame_setup *setup)
{
    uint64_t values[N_SETUP];
    for (size_t i = 0; i < N_SETUP; i++) {
        values[i] = field_get(&setup_fields[i], setup);
    }
    struct slice const parts[] = {
        {values, sizeof values},
        {setup->exposures_us, setup->n_exposures * sizeof *setup->exposures_us},
        {setup->references, setup->n_references * sizeof *setup->references}};
    return append(file, path, OPU_RECORDING_SETUP, parts, 3);
}

int opu_recording_add_frames(FILE *file, const char *path, const struct opu_recording_rows *rows,
                             const struct opu_frame_batch *batch)
{
    size_t const n = batch->n_frames;
    uint64_t const count = n;
    struct slice const parts[] = {{&count, sizeof count},
                                  {batch->number, n * sizeof *batch->number},
                                  {batch->time_s, n * sizeof *batch->time_s},
                                  {batch->saturated, n * sizeof *batch->saturated},
                                  {batch->status, n * sizeof *batch->status},
                                  {batch->reference, n * sizeof *batch->reference},
                                  {batch->exposure, n * sizeof *batch->exposure},
                                  {batch->bits, n * rows->bits},
                                  {batch->counts, n * rows->counts}};
    return append(file, path, OPU_RECORDING_FRAMES, parts, sizeof parts / sizeof parts[0]);
}

/* ---- Reading ---- */

static int map_file(struct opu_recording *recording, const char *path)
{
    int const fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return opu_fail(errno == ENOENT ? OPU_E_NOT_FOUND : OPU_E_IO,
                        "%s: can't open the recording: %s", path, strerror(errno));
    }
    struct stat seen;
    int status = OPU_OK;
    if (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode)) {
        status = opu_fail(OPU_E_FORMAT, "%s: is no file", path);
    } else if (seen.st_size < (off_t)sizeof magic) {
        status = opu_fail(OPU_E_FORMAT, "%s: is no recording: it has %lld bytes", path,
                          (long long)seen.st_size);
    } else {
        void *const bytes = mmap(NULL, (size_t)seen.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            status = opu_fail(OPU_E_IO, "%s: can't map the recording: %s", path, strerror(errno));
        } else {
            recording->bytes = bytes;
            recording->n = (size_t)seen.st_size;
        }
    }
    (void)close(fd);
    return status;
}

static int read_head(struct opu_recording *recording)
{
    struct opu_record record;
    OPU_TRY(opu_recording_next(recording, &record));
    size_t const values = N_CAPS * sizeof(uint64_t);
    size_t const room = record.n > values ? record.n - values : 0;
    const char *const text = room > 0 ? (const char *)record.payload + values : "";
    size_t const uri = room > 0 ? strnlen(text, room) + 1 : 1;
    size_t const identity = room > uri ? strnlen(text + uri, room - uri) + 1 : 1;
    if (record.kind != OPU_RECORDING_HEAD || room == 0 || uri + identity != room ||
        uri > sizeof recording->uri || identity > sizeof recording->identity) {
        return opu_fail(OPU_E_FORMAT, "%s: the recording's head is damaged", recording->path);
    }
    recording->caps.size = sizeof recording->caps;
    for (size_t i = 0; i < N_CAPS; i++) {
        uint64_t value;
        memcpy(&value, record.payload + i * sizeof value, sizeof value);
        field_set(&cap_fields[i], &recording->caps, value);
    }
    memcpy(recording->uri, text, uri);
    memcpy(recording->identity, text + uri, identity);
    return OPU_OK;
}

int opu_recording_open(struct opu_recording *recording, struct opu_context *context,
                       const char *path)
{
    *recording = (struct opu_recording){.context = context, .at = sizeof magic};
    (void)snprintf(recording->path, sizeof recording->path, "%s", path);
    int status = map_file(recording, path);
    if (status == OPU_OK && memcmp(recording->bytes, magic, sizeof magic) != 0) {
        status =
            opu_fail(OPU_E_FORMAT, "%s: is no recording: it does not begin with OPUREC1", path);
    }
    if (status == OPU_OK) {
        status = read_head(recording);
    }
    if (status < 0) {
        opu_recording_close(recording);
    }
    return status;
}

void opu_recording_close(struct opu_recording *recording)
{
    if (recording->bytes != NULL) {
        /* munmap takes what mmap gave; it was const for everybody else */
        (void)munmap((void *)(uintptr_t)recording->bytes, recording->n);
    }
    recording->bytes = NULL;
}

int opu_recording_next(struct opu_recording *recording, struct opu_record *record)
{
    *record = (struct opu_record){0};
    size_t const left = recording->n - recording->at;
    if (left == 0) {
        return OPU_OK;
    }
    uint32_t kind = 0;
    uint32_t crc = 0;
    uint64_t n = UINT64_MAX;
    const uint8_t *const at = recording->bytes + recording->at;
    if (left >= HEAD_BYTES) {
        memcpy(&kind, at, 4);
        memcpy(&crc, at + 4, 4);
        memcpy(&n, at + 8, 8);
    }
    if (left < HEAD_BYTES || n > left - HEAD_BYTES) {
        opu_context_log(recording->context, OPU_LOG_WARNING, "replay",
                        "%s: the last record is cut off at byte %zu; the recording ends before it",
                        recording->path, recording->at);
        recording->at = recording->n;
        return OPU_OK;
    }
    if (crc32_z(crc32(0, NULL, 0), at + HEAD_BYTES, (size_t)n) != crc) {
        return opu_fail(OPU_E_FORMAT, "%s: the record at byte %zu is damaged (CRC-32)",
                        recording->path, recording->at);
    }
    *record = (struct opu_record){.kind = kind, .payload = at + HEAD_BYTES, .n = (size_t)n};
    size_t const whole = HEAD_BYTES + ((size_t)n + 7) / 8 * 8;
    recording->at += whole < left ? whole : left;
    return OPU_OK;
}

/* Bit for bit; pointers of any alignment. */
static bool same_doubles(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n * sizeof(double)) == 0;
}

bool opu_recording_same_setup(const struct opu_record *record, const struct opu_frame_setup *setup,
                              char what[160])
{
    size_t const exposures = setup->n_exposures * sizeof *setup->exposures_us;
    size_t const references = setup->n_references * sizeof *setup->references;
    size_t const values = N_SETUP * sizeof(uint64_t);
    (void)snprintf(what, 160, "the set-up's tables have other sizes");
    for (size_t i = 0; i < N_SETUP && record->n >= values; i++) {
        uint64_t recorded;
        memcpy(&recorded, record->payload + i * sizeof recorded, sizeof recorded);
        uint64_t const seen = field_get(&setup_fields[i], setup);
        if (seen != recorded) {
            double doubles[2];
            memcpy(&doubles[0], &seen, sizeof seen);
            memcpy(&doubles[1], &recorded, sizeof recorded);
            bool const real = setup_fields[i].type == DOUBLE;
            (void)snprintf(what, 160, "%s is %.9g, recorded %.9g", setup_fields[i].name,
                           real ? doubles[0] : (double)seen, real ? doubles[1] : (double)recorded);
            return false;
        }
    }
    if (record->n != values + exposures + references) {
        return false;
    }
    for (size_t i = 0; i < setup->n_exposures; i++) {
        double recorded;
        memcpy(&recorded, record->payload + values + i * sizeof recorded, sizeof recorded);
        if (!same_doubles(&recorded, &setup->exposures_us[i], 1)) {
            (void)snprintf(what, 160, "exposure %zu is %.9g us, recorded %.9g us", i,
                           setup->exposures_us[i], recorded);
            return false;
        }
    }
    for (size_t i = 0; i < setup->n_references; i++) {
        struct opu_reference recorded;
        memcpy(&recorded, record->payload + values + exposures + i * sizeof recorded,
               sizeof recorded);
        if (!same_doubles(&recorded, &setup->references[i], 2)) {
            (void)snprintf(what, 160, "reference %zu is %.9g at %.9g rad, recorded %.9g at %.9g", i,
                           setup->references[i].amplitude, setup->references[i].phase_rad,
                           recorded.amplitude, recorded.phase_rad);
            return false;
        }
    }
    return true;
}

int opu_recording_frames(struct opu_recorded_frames *frames, const struct opu_recording *recording,
                         const struct opu_record *record, const struct opu_recording_rows *rows)
{
    uint64_t n = 0;
    size_t const each = 8 + 8 + 4 + 4 + 2 + 2 + rows->bits + rows->counts;
    if (record->n >= 8) {
        memcpy(&n, record->payload, 8);
    }
    if (n == 0 || n > record->n / each || record->n != 8 + (size_t)n * each) {
        return opu_fail(OPU_E_FORMAT,
                        "%s: a record of frames has %zu bytes, which is not %llu "
                        "frames of %zu bytes",
                        recording->path, record->n, (unsigned long long)n, each);
    }
    frames->n = (size_t)n;
    frames->number = record->payload + 8;
    frames->time_s = frames->number + 8 * frames->n;
    frames->saturated = frames->time_s + 8 * frames->n;
    frames->status = frames->saturated + 4 * frames->n;
    frames->reference = frames->status + 4 * frames->n;
    frames->exposure = frames->reference + 2 * frames->n;
    frames->bits = frames->exposure + 2 * frames->n;
    frames->counts = frames->bits + rows->bits * frames->n;
    return OPU_OK;
}
