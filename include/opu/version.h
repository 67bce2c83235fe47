/* SPDX-License-Identifier: MIT */
/* Version of the interface: the one place the number is written; meson.build reads it from here. */
#ifndef OPU_VERSION_H
#define OPU_VERSION_H

#define OPU_VERSION_MAJOR 0
#define OPU_VERSION_MINOR 1
#define OPU_VERSION_PATCH 0

#endif
