/* SPDX-License-Identifier: MIT */
/*
 * The checkpoint: parameters, moments, calibration and alignment as tensors; the position, the
 * configuration and what fixes the run's bits as metadata. It is restored into a trainer that was
 * made from the same configuration; whatever differs is named.
 */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <opu/backend.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/base/safetensors.h"

#define VERSION "1"
#define TEXT_SIZE 32
#define CALIBRATION "calibration"
#define ALIGNMENT "alignment"
/* mean, std, counted, left_out */
#define ALIGNMENT_COLUMNS 4

enum field_type { FIELD_UINT, FIELD_REAL };

struct field {
    const char *key;
    enum field_type type;
    size_t offset; /* in struct opu_position */
};

#define UINT(key, member) \
    { \
        key, FIELD_UINT, offsetof(struct opu_position, member) \
    }
#define REAL(key, member) \
    { \
        key, FIELD_REAL, offsetof(struct opu_position, member) \
    }

static const struct field fields[] = {
    UINT("measured", measured),
    UINT("epochs", epochs),
    UINT("step", step),
    UINT("optim_step", optim_step),
    UINT("device_clock", device_clock),
    UINT("metrics_bytes", log_bytes[OPU_LOG_METRICS]),
    UINT("timing_bytes", log_bytes[OPU_LOG_TIMING]),
    REAL("epoch_loss", epoch.loss),
    UINT("epoch_correct", epoch.correct),
    UINT("epoch_rows", epoch.rows),
    REAL("epoch_seconds", epoch.seconds),
    UINT("rows", rows),
    REAL("seconds", seconds),
    REAL("train_loss", train_loss),
    REAL("train_accuracy", train_accuracy),
    REAL("test_loss", test_loss),
    REAL("test_accuracy", test_accuracy),
    UINT("frames", optical.frames),
    UINT("pixels", optical.pixels),
    UINT("saturated", optical.saturated),
    REAL("optical_s", optical.seconds),
    REAL("optical_j", optical.joules),
};

#define N_FIELDS (sizeof fields / sizeof *fields)
/* format, config, identity, data */
#define N_META (N_FIELDS + 4)

/* Names and hashes of the data's files, one a line: another set would give another run. */
#define DATA_SIZE 1024

static void describe_data(const struct opu_trainer *t, char text[DATA_SIZE])
{
    size_t n = 0;
    *text = 0;
    for (size_t i = 0; i < t->data->info.n_files && n < DATA_SIZE; i++) {
        const struct opu_dataset_file *file = &t->data->info.files[i];
        n += (size_t)snprintf(text + n, DATA_SIZE - n, "%s %016" PRIx64 "\n", file->name,
                              file->hash);
    }
}

static const char *identity(const struct opu_trainer *t)
{
    return t->feedback ? opu_projection_identity(opu_feedback_projection(t->feedback)) : "";
}

/* --- writing --- */

static void format_field(const struct field *field, const struct opu_position *at,
                         char text[TEXT_SIZE])
{
    const char *member = (const char *)at + field->offset;
    if (field->type == FIELD_UINT) {
        uint64_t value;
        memcpy(&value, member, sizeof value);
        (void)snprintf(text, TEXT_SIZE, "%" PRIu64, value);
        return;
    }
    double value;
    memcpy(&value, member, sizeof value);
    if (isfinite(value)) {
        opu_number_format(text, value);
    } else {
        (void)snprintf(text, TEXT_SIZE, "nan");
    }
}

/* What a checkpoint holds besides views of the trainer; freed together. */
struct parts {
    struct opu_tensor_ref *tensors;
    size_t n_tensors;
    uint8_t *calibration;
    double *alignment;
    char *config;
};

static void parts_free(struct opu_context *context, struct parts *parts)
{
    opu_context_free(context, parts->tensors);
    opu_context_free(context, parts->calibration);
    opu_context_free(context, parts->alignment);
    opu_context_free(context, parts->config);
}

static void add_tensor(struct parts *parts, const char *name, enum opu_dtype dtype, size_t rows,
                       size_t columns, const void *data)
{
    parts->tensors[parts->n_tensors++] = (struct opu_tensor_ref){
        .name = name,
        .dtype = dtype,
        .rank = columns ? 2 : 1,
        .shape = {rows, columns},
        .data = data,
    };
}

