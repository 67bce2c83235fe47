/* SPDX-License-Identifier: MIT */
/*
 * What every device must do, by the public headers alone. The device is OPU_TEST_URI from the
 * environment, else the program's first argument, else "sim:".
 */
#ifndef OPU_TESTS_CONTRACT_H
#define OPU_TESTS_CONTRACT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <opu/opu.h>

static const char *contract_uri = "sim:";

static inline void contract_choose(int argc, char **argv)
{
    const char *const chosen = getenv("OPU_TEST_URI");
    contract_uri = argc > 1 ? argv[1] : contract_uri;
    contract_uri = chosen != NULL && *chosen != '\0' ? chosen : contract_uri;
    printf("# device %s\n", contract_uri);
}

#define assert_ok(expr) \
    do { \
        if ((expr) != OPU_OK) { \
            fail_msg("%s: %s", contract_uri, opu_error_message()); \
        } \
    } while (0)

/* Fails with WANTED and says why. */
#define assert_refused(expr, wanted) \
    do { \
        assert_int_equal((expr), (wanted)); \
        assert_true(strlen(opu_error_message()) > 10); \
    } while (0)

static inline struct opu_device *device_open(void)
{
    struct opu_device *device = NULL;
    assert_ok(opu_device_open(&device, NULL, contract_uri));
    return device;
}

static inline bool has(const struct opu_device *device, uint32_t flag)
{
    return (opu_device_caps(device)->flags & flag) != 0;
}

/* Computed devices repeat bit by bit; of hardware that can't be asked. */
static inline bool repeats(const struct opu_device *device)
{
    return has(device, OPU_CAP_FLOATS) || has(device, OPU_CAP_FIELD);
}

/* Cosine of the angle between two answers; 1 where both are zero (null:). */
static inline double agreement(const float *a, const float *b, size_t n)
{
    double ab = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa + bb > 0.0 ? ab / sqrt(aa * bb) : 1.0;
}

/* Numbers without a pattern, in (-1, 1). */
static inline float noise(uint32_t i)
{
    i = (i ^ 61u) ^ (i >> 16);
    i *= 9u;
    i ^= i >> 4;
    i *= 0x27d4eb2du;
    i ^= i >> 15;
    return (float)((double)i / 2147483648.0 - 1.0);
}

#endif
