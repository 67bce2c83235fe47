/* SPDX-License-Identifier: MIT */
/* The lock around FFTW's planner. */
#include "core/base/fft_lock.h"

#include <pthread.h>

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

void opu_fft_lock(void)
{
    pthread_mutex_lock(&planner);
}

void opu_fft_unlock(void)
{
    pthread_mutex_unlock(&planner);
}
