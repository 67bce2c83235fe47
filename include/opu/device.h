/* SPDX-License-Identifier: MIT */
/**
 * @file device.h
 * @brief A device, chosen by a URI: what it can do, its frames, its clock, its identity.
 *
 * Most programs need only opu_device_open() and the projections of projection.h. The frame calls
 * here are the boundary itself - binary frames in, camera counts out - for tests, pictures and
 * calibration tools.
 *
 * A device belongs to one thread at a time.
 */
#ifndef OPU_DEVICE_H
#define OPU_DEVICE_H

#include <opu/context.h>
#include <opu/option.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opu_device;

/** What a device is able to do. */
enum opu_capability {
    OPU_CAP_FRAMES = 1 << 0, /**< binary frames in, camera counts out */
    OPU_CAP_FLOATS = 1 << 1, /**< float rows in, float rows out: a computed operator, no optics */
    OPU_CAP_REFERENCE = 1 << 2, /**< has a reference arm, to be stepped in phase and blocked */
    OPU_CAP_REFERENCE_LEVELS = 1 << 3, /**< the arm's amplitude can be set between 0 and 1 */
    OPU_CAP_REGION = 1 << 4,           /**< can read a region of the camera as a picture */
    OPU_CAP_FIELD = 1 << 5,   /**< can tell the noise-free field (simulators): opu_device_field() */
    OPU_CAP_DRIFT = 1 << 6,   /**< its matrix moves with device time */
    OPU_CAP_CARRIER = 1 << 7, /**< the reference arm can be tilted: opu_region carrier (off-axis) */
    OPU_CAP_WINDOW = 1 << 8 /**< where outputs lie depends on how many there are: another matrix */
};

/** Fixed facts about an open device. Numbers that the device can't tell are 0. */
struct opu_caps {
    size_t size;
    uint32_t flags;        /**< enum opu_capability, or-ed */
    uint32_t adc_bits;     /**< bit k set: k-bit counts can be had, 1 <= k <= 16 */
    uint32_t default_bits; /**< used where a set-up asks for 0 */
    size_t max_inputs;     /**< macro-pixels, or columns of float rows */
    size_t max_pixels;     /**< camera pixels, or columns of float outputs */
    size_t max_frames;     /**< frames in one submit */
    size_t max_exposures, max_references;
    double min_exposure_us, max_exposure_us;
    double frame_rate_hz;      /**< frames a second; what the optical time is reckoned with */
    double upload_bytes_per_s; /**< 0: uploads hide behind the frames */
    double power_w;            /**< of the whole device while it runs */
    /**
     * Mean share of the full scale (2^bits - 1 counts) that one mirror adds per microsecond with
     * the reference blocked, averaged over the matrix's ensemble; 0: unknown, calibration measures
     * it. It is the light of the step from off to on: where mirrors that are off leak the amplitude
     * eps, (1 - eps)^2 of what one mirror alone sends.
     */
    double signal_per_us;
    double reference_per_us; /**< the same for the whole reference arm at amplitude 1; 0: unknown */
    double full_well_e;      /**< photo-electrons at full scale; 0: unknown */
    double read_noise_e;     /**< rms; 0: unknown or none */
    bool shot_noise;         /**< counts carry photon noise */
    /**
     * Share of full scale that a dark pixel shows (black level); the well fills what is above it:
     * electrons = (count / (2^bits - 1) - black_level) / (1 - black_level) * full_well_e.
     */
    double black_level;
};

enum opu_output_kind {
    OPU_OUTPUT_PIXELS = 0, /**< sparse pixels, each at least one speckle grain from the next */
    OPU_OUTPUT_REGION = 1  /**< a rectangle of neighbouring pixels */
};

