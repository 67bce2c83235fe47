/* SPDX-License-Identifier: MIT */
/**
 * @file opu.h
 * @brief All of libopu but backend.h, which is for authors of devices.
 *
 * What holds everywhere: a pointer may be NULL only where the text says so, which it does of every
 * destroy, close and free. What a call creates belongs to the caller; what it only returns is
 * borrowed, until the object it came from is gone unless the text says sooner. Names, texts and
 * options structs are copied: they may go after the call. A struct that starts with its size is
 * read or filled up to that size, so that a program built against an older header keeps working.
 */
#ifndef OPU_OPU_H
#define OPU_OPU_H

#include <opu/version.h>
#include <opu/status.h>
#include <opu/context.h>
#include <opu/option.h>
#include <opu/npy.h>
#include <opu/device.h>
#include <opu/check.h>
#include <opu/projection.h>
#include <opu/train.h>
#include <opu/emulate.h>
#include <opu/embed.h>

#endif
