/* SPDX-License-Identifier: MIT */
/* For the tests of the network parts: random numbers, comparisons that say where, contexts that
 * count. */
#ifndef OPU_TEST_NN_CHECK_H
#define OPU_TEST_NN_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <opu/context.h>

#include "core/base/rng.h"

/* For groups of tests: *state is a context. */
static inline int open_context(void **state)
{
    return opu_context_create((struct opu_context **)state, NULL);
}

static inline int close_context(void **state)
{
    opu_context_destroy(*state);
    return 0;
}

/* A stream of numbers in (-1, 1). */
struct numbers {
    uint64_t seed, next;
};

static inline uint32_t numbers_word(struct numbers *numbers)
{
    return opu_philox(numbers->seed, OPU_STREAM_TEST, 0, numbers->next++).v[0];
}

static inline float numbers_next(struct numbers *numbers)
{
    return 2.0f * opu_uniformf(numbers_word(numbers)) - 1.0f;
}

static inline size_t numbers_below(struct numbers *numbers, size_t n)
{
    return numbers_word(numbers) % n;
}

static inline void *make(size_t n, size_t size)
{
    void *const memory = calloc(n > 0 ? n : 1, size);
    assert_non_null(memory);
    return memory;
}

static inline float *make_numbers(struct numbers *numbers, size_t n)
{
    float *const x = make(n, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = numbers_next(numbers);
    }
    return x;
}

static inline double *as_doubles(const float *x, size_t n)
{
    double *const y = make(n, sizeof *y);
    for (size_t i = 0; i < n; i++) {
        y[i] = (double)x[i];
    }
    return y;
}

/* |seen - wanted| <= bound, where NaN is never within. */
static inline void check_within(const char *what, size_t i, double seen, double wanted,
                                double bound)
{
    if (!(fabs(seen - wanted) <= bound)) {
        fail_msg("%s[%zu]: saw %.9g, wanted %.9g within %.3g", what, i, seen, wanted, bound);
    }
}

#endif
