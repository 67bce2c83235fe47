/* SPDX-License-Identifier: MIT */
/* Numbers as text, the same in every locale and strict: the whole text is the number or it is none.
 */
#ifndef OPU_CORE_NUMBER_H
#define OPU_CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits alone; false for anything else, or beyond 2^64 - 1. */
bool opu_number_uint(uint64_t *out, const char *text);
/* [-]digits[.digits][e[+-]digits]; false for anything else (nan, inf and hex too), or beyond a
 * double. */
bool opu_number_double(double *out, const char *text);
/* The shortest text that opu_number_double() reads back to the same finite value; at most 32 bytes.
 */
void opu_number_format(char text[32], double value);

#endif
