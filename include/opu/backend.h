/* SPDX-License-Identifier: MIT */
/**
 * @file backend.h
 * @brief For authors of devices: the table a backend fills, and how it is registered.
 *
 * A backend does what hardware does and no more: binary frames in, camera counts out (or, for a
 * computed operator, float rows in and out). Encoding, read-out, scale, calibration, chunks,
 * statistics and identity checks are done above it, once for all devices. core/device/null.c is a
 * complete minimal example.
 *
 * The library checks every argument against the caps before it calls; a backend need not check
 * again.
 */
#ifndef OPU_BACKEND_H
#define OPU_BACKEND_H

#include <opu/check.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Raised with each change that a backend built before it would misread. 2: struct opu_region has a
 * carrier. */
#define OPU_BACKEND_API 2u

/** Calls are made from one thread at a time. Members marked (optional) may be NULL. */
struct opu_backend_ops {
    /** (optional) Reports devices that are plugged in; computed devices are listed without it. */
    int (*scan)(struct opu_context *context, opu_scan_fn fn, void *user);

    /**
     * Opens. @p options points to a struct of options_size bytes, filled from the URI by the
     * backend's own table; it is gone after the call. On failure nothing is left behind and *device
     * is not used.
     */
    int (*open)(void **device, struct opu_context *context, const void *options);

    /** Stops what is under way and frees all. */
    void (*close)(void *device);

    /** Fills *caps (zeroed, size set). Called once after open; the facts may not change later. */
    int (*caps)(void *device, struct opu_caps *caps);

    /** Writes what fixes the matrix, at most @p n bytes with the final 0. Same matrix, same text.
     */
    int (*identity)(void *device, char *text, size_t n);

    /**
     * Frames: copies the tables, prepares everything; later submits may not fail for lack of
     * memory.
     */
    int (*configure)(void *device, const struct opu_frame_setup *setup);

    /** Frames: starts a batch. May do the work at once. *job is any number the backend likes. */
    int (*submit)(void *device, struct opu_frame_batch *batch, uint64_t *job);

    /** Frames: see opu_device_wait(). */
    int (*wait)(void *device, uint64_t job, int timeout_ms);

    /** Frames (optional): see opu_device_cancel(). Without it jobs run to their end. */
    int (*cancel)(void *device, uint64_t job);

    /**
     * Floats: prepares an operator of n_out x n_in. @p readout is "float" or the name of the
     * read-out whose noise-free operator is wanted (exact:of=...).
     */
    int (*plan)(void *device, size_t n_in, size_t n_out, const char *readout);

    /** Floats: out[rows][n_out] = B in[rows][n_in], leading dimensions in elements. */
    int (*project)(void *device, const float *in, size_t in_stride, size_t rows, float *out,
                   size_t out_stride);

    /** (optional) See opu_device_field(). */
    int (*field)(void *device, const float *inputs, size_t rows, float *field);

    /**
     * (optional) State beyond the frame clock, as JSON text of at most @p n bytes, for checkpoints.
     */
    int (*state_get)(void *device, char *json, size_t n);
    int (*state_set)(void *device, const char *json); /**< (optional) */

    /** (optional) Back to the state after open; light off. */
    int (*reset)(void *device);

    /** (optional) One line on how the set-up is worked off; see opu_device_describe(). */
    int (*describe)(void *device, char *text, size_t n);

    /** (optional) The device's own acceptance tests; see opu_device_check(). */
    int (*check)(void *device, const struct opu_check_options *options, opu_check_fn fn,
                 void *user);
};

struct opu_backend {
    uint32_t api_version;             /**< OPU_BACKEND_API */
    const char *scheme;               /**< lower-case letters and digits */
    const char *summary;              /**< one line for `opu devices` */
    const struct opu_option *options; /**< offsets into a struct of options_size bytes */
    size_t n_options;
    size_t options_size;
    const struct opu_backend_ops *ops;
};

/**
 * Adds a backend for this process; the table must stay valid until it ends. Not thread-safe: call
 * it before the first device is opened.
 * @return OPU_OK, OPU_E_INVALID (wrong api_version, missing entries), OPU_E_BUSY (scheme taken or
 * table full)
 */
OPU_NODISCARD OPU_API int opu_backend_register(const struct opu_backend *backend);

/**
 * Aligned memory from the context's allocator; 64 bytes alignment; NULL leaves OPU_E_NO_MEMORY's
 * sentence.
 */
OPU_API void *opu_context_alloc(struct opu_context *context, size_t size);
OPU_API void opu_context_free(struct opu_context *context, void *memory);

/** Writes a log record, formatted only if somebody listens. */
OPU_API void opu_context_log(struct opu_context *context, enum opu_log_level level,
                             const char *component, const char *format, ...) OPU_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif
#endif
