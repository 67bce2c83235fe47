/* SPDX-License-Identifier: MIT */
/*
 * Writes the checkpoint: parameters, moments, calibration and alignment as tensors; the position,
 * the configuration and what fixes the run's bits as metadata.
 */
#include "core/train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include <opu/backend.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/base/safetensors.h"

#define TEXT_SIZE 32

#define UINT(key, member) \
    { \
        key, OPU_FIELD_UINT, offsetof(struct opu_position, member) \
    }
#define REAL(key, member) \
    { \
        key, OPU_FIELD_REAL, offsetof(struct opu_position, member) \
    }

const struct opu_checkpoint_field opu_checkpoint_fields[OPU_CHECKPOINT_FIELDS] = {
    UINT("measured", measured),
    UINT("epochs", epochs),
    UINT("step", step),
    UINT("optim_step", optim_step),
    UINT("device_clock", device_clock),
    UINT("metrics_bytes", log_bytes[OPU_LOG_METRICS]),
    UINT("timing_bytes", log_bytes[OPU_LOG_TIMING]),
    UINT("probes_bytes", log_bytes[OPU_LOG_PROBES]),
    REAL("epoch_loss", epoch.loss),
    UINT("epoch_correct", epoch.correct),
    UINT("epoch_rows", epoch.rows),
    REAL("epoch_seconds", epoch.seconds),
    UINT("rows", rows),
    REAL("seconds", seconds),
    REAL("train_loss", train_loss),
    REAL("train_accuracy", train_accuracy),
    REAL("test_loss", scores.test_loss),
    REAL("test_accuracy", scores.test_accuracy),
    REAL("valid_loss", scores.valid_loss),
    REAL("valid_accuracy", scores.valid_accuracy),
    REAL("valid_auc", scores.valid_auc),
    REAL("valid_ap", scores.valid_ap),
    REAL("test_auc", scores.test_auc),
    REAL("test_ap", scores.test_ap),
    UINT("best_epoch", best.epoch),
    REAL("best_valid_accuracy", best.valid_accuracy),
    REAL("best_test_accuracy", best.test_accuracy),
    UINT("frames", optical.frames),
    UINT("pixels", optical.pixels),
    UINT("saturated", optical.saturated),
    REAL("optical_s", optical.seconds),
    REAL("optical_j", optical.joules),
    UINT("probes", probes),
    UINT("recalibrations", recalibrations),
    UINT("drifted", drifted),
    UINT("calibrated", calibrated),
    UINT("calibration_frames", calibration_frames),
    REAL("correlation", correlation),
    REAL("correlation_lowest", correlation_lowest),
};

/* format, config, identity, data, crc32 */
#define N_META (OPU_CHECKPOINT_FIELDS + 5)

void opu_checkpoint_data(const struct opu_trainer *t, char text[OPU_CHECKPOINT_DATA_SIZE])
{
    size_t n = 0;
    *text = 0;
    for (size_t i = 0; i < t->task->n_files && n < OPU_CHECKPOINT_DATA_SIZE; i++) {
        const struct opu_dataset_file *file = &t->task->files[i];
        n += (size_t)snprintf(text + n, OPU_CHECKPOINT_DATA_SIZE - n, "%s %016" PRIx64 "\n",
                              file->name, file->hash);
    }
}

uint32_t opu_checkpoint_crc(uint32_t crc, const struct opu_tensor_ref *tensor)
{
    size_t n = opu_dtype_size(tensor->dtype);
    for (size_t i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i]; /* can't overflow: the tensor is in memory */
    }
    return (uint32_t)crc32_z(crc, tensor->data, n);
}

const char *opu_checkpoint_identity(const struct opu_trainer *t)
{
    return t->feedback ? opu_projection_identity(opu_feedback_projection(t->feedback)) : "";
}

static void format_field(const struct opu_checkpoint_field *field, const struct opu_position *at,
                         char text[TEXT_SIZE])
{
    const char *member = (const char *)at + field->offset;
    if (field->type == OPU_FIELD_UINT) {
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
    parts->alignment =
        opu_calloc(t->context, t->n_taps, OPU_CHECKPOINT_ALIGNMENT_COLUMNS * sizeof(double));
    if (!parts->alignment) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < t->n_taps; i++) {
        const struct opu_tap_alignment *tap = &t->taps[i];
        double *row = parts->alignment + OPU_CHECKPOINT_ALIGNMENT_COLUMNS * i;
        row[0] = tap->mean;
        row[1] = tap->std;
        row[2] = (double)tap->counted;
        row[3] = (double)tap->left_out;
    }
    add_tensor(parts, OPU_CHECKPOINT_ALIGNMENT, OPU_F64, t->n_taps,
               OPU_CHECKPOINT_ALIGNMENT_COLUMNS, parts->alignment);
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
        add_tensor(parts, OPU_CHECKPOINT_CALIBRATION, OPU_U8, n, 0, parts->calibration);
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
    char texts[OPU_CHECKPOINT_FIELDS][TEXT_SIZE], data[OPU_CHECKPOINT_DATA_SIZE];
    struct opu_meta meta[N_META];
    for (size_t i = 0; i < OPU_CHECKPOINT_FIELDS; i++) {
        format_field(&opu_checkpoint_fields[i], &at, texts[i]);
        meta[i] = (struct opu_meta){opu_checkpoint_fields[i].key, texts[i]};
    }
    opu_checkpoint_data(t, data);
    meta[OPU_CHECKPOINT_FIELDS] = (struct opu_meta){"opu_checkpoint", OPU_CHECKPOINT_VERSION};
    meta[OPU_CHECKPOINT_FIELDS + 1] = (struct opu_meta){"config", parts->config};
    meta[OPU_CHECKPOINT_FIELDS + 2] = (struct opu_meta){"identity", opu_checkpoint_identity(t)};
    meta[OPU_CHECKPOINT_FIELDS + 3] = (struct opu_meta){"data", data};
    uint32_t crc = 0;
    for (size_t i = 0; i < parts->n_tensors; i++) {
        crc = opu_checkpoint_crc(crc, &parts->tensors[i]);
    }
    char crc_text[16];
    (void)snprintf(crc_text, sizeof crc_text, "%08" PRIx32, crc);
    meta[OPU_CHECKPOINT_FIELDS + 4] = (struct opu_meta){"crc32", crc_text};
    char path[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(&t->folder, OPU_CHECKPOINT_FILE, path);
    return opu_safetensors_write(t->context, path, parts->tensors, parts->n_tensors, meta, N_META);
}

int opu_checkpoint_write(struct opu_trainer *trainer)
{
    if (!opu_folder_keeps(&trainer->folder) || trainer->folder.read_only) {
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
