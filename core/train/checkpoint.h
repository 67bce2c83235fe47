/* SPDX-License-Identifier: MIT */
/* What the writer and the reader of a checkpoint agree on. */
#ifndef OPU_CORE_CHECKPOINT_H
#define OPU_CORE_CHECKPOINT_H

#include "core/train/trainer.h"

#define OPU_CHECKPOINT_VERSION "2"
#define OPU_CHECKPOINT_CALIBRATION "calibration"
#define OPU_CHECKPOINT_ALIGNMENT "alignment"
/* mean, std, counted, left_out */
#define OPU_CHECKPOINT_ALIGNMENT_COLUMNS 4

/* A member of struct opu_position, kept as a number in the metadata. */
enum opu_field_type { OPU_FIELD_UINT, OPU_FIELD_REAL };

struct opu_checkpoint_field {
    const char *key;
    enum opu_field_type type;
    size_t offset; /* in struct opu_position */
};

#define OPU_CHECKPOINT_FIELDS 39
extern const struct opu_checkpoint_field opu_checkpoint_fields[OPU_CHECKPOINT_FIELDS];

/* Names and hashes of the data's files, one a line: another set would give another run. */
#define OPU_CHECKPOINT_DATA_SIZE 1024
void opu_checkpoint_data(const struct opu_trainer *trainer, char text[OPU_CHECKPOINT_DATA_SIZE]);

/* CRC-32 of a tensor's bytes, continuing `crc` (0 to start): of all tensors in the file's order it
 * is the metadata's "crc32". */
uint32_t opu_checkpoint_crc(uint32_t crc, const struct opu_tensor_ref *tensor);

/* The projection's, or "". */
const char *opu_checkpoint_identity(const struct opu_trainer *trainer);

#endif