struct opu_region {
    uint32_t width, height;  /**< pixels after binning */
    uint32_t stride;         /**< every stride-th pixel, at least 1 */
    uint32_t binning;        /**< binning x binning pixels summed, at least 1 */
    double pixels_per_grain; /**< speckle grain size in pixels, >= 1; 0: the device's own */
    /** Tilt of the reference arm, cycles a pixel, |f| <= 1/2 (OPU_CAP_CARRIER); 0, 0: on axis. */
    double carrier_x, carrier_y;
};

/** One state of the reference arm. */
struct opu_reference {
    double phase_rad;
    double amplitude; /**< 0: blocked, 1: the whole arm */
};

/** What opu_device_configure() sets up; the tables are copied. */
struct opu_frame_setup {
    size_t size;
    size_t n_inputs; /**< macro-pixels; where they lie on the mirrors is the device's business */
    enum opu_output_kind output_kind;
    size_t n_pixels; /**< OPU_OUTPUT_PIXELS: how many; OPU_OUTPUT_REGION: 0 or width * height */
    struct opu_region region;
    uint32_t bits; /**< of a count; 0: the device's default */
    size_t n_exposures;
    const double *exposures_us;
    size_t n_references; /**< 0: the arm stays blocked */
    const struct opu_reference *references;
};

/** How one frame ended. */
enum opu_frame_status { OPU_FRAME_OK = 0, OPU_FRAME_LOST = 1, OPU_FRAME_FAULT = 2 };

/**
 * A batch of frames and room for what comes back. All arrays belong to the caller and stay
 * untouched by him until opu_device_wait() has returned. Noise and drift are keyed by the frame
 * number and device time is frame number / frame rate, so that a repeated batch returns the same
 * counts.
 */
struct opu_frame_batch {
    size_t size;
    size_t n_frames;
    const uint8_t *bits; /**< [n_frames][(n_inputs + 7) / 8]; input i is bit i % 8 of byte i / 8 */
    const uint16_t *reference; /**< [n_frames] index into the table; NULL: 0, or blocked */
    const uint16_t *exposure;  /**< [n_frames] index into the table; NULL: 0 */
    const uint64_t *number;    /**< [n_frames] frame numbers, ascending */
    void *counts;              /**< [n_frames][n_pixels] uint8_t for bits <= 8, else uint16_t */
    double *time_s;            /**< [n_frames] device time, or NULL */
    uint32_t *saturated;       /**< [n_frames] pixels at full scale, or NULL */
    int32_t *status;           /**< [n_frames] enum opu_frame_status, or NULL */
};

/**
 * What a device has done since it was opened, calibration included, and what the hardware would
 * have taken for it. Calibration's ramps saturate on purpose: they count in all but pixels and
 * saturated. A frame takes 1 / frame rate, also where its exposure is longer than that, as it may
 * be while faint light is measured.
 */
struct opu_device_stats {
    size_t size;
    uint64_t frames, retries;
    uint64_t rows; /**< rows projected, zero rows included */
    uint64_t bytes_up, bytes_down;
    uint64_t pixels, saturated; /**< read, and of these at full scale */
    double optical_s;           /**< frames / frame rate + upload time */
    double optical_j;           /**< optical_s times the device's power */
};

/**
 * Opens the device named by @p uri: "scheme:key=value,key=value", such as "sim:seed=7,bits=10",
 * "usb:1.4", "exact:", "exact:of=sim:seed=7", "null:". Options for the projection (encode, readout,
 * ...) may stand in the URI too; they become the defaults of opu_projection_create(). On failure
 * *out is NULL.
 * @return OPU_OK, OPU_E_INVALID (malformed, unknown option, value out of range), OPU_E_NOT_FOUND
 * (no such scheme or device), OPU_E_BUSY, OPU_E_NO_MEMORY, OPU_E_DEVICE
 */
OPU_NODISCARD OPU_API int opu_device_open(struct opu_device **out, struct opu_context *context,
                                          const char *uri);

/** Closes the device; its projections must be destroyed first. NULL is fine. */
OPU_API void opu_device_close(struct opu_device *device);

