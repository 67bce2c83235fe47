/* SPDX-License-Identifier: MIT */
/**
 * @file train.h
 * @brief Train a network by back-propagation, Direct Feedback Alignment or as a shallow control.
 *
 * A configuration is a set of key = value pairs (opu_train_options() lists them); a trainer runs it
 * and keeps a run folder: config.ini, manifest.json, metrics.jsonl, timing.jsonl,
 * checkpoint.safetensors.
 */
#ifndef OPU_TRAIN_H
#define OPU_TRAIN_H

#include <opu/context.h>
#include <opu/option.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opu_train_config;
struct opu_trainer;

/** Every key a configuration has, as "section.key", with default, range and help. Static. */
OPU_API const struct opu_option *opu_train_options(size_t *n);

/** A configuration with every key at its default. @return OPU_OK, OPU_E_NO_MEMORY */
OPU_NODISCARD OPU_API int opu_train_config_create(struct opu_train_config **out,
                                                  struct opu_context *context);
/** NULL is fine. */
OPU_API void opu_train_config_destroy(struct opu_train_config *config);

/**
 * Sets a key from text. @return OPU_OK, OPU_E_NOT_FOUND (no such key; the message offers near
 * ones), OPU_E_INVALID (a value out of its range, or one that an .ini file can't hold)
 */
OPU_NODISCARD OPU_API int opu_train_config_set(struct opu_train_config *config, const char *key,
                                               const char *value);

/** Writes a key's value as text. @return OPU_OK, OPU_E_NOT_FOUND, OPU_E_INVALID (n too small) */
OPU_NODISCARD OPU_API int opu_train_config_get(const struct opu_train_config *config,
                                               const char *key, char *text, size_t n);

/**
 * Reads an .ini file on top of what is set. Comments start with ; or #. @return also OPU_E_FORMAT,
 * _IO
 */
OPU_NODISCARD OPU_API int opu_train_config_read(struct opu_train_config *config, const char *path);

/** The same from memory: the border that is fuzzed. A failure of either changes nothing. */
OPU_NODISCARD OPU_API int opu_train_config_parse(struct opu_train_config *config, const char *text);

/** How far a run is. */
struct opu_train_progress {
    size_t size;
    uint64_t epoch, epochs; /**< epoch counts from 1; 0: the metrics before training */
    uint64_t step,
        steps; /**< within the epoch; step == 0: the epoch's metrics have just been taken */
    double train_loss, train_accuracy; /**< running means of this epoch */
    double test_loss, test_accuracy;   /**< of the latest evaluation; NaN before the first */
    double rows_per_second;
    double seconds_left;
    uint64_t probes, recalibrations; /**< of the device's matrix, so far */
    double correlation;              /**< of the latest probe; NaN before the first */
    /** The step just done brought a probe below probe.warn, and the one before it was not. */
    bool drift_warning;
    double valid_accuracy; /**< of the latest evaluation; NaN where nothing validates */
    double test_auc;       /**< of links: see struct opu_train_result; NaN elsewhere */
};

/** Called after every step; a non-zero return stops the run after a checkpoint (OPU_E_CANCELLED).
 */
typedef int (*opu_train_progress_fn)(void *user, const struct opu_train_progress *progress);

/**
 * Loads the data, builds and plans the network, opens the device. A trainer belongs to one thread
 * at a time; the context must outlive it, the configuration is copied. The run folder is the
 * trainer's alone until it is destroyed.
 * @param run_dir the run folder, made if it is not there; NULL: nothing is written
 * @param resume go on from the folder's checkpoint
 * @return OPU_OK, OPU_E_NOT_FOUND (data, device or checkpoint), OPU_E_FORMAT, OPU_E_INVALID,
 *         OPU_E_BUSY (the folder already holds a run, or another process has it),
 *         OPU_E_MATRIX_CHANGED, OPU_E_MISMATCH (a checkpoint of another network, data or
 *         configuration), OPU_E_IO, OPU_E_NO_MEMORY, OPU_E_DEVICE, ...
 */
OPU_NODISCARD OPU_API int opu_trainer_create(struct opu_trainer **out, struct opu_context *context,
                                             const struct opu_train_config *config,
                                             const char *run_dir, bool resume);

/**
 * The same, to see whether it would work: the folder is read at most, nothing is ever written.
 * @param run_dir the run folder whose checkpoint is to be gone on from; NULL: a new run
 * @return as opu_trainer_create()
 */
OPU_NODISCARD OPU_API int opu_trainer_rehearse(struct opu_trainer **out,
                                               struct opu_context *context,
                                               const struct opu_train_config *config,
                                               const char *run_dir);
/** NULL is fine. */
OPU_API void opu_trainer_destroy(struct opu_trainer *trainer);

/**
 * Runs to the last epoch. @p fn may be NULL. After OPU_E_CANCELLED it may be called again and goes
 * on; after another failure the weights may be in the middle of a step: destroy the trainer and
 * resume from the checkpoint.
 * @return OPU_OK, OPU_E_CANCELLED, OPU_E_NUMERIC, OPU_E_IO, device codes, OPU_E_DEVICE also where
 * the matrix has drifted below probe.stop
 */
OPU_NODISCARD OPU_API int opu_trainer_run(struct opu_trainer *trainer, opu_train_progress_fn fn,
                                          void *user);

struct opu_tap_alignment {
    const char *tap; /**< name, borrowed from the trainer */
    double mean,
        std; /**< of the cosine between DFA's and back-propagation's gradient, over samples */
    uint64_t counted, left_out; /**< samples with a gradient, and without */
};

/** What a run came to so far; NaN for what was not measured. Pointers are borrowed from the
 * trainer. */
struct opu_train_result {
    size_t size;
    uint64_t epochs;
    double train_loss, train_accuracy, test_loss, test_accuracy;
    size_t n_taps;
    const struct opu_tap_alignment *alignment; /**< [n_taps]; n_taps is 0 where there is none */
    double seconds, rows_per_second;           /**< training steps alone */
    uint64_t frames;
    double optical_s, optical_j, saturated_share;
    uint64_t parameters;
    const char *identity;                   /**< of the projection, "" without a device */
    const char *projection;                 /**< opu_projection_describe(), "" without a device */
    uint64_t probes, recalibrations;        /**< see opu_projection_probe() */
    double correlation, correlation_lowest; /**< of the latest probe, and of all */
    double valid_loss, valid_accuracy;      /**< on validation nodes */
    /** The first epoch with the highest accuracy on the validation nodes (0: before training), and
     * both accuracies there. */
    uint64_t best_epoch;
    double best_valid_accuracy, best_test_accuracy;
    /** Links of a graph, edges held out against as many pairs without one: area under the
     * receiver's curve, and average precision. */
    double valid_auc, valid_ap, test_auc, test_ap;
};
/** Fills *result, whose size member must be set. @return OPU_OK, OPU_E_INVALID */
OPU_API int opu_trainer_result(const struct opu_trainer *trainer, struct opu_train_result *result);

#ifdef __cplusplus
}
#endif
#endif