static int add_alignment(struct opu_trainer *t, struct parts *parts)
{
    if (t->n_taps == 0) {
        return OPU_OK;
    }
    parts->alignment = opu_calloc(t->context, t->n_taps, ALIGNMENT_COLUMNS * sizeof(double));
    if (!parts->alignment) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < t->n_taps; i++) {
        const struct opu_tap_alignment *tap = &t->taps[i];
        double *row = parts->alignment + ALIGNMENT_COLUMNS * i;
        row[0] = tap->mean;
        row[1] = tap->std;
        row[2] = (double)tap->counted;
        row[3] = (double)tap->left_out;
    }
    add_tensor(parts, ALIGNMENT, OPU_F64, t->n_taps, ALIGNMENT_COLUMNS, parts->alignment);
    return OPU_OK;
}

static int add_calibration(struct opu_trainer *t, struct parts *parts)
{
    if (!t->feedback) {
        return OPU_OK;
    }
    const struct opu_projection *projection = opu_feedback_projection(t->feedback);
    size_t const n = opu_projection_state_size(projection);
    parts->calibration = opu_calloc(t->context, n, 1);
    if (!parts->calibration) {
        return OPU_E_NO_MEMORY;
    }
    opu_projection_state_get(projection, parts->calibration);
    if (n > 0) {
        add_tensor(parts, CALIBRATION, OPU_U8, n, 0, parts->calibration);
    }
    return OPU_OK;
}

static int gather(struct opu_trainer *t, struct parts *parts)
{
    size_t const n_params = opu_graph_param_count(t->train.graph);
    *parts = (struct parts){0};
    parts->tensors =
        opu_calloc(t->context, n_params + t->optim.n_moments + 2, sizeof *parts->tensors);
    if (!parts->tensors) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < n_params; i++) {
        parts->tensors[parts->n_tensors++] = opu_graph_param_at(t->train.graph, i);
    }
    for (size_t i = 0; i < t->optim.n_moments; i++) {
        add_tensor(parts, opu_optim_moment_name(&t->optim, i), OPU_F32, t->optim.all.count, 0,
                   t->optim.moments[i]);
    }
    OPU_TRY(add_calibration(t, parts));
    OPU_TRY(add_alignment(t, parts));
    return opu_train_config_write(&t->config, &parts->config);
}

static int write_parts(struct opu_trainer *t, const struct parts *parts)
{
    struct opu_position at = t->at;
    at.optim_step = t->optim.step;
    at.device_clock = t->device ? opu_device_clock(t->device) : 0;
    at.optical = opu_trainer_optical(t);
    memcpy(at.log_bytes, t->folder.bytes, sizeof at.log_bytes);
    char texts[N_FIELDS][TEXT_SIZE], data[DATA_SIZE];
    struct opu_meta meta[N_META];
    for (size_t i = 0; i < N_FIELDS; i++) {
        format_field(&fields[i], &at, texts[i]);
        meta[i] = (struct opu_meta){fields[i].key, texts[i]};
    }
    describe_data(t, data);
    meta[N_FIELDS] = (struct opu_meta){"opu_checkpoint", VERSION};
    meta[N_FIELDS + 1] = (struct opu_meta){"config", parts->config};
    meta[N_FIELDS + 2] = (struct opu_meta){"identity", identity(t)};
    meta[N_FIELDS + 3] = (struct opu_meta){"data", data};
    char path[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(&t->folder, OPU_CHECKPOINT_FILE, path);
    return opu_safetensors_write(t->context, path, parts->tensors, parts->n_tensors, meta, N_META);
}

int opu_checkpoint_write(struct opu_trainer *trainer)
{
    if (!opu_folder_keeps(&trainer->folder)) {
        return OPU_OK;
    }
    struct parts parts;
    int status = gather(trainer, &parts);
    if (status == OPU_OK) {
        status = write_parts(trainer, &parts);
    }
    parts_free(trainer->context, &parts);
    return status;
}

/* --- reading --- */

struct reading {
    struct opu_trainer *t;
    const char *path;
    struct opu_safetensors *file;
};

static int get_text(const struct reading *r, const char *key, const char **text)
{
    *text = opu_safetensors_meta(r->file, key);
    return *text ? OPU_OK : opu_fail(OPU_E_FORMAT, "%s: its metadata has no \"%s\"", r->path, key);
}

static int get_position(const struct reading *r, struct opu_position *at)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *text;
        OPU_TRY(get_text(r, fields[i].key, &text));
        char *member = (char *)at + fields[i].offset;
        uint64_t whole = 0;
        double real = (double)NAN;
        bool const is_uint = fields[i].type == FIELD_UINT;
        bool const good = is_uint ? opu_number_uint(&whole, text)
                                  : opu_number_double(&real, text) || strcmp(text, "nan") == 0;
        if (!good) {
            return opu_fail(OPU_E_FORMAT, "%s: its metadata \"%s\" is \"%.40s\", wanted a number",
                            r->path, fields[i].key, text);
        }
        memcpy(member, is_uint ? (const void *)&whole : (const void *)&real, 8);
    }
    return OPU_OK;
}

