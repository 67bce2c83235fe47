/* SPDX-License-Identifier: MIT */
/* The table of media, and columns and rows of any of them. */
#include "sim/medium.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <string.h>

const struct opu_medium_ops *const opu_media[] = {
    [OPU_MEDIUM_GAUSSIAN] = &opu_medium_gaussian,
};
