/* SPDX-License-Identifier: MIT */
/*
 * Restores a checkpoint into a trainer that was made from the same configuration; whatever differs
 * is named.
 */
#include "core/train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/number.h"
#include "core/base/safetensors.h"

/* Whole numbers that a double holds exactly. */
#define MOST_COUNTED 9007199254740992.0

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
    for (size_t i = 0; i < OPU_CHECKPOINT_FIELDS; i++) {
        const char *text;
        OPU_TRY(get_text(r, opu_checkpoint_fields[i].key, &text));
        char *member = (char *)at + opu_checkpoint_fields[i].offset;
        uint64_t whole = 0;
        double real = (double)NAN;
        bool const is_uint = opu_checkpoint_fields[i].type == OPU_FIELD_UINT;
        bool const good = is_uint ? opu_number_uint(&whole, text)
                                  : opu_number_double(&real, text) || strcmp(text, "nan") == 0;
        if (!good) {
            return opu_fail(OPU_E_FORMAT, "%s: its metadata \"%s\" is \"%.40s\", wanted a number",
                            r->path, opu_checkpoint_fields[i].key, text);
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

static int check_bytes(const struct reading *r)
{
    const char *wanted;
    OPU_TRY(get_text(r, "crc32", &wanted));
    uint32_t crc = 0;
    for (size_t i = 0; i < opu_safetensors_count(r->file); i++) {
        crc = opu_checkpoint_crc(crc, opu_safetensors_at(r->file, i));
    }
    char seen[16];
    (void)snprintf(seen, sizeof seen, "%08" PRIx32, crc);
    if (strcmp(seen, wanted) != 0) {
        return opu_fail(OPU_E_FORMAT, "%s: the CRC-32 of its tensors is %s, wanted %.16s: damaged",
                        r->path, seen, wanted);
    }
    return OPU_OK;
}

static int check_identity(const struct reading *r)
{
    const char *seen;
    OPU_TRY(get_text(r, "identity", &seen));
    const char *mine = opu_checkpoint_identity(r->t);
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
    char data[OPU_CHECKPOINT_DATA_SIZE];
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
    opu_checkpoint_data(r->t, data);
    if (strcmp(data, kept_data) != 0) {
        return opu_fail(OPU_E_MISMATCH, "%s: was trained on other data; its files differ", r->path);
    }
    return OPU_OK;
}

static bool is_count(double value)
{
    return value >= 0 && value <= MOST_COUNTED;
}

static int get_alignment(const struct reading *r)
{
    const struct opu_tensor_ref *seen = opu_safetensors_find(r->file, OPU_CHECKPOINT_ALIGNMENT);
    if (!seen || !r->t->alignment) {
        return OPU_OK;
    }
    size_t n_taps;
    const struct opu_tap_alignment *taps = opu_alignment_result(r->t->alignment, &n_taps);
    if (seen->dtype != OPU_F64 || seen->rank != 2 || seen->shape[0] != n_taps ||
        seen->shape[1] != OPU_CHECKPOINT_ALIGNMENT_COLUMNS) {
        return opu_fail(OPU_E_MISMATCH, "%s: its alignment is not of %zu taps", r->path, n_taps);
    }
    for (size_t i = 0; i < n_taps; i++) {
        double row[OPU_CHECKPOINT_ALIGNMENT_COLUMNS];
        memcpy(row, (const char *)seen->data + i * sizeof row, sizeof row);
        if (!is_count(row[2]) || !is_count(row[3])) {
            return opu_fail(OPU_E_FORMAT, "%s: its alignment counts %g and %g samples", r->path,
                            row[2], row[3]);
        }
        r->t->taps[i] = (struct opu_tap_alignment){.tap = taps[i].tap,
                                                   .mean = row[0],
                                                   .std = row[1],
                                                   .counted = (uint64_t)row[2],
                                                   .left_out = (uint64_t)row[3]};
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
    const struct opu_tensor_ref *bytes = opu_safetensors_find(r->file, OPU_CHECKPOINT_CALIBRATION);
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

/* A run that was cut off within an epoch would end with measures of other weights than its own. */
static int check_position(const struct reading *r)
{
    const struct opu_position *at = &r->t->at;
    uint64_t const epochs = r->t->config.settings.epochs;
    if (at->step > r->t->task->steps || at->measured > 1) {
        return opu_fail(OPU_E_FORMAT, "%s: is at step %" PRIu64 " of an epoch of %" PRIu64, r->path,
                        at->step, r->t->task->steps);
    }
    if (at->epochs > epochs || (at->epochs == epochs && at->step > 0)) {
        return opu_fail(OPU_E_MISMATCH,
                        "%s: has %" PRIu64 " epochs and %" PRIu64
                        " steps behind it, this run has train.epochs = %" PRIu64,
                        r->path, at->epochs, at->step, epochs);
    }
    return OPU_OK;
}

static int restore(const struct reading *r)
{
    struct opu_trainer *t = r->t;
    const char *version;
    OPU_TRY(get_text(r, "opu_checkpoint", &version));
    if (strcmp(version, OPU_CHECKPOINT_VERSION) != 0) {
        return opu_fail(OPU_E_FORMAT, "%s: is a checkpoint of version %.20s, wanted %s", r->path,
                        version, OPU_CHECKPOINT_VERSION);
    }
    OPU_TRY(check_bytes(r));
    OPU_TRY(get_position(r, &t->at));
    OPU_TRY(get_parameters(r));
    OPU_TRY(check_identity(r));
    OPU_TRY(check_settings(r));
    OPU_TRY(get_moments(r));
    OPU_TRY(get_alignment(r));
    OPU_TRY(check_position(r));
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