static void shape_text(const struct opu_tensor_ref *tensor, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "%s [", opu_dtype_name(tensor->dtype));
    for (size_t i = 0; i < tensor->rank && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%zu", i ? ", " : "", tensor->shape[i]);
    }
    if (n < size) {
        (void)snprintf(text + n, size - n, "]");
    }
}

/* Copies the tensor that has the name, type and shape of `wanted` to `to`. */
static int get_tensor(const struct reading *r, const struct opu_tensor_ref *wanted, void *to)
{
    const struct opu_tensor_ref *seen = opu_safetensors_find(r->file, wanted->name);
    char a[128], b[128];
    shape_text(wanted, b, sizeof b);
    if (!seen) {
        return opu_fail(OPU_E_MISMATCH, "%s: has no tensor \"%s\", this run wants it as %s",
                        r->path, wanted->name, b);
    }
    size_t bytes = opu_dtype_size(wanted->dtype);
    bool same = seen->dtype == wanted->dtype && seen->rank == wanted->rank;
    for (size_t i = 0; i < wanted->rank && same; i++) {
        same = seen->shape[i] == wanted->shape[i];
        bytes *= wanted->shape[i];
    }
    if (!same) {
        shape_text(seen, a, sizeof a);
        return opu_fail(OPU_E_MISMATCH, "%s: tensor \"%s\" is %s, this run's network wants %s",
                        r->path, wanted->name, a, b);
    }
    memcpy(to, seen->data, bytes);
    return OPU_OK;
}

static int get_parameters(const struct reading *r)
{
    struct opu_params const all = opu_graph_params(r->t->train.graph);
    for (size_t i = 0; i < opu_graph_param_count(r->t->train.graph); i++) {
        struct opu_tensor_ref const wanted = opu_graph_param_at(r->t->train.graph, i);
        ptrdiff_t const at = (const float *)wanted.data - all.values;
        OPU_TRY(get_tensor(r, &wanted, all.values + at));
    }
    return OPU_OK;
}

static int get_moments(const struct reading *r)
{
    struct opu_optim *optim = &r->t->optim;
    for (size_t i = 0; i < optim->n_moments; i++) {
        struct opu_tensor_ref const wanted = {.name = opu_optim_moment_name(optim, i),
                                              .dtype = OPU_F32,
                                              .rank = 1,
                                              .shape = {optim->all.count}};
        OPU_TRY(get_tensor(r, &wanted, optim->moments[i]));
    }
    return OPU_OK;
}

static int check_identity(const struct reading *r)
{
    const char *seen;
    OPU_TRY(get_text(r, "identity", &seen));
    const char *mine = identity(r->t);
    if (*seen && *mine && strcmp(seen, mine) != 0) {
        return opu_fail(OPU_E_MATRIX_CHANGED,
                        "%s: was trained with the matrix %s, this device's is %s", r->path, seen,
                        mine);
    }
    return OPU_OK;
}

/* The first key whose value differs, unless it is one that may. */
static int compare_settings(const struct reading *r, const struct opu_train_config *kept)
{
    size_t n;
    const struct opu_option *options = opu_train_options(&n);
    for (size_t i = 0; i < n; i++) {
        char was[OPU_OPTION_TEXT_SIZE], is[OPU_OPTION_TEXT_SIZE];
        OPU_TRY(opu_train_config_get(kept, options[i].key, was, sizeof was));
        OPU_TRY(opu_train_config_get(&r->t->config, options[i].key, is, sizeof is));
        if (strcmp(was, is) != 0 && !opu_settings_may_change(options[i].key)) {
            return opu_fail(OPU_E_MISMATCH,
                            "%s: was made with %s = \"%.150s\", this run has \"%.150s\"", r->path,
                            options[i].key, was, is);
        }
    }
    return OPU_OK;
}

