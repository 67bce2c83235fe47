/* SPDX-License-Identifier: MIT */
/**
 * @file projection.h
 * @brief y = B x through a device: encode, frames, read-out, scale.
 *
 * A projection is planned once (opu_projection_create: all checks, allocation and calibration) and
 * run many times. It is the same on every device. B's entries have the variance asked for; row i of
 * B does not depend on how many outputs were asked for, except off axis, where it depends on the
 * size of the picture that they need, and on devices with OPU_CAP_WINDOW (it stands in the
 * identity).
 *
 * A projection belongs to its device's thread.
 */
#ifndef OPU_PROJECTION_H
#define OPU_PROJECTION_H

#include <opu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opu_projection;

/** Zero or NULL members take what the URI says, else the default named. */
struct opu_projection_options {
    size_t size; /**< sizeof(struct opu_projection_options) */
    size_t n_in, n_out;
    size_t max_rows; /**< most rows of one call; default 1024 */
    /**
     * How floats become binary frames: "float" (devices of floats only, their default), "binary",
     * "ternary" (frames' default), "ternary:0.5" (threshold as a share of the row's largest
     * magnitude), "ternary:stochastic" (unbiased), "bitplanes:k" (sign and k magnitude planes, 1 <=
     * k <= 16).
     */
    const char *encode;
    /**
     * How counts become outputs: "intensity" |Hx|^2, "anchor" (linear, no reference arm), "phase4"
     * (linear, four reference phases, both quadratures are outputs: pixel k gives outputs 2k and 2k
     * + 1), "phase3" (the same by three phases 120 degrees apart), "offaxis" (both quadratures of
     * each resolution cell from one frame with a tilted reference). Default: phase4 where the
     * device has a reference arm, else anchor. "float" for devices of floats.
     */
    const char *readout;
    int rescale;     /**< give the row's norm back after encoding: 1 yes, -1 no, 0 default (yes) */
    double variance; /**< of B's entries; default 1 */
    uint64_t seed;   /**< of stochastic rounding */
    uint32_t bits;   /**< of the camera's counts; default: the device's */
    double saturation; /**< largest share of saturated pixels that exposure calibration allows;
                          default 1e-6 */
    /**
     * Read-outs with a reference arm: a pilot pattern is shown before every so many patterns, and
     * after the last one of a call, and the reference's phase is corrected by them; -1: never, 0:
     * what the URI says (pilot=...), else never.
     */
    int64_t pilot_every;
};

/**
 * The keys that the URI of every device takes beside its backend's own (opu_backend_info()): what
 * holds where the options of a projection say nothing. Borrowed, static. A backend's own key of the
 * same name comes first.
 */
OPU_API const struct opu_option *opu_projection_uri_options(size_t *n);

/**
 * Plans a projection and calibrates the device for it (exposures by number of mirrors on, reference
 * or anchor amplitude). Only one projection of a frame device is live at a time; creating another
 * one takes the device over and the older one then fails with OPU_E_BUSY.
 * @return OPU_OK, OPU_E_INVALID, OPU_E_UNSUPPORTED (this device can't do that read-out),
 * OPU_E_NO_MEMORY, OPU_E_DEVICE
 */
OPU_NODISCARD OPU_API int opu_projection_create(struct opu_projection **out,
                                                struct opu_device *device,
                                                const struct opu_projection_options *options);

/** NULL is fine. */
OPU_API void opu_projection_destroy(struct opu_projection *projection);

/**
 * out = B in, and returns when it is there.
 * @param in [rows][n_in], rows in_stride elements apart; NaN or infinity is refused
 * @param out [rows][n_out], rows out_stride elements apart
 * @return OPU_OK, OPU_E_INVALID, OPU_E_NUMERIC, OPU_E_DEVICE, OPU_E_TIMEOUT, OPU_E_GONE
 */
OPU_NODISCARD OPU_API int opu_project(struct opu_projection *projection, const float *in,
                                      size_t in_stride, size_t rows, float *out, size_t out_stride);

/**
 * The same in two halves: the light travels between them. @p in is read before submit returns; @p
 * out is written by wait. One call may be under way at a time.
 */
OPU_NODISCARD OPU_API int opu_project_submit(struct opu_projection *projection, const float *in,
                                             size_t in_stride, size_t rows);
