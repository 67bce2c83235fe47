/* SPDX-License-Identifier: MIT */
/*
 * Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747): 28 x 28 grey pictures of ten kinds
 * of clothes, as four idx files. Debian's package dataset-fashion-mnist has them.
 */
#ifndef OPU_CORE_FASHION_H
#define OPU_CORE_FASHION_H

#include "core/data/dataset.h"

#define OPU_FASHION_SIDE 28
#define OPU_FASHION_CLASSES 10
/* Of the 60000 training pictures' pixels / 255; a test computes them. */
#define OPU_FASHION_MEAN 0.2860f
#define OPU_FASHION_STD 0.3530f

/* See opu_dataset_open(). A row is (pixel / 255 - mean) / std, 784 floats. */
OPU_NODISCARD int opu_fashion_open(struct opu_dataset **out, struct opu_context *context,
                                   const struct opu_dataset_options *options);

#endif