static int check_settings(const struct reading *r)
{
    const char *text, *kept_data;
    char data[DATA_SIZE];
    struct opu_train_config *kept;
    OPU_TRY(get_text(r, "config", &text));
    OPU_TRY(get_text(r, "data", &kept_data));
    OPU_TRY(opu_train_config_create(&kept, r->t->context));
    int status = opu_train_config_parse(kept, text);
    if (status == OPU_OK) {
        status = compare_settings(r, kept);
    }
    opu_train_config_destroy(kept);
    OPU_TRY(status);
    describe_data(r->t, data);
    if (strcmp(data, kept_data) != 0) {
        return opu_fail(OPU_E_MISMATCH, "%s: was trained on other data; its files differ", r->path);
    }
    return OPU_OK;
}

static int get_alignment(const struct reading *r)
{
    const struct opu_tensor_ref *seen = opu_safetensors_find(r->file, ALIGNMENT);
    if (!seen || !r->t->alignment) {
        return OPU_OK;
    }
    size_t n_taps;
    const struct opu_tap_alignment *taps = opu_alignment_result(r->t->alignment, &n_taps);
    if (seen->dtype != OPU_F64 || seen->rank != 2 || seen->shape[0] != n_taps ||
        seen->shape[1] != ALIGNMENT_COLUMNS) {
        return opu_fail(OPU_E_MISMATCH, "%s: its alignment is not of %zu taps", r->path, n_taps);
    }
    for (size_t i = 0; i < n_taps; i++) {
        double row[ALIGNMENT_COLUMNS];
        memcpy(row, (const char *)seen->data + i * sizeof row, sizeof row);
        r->t->taps[i] = (struct opu_tap_alignment){.tap = taps[i].tap,
                                                   .mean = row[0],
                                                   .std = row[1],
                                                   .counted = (uint64_t)fmax(row[2], 0),
                                                   .left_out = (uint64_t)fmax(row[3], 0)};
    }
    r->t->n_taps = n_taps;
    return OPU_OK;
}

/* Calibration and clock, so that the device goes on where it was. */
static int set_device(const struct reading *r)
{
    struct opu_trainer *t = r->t;
    if (!t->feedback) {
        return OPU_OK;
    }
    struct opu_projection *projection = opu_feedback_projection(t->feedback);
    const struct opu_tensor_ref *bytes = opu_safetensors_find(r->file, CALIBRATION);
    bool const is_bytes = bytes && bytes->dtype == OPU_U8 && bytes->rank == 1;
    if (!is_bytes && opu_projection_state_size(projection) > 0) {
        return opu_fail(OPU_E_MISMATCH, "%s: holds no calibration of the device", r->path);
    }
    opu_device_clock_set(t->device, t->at.device_clock);
    if (is_bytes) {
        OPU_TRY(opu_projection_state_set(projection, bytes->data, bytes->shape[0]));
    }
    t->optical_base = (struct opu_device_stats){.size = sizeof t->optical_base};
    return opu_device_statistics(t->device, &t->optical_base);
}

static int restore(const struct reading *r)
{
    struct opu_trainer *t = r->t;
    const char *version;
    OPU_TRY(get_text(r, "opu_checkpoint", &version));
    if (strcmp(version, VERSION) != 0) {
        return opu_fail(OPU_E_FORMAT, "%s: is a checkpoint of version %.20s, wanted %s", r->path,
                        version, VERSION);
    }
    OPU_TRY(get_position(r, &t->at));
    OPU_TRY(get_parameters(r));
    OPU_TRY(check_identity(r));
    OPU_TRY(check_settings(r));
    OPU_TRY(get_moments(r));
    OPU_TRY(get_alignment(r));
    if (t->at.step > t->steps || t->at.measured > 1) {
        return opu_fail(OPU_E_FORMAT, "%s: is at step %" PRIu64 " of an epoch of %" PRIu64, r->path,
                        t->at.step, t->steps);
    }
    t->optim.step = t->at.optim_step;
    OPU_TRY(set_device(r));
    return opu_folder_cut(&t->folder, t->at.log_bytes);
}

int opu_checkpoint_read(struct opu_trainer *trainer)
{
    char path[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(&trainer->folder, OPU_CHECKPOINT_FILE, path);
    struct reading r = {.t = trainer, .path = path};
    OPU_TRY(opu_safetensors_open(&r.file, trainer->context, path));
    int const status = restore(&r);
    opu_safetensors_close(r.file);
    return status;
}
