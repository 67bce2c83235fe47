/* SPDX-License-Identifier: MIT */
/* What the tests over libusb share: cmocka, words for failures, and bare libusb. */
#ifndef OPU_TESTS_USB_SUPPORT_H
#define OPU_TESTS_USB_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <opu/opu.h>

#include "rig.h"

#define assert_ok(expr) \
    do { \
        if ((expr) < 0) { \
            fail_msg("%s: %s", #expr, opu_error_message()); \
        } \
    } while (0)

/* Fails with `wanted`, and the sentence has `words` in it. */
#define assert_says(expr, wanted, words) \
    do { \
        assert_int_equal((expr), (wanted)); \
        if (strstr(opu_error_message(), (words)) == NULL) { \
            fail_msg("'%s' does not say '%s'", opu_error_message(), (words)); \
        } \
    } while (0)

static inline double real_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline void nap_ms(unsigned ms)
{
    struct timespec const pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* Where umockdev is not there, a test says so and counts as skipped. */
static inline bool no_nodes(void)
{
    if (!usb_nodes_work()) {
        printf("1..0 # SKIP umockdev's preload library is not there\n");
        return true;
    }
    return false;
}

#endif
