/* SPDX-License-Identifier: MIT */
/**
 * @file opu.h
 * @brief All of libopu but backend.h, which is for authors of devices.
 */
#ifndef OPU_OPU_H
#define OPU_OPU_H

#include <opu/version.h>
#include <opu/status.h>
#include <opu/context.h>
#include <opu/option.h>
#include <opu/npy.h>
#include <opu/device.h>
#include <opu/projection.h>
#include <opu/train.h>

#endif