OPU_NODISCARD OPU_API int opu_project_wait(struct opu_projection *projection, float *out,
                                           size_t out_stride);

/**
 * Camera frames that a row costs at most (encoding times read-out, and the pilots of a call of one
 * row); 0 on devices of floats.
 */
OPU_API size_t opu_projection_frames_per_row(const struct opu_projection *projection);

/** One line: "ternary:0.5, phase4, 8 bits, exposures 12.1-108 us, row norm given back". Borrowed.
 */
OPU_API const char *opu_projection_describe(const struct opu_projection *projection);

/**
 * What fixes this projection's B: the device's identity, the read-out and its shape. Kept in
 * checkpoints. Borrowed.
 */
OPU_API const char *opu_projection_identity(const struct opu_projection *projection);

/**
 * Calibration as bytes, for checkpoints: restoring it (after opu_device_clock_set()) makes a
 * resumed run give the same bits. opu_projection_state_size() bytes.
 * @return OPU_OK, OPU_E_MISMATCH (bytes of another set-up, or impossible ones; the calibration at
 * hand stays), OPU_E_BUSY (a call is under way), OPU_E_DEVICE
 */
OPU_API size_t opu_projection_state_size(const struct opu_projection *projection);
OPU_API void opu_projection_state_get(const struct opu_projection *projection, void *bytes);
OPU_NODISCARD OPU_API int opu_projection_state_set(struct opu_projection *projection,
                                                   const void *bytes, size_t size);

/**
 * Shows the probe - fixed patterns that the calibration has stored the answers of - and tells how
 * much of the matrix is still the same: the correlation of the answer with the stored one,
 * corrected for the noise of both, 1 for a matrix that stands still, exp(-dt / tau) for one that
 * decorrelates with tau. Shows 8 to 64 patterns (the fewer, the more outputs there are), which the
 * device clock and the statistics count. Devices without OPU_CAP_DRIFT answer 1 without a frame.
 * The answer scatters: near 1 by (1 - rho^2) / sqrt(4096), for read-outs that are quadratic in the
 * matrix (anchor, intensity) by up to sqrt 3 times that, and may lie just above 1.
 * @return OPU_OK, OPU_E_BUSY, OPU_E_DEVICE
 */
OPU_NODISCARD OPU_API int opu_projection_probe(struct opu_projection *projection,
                                               double *correlation);

/**
 * Calibrates again, as after a drift: exposures, gains and the probe's stored answers are those of
 * the matrix as it is now. After a failure, but for OPU_E_BUSY, the projection is of no more use.
 * @return as opu_projection_create(), OPU_E_BUSY
 */
OPU_NODISCARD OPU_API int opu_projection_recalibrate(struct opu_projection *projection);

/** Most exposure classes of a device. */
#define OPU_CALIBRATION_CLASSES 40

/** What calibration found. */
struct opu_calibration {
    size_t size;
    uint32_t bits;
    size_t n_classes; /**< exposure classes: class c is for up to 2^c mirrors on */
    double exposure_min_us, exposure_max_us;
    double signal_per_us;    /**< mean counts a mirror and microsecond */
    double reference_counts; /**< mean counts of the reference (or anchor) alone, largest class */
    double signal_counts;    /**< mean counts of a full class's signal alone */
    double saturated_share;  /**< seen while calibrating */
    uint32_t first_class;    /**< where classes are few: class 0 is for up to 2^first_class mirrors
                                on, class c for up to 2^(first_class + c) */
    double exposures_us[OPU_CALIBRATION_CLASSES];     /**< of each class */
    double class_references[OPU_CALIBRATION_CLASSES]; /**< reference_counts of each class */
    double leak_per_us;    /**< mean counts a microsecond with all mirrors off */
    size_t anchor_mirrors; /**< that stand beside the inputs; 0: the read-out has no anchor */
    double anchor_inverse; /**< anchor: mean of its light over the outputs, times the mean of the
                              light's inverse; else 0 */
    double sideband_share; /**< offaxis: of the pixels' noise power, what a mode of the signal's
                              power gathers, mean over the modes; else 0 */
};
OPU_API int opu_projection_calibration(const struct opu_projection *projection,
                                       struct opu_calibration *out);

#ifdef __cplusplus
}
#endif
#endif