/** The URI it was opened with. Borrowed until opu_device_close(). */
OPU_API const char *opu_device_uri(const struct opu_device *device);

/** Borrowed until opu_device_close(). */
OPU_API const struct opu_caps *opu_device_caps(const struct opu_device *device);

/**
 * What fixes the matrix, as a short line such as "sim:gaussian:91c0d1f2a7b3e485": for computed
 * devices a hash of the parameters that move an entry, for hardware its serial and layout. Borrowed
 * until opu_device_close().
 */
OPU_API const char *opu_device_identity(const struct opu_device *device);

/**
 * One line on how the configured device does its work, "matrix measured by columns: 1000
 * propagations of 512 x 512, ..."; "" where there is nothing to say. Borrowed until the next
 * set-up.
 */
OPU_API const char *opu_device_describe(const struct opu_device *device);

/** Fills *stats, whose size member must be set. @return OPU_OK, OPU_E_INVALID */
OPU_API int opu_device_statistics(const struct opu_device *device, struct opu_device_stats *stats);

/** Number that the next frame will carry (the device clock); part of a checkpoint. */
OPU_API uint64_t opu_device_clock(const struct opu_device *device);

/** Sets the device clock, as when a run is resumed. */
OPU_API void opu_device_clock_set(struct opu_device *device, uint64_t frame_number);

/**
 * Sets up inputs, outputs and tables for the frame calls; replaces the previous set-up.
 * @return OPU_OK, OPU_E_INVALID (the message names the limit), OPU_E_UNSUPPORTED (a device of
 * floats), OPU_E_NO_MEMORY, OPU_E_DEVICE
 */
OPU_NODISCARD OPU_API int opu_device_configure(struct opu_device *device,
                                               const struct opu_frame_setup *setup);

/**
 * Starts a batch; *job names it. @return OPU_OK, OPU_E_INVALID, OPU_E_UNSUPPORTED, OPU_E_DEVICE,
 * OPU_E_BUSY
 */
OPU_NODISCARD OPU_API int opu_device_submit(struct opu_device *device,
                                            struct opu_frame_batch *batch, uint64_t *job);

/**
 * Waits until the batch is done. timeout_ms < 0: as long as it takes.
 * @return OPU_OK, OPU_E_TIMEOUT (still running), OPU_E_CANCELLED, OPU_E_DEVICE, OPU_E_GONE
 */
OPU_NODISCARD OPU_API int opu_device_wait(struct opu_device *device, uint64_t job, int timeout_ms);

/** Cancels a batch that is under way; it must still be waited for. @return OPU_OK, OPU_E_NOT_FOUND
 */
OPU_API int opu_device_cancel(struct opu_device *device, uint64_t job);

/**
 * The noise-free complex field at the configured pixels, without reference, in units in which
 * E|H_ij|^2 = 1, at device time 0; DMD leakage is left out. For oracles and tests.
 * @param inputs [rows][n_inputs] float weights
 * @param field [rows][n_pixels][2] real and imaginary part
 * @return OPU_OK, OPU_E_UNSUPPORTED (no OPU_CAP_FIELD), OPU_E_INVALID (not configured)
 */
OPU_NODISCARD OPU_API int opu_device_field(struct opu_device *device, const float *inputs,
                                           size_t rows, float *field);

/** One backend this library knows. */
struct opu_backend_info {
    const char *scheme;  /**< "sim" */
    const char *summary; /**< one line */
    const struct opu_option *options;
    size_t n_options;
};

/** The i-th backend, or NULL past the last. Borrowed, static. */
OPU_API const struct opu_backend_info *opu_backend_info(size_t i);

/** Called for each device found; a non-zero return stops the scan and is returned. */
typedef int (*opu_scan_fn)(void *user, const char *uri, const char *description);

/** Tells every device that is there: computed ones always, hardware if plugged in. */
OPU_API int opu_device_scan(struct opu_context *context, opu_scan_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
