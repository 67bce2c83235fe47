/* SPDX-License-Identifier: MIT */
/* Sine, cosine and exponential that are the same bits everywhere, against the C library's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/dmath.h"

/* 2 ulp of 1: the series stop below 1e-17, reduction and sums round a few times. */
#define ULPS_2 4.5e-16

static void sine_and_cosine_are_those_of_the_library(void **state)
{
    (void)state;
    for (int i = -300000; i <= 300000; ++i) {
        double const x = (double)i * 0.0123456789;
        double sine, cosine;
        opu_sincos(x, &sine, &cosine);
        assert_true(fabs(sine - sin(x)) < ULPS_2);
        assert_true(fabs(cosine - cos(x)) < ULPS_2);
    }
}

static void exponential_is_that_of_the_library(void **state)
{
    (void)state;
    for (int i = -69999; i <= 69999; ++i) {
        double const x = (double)i * 0.01;
        assert_true(fabs(opu_exp(x) / exp(x) - 1.0) < ULPS_2);
    }
    assert_true(opu_exp(0.0) == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sine_and_cosine_are_those_of_the_library),
        cmocka_unit_test(exponential_is_that_of_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
