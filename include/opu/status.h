/* SPDX-License-Identifier: MIT */
/**
 * @file status.h
 * @brief Status codes and the sentence that goes with a failure.
 *
 * Every function that can fail returns an int: OPU_OK (0) or a negative enum opu_status. The
 * failing function leaves one sentence for the calling thread - what, which, the value seen, the
 * value wanted - that opu_error_message() returns until the next failure in that thread.
 */
#ifndef OPU_STATUS_H
#define OPU_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OPU_API __attribute__((visibility("default")))
#define OPU_NODISCARD __attribute__((warn_unused_result))
#define OPU_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define OPU_API
#define OPU_NODISCARD
#define OPU_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Values are stable: they are only ever added to. */
enum opu_status {
    OPU_OK = 0,
    OPU_E_INVALID = -1,     /**< an argument is out of its range or shape */
    OPU_E_NO_MEMORY = -2,   /**< memory could not be had */
    OPU_E_NOT_FOUND = -3,   /**< no such device, file, key or backend */
    OPU_E_BUSY = -4,        /**< somebody else holds the device */
    OPU_E_IO = -5,          /**< reading or writing failed (disk full, permission, transfer) */
    OPU_E_FORMAT = -6,      /**< a file or message is not what its format demands */
    OPU_E_UNSUPPORTED = -7, /**< the device or build can't do this */
    OPU_E_DEVICE = -8,      /**< the device reports a fault */
    OPU_E_TIMEOUT = -9,     /**< no answer in time; the object stays usable */
    OPU_E_CANCELLED = -10,  /**< stopped on request; what was promised to be kept is kept */
    OPU_E_GONE = -11,       /**< the device was unplugged */
    OPU_E_MATRIX_CHANGED =
        -12,             /**< this device's matrix is not the one the checkpoint was trained with */
    OPU_E_NUMERIC = -13, /**< NaN or infinity where a number was wanted */
    OPU_E_MISMATCH = -14, /**< a checkpoint of another network or set-up */
    OPU_E_OTHER = -99
};

/** Name of a status, such as "OPU_E_FORMAT"; a static string, never NULL. Any thread. */
OPU_API const char *opu_status_name(int status);

/**
 * The sentence of this thread's latest failure; "" if there was none. The pointer stays valid in
 * this thread; its text is replaced by the next failure.
 */
OPU_API const char *opu_error_message(void);

/**
 * Leaves a sentence for opu_error_message() and returns @p status: for backends outside the library
 * (backend.h). The text is cut at 511 bytes.
 */
OPU_API int opu_fail(int status, const char *format, ...) OPU_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
