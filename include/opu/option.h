/* SPDX-License-Identifier: MIT */
/**
 * @file option.h
 * @brief Tables of named, typed, bounded options.
 *
 * One table serves for parsing, range checks, --help, the man page, and writing back. Device URIs
 * ("sim:seed=7,bits=10") and training configurations ("optim.lr=3e-4") are both described by one.
 */
#ifndef OPU_OPTION_H
#define OPU_OPTION_H

#include <opu/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Values are stable: they are only ever added to. */
enum opu_option_type {
    OPU_OPTION_BOOL = 0,   /**< bool: 0/1, no/yes, off/on, false/true */
    OPU_OPTION_UINT = 1,   /**< uint64_t, decimal */
    OPU_OPTION_DOUBLE = 2, /**< double, finite */
    OPU_OPTION_CHOICE = 3, /**< int: index into choices, "a|b|c" */
    OPU_OPTION_TEXT = 4    /**< char[OPU_OPTION_TEXT_SIZE], no control characters */
};

#define OPU_OPTION_TEXT_SIZE 256

struct opu_option {
    const char *key;
    enum opu_option_type type;
    size_t offset;        /**< of the member in the struct the table describes */
    const char *fallback; /**< the default, as the user would write it */
    double min, max;      /**< inclusive, for UINT and DOUBLE; both 0: any (UINT up to 2^53) */
    const char *choices;  /**< for CHOICE */
    const char *unit;     /**< "us", "e-", ... or NULL */
    const char *help;     /**< one line */
    const char *group;    /**< "camera": how help and the man page gather options; NULL: none */
    const char *source;   /**< where the default comes from, one line; NULL: a plain choice */
    bool positional; /**< in a device URI the value may stand alone, as the first item: "usb:1.4" */
};

#ifdef __cplusplus
}
#endif
#endif
