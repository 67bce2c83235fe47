/* SPDX-License-Identifier: MIT */
/* One line about this build, put together once. */
#include <opu/context.h>
#include <opu/version.h>

#include <fftw3.h>
#include <pthread.h>
#include <stdio.h>

#include "core/base/cpu.h"
#include "core/base/gemm.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char line[512];

static void compose(void)
{
    (void)snprintf(line, sizeof line,
                   "opu %d.%d.%d; %s; %s; vectors %s; source MIT; this binary links FFTW and is "
                   "distributed under the GPL-2.0-or-later",
                   OPU_VERSION_MAJOR, OPU_VERSION_MINOR, OPU_VERSION_PATCH, opu_gemm_describe(),
                   fftwf_version, opu_isa_name(opu_isa_best()));
}

const char *opu_version(void)
{
    (void)pthread_once(&once, compose);
    return line;
}
