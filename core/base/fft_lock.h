/* SPDX-License-Identifier: MIT */
/*
 * FFTW's planner (making and destroying plans) is not thread-safe, executing a plan is. This is the
 * one lock around the planner in the library; whoever links FFTW into his own program and plans
 * from several threads has to keep off it himself.
 */
#ifndef OPU_CORE_FFT_LOCK_H
#define OPU_CORE_FFT_LOCK_H

void opu_fft_lock(void);
void opu_fft_unlock(void);

#endif
